"""Large calls that go on, followed change by change: what is stored is what deriving them as a whole would store."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf

import pytest

from callscope import followed as module
from callscope import following
from callscope.analysis.standing import Standing
from callscope.erasure import erase
from callscope.followed import FollowedCalls
from callscope.ingest import ingest_plans
from callscope.settle import Settler, settle_pending
from callscope.simulation import CallPlan, Fault, FaultKind, live
from callscope.storage.keys import key_of
from callscope.storage.pool import connect
from callscope.telemetry import CallRecord, ConnectionRecord, EventRecord, StreamRecord
from callscope.vocabulary import EventCategory, Platform
from tests.inspector import inspector as running
from tests.test_erasure import traces

EXACT = (
    "connection",
    "stream",
    "subscriber",
    "metric_rollup",
    "metric_sketch",
    "data_warning",
    "metric_series",
    "metric_sample",
    "meeting",
    "call",
    "participant",
)
"""Tables that are the same as if all were derived at once, but for what is judged later."""
JUDGED = {
    "call": {"revision", "derived_at", "is_provisional", "received_at", "expires_at"},
    "meeting": {"derived_at", "received_at", "expires_at"},
}
OF_ISSUES = {"issue_count", "error_count", "mean_opinion_score", "worst_severity", "issue_seconds"}
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FAULTS = (
    Fault(FaultKind.DOWNLINK_LOSS, 60, 60, 3, 30),
    Fault(FaultKind.CONNECTION_DROP, 80, 20, 4),
    Fault(FaultKind.UPLINK_LOSS, 100, 60, 0, 25),
)


@pytest.fixture(autouse=True)
def every_call_is_followed(monkeypatch):
    monkeypatch.setattr(following, "FOLLOWED_ABOVE", 0)
    monkeypatch.setattr(following, "is_live", lambda _: True)
    monkeypatch.setattr(module, "BUSY_SHARE", 1.0)


@pytest.fixture
async def calls(inspector):
    """A settler's calls, on a connection of its own."""
    connection = await connect(inspector.database_url)
    yield FollowedCalls(connection)
    await connection.close()


def plan(now, minutes=4, **rest):
    return CallPlan("big", Platform.VONAGE, now - timedelta(minutes=minutes - 1), minutes, 1, 12, interval_seconds=5, **rest)


async def settle(calls, inspector):
    return await settle_pending(calls._connection, project_id=inspector.project_id, settle=calls.settle)


async def stored(inspector, table, without=frozenset()):
    rows = await inspector.connection.fetch(f"select t.* from live.{table} t where project_id = $1", inspector.project_id)
    left_out = JUDGED.get(table, set()) | without | {"project_id"}
    return sorted(str(sorted((name, value) for name, value in row.items() if name not in left_out)) for row in rows)


async def told_live(calls, inspector, whole, since, until, step=7):
    """Tell a call as it goes on, settled after each batch."""
    count = 0
    for _, records in live(replace(whole, until=until), timedelta(seconds=step), since):
        await inspector.tell(records, settled=False)
        count += await settle(calls, inspector)
    return count


async def test_what_is_followed_is_what_is_derived_as_a_whole(inspector, calls, monkeypatch):
    now = NOW
    whole = plan(now, faults=FAULTS)
    begun = now - timedelta(minutes=2)
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, [replace(whole, until=begun)])
    assert await settle(calls, inspector) == 1
    parts = []
    part = Standing.part

    def noted(self, participants):
        parts.append(participants)
        return part(self, participants)

    monkeypatch.setattr(Standing, "part", noted)
    monkeypatch.setattr(following, "JUDGED_SHARE", 1.0)
    end = now - timedelta(seconds=5)
    assert await told_live(calls, inspector, whole, begun, end) > 10
    assert parts, "nobody came or went"
    followed = {table: await stored(inspector, table, OF_ISSUES) for table in EXACT}
    async with running(inspector.database_url, project="other") as other:
        told = [record for at, records in live(replace(whole, until=end)) for record in records]
        await other.tell(told)
        for table in EXACT:
            assert followed[table] == await stored(other, table, OF_ISSUES), table
        found = await stored(inspector, "issue", {"open_until"})
        assert len(found) == len(await stored(other, "issue", {"open_until"}))
        # At rest, all of it is derived anew.
        assert await inspector.connection.fetchval(
            "select is_provisional from live.call where project_id = $1", inspector.project_id
        )
        monkeypatch.setattr(module, "REST_SECONDS", 0.0)
        await calls.rest()
        for table in (*EXACT, "issue", "report"):
            assert await stored(inspector, table) == await stored(other, table), table
    assert not await inspector.connection.fetchval(
        "select is_provisional from live.call where project_id = $1", inspector.project_id
    )
    assert not calls._held


