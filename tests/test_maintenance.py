"""What maintenance removes, what it leaves, and what holds wherever it is interrupted."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from callscope import maintenance
from callscope import saved as saving
from callscope.ingest import ingest_plans
from callscope.labels import labels
from callscope.maintenance import Maintainer, Removed, maintain
from callscope.saved import CALL_TABLES
from callscope.storage.call_locks import TRY
from callscope.storage.chunks import chunks
from callscope.storage.derived import TRY_LOCK
from callscope.storage.keys import key_of
from callscope.storage.ledger import Ledger
from callscope.storage.pool import connect
from callscope.storage.timeseries import TIME_TABLES, Partitions
from callscope.telemetry import ConnectionRecord, EventRecord
from callscope.vocabulary import EventCategory
from tests.aging import LATER_ROOM, READ, ROOM, age, expire, mark_changed, read
from tests.inspector import Inspector
from tests.reads import reached
from tests.saving import change, global_id, saved
from tests.test_durability import until
from tests.test_export import anew
from tests.test_ingest import differences

OF_A_CALL = [*(f"live.{table}" for table in CALL_TABLES), "live.inspection"]
NOTHING = Removed()
SESSION = READ.replace("String", "ID!").replace("call(callId: $id)", "savedSession(id: $id) { canRefresh call") + "}"


@pytest.fixture
async def filled(aging: Inspector) -> Inspector:
    await global_id(aging, "room")
    # Which waits until it is noted.
    await aging.query("{ recentlyInspectedCalls { id } }")
    return aging


async def rows(found: Inspector, call_id: str, tables: list[str] = OF_A_CALL) -> dict[str, int]:
    """How many rows each table has of a call; those without any are left out."""
    counts = {
        table: await found.connection.fetchval(f"select count(*) from {table} where call_key = $1", key_of(call_id))
        for table in tables
    }
    return {table: count for table, count in counts.items() if count}


async def answers(found: Inspector, call_id: str) -> dict[str, Any]:
    return await reached(found, {await global_id(found, call_id)})


async def partitions(found: Inspector) -> set[tuple[str, datetime]]:
    """The parts of time tables that there are, by their table and start."""
    return {(chunk.table, chunk.start) for chunk in await chunks(found.connection)}


async def maintained(found: Inspector, gone: set[tuple[str, datetime]], **given: Any) -> Removed:
    """What is removed until these partitions are: one that is in use, if by autovacuum alone, is left to the next run."""
    removed = Removed()

    async def is_done() -> bool:
        await maintain(found.connection, removed=removed, **given)
        return gone.isdisjoint(await partitions(found))

    await until(is_done)
    return removed


# ---------------------------------------------------------------------------------------------------- calls


async def test_nothing_is_removed_before_its_time(filled: Inspector) -> None:
    await expire(filled, "room", timedelta(seconds=30))
    before = await read(filled, "room")
    assert await maintain(filled.connection) == NOTHING
    assert await read(filled, "room") == before


async def test_an_expired_call_is_removed_whole_and_others_stay(filled: Inspector) -> None:
    session = await saved(filled, "room", "kept")
    kept = await filled.query(SESSION, id=session["id"])
    told = [table for table in OF_A_CALL if table != "live.inspection"]
    beside, of_beside = await read(filled, "one-to-one"), await rows(filled, "one-to-one", told)
    was = await rows(filled, "room")
    assert was.keys() >= {"live.inspection", "live.record", "live.event", "live.metric_sample", "live.report"}
    await expire(filled, "room")
    removed = await maintain(filled.connection)
    assert (removed.calls, removed.meetings, removed.saved_sessions) == (1, 0, 0)
    assert removed.rows == sum(was.values())
    assert await rows(filled, "room") == {}
    assert await rows(filled, "one-to-one", told) == of_beside
    assert await read(filled, "one-to-one") == beside
    # The session lives on, and says that its call does not.
    kept["savedSession"]["canRefresh"] = False
    assert await filled.query(SESSION, id=session["id"]) == kept
    assert await filled.settle() == 0
    assert await maintain(filled.connection) == NOTHING


async def test_the_clock_may_be_another_one(filled: Inspector) -> None:
    future = datetime.now(UTC) + timedelta(days=19)
    assert await maintain(filled.connection, now=future) == NOTHING
    removed = await maintained(filled, await partitions(filled), now=future + timedelta(days=2))
    # Nothing is left that could be read, so that hardly a row had to be deleted.
    assert (removed.calls, removed.partitions) == (2, len(TIME_TABLES))
    for call_id in ("room", "one-to-one"):
        assert await rows(filled, call_id) == {}


@pytest.mark.parametrize(("step_rows", "step_calls"), [(9, 1), (30, 2)])
async def test_small_steps_lead_to_the_same(
    filled: Inspector, monkeypatch: pytest.MonkeyPatch, step_rows: int, step_calls: int
) -> None:
    monkeypatch.setattr(maintenance, "STEP_ROWS", step_rows)
    monkeypatch.setattr(maintenance, "STEP_CALLS", step_calls)
    await ingest_plans(
        filled.connection,
        filled.database_url,
        filled.project_id,
        [replace(ROOM, call_id=f"small-{n}", minutes=0.3) for n in range(3)],
    )
    await filled.settle()
    names = ["room", *(f"small-{n}" for n in range(3))]
    was = sum([sum((await rows(filled, name)).values()) for name in names])
    for name in names:
        await expire(filled, name)
    removed = await maintain(filled.connection)
    assert (removed.calls, removed.rows) == (4, was)
    for name in names:
        assert await rows(filled, name) == {}
    assert await rows(filled, "one-to-one")


async def test_what_arrived_lately_is_looked_at_first(filled: Inspector) -> None:
    """A room that is used again just when it would have gone: the new meeting stays, and takes no old one with it."""
    await expire(filled, "room")
    now = datetime.now(UTC).replace(microsecond=0)
    own = {"call_id": "room", "connection_id": "new", "participant_id": "new"}
    await filled.tell([ConnectionRecord(**own, connected_at=now - timedelta(minutes=5), closed_at=now)], settled=False)
    removed = await maintain(filled.connection)
    assert (removed.calls, removed.meetings) == (0, 2)
    call = (
        await filled.query(
            '{ call(callId: "room") { startedAt meetings { nodes { number } } participants { nodes { participantId } } } }'
        )
    )["call"]
    assert [node["number"] for node in call["meetings"]["nodes"]] == [3]
    assert [node["participantId"] for node in call["participants"]["nodes"]] == ["new"]
    assert set(await rows(filled, "room", ["live.event", "live.metric_sample"])) == set()


async def test_what_is_told_of_a_call_after_it_went_is_a_new_call(filled: Inspector) -> None:
    await expire(filled, "room")
    await maintain(filled.connection)
    now = datetime.now(UTC).replace(microsecond=0)
    await filled.tell([ConnectionRecord(call_id="room", connection_id="late", participant_id="a", connected_at=now)])
    text = '{ call(callId: "room") { expiresAt meetings { nodes { number } } participants { totalCount } } }'
    call = (await filled.query(text))["call"]
    assert (call["meetings"]["nodes"], call["participants"]["totalCount"]) == ([{"number": 1}], 1)
    assert datetime.fromisoformat(call["expiresAt"]) > now + timedelta(days=19)


async def test_a_change_that_is_left_over_brings_nothing_back(filled: Inspector) -> None:
    await mark_changed(filled, "room")
    await expire(filled, "room")
    assert (await maintain(filled.connection)).calls == 1
    assert await rows(filled, "room") == {}
    assert await filled.settle() == 0
    assert (await filled.query('{ call(callId: "room") { id } }'))["call"] is None


async def test_what_could_never_be_settled_goes_too(filled: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    late = {"at": ROOM.started_at, "category": EventCategory.OTHER, "name": "lost"}
    await filled.tell([EventRecord(call_id="never", **late)], settled=False)
    assert await maintain(filled.connection) == NOTHING
    await filled.connection.execute("update live.call_change set changed_at = now() - interval '21 days'")
    assert (await maintain(filled.connection)).calls == 1
    assert await rows(filled, "never") == {}


async def test_a_call_that_cannot_be_settled_keeps_no_other_from_it(
    filled: Inspector, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    await mark_changed(filled, "room")
    for name in ("room", "one-to-one"):
        await expire(filled, name)

    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("callscope.settlement.Settlement.derive", broken)
    assert (await maintain(filled.connection)).calls == 1
    assert await rows(filled, "one-to-one") == {}
    assert await rows(filled, "room")
    assert "is left as it is" in caplog.text


# ---------------------------------------------------------------------------------------------------- meetings


def renumbered(found: dict[str, Any], number: int) -> dict[str, Any]:
    """As if the meeting of that number were the first one."""
    text = json.dumps(found)
    call = next(id_ for id_ in found if id_.startswith("call_")).partition("_")[2]
    text = text.replace(f'"meeting_{call}_{number}"', f'"meeting_{call}_1"').replace(f'"number": {number}', '"number": 1')
    text = text.replace(f"# Meeting {number} of", "# Meeting 1 of")
    answers = json.loads(text)
    for id_, answer in answers.items():
        if id_.startswith("call_"):
            answers[id_] = {name: value for name, value in answer.items() if not name.startswith("meeting")}
    return answers


async def test_a_meeting_is_removed_as_if_it_had_never_been(aging: Inspector) -> None:
    inspector = aging
    alone = await anew(inspector)
    await ingest_plans(alone.connection, alone.database_url, alone.project_id, [LATER_ROOM])
    await alone.settle()
    await age(inspector, "room", 1)
    await inspector.connection.execute("delete from live.event where name = 'between'")
    removed = await maintain(inspector.connection)
    assert (removed.calls, removed.meetings) == (0, 1)
    assert removed.rows > 50
    left = renumbered(await answers(inspector, "room"), 2)
    assert differences(left, renumbered(await answers(alone, "room"), 1)) == []
    kept = [await told(each) for each in (inspector, alone)]
    assert kept[0] == kept[1]
    # It stays so, whatever is derived anew, and the number stays taken.
    for _ in range(2):
        await mark_changed(inspector, "room")
        await inspector.settle()
        assert differences(renumbered(await answers(inspector, "room"), 2), left) == []
    assert await maintain(inspector.connection) == NOTHING
    start = LATER_ROOM.started_at + timedelta(days=2)
    await inspector.tell(
        [ConnectionRecord(call_id="room", connection_id="next", participant_id="a", connected_at=start, closed_at=start)]
    )
    text = '{ call(callId: "room") { meetings { nodes { number } } } }'
    assert [node["number"] for node in (await inspector.query(text))["call"]["meetings"]["nodes"]] == [2, 3]


async def told(found: Inspector) -> list[Any]:
    """What is stored of what was told of the room."""
    texts = (
        "select record_key, kind, body::text from live.record where project_id = $1 and call_key = $2"
        " and kind <> 'call' order by 1",
        "select at, event_key, name, participant_key from live.event where project_id = $1 and call_key = $2 order by 1, 2",
        "select series_key, at, value from live.metric_sample where project_id = $1 and call_key = $2 order by 1, 2",
    )
    return [[tuple(row) for row in await found.connection.fetch(text, found.project_id, key_of("room"))] for text in texts]


async def test_a_meeting_in_the_middle_leaves_both_sides(filled: Inspector) -> None:
    start = LATER_ROOM.started_at + timedelta(days=2)
    await filled.tell(
        [ConnectionRecord(call_id="room", connection_id="third", participant_id="third", connected_at=start, closed_at=start)]
    )
    before = await read(filled, "room")
    await age(filled, "room", 2)
    hidden = await read(filled, "room")
    assert (await maintain(filled.connection)).meetings == 1
    after = await read(filled, "room")
    assert [each["number"] for each in after["meetings"]["nodes"]] == [1, 3]
    # Whoever was in several meetings is told of by what is left.
    for name in ("connections", "streams", "events", "issues", "metricSeries"):
        known = {each["id"]: each for each in before[name]["nodes"]}
        assert after[name]["nodes"] == [known[each["id"]] for each in after[name]["nodes"]]
        assert after[name] == hidden[name]
        assert 0 < len(after[name]["nodes"]) < len(known) or name in ("issues", "metricSeries")
    assert {"early", "third"} < {each["participantId"] for each in after["participants"]["nodes"]}


@pytest.mark.parametrize("step_rows", [3, 50])
async def test_a_meeting_goes_in_small_steps_too(filled: Inspector, monkeypatch: pytest.MonkeyPatch, step_rows: int) -> None:
    monkeypatch.setattr(maintenance, "STEP_ROWS", step_rows)
    await age(filled, "room", 1)
    assert (await maintain(filled.connection)).meetings == 1
    assert await filled.connection.fetchval(
        "select min(at) from live.event where call_key = $1", key_of("room")
    ) > ROOM.started_at + timedelta(hours=1)
    assert await maintain(filled.connection) == NOTHING


async def test_a_call_is_not_saved_with_a_meeting_that_has_gone(filled: Inspector) -> None:
    await age(filled, "room", 1)
    session = await saved(filled, "room", "late")
    inside = 'meetings { nodes { number } } events(filter: {include: ["early"]}) { totalCount }'
    text = f"query ($id: ID!) {{ savedSession(id: $id) {{ call {{ {inside} }} }} }}"
    call = (await filled.query(text, id=session["id"]))["savedSession"]["call"]
    assert call == {"meetings": {"nodes": [{"number": 2}]}, "events": {"totalCount": 0}}
    assert await maintain(filled.connection) == NOTHING


# ---------------------------------------------------------------------------------------------------- partitions


async def test_a_partition_is_dropped_once_nothing_in_it_can_be_read(filled: Inspector) -> None:
    older = replace(ROOM, call_id="older", started_at=ROOM.started_at - timedelta(days=14))
    await ingest_plans(filled.connection, filled.database_url, filled.project_id, [older])
    await filled.settle()
    was = await partitions(filled)
    assert len(was) == 2 * len(TIME_TABLES)
    in_times = sum((await rows(filled, "older", [f"live.{table}" for table in TIME_TABLES])).values())
    every = sum((await rows(filled, "older")).values())
    await expire(filled, "older")
    before = await read(filled, "room")
    week = min(start for _, start in was)
    removed = await maintained(filled, {each for each in was if each[1] == week})
    assert (removed.calls, removed.partitions, removed.rows) == (1, len(TIME_TABLES), every - in_times)
    assert await partitions(filled) == {each for each in was if each[1] != week}
    assert await read(filled, "room") == before
    # What comes late finds a place.
    partitions_made = await filled.tell(
        [EventRecord(call_id="late", at=older.started_at, category=EventCategory.OTHER, name="late")]
    )
    assert partitions_made.accepted == 1
    assert (await filled.query('{ call(callId: "late") { events { totalCount } } }'))["call"]["events"]["totalCount"] == 1
    assert await maintain(filled.connection) == NOTHING


async def test_a_partition_with_one_call_that_can_be_read_stays(filled: Inspector) -> None:
    await expire(filled, "room")
    was = await partitions(filled)
    removed = await maintain(filled.connection)
    assert (removed.calls, removed.partitions) == (1, 0)
    assert await partitions(filled) == was


async def test_a_partition_goes_with_the_meetings_in_it_while_their_call_stays(filled: Inspector) -> None:
    """A room that is used each week: last week's part of it keeps no partition."""
    start = LATER_ROOM.started_at + timedelta(days=21)
    later = replace(ROOM, started_at=start)
    await ingest_plans(filled.connection, filled.database_url, filled.project_id, [later])
    await filled.settle()
    await expire(filled, "one-to-one")
    await age(filled, "room", 1, 2)
    old = {each for each in await partitions(filled) if each[1] < start - timedelta(days=7)}
    removed = await maintained(filled, old)
    assert (removed.calls, removed.meetings, removed.partitions) == (1, 2, len(TIME_TABLES))
    assert len(await partitions(filled)) == len(TIME_TABLES)


