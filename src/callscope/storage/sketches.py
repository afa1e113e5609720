"""Distributions of the samples of many series, from which the percentiles of large meetings are read.

Values are counted in bins that grow with them, as DDSketch has it (Masson and others, 2019): two values of one bin differ by 1 %
at most. Beside its count, a bin has the least and the greatest of its values. So sketches of several intervals add up to that of
all of them, and a percentile is read within 1 %. Like rollups, an interval is always sketched from all of its samples. How many
series there are at a time is the number of those that began by then, less those that ended before.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from math import log

import asyncpg

from callscope.analysis.rows import MetricSeries

SKETCH_SECONDS = (10, 60)
"""Intervals that are sketched: the longer ones are added up from the shorter ones."""
SKETCH_ABOVE = 100
"""Series of one metric, media and direction in a call: of so many or fewer, percentiles are worked out when asked for."""
GROWTH = 1.01
_LEAST = 1e-9
_ORIGIN = 1_000_000

Group = tuple[str, str, str]
"""Metric, media and direction."""


def bin_sql(value: str) -> str:
    """The number of a value's bin; bins are ordered as their values are. What is nearer to zero than 1e-9 counts as zero."""
    magnitude = f"({_ORIGIN} + ceil(ln(abs({value})) / {log(GROWTH)!r})::integer)"
    return f"(case when abs({value}) < {_LEAST} then 0 when {value} > 0 then {magnitude} else -{magnitude} end)"


_STORE = """
on conflict (project_id, call_key, metric, media, direction, step_seconds, at) do update set bins = excluded.bins,
    sample_counts = excluded.sample_counts, minimums = excluded.minimums, maximums = excluded.maximums
"""
_COLUMNS = "project_id, call_key, metric, media, direction, step_seconds, at, bins, sample_counts, minimums, maximums"
_ARRAYS = """array_agg(bin order by bin), array_agg(sample_count order by bin), array_agg(minimum order by bin),
    array_agg(maximum order by bin)"""
