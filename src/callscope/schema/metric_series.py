"""What was measured, over time."""

from datetime import datetime
from typing import Any

import strawberry

from callscope.query.bindings import Argument, Order, column, listed, many, narrow, one
from callscope.schema.node import FILTER, Node, table
from callscope.schema.references import ConnectionRef, ParticipantRef, StreamRef, SubscriberRef
from callscope.schema.samples import MAX_POINTS_ARGUMENT, SAMPLES, Samples, check_span
from callscope.vocabulary import MORE_IS_BETTER, Direction, EndpointKind, Media, Metric, Unit


@strawberry.input(description=FILTER)
class MetricSeriesFilter:
    metrics: list[Metric] | None = narrow("{row}.metric = any({value})", "What is measured.", type="text[]")
    media: list[Media] | None = narrow("{row}.media = any({value})", "Kinds of media.", type="text[]")
    directions: list[Direction] | None = narrow("{row}.direction = any({value})", "Sent or received.", type="text[]")
    calls: list[strawberry.ID] | None = narrow("{row}.call_key = any({first})", "In one of these calls.", ids="call")
    meetings: list[strawberry.ID] | None = narrow(
        "{row}.call_key = any({first}) and exists (select from {meeting} own where own.call_key = {row}.call_key"
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


_P95 = (
    "(select percentile_cont(0.95) within group (order by sample.value) from {metric_sample} sample where sample.call_key ="
    " {row}.call_key and sample.series_key = {row}.series_key and sample.at between {row}.started_at and {row}.ended_at)"
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
    p95: float | None = column(_P95, "95th percentile of the samples, interpolated.")
    samples: Samples = one(
        "At most `maxPoints` buckets from `from` to `to`, both included; a bucket shorter than the sampling interval is the"
        " sample itself.",
        source=SAMPLES,
        arguments=(
            Argument("from", datetime | None, "Start, not after `to`; null for the start of the call.", sql="timestamptz"),
            Argument("to", datetime | None, "End; null for the call's last activity.", sql="timestamptz"),
            MAX_POINTS_ARGUMENT,
        ),
        check=check_span,
    )


def metric_series(description: str, *, where: str | None = None) -> Any:
    return many(description, where=where, filter=MetricSeriesFilter)


MAX_WORST = 1_000
_MORE = f"'{{{{{','.join(sorted(MORE_IS_BETTER))}}}}}'::text[]"
# How bad a series was in a stretch: the greater, the worse. What is only partly in it is looked at anew.
_WORST = f"""
select own.*, case when own.started_at >= STARTED_AT and own.ended_at <= ENDED_AT
    then case when own.metric = any({_MORE}) then -own.minimum else own.maximum end
    else (
        select max(case when own.metric = any({_MORE}) then -sample.value else sample.value end) from {{metric_sample}} sample
        where sample.call_key = own.call_key and sample.series_key = own.series_key
            and sample.at >= STARTED_AT and sample.at <= ENDED_AT
    ) end as badness
from {{metric_series}} own
where own.call_key = {{parent}}.call_key and own.started_at <= ENDED_AT and own.ended_at >= STARTED_AT
    and own.metric = {{args.metric}} and ({{args.media}} is null or own.media = {{args.media}})
    and ({{args.direction}} is null or own.direction = {{args.direction}})
"""
METRIC_ARGUMENTS = (
    Argument("metric", Metric, "What is measured."),
    Argument("media", Media | None, "Only this kind of media; null for all."),
    Argument("direction", Direction | None, "Only what was sent, or received; null for both."),
)


def worst_series(*, started_at: str, ended_at: str) -> Any:
    """Of a stretch; templates of its bounds."""
    return listed(
        "The series with the worst value of one metric, worst first: the greatest value, or of what should be much (such as bit"
        " rates and frame rates) the least one.",
        source=_WORST.replace("STARTED_AT", started_at).replace("ENDED_AT", ended_at),
        where="{row}.badness is not null",
        order=Order((("badness", "double precision"),), descending=True),
        arguments=(
            *METRIC_ARGUMENTS,
            Argument(
                "first",
                int | None,
                f"How many, 0 to {MAX_WORST}.",
                sql="integer",
                default=10,
                minimum=0,
                maximum=MAX_WORST,
                weight=1,
            ),
        ),
        summary=True,
    )
