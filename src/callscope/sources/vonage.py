"""Vonage Video's session monitoring callbacks: a webhook's body, a JSON array of them, or one after another (NDJSON).

Callbacks come twice, late, in any order, or not at all, so each is read by itself: it tells of its own object, and of the
connection that its stream names. What they tell adds up (``telemetry``): ``createdAt`` is when an object began, and
``timestamp``, the time of the event, when it ended. Who is behind a connection is told by its token's data, which only some
callbacks carry; the others leave the participant out, so that empty data never gainsays. Rules: Vonage, "Session monitoring".

All times are the platform's own, so there is no client's clock to set.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from callscope.privacy import MAX_ID, hidden, pseudonym
from callscope.sources import Refusal, in_row, vonage_rows
from callscope.sources.acs_values import check_depth
from callscope.sources.addresses import in_text
from callscope.sources.lines import first_object, unpacked_head
from callscope.telemetry import (
    CallRecord,
    ConnectionRecord,
    EventRecord,
    Id,
    Instant,
    ParticipantRecord,
    StreamRecord,
    Telemetry,
    Text,
    checked,
)
from callscope.vocabulary import EventCategory, Outcome, Platform, Severity, StreamSource

VIDEO_TYPES = {"camera": StreamSource.CAMERA, "screen": StreamSource.SCREEN, "custom": StreamSource.CUSTOM}
OBJECTS = {
    "connectionCreated": "connection",
    "connectionDestroyed": "connection",
    "streamCreated": "stream",
    "streamDestroyed": "stream",
}
"""What an event must tell of. Others are kept as events, whatever they tell."""
UNWISHED = "networkDisconnected"
"""The reason of an end that nobody wished for."""
STATED, GUESSED = 1, 0

_FIRST = re.compile(rb"\[?\s*\{")
_KEYS = [re.compile(rb'"(?:%b)"\s*:' % name) for name in (b"sessionId", b"event", b"timestamp|projectId")]
_NAME = re.compile(r'(?:^|[{,&;\s"])(?:display_?name|user_?name|nick_?name|name)"?\s*[=:]\s*"?([^",&;}]{1,200})', re.IGNORECASE)


class Told(BaseModel):
    """A part of a callback; what it holds beyond is kept as it is."""

    model_config = ConfigDict(alias_generator=to_camel, extra="allow", frozen=True)


class Connection(Told):
    id: Id
    created_at: Instant | None = None
    data: Annotated[str, Field(max_length=4096), BeforeValidator(checked)] | None = None
    """As it is: it may tell the address by which its owner is located."""

    @property
    def participant_id(self) -> str | None:
        """The token's data, which stays the same when its owner comes back; None where this callback does not carry it."""
        if not self.data:
            return None
        return self.data if len(self.data) <= MAX_ID else pseudonym(hidden(self.data), self.data)


class Stream(Told):
    id: Id
    connection: Connection | None = None
    created_at: Instant | None = None
    name: Text | None = None
    video_type: Text | None = None


class Callback(Told):
    session_id: Id
    event: Id
    timestamp: Instant
    reason: Text | None = None
    connection: Connection | None = None
    stream: Stream | None = None


def recognises(head: bytes) -> bool:
    """Whether a file begins like callbacks, as far as the first of them is in ``head``."""
    text = unpacked_head(head)
    if _FIRST.match(text) is None:
        return False
    if (first := first_object(text)) is not None:
        return first.keys() >= {"sessionId", "event"} and not first.keys().isdisjoint({"timestamp", "projectId"})
    return all(key.search(text) for key in _KEYS)


def read(file: BinaryIO, *, call_id: str | None = None) -> Iterator[Telemetry | Refusal]:
    """The telemetry of each callback, in order; those that are none as refusals. ``call_id`` stands in for their session's."""
    told: str | None = None
    for row in vonage_rows.rows(file):
        if isinstance(row, Refusal):
            yield row
            continue
        line, number = row.line, row.number
        try:
            callback = Callback.model_validate(row.value)
            needed = OBJECTS.get(callback.event)
            if needed and getattr(callback, needed) is None:
                yield Refusal(line, needed, "missing", in_row(f"{callback.event} should tell of a {needed}", number))
                continue
            call = call_id or callback.session_id
            records = list(_records(call, callback))
        except ValidationError as error:
            yield _refusal(error, line, number)
            continue
        except ValueError as error:
            yield Refusal(line, None, "payload_invalid", in_row(str(error), number))
            continue
        if call != told:
            told = call
            yield CallRecord(call_id=call, platform=Platform.VONAGE)
        yield from records


