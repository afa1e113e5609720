"""What a trace of Jitsi's rtcstats tells of one client: its connections, what it sent and received, and what happened to it.

Statistics are digested as they come; only counters, events and unfinished blocks of samples are held. The server dates
connectionInfo, when the client connects to it and whenever it is fed the trace again: it and identity set the client's clock, as
far as that can be told (see ``server_times``), and bound nothing.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from callscope.sources.clock_leaps import Leaps
from callscope.sources.jitsi import MIXED, Identity, Label, Tracks
from callscope.sources.server_times import ServerTimes
from callscope.sources.webrtc_counters import Rtp, Snapshot, clock_time, instant, ssrc_number, text
from callscope.sources.webrtc_flows import Flow
from callscope.sources.webrtc_series import Change
from callscope.sources.webrtc_trace import Connection, Offer, Trace, unquoted

OUT_OF_ORDER = frozenset({"connectionInfo", "identity"})
"""Lines whose times may be the server's, or those of another page."""
HEAD_LINES = 8
"""Lines whose digest names a dump that does not name itself."""

_EXPIRY = re.compile(r"(\d{9,10})(?::.*)?", re.DOTALL)
"""The user name of TURN credentials that expire: when, in seconds since the Unix epoch."""


class Line(NamedTuple):
    name: str
    connection: str | None
    data: Any
    at: float | None
    """Milliseconds since the Unix epoch, by the client's clock; None where the line does not tell."""
    raw: bytes


class Dump(Trace):
    """Takes the lines of one trace in file order."""

    def __init__(self) -> None:
        super().__init__()
        self.identity = Identity()
        self.owners: dict[int, str] = {}
        self._server = ServerTimes()
        self._leaps: Leaps[Line] = Leaps(self.clock)
        self._written_at: float | None = None
        self._digest = hashlib.sha256()
        self._digested = 0

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()[:16]

    def take(self, line: Line) -> None:
        if line.name != "connectionInfo" and self._digested < HEAD_LINES:
            # The server writes connectionInfo anew when it processes a dump again.
            self._digest.update(line.raw)
            self._digested += 1
        if line.at is None and line.name != "getstats":
            # Some lines have no time: they were written between the two beside them.
            line = line._replace(at=self._written_at)
        if line.at is None or line.name in OUT_OF_ORDER:
            self._take(line)
            return
        self._written_at = line.at
        for ready, at in self._leaps.take(line, line.at, lambda: self._expected(line)):
            self._take(ready._replace(at=at))

    def finish(self) -> None:
        """There is no more to come."""
        for ready, at in self._leaps.rest():
            self._take(ready._replace(at=at))

    def _expected(self, line: Line) -> float | None:
        """When a line of statistics was written if the page's clock had not been set."""
        known = self.connections.get(line.connection or "")
        return known.clock.expect(clock_time(_object(line.data).get("timestamp"))) if known and line.name == "getstats" else None

    def _take(self, line: Line) -> None:
        logged_at = line.at
        if line.name == "connectionInfo":
            self._server.connected_at = self._server.connected_at or instant(line.at)
        elif line.at is not None:
            line = line._replace(at=self.clock.place(line.at))
        connection = None if line.connection is None else self.connection(line.connection)
        self.hear(line.name, unquoted(line.data), line.at, connection)
        if connection is not None:
            if line.name == "getstats":
                self._take_statistics(connection, _object(line.data), logged_at)
            elif line.name == "constraints":
                self._constrain(connection, _object(line.data))
            else:
                _see_tracks(connection, line)
        self._see_page(line)
        self._see_clock(line)

    def set_clock(self) -> None:
        if not self.clock.is_fixed:
            self._server.set(self.clock)
        super().set_clock()

    def _see_clock(self, line: Line) -> None:
        server = self._server
        if line.at is None or line.name == "connectionInfo":
            return
        if line.name == "identity":
            server.identified_at = server.identified_at or line.at
            return
        server.see(line.at)
        if line.name == "create" and server.credentials is None and (expire_at := _expiry(_object(line.data))):
            server.credentials = line.at, expire_at

    def _see_page(self, line: Line) -> None:
        match line.name:
            case "identity":
                self.identity.facts |= _object(line.data)
            case "connectionInfo":
                self.identity.info |= _object(line.data)
            case "setVideoType":
                self._see_video_type(_object(line.data))
            case name if name.endswith("MediaOnSuccess"):
                tracks = _object(line.data).get("tracks")
                self.see_devices(name, [_object(track) for track in tracks] if isinstance(tracks, list) else [])

    def _constrain(self, connection: Connection, data: Mapping[str, Any]) -> None:
        optional = data.get("optional")
        for option in optional if isinstance(optional, list) else []:
            is_p2p = option.get("rtcStatsSFUP2P") if isinstance(option, dict) else None
            if isinstance(is_p2p, bool) and connection.counter is None:
                connection.is_p2p = is_p2p
                connection.counter = 1 + sum(other.counter is not None for other in self.connections.values())

    def _see_video_type(self, data: Mapping[str, Any]) -> None:
        ssrc, kind, owner = ssrc_number(data.get("ssrc")), text(data.get("videoType")), text(data.get("ownerEndpointId"))
        if ssrc is not None and kind is not None:
            self.screens[ssrc] = kind == "desktop"
        if ssrc is not None and owner is not None:
            self.owners[ssrc] = owner

    def _take_statistics(self, connection: Connection, delta: Mapping[str, Any], logged_at: float | None) -> None:
        told_at = clock_time(delta.get("timestamp"))
        placed_at = None if logged_at is None else self.clock.place(logged_at) - connection.clock.lead
        connection.reports = _applied(connection.reports, delta, told_at or placed_at)
        self.poll(connection, connection.reports, told_at, logged_at)

    def is_measured(self, connection: Connection, flow: Flow, changes: list[Change]) -> bool:
        return flow.label != MIXED and (not self._is_suspended(connection) or any(change.packets for change in changes))

    def _is_suspended(self, connection: Connection) -> bool:
        """While two clients talk directly, the bridge carries nothing, which is no fault."""
        return connection.is_p2p is False and any(other.is_p2p and other.life.is_up for other in self.connections.values())

    def flow(self, connection: Connection, rtp: Rtp, seen: Snapshot) -> Flow | None:
        flows = connection.flows
        if rtp.is_sent:
            return self.see_screen(self.sent_flow(connection, rtp, seen), rtp)
        offer = connection.tracks.get(rtp.track or "")
        if offer is None and rtp.track is None and rtp.packets:
            offer = _by_elimination(connection, rtp)
        label = offer.stream if offer else None
        # A bridge always offers a stream of its own, and other SSRCs before it says whose they are.
        if not rtp.packets and not rtp.is_legacy and label in {None, MIXED}:
            return flows.find(rtp)
        flow = flows.of_received(rtp, label)
        flow.offered_at = flow.offered_at or (offer.at if offer else None)
        return self.see_screen(flow, rtp)


