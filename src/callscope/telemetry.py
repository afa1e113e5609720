"""The one input model: what a source can tell about a call.

Telemetry is a sequence of records, as NDJSON one JSON object a line, told apart by ``type``. A record says what its source
knows; fields left out are unknown. Records of one subject add up, in any order and however often they are repeated:
starts (attemptedAt, connectedAt, …) take the earliest, ends (closedAt, …) the latest, and anything else the value of the
highest ``version``. Of what is a ``revisionOf`` one thing, only the highest version counts at all. Instants are RFC 3339 text
with an offset, or numbers: milliseconds since the Unix epoch.

Network addresses and secrets are hidden in whatever text a record has (``privacy``), so that no source can forget to.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyAddress,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from callscope.privacy import hidden, hidden_in_agent, hidden_in_fields, hidden_in_id, hidden_in_version
from callscope.vocabulary import (
    DataWarningKind,
    DeviceKind,
    Direction,
    EndpointKind,
    EventCategory,
    Media,
    MediaMode,
    Metric,
    Outcome,
    Platform,
    Severity,
    StreamSource,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
MAX_PAYLOAD_DEPTH = 32


def from_milliseconds(value: float) -> datetime:
    return EPOCH + timedelta(microseconds=round(value * 1000))


def _instant(value: str | float | datetime) -> datetime:
    if isinstance(value, bool) or not isinstance(value, str | int | float | datetime):
        raise ValueError("should be RFC 3339 text or milliseconds since the Unix epoch")
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif not isinstance(value, datetime):
            value = from_milliseconds(value)
    except (ValueError, OverflowError):
        raise ValueError("should be RFC 3339 text or milliseconds since the Unix epoch") from None
    if value.tzinfo is None:
        raise ValueError("should name its offset from UTC, for example end in Z")
    if not EARLIEST <= value < LATEST:
        raise ValueError("should lie in the years 2000 to 2099")
    return value.astimezone(UTC)


def checked(value: Any) -> Any:
    """Text that PostgreSQL can hold; raises ValueError where it cannot."""
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("should not contain NUL characters")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("should not contain lone surrogates")
    return value


def _number(value: float) -> float:
    """As PostgreSQL's JSON gives it back, so that what is exported and told again is the same.

    It has one zero, and writes great whole numbers without an exponent: those of 64 bits are read as integers.
    """
    if not math.isfinite(value):
        raise ValueError("should hold finite numbers only")
    if value.is_integer() and abs(value) >= 1e16 and -(2**63) <= value < 2**64:
        return int(value)
    return value + 0.0


def _told(value: Any) -> Any:
    return hidden(checked(value)) if isinstance(value, str) else value


def _payload(value: Any, depth: int = 0) -> Any:
    if depth > MAX_PAYLOAD_DEPTH:
        raise ValueError(f"should not be nested deeper than {MAX_PAYLOAD_DEPTH} levels")
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        fields = hidden_in_fields({checked(key): item for key, item in value.items()})
        return {key: checked(item) if isinstance(item, str) else _payload(item, depth + 1) for key, item in fields.items()}
    if isinstance(value, list):
        return [_payload(item, depth + 1) for item in value]
    return _told(value)


def _hiding(hide: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: hide(checked(value)) if isinstance(value, str) else value)


def _whole(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("should be a whole number")
    return value


def _address(value: Any) -> Any:
    if isinstance(value, int | bytes):
        raise ValueError("should be an address of IPv4 or IPv6, as text")
    return value


Instant = Annotated[
    datetime,
    BeforeValidator(_instant, json_schema_input_type=str | float),
    Field(description="RFC 3339 text with an offset, or milliseconds since the Unix epoch; years 2000 to 2099."),
]
Id = Annotated[str, Field(min_length=1, max_length=512), _hiding(hidden_in_id)]
Label = Annotated[str, Field(min_length=1, max_length=512), _hiding(hidden)]
Name = Annotated[str, Field(max_length=512), _hiding(hidden)]
Text = Annotated[str, Field(max_length=4096), _hiding(hidden)]
Version = Annotated[str, Field(max_length=4096), _hiding(hidden_in_version)]
Agent = Annotated[str, Field(max_length=4096), _hiding(hidden_in_agent)]
Payload = Annotated[Any, BeforeValidator(_payload)]
Flag = Annotated[bool, Field(strict=True)]
# Within bounds in which even the sum of many squares is finite, for PostgreSQL's aggregates.
Number = Annotated[float, Field(strict=True, gt=-1e100, lt=1e100, allow_inf_nan=False)]
Figure = Annotated[Number, AfterValidator(lambda value: value + 0.0)]
"""A number that stands alone: the negative zero that PostgreSQL's JSON lacks is zero."""
Amount = Annotated[float, Field(strict=True, ge=0, lt=1e100, allow_inf_nan=False), AfterValidator(lambda value: value + 0.0)]
"""A figure of which there cannot be less than nothing."""
Count = Annotated[float, Field(strict=True, ge=0, lt=2**63, allow_inf_nan=False), AfterValidator(lambda value: value + 0.0)]
Address = Annotated[
    IPvAnyAddress,
    BeforeValidator(_address),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
]
Code = Annotated[int, Field(ge=-(2**31), lt=2**31), BeforeValidator(_whole)]


class Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Record(Model):
    call_id: Id = Field(description="The platform's own id of the call: ACS call id, Vonage session id, conference name.")
    version: Annotated[int, Field(ge=0, lt=2**31), BeforeValidator(_whole)] = Field(
        default=0, description="Where a source revises what it told, the number of the revision; the highest wins."
    )
    revision_of: Id | None = Field(
        default=None,
        description="Where a source revises something as a whole: a name for it, the same in each version. What was told under"
        " this name with a lower version counts no longer, whether the higher one repeats it or not.",
    )


class Location(Model):
    city: Text | None = None
    region: Text | None = None
    country: Name | None = Field(default=None, description="ISO 3166-1 alpha-2 where known.")


class System(Model):
    browser: Name | None = None
    browser_version: Version | None = None
    os: Text | None = None
    os_version: Version | None = None
    device: Text | None = None


class Sdk(Model):
    name: Name | None = None
    version: Version | None = None


class MediaDevice(Model):
    kind: DeviceKind
    label: Text | None = None
    is_selected: Flag | None = None


class Network(Model):
    type: Text | None = Field(default=None, description="wifi, ethernet, cellular, …")
    transport: Text | None = Field(default=None, description="udp, tcp or tls.")
    local_candidate_type: Text | None = Field(default=None, description="host, srflx, prflx or relay.")
    remote_candidate_type: Text | None = Field(default=None, description="host, srflx, prflx or relay.")
    region: Text | None = Field(default=None, description="Region of the media server.")


class Failure(Model):
    code: Code | None = None
    subcode: Code | None = None
    message: Text | None = None


class CallRecord(Record):
    """A call was seen. No other record needs it, but it alone tells platform, media mode and tags."""

    type: Literal["call"] = "call"
    platform: Platform | None = None
    media_mode: MediaMode | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    tags: list[Label] | None = Field(default=None, max_length=100)


class ParticipantRecord(Record):
    """A participant: one client endpoint, however often it reconnects."""

    type: Literal["participant"] = "participant"
    participant_id: Id
    display_name: Text | None = None
    kind: EndpointKind | None = None
    location: Location | None = None
    address: Address | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="Public network address of the client. It is reduced to a location where the server has a database for that,"
        " and never stored.",
    )
    system: System | None = None
    sdk: Sdk | None = None
    user_agent: Agent | None = None
    devices: list[MediaDevice] | None = Field(default=None, max_length=100)
    is_redacted: Flag | None = Field(default=None, description="True where the platform withheld this participant's details.")


class ConnectionRecord(Record):
    """One attempt of a participant to connect, and what became of it."""

    type: Literal["connection"] = "connection"
    connection_id: Id
    participant_id: Id | None = Field(default=None, description="If no record tells: the connection is its own participant.")
    attempted_at: Instant | None = None
    connected_at: Instant | None = None
    failed_at: Instant | None = None
    closed_at: Instant | None = None
    close_reason: Text | None = None
    error: Failure | None = None
    network: Network | None = None


class StreamRecord(Record):
    """Media that one connection published."""

    type: Literal["stream"] = "stream"
    stream_id: Id
    connection_id: Id | None = Field(default=None, description="If no record tells: the participant's connection at that time.")
    participant_id: Id | None = Field(default=None, description="If no record tells: the participant of the connection.")
    name: Text | None = None
    source: StreamSource | None = None
    has_audio: Flag | None = None
    has_video: Flag | None = None
    is_scalable: Flag | None = None
    audio_codec: Text | None = None
    video_codec: Text | None = None
    audio_dtx: Flag | None = Field(default=None, description="Whether its audio is sent in packets only while there is sound.")
    audio_fec: Flag | None = Field(default=None, description="Whether its audio carries forward error correction.")
    attempted_at: Instant | None = None
    published_at: Instant | None = None
    failed_at: Instant | None = None
    unpublished_at: Instant | None = None
    unpublish_reason: Text | None = None
    error: Failure | None = None


