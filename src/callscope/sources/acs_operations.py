"""CallClientOperations: what a client was asked to do, what became of it, and what its SDK noticed.

Names of operations are an open list and stay as told. Those of joining and publishing are attempts as well. Which result types
are no failure, and that an operation begins at CallClientTimeStamp, is as in the queries of Azure's Call Diagnostics.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from callscope.sources.acs_columns import Row
from callscope.sources.acs_diagnostics import SOURCES, stream_id_of
from callscope.sources.acs_ufd import Diagnostic, diagnostic
from callscope.sources.acs_values import first
from callscope.telemetry import ConnectionRecord, EventRecord, Failure, StreamRecord, Telemetry
from callscope.vocabulary import EventCategory, Media, Outcome, Severity

JOINS = frozenset({"join", "startcall", "entercall", "acceptincomingcall"})
PUBLISHES = {"startvideo": Media.VIDEO, "startscreenshare": Media.SCREEN, "startscreensharing": Media.SCREEN}
LEAVES = frozenset({"hangup"})
MAX_MESSAGE = 1000

_CATEGORIES = {
    EventCategory.CONNECTION: "hold resume connecting connected disconnected reconnecting rejectincomingcall state-changed "
    "callagentinit",
    EventCategory.STREAM: "startingvideo stopvideo stopscreenshare stopscreensharing switchsource startaudio stopaudio",
    EventCategory.SUBSCRIBER: "createview creatingview disposeview",
    EventCategory.DEVICE: "askdevicepermission devicepermissionrequest selectedmicrophonechanged selectedspeakerchanged "
    "selecteddevice-changed",
    EventCategory.NETWORK: "mediatransportconnected",
    EventCategory.USER_ACTION: "mute unmute mutemicrophone unmutemicrophone pagehidden",
    EventCategory.MEDIA: "ismuted-changed isincomingaudiomuted-changed optimalvideocount-changed",
}
_CATEGORY_OF = {name: category for category, names in _CATEGORIES.items() for name in names.split()}
_CATEGORY_OF |= dict.fromkeys(JOINS | LEAVES, EventCategory.CONNECTION) | dict.fromkeys(PUBLISHES, EventCategory.STREAM)

_ATTEMPTED = frozenset({EventCategory.CONNECTION, EventCategory.STREAM, EventCategory.SUBSCRIBER})

_SUCCESS = frozenset({"succeeded", "success"})
_EXPECTED = frozenset({"expectederror", "expectedclienterror"})


def records(row: Row) -> Iterator[Telemetry]:
    call_id, at = row.call("callId", "correlationId"), row.event_time()
    name = row.text("operationName")
    if name is None:
        raise row.error("OperationName", "name_missing", "should name the operation")
    connection_id = row.id("participantId") or row.id("endpointId")
    payload = row.json("operationPayload")
    noticed = diagnostic(name, payload)
    duration = row.amount("durationMs")
    result, signature = row.text("resultType"), row.text("resultSignature")
    outcome, severity = _result(result)
    error = _failure(signature, payload) if outcome is Outcome.FAILED and noticed is None else None
    instance, operation = row.id("clientInstanceId"), row.id("operationId")
    if connection_id is None and error is not None and name.lower() in JOINS:
        # Who fails to join may never be given an id.
        connection_id = instance
    attempt: list[Telemetry] = []
    if connection_id is not None and noticed is None and outcome is not None:
        tried = Attempt(call_id, connection_id, at, _later(row, at, duration), error, operation)
        attempt = list(_attempt(name.lower(), tried, is_expected=severity is Severity.WARNING))
        yield from attempt
    told = {"resultType": result, "resultSignature": signature, "endpointId": row.text("endpointId")}
    told |= {"clientInstanceId": instance, "operationId": operation, "operationPayload": payload} | row.rest()
    if noticed is not None:
        meant = _diagnostic(noticed)
    else:
        category = _category(name, must_count=severity is Severity.ERROR and not attempt)
        code = error.code if error else _code(signature)
        meant = {"category": category, "name": name, "severity": severity, "outcome": outcome, "code": code}
        if error is not None:
            meant |= {"subcode": error.subcode, "message": error.message}
    yield EventRecord(
        call_id=call_id,
        at=at,
        duration_ms=duration,
        connection_id=connection_id,
        payload={key: value for key, value in (told | meant.pop("payload", {})).items() if value is not None},
        **meant,
    )


def _diagnostic(noticed: Diagnostic) -> dict[str, Any]:
    """The operation that tells of a diagnostic itself neither succeeds nor fails."""
    told = {"diagnostic": noticed.name, "value": noticed.value, "valueType": noticed.value_type, "mediaType": noticed.media_type}
    return {"category": EventCategory.DIAGNOSTIC, "name": noticed.name, "severity": noticed.severity, "payload": told}


class Attempt(NamedTuple):
    call_id: str
    connection_id: str
    started_at: datetime
    done_at: datetime
    error: Failure | None
    operation_id: str | None


def _attempt(kind: str, tried: Attempt, *, is_expected: bool) -> Iterator[Telemetry]:
    """What is attempted by joining, leaving or starting to publish."""
    has_failed = tried.error is not None
    if kind in LEAVES and not has_failed:
        yield ConnectionRecord(call_id=tried.call_id, connection_id=tried.connection_id, closed_at=tried.done_at)
    elif kind in JOINS and not (has_failed and is_expected):
        yield ConnectionRecord(
            call_id=tried.call_id,
            connection_id=tried.connection_id,
            attempted_at=tried.started_at,
            connected_at=None if has_failed else tried.done_at,
            failed_at=tried.done_at if has_failed else None,
            error=tried.error,
        )
    elif media := PUBLISHES.get(kind):
        stream_id = stream_id_of(tried.connection_id, media)
        if has_failed:
            # A row of its own, since a failure must not vanish behind the success that follows it.
            stream_id += f"/{tried.operation_id or tried.started_at.isoformat()}"
        yield StreamRecord(
            call_id=tried.call_id,
            stream_id=stream_id,
            connection_id=tried.connection_id,
            source=SOURCES[media],
            has_audio=False,
            has_video=True,
            attempted_at=tried.started_at,
            published_at=None if has_failed else tried.done_at,
            failed_at=tried.done_at if has_failed else None,
            error=tried.error,
        )


def _result(result: str | None) -> tuple[Outcome | None, Severity]:
    if result is None:
        return None, Severity.INFO
    if result.lower() in _SUCCESS:
        return Outcome.SUCCEEDED, Severity.INFO
    return Outcome.FAILED, Severity.WARNING if result.lower() in _EXPECTED else Severity.ERROR


def _category(name: str, *, must_count: bool) -> EventCategory:
    category = _CATEGORY_OF.get(name.lower(), EventCategory.OTHER)
    # Errors of these count by the connection, stream or subscriber that failed, and here there is none.
    return EventCategory.OTHER if must_count and category in _ATTEMPTED else category


def _failure(signature: str | None, payload: Any) -> Failure:
    code = _code(signature) or _code(first(payload, "code", "errorCode", "resultCode"))
    subcode = _code(first(payload, "subCode", "errorSubCode", "resultSubCode"))
    message = first(payload, "failureReason", "errorMessage", "message")
    return Failure(code=code, subcode=subcode, message=message[:MAX_MESSAGE] if isinstance(message, str) else None)


def _code(value: Any) -> int | None:
    digits = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def _later(row: Row, at: datetime, duration: float | None) -> datetime:
    try:
        return at + timedelta(milliseconds=duration or 0)
    except OverflowError:
        raise row.error("DurationMs", "number_invalid", "should be a number of milliseconds") from None
