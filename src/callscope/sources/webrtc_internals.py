"""Chrome's dump of chrome://webrtc-internals: one JSON object with everything that the browser's pages did with WebRTC.

A page (a tab, or a frame of it) is a participant, and pages of one origin are one call; the dump says neither. Dumps of both
sides of a call come together when the caller names it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from callscope.sources import Refusal
from callscope.sources.client_clock import STALL, is_set
from callscope.sources.clock_leaps import has_leapt
from callscope.sources.lines import unpacked_head
from callscope.sources.refusal_codes import RefusalCode
from callscope.sources.webrtc_counters import clock_time
from callscope.sources.webrtc_events import clean
from callscope.sources.webrtc_internals_clock import Log, Zone, is_local, zone_of
from callscope.sources.webrtc_internals_file import load
from callscope.sources.webrtc_internals_log import configuration, event, request
from callscope.sources.webrtc_internals_pages import Page, entries, pages
from callscope.sources.webrtc_internals_stats import MAX_SERIES, Statistics
from callscope.sources.webrtc_page import PageTrace
from callscope.sources.webrtc_page_records import Client, PageRecords
from callscope.sources.webrtc_records import CUT_OFF, short
from callscope.sources.webrtc_trace import Connection
from callscope.telemetry import Telemetry
from callscope.vocabulary import DataWarningKind

POLL = 1_000.0
"""How often Chrome reads statistics, milliseconds."""

_FIRST_KEY = re.compile(
    rb'\{\s*"(?:getUserMedia|PeerConnections|UserAgent|UserAgentData|cpuPerformance|deviceMemory|hardwareConcurrency)"\s*:'
)


def recognises(head: bytes) -> bool:
    """Whether a file that begins so is a dump of this kind, by its first key."""
    return _FIRST_KEY.match(unpacked_head(head)) is not None


def read(file: BinaryIO, *, call_id: str | None = None) -> Iterator[Telemetry | Refusal]:
    """The telemetry of one dump, for a call of each origin unless ``call_id`` names one.

    Parts that are damaged come as refusals, with their path in the dump for a field; so does the end of one that is cut off.
    """
    dump, is_cut = load(file)
    found, refused = pages(dump)
    yield from refused
    if is_cut:
        yield Refusal(0, None, RefusalCode.TRUNCATED, "dump is cut off: what came later is not in it")
    client = Client(short(dump.get("UserAgent"), 1000), dump.get("UserAgentData"))
    zone = _zone(found)
    for page in found:
        yield from _Reading(page, call_id or page.call_id, client, zone, is_cut=is_cut).records()


def _zone(found: list[Page]) -> Zone | None:
    """The zone of the computer; None where no log needs one."""
    connections = [connection for page in found for connection in page.connections.values()]
    logs = [
        Log(told, statistics.span, statistics.is_truncated)
        for connection in connections
        if any(map(is_local, told := entries(connection))) and (statistics := Statistics.of(connection.get("stats")))
    ]
    return zone_of(logs) if logs else None


class _Reading:
    """Reads one page."""

    def __init__(self, page: Page, call_id: str, client: Client, zone: Zone | None, *, is_cut: bool) -> None:
        self._page = page
        self._is_cut = is_cut
        self._zone = zone
        self._clock = zone or Zone()
        self._trace = PageTrace()
        self._records = PageRecords(self._trace, call_id, page.name, client)
        self._truncated = 0
        self._is_spread = False
        self._set_back = 0.0

    def records(self) -> Iterator[Telemetry | Refusal]:
        for entry in self._page.media:
            name, data = request(entry)
            self._trace.take(name, data, self._clock.instant(entry), None)
        for key, told in self._page.connections.items():
            yield from self._connection(key, told)
            yield from self._records.full_blocks()
        self._trace.finish()
        if self._set_back:
            self._trace.clock.note_set(self._set_back)
        yield from self._records.rest()
        yield from self._warnings()

    def _connection(self, key: str, told: dict[str, Any]) -> Iterator[Refusal]:
        connection, log = self._trace.connection(key), entries(told)
        # Not needed again, and large.
        statistics = Statistics.of(told.pop("stats", None))
        if not any(entry["type"] == "create" for entry in log):
            first = [at for entry in log[:1] if (at := self._clock.instant(entry))] + statistics.ticks[:1]
            created_at = clock_time(told.get("timestamp")) or min(first, default=None)
            if created_at is not None:
                self._trace.take("create", configuration(told.get("rtcConfiguration")), created_at, key)
        for entry, at in zip(log, self._placed(log, statistics.set_back), strict=True):
            name, data = event(entry["type"], entry.get("value"))
            self._trace.take(name, data, at, key)
        self._trace.clock.correction = 0
        connection.clock.repeated = statistics.stood_still * POLL if statistics.stood_still * POLL >= STALL else 0
        self._set_back = max(self._set_back, statistics.set_back, key=abs)
        for at, reports in statistics.results():
            self._trace.hear("getstats", None, at, connection)
            self._trace.measure(connection, reports, at)
        if statistics.is_truncated and statistics.span:
            self._truncated += 1
            _reach_back(connection, statistics.span[0])
        self._is_spread = self._is_spread or statistics.is_spread
        for name in statistics.damaged:
            path = f"PeerConnections.{clean(key)}.stats.{clean(name)}"
            yield Refusal(0, path, "series_invalid", "should hold a list of values, and their times")

    def _placed(self, log: list[Mapping[str, Any]], set_back: float) -> Iterator[float | None]:
        """When the entries of a log were made: where its clock was set, they go on, and are moved as statistics are."""
        clock, last = self._trace.clock, None
        for entry in log:
            at = self._clock.instant(entry)
            if at is not None:
                placed = clock.place(at)
                if last is not None and (is_set(last, placed) if set_back else has_leapt(last, placed)):
                    clock.correction = set_back or last - at
                    self._set_back = max(self._set_back, clock.correction, key=abs)
                at = last = clock.place(at)
            yield at

    def _warnings(self) -> Iterator[Telemetry]:
        if self._is_cut:
            yield self._records.warning(DataWarningKind.TRUNCATED, CUT_OFF)
        if self._truncated:
            told = f"Chrome keeps the last {MAX_SERIES} values of a statistic: {self._truncated} connections began before them."
            yield self._records.warning(DataWarningKind.TRUNCATED, told)
        if self._is_spread:
            told = "Chrome before 117 wrote no times of its statistics: they are spread evenly, and rates are approximate."
            yield self._records.warning(DataWarningKind.CLOCK_REPAIRED, told)
        if self._zone is not None:
            told = f"The dump's log tells local times without their zone: they are taken for {self._zone}."
            yield self._records.warning(DataWarningKind.CLOCK_REPAIRED, told)


def _reach_back(connection: Connection, first_at: float) -> None:
    """What ran already when the statistics that are left begin, ran since it was there and the connection was."""
    connected_at = connection.life.connected_at
    for flow in connection.flows:
        if flow.started_at == first_at and connected_at is not None and flow.offered_at is not None:
            flow.started_at = min(max(connected_at, flow.offered_at), first_at)