class SubscriberRecord(Record):
    """One participant's reception of one stream."""

    type: Literal["subscriber"] = "subscriber"
    subscriber_id: Id
    stream_id: Id
    connection_id: Id | None = Field(default=None, description="If no record tells: the participant's connection at that time.")
    participant_id: Id | None = Field(default=None, description="If no record tells: the participant of the connection.")
    attempted_at: Instant | None = None
    subscribed_at: Instant | None = None
    failed_at: Instant | None = None
    ended_at: Instant | None = None
    error: Failure | None = None


class EventRecord(Record):
    """Something that happened at an instant. Two events that agree in every field are one event told twice."""

    type: Literal["event"] = "event"
    at: Instant
    category: EventCategory
    name: Label = Field(description="The name in the source's own words.")
    severity: Severity = Severity.INFO
    outcome: Outcome | None = None
    code: Code | None = None
    subcode: Code | None = None
    message: Text | None = None
    payload: Payload | None = Field(
        default=None, description="Anything else, as the source sent it, without network addresses and secrets."
    )
    duration_ms: Amount | None = None
    participant_id: Id | None = None
    connection_id: Id | None = None
    stream_id: Id | None = None


class SamplesRecord(Record):
    """Samples of one metric series, in parallel lists. The subject is the most specific id given; at least one is needed.

    One series has one value for an instant: where two records disagree, the greater value stands.
    """

    type: Literal["samples"] = "samples"
    metric: Metric
    media: Media
    direction: Direction
    participant_id: Id | None = None
    connection_id: Id | None = None
    stream_id: Id | None = None
    subscriber_id: Id | None = None
    times: list[Number] = Field(min_length=1, max_length=100_000, description="Milliseconds since the Unix epoch.")
    values: list[Number] = Field(
        min_length=1, max_length=100_000, description="In the metric's unit, none below zero; as many as times."
    )

    @model_validator(mode="after")
    def _check(self) -> "SamplesRecord":
        if len(self.times) != len(self.values):
            raise ValueError(f"times ({len(self.times)}) and values ({len(self.values)}) should have the same length")
        if not (self.participant_id or self.connection_id or self.stream_id or self.subscriber_id):
            raise ValueError("should name a participantId, connectionId, streamId or subscriberId")
        if min(self.times) < EARLIEST_MS or round(max(self.times) * 1000) >= LATEST_MS * 1000:
            raise ValueError("times should lie in the years 2000 to 2099, in milliseconds since the Unix epoch")
        return self


EARLIEST_MS = EARLIEST.timestamp() * 1000
LATEST_MS = LATEST.timestamp() * 1000


class TotalsRecord(Record):
    """Counters at the end of a stream (as sent) or of a subscriber (as received), one record for each media and SSRC."""

    type: Literal["totals"] = "totals"
    stream_id: Id | None = Field(default=None, description="What was sent: the stream. Give either streamId or subscriberId.")
    subscriber_id: Id | None = Field(default=None, description="What was received: the subscriber.")
    media: Media
    ssrc: Annotated[int, Field(ge=0, lt=2**32), BeforeValidator(_whole)] | None = None
    at: Instant | None = Field(default=None, description="When the counters were read; of two records the later stands.")
    codec: Text | None = None
    packets: Count | None = None
    packets_lost: Figure | None = Field(default=None, description="May be negative: RFC 3550 subtracts duplicates.")
    packet_loss_percent: Amount | None = Field(default=None, description="Lost in percent of those expected.")
    bytes: Count | None = None
    concealed_percent: Amount | None = Field(default=None, description="Concealed audio samples in percent of all received.")
    frames_dropped: Count | None = None
    freeze_seconds: Count | None = None
    round_trip_time_ms: Count | None = Field(default=None, description="Mean over the stream.")

    @model_validator(mode="after")
    def _check(self) -> "TotalsRecord":
        if (self.stream_id is None) == (self.subscriber_id is None):
            raise ValueError("should name either a streamId or a subscriberId")
        return self


class WarningRecord(Record):
    """A known fault of the telemetry itself, for example a truncated dump."""

    type: Literal["warning"] = "warning"
    kind: DataWarningKind
    message: Text
    participant_id: Id | None = None


Telemetry = (
    CallRecord
    | ParticipantRecord
    | ConnectionRecord
    | StreamRecord
    | SubscriberRecord
    | EventRecord
    | SamplesRecord
    | TotalsRecord
    | WarningRecord
)

TYPES = tuple(record.model_fields["type"].default for record in get_args(Telemetry))
TELEMETRY: TypeAdapter[Telemetry] = TypeAdapter(Annotated[Telemetry, Field(discriminator="type")])


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one line of NDJSON telemetry."""
    schema = TELEMETRY.json_schema(by_alias=True)
    for reference in schema["oneOf"]:
        # It has a default for those who make records in Python; a line must say what it is.
        schema["$defs"][reference["$ref"].rpartition("/")[2]]["required"].append("type")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Callscope telemetry record", **schema}
