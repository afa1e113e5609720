"""Meetings that pass their time while their call goes on: what stays is derived anew, in the same transaction."""

from datetime import UTC, datetime, timedelta

from callscope.aging import remove_aged
from callscope.storage.call_locks import TAKE
from callscope.storage.keys import key_of
from callscope.telemetry import EventRecord
from callscope.vocabulary import EventCategory
from tests.aging import LATER_ROOM, age, read
from tests.inspector import Inspector

SPAN = (
    '{ call(callId: "room") { startedAt statistics { connectionCount } meetings { nodes { number } } freshness { isSettled } } }'
)


async def remove(found: Inspector, now: datetime | None = None) -> int:
    async with found.connection.transaction():
        await found.connection.execute(TAKE, found.project_id, key_of("room"))
        return await remove_aged(found.connection, found.project_id, key_of("room"), now)


async def test_nothing_changes_while_nothing_ages(aging: Inspector) -> None:
    revision = "select revision, derived_at from live.call where call_id = 'room'"
    before, was = await read(aging, "room"), await aging.connection.fetchrow(revision)
    assert await remove(aging) == 0
    assert await read(aging, "room") == before
    assert await aging.connection.fetchrow(revision) == was


async def test_figures_are_those_of_what_is_left(aging: Inspector) -> None:
    before = (await aging.query(SPAN))["call"]
    await age(aging, "room", 1)
    assert await remove(aging) == 1
    after = (await aging.query(SPAN))["call"]
    assert after["meetings"]["nodes"] == [{"number": 2}]
    assert datetime.fromisoformat(after["startedAt"]) > LATER_ROOM.started_at - timedelta(hours=4)
    assert 0 < after["statistics"]["connectionCount"] < before["statistics"]["connectionCount"]
    assert await remove(aging) == 0


async def test_the_clock_may_be_another_one(aging: Inspector) -> None:
    assert await remove(aging, datetime.now(UTC) + timedelta(days=19)) == 0
    assert await remove(aging, datetime.now(UTC) + timedelta(days=21)) == 2
    # Nothing but what happened between the meetings is left, and the call's own row.
    call = (await aging.query(SPAN))["call"]
    assert (call["meetings"]["nodes"], call["statistics"]) == ([], {"connectionCount": 0})


async def test_what_arrived_meanwhile_is_settled_with_it(aging: Inspector) -> None:
    at = LATER_ROOM.started_at + timedelta(seconds=1)
    await aging.tell([EventRecord(call_id="room", at=at, category=EventCategory.OTHER, name="late")], settled=False)
    await age(aging, "room", 1)
    assert await remove(aging) == 1
    assert (await aging.query(SPAN))["call"]["freshness"] == {"isSettled": True}
    assert await aging.settle() == 0
    found = await aging.query('{ call(callId: "room") { events(filter: {names: ["late"]}) { totalCount } } }')
    assert found["call"]["events"]["totalCount"] == 1
