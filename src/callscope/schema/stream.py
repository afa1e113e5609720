"""Media that was published, and who received it."""

from datetime import datetime
from typing import Any

import strawberry

from callscope.query.bindings import Argument, Order, column, embedded, items, many, narrow, one
from callscope.schema.failure import FAILURE, NO_FAILURE, Failure
from callscope.schema.metric_series import MetricSeries, metric_series
from callscope.schema.node import FILTER, Node, Page, table
from callscope.schema.references import ConnectionRef, MeetingRef, ParticipantRef, StreamRef
from callscope.schema.samples import MAX_POINTS_ARGUMENT, PUBLISHER_QUALITY, Samples
from callscope.vocabulary import Media, Metric, Outcome, StreamSource


@strawberry.type(
    description="Counters at the end of the stream, null where the source has none. Floats, because a 32-bit Int is too small."
)
class MediaTotals:
    media: Media = column("media", "Kind of media.")
    ssrc: float | None = column("ssrc", "The RTP source that was counted.")
    codec: str | None = column("codec", "Name of the codec.")
    packets: float | None = column("packets", "Packets sent, or received.")
    packets_lost: float | None = column("packets_lost", "Packets lost; may be negative, because duplicates count against it.")
    packet_loss_percent: float | None = column("packet_loss_percent", "Lost in percent of those expected.")
    bytes: float | None = column("bytes", "Bytes of payload.")
    concealed_percent: float | None = column("concealed_percent", "Concealed audio samples in percent of all received.")
    frames_dropped: float | None = column("frames_dropped", "Frames dropped before they were shown.")
    freeze_seconds: float | None = column("freeze_seconds", "Time that video stood still, s.")
    round_trip_time_ms: float | None = column("round_trip_time_ms", "Mean round trip, ms.")


TOTALS = (
    "media text, ssrc float8, codec text, packets float8, packets_lost float8, packet_loss_percent float8, bytes float8,"
    " concealed_percent float8, frames_dropped float8, freeze_seconds float8, round_trip_time_ms float8"
)


@strawberry.input(description=FILTER)
class StreamFilter:
    calls: list[strawberry.ID] | None = narrow("{row}.call_key = any({first})", "In one of these calls.", ids="call")
    meetings: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.meeting_number) in {value}", "In one of these meetings.", ids="meeting"
    )
    participants: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.participant_key) in {value}", "Published by one of these.", ids="participant"
    )
    connections: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.connection_key) in {value}", "Published over one of these.", ids="connection"
    )
    stream_ids: list[str] | None = narrow("{row}.stream_id = any({value})", "The platform's ids.", type="text[]")
    sources: list[StreamSource] | None = narrow("{row}.source = any({value})", "Where the media comes from.", type="text[]")
    outcomes: list[Outcome] | None = narrow("{row}.outcome = any({value})", "What became of it.", type="text[]")
    has_audio: bool | None = narrow("{row}.has_audio", "With audio, or without.", otherwise="not {row}.has_audio")
    has_video: bool | None = narrow("{row}.has_video", "With video, or without.", otherwise="not {row}.has_video")


@strawberry.input(description=FILTER)
class SubscriberFilter:
    participants: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.participant_key) in {value}", "Of one of these.", ids="participant"
    )
    streams: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.stream_key) in {value}", "Of one of these streams.", ids="stream"
    )
    outcomes: list[Outcome] | None = narrow("{row}.outcome = any({value})", "What became of it.", type="text[]")


def streams(description: str, *, where: str | None = None) -> Any:
    return many(description, where=where, filter=StreamFilter, order=Order((("attempted_at", "timestamptz"),)))


def subscribers(description: str, *, where: str | None = None) -> Any:
    return many(description, where=where, filter=SubscriberFilter, order=Order((("attempted_at", "timestamptz"),)))


@strawberry.type(description="One participant's reception of one stream.")
@table("subscriber", "call_key", "subscriber_key", tag="subscriber")
class Subscriber(Node):
    subscriber_id: str = column("subscriber_id", "The platform's own id.")
    stream: StreamRef = one("What was received.")
    participant: ParticipantRef = one("Who received it.")
    connection: ConnectionRef = one("The connection that it came over.")
    attempted_at: datetime = column("attempted_at", "When it was attempted, or first heard of.")
    subscribed_at: datetime | None = column("subscribed_at", "When media came; null where it never did.")
    ended_at: datetime | None = column("ended_at", "When it ended; null while it lasts or where no source told.")
    duration_seconds: float | None = column("duration_seconds", "From subscribed to ended, s; null without both.")
    outcome: Outcome = column("outcome", "What became of the attempt.")
    error: Failure | None = embedded(FAILURE, null_when=NO_FAILURE)
    totals: list[MediaTotals] = items("totals", TOTALS, "What was received in all, an entry per media and SSRC.")
    metric_series: Page[MetricSeries] = metric_series("What was measured of this reception.")


@strawberry.type(description="Media that one connection published.")
@table("stream", "call_key", "stream_key", tag="stream")
class Stream(Node):
    stream_id: str = column("stream_id", "The platform's own id.")
    name: str | None = column("name", "The name that the application gave.")
    source: StreamSource = column("source", "Where the media comes from.")
    has_audio: bool = column("has_audio", "Whether it has audio.")
    has_video: bool = column("has_video", "Whether it has video.")
    is_scalable: bool = column(
        "is_scalable",
        "True where the publisher sends several layers, so that a subscriber's network does not govern what others see.",
    )
    audio_codec: str | None = column("audio_codec", "Codec of the audio.")
    video_codec: str | None = column("video_codec", "Codec of the video.")
    publisher: ParticipantRef = one("Who published it.")
    connection: ConnectionRef = one("The connection that it was published over.")
    meeting: MeetingRef | None = one(
        "The meeting that its connection belongs to.",
        where="{row}.call_key = {parent}.call_key and {row}.number = {parent}.meeting_number",
    )
    attempted_at: datetime = column("attempted_at", "When it was attempted, or first heard of.")
    published_at: datetime | None = column("published_at", "When it was published; null where it never was.")
    unpublished_at: datetime | None = column("unpublished_at", "When it ended; null while it lasts or where no source told.")
    duration_seconds: float | None = column("duration_seconds", "From published to unpublished, s; null without both.")
    outcome: Outcome = column("outcome", "What became of the attempt.")
    unpublish_reason: str | None = column("unpublish_reason", "Why it ended, in the platform's words.")
    error: Failure | None = embedded(FAILURE, null_when=NO_FAILURE)
    subscribers: Page[Subscriber] = subscribers("Who subscribed to it.")
    publisher_quality: Samples = one(
        "What subscribers experienced of this publisher: video of a scalable stream as measured from publisher to router;"
        " otherwise, and always for audio, in each bucket as the worst-off subscriber reports. On the grid of the call's series.",
        source=PUBLISHER_QUALITY,
        arguments=(
            Argument("metric", Metric, "What is measured."),
            Argument("media", Media, "Kind of media."),
            MAX_POINTS_ARGUMENT,
        ),
    )
    totals: list[MediaTotals] = items("totals", TOTALS, "What was sent in all, an entry per media and SSRC.")
    metric_series: Page[MetricSeries] = metric_series("What was measured of it, at its publisher and at its subscribers.")
