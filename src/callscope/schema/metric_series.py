"""What was measured, over time."""

from datetime import datetime
from typing import Any

import strawberry

from callscope.query.bindings import Argument, column, many, narrow, one
from callscope.query.errors import bad_input
from callscope.schema.node import Node, table
from callscope.schema.references import ConnectionRef, ParticipantRef, StreamRef, SubscriberRef
from callscope.vocabulary import MORE_IS_BETTER, Direction, EndpointKind, Media, Metric, Unit

MAX_POINTS = 5_000


@strawberry.type(
    description="Parallel lists: a chart draws them as they are. The same `from`, `to` and `maxPoints` put the buckets of every"
    " series of a call on one grid, so that a client may ask for `times` once. A bucket without a sample is null (count 0)."
)
class Samples:
    started_at: datetime | None = column("started_at", "Start of the first bucket.")
    step_seconds: float = column("step_seconds", "Length of a bucket, s; at least the shortest sampling interval of the call.")
    times: list[float] = column("times", "Start of each bucket, milliseconds since the Unix epoch.")
    averages: list[float | None] = column("averages", "Average of each bucket's samples, in the series' unit.")
    minimums: list[float | None] = column("minimums", "Least of each bucket's samples.")
    maximums: list[float | None] = column("maximums", "Greatest of each bucket's samples: a spike never disappears.")
    counts: list[int] = column("counts", "Samples in each bucket.")


# The grid is the call's, so that all its series share it: whole milliseconds, so that buckets are exact.
_GRID = """
    select span.started_at, span.ended_at, span.step, make_interval(secs => span.step) as width, span.buckets,
        span.started_at + make_interval(secs => span.step) * (span.buckets - 1) as last
    from (
        select stepped.*, greatest(ceil(stepped.seconds / stepped.step), 1)::integer as buckets
        from (
            select bounds.*, ceil(greatest(bounds.seconds / {args.maxPoints}, own.sampling_seconds, 0.001) * 1000) / 1000 as step
            from {call} own,
            lateral (
                select STARTED_AT as started_at, ENDED_AT as ended_at, date_part('epoch', ENDED_AT - STARTED_AT) as seconds
            ) bounds
            where own.call_key = {parent}.call_key
        ) stepped
    ) span
    offset 0  -- computed once, not again for each sample
"""
_STARTS = "generate_series(grid.started_at, grid.last, grid.width)"
# The end of the range belongs to its last bucket.
_BUCKET = "least(date_bin(grid.width, sample.at, grid.started_at), grid.last)"
_TIMES = """
    array(select date_part('epoch', grid.started_at) * 1000 + round(number * grid.step * 1000)
        from generate_series(0, grid.buckets - 1) as number) as times
"""
_IN_RANGE = """
    from {metric_sample} sample
    where sample.call_key = {parent}.call_key and sample.series_key = SERIES
        and sample.at >= grid.started_at and sample.at <= grid.ended_at
"""
_BUCKETS = (
    f"""
    select {_BUCKET} as bucket, avg(sample.value) as average,
        min(sample.value) as minimum, max(sample.value) as maximum, count(*)::integer as sample_count
"""
    + _IN_RANGE
    + "group by 1"
)
# All buckets of the grid, those without a sample too. FILLED are the others, CONDITION whether any of this is needed.
_DENSE = """
    select array_agg(average) as averages, array_agg(minimum) as minimums, array_agg(maximum) as maximums,
        array_agg(coalesce(sample_count, 0)) as counts
    from (
        select filled.average, filled.minimum, filled.maximum, filled.sample_count
        from STARTS as bucket left join (FILLED) filled using (bucket) order by bucket
    ) ordered where CONDITION
"""


def _template(sql: str, **parts: str) -> str:
    for name, part in parts.items():
        sql = sql.replace(name, part)
    return sql


