"""When the entries of a webrtc-internals log were made.

New dumps write milliseconds since the Unix epoch. Old ones write the local time of the computer as its language writes it
(``9/22/2025, 8:35:23 PM``, ``22.9.2025, 20:35:23``), without its zone: the statistics of the same connection tell it, because
the page logs and polls at the same time. A zone is no wrong clock: what may be wrong with one, ``client_clock`` says.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from callscope.sources.webrtc_counters import clock_time

QUARTER = 15 * 60_000
"""Zones are whole quarters of an hour from UTC, milliseconds."""
FARTHEST = 14 * 3_600_000

_LOCAL = re.compile(r"(\d{1,4})\D{1,3}(\d{1,2})\D{1,3}(\d{1,4})\D{1,4}?(\d{1,2}):(\d{2}):(\d{2})(?:\s*([AaPp])\.?\s?[Mm])?")
_WITH_ZONE = re.compile(r"\w{3} (\w{3} \d{2} \d{4} \d{2}:\d{2}:\d{2}) GMT([+-]\d{4})")


class Zone(NamedTuple):
    """How local times become instants."""

    offset: float = 0
    """Ahead of UTC, milliseconds."""
    is_day_first: bool = False

    def instant(self, entry: Mapping[str, Any]) -> float | None:
        """The time of an entry, milliseconds since the Unix epoch."""
        stated = stated_instant(entry)
        if stated is not None:
            return stated
        local = local_time(entry.get("time"), is_day_first=self.is_day_first)
        return None if local is None else clock_time(local - self.offset)

    def __str__(self) -> str:
        minutes = round(self.offset / 60_000)
        return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


class Log(NamedTuple):
    """The log of a peer connection, and from when to when it has statistics."""

    entries: list[Mapping[str, Any]]
    span: tuple[float, float] | None
    is_truncated: bool


def is_local(entry: Mapping[str, Any]) -> bool:
    """Whether the time of an entry needs a zone."""
    return "time" in entry and stated_instant(entry) is None


def zone_of(logs: Iterable[Log]) -> Zone:
    """The zone of the computer, as far as its logs and statistics tell, else UTC."""
    fits = [fit for log in logs for is_day_first in (False, True) if (fit := _fit(log, is_day_first=is_day_first))]
    return min(fits, key=lambda fit: fit[:2], default=(False, 0, Zone()))[2]


def _fit(log: Log, *, is_day_first: bool) -> tuple[bool, float, Zone] | None:
    """What is to be least, and the zone. Of a truncated connection the end counts, for its beginning is lost."""
    times = [local_time(entry.get("time"), is_day_first=is_day_first) for entry in log.entries]
    told = [time for time in times if time is not None]
    if not told or log.span is None:
        return None
    if log.is_truncated:
        ahead = max(told) - log.span[1]
        offset = -(-ahead // QUARTER) * QUARTER
    else:
        ahead = min(told) - log.span[0]
        offset = round(ahead / QUARTER) * QUARTER
    return (log.is_truncated, abs(ahead - offset), Zone(offset, is_day_first)) if abs(offset) <= FARTHEST else None


def stated_instant(entry: Mapping[str, Any]) -> float | None:
    """A time that needs no zone."""
    told = clock_time(entry.get("timestamp"))
    time = entry.get("time")
    if told is not None or not isinstance(time, str):
        return told if told is not None else clock_time(time)
    try:
        if match := _WITH_ZONE.match(time):
            at = datetime.strptime(" ".join(match.groups()), "%b %d %Y %H:%M:%S %z")
        else:
            at = datetime.fromisoformat(time)
    except ValueError:
        return None
    return clock_time(at.timestamp() * 1000) if at.tzinfo else None


def local_time(text: Any, *, is_day_first: bool) -> float | None:
    """Milliseconds since the epoch of whatever zone it is."""
    match = _LOCAL.search(text) if isinstance(text, str) else None
    if match is None:
        return None
    first, second, third, hour, minute, seconds = map(int, match.groups()[:6])
    if first > 31:
        year, month, day = first, second, third
    else:
        year, month, day = (third, second, first) if is_day_first else (third, first, second)
    if half := match[7]:
        hour = hour % 12 + 12 * (half in "Pp")
    try:
        return datetime(year, month, day, hour, minute, seconds, tzinfo=UTC).timestamp() * 1000
    except ValueError:
        return None
