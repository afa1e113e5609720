"""Values as ACS logs write them: numbers and JSON inside of strings, three ways to write a time, four to say nothing."""

import re
from datetime import UTC, datetime
from typing import Any

import orjson

from callscope.telemetry import MAX_PAYLOAD_DEPTH

_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,4})?", re.ASCII)
_PORTAL_TIME = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}),? (\d{1,2}):(\d\d):(\d\d)(?:\.(\d{1,7}))? ([AP]M)", re.ASCII)
_CAPITALS = re.compile(r"[A-Z]+(?=[A-Z][a-z]|\d|$)|[A-Z]")
_MAX_NUMBER = 1e100


def is_missing(value: Any) -> bool:
    if isinstance(value, str):
        text = value.strip()
        return not text or (len(text) == 4 and text.lower() == "null")
    return value is None


def is_withheld(value: str | None) -> bool:
    return value is not None and len(value) < 20 and value.strip().lower() == "redacted"


def number(value: Any) -> float | None:
    """None where a value is no number. Whole numbers are ints, so that both export shapes tell the same."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MAX_NUMBER < value < _MAX_NUMBER:
        return None
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def time(text: str) -> datetime:
    """ISO 8601 with 0 to 7 digits of a second, or as the portal writes CSV: ``7/5/2021, 6:30:06.402 AM``. UTC if not said."""
    match = _PORTAL_TIME.fullmatch(text)
    if match is not None:
        month, day, year, hour, minute, second = map(int, match.groups()[:6])
        if not 1 <= hour <= 12:
            raise ValueError("hour must be in 1..12")
        microsecond = int((match[7] or "").ljust(6, "0")[:6])
        return datetime(year, month, day, hour % 12 + 12 * (match[8] == "PM"), minute, second, microsecond, UTC)
    if len(text) < len("2024-01-09T15:07"):
        raise ValueError("a day is no instant")
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def camel(name: str) -> str:
    """A column's name as in the envelopes of diagnostic settings: ParticipantType is participantType, TPE is tpe."""
    return _CAPITALS.sub(lambda match: match[0].lower(), name, count=1) if _CAPITALS.match(name) else name


def first(fields: Any, *names: str) -> Any:
    """What an object of free form has under the first of the names that it has, whatever their case."""
    told = {key.lower(): value for key, value in fields.items()} if isinstance(fields, dict) else {}
    return next((told[name.lower()] for name in names if not is_missing(told.get(name.lower()))), None)


def from_json(value: Any) -> Any:
    """What a string holds if it is a JSON object or array, else the value itself."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def check_depth(value: Any, depth: int = 0) -> None:
    """Raises ValueError where a value is nested too deeply to be stored."""
    if depth > MAX_PAYLOAD_DEPTH:
        raise ValueError(f"should not be nested deeper than {MAX_PAYLOAD_DEPTH} levels")
    for item in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        check_depth(item, depth + 1)
