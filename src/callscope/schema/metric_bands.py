"""Percentiles of a metric over all its series: what a chart of a large meeting shows."""

from typing import Any

import strawberry

from callscope.query.bindings import Argument, column, items, one
from callscope.query.errors import bad_input
from callscope.schema.grid import BUCKETS_ARGUMENT, STARTS, TIMES, bucket, grid, template
from callscope.schema.metric_series import METRIC_ARGUMENTS
from callscope.storage.sketches import GROWTH, SKETCH_ABOVE, SKETCH_SECONDS, bin_sql
from callscope.vocabulary import Direction, Media, Metric, Term, Unit

MAX_PERCENTILES = 100
BOUND = f"{GROWTH - 1:.0%}".replace("%", " %")

_UNITS = " ".join(f"when '{metric}' then '{metric.unit}'" for metric in Metric)


@strawberry.type(description="One percentile over time.")
class PercentileBand:
    percentile: float = column("percentile", "Which one, 0 to 100: 50 is the median.")
    values: list[float | None] = column("values", "Its value in each bucket, in the metric's unit; null in one without samples.")


@strawberry.type(
    description="Percentiles of all samples of a metric, bucket by bucket, as parallel lists. Each value is within"
    f" {BOUND} of the percentile of the bucket's samples, interpolated between two of them (as `percentile_cont` of SQL does); a"
    f" value that all have in common, the least (0) and the greatest (100) are exact. Buckets of {SKETCH_SECONDS[0]} s or more"
    f" consist of whole stretches of {SKETCH_SECONDS[0]} s, those of a minute or more of whole minutes: the first one then begins"
    " somewhat before the stretch, and the last one may be longer than the others."
)
class MetricBands:
    metric: Metric = column("metric", "What is measured.")
    unit: Unit = column("unit", "Unit of the values.")
    step_seconds: float = column("step_seconds", "Length of a bucket, s; at least the shortest sampling interval of the call.")
    times: list[float] = column("times", "Start of each bucket, milliseconds since the Unix epoch; the other lists run parallel.")
    series_counts: list[int] = column(
        "series_counts",
        f"How many series have a value in the bucket. Of more than {SKETCH_ABOVE} series of one kind, those count that had begun"
        " and not ended, pauses included.",
    )
    bands: list[PercentileBand] = items("bands", "percentile float8, values float8[]", "A band for each percentile, as asked.")


def _listed(terms: type[Term]) -> str:
    """All of them, as an array in SQL."""
    return f"array{[str(term) for term in terms]}"


_SKETCHED = """
    from {metric_sketch} sketch
    where sketch.call_key = {parent}.call_key and sketch.metric = asked.metric
        and (asked.media is null or sketch.media = asked.media)
        and (asked.direction is null or sketch.direction = asked.direction) and sketch.step_seconds = grid.unit
"""
# Series of kinds that were not sketched; and all, where buckets are shorter than a sketch. Series by series: PostgreSQL knows too
# little of a call that has just arrived to find the way by itself.
_RAW = f"""
    from unnest({_listed(Media)}) as kind(media), unnest({_listed(Direction)}) as way(direction), {{metric_series}} series,
    lateral (
        select CHOSEN from {{metric_sample}} sample
        where sample.call_key = series.call_key and sample.series_key = series.series_key
            and sample.at >= grid.started_at and sample.at <= grid.until
        offset 0
    ) own
    where (asked.media is null or kind.media = asked.media) and (asked.direction is null or way.direction = asked.direction)
        and (grid.unit is null or not exists (
            select from {{metric_sketch}} known where known.call_key = {{parent}}.call_key and known.metric = asked.metric
                and known.media = kind.media and known.direction = way.direction
        ))
        and series.call_key = {{parent}}.call_key and series.metric = asked.metric and series.media = kind.media
        and series.direction = way.direction
"""
_BINNED = f"""
    select {bucket("filled.at")} as bucket, each.bin, each.sample_count, each.minimum, each.maximum
    from (select sketch.* {_SKETCHED} and sketch.at >= grid.started_at and sketch.at <= grid.ended_at) filled,
        unnest(filled.bins, filled.sample_counts, filled.minimums, filled.maximums) each(bin, sample_count, minimum, maximum)
    union all
    select {bucket("own.at")}, {bin_sql("own.value")}, 1, own.value, own.value {template(_RAW, CHOSEN="sample.at, sample.value")}
"""
# The value at each rank that is asked for, and at the next one: both lie in bins whose values differ by little.
_RANKED = """
    with binned as (
        select bucket, sample_count, minimum, maximum, total, until - sample_count + 1 as before, until
        from (
            select bucket, sum(sample_count)::float8 as sample_count, min(minimum) as minimum, max(maximum) as maximum,
                sum(sum(sample_count)::float8) over (partition by bucket) as total,
                sum(sum(sample_count)::float8) over (partition by bucket order by bin) - 1 as until
            from (BINNED) each group by bucket, bin
        ) counted
    ),
    wanted as (
        select asked.percentile, asked.position, filled.bucket,
            floor(asked.percentile / 100 * (filled.total - 1)) as low, ceil(asked.percentile / 100 * (filled.total - 1)) as high,
            asked.percentile / 100 * (filled.total - 1) as place
        from unnest(asked.percentiles) with ordinality as asked(percentile, position),
            (select distinct bucket, total from binned) filled
    ),
    found as (
        select wanted.position, wanted.bucket, wanted.place - wanted.low as share,
            max(VALUE_AT_LOW) filter (where wanted.low between binned.before and binned.until) as low,
            max(VALUE_AT_HIGH) filter (where wanted.high between binned.before and binned.until) as high
        from wanted
        join binned on binned.bucket = wanted.bucket and binned.before <= wanted.high and binned.until >= wanted.low
        group by 1, 2, 3
    )
    select jsonb_agg(jsonb_build_object('percentile', band.percentile, 'values', band.values) order by band.position)
    from (
        select each.percentile, each.position,
            array_agg(found.low + (found.high - found.low) * found.share order by place.bucket) as values
        from unnest(asked.percentiles) with ordinality as each(percentile, position)
        cross join STARTS as place(bucket)
        left join found on found.position = each.position and found.bucket = place.bucket
        group by each.percentile, each.position
    ) band
"""