async def test_telemetry_that_is_not_settled_yet_keeps_its_partition(filled: Inspector) -> None:
    await filled.tell([EventRecord(call_id="new", at=ROOM.started_at, category=EventCategory.OTHER, name="late")], settled=False)
    for name in ("room", "one-to-one"):
        await expire(filled, name)
    was = await partitions(filled)
    samples = {each for each in was if each[0] != "live.event"}
    assert (await maintained(filled, samples)).calls == 2
    assert was - await partitions(filled) == samples
    await filled.settle()
    assert (await filled.query('{ call(callId: "new") { events { totalCount } } }'))["call"]["events"]["totalCount"] == 1


async def test_nobody_waits_long_for_a_partition_that_is_in_use(filled: Inspector) -> None:
    for name in ("room", "one-to-one"):
        await expire(filled, name)
    other = await connect(filled.database_url)
    async with other.transaction():
        await other.execute("select count(*) from live.event")
        async with asyncio.timeout(10):
            removed = await maintain(filled.connection)
        assert removed.calls == 2
        assert {table for table, _ in await partitions(filled)} >= {"live.event"}
    await other.close()
    await maintained(filled, await partitions(filled))


async def test_the_week_that_goes_on_is_not_dropped(filled: Inspector) -> None:
    now = datetime.now(UTC)
    await filled.tell([EventRecord(call_id="now", at=now, category=EventCategory.OTHER, name="now")])
    await expire(filled, "now")
    await filled.connection.execute("update callscope.project set retention_days = 1")
    assert (await maintain(filled.connection, now=now + timedelta(hours=20))).calls >= 1
    assert [start for _, start in await partitions(filled) if start <= now < start + timedelta(days=7)]


