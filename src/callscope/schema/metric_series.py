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


# The grid is the call's, so that all its series share it. {filled} are its buckets that hold samples.
_GRID = """
    select grid.started_at, grid.step as step_seconds, points.*
    from (
        select span.started_at, span.ended_at, span.step,
            least(greatest(ceil(span.seconds / span.step)::integer, 1), {args.maxPoints}) as buckets
        from (
            select bounds.*, greatest(bounds.seconds / {args.maxPoints}, own.sampling_seconds, 0.001) as step
            from {call} own,
            lateral (select {started_at} as started_at, {ended_at} as ended_at,
                date_part('epoch', {ended_at} - {started_at}) as seconds) bounds
            where own.call_key = {parent}.call_key
        ) span
    ) grid,
    lateral (
        select array_agg(date_part('epoch', grid.started_at) * 1000 + bucket * grid.step * 1000 order by bucket) as times,
            array_agg(average order by bucket) as averages,
            array_agg(minimum order by bucket) as minimums,
            array_agg(maximum order by bucket) as maximums,
            array_agg(coalesce(sample_count, 0) order by bucket) as counts
        from generate_series(0, grid.buckets - 1) as bucket
        left join ({filled}) filled using (bucket)
    ) points
"""
_BUCKETS = """
    select least(floor(date_part('epoch', sample.at - grid.started_at) / grid.step)::integer, grid.buckets - 1) as bucket,
        avg(sample.value) as average, min(sample.value) as minimum, max(sample.value) as maximum,
        count(*)::integer as sample_count
    from {metric_sample} sample
    where sample.call_key = {parent}.call_key and sample.series_key = {series}
        and sample.at >= grid.started_at and sample.at <= grid.ended_at
    group by 1
"""


def _grid(filled: str, started_at: str = "own.started_at", ended_at: str = "own.last_active_at") -> str:
    parts = (("{filled}", filled), ("{started_at}", started_at), ("{ended_at}", ended_at))
    sql = _GRID
    for name, part in parts:
        sql = sql.replace(name, part)
    return sql


SAMPLES = _grid(
    _BUCKETS.replace("{series}", "{parent}.series_key"),
    "coalesce({args.from}, own.started_at)",
    "coalesce({args.to}, own.last_active_at)",
)

# In each bucket the series that is worst off: the least of what should be much, the greatest of what should be little.
PUBLISHER_QUALITY = _grid(
    "select distinct on (buckets.bucket) buckets.* from {metric_series} series, lateral ("
    + _BUCKETS.replace("{series}", "series.series_key")
    + """) buckets
    where series.call_key = {parent}.call_key and series.stream_key = {parent}.stream_key
        and series.metric = {args.metric} and series.media = {args.media}
        and series.direction = case when {parent}.is_scalable and {args.media} <> 'AUDIO' then 'PUBLISH' else 'SUBSCRIBE' end
    order by buckets.bucket, case when {args.metric} = any('{{"""
    + ",".join(sorted(MORE_IS_BETTER))
    + """}}'::text[]) then buckets.average else -buckets.average end"""
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
