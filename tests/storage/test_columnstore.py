"""What TimescaleDB has packed answers as before, and takes what comes late."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from callscope.erasure import erase
from callscope.ingest import ingest_plans
from callscope.maintenance import maintain
from callscope.simulation import CallPlan, simulate_call
from callscope.storage.keys import key_of
from callscope.storage.timeseries import TIME_TABLES
from callscope.telemetry import SamplesRecord
from callscope.vocabulary import Platform
from tests.aging import age, use_again
from tests.columnstore import OFFERED, chunks, pack
from tests.conftest import new_database
from tests.inspector import inspector as running
from tests.plans import STARTED_AT, sample_plans
from tests.reads import reads
from tests.saving import saved
from tests.test_export import exported, kept
from tests.test_ingest import differences

PACKED = {table for table, packing in TIME_TABLES.items() if packing is not None}
UNPACKED = "select count(*) from only {}"
"""Rows of a chunk that are not packed."""


@pytest.fixture
def fresh(servers, migrated):
    @asynccontextmanager
    async def make():
        async with new_database(servers, template=migrated) as url, running(url) as found:
            if not await found.connection.fetchval(OFFERED):
                pytest.skip("this server offers no TimescaleDB with a columnstore")
            yield found

    return make


@pytest.fixture
async def inspector(fresh):
    async with fresh() as found:
        yield found


async def derived(found):
    """What settling made of the samples."""
    orders = {"metric_rollup": "2, 3, 4, 5", "metric_series": "2, 3", "metric_sketch": "1, 2, 3, 4, 5, 6, 7", "issue": "2, 3"}
    own = "from live.{} where project_id = $1 order by {}"
    return {
        table: await found.connection.fetch("select * " + own.format(table, order), found.project_id)
        for table, order in orders.items()
    }


def plan(call_id="x", **rest):
    return replace(CallPlan(call_id, Platform.WEBRTC, STARTED_AT, 3, 2, interval_seconds=10), **rest)


def shifted(record, by):
    """The same series, an amount later."""
    return record.model_copy(update={"times": [time + by for time in record.times]})


async def unpacked(found):
    return sum([await found.connection.fetchval(UNPACKED.format(chunk["name"])) for chunk in await chunks(found.connection)])


async def test_is_set_up_by_the_migration_as_the_tables_say(inspector):
    settings = await inspector.connection.fetch(
        "select hypertable::text, replace(segmentby, ',', ', '), replace(orderby, ',', ', ')"
        " from timescaledb_information.hypertable_columnstore_settings"
    )
    assert {tuple(row) for row in settings} == {(f"live.{name}", *(how or (None, None))) for name, how in TIME_TABLES.items()}
    jobs = await inspector.connection.fetch(
        "select hypertable_schema, hypertable_name, config ->> 'compress_after', scheduled"
        " from timescaledb_information.jobs where hypertable_name is not null"
    )
    assert {tuple(row) for row in jobs} == {("live", name, "3 days", True) for name in PACKED}


async def test_the_policy_packs_what_is_past_being_live(inspector):
    now = datetime.now(UTC).replace(microsecond=0)
    await inspector.tell(
        [*simulate_call(plan("past", started_at=now - timedelta(days=30))), *simulate_call(plan("now", started_at=now))]
    )
    before = await reads(inspector)
    jobs = "select job_id from timescaledb_information.jobs where hypertable_schema = 'live'"
    for job in await inspector.connection.fetch(jobs):
        await inspector.connection.execute(f"call run_job({job['job_id']})")
    packed = {
        (chunk["table"], chunk["range_start"] < now - timedelta(days=20)): chunk["is_packed"]
        for chunk in await chunks(inspector.connection)
    }
    assert packed == {(table, past): past for table in PACKED for past in (True, False)}
    assert differences(await reads(inspector), before) == []


async def test_changes_no_answer(inspector):
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, sample_plans())
    await inspector.settle()
    await saved(inspector, "room")
    before, told, file = await reads(inspector), await kept(inspector), await exported(inspector, "broadcast")
    assert await unpacked(inspector) > 1000
    assert await pack(inspector.connection) == 2
    assert await unpacked(inspector) == 0
    assert differences(await reads(inspector), before) == []
    assert await kept(inspector) == told
    assert await exported(inspector, "broadcast") == file


async def test_a_packed_call_is_saved_as_another(fresh):
    sessions = []
    for is_packed in (False, True):
        async with fresh() as found:
            await found.tell(simulate_call(plan()))
            if is_packed:
                await pack(found.connection)
            await saved(found, "x")
            rows = [
                await found.connection.fetch(f"select * from saved.{table} order by {order}")
                for table, order in (("metric_sample", "3, 4"), ("metric_rollup", "4, 5"), ("event", "3, 4"))
            ]
            sessions.append(rows)
    assert sessions[0] == sessions[1]
    assert all(sessions[0])


async def test_of_a_packed_call_someone_is_erased_as_of_another(fresh):
    """Series go by other keys then, by which their samples are packed."""
    left = []
    for is_packed in (False, True):
        async with fresh() as found:
            await found.tell(simulate_call(plan()))
            if is_packed:
                await pack(found.connection)
            participant = await found.connection.fetchval("select min(participant_id) from live.participant")
            await erase(found.connection, found.project_id, participant, key_of("x"))
            text = "select at, value from live.metric_sample order by 1, 2"
            figures = "select metric, media, direction, sample_count, maximum from live.metric_series order by 1, 2, 3, 4, 5"
            orphans = (
                "select count(*) from live.metric_sample where series_key not in (select series_key from live.metric_series)"
            )
            assert await found.connection.fetchval(orphans) == 0
            left.append([await found.connection.fetch(sql) for sql in (text, figures)])
    assert left[0] == left[1]
    assert all(left[0])


async def test_of_a_packed_call_a_meeting_goes_as_of_another(fresh):
    left = []
    for is_packed in (False, True):
        async with fresh() as found:
            await use_again(found)
            if is_packed:
                await pack(found.connection)
            await age(found, "room", 1)
            removed = await maintain(found.connection)
            assert removed.meetings == 1
            text = "select series_key, at, value from live.metric_sample order by 1, 2"
            left.append([removed.rows, await found.connection.fetch(text)])
    assert left[0] == left[1]
    assert left[0][1]


@pytest.mark.parametrize("seed", range(3))
async def test_takes_what_comes_late_as_rows_do(fresh, seed):
    """In parts, repeated, with other values and with new series, and packed in between: as if told once and never packed."""
    chance = Random(seed)
    told = list(simulate_call(plan(subscribers=2)))
    samples = [record for record in told if isinstance(record, SamplesRecord)]
    more = [record.model_copy(update={"values": [value + 1 for value in record.values]}) for record in chance.sample(samples, 5)]
    after = [shifted(record, 200_000.5) for record in chance.sample(samples, 5)]
    async with fresh() as whole, fresh() as packed:
        await whole.tell([*told, *more, *after])
        rest = chance.sample(told, len(told)) + chance.sample(told, len(told) // 3) + more + after
        while rest:
            size = chance.choice([len(rest) // 3 + 1, len(rest)])
            await packed.tell(rest[:size])
            rest = rest[size:]
            await pack(packed.connection)
            assert await unpacked(packed) == 0
        assert await kept(packed) == await kept(whole)
        assert await derived(packed) == await derived(whole)
        assert differences(await reads(packed), await reads(whole)) == []


async def test_what_is_told_again_unpacks_nothing_for_good(inspector):
    """Nor is anything stored twice."""
    told = list(simulate_call(plan()))
    await inspector.tell(told)
    await pack(inspector.connection)
    before = await kept(inspector)
    await inspector.tell(told)
    assert await kept(inspector) == before
    assert await unpacked(inspector) > 0
    await pack(inspector.connection)
    assert await unpacked(inspector) == 0
    assert await kept(inspector) == before


async def test_new_samples_of_packed_series_unpack_none_of_them(inspector):
    told = list(simulate_call(plan()))
    await inspector.tell(told)
    await pack(inspector.connection)
    later = [shifted(record, 3_600_000) for record in told if isinstance(record, SamplesRecord)]
    await inspector.tell(later, settled=False)
    assert await unpacked(inspector) == sum(len(record.times) for record in later)


async def test_late_samples_are_taken_however_many_they_unpack(inspector):
    """TimescaleDB refuses more than the setting allows, where nobody lifts that."""
    told = list(simulate_call(plan()))
    await inspector.tell(told)
    await pack(inspector.connection)
    name = await inspector.connection.fetchval("select current_database()")
    await inspector.connection.execute(f"alter database {name} set timescaledb.max_tuples_decompressed_per_dml_transaction = 1")
    higher = [
        record.model_copy(update={"values": [value + 1 for value in record.values]})
        for record in told
        if isinstance(record, SamplesRecord)
    ]
    async with running(inspector.database_url) as found:
        body = b"\n".join(record.model_dump_json(by_alias=True).encode() for record in higher)
        answer = await found.client.post("/ingest", content=body)
        assert answer.status_code == 200, answer.text
        assert await found.settle() == 1
    totals = "select sum(value) from live.metric_sample"
    assert await inspector.connection.fetchval(totals) == pytest.approx(sum(sum(record.values) for record in higher))