# ---------------------------------------------------------------------------------------------------- at the same time


async def test_one_process_at_a_time_does_it(filled: Inspector) -> None:
    await expire(filled, "room")
    other = await connect(filled.database_url)
    await other.execute("select pg_advisory_lock($1)", maintenance._LOCK)
    assert await maintain(filled.connection) is None
    assert await rows(filled, "room")
    await other.close()
    assert (await maintain(filled.connection)).calls == 1


@asynccontextmanager
async def at_work(found: Inspector, *statements: tuple[Any, ...]) -> AsyncIterator[asyncpg.Connection]:
    """Someone in a transaction that has run some statements."""
    connection = await connect(found.database_url)
    begun = connection.transaction()
    await begun.start()
    for statement in statements:
        await connection.execute(*statement)
    try:
        yield connection
    finally:
        await begun.commit()
        await connection.close()


async def test_who_saves_a_call_saves_all_of_it(filled: Inspector) -> None:
    """It begins in time; before it has ended, the call's time is over."""
    await expire(filled, "room", timedelta(milliseconds=1500))
    async with at_work(filled) as connection:
        await connection.fetchrow(saving.HOLD, filled.project_id, key_of("room"))
        await asyncio.sleep(1.6)
        assert await maintain(filled.connection) == NOTHING
        outcome = await saving.save(connection, filled.project_id, key_of("room"), labels("in time", None))
        assert [error.code for error in outcome.errors] == ["RETENTION_PASSED"]
    assert (await maintain(filled.connection)).calls == 1


