"""CallClientMediaStatsTimeSeries: figures of a client's streams, one row for each metric and interval of usually ten seconds.

A sample is the average of the interval at CallClientTimeStamp. Count, sum, minimum and maximum are lost, and so is which of
several streams of one media and remote participant a row is of, since clients do not tell MediaStreamId yet. A row whose metric
has no counterpart, or whose average cannot be one, is kept whole, as an event; so is one with columns that nobody knows, beside
its sample. Each row is read by itself: what two of them tell together, as of packet loss, settling finds out.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from callscope.sources.acs_columns import Row
from callscope.sources.acs_diagnostics import MEDIA, SOURCES, codecs, stream_id_of
from callscope.sources.acs_metrics import DIRECTIONS, METRICS, Meaning
from callscope.sources.sample_blocks import Block, SampleBlocks
from callscope.telemetry import EPOCH, EventRecord, SamplesRecord, StreamRecord, SubscriberRecord, Telemetry, from_milliseconds
from callscope.vocabulary import Direction, EventCategory, Media, Metric

MAX_HELD_POINTS = 20_000
TAKEN_BACK = frozenset({Metric.PACKETS_LOST_PER_SECOND})
"""Packets given up as lost may still come: they are taken back then, and none were lost in all."""

MEASURED = (
    "correlationId",
    "clientInstanceId",
    "mediaStreamId",
    "aggregationIntervalSeconds",
    "count",
    "sum",
    "minimum",
    "maximum",
)
"""Columns of a sample that it says no more of."""
WORDS = ("mediaStreamDirection", "mediaStreamType", "mediaStreamCodec", "remoteParticipantId", "remoteEndpointId", "endpointId")


class Subject(NamedTuple):
    """What is measured: what one connection sends, or what it receives of one remote participant, where the row tells of whom."""

    call_id: str
    connection_id: str
    direction: Direction
    remote_id: str | None = None

    @property
    def publisher_id(self) -> str | None:
        return self.connection_id if self.direction is Direction.PUBLISH else self.remote_id


class MediaStatistics:
    """Takes the rows of a file and gives records in blocks."""

    def __init__(self) -> None:
        self._blocks: SampleBlocks[Subject] = SampleBlocks()
        self._codecs: dict[tuple[Subject, Media], str] = {}

    def records(self, row: Row) -> Iterator[Telemetry]:
        row.text("operationName")
        call_id, at = row.call("callId", "correlationId"), row.event_time()
        metric, direction, media = _metric(row), _direction(row), MEDIA.get((row.text("mediaStreamType") or "").lower())
        connection_id = row.id("participantId") or row.id("endpointId")
        if connection_id is None:
            raise row.error("ParticipantId", "participant_missing", "should tell the participant in ParticipantId or EndpointId")
        remote = row.id("remoteParticipantId") or row.id("remoteEndpointId")
        subject = Subject(call_id, connection_id, direction, remote if direction is Direction.SUBSCRIBE else None)
        meaning, average = METRICS[direction].get(metric.lower()), None
        if meaning is not None and media is not None:
            average = _average(row)
            average = max(average, 0) if meaning.metric in TAKEN_BACK else average
        if meaning is None or media is None or average is None or average < 0:
            yield _event(row, call_id, at, connection_id, metric)
            return
        if codec := row.text("mediaStreamCodec"):
            self._codecs[subject, media] = codec
        self._add(subject, meaning, media, (at - EPOCH).total_seconds() * 1000, average)
        row.pass_over(*MEASURED)
        if row.rest():
            yield _event(row, call_id, at, connection_id, metric)

    def ready(self) -> Iterator[Telemetry]:
        """The blocks that are full; all of them where too many points are held."""
        if self._blocks.held > MAX_HELD_POINTS:
            yield from self._flush()
        elif self._blocks.has_full:
            for block in self._blocks.take_full():
                yield from self._block(block)

    def rest(self) -> Iterator[Telemetry]:
        yield from self._flush()

    def _flush(self) -> Iterator[Telemetry]:
        for block in self._blocks.take_all():
            yield from self._block(block)
        self._codecs.clear()

    def _add(self, subject: Subject, meaning: Meaning, media: Media, at: float, value: float) -> None:
        key = (subject, meaning.metric, meaning.media or media, meaning.direction or subject.direction)
        self._blocks.add(key, at, min(value * meaning.scale, meaning.most))

    def _block(self, block: Block[Subject]) -> Iterator[Telemetry]:
        """The samples, and that the stream was there from the first to the last of them."""
        subject, media, publisher = block.subject, block.media, block.subject.publisher_id
        stream_id = subscriber_id = None
        first, last = from_milliseconds(min(block.times)), from_milliseconds(max(block.times))
        if publisher is not None and media is not Media.CONNECTION:
            stream_id = stream_id_of(publisher, media)
            yield StreamRecord(
                call_id=subject.call_id,
                stream_id=stream_id,
                connection_id=publisher,
                source=SOURCES[media],
                has_audio=media is Media.AUDIO,
                has_video=media is not Media.AUDIO,
                published_at=first,
                unpublished_at=last,
                **codecs(media, self._codecs.get((subject, media))),
            )
        if stream_id is not None and subject.direction is Direction.SUBSCRIBE:
            subscriber_id = f"{subject.connection_id}/{stream_id}"
            yield SubscriberRecord(
                call_id=subject.call_id,
                subscriber_id=subscriber_id,
                stream_id=stream_id,
                connection_id=subject.connection_id,
                subscribed_at=first,
                ended_at=last,
            )
        yield SamplesRecord(
            call_id=subject.call_id,
            metric=block.metric,
            media=media,
            direction=block.direction,
            connection_id=subject.connection_id,
            stream_id=stream_id,
            subscriber_id=subscriber_id,
            times=block.times.tolist(),
            values=block.values.tolist(),
        )


def _metric(row: Row) -> str:
    metric = row.text("metricName")
    if metric is None:
        raise row.error("MetricName", "metric_missing", "should name the metric")
    return metric


def _direction(row: Row) -> Direction:
    direction = DIRECTIONS.get((row.text("mediaStreamDirection") or "").lower())
    if direction is None:
        raise row.error("MediaStreamDirection", "direction_invalid", "should be send or receive")
    return direction


def _average(row: Row) -> float:
    """Integers are rounded in some logs, so Sum / Count may be the better, but Average is what Azure shows."""
    average = row.number("average")
    if average is None:
        total, count = row.number("sum"), row.number("count")
        average = total / count if total is not None and count else None
    if average is None:
        raise row.error("Average", "number_missing", "should tell the average, or sum and count")
    return average


def _event(row: Row, call_id: str, at: datetime, connection_id: str, metric: str) -> EventRecord:
    told: dict[str, Any] = {name: row.text(name) for name in WORDS}
    told |= {name: row.number(name) for name in ("count", "sum", "average", "minimum", "maximum")}
    payload = {name: value for name, value in told.items() if value is not None} | row.rest()
    return EventRecord(
        call_id=call_id, at=at, category=EventCategory.MEDIA, name=metric, payload=payload, connection_id=connection_id
    )
