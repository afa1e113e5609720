"""Parts of time tables: which hold nothing readable, and when they are dropped nevertheless not."""

from datetime import UTC, datetime, timedelta

from callscope.storage.chunks import Chunk, candidates, chunks, drop
from callscope.storage.pool import connect
from callscope.storage.timeseries import TIME_TABLES, WEEK, week_of
from callscope.telemetry import ConnectionRecord, EventRecord
from callscope.vocabulary import EventCategory
from tests.aging import ROOM, age, expire
from tests.inspector import Inspector

FOREVER = datetime(2090, 1, 1, tzinfo=UTC)


async def of_room(found: Inspector) -> list[Chunk]:
    return [chunk for chunk in await chunks(found.connection) if chunk.start == week_of(ROOM.started_at)]


async def test_they_are_weeks_of_each_time_table(aging: Inspector) -> None:
    own = await of_room(aging)
    assert {chunk.table for chunk in own} == {f"live.{table}" for table in TIME_TABLES}
    assert all(chunk.end - chunk.start == WEEK for chunk in own)
    every = await chunks(aging.connection)
    assert [chunk.start for chunk in every] == sorted(chunk.start for chunk in every)


async def test_only_those_are_candidates_that_are_old_and_of_which_nothing_is_read(aging: Inspector) -> None:
    now = datetime.now(UTC)
    assert await candidates(aging.connection, FOREVER, now) == []
    await expire(aging, "room")
    assert await candidates(aging.connection, FOREVER, now) == []
    await expire(aging, "one-to-one")
    now = datetime.now(UTC)
    own = await of_room(aging)
    assert await candidates(aging.connection, FOREVER, now) == own
    assert await candidates(aging.connection, own[0].end, now) == own
    assert await candidates(aging.connection, own[0].end - timedelta(seconds=1), now) == []


async def test_what_came_meanwhile_is_not_dropped(aging: Inspector) -> None:
    for name in ("room", "one-to-one"):
        await expire(aging, name)
    now = datetime.now(UTC)
    own = next(chunk for chunk in await candidates(aging.connection, FOREVER, now) if chunk.table == "live.event")
    event = EventRecord(call_id="new", at=ROOM.started_at, category=EventCategory.OTHER, name="new")
    await aging.tell([event], settled=False)
    # Once because it is not settled yet, then because it can be read.
    assert not await drop(aging.connection, own, now)
    await aging.settle()
    assert not await drop(aging.connection, own, now)
    await expire(aging, "new")
    assert await drop(aging.connection, own, datetime.now(UTC))
    assert own not in await chunks(aging.connection)
    # It is not there to be dropped again.
    assert not await drop(aging.connection, own, now)


async def test_of_a_call_that_goes_on_what_can_be_read_is_not_dropped(aging: Inspector) -> None:
    start = ROOM.started_at + timedelta(days=30)
    own = {"call_id": "room", "participant_id": "a", "connection_id": "later"}
    await aging.tell([ConnectionRecord(**own, connected_at=start, closed_at=start + timedelta(minutes=1))])
    await expire(aging, "one-to-one")
    await age(aging, "room", 1)
    now = datetime.now(UTC)
    event = next(chunk for chunk in await of_room(aging) if chunk.table == "live.event")
    assert event in await candidates(aging.connection, FOREVER, now)
    assert not await drop(aging.connection, event, now)
    await age(aging, "room", 1, 2)
    assert await drop(aging.connection, event, datetime.now(UTC))


async def test_who_uses_it_is_not_waited_for_long(aging: Inspector) -> None:
    for name in ("room", "one-to-one"):
        await expire(aging, name)
    now = datetime.now(UTC)
    other = await connect(aging.database_url)
    own = next(chunk for chunk in await of_room(aging) if chunk.table == "live.event")
    async with other.transaction():
        await other.execute("select count(*) from live.event")
        assert not await drop(aging.connection, own, now)
    await other.close()
    assert own in await chunks(aging.connection)