async def test_who_settles_a_call_is_not_disturbed(filled: Inspector) -> None:
    await expire(filled, "room")
    await age(filled, "one-to-one")
    async with at_work(filled, (TRY_LOCK, key_of("room") ^ filled.project_id)):
        assert await maintain(filled.connection) == NOTHING
    assert (await maintain(filled.connection)).calls == 1


@pytest.mark.parametrize("what", ["call", "meeting"])
async def test_who_writes_to_a_call_finds_what_it_built_on(filled: Inspector, what: str) -> None:
    """A record that is there already is not written again: it must be there when the writer is done."""
    await (expire(filled, "room") if what == "call" else age(filled, "room", 1))
    now = datetime.now(UTC).replace(microsecond=0)
    async with at_work(filled) as connection:
        ledger = Ledger(connection, Partitions(filled.database_url), filled.project_id)
        await ledger.add(ConnectionRecord(call_id="room", connection_id="again", participant_id="early", connected_at=now))
        await ledger.finish()
        removed = await maintain(filled.connection)
        assert (removed.calls, removed.meetings) == (0, 0)
    await maintain(filled.connection)
    await filled.settle()
    await maintain(filled.connection)
    text = (
        '{ call(callId: "room") { participants(filter: {participantIds: ["early"]}) { nodes { connections { totalCount } } } } }'
    )
    assert (await filled.query(text))["call"]["participants"]["nodes"] == [{"connections": {"totalCount": 1}}]


