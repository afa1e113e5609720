"""What a dump of rtcstats.com's version 3 tells of one page, once its lines are read. Times are milliseconds."""

import hashlib
import re
from typing import Any, NamedTuple

import orjson

from callscope.sources.clock_leaps import Leaps
from callscope.sources.rtcstats_v3_stats import apply, told_time
from callscope.sources.webrtc_counters import clock_time, instant, text
from callscope.sources.webrtc_page import PageTrace
from callscope.sources.webrtc_page_records import Client, PageRecords
from callscope.sources.webrtc_records import short
from callscope.telemetry import Location

FIRST_WITH_LABELS = 5
"""The version of the client's protocol from which on tracks are written with their labels."""
UPTIME = 60_000
"""Milliseconds since the Unix epoch from which on a first row may tell them: clocks without a battery begin there."""
HEAD_LINES = 8
"""Lines whose digest names a dump."""


class Row(NamedTuple):
    name: str
    connection: str | None
    data: Any
    subject: Any
    """What follows the data: the id of a track, or a word by which to tell which call was answered."""
    delta: float
    """Since the row before; of the first one, and of one that begins anew, since the Unix epoch."""


class Trace(PageTrace):
    """Takes the rows of one dump in file order."""

    def __init__(self, metadata: dict[str, Any]) -> None:
        super().__init__()
        self.is_closed = False
        """Whether the page told that it is going."""
        self._metadata = metadata
        self._hints: Any = None
        self._server_at = instant(metadata.get("startTime"))
        self._has_labels = _has_labels(metadata.get("clientProtocol"))
        self._at: float | None = None
        self._leaps: Leaps[Row] = Leaps(self.clock)
        self._digest = hashlib.sha256(orjson.dumps(metadata, option=orjson.OPT_SORT_KEYS))
        self._digested = 0

    def take_row(self, row: Row, line: bytes) -> None:
        if self._digested < HEAD_LINES:
            self._digest.update(line)
            self._digested += 1
        at = self._tell(row.delta)
        if at is None:
            self._take(row, at)
            return
        for ready, logged_at in self._leaps.take(row, at, lambda: self._expected(row)):
            self._take(ready, logged_at)

    def finish(self) -> None:
        for ready, logged_at in self._leaps.rest():
            self._take(ready, logged_at)
        super().finish()

    def _expected(self, row: Row) -> float | None:
        """When a row of statistics was written if the page's clock had not been set."""
        known = self.connections.get(row.connection or "")
        is_told = known is not None and row.name == "getStats" and isinstance(row.data, dict)
        return known.clock.expect(told_time(row.data)) if known is not None and is_told else None

    def records(self, call_id: str | None) -> PageRecords:
        name = f"rtcstats-{self._digest.hexdigest()[:16]}"
        user_agent = short(self._metadata.get("userAgent"), 1000)
        return PageRecords(self, call_id or name, name, Client(user_agent, self._hints, _location(self._metadata)))

    def _tell(self, delta: float) -> float | None:
        """The time of a row. None as long as none has told an absolute one."""
        if instant(delta) is not None or (self._at is None and delta > UPTIME):
            self._at = clock_time(delta)
        elif self._at is not None:
            self._at = clock_time(self._at + delta)
        return self._at

    def _take_page(self, row: Row, at: float | None) -> None:
        """A page tells of itself when it connects to the server, whose own clock wrote down when."""
        if row.name == "close":
            self.is_closed = True
        elif row.name == "create":
            server_at, self._server_at = self._server_at, None
            if at is not None and server_at is not None:
                self.clock.compare(at, server_at)
            if isinstance(row.data, dict):
                self._hints = row.data.get("userAgentData")

    def _take(self, row: Row, logged_at: float | None) -> None:
        at = None if logged_at is None else self.clock.place(logged_at)
        if row.connection is None:
            self._take_page(row, at)
        if row.name != "getStats":
            data = row.data if self._has_labels else _with_labels(row.name, row.data)
            self.take(row.name, data, at, row.connection, row.subject)
        elif row.connection is not None:
            connection = self.connection(row.connection)
            self.hear("getstats", None, at, connection)
            if isinstance(row.data, dict):
                self.poll(connection, connection.reports, apply(connection.reports, row.data), logged_at)


def _has_labels(protocol: Any) -> bool:
    version = re.search(r"rtcstats#(\d{1,4})", text(protocol) or "")
    return version is None or int(version[1]) >= FIRST_WITH_LABELS


def _with_labels(name: str, data: Any) -> Any:
    """Tracks of older clients in the form of today."""
    match name, data:
        case (("ontrack" | "addTrack"), [str(), str(), *_]):
            return [*data[:2], None, *data[2:]]
        case "addTransceiver", [list() as track, *rest]:
            return [[*track[:2], None, *track[2:]], *rest]
        case _, list() if name.endswith("MediaOnSuccess") or name == "replaceTrack":
            return [[*track[:2], None, *track[2:]] if isinstance(track, list) else track for track in data]
    return data


def _location(metadata: dict[str, Any]) -> Location | None:
    """Country and region of the client's network, where the server has looked them up (MaxMind's form)."""
    match metadata.get("locations"):
        case [{"country": {"iso_code": str(country)}, **rest}, *_]:
            match rest.get("subdivisions"):
                case [{"names": {"en": str(region)}}, *_]:
                    return Location(country=short(country, 2), region=short(region, 200))
            return Location(country=short(country, 2))
    return None