SKETCHED = "select distinct metric, media, direction from live.metric_sketch where project_id = $1 and call_key = $2"
# One group at a time: so samples are counted by two numbers, and not by three texts besides.
SKETCH = f"""
insert into live.metric_sketch ({_COLUMNS})
select $1, $2, told.metric, told.media, told.direction, {SKETCH_SECONDS[0]}, sketched.*
from unnest($3::text[], $4::text[], $5::text[]) told(metric, media, direction),
lateral (
    select at, {_ARRAYS}
    from (
        select date_bin('{SKETCH_SECONDS[0]} s', at, 'epoch') as at, {bin_sql("value")} as bin, count(*)::integer as sample_count,
            min(value) as minimum, max(value) as maximum
        from live.metric_sample
        where project_id = $1 and call_key = $2 and series_key = any(array(
                select series_key from live.metric_series
                where project_id = $1 and call_key = $2 and (metric, media, direction) = (told.metric, told.media, told.direction)
            ))
            and at >= date_bin('{SKETCH_SECONDS[0]} s', $6::timestamptz, 'epoch')
            and at < date_bin('{SKETCH_SECONDS[0]} s', $7::timestamptz, 'epoch') + interval '{SKETCH_SECONDS[0]} s'
        group by 1, 2
    ) binned
    group by at
) sketched
{_STORE}
"""
ADD_UP = f"""
insert into live.metric_sketch ({_COLUMNS})
select $1, $2, metric, media, direction, {SKETCH_SECONDS[1]}, at, {_ARRAYS}
from (
    select sketch.metric, sketch.media, sketch.direction, date_bin('{SKETCH_SECONDS[1]} s', sketch.at, 'epoch') as at, each.bin,
        sum(each.sample_count)::integer as sample_count, min(each.minimum) as minimum, max(each.maximum) as maximum
    from live.metric_sketch sketch,
        unnest(sketch.bins, sketch.sample_counts, sketch.minimums, sketch.maximums) each(bin, sample_count, minimum, maximum)
    where sketch.project_id = $1 and sketch.call_key = $2 and sketch.step_seconds = {SKETCH_SECONDS[0]}
        and (sketch.metric, sketch.media, sketch.direction) in (select * from unnest($3::text[], $4::text[], $5::text[]))
        and sketch.at >= date_bin('{SKETCH_SECONDS[1]} s', $6::timestamptz, 'epoch')
        and sketch.at < date_bin('{SKETCH_SECONDS[1]} s', $7::timestamptz, 'epoch') + interval '{SKETCH_SECONDS[1]} s'
    group by 1, 2, 3, 4, 5
) binned
group by metric, media, direction, at
{_STORE}
"""
COUNT = f"""
with edges as (
    select told.metric, told.media, told.direction, date_bin('{SKETCH_SECONDS[0]} s', edge.at, 'epoch') as at,
        sum(edge.begun) as begun, sum(edge.ended) as ended
    from unnest($3::text[], $4::text[], $5::text[]) told(metric, media, direction)
    join live.metric_series series on series.project_id = $1 and series.call_key = $2 and series.metric = told.metric
        and series.media = told.media and series.direction = told.direction,
    lateral (values (series.started_at, 1, 0), (series.ended_at, 0, 1)) edge(at, begun, ended)
    group by 1, 2, 3, 4
),
counted as (
    select metric, media, direction, step.seconds, date_bin(make_interval(secs => step.seconds), at, 'epoch') as at,
        sum(begun)::integer as begun, sum(ended)::integer as ended
    from edges, unnest(array{list(SKETCH_SECONDS)}) step(seconds) group by 1, 2, 3, 4, 5
),
known as (
    select sketch.metric, sketch.media, sketch.direction, sketch.step_seconds, sketch.at, coalesce(counted.begun, 0) as begun,
        coalesce(counted.ended, 0) as ended
    from live.metric_sketch sketch
    left join counted on counted.metric = sketch.metric and counted.media = sketch.media
        and counted.direction = sketch.direction and counted.seconds = sketch.step_seconds and counted.at = sketch.at
    where sketch.project_id = $1 and sketch.call_key = $2
        and (sketch.metric, sketch.media, sketch.direction) in (select * from unnest($3::text[], $4::text[], $5::text[]))
        and (sketch.begun, sketch.ended) is distinct from (coalesce(counted.begun, 0), coalesce(counted.ended, 0))
)
update live.metric_sketch sketch set begun = known.begun, ended = known.ended
from known
where sketch.project_id = $1 and sketch.call_key = $2 and sketch.metric = known.metric and sketch.media = known.media
    and sketch.direction = known.direction and sketch.step_seconds = known.step_seconds and sketch.at = known.at
"""
FORGET = """
delete from live.metric_sketch where project_id = $1 and call_key = $2
    and (metric, media, direction) in (select * from unnest($3::text[], $4::text[], $5::text[]))
"""


def group_of(series: MetricSeries) -> Group:
    return series.metric, series.media, series.direction


def large_groups(groups: Iterable[Group]) -> set[Group]:
    """Of the groups of a call's series those that have so many that they are sketched."""
    return {group for group, count in Counter(groups).items() if count > SKETCH_ABOVE}


class Sketches:
    """Those of one call, on a connection inside a transaction. The rows of metric_series come first: they tell the groups."""

    def __init__(self, connection: asyncpg.Connection, project_id: int, call_key: int) -> None:
        self._connection = connection
        self._call = (project_id, call_key)

    async def known(self) -> set[Group]:
        """The groups that are sketched. A group that was large once stays so."""
        return {tuple(row) for row in await self._connection.fetch(SKETCHED, *self._call)}

    async def renew(self, groups: Collection[Group], samples_from: datetime, samples_to: datetime) -> None:
        """Sketch the intervals of groups in which samples changed."""
        given = (*self._columns(groups), samples_from, samples_to)
        await self._connection.execute(SKETCH, *self._call, *given)
        await self._connection.execute(ADD_UP, *self._call, *given)

    async def count(self, groups: Collection[Group]) -> None:
        """Note how many series of groups begin and end in each interval, once their samples are sketched."""
        await self._connection.execute(COUNT, *self._call, *self._columns(groups))

    async def forget(self, groups: Collection[Group]) -> None:
        await self._connection.execute(FORGET, *self._call, *self._columns(groups))

    @staticmethod
    def _columns(groups: Collection[Group]) -> list[list[str]]:
        return [list(column) for column in zip(*sorted(groups), strict=True)] or [[], [], []]


def extent(figures: Iterable[Mapping[str, datetime]]) -> tuple[datetime, datetime] | None:
    """From the first to the last sample of some series in figures; None without any."""
    known = list(figures)
    return (min(each["started_at"] for each in known), max(each["ended_at"] for each in known)) if known else None
