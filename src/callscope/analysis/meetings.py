"""Meetings: a call is a reusable room, and a meeting is a stretch of it with someone connected.

Empty for the idle time, and the next connection opens a new one (Vonage's rule, 10 minutes, with shorter gaps merged).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter

from callscope.analysis.rows import Connection

SILENCE = timedelta(hours=1)
"""A connection without an end counts as ended when its call has been silent for so long."""


@dataclass(slots=True)
class Meeting:
    number: int
    started_at: datetime
    ended_at: datetime
    live_until: datetime


def meetings(connections: Iterable[Connection], last_active_at: datetime, idle: timedelta) -> list[Meeting]:
    """The meetings of a call in order of time; sets each connection's ``meeting_number``.

    A failed attempt belongs to the meeting that it falls into or lies nearest to, if less than the idle time away.
    """
    attempts = list(connections)
    found: list[Meeting] = []
    starts = [
        (min(connection.attempted_at, connection.connected_at), connection)
        for connection in attempts
        if connection.connected_at is not None
    ]
    for start, connection in sorted(starts, key=itemgetter(0)):
        end = connection.disconnected_at
        until = end + idle if end is not None else last_active_at + SILENCE
        reached = max(start, end if end is not None else last_active_at)
        if not found or start - found[-1].ended_at >= idle:
            found.append(Meeting(len(found) + 1, start, reached, until))
        else:
            found[-1].ended_at = max(found[-1].ended_at, reached)
            found[-1].live_until = max(found[-1].live_until, until)
        connection.meeting_number = found[-1].number
    for connection in attempts:
        if connection.connected_at is None:
            connection.meeting_number = _nearest(found, connection.attempted_at, idle)
    return found


def _nearest(found: list[Meeting], at: datetime, idle: timedelta) -> int | None:
    distances = [(max(meeting.started_at - at, at - meeting.ended_at, timedelta(0)), meeting.number) for meeting in found]
    distance, number = min(distances, default=(idle, None))
    return number if distance < idle else None
