"""Distributions of many series' samples."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from callscope.storage.sketches import GROWTH, SKETCH_ABOVE, Sketches, bin_sql
from callscope.telemetry import CallRecord, SamplesRecord
from callscope.vocabulary import Direction, Media, Metric

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SKETCHES = """
select metric, direction, step_seconds, at, bins, sample_counts, minimums, maximums, begun, ended
from live.metric_sketch where project_id = $1 order by 1, 2, 3, 4
"""
COUNTED = (
    "select sum(n) from (select unnest(sample_counts) as n from live.metric_sketch where project_id = $1 and step_seconds = $2) x"
)


def samples(who, points, metric=Metric.BITRATE, **ids):
    return SamplesRecord(
        call_id="call",
        metric=metric,
        media=Media.VIDEO,
        direction=Direction.SUBSCRIBE,
        participant_id=who,
        times=[(NOON + timedelta(seconds=at)).timestamp() * 1000 for at, _ in points],
        values=[value for _, value in points],
        **ids,
    )


def crowd(random, count=SKETCH_ABOVE + 5, seconds=300):
    return [
        samples(f"p{number}", [(at + random.random(), random.uniform(0, 1e6)) for at in range(0, seconds, 10)])
        for number in range(count)
    ]


async def sketches(inspector):
    return [tuple(row) for row in await inspector.connection.fetch(SKETCHES, inspector.project_id)]


async def test_bins_are_ordered_as_their_values_and_narrow(inspector):
    random = Random(1)
    values = sorted(
        [0.0, 5e-324, -5e-324, 1e-9, 1e99, -1e99, *(random.choice((1, -1)) * 10 ** random.uniform(-8, 12) for _ in range(5000))]
    )
    rows = await inspector.connection.fetch(
        f"select value, {bin_sql('value')} as bin from unnest($1::float8[]) with ordinality told(value, place) order by place",
        values,
    )
    bins: dict[int, list[float]] = {}
    for row in rows:
        bins.setdefault(row["bin"], []).append(row["value"])
    assert list(bins) == sorted(bins)
    for number, members in bins.items():
        low, high = min(map(abs, members)), max(map(abs, members))
        assert high < 1e-9 if number == 0 else high <= low * GROWTH * (1 + 1e-9)


async def test_each_sample_is_read_a_few_times_although_postgresql_knows_nothing_of_the_call_yet(inspector, project_of_its_own):
    told = crowd(Random(8), count=300)
    await inspector.tell(told, settled=False)
    before = await read(inspector)
    await inspector.settle()
    assert await inspector.connection.fetchval(COUNTED, inspector.project_id, 10) == sum(len(each.times) for each in told)
    assert await read(inspector) - before < 10 * sum(len(each.times) for each in told)


async def read(inspector) -> int:
    """Samples that statements have read so far."""
    await inspector.connection.execute("select pg_stat_force_next_flush()")
    return await inspector.connection.fetchval(
        "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_user_tables where relname ~ '^metric_sample'"
    )


async def test_the_order_and_the_pieces_of_arrival_decide_nothing(inspector, project_of_its_own):
    random = Random(2)
    told = crowd(random)
    # Some samples come once more with another value.
    told += [samples(record.participant_id, [(10, 5.0)]) for record in told[::9]]
    await inspector.tell(told)
    whole = await sketches(inspector)
    random.shuffle(told)
    for piece in range(6):
        await project_of_its_own.tell(told[piece::6])
    assert await sketches(project_of_its_own) == whole
    assert {row[2] for row in whole} == {10, 60}
    stored = await inspector.connection.fetchval(
        "select count(*) from live.metric_sample where project_id = $1", inspector.project_id
    )
    assert [await inspector.connection.fetchval(COUNTED, inspector.project_id, step) for step in (10, 60)] == [stored] * 2


async def test_few_series_are_not_sketched_until_they_are_many(inspector):
    told = crowd(Random(3))
    await inspector.tell(told[:SKETCH_ABOVE])
    assert await sketches(inspector) == []
    await inspector.tell(told[SKETCH_ABOVE:])
    assert len({row[3] for row in await sketches(inspector) if row[2] == 10}) >= 30


async def test_series_are_counted_where_they_begin_and_end(inspector):
    told = crowd(Random(6), seconds=120)
    await inspector.tell(told)
    late = [
        samples(record.participant_id, [(at, 1.0) for at in (130, 150, 181)[: 1 + number % 3]])
        for number, record in enumerate(told[::2])
    ]
    await inspector.tell(late)
    series: dict[str, list[float]] = {}
    for record in (*told, *late):
        series.setdefault(record.participant_id, []).extend(record.times)
    for step in (10, 60):
        edges = [Counter(end(times) // 1000 // step * step for times in series.values()) for end in (min, max)]
        rows = [row for row in await sketches(inspector) if row[2] == step]
        found = [{row[3].timestamp(): row[place] for row in rows if row[place]} for place in (8, 9)]
        assert found == edges


async def test_only_what_changed_is_sketched_again(inspector, monkeypatch):
    told = crowd(Random(4))
    await inspector.tell(told)
    renewed = []

    async def renew(self, groups, *span):
        renewed.append((sorted(groups), *span))

    monkeypatch.setattr(Sketches, "renew", renew)
    await inspector.tell([samples("p1", [(95.5, 1.0), (96, 2.0)])])
    assert renewed == [([("BITRATE", "VIDEO", "SUBSCRIBE")], NOON + timedelta(seconds=95.5), NOON + timedelta(seconds=96))]
    await inspector.tell([CallRecord(call_id="call", tags=["changed"])])
    assert len(renewed) == 1


async def test_series_that_are_gone_leave_no_trace(inspector):
    await inspector.tell(crowd(Random(5)))
    key = await inspector.connection.fetchval(
        "select series_key from live.metric_series where project_id = $1 order by 1 limit 1", inspector.project_id
    )
    own = (inspector.project_id, key)
    await inspector.connection.execute("delete from live.record where project_id = $1 and record_key = $2", *own)
    await inspector.tell([CallRecord(call_id="call", tags=["changed"])])
    left = await inspector.connection.fetchval(
        "select count(*) from live.metric_sample where project_id = $1", inspector.project_id
    )
    assert [await inspector.connection.fetchval(COUNTED, inspector.project_id, step) for step in (10, 60)] == [left] * 2
    assert not await inspector.connection.fetchval(
        "select count(*) from live.metric_rollup where project_id = $1 and series_key = $2", *own
    )


@pytest.fixture
async def project_of_its_own(inspector):
    from tests.inspector import inspector as running

    async with running(inspector.database_url, project="other") as other:
        yield other
