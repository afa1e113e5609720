"""The same telemetry gives the same answers in the end: in any order, repeated, in any pieces, from several writers at once."""

import asyncio
import json
import random
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from callscope.settle import settle_pending
from callscope.sources import Refusal
from callscope.sources.registry import SOURCES
from callscope.storage.pool import connect
from tests.conftest import new_database
from tests.inspector import inspector as running
from tests.test_ingest import EXAMPLES, SIMULATED, anew, answers, at, differences, tell, told_in_order, told_in_pieces

WRITERS = 4


@pytest.fixture(scope="module")
async def shared(servers, migrated):
    async with new_database(servers, template=migrated) as url, running(url, project=uuid4().hex) as found:
        yield found


async def post(inspector, path, content):
    """Send until it is acknowledged; the calls that it tells of."""
    headers = {"authorization": f"Bearer {inspector.key}"}
    while True:
        answer = await inspector.client.post(path, content=content, headers=headers)
        if answer.status_code != 503:
            assert answer.status_code == 200, answer.text
            assert answer.json()["refused"] == []
            return answer.json()["calls"]
        await asyncio.sleep(0.05)


class TestSources:
    """Rows as platforms deliver them, which may come one by one, as callbacks do, or in any files."""

    @pytest.fixture(params=["acs", "vonage"])
    def source(self, request):
        return request.param

    @pytest.fixture
    def rows(self, shared_data, source):
        return [row for file in sorted((shared_data / source).glob("*.json")) for row in json.loads(file.read_text())]

    @pytest.mark.parametrize("seed", range(3))
    async def test_may_come_in_any_order_in_any_files(self, shared, source, rows, seed):
        async def sent(inspector, *batches):
            calls = set()
            for batch, settled in batches:
                calls |= set(await post(inspector, f"/ingest/{source}", json.dumps(batch)))
                if settled:
                    await inspector.settle()
            await inspector.settle()
            return sorted(calls)

        chance = random.Random(seed)
        shuffled = chance.sample(rows, len(rows)) + chance.sample(rows, len(rows) // 2)
        pieces, whole = await anew(shared), await anew(shared)
        single = [([row], chance.random() < 0.3) for row in shuffled[: len(rows) // 2]]
        calls = await sent(pieces, *single, (shuffled[len(rows) // 2 :], False))
        assert await sent(whole, (rows, True)) == calls
        told, expected = await answers(pieces, *calls), await answers(whole, *calls)
        assert differences(told, expected) == []

    @pytest.mark.parametrize("seed", range(3))
    async def test_rows_that_tell_something_together_may_come_apart(self, shared, seed):
        """Packets and lost packets of each interval are rows of their own, of which packet loss is made."""
        chance = random.Random(seed)
        rows = [
            {
                "Type": "ACSCallClientMediaStatsTimeSeries",
                "CallId": "x",
                "CallClientTimeStamp": at(number / 6).isoformat(),
                "MetricName": metric,
                "Average": str(average),
                "MediaStreamDirection": direction,
                "MediaStreamType": media,
                "ParticipantId": "p",
                "RemoteParticipantId": "q",
            }
            for number in range(6)
            for media in ("audio", "video")
            for direction in ("send", "recv")
            for metric, average in (("PacketsPerSecond", 90 - number), ("PacketsLostPerSecond", 10 + number), ("RttInMs", 50))
        ]
        pieces, whole = await anew(shared), await anew(shared)
        await post(whole, "/ingest/acs", json.dumps(rows))
        await whole.settle()
        shuffled = chance.sample(rows, len(rows))
        while shuffled:
            size = chance.choice([1, 2, 10])
            await post(pieces, "/ingest/acs", json.dumps(shuffled[:size]))
            if chance.random() < 0.3:
                await pieces.settle()
            shuffled = shuffled[size:]
        await pieces.settle()
        told, expected = await answers(pieces, "x"), await answers(whole, "x")
        assert differences(told, expected) == []
        query = (
            "select count(*), min(average), max(average) from live.metric_series where project_id = $1 and metric = 'PACKET_LOSS'"
        )
        count, least, most = await whole.connection.fetchrow(query, whole.project_id)
        assert (count, round(least, 2), round(most, 2)) == (4, 12.5, 14.33)

    @pytest.mark.parametrize("name", ["firefox97-standard-stats-sfu", "chrome96-standard-stats-p2p-add-transceiver"])
    async def test_records_of_a_dump_may_come_in_any_order(self, shared, shared_data, name):
        with (shared_data / "rtcstats" / name).open("rb") as file:
            told = [record for record in SOURCES["rtcstats"].read(file) if not isinstance(record, Refusal)]
        (call,) = {record.call_id for record in told}
        assert len(told) > 30
        pieces, whole = await told_in_pieces(shared, told, 1, call), await told_in_order(shared, told, call)
        assert differences(pieces, whole) == []


HOURS = st.sampled_from([0, 0.5, 1.4, 2, 3, 9, 24, 24.1, 24.9, 30])
SCATTERED = st.one_of(
    st.tuples(st.sampled_from("abcd"), HOURS, st.none() | st.sampled_from([0.1, 0.9, 5])).map(
        lambda found: tell(
            "connection",
            connection_id=f"{found[0]}{found[1]}",
            connected_at=at(60 * found[1]),
            closed_at=None if found[2] is None else at(60 * (found[1] + found[2])),
        )
    ),
    HOURS.map(lambda hour: tell("event", at=at(60 * hour - 3), category="OTHER", name="n")),
    HOURS.map(lambda hour: tell("stream", stream_id=f"s{hour}", connection_id=f"a{hour}", published_at=at(60 * hour + 2))),
)


@settings(max_examples=40, **EXAMPLES)
@given(told=st.lists(SCATTERED, min_size=2, max_size=14), seed=st.integers(0, 2**32))
async def test_a_room_used_for_days_may_be_told_of_in_any_order(shared, told, seed):
    """With ends that nobody reported and long silences, which decide where meetings are parted."""
    pieces, whole = await told_in_pieces(shared, told, seed, "x"), await told_in_order(shared, told, "x")
    assert differences(pieces, whole) == []


@settings(max_examples=20, **EXAMPLES)
@given(told=st.lists(SCATTERED, min_size=4, max_size=14), cut=st.integers(1, 29))
async def test_what_comes_later_in_time_leaves_the_past_as_it_was(shared, told, cut):
    """Told hour by hour, a meeting keeps its number, its id and its start, and the call its id."""
    inspector = await anew(shared)
    past = [record for record in told if instant(record) < at(60 * cut)]
    assume(past)
    await inspector.tell(past)
    before = await meetings(inspector)
    await inspector.tell([record for record in told if instant(record) >= at(60 * cut)])
    after = await meetings(inspector)
    assert after["id"] == before["id"]
    assert after["meetings"][: len(before["meetings"])] == before["meetings"]


def instant(record):
    """The latest instant that a record tells of."""
    return max(
        value
        for name in ("at", "connected_at", "closed_at", "published_at")
        if (value := getattr(record, name, None)) is not None
    )


async def meetings(inspector):
    query = '{ call(callId: "x") { id meetings { nodes { id number startedAt } } } }'
    headers = {"authorization": f"Bearer {inspector.key}"}
    call = (await inspector.client.post("/graphql", json={"query": query}, headers=headers)).json()["data"]["call"]
    return {"id": call["id"], "meetings": call["meetings"]["nodes"]}


SUMMARY = {
    "identifier": "acs:u",
    "callStartTime": "2026-03-02T12:00:00Z",
    "callDuration": 600,
    "callType": "Group",
    "participantId": "p",
    "participantStartTime": "2026-03-02T12:00:00Z",
    "participantDuration": 600,
    "endpointId": "e",
    "endpointType": "VoIP",
    "participantEndReason": 0,
    "resultCategory": "Success",
    "sdkVersion": "1.2",
    "osVersion": "Windows 10",
}
DROPPED = {
    "callUpdatesVersion": 1,
    "participantDuration": 900,
    "participantEndReason": 410,
    "participantEndSubCode": 3100,
    "resultCategory": "UnexpectedClientError",
    "sdkVersion": "Redacted",
}
STREAM = {
    "identifier": "acs:u",
    "participantId": "p",
    "endpointId": "e",
    "endpointType": "VoIP",
    "mediaType": "Audio",
    "streamId": "1",
    "streamDirection": "Outbound",
    "jitterAvg": 1,
}


class TestVersions:
    """Where a source revises what it told, the highest version stands, whichever comes last."""

    @pytest.mark.parametrize("settled", [True, False])
    async def test_never_go_backwards(self, shared, settled):
        inspector = await anew(shared)
        names = []
        for version in (1, 3, 2, 0, 3, 4, 1):
            told = tell("participant", participant_id="p", display_name=f"name {version}", version=version)
            await inspector.tell([told], settled=settled)
            await inspector.settle()
            query = "select display_name from live.participant where project_id = $1"
            names.append(await inspector.connection.fetchval(query, inspector.project_id))
        assert names == [f"name {version}" for version in (1, 3, 3, 3, 3, 4, 4)]

    @pytest.mark.parametrize("seed", range(4))
    async def test_of_rows_replace_each_other_as_a_whole(self, shared, seed):
        """Nothing is left of what a lower version told: no error, no warning, no event, and no issue of it."""
        versions = [SUMMARY | DROPPED, SUMMARY | {"callUpdatesVersion": 2}, SUMMARY]
        rows = [("CallSummary", version) for version in versions]
        rows += [("CallDiagnostics", STREAM | {"callUpdatesVersion": 1, "packetLossRateAvg": 0.9})]
        rows += [("CallDiagnostics", STREAM)]
        told = [
            {"time": "2026-03-02T13:00:00Z", "correlationId": "x", "category": category, "properties": row}
            for category, row in rows
        ]
        pieces, whole = await anew(shared), await anew(shared)
        chance = random.Random(seed)
        for row in chance.sample(told, len(told)):
            await post(pieces, "/ingest/acs", json.dumps(row))
            if chance.random() < 0.5:
                await pieces.settle()
        await post(whole, "/ingest/acs", json.dumps([told[2], told[4]]))
        await pieces.settle()
        await whole.settle()
        got, expected = await answers(pieces, "x"), await answers(whole, "x")
        assert differences(got, expected) == []
        assert "410" not in json.dumps(got)
        assert "REDACTED" not in json.dumps(got)


def revisions(seen):
    """How many revisions of calls were seen."""
    return sum(len({state[0] for state in states}) for states in seen.values())


class TestWriters:
    """Several at once write the same calls, while several settle them and somebody reads."""

    CALLS = ("acs", "vonage", "failed")
    SEEN = 60
    """Of the records of each writer, those that it waits for to be seen before it goes on."""

    @asynccontextmanager
    async def meanwhile(self, *works):
        """Tasks that go on until the block ends, without a fault."""
        tasks = [asyncio.create_task(work) for work in works]
        yield
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def write(self, inspector, seed, seen):
        """All telemetry, in an order and in pieces of the writer's own; what it wrote first is seen before it goes on."""
        chance = random.Random(seed)
        rest = chance.sample(SIMULATED, len(SIMULATED))
        while rest:
            size = chance.choice([2, 10, 30])
            lines = [record.model_dump_json(by_alias=True, exclude_none=True) for record in rest[:size]]
            before = revisions(seen)
            await post(inspector, "/ingest", "\n".join(lines))
            if len(SIMULATED) - len(rest) < self.SEEN:
                await self.change(seen, before)
            rest = rest[size:]

    async def change(self, seen, before):
        for _ in range(2000):
            if revisions(seen) > before:
                return
            await asyncio.sleep(0.005)
        raise AssertionError("nobody settles")

    async def settle(self, inspector, connection):
        while True:
            await settle_pending(connection, project_id=inspector.project_id)
            await asyncio.sleep(0.01)

    async def watch(self, inspector, connection, seen):
        """Notes each revision of each call, and what it says of the call."""
        query = """select call_id, revision, derived_at, participant_count, connections from live.call left join lateral
            (select count(*) as connections from live.connection own where own.project_id = call.project_id
                and own.call_key = call.call_key) counted on true where project_id = $1"""
        while True:
            for row in await connection.fetch(query, inspector.project_id):
                seen.setdefault(row["call_id"], []).append(tuple(row)[1:])
            await asyncio.sleep(0.005)

    @pytest.mark.parametrize("seed", range(2))
    async def test_come_to_the_same_answers(self, shared, seed):
        inspector = await anew(shared)
        seen = {}
        async with AsyncExitStack() as stack:
            connections = [await connect(shared.database_url) for _ in range(3)]
            for connection in connections:
                stack.push_async_callback(connection.close)
            await stack.enter_async_context(
                self.meanwhile(
                    self.settle(inspector, connections[0]),
                    self.settle(inspector, connections[1]),
                    self.watch(inspector, connections[2], seen),
                )
            )
            await asyncio.gather(*(self.write(inspector, WRITERS * seed + number, seen) for number in range(WRITERS)))
        await inspector.settle()
        told, expected = await answers(inspector, *self.CALLS), await told_in_order(shared, SIMULATED, *self.CALLS)
        assert differences(told, expected) == []
        assert seen.keys() == set(self.CALLS)
        assert revisions(seen) > len(self.CALLS), "they did not meet"
        for states in seen.values():
            assert all(before[:2] <= after[:2] for before, after in pairwise(states)), "a revision went backwards"
            assert len(set(states)) == len({state[0] for state in states}), "one revision, two answers"
