"""The rows that settling derives. Their fields are the columns of the tables of the same name."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any


def columns(row: Any) -> dict[str, Any]:
    """A row by the names of its columns; ``asdict`` would copy what is in them, at ten times the cost."""
    names, values = _columns_of(type(row))
    return dict(zip(names, values(row), strict=True))


def instants(row: Any) -> list[datetime]:
    return [value for value in _columns_of(type(row))[1](row) if isinstance(value, datetime)]


NEVER = datetime.min.replace(tzinfo=UTC)
Values = tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]
_known: dict[type[Any], Values] = {}


def _columns_of(kind: type[Any]) -> Values:
    if kind not in _known:
        names = tuple(column.name for column in fields(kind))
        _known[kind] = (names, attrgetter(*names))
    return _known[kind]


@dataclass(slots=True)
class Participant:
    participant_key: int
    participant_id: str
    kind: str
    devices: list[dict[str, Any]]
    is_redacted: bool
    appeared_at: datetime
    display_name: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    browser: str | None = None
    browser_version: str | None = None
    os: str | None = None
    os_version: str | None = None
    device: str | None = None
    sdk_name: str | None = None
    sdk_version: str | None = None
    user_agent: str | None = None
    first_joined_at: datetime | None = None
    last_left_at: datetime | None = None
    error_count: int = 0
    issue_count: int = 0
    mean_opinion_score: float | None = None
    rating: float | None = None


@dataclass(slots=True)
class Attempt:
    """What connections, streams and subscribers have in common: an attempt, and what became of it."""

    participant_key: int
    attempted_at: datetime
    outcome: str
    error_code: int | None
    error_subcode: int | None
    error_message: str | None


@dataclass(slots=True)
class Connection(Attempt):
    connection_key: int
    connection_id: str
    connected_at: datetime | None
    disconnected_at: datetime | None
    duration_seconds: float | None
    disconnect_reason: str | None
    meeting_number: int | None = None
    network_type: str | None = None
    transport: str | None = None
    local_candidate_type: str | None = None
    remote_candidate_type: str | None = None
    is_relayed: bool | None = None
    network_region: str | None = None
    is_implied: bool = False
    """No source told of it, but something else of the call proves it: nobody saw an attempt."""


@dataclass(slots=True)
class Stream(Attempt):
    stream_key: int
    stream_id: str
    connection_key: int
    published_at: datetime | None
    unpublished_at: datetime | None
    duration_seconds: float | None
    unpublish_reason: str | None
    name: str | None
    source: str
    has_audio: bool
    has_video: bool
    is_scalable: bool
    audio_codec: str | None
    video_codec: str | None
    totals: list[dict[str, Any]]
    meeting_number: int | None = None


@dataclass(slots=True)
class Subscriber(Attempt):
    subscriber_key: int
    subscriber_id: str
    stream_key: int
    connection_key: int
    subscribed_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float | None
    totals: list[dict[str, Any]]
    meeting_number: int | None = None


@dataclass(slots=True)
class MetricSeries:
    series_key: int
    participant_key: int
    connection_key: int | None
    stream_key: int | None
    subscriber_key: int | None
    metric: str
    unit: str
    media: str
    direction: str
    is_derived: bool = False
    """Not told by a source, but worked out from what was."""


@dataclass(slots=True)
class DataWarning:
    warning_key: int
    kind: str
    message: str
    participant_key: int | None
    closed_at: datetime | None = None
    """Of a stretch that was closed by policy, when: before that, the warning does not hold."""


@dataclass(slots=True)
class Catalog:
    """Who and what took part in a call, by key."""

    call: dict[str, Any] = field(default_factory=dict)
    participants: dict[int, Participant] = field(default_factory=dict)
    connections: dict[int, Connection] = field(default_factory=dict)
    streams: dict[int, Stream] = field(default_factory=dict)
    subscribers: dict[int, Subscriber] = field(default_factory=dict)
    series: dict[int, MetricSeries] = field(default_factory=dict)
    warnings: dict[int, DataWarning] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    """The kinds of record that sources delivered."""
    fallback: datetime = NEVER
    """What stands in for the instant of a subject that has none."""
    dtx: set[int] = field(default_factory=set)
    fec: set[int] = field(default_factory=set)
    """Streams whose audio pauses in silence, and those whose audio carries forward error correction."""
    failed_at: dict[int, datetime] = field(default_factory=dict)
    """When attempts failed, by the key of the connection, stream or subscriber, where a source told."""
    superseded: list[tuple[datetime, int]] = field(default_factory=list)
    """Events that a higher version has replaced, by time and key."""