async def test_writers_of_the_call_wait_for_a_step_and_others_do_not(filled: Inspector) -> None:
    async with at_work(filled) as connection:
        assert len(await connection.fetch(TRY, filled.project_id, [key_of("room")])) == 1
        # Not one in the same of the 256 parts.
        assert (key_of("one-to-one") ^ key_of("room")) & 255
        async with asyncio.timeout(5):
            await filled.client.post("/ingest", content=_line("one-to-one"))
        waiting = asyncio.create_task(filled.client.post("/ingest", content=_line("room")))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    assert (await waiting).json()["accepted"] == 1


def _line(call_id: str) -> bytes:
    return json.dumps(
        {"type": "event", "callId": call_id, "at": "2026-03-02T12:00:00Z", "category": "OTHER", "name": "late"}
    ).encode()


KILLED = """
import asyncio, sys
from callscope import maintenance
from callscope.storage.pool import connect
maintenance.STEP_CALLS, maintenance.STEP_ROWS = 3, 60
real = maintenance.remove_calls
async def slow(connection, tables, *rest):
    count = await real(connection, tables, *rest)
    print("step", flush=True)
    await asyncio.sleep(0.02)
    return count
maintenance.remove_calls = slow
real_times = maintenance.remove_times
async def slow_times(*given):
    count = await real_times(*given)
    print("step", flush=True)
    await asyncio.sleep(0.02)
    return count
maintenance.remove_times = slow_times
async def main():
    connection = await connect(sys.argv[1])
    print(await maintenance.maintain(connection))
asyncio.run(main())
"""