async def test_issues_follow_as_time_allows_and_statistics_at_once(inspector, calls, monkeypatch):
    monkeypatch.setattr(following, "JUDGED_SHARE", 1e-6)
    now = NOW
    whole = plan(now)
    begun = now - timedelta(minutes=1)
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, [replace(whole, until=begun)])
    await settle(calls, inspector)
    # The first look is due at once; the next ones are not for a long time.
    await told_live(calls, inspector, whole, begun, begun + timedelta(seconds=8))
    failed = [
        ConnectionRecord(call_id="big", connection_id=f"f{number}", participant_id=f"f{number}", failed_at=now)
        for number in range(3)
    ]
    await inspector.tell(failed, settled=False)
    assert await settle(calls, inspector) == 1
    counts = "failureRates { connect { failures } } issues(filter: {kinds: [CONNECT_FAILED]}) { totalCount }"
    call = (await inspector.query(f"{{ calls {{ nodes {{ {counts} }} }} }}"))["calls"]["nodes"][0]
    assert (call["failureRates"]["connect"]["failures"], call["issues"]["totalCount"]) == (3, 0)
    monkeypatch.setattr(module, "REST_SECONDS", 0.0)
    await calls.rest()
    call = (await inspector.query(f"{{ calls {{ nodes {{ {counts} }} }} }}"))["calls"]["nodes"][0]
    assert call["issues"]["totalCount"] == 3


async def test_what_concerns_all_is_told_to_all(inspector, calls):
    now = NOW
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, [replace(plan(now), until=now)])
    await settle(calls, inspector)
    stream = await inspector.connection.fetchval("select stream_id from live.stream where project_id = $1", inspector.project_id)
    told = [
        CallRecord(call_id="big", tags=["new"]),
        StreamRecord(call_id="big", stream_id=stream, unpublished_at=now - timedelta(seconds=10)),
        EventRecord(call_id="big", at=now, category=EventCategory.OTHER, name="late", connection_id="nobody's"),
    ]
    await inspector.tell(told, settled=False)
    assert await settle(calls, inspector) == 1
    followed = {table: await stored(inspector, table, OF_ISSUES) for table in EXACT}
    await inspector.connection.execute(
        "insert into live.call_change (project_id, call_key) select project_id, call_key from live.call"
    )
    await calls._release(next(iter(calls._held)))
    await inspector.settle()
    for table in EXACT:
        assert followed[table] == await stored(inspector, table, OF_ISSUES), table


async def test_a_call_that_is_followed_is_left_to_who_follows_it(inspector, calls):
    now = NOW
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, [replace(plan(now), until=now)])
    await settle(calls, inspector)
    await inspector.tell([CallRecord(call_id="big", tags=["new"])], settled=False)
    assert await inspector.settle() == 0
    assert await settle(calls, inspector) == 1
    await calls._connection.close()
    await inspector.tell([CallRecord(call_id="big", tags=["newer"])], settled=False)
    assert await inspector.settle() == 1


