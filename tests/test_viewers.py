"""Large calls with many viewers: PostgreSQL computes each summary once, and every answer is right."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import redis

from callscope.ingest import ingest_plans
from callscope.query import plan
from callscope.query.summaries import MARK, BoundSummary, SummaryKey
from callscope.storage.pool import Pool
from callscope.telemetry import ConnectionRecord
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.plans import STARTED_AT, sample_plans
from tests.saving import change
from tests.tcp_proxy import proxy

ISSUES = "issueSummary { kind severity count participantCount recoveredCount totalSeconds }"
TIMELINE = "stepSeconds times attempts successes failures"
FIELDS = (
    ISSUES,
    f"connectionSummary {{ {TIMELINE} }}",
    f"subscriberSummary(buckets: 7) {{ {TIMELINE} }}",
    "metricBands(metric: BITRATE, direction: SUBSCRIBE) { times seriesCounts bands { percentile values } }",
    "worstSeries(metric: BITRATE, first: 3) { minimum participant { displayName } samples(maxPoints: 20) { averages } }",
)
WHOLE = f"freshness {{ derivedAt }} {' '.join(FIELDS)}"
VIEW = f'{{ call(callId: "broadcast") {{ {WHOLE} meetings {{ nodes {{ {WHOLE} }} }} }} }}'
SUMMARIES = 2 * len(FIELDS)
"""Of the call, and of its meeting."""


@pytest.fixture
async def database(servers, migrated) -> AsyncIterator[str]:
    async with new_database(servers, template=migrated) as url:
        yield url


@pytest.fixture
async def large(database: str) -> AsyncIterator[Inspector]:
    """A broadcast to more subscribers than a small one has, without Redis."""
    async with running(database) as found:
        await found.connection.execute("update callscope.project set large_meeting_subscribers = 5")
        await ingest_plans(found.connection, database, found.project_id, sample_plans()[2:3])
        await found.tell([failure(0)])
        yield found


def failure(number: int) -> ConnectionRecord:
    """Somebody who could not connect: an issue more."""
    at = STARTED_AT + timedelta(hours=2, seconds=number)
    own = {"participant_id": f"late-{number}", "connection_id": f"late-{number}"}
    return ConnectionRecord(call_id="broadcast", **own, attempted_at=at, failed_at=at)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Counter[SummaryKey]:
    """How often the database computed each summary: a statement of its own that finds another revision computes nothing."""
    seen: Counter[SummaryKey] = Counter()
    plain = BoundSummary.compute

    async def counted(self: BoundSummary, connection: Any, keys: str, revision: str) -> bytes | None:
        value = await plain(self, connection, keys, revision)
        seen[self.key(keys, revision)] += value is not None
        return value

    monkeypatch.setattr(BoundSummary, "compute", counted)
    return seen


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...]]]:
    """What readers run from here on, with its arguments."""
    seen: list[tuple[str, tuple[Any, ...]]] = []
    plain = Pool.read

    async def logged(self: Pool, run: Any) -> Any:
        async def watched(connection: asyncpg.Connection) -> Any:
            with connection.query_logger(lambda record: seen.append((record.query, record.args))):
                answer = await run(connection)
                await asyncio.sleep(0)  # asyncpg tells its loggers from the event loop
                return answer

        return await plain(self, watched)

    monkeypatch.setattr(Pool, "read", logged)
    return seen


async def test_what_is_kept_takes_no_statement_more(large: Inspector, statements: list[Any]) -> None:
    async def count() -> int:
        """Statements of a view. A new connection asks for types besides."""
        statements.clear()
        await large.query(VIEW)
        return len([query for query, _ in statements if query.startswith("select")])

    counts = [await count() for _ in range(3)]
    assert counts[1:] == [1, 1]
    assert counts[0] >= 1 + SUMMARIES
    await large.connection.execute("update live.call set is_large = false")
    await large.connection.execute("update live.meeting set is_large = false")
    assert [await count() for _ in range(3)] == [2, 1, 1]


@pytest.mark.usefixtures("patience")
async def test_of_a_live_call_each_summary_is_computed_once_for_each_revision_however_many_ask(
    large: Inspector, redis_url: str, computed: Counter[SummaryKey], statements: list[Any]
) -> None:
    """Viewers of two servers that share Redis ask all the time, while settling takes in what goes on in the call."""
    revisions, viewers = 6, 12
    answers: list[dict[str, Any]] = []
    over = asyncio.Event()

    async def view(client: httpx.AsyncClient) -> None:
        while not over.is_set():
            answer = (await client.post("/graphql", json={"query": VIEW})).json()
            assert "errors" not in answer
            answers.append(answer["data"]["call"])
            await asyncio.sleep(0.02)

    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(running(large.database_url, redis_url=redis_url)) for _ in range(2)]
        watching = [asyncio.create_task(view(server.client)) for server in servers for _ in range(viewers)]
        for number in range(1, revisions):
            seen = {answer["freshness"]["derivedAt"] for answer in answers}
            await large.tell([failure(number)])
            while seen.issuperset(answer["freshness"]["derivedAt"] for answer in answers[-len(watching) :]):
                assert not any(task.done() for task in watching)
                await asyncio.sleep(0.01)
        over.set()
        await asyncio.gather(*watching)
    assert max(computed.values()) == 1
    assert SUMMARIES * (revisions - 1) <= sum(computed.values()) <= SUMMARIES * revisions
    roots = [arguments for query, arguments in statements if "to_json($" in query]
    assert len(roots) >= len(answers)
    assert all(MARK in arguments for arguments in roots)
    told = {(one["freshness"]["derivedAt"], repr(one["issueSummary"]), repr(one["meetings"])) for one in answers}
    assert len({derived for derived, _, _ in told}) == len(told)
    assert len(told) in {revisions - 1, revisions}


@pytest.mark.parametrize("trouble", ["none", "no Redis", "slow", "hung", "stopped", "garbage"])
async def test_answers_are_the_same_bytes_whatever_redis_does(large: Inspector, redis_url: str, trouble: str) -> None:
    expected = (await large.post(VIEW)).content
    async with proxy(redis_url) as between:
        async with running(large.database_url, redis_url=redis_url) as first:
            assert [(await first.post(VIEW)).content for _ in range(2)] == [expected] * 2
        if trouble == "garbage":
            with redis.Redis.from_url(redis_url) as client:
                for name in client.scan_iter():
                    client.set(name, b"garbage")
        if trouble == "stopped":
            await between.stop()
        between.delay, between.is_hung = (0.2 if trouble == "slow" else 0), trouble == "hung"
        async with running(large.database_url, redis_url=None if trouble == "no Redis" else between.url) as server:
            assert [(await server.post(VIEW)).content for _ in range(5)] == [expected] * 5


async def test_a_mutation_answers_with_summaries_of_what_it_made(large: Inspector) -> None:
    live = (await large.query(f'{{ call(callId: "broadcast") {{ id {ISSUES} }} }}'))["call"]
    text = f"""mutation ($input: SaveSessionInput!) {{
        saveSession(input: $input) {{ savedSession {{ id call {{ {ISSUES} }} }} errors {{ code }} }}
    }}"""
    saved = (await large.query(text, input={"callId": live["id"], "name": "kept"}))["saveSession"]
    assert saved["savedSession"]["call"]["issueSummary"] == live["issueSummary"] != []
    await large.tell([failure(1)])
    kept = f"{{ savedSessions {{ nodes {{ call {{ {ISSUES} }} }} }} }}"
    assert (await large.query(kept))["savedSessions"]["nodes"][0]["call"]["issueSummary"] == live["issueSummary"]
    again = (await large.query(text, input={"callId": live["id"], "name": "kept"}))["saveSession"]
    assert again["savedSession"]["call"]["issueSummary"] != live["issueSummary"]
    assert (await large.query(kept))["savedSessions"]["nodes"][0]["call"] == again["savedSession"]["call"]
    await change(large, "deleteSavedSessions", ids=[again["savedSession"]["id"]])
    assert (await large.query(kept))["savedSessions"]["nodes"] == []


async def test_other_projects_have_summaries_of_their_own(large: Inspector, redis_url: str) -> None:
    async with running(large.database_url, "another", redis_url=redis_url) as other:
        await other.connection.execute("update callscope.project set large_meeting_subscribers = 5")
        await ingest_plans(other.connection, other.database_url, other.project_id, sample_plans()[2:3])
        await other.tell([failure(number) for number in range(3)])
        text = f'{{ call(callId: "broadcast") {{ {ISSUES} }} }}'
        headers = {"authorization": f"Bearer {large.key}"}
        mine, theirs = (
            await other.query(text),
            (await other.client.post("/graphql", json={"query": text}, headers=headers)).json(),
        )
        assert theirs["data"] == await large.query(text) != mine


async def test_a_summary_that_takes_too_long_is_an_error(large: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(*_: Any) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(BoundSummary, "compute", endless)
        patched.setattr(plan, "FIELD_SECONDS", 0.5)
        answer = await large.post(VIEW)
    assert answer.status_code == 504
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["TIMEOUT"]


async def test_a_database_that_fails_meanwhile_is_an_error(large: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any) -> None:
        raise TimeoutError

    with monkeypatch.context() as patched:
        patched.setattr(BoundSummary, "compute", fails)
        answer = await large.post(VIEW)
    assert answer.status_code == 503
    assert (await large.post(VIEW)).status_code == 200


async def test_figures_tell_of_hits_and_misses(large: Inspector, redis_url: str, patience: None) -> None:
    async with running(large.database_url, redis_url=redis_url) as server:
        for _ in range(3):
            await server.query(VIEW)
        text = (await server.client.get("/metrics")).text
    assert f"callscope_summary_cache_misses_total {SUMMARIES}.0" in text
    assert f'callscope_summary_cache_hits_total{{source="memory"}} {2.0 * SUMMARIES}' in text
    assert "callscope_redis_up 1.0" in text
    assert "callscope_redis_up 0.0" in (await large.client.get("/metrics")).text
