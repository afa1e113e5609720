"""CallSummary and CallSummaryUpdates: one row for each connection of a participant, when it has ended."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from callscope.sources.acs_codes import Ending
from callscope.sources.acs_columns import Row
from callscope.sources.acs_people import Person, as_version, participant, person
from callscope.telemetry import CallRecord, ConnectionRecord, EventRecord, Telemetry
from callscope.vocabulary import EventCategory, MediaMode, Outcome, Platform, Severity

MAX_TAGS = 100
_MODES = {"p2p": MediaMode.RELAYED, "group": MediaMode.ROUTED}


def records(row: Row, *, is_update: bool) -> Iterator[Telemetry]:
    """The call, its participant and its connection; and an event at the connection's end with all else that the row says."""
    row.text("operationName")
    call_id, version = row.call("correlationId", "callId"), row.version(is_update=is_update)
    who = person(row, call_id, version)
    yield from as_version(_records(row, call_id, version, who), version, "CallSummary", who)


def _records(row: Row, call_id: str, version: int, who: Person | None) -> Iterator[Telemetry]:
    started_at = row.instant("callStartTime")
    ended_at = row.after(started_at, "callDuration")
    options = row.json("diagnosticOptions")
    yield CallRecord(
        call_id=call_id,
        version=version,
        platform=Platform.ACS,
        media_mode=_MODES.get((row.text("callType") or "").lower()),
        started_at=started_at,
        ended_at=ended_at,
        tags=_tags(options),
    )
    # Some participants have no start of their own: Azure's Call Diagnostics takes that of the call then.
    joined_at = row.instant("participantStartTime") or started_at
    left_at = row.after(joined_at, "participantDuration") or ended_at
    if joined_at is not None and left_at is not None:
        left_at = max(joined_at, left_at)
    ending = Ending(row.whole("participantEndReason"), row.whole("participantEndSubCode"), row.told("resultCategory"))
    sdk_version, os_version = row.text("sdkVersion"), row.text("osVersion")
    if who is not None:
        yield from participant(who, sdk_version, os_version)
        yield _connection(who, joined_at, left_at, ending)
    at = left_at or joined_at or row.logged_at()
    if at is not None:
        told: dict[str, Any] = {name: row.text(name) for name in ("callType", "endpointType", "endpointId", "resultCategory")}
        told |= {"callUpdatesVersion": row.number("callUpdatesVersion"), "diagnosticOptions": options}
        yield _event(call_id, who, at, ending, {name: value for name, value in told.items() if value is not None} | row.rest())


def _connection(who: Person, joined_at: datetime | None, left_at: datetime | None, ending: Ending) -> ConnectionRecord:
    """Azure tells when connecting began, not when it was done: who was connected counts as such from the beginning.

    Who never was, and for no fault, neither succeeded nor failed: a call that was declined, for example.
    """
    has_failed = not ending.was_connected and ending.is_unexpected
    return ConnectionRecord(
        call_id=who.call_id,
        version=who.version,
        connection_id=who.connection_id,
        participant_id=who.participant_id,
        attempted_at=joined_at,
        connected_at=joined_at if ending.was_connected else None,
        failed_at=left_at if has_failed else None,
        closed_at=None if has_failed else left_at,
        close_reason=ending.reason,
        error=ending.failure,
    )


def _event(call_id: str, who: Person | None, at: datetime, ending: Ending, payload: dict[str, Any]) -> EventRecord:
    severity, outcome = Severity.INFO, None
    if ending.is_unexpected:
        severity, outcome = Severity.ERROR, Outcome.FAILED
    elif ending.reason == "ExpectedError":
        severity, outcome = Severity.WARNING, Outcome.FAILED
    elif ending.reason == "Success" or ending.code == 0:
        outcome = Outcome.SUCCEEDED
    return EventRecord(
        call_id=call_id,
        at=at,
        category=EventCategory.CONNECTION,
        name="CallSummary",
        severity=severity,
        outcome=outcome,
        code=ending.code,
        subcode=ending.subcode,
        payload=payload,
        connection_id=None if who is None else who.connection_id,
    )


def _tags(options: Any) -> list[str] | None:
    """The tags that the application gave, which stand in ``tags`` of DiagnosticOptions."""
    told = options.get("tags") if isinstance(options, dict) else None
    tags = [tag for tag in told if isinstance(tag, str) and tag] if isinstance(told, list) else []
    return tags[:MAX_TAGS] or None
