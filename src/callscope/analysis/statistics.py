"""A stretch of a call in figures."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from callscope.analysis.rows import Attempt, Connection, Participant, Stream, Subscriber
from callscope.vocabulary import CallType, EndpointKind, Outcome

Interval = tuple[datetime, datetime]
INSTANT = 1e-6
"""Seconds: the shortest time between two instants."""


@dataclass(slots=True)
class Stretch:
    """What statistics are taken of: the rows of a call, or of one meeting."""

    participants: Sequence[Participant]
    connections: Sequence[Connection]
    streams: Sequence[Stream]
    subscribers: Sequence[Subscriber]
    ended_at: datetime
    error_events: int
    issues: int
    tells_subscribers: bool
    meeting_ends: Mapping[int, datetime] = field(default_factory=dict)
    """By number. What nobody ended lasted to the end of its meeting, or to ``ended_at`` where it is of none of these."""

    def span(self, row: Connection | Stream | Subscriber, start: datetime | None, end: datetime | None) -> Interval:
        assert start is not None  # noqa: S101
        until = self.ended_at if row.meeting_number is None else self.meeting_ends.get(row.meeting_number, self.ended_at)
        return start, max(start, end if end is not None else until)


@dataclass(slots=True)
class Statistics:
    """Columns of the tables call and meeting."""

    is_large: bool
    call_type: str
    participant_count: int
    connection_count: int
    stream_count: int
    subscriber_count: int
    sip_participant_count: int
    max_concurrent_connections: int
    max_concurrent_streams: int
    max_concurrent_subscribers: int
    published_minutes: float
    subscribed_minutes: float
    streamed_minutes: float
    issue_count: int
    error_count: int
    sdks: list[dict[str, Any]]
    endpoints: list[dict[str, Any]]
    connect_attempts: int
    connect_failures: int
    publish_attempts: int
    publish_failures: int
    subscribe_attempts: int
    subscribe_failures: int

    def columns(self) -> dict[str, Any]:
        return asdict(self)


def statistics(stretch: Stretch, large_above: int) -> Statistics:
    """The figures of a stretch. Implied connections were never attempted before anyone's eyes: no attempt is counted."""
    connected = [connection for connection in stretch.connections if connection.connected_at is not None]
    published = [stream for stream in stretch.streams if stream.published_at is not None]
    subscribed = [subscriber for subscriber in stretch.subscribers if subscriber.subscribed_at is not None]
    attempted = [connection for connection in stretch.connections if not connection.is_implied]
    spans_published = [stretch.span(stream, stream.published_at, stream.unpublished_at) for stream in published]
    spans_subscribed = [stretch.span(subscriber, subscriber.subscribed_at, subscriber.ended_at) for subscriber in subscribed]
    published_minutes, subscribed_minutes = _minutes(spans_published), _minutes(spans_subscribed)
    failures = _failed(attempted) + _failed(stretch.streams) + _failed(stretch.subscribers)
    return Statistics(
        is_large=len(subscribed) > large_above,
        call_type=call_type(stretch, published, subscribed),
        participant_count=len(stretch.participants),
        connection_count=len(connected),
        stream_count=len(published),
        subscriber_count=len(subscribed),
        sip_participant_count=sum(participant.kind == EndpointKind.SIP for participant in stretch.participants),
        max_concurrent_connections=most_at_once(
            stretch.span(connection, connection.connected_at, connection.disconnected_at) for connection in connected
        ),
        max_concurrent_streams=most_at_once(spans_published),
        max_concurrent_subscribers=most_at_once(spans_subscribed),
        published_minutes=published_minutes,
        subscribed_minutes=subscribed_minutes,
        streamed_minutes=published_minutes + subscribed_minutes,
        issue_count=stretch.issues,
        error_count=failures + stretch.error_events,
        sdks=_counted(sdk_of(participant) for participant in stretch.participants),
        endpoints=_counted(endpoint_of(participant) for participant in stretch.participants),
        connect_attempts=len(attempted),
        connect_failures=_failed(attempted),
        publish_attempts=len(stretch.streams),
        publish_failures=_failed(stretch.streams),
        subscribe_attempts=len(stretch.subscribers),
        subscribe_failures=_failed(stretch.subscribers),
    )


def call_type(stretch: Stretch, published: Sequence[Stream], subscribed: Sequence[Subscriber]) -> CallType:
    """Vonage's four shapes. Where no source tells of subscribers, nobody is taken to be without any."""
    publishers = {stream.participant_key for stream in published}
    if not publishers:
        return CallType.UNKNOWN
    people = [participant for participant in stretch.participants if participant.kind != EndpointKind.SERVER]
    if len(people) <= 1 or (stretch.tells_subscribers and not subscribed):
        return CallType.ONE_TO_ZERO
    if len(people) == 2:
        return CallType.ONE_TO_ONE
    return CallType.BROADCAST if len(publishers) == 1 else CallType.MULTIPARTY


def most_at_once(intervals: Iterable[Interval]) -> int:
    """The greatest number of intervals that overlap; one that ends when another starts does not overlap it."""
    spans = [(start.timestamp(), end.timestamp()) for start, end in intervals]
    starts = sorted(start for start, _ in spans)
    # What began and ended at once was there for an instant.
    ends = sorted(max(end, start + INSTANT) for start, end in spans)
    most = over = 0
    for begun, start in enumerate(starts, 1):
        while ends[over] <= start:
            over += 1
        most = max(most, begun - over)
    return most


def sdk_of(participant: Participant) -> tuple[str, ...] | None:
    name = participant.sdk_name
    return ("sdk", name, participant.sdk_version or "") if name is not None else None


def endpoint_of(participant: Participant) -> tuple[str, ...]:
    kind = participant.kind
    if kind == EndpointKind.BROWSER and participant.browser is not None:
        return (kind, participant.browser, (participant.browser_version or "").split(".")[0])
    if kind == EndpointKind.NATIVE and participant.sdk_name is not None:
        return (kind, participant.sdk_name, participant.sdk_version or "")
    return (kind, kind, "")


def _counted(values: Iterable[tuple[str, ...] | None]) -> list[dict[str, Any]]:
    counts = Counter(value for value in values if value is not None)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        {"kind": kind, "name": name, "version": version or None, "participant_count": count}
        for (kind, name, version), count in ranked
    ]


def _failed(attempts: Iterable[Attempt]) -> int:
    return sum(attempt.outcome == Outcome.FAILED for attempt in attempts)


def _minutes(spans: Iterable[Interval]) -> float:
    return sum((end - start).total_seconds() for start, end in spans) / 60