def _records(call_id: str, callback: Callback) -> Iterator[Telemetry]:
    yield _event(call_id, callback)
    match callback.event:
        case "sessionCreated":
            yield CallRecord(call_id=call_id, started_at=callback.timestamp)
        case "sessionDestroyed":
            yield CallRecord(call_id=call_id, ended_at=callback.timestamp)
        case "connectionCreated" if callback.connection:
            yield from _connection(call_id, callback.connection, connected_at=callback.timestamp)
        case "connectionDestroyed" if callback.connection:
            ended = {"closed_at": callback.timestamp, "close_reason": callback.reason}
            yield from _connection(call_id, callback.connection, **ended)
        case "streamCreated" if callback.stream:
            yield from _stream(call_id, callback.stream, published_at=callback.timestamp)
        case "streamDestroyed" if callback.stream:
            ended = {"unpublished_at": callback.timestamp, "unpublish_reason": callback.reason}
            yield from _stream(call_id, callback.stream, **ended)


def _connection(call_id: str, connection: Connection, **told: Any) -> Iterator[Telemetry]:
    created_at = connection.created_at or told.get("connected_at")
    yield ConnectionRecord(
        call_id=call_id,
        connection_id=connection.id,
        participant_id=connection.participant_id,
        attempted_at=created_at,
        **told | {"connected_at": created_at},
    )
    if connection.data and connection.participant_id:
        yield ParticipantRecord(
            call_id=call_id,
            participant_id=connection.participant_id,
            display_name=_display_name(hidden(connection.data)),
            address=in_text(connection.data),
        )


def _stream(call_id: str, stream: Stream, **told: Any) -> Iterator[Telemetry]:
    created_at = stream.created_at or told.get("published_at")
    yield StreamRecord(
        call_id=call_id,
        # Without a type of video there is none; but a callback that leaves it out does not gainsay one that names it.
        version=STATED if stream.video_type else GUESSED,
        stream_id=stream.id,
        connection_id=stream.connection.id if stream.connection else None,
        name=stream.name or None,
        source=VIDEO_TYPES.get(stream.video_type) if stream.video_type else StreamSource.AUDIO_ONLY,
        has_audio=None if stream.video_type else True,
        has_video=bool(stream.video_type),
        attempted_at=created_at,
        **told | {"published_at": created_at},
    )
    # Its connection may never have been announced. Without a time, the stream itself proves it better.
    if stream.connection and stream.connection.created_at:
        yield from _connection(call_id, stream.connection)


def _event(call_id: str, callback: Callback) -> EventRecord:
    stream, connection = callback.stream, callback.connection
    owner = connection or (stream.connection if stream else None)
    extra: dict[str, Any] = dict(callback.model_extra or {})
    if stream:
        more = {"name": stream.name or None, "videoType": stream.video_type, **(stream.model_extra or {})}
        extra["stream"] = {name: value for name, value in more.items() if value is not None} or None
    if owner and owner.model_extra:
        extra["connection"] = owner.model_extra
    check_depth(extra)
    category = EventCategory.STREAM if stream else EventCategory.CONNECTION if connection else EventCategory.OTHER
    return EventRecord(
        call_id=call_id,
        at=callback.timestamp,
        category=category,
        name=callback.event,
        severity=Severity.WARNING if callback.reason == UNWISHED else Severity.INFO,
        outcome=Outcome.SUCCEEDED if callback.event in {"connectionCreated", "streamCreated"} else None,
        message=callback.reason,
        payload={name: value for name, value in extra.items() if value is not None} or None,
        connection_id=owner.id if owner else None,
        stream_id=stream.id if stream else None,
    )


def _display_name(data: str) -> str | None:
    """A name in the token's data, which is whatever its application writes: often JSON or ``name=Ada``."""
    if match := _NAME.search(data):
        return match[1].strip() or None
    return None if data.lstrip().startswith(("{", "[")) else data[:200]


def _refusal(error: ValidationError, line: int, number: int | None) -> Refusal:
    first, *others = error.errors(include_url=False, include_context=False, include_input=False)
    path = ".".join(str(part) for part in first["loc"]) or None
    more = f" ({len(others)} more)" if others else ""
    reason = first["msg"].removeprefix("Value error, ") if path else "should be one JSON object"
    return Refusal(line, path, first["type"], in_row(reason + more, number))