def _see_tracks(connection: Connection, line: Line) -> None:
    name, told = line.name, Tracks.of(line.data)
    if name in {"ontrack", "onaddstream"} and told.stream:
        for kind, track in told.tracks:
            connection.tracks.setdefault(track, Offer(kind, told.stream, line.at))
        if label := Label.of(told.stream):
            connection.peer = label.endpoint
    elif name == "onremovestream":
        connection.tracks = {track: offer for track, offer in connection.tracks.items() if offer.stream != told.stream}
    elif name in {"addTrack", "addStream", "addTransceiver"} and line.at is not None:
        for _, track in told.tracks:
            connection.added.setdefault(track, line.at)


def _by_elimination(connection: Connection, rtp: Rtp) -> Offer | None:
    """Firefox does not say whose track an SSRC is. If one alone is left that it can be, it is."""
    taken = {MIXED} | {flow.label for flow in connection.flows.received if flow.kind == rtp.kind and rtp.ssrc not in flow.ssrcs}
    left = [offer for offer in connection.tracks.values() if offer.kind == rtp.kind and offer.stream not in taken]
    return left[0] if len(left) == 1 else None


def _applied(base: dict[str, dict[str, Any]], delta: Mapping[str, Any], at: float | None) -> dict[str, dict[str, Any]]:
    """The reports after a difference. Absent reports are gone, absent fields unchanged; a time of 0 is the time of the call.

    So is one that is left out beside fields that changed: some clients write no times of reports.
    """
    reports: dict[str, dict[str, Any]] = {}
    for key, fields in delta.items():
        if not isinstance(fields, dict):
            continue
        old = base.get(key)
        report = {**old, **fields} if old is not None else fields
        if fields.get("timestamp") == 0 or ("timestamp" not in fields and (fields or old is None)):
            report["timestamp"] = at
        reports[key] = report
    return reports


def _expiry(configuration: Mapping[str, Any]) -> float | None:
    """When the first TURN credentials of a connection that tell it expire, by the server's clock."""
    servers = configuration.get("iceServers")
    names = [text(server.get("username")) for server in servers if isinstance(server, dict)] if isinstance(servers, list) else []
    ends = [instant(int(match[1]) * 1000) for name in names if name and (match := _EXPIRY.fullmatch(name))]
    return next(filter(None, ends), None)


def _object(data: Any) -> Mapping[str, Any]:
    """Data that should be an object; old clients write it as JSON inside JSON."""
    if isinstance(data, str) and data.startswith("{"):
        try:
            data = orjson.loads(data)
        except orjson.JSONDecodeError:
            return {}
    return data if isinstance(data, dict) else {}
