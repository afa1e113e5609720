"""Meetings: a call is a reusable room, and a meeting is a stretch of it with someone connected.

Empty for the idle time, and the next connection opens a new one (Vonage's rule, 10 minutes, with shorter gaps merged).

An end may never be reported: the callback is lost, the browser is killed. Such a connection lasts as long as anything is heard
of the call; after a silence it is closed by policy, with a warning that says so. Whatever is heard later reopens it, unless it is
that somebody connects: then they meet anew, and what was closed stays so.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, pairwise
from operator import itemgetter
from typing import Any

from callscope.analysis.rows import Connection, DataWarning
from callscope.vocabulary import DataWarningKind, Outcome

SILENCE = timedelta(hours=1)
"""A connection without an end counts as ended when its call has been silent for so long."""

Span = tuple[datetime, datetime]


@dataclass(slots=True)
class Meeting:
    number: int
    started_at: datetime
    ended_at: datetime
    live_until: datetime
    connections: int = 1
    unclosed: int = 0
    """Connections of which nobody reported an end."""

    def columns(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("number", "started_at", "ended_at", "live_until")}

    def outlast(self, heard: datetime) -> None:
        """Those whose end nobody reported were there when something was last heard."""
        if self.unclosed:
            self.ended_at = max(self.ended_at, heard)
            self.live_until = max(self.live_until, heard + SILENCE)


def meetings(
    connections: Iterable[Connection],
    last_active_at: datetime,
    idle: timedelta,
    *,
    call_ended_at: datetime | None = None,
    silences: Sequence[Span] = (),
    removed: Collection[int] = (),
) -> list[Meeting]:
    """The meetings of a call in order of time; sets each connection's ``meeting_number``.

    A failed attempt belongs to the meeting that it falls into or lies nearest to, if less than the idle time away. The end of
    the whole call, where that was reported, ends all that began before. ``silences`` are those of the call, in order. No meeting
    gets a number of those that were ``removed``.
    """
    attempts = list(connections)
    numbers = (number for number in count(1) if number not in removed)
    found: list[Meeting] = []
    starts = [
        (min(connection.attempted_at, connection.connected_at), connection)
        for connection in attempts
        if connection.connected_at is not None
    ]
    for start, connection in sorted(starts, key=itemgetter(0)):
        end = reported_end(connection, call_ended_at)
        reached = max(start, end) if end is not None else start
        meeting = found[-1] if found else None
        if meeting is None or start - _lasted_to(meeting, start, silences, idle) >= idle:
            if meeting is not None:
                meeting.outlast(_lasted_to(meeting, start, silences, idle))
            meeting = Meeting(next(numbers), start, reached, reached)
            found.append(meeting)
        else:
            meeting.ended_at = max(meeting.ended_at, reached)
            meeting.connections += 1
        if end is None:
            meeting.unclosed += 1
        else:
            meeting.live_until = max(meeting.live_until, end + idle)
        connection.meeting_number = meeting.number
    if found:
        found[-1].outlast(last_active_at)
    for connection in attempts:
        if connection.connected_at is None:
            connection.meeting_number = _nearest(found, connection.attempted_at, idle)
    return found


def reported_end(connection: Connection, call_ended_at: datetime | None) -> datetime | None:
    """The end of a connection, or of the call that it was a part of."""
    if connection.disconnected_at is not None or call_ended_at is None:
        return connection.disconnected_at
    return call_ended_at if connection.connected_at is not None and connection.connected_at <= call_ended_at else None


def stretches_of(heard: Iterable[Span]) -> list[Span]:
    """From when to when something was heard without a silence, in order."""
    found: list[Span] = []
    for start, end in sorted(heard):
        if found and start - found[-1][1] < SILENCE:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def silences_between(heard: Iterable[Span]) -> list[Span]:
    """Where nothing was heard for the time of silence or longer, in order: from the last thing before it to the next one."""
    return [(end, start) for (_, end), (start, _) in pairwise(stretches_of(heard))]


def life(
    found: Sequence[Meeting],
    attempts: Collection[Connection],
    last_active_at: datetime,
    *,
    idle: timedelta,
    call_ended_at: datetime | None,
    key: Callable[..., int],
) -> tuple[datetime, list[DataWarning]]:
    """Until when a call lives, and a warning for each stretch of it that policy closes, which holds from then on."""
    closed = [
        _timeout(meeting.live_until, key, meeting.number, f" for {meeting.unclosed} of {meeting.connections} connections")
        for meeting in found
        if meeting.unclosed
    ]
    if found:
        return max(meeting.live_until for meeting in found), closed
    if call_ended_at is not None and last_active_at < call_ended_at + idle:
        return call_ended_at + idle, []
    live_until = last_active_at + SILENCE
    has_failed = bool(attempts) and all(attempt.outcome == Outcome.FAILED for attempt in attempts)
    return live_until, [] if has_failed else [_timeout(live_until, key, 0, "")]


def _timeout(closed_at: datetime, key: Callable[..., int], number: int, of_whom: str) -> DataWarning:
    minutes = f"{SILENCE / timedelta(minutes=1):g}"
    at = closed_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    message = f"No end was reported{of_whom}: closed by policy at {at}, after {minutes} minutes or more without telemetry."
    warning_key = key("warning", DataWarningKind.CLOSED_BY_TIMEOUT, str(number))
    return DataWarning(warning_key, DataWarningKind.CLOSED_BY_TIMEOUT, message, None, closed_at)


def _lasted_to(meeting: Meeting, start: datetime, silences: Sequence[Span], idle: timedelta) -> datetime:
    """When the meeting was last known to go on, seen from a later start of a connection."""
    if not meeting.unclosed:
        return meeting.ended_at
    before = bisect_right(silences, start, key=itemgetter(1)) - 1
    if before < 0 or silences[before][1] <= meeting.started_at or start - silences[before][1] >= idle:
        return start
    return max(meeting.ended_at, silences[before][0])


def _nearest(found: list[Meeting], at: datetime, idle: timedelta) -> int | None:
    distances = [(max(meeting.started_at - at, at - meeting.ended_at, timedelta(0)), meeting.number) for meeting in found]
    distance, number = min(distances, default=(idle, None))
    return number if distance < idle else None