def kill_after(steps: int, database_url: str) -> bool:
    """Kill maintenance once it has done so many steps; whether it was not done by then."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, database_url], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        for _ in range(steps):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


async def test_killed_half_way_it_leaves_a_consistent_state_and_the_next_run_ends_it(filled: Inspector) -> None:
    plans = [replace(ROOM, call_id=f"many-{number}", seed=number, minutes=0.3) for number in range(8)]
    await ingest_plans(filled.connection, filled.database_url, filled.project_id, plans)
    await filled.settle()
    for plan in plans:
        await expire(filled, plan.call_id)
        await filled.connection.execute(
            "insert into callscope.saved_session select $1, $2, 'x', 'n', '{}', 'n', '{}', now(), now(), now()",
            filled.project_id,
            key_of(plan.call_id),
        )
    await filled.connection.execute(
        "insert into saved.event select * from live.event where call_key = any($1)", [key_of(plan.call_id) for plan in plans]
    )
    await age(filled, "room", 1)
    beside, later = await read(filled, "one-to-one"), await read(filled, "room")
    killed = 0
    for steps in (1, 4, 2, 9, 30):
        killed += kill_after(steps, filled.database_url)
        await until_alone(filled)
        assert await read(filled, "one-to-one") == beside
        now = await read(filled, "room")
        for name in ("connections", "events", "issues"):
            assert now[name] == later[name]
        listed = await filled.query("{ calls { nodes { callId } } savedSessions { totalCount } }")
        assert {node["callId"] for node in listed["calls"]["nodes"]} == {"room", "one-to-one"}
        assert listed["savedSessions"]["totalCount"] == 0
        # Whatever is left of a call, the row by which it is found is.
        left = await filled.connection.fetch("select distinct call_key from live.record except select call_key from live.call")
        assert left == []
    assert killed >= 4
    await maintain(filled.connection)
    for plan in plans:
        assert await rows(filled, plan.call_id) == {}
    assert await filled.connection.fetchval("select count(*) from saved.event") == 0
    assert await filled.connection.fetchval("select count(*) from callscope.saved_session") == 0
    assert await maintain(filled.connection) == NOTHING


async def until_alone(found: Inspector) -> None:
    """Until PostgreSQL has noticed that the client is gone."""
    text = """
        select not exists (
            select from pg_locks join pg_database on pg_database.oid = database
            where locktype = 'advisory' and objsubid = 1 and datname = current_database()
        )
    """
    await until(lambda: found.connection.fetchval(text))


# ---------------------------------------------------------------------------------------------------- saved sessions, mutations


async def test_what_is_removed_in_part_does_not_come_back_with_a_longer_retention(
    filled: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "STEP_ROWS", 60)
    for step in ("remove_calls", "remove_times"):
        await (expire(filled, "one-to-one") if step == "remove_calls" else age(filled, "room", 1))
        before, real, steps = await read(filled, "room"), getattr(maintenance, step), 0

        async def stopping(*given: Any, real: Any = real) -> int:
            nonlocal steps
            steps += 1
            if steps == 3:
                raise asyncio.CancelledError
            return await real(*given)

        monkeypatch.setattr(maintenance, step, stopping)
        with pytest.raises(asyncio.CancelledError):
            await maintain(filled.connection)
        monkeypatch.setattr(maintenance, step, real)
        await filled.connection.execute("update callscope.project set retention_days = retention_days + 400")
        assert await read(filled, "one-to-one") is None
        assert await read(filled, "room") == before
    assert (await maintain(filled.connection)).meetings == 1
    assert await rows(filled, "one-to-one") == {}


async def test_a_note_that_a_call_was_opened_does_not_outlive_it(filled: Inspector) -> None:
    await filled.query('{ call(callId: "room") { id } other: call(callId: "one-to-one") { id } }')
    await expire(filled, "room")
    await maintain(filled.connection)
    text = "{ recentlyInspectedCalls { callId } }"
    assert await filled.query(text) == {"recentlyInspectedCalls": [{"callId": "one-to-one"}]}
    assert await filled.connection.fetchval("select count(*) from live.inspection") == 1


async def test_an_expired_session_is_removed_whole_and_its_live_call_stays(filled: Inspector) -> None:
    for name in ("room", "one-to-one"):
        await saved(filled, name)
    live, was = await rows(filled, "room"), await rows(filled, "room", [f"saved.{table}" for table in CALL_TABLES])
    other = await rows(filled, "one-to-one", [f"saved.{table}" for table in CALL_TABLES])
    await filled.connection.execute("update callscope.saved_session set expires_at = now() where call_id = 'room'")
    removed = await maintain(filled.connection)
    assert removed == Removed(saved_sessions=1, rows=sum(was.values()) + 1)
    assert await rows(filled, "room", [f"saved.{table}" for table in CALL_TABLES]) == {}
    assert (await rows(filled, "room"), await rows(filled, "one-to-one", [f"saved.{table}" for table in CALL_TABLES])) == (
        live,
        other,
    )
    assert (await change(filled, "saveSession", callId=await global_id(filled, "room"), name="again"))["errors"] == []


async def test_a_session_that_is_saved_again_meanwhile_stays(filled: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    await saved(filled, "room")
    await filled.connection.execute("update callscope.saved_session set expires_at = now()")
    other = await connect(filled.database_url)
    monkeypatch.setattr(maintenance, "STEP_ROWS", 20)
    real = maintenance.remove_calls

    async def saving_again(connection: Any, *given: Any) -> int:
        monkeypatch.setattr(maintenance, "remove_calls", real)
        count = await real(connection, *given)
        again.append(asyncio.create_task(save()))
        await asyncio.sleep(0.3)
        return count

    async def save() -> Any:
        async with other.transaction():
            return await saving.save(other, filled.project_id, key_of("room"), labels("again", None))

    again: list[Any] = []
    monkeypatch.setattr(maintenance, "remove_calls", saving_again)
    removed = await maintain(filled.connection)
    assert (await again[0]).errors == []
    await other.close()
    assert removed.saved_sessions == 0
    for table in CALL_TABLES:
        counts = [
            await filled.connection.fetchval(f"select count(*) from {place}.{table} where call_key = $1", key_of("room"))
            for place in ("live", "saved")
        ]
        assert counts[0] == counts[1]


async def test_mutations_are_remembered_for_a_day(filled: Inspector) -> None:
    await saved(filled, "room", clientMutationId="1")
    assert await maintain(filled.connection) == NOTHING
    await filled.connection.execute("update callscope.mutation set made_at = made_at - interval '25 hours'")
    assert await maintain(filled.connection) == Removed(mutations=1)
    assert await filled.connection.fetchval("select count(*) from callscope.mutation") == 0


# ---------------------------------------------------------------------------------------------------- in the server


async def is_true(value: bool) -> bool:
    return value


async def test_a_server_does_it_in_its_background(filled: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Maintainer, "INTERVAL_SECONDS", 0.05)
    await expire(filled, "room")
    done: list[Removed] = []
    running = asyncio.create_task(Maintainer(filled.database_url, done.append).run())
    await until(lambda: is_true(any(removed.calls for removed in done)))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sum(removed.calls for removed in done) == 1
    assert await rows(filled, "room") == {}


async def test_a_database_that_is_gone_is_tried_again(filled: Inspector, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    monkeypatch.setattr(Maintainer, "INTERVAL_SECONDS", 0.01)
    tried: list[int] = []

    async def gone(_: str) -> None:
        tried.append(1)
        raise [OSError("gone"), ZeroDivisionError("ours")][len(tried) % 2]

    monkeypatch.setattr(maintenance, "connect", gone)
    running = asyncio.create_task(Maintainer("nowhere").run())
    await until(lambda: is_true(len(tried) > 3))
    running.cancel()
    assert "maintenance is interrupted" in caplog.text
    assert "maintenance failed" in caplog.text


def test_it_says_what_it_removed() -> None:
    assert str(Removed(1, 2, 3, 4, 5, 6)) == "1 calls, 2 meetings, 3 saved sessions, 4 partitions, 5 rows, 6 mutations"
    assert list(asdict(NOTHING).values()) == [0] * 6