def _value_at(rank: str) -> str:
    """Within a bin, values are taken to lie evenly between the least and the greatest."""
    return (
        f"binned.minimum + case when binned.sample_count > 1 then (binned.maximum - binned.minimum)"
        f" * (wanted.{rank} - binned.before) / (binned.sample_count - 1) else 0 end"
    )


_COUNTED = f"""
    array(
        select (coalesce(sum(spanning.change) over (order by place.bucket), 0) + coalesce(exact.series_count, 0))::integer
        from {STARTS} as place(bucket)
        left join (
            select step.bucket, sum(step.change) as change
            from (select sketch.at, sketch.begun, sketch.ended {_SKETCHED} and sketch.at <= grid.until) edge,
            lateral (
                values ({bucket("greatest(edge.at, grid.started_at)")}, edge.begun),
                    (greatest({bucket("edge.at")} + grid.width, grid.started_at), -edge.ended)
            ) step(bucket, change)
            group by 1
        ) spanning using (bucket)
        left join (
            select own.bucket, count(*) as series_count
            {template(_RAW, CHOSEN=f"distinct {bucket('sample.at')} as bucket")} group by 1
        ) exact using (bucket)
        order by place.bucket
    )
"""
_BANDS = template(
    """
    select asked.metric, case asked.metric UNITS end as unit, grid.step as step_seconds, TIMES as times, COUNTED as series_counts,
        (RANKED) as bands
    from (
        select {args.metric} as metric, {args.media} as media, {args.direction} as direction, {args.percentiles} as percentiles
    ) asked, (GRID) grid
    """,
    UNITS=_UNITS,
    RANKED=_RANKED,
    BINNED=_BINNED,
    VALUE_AT_LOW=_value_at("low"),
    VALUE_AT_HIGH=_value_at("high"),
    COUNTED=_COUNTED,
    TIMES=TIMES,
    STARTS=STARTS,
)


def _check(values: dict[str, Any]) -> None:
    percentiles = values.get("percentiles")
    for percentile in percentiles or ():
        if not 0 <= percentile <= 100:
            raise bad_input(f"Argument 'percentiles' should be numbers from 0 to 100, not {percentile:g}.")
    if percentiles is not None and len(percentiles) > MAX_PERCENTILES:
        raise bad_input(f"Argument 'percentiles' should have at most {MAX_PERCENTILES} numbers, not {len(percentiles)}.")


PERCENTILES = Argument(
    "percentiles",
    list[float] | None,
    f"Which ones, 0 to 100, at most {MAX_PERCENTILES} of them.",
    sql="double precision[]",
    default=[5.0, 50.0, 95.0],
)


def metric_bands(*, started_at: str, ended_at: str) -> Any:
    """Of a stretch; templates of its bounds."""
    of_stretch = grid(most="{args.buckets}", units=SKETCH_SECONDS, started_at=started_at, ended_at=ended_at)
    return one(
        "Percentiles of one metric over all its series, bucket by bucket: what a chart of a large meeting shows. Without any"
        " samples all values are null.",
        source=_BANDS.replace("GRID", of_stretch),
        arguments=(*METRIC_ARGUMENTS, PERCENTILES, BUCKETS_ARGUMENT),
        check=_check,
        summary=True,
    )
