"""Samples of a series in buckets, for charts."""

from datetime import datetime
from typing import Any

import strawberry

from callscope.query.bindings import Argument, column
from callscope.query.errors import bad_input
from callscope.schema.grid import STARTS, TIMES, bucket, grid, template
from callscope.storage.rollups import ROLLUP_SECONDS
from callscope.vocabulary import MORE_IS_BETTER

MAX_POINTS = 5_000


@strawberry.type(
    description="Parallel lists: a chart draws them as they are. The same `from`, `to` and `maxPoints` put the buckets of every"
    " series of a call on one grid, so that a client may ask for `times` once. A bucket without a sample is null (count 0)."
    " Buckets of a minute or more are whole minutes: the first one begins with the minute of the start, and the last one ends"
    " with that of the end, for which it may be longer than the others by less than two minutes."
)
class Samples:
    started_at: datetime | None = column("started_at", "Start of the first bucket.")
    step_seconds: float = column("step_seconds", "Length of a bucket, s; at least the shortest sampling interval of the call.")
    times: list[float] = column("times", "Start of each bucket, milliseconds since the Unix epoch.")
    averages: list[float | None] = column("averages", "Average of each bucket's samples, in the series' unit.")
    minimums: list[float | None] = column("minimums", "Least of each bucket's samples.")
    maximums: list[float | None] = column("maximums", "Greatest of each bucket's samples: a spike never disappears.")
    counts: list[int] = column("counts", "Samples in each bucket.")


_IN_RANGE = """
    from {metric_sample} sample
    where grid.unit is null and sample.call_key = {parent}.call_key and sample.series_key = SERIES
        and sample.at >= grid.started_at and sample.at <= grid.ended_at
"""
# From the samples, or where a bucket is whole minutes from what was prepared: never both.
_BUCKETS = f"""
    select {bucket("sample.at")} as bucket, avg(sample.value) as average, min(sample.value) as minimum,
        max(sample.value) as maximum, count(*)::integer as sample_count
    {_IN_RANGE} group by 1
    union all
    select {bucket("rollup.at")} as bucket, sum(rollup.total) / sum(rollup.sample_count), min(rollup.minimum),
        max(rollup.maximum), sum(rollup.sample_count)::integer
    from {{metric_rollup}} rollup
    where grid.unit is not null and rollup.call_key = {{parent}}.call_key and rollup.series_key = SERIES
        and rollup.at >= grid.started_at and rollup.at <= grid.ended_at
    group by 1
"""
# All buckets of the grid, those without a sample too. FILLED are the others, CONDITION whether any of this is needed.
_DENSE = f"""
    select array_agg(average) as averages, array_agg(minimum) as minimums, array_agg(maximum) as maximums,
        array_agg(coalesce(sample_count, 0)) as counts
    from (
        select filled.average, filled.minimum, filled.maximum, filled.sample_count
        from {STARTS} as bucket left join (FILLED) filled using (bucket) order by bucket
    ) ordered where CONDITION
"""

# Most charts ask for buckets that hold one sample each, without a gap: then the samples are the answer and need no grouping.
SAMPLES = template(
    """
    select grid.started_at, grid.step as step_seconds, TIMES as times, coalesce(dense.averages, run.samples) as averages,
        coalesce(dense.minimums, run.samples) as minimums, coalesce(dense.maximums, run.samples) as maximums,
        coalesce(dense.counts, array_fill(0, array[run.before]) || array_fill(1, array[run.sample_count])
            || array_fill(0, array[run.after])) as counts
    from (GRID) grid,
    lateral (
        select place.*, case
            when place.buckets = (array(select STARTS))[place.before + 1 : place.before + place.sample_count]
            then array_fill(null::float8, array[place.before]) || place.samples || array_fill(null::float8, array[place.after])
        end as samples
        from (
            select each.*, grid.buckets - each.before - each.sample_count as after
            from (
                select array_agg(value) as samples, array_agg(bucket) as buckets, count(*)::integer as sample_count,
                    coalesce(round(date_part('epoch', min(bucket) - grid.started_at) / grid.step), 0)::integer as before
                from (select sample.value, BUCKET as bucket IN_RANGE order by sample.at) ordered
            ) each
        ) place
        offset 0
    ) run(values, buckets, sample_count, before, after, samples)
    left join lateral (DENSE) dense on true
    """,
    GRID=grid(
        most="{args.maxPoints}",
        units=[ROLLUP_SECONDS],
        started_at="coalesce({args.from}, own.started_at)",
        ended_at="coalesce({args.to}, own.last_active_at)",
    ),
    TIMES=TIMES,
    DENSE=_DENSE,
    CONDITION="run.samples is null",
    FILLED=_BUCKETS,
    IN_RANGE=_IN_RANGE,
    BUCKET=bucket("sample.at"),
    SERIES="{parent}.series_key",
    STARTS=STARTS,
)

# In each bucket the series that is worst off: the least of what should be much, the greatest of what should be little.
PUBLISHER_QUALITY = template(
    "select grid.started_at, grid.step as step_seconds, TIMES as times, dense.* from (GRID) grid, lateral (DENSE) dense",
    GRID=grid(most="{args.maxPoints}", units=[ROLLUP_SECONDS], started_at="own.started_at", ended_at="own.last_active_at"),
    TIMES=TIMES,
    DENSE=_DENSE,
    CONDITION="true",
    FILLED="""
        select distinct on (buckets.bucket) buckets.*
        from {metric_series} series, lateral (BUCKETS) buckets
        where series.call_key = {parent}.call_key and series.stream_key = {parent}.stream_key
            and series.metric = {args.metric} and series.media = {args.media}
            and series.direction = case when {parent}.is_scalable and {args.media} <> 'AUDIO' then 'PUBLISH' else 'SUBSCRIBE' end
        order by buckets.bucket,
            case when {args.metric} = any('{{MORE}}'::text[]) then buckets.average else -buckets.average end
    """,
    BUCKETS=_BUCKETS,
    SERIES="series.series_key",
    MORE=",".join(sorted(MORE_IS_BETTER)),
)

MAX_POINTS_ARGUMENT = Argument(
    "maxPoints",
    int | None,
    f"Most buckets, 1 to {MAX_POINTS}.",
    sql="integer",
    default=300,
    minimum=1,
    maximum=MAX_POINTS,
    weight=0.1,
)


def check_span(values: dict[str, Any]) -> None:
    start, end = values.get("from"), values.get("to")
    if start is not None and end is not None and start > end:
        raise bad_input(f"Argument 'from' ({start.isoformat()}) should not be after 'to' ({end.isoformat()}).")