# Most charts ask for buckets that hold one sample each, without a gap: then the samples are the answer and need no grouping.
SAMPLES = _template(
    """
    select grid.started_at, grid.step as step_seconds, TIMES, coalesce(dense.averages, run.samples) as averages,
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
    GRID=_GRID,
    TIMES=_TIMES,
    DENSE=_DENSE,
    CONDITION="run.samples is null",
    FILLED=_BUCKETS,
    IN_RANGE=_IN_RANGE,
    BUCKET=_BUCKET,
    SERIES="{parent}.series_key",
    STARTED_AT="coalesce({args.from}, own.started_at)",
    ENDED_AT="coalesce({args.to}, own.last_active_at)",
    STARTS=_STARTS,
)

# In each bucket the series that is worst off: the least of what should be much, the greatest of what should be little.
PUBLISHER_QUALITY = _template(
    "select grid.started_at, grid.step as step_seconds, TIMES, dense.* from (GRID) grid, lateral (DENSE) dense",
    GRID=_GRID,
    TIMES=_TIMES,
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
    STARTED_AT="own.started_at",
    ENDED_AT="own.last_active_at",
    STARTS=_STARTS,
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


def _check_span(values: dict[str, Any]) -> None:
    start, end = values.get("from"), values.get("to")
    if start is not None and end is not None and start > end:
        raise bad_input(f"Argument 'from' ({start.isoformat()}) should not be after 'to' ({end.isoformat()}).")


@strawberry.input(description="Fields narrow together, values of a list add up; an empty list matches nothing.")
class MetricSeriesFilter:
    metrics: list[Metric] | None = narrow("{row}.metric = any({value})", "What is measured.", type="text[]")
    media: list[Media] | None = narrow("{row}.media = any({value})", "Kinds of media.", type="text[]")
    directions: list[Direction] | None = narrow("{row}.direction = any({value})", "Sent or received.", type="text[]")
    calls: list[strawberry.ID] | None = narrow("{row}.call_key in {value}", "In one of these calls.", ids="call")
    meetings: list[strawberry.ID] | None = narrow(
        "exists (select from {meeting} own where own.call_key = {row}.call_key"
        " and own.started_at <= {row}.ended_at and own.ended_at >= {row}.started_at and (own.call_key, own.number) in {value})",
        "With samples while one of these meetings lasted.",
        ids="meeting",
    )
    participants: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.participant_key) in {value}", "Measured at one of these.", ids="participant"
    )
    connections: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.connection_key) in {value}", "Measured on one of these.", ids="connection"
    )
    streams: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.stream_key) in {value}", "Of one of these, sent or received.", ids="stream"
    )
    endpoint_kinds: list[EndpointKind] | None = narrow(
        "exists (select from {participant} own where own.call_key = {row}.call_key"
        " and own.participant_key = {row}.participant_key and own.kind = any({value}))",
        "Measured at endpoints of these kinds.",
        type="text[]",
    )


@strawberry.type(description="One metric of one endpoint, stream and direction over time.")
@table("metric_series", "call_key", "series_key", tag="series")
class MetricSeries(Node):
    metric: Metric = column("metric", "What is measured.")
    unit: Unit = column("unit", "Unit of the values.")
    media: Media = column("media", "Kind of media; CONNECTION for what concerns all of it.")
    direction: Direction = column("direction", "Sent or received, seen from the participant.")
    participant: ParticipantRef = one("Where it was measured.")
    connection: ConnectionRef | None = one("The connection that it was measured on; null where no source told.")
    stream: StreamRef | None = one("The stream that it was measured of; null for what concerns a connection.")
    subscriber: SubscriberRef | None = one("The reception that it was measured of; null for what was sent.")
    started_at: datetime = column("started_at", "The first sample's time.")
    ended_at: datetime = column("ended_at", "The last sample's time.")
    sample_count: int = column("sample_count", "Number of samples.")
    minimum: float | None = column("minimum", "Least value, in the unit.")
    maximum: float | None = column("maximum", "Greatest value.")
    average: float | None = column("average", "Mean of the samples.")
    p95: float | None = column("p95", "95th percentile of the samples, interpolated.")
    samples: Samples = one(
        "At most `maxPoints` buckets from `from` to `to`, both included; a bucket shorter than the sampling interval is the"
        " sample itself.",
        source=SAMPLES,
        arguments=(
            Argument("from", datetime | None, "Start; null for the start of the call.", sql="timestamptz"),
            Argument("to", datetime | None, "End; null for the call's last activity.", sql="timestamptz"),
            MAX_POINTS_ARGUMENT,
        ),
        check=_check_span,
    )


def metric_series(description: str, *, where: str | None = None) -> Any:
    return many(description, where=where, filter=MetricSeriesFilter)
