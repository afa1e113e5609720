"""When what was told of a call can no longer be read: its meetings age one by one, and the call goes with the last of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from callscope.analysis.meetings import Meeting

AHEAD = timedelta(days=1)
"""By so much more than it arrived may a meeting seem to begin: a clock that is further ahead does not keep it for longer."""


class Arrival(NamedTuple):
    """A stretch that was a meeting before, and when the first of it arrived."""

    started_at: datetime
    ended_at: datetime
    received_at: datetime


class Expiry(NamedTuple):
    """Of a meeting: when the first of it arrived, until when it can be read, and whether another one can be read longer."""

    received_at: datetime
    expires_at: datetime
    is_outlived: bool

    def columns(self) -> dict[str, Any]:
        return self._asdict()


def expiries(
    meetings: Sequence[Meeting], known: Iterable[Arrival], arrived_at: datetime, retention: timedelta
) -> dict[int, Expiry]:
    """By number of the meeting. Its time counts from its start or, of an import of old telemetry, from its arrival; a start that
    is more than ``AHEAD`` of its arrival counts as that.

    ``known`` are the call's meetings as they stood: a meeting that overlaps one of them arrived with it, any other at
    ``arrived_at``.
    """
    before = list(known)
    received = {meeting.number: _received_at(meeting, before, arrived_at) for meeting in meetings}
    ends = {meeting.number: _counts_from(meeting.started_at, received[meeting.number]) + retention for meeting in meetings}
    last = max(ends.values(), default=None)
    return {number: Expiry(received[number], end, end != last) for number, end in ends.items()}


def _counts_from(started_at: datetime, received_at: datetime) -> datetime:
    return min(max(started_at, received_at), received_at + AHEAD)


def _received_at(meeting: Meeting, known: Iterable[Arrival], arrived_at: datetime) -> datetime:
    overlapping = (one.received_at for one in known if one.started_at <= meeting.ended_at and meeting.started_at <= one.ended_at)
    return min(overlapping, default=arrived_at)
