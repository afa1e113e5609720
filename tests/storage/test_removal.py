"""Rows of calls are removed so many at a time, and those of other calls and projects stay."""

from datetime import timedelta

from callscope.api.keys import project_of
from callscope.saved import CALL_TABLES
from callscope.storage.keys import key_of
from callscope.storage.removal import ENDLESS, Stretch, remove_calls, remove_times
from callscope.telemetry import CallRecord, EventRecord, ParticipantRecord
from callscope.vocabulary import EventCategory, Platform
from tests.aging import ROOM
from tests.inspector import Inspector

TABLES = [f"live.{table}" for table in CALL_TABLES]


async def count(found: Inspector, call_id: str, tables: list[str] = TABLES) -> int:
    own = "where project_id = $1 and call_key = $2"
    counts = [
        await found.connection.fetchval(f"select count(*) from {each} {own}", found.project_id, key_of(call_id))
        for each in tables
    ]
    return sum(counts)


async def test_all_rows_of_some_calls_are_removed_and_counted(aging: Inspector) -> None:
    every, beside = await count(aging, "room"), await count(aging, "one-to-one")
    other = await project_of(aging.connection, "other")
    await aging.connection.execute("insert into live.call_change (project_id, call_key) values ($1, $2)", other, key_of("room"))
    keys = [key_of("room"), key_of("unknown")]
    assert await remove_calls(aging.connection, TABLES, aging.project_id, keys, ENDLESS) == every
    assert (await count(aging, "room"), await count(aging, "one-to-one")) == (0, beside)
    assert await aging.connection.fetchval("select count(*) from live.call_change where project_id = $1", other) == 1
    assert await remove_calls(aging.connection, TABLES, aging.project_id, keys, ENDLESS) == 0


async def test_steps_end_at_their_limit_and_less_says_that_nothing_is_left(aging: Inspector) -> None:
    keys = [key_of("room"), key_of("one-to-one")]
    left = await count(aging, "room") + await count(aging, "one-to-one")
    limit = left // 3
    removed = []
    while not removed or removed[-1] == limit:
        removed.append(await remove_calls(aging.connection, TABLES, aging.project_id, keys, limit))
        assert await count(aging, "room") + await count(aging, "one-to-one") == left - sum(removed)
    assert removed[:3] == [limit] * 3
    assert sum(removed) == left


async def test_a_stretch_ends_with_its_last_instant_and_begins_after_its_first(inspector: Inspector) -> None:
    at, second = ROOM.started_at, timedelta(seconds=1)
    await inspector.tell(
        [CallRecord(call_id="one", platform=Platform.OTHER), ParticipantRecord(call_id="one", participant_id="a")]
    )
    own = {"call_id": "one", "category": EventCategory.OTHER}
    await inspector.tell(EventRecord(**own, at=at + number * second, name=str(number)) for number in range(6))
    stretches = [Stretch(1, at, at + 2 * second, at + 3 * second), Stretch(2, at + 4 * second, at + 5 * second, at + 9 * second)]
    call = (inspector.project_id, key_of("one"))
    assert await remove_times(inspector.connection, *call, stretches, 2) == 2
    assert await remove_times(inspector.connection, *call, stretches, 2) == 1
    assert await remove_times(inspector.connection, *call, stretches, 2) == 0
    rows = await inspector.connection.fetch("select name from live.event order by at")
    assert [row["name"] for row in rows] == ["0", "3", "4"]