async def test_who_is_erased_from_a_call_that_is_followed_stays_erased(inspector, calls, monkeypatch):
    """What follows the call has known it before, and telemetry goes on to name it."""
    monkeypatch.setattr(following, "JUDGED_SHARE", 1.0)
    whole, begun, end = plan(NOW, faults=FAULTS), NOW - timedelta(minutes=2), NOW - timedelta(seconds=5)
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, [replace(whole, until=begun)])
    assert await settle(calls, inspector) == 1
    await told_live(calls, inspector, whole, begun, NOW - timedelta(minutes=1))
    text = "select participant_id, display_name from live.participant where display_name is not null order by 1 limit 1"
    id_, name = await inspector.connection.fetchrow(text)
    await erase(inspector.connection, inspector.project_id, id_, key_of("big"))
    assert await told_live(calls, inspector, whole, NOW - timedelta(minutes=1), end) > 3
    assert await traces(inspector, name) == []
    followed = {table: await stored(inspector, table, OF_ISSUES) for table in EXACT}
    monkeypatch.setattr(module, "REST_SECONDS", 0.0)
    await calls.rest()
    for table in EXACT:
        assert followed[table] == await stored(inspector, table, OF_ISSUES), table
    assert await traces(inspector, name) == []


async def test_what_was_left_provisional_is_derived_by_another(inspector, calls, monkeypatch):
    now = NOW
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, [replace(plan(now), until=now)])
    await settle(calls, inspector)
    await inspector.tell([CallRecord(call_id="big", tags=["new"])], settled=False)
    await settle(calls, inspector)
    await calls._connection.close()
    provisional = "select is_provisional from live.call where project_id = $1"
    assert await inspector.connection.fetchval(provisional, inspector.project_id)
    monkeypatch.setattr(module, "REST_SECONDS", 0.0)
    await FollowedCalls(inspector.connection).rest()
    assert not await inspector.connection.fetchval(provisional, inspector.project_id)


async def test_a_change_that_fails_is_not_remembered(inspector, calls, monkeypatch):
    now = NOW
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, [replace(plan(now), until=now)])
    await settle(calls, inspector)
    await inspector.tell(
        [ConnectionRecord(call_id="big", connection_id="x", participant_id="x", connected_at=now)], settled=False
    )
    store = following.Following._store_stretches

    async def failing(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr(following.Following, "_store_stretches", failing)
    with pytest.raises(RuntimeError, match="broken"):
        await settle(calls, inspector)
    monkeypatch.setattr(following.Following, "_store_stretches", store)
    assert await settle(calls, inspector) == 1
    assert (await inspector.query('{ participants(filter: {participantIds: ["x"]}) { totalCount } }'))["participants"][
        "totalCount"
    ] == 1


async def test_a_call_is_brought_up_to_date_no_more_often_than_its_share_allows(inspector, calls, monkeypatch):
    monkeypatch.setattr(module, "BUSY_SHARE", 1e-9)
    now = NOW
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, [replace(plan(now), until=now)])
    assert await settle(calls, inspector) == 1
    assert calls.due_in() == inf
    await inspector.tell([CallRecord(call_id="big", tags=["new"])], settled=False)
    assert await settle(calls, inspector) == 0
    assert 0 < calls.due_in() < inf
    # Whoever settles asks for it once more: of a call that is gone meanwhile, nobody waits again and again.
    assert calls.due_in() == inf


async def test_what_was_not_due_is_brought_up_to_date_once_it_is(inspector, monkeypatch):
    """A settler that nobody tells of more would else sleep for its whole interval."""
    now = NOW
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, [replace(plan(now), until=now)])
    monkeypatch.setattr(Settler, "INTERVAL_SECONDS", 3600.0)
    monkeypatch.setattr(Settler, "LANES", 1)
    monkeypatch.setattr(module, "BUSY_SHARE", 0.2)
    settler = Settler(inspector.database_url)
    known = "select exists (select from live.participant where project_id = $1 and participant_id = $2)"
    task = asyncio.create_task(settler.run())
    try:
        async with asyncio.timeout(60):
            for who in ("one", "two", "three"):
                told = ConnectionRecord(call_id="big", connection_id=who, participant_id=who, connected_at=now)
                await inspector.tell([told], settled=False)
                settler.changed()
                while not await inspector.connection.fetchval(known, inspector.project_id, who):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_no_more_is_held_than_fits(inspector, calls, monkeypatch):
    monkeypatch.setattr(module, "MOST_SERIES", 1)
    now = NOW
    plans = [replace(plan(now), call_id=name, until=now) for name in ("one", "two")]
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, plans)
    assert await settle(calls, inspector) == 2
    assert len(calls._held) == 1
