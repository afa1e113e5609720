"""Events as diagnosis reads them, with times in seconds after the start of ``told``."""

from dataclasses import replace
from typing import Any

from told import START

from callscope.analysis.diagnostics import EventRow
from callscope.analysis.findings import Finding

P, C = "participant/p", "connection/c"
FIRST = START.timestamp() * 1000


def event(name: str, seconds: float, payload: Any = None, *, category: str = "OTHER", **rest: Any) -> EventRow:
    fields = {"participant_key": P, "connection_key": C} | rest
    return EventRow(event_key=0, at=FIRST + seconds * 1000, name=name, category=category, payload=payload, **fields)


def raised(name: str, seconds: float, value: Any, **rest: Any) -> EventRow:
    """As sources give a diagnostic."""
    is_flag = isinstance(value, bool)
    payload = {"diagnostic": name, "value": value, "valueType": "DiagnosticFlag" if is_flag else "DiagnosticQuality"}
    return event(name, seconds, payload, category="DIAGNOSTIC", **rest)


def seconds(at: float | None) -> float | None:
    return None if at is None else (at - FIRST) / 1000


def span(finding: Finding) -> tuple[float | None, float | None, float | None]:
    """Start, end and when it was last seen."""
    return seconds(finding.started_at), seconds(finding.ended_at), seconds(finding.lasted_until)


def later(finding: Finding, milliseconds: float) -> Finding:
    moved = {
        name: None if getattr(finding, name) is None else getattr(finding, name) + milliseconds
        for name in ("started_at", "ended_at", "lasted_until")
    }
    return replace(finding, **moved)
