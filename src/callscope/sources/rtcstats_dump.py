"""What a trace of Jitsi's rtcstats tells of one client: its connections, what it sent and received, and what happened to it.

Statistics are digested as they come; only counters, events and unfinished blocks of samples are held. The times of identity and
connectionInfo are the server's, of whenever it processed the trace, and bound nothing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from callscope.sources.jitsi import MIXED, Identity, Label, Tracks
from callscope.sources.peer_connection import PeerConnection
from callscope.sources.sample_blocks import SampleBlocks
from callscope.sources.webrtc_counters import Rtp, Snapshot, instant, ssrc_number, text
from callscope.sources.webrtc_events import Meaning, meaning
from callscope.sources.webrtc_flows import Flow, Flows
from callscope.sources.webrtc_series import Change, Meter, interval, limitation
from callscope.sources.webrtc_stats import snapshot
from callscope.vocabulary import DeviceKind, Direction, EventCategory, Media, Metric

HEAD_LINES = 8
"""Lines whose digest names a dump that does not name itself."""


class Line(NamedTuple):
    name: str
    connection: str | None
    data: Any
    at: float | None
    """Milliseconds since the Unix epoch; None where the line does not tell."""
    raw: bytes


class Offer(NamedTuple):
    kind: str
    stream: str
    at: float | None


class Happening(NamedTuple):
    name: str
    meaning: Meaning
    at: float
    connection: "Connection | None"
    flow: Flow | None = None


@dataclass(eq=False, slots=True)
class Connection:
    """One peer connection of the trace."""

    name: str
    life: PeerConnection = field(default_factory=PeerConnection)
    is_p2p: bool | None = None
    """None where it is none of Jitsi's own, for example a test before the call."""
    counter: int | None = None
    """Its number among Jitsi's own on this page, as Jitsi counts."""
    meter: Meter = field(default_factory=Meter)
    flows: Flows = field(default_factory=Flows)
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    measured_at: float | None = None
    tracks: dict[str, Offer] = field(default_factory=dict)
    """The tracks that it is offered to receive, by id."""
    added: dict[str, float] = field(default_factory=dict)
    """When local tracks were added."""
    peer: str | None = None
    """The endpoint that was last heard of at the other end; in p2p, the only one."""
    told_by_sender: dict[int, Rtp] = field(default_factory=dict)


class Dump:
    """Takes the lines of one trace in file order."""

    def __init__(self) -> None:
        self.identity = Identity()
        self.connections: dict[str, Connection] = {}
        self.happenings: list[Happening] = []
        self.blocks: SampleBlocks[tuple[Connection, Flow | None]] = SampleBlocks()
        self.devices: dict[tuple[DeviceKind, str], None] = {}
        self.owners: dict[int, str] = {}
        self._screens: dict[str | int, bool] = {}
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
        connection = None if line.connection is None else self._connection(line.connection)
        if connection is not None:
            if line.at is not None:
                connection.life.hear(line.name, _unquoted(line.data), line.at)
            if line.name == "getstats":
                self._measure(connection, _object(line.data), line.at)
            elif line.name == "constraints":
                self._constrain(connection, _object(line.data))
            else:
                _see_tracks(connection, line)
        self._see_page(line)
        if line.at is not None and (told := meaning(line.name, _unquoted(line.data), is_of_page=connection is None)) is not None:
            self.happenings.append(Happening(line.name, told, line.at, connection))

    def _connection(self, name: str) -> Connection:
        if name not in self.connections:
            self.connections[name] = Connection(name)
        return self.connections[name]

    def _see_page(self, line: Line) -> None:
        match line.name:
            case "identity":
                self.identity.facts |= _object(line.data)
            case "connectionInfo":
                self.identity.info |= _object(line.data)
            case "setVideoType":
                self._see_video_type(_object(line.data))
            case name if name.endswith("MediaOnSuccess"):
                self._see_devices(name, _object(line.data))

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
            self._screens[ssrc] = kind == "desktop"
        if ssrc is not None and owner is not None:
            self.owners[ssrc] = owner

    def _see_devices(self, name: str, data: Mapping[str, Any]) -> None:
        tracks = data.get("tracks")
        for track in tracks if isinstance(tracks, list) else []:
            told = _object(track)
            label, kind = text(told.get("label")) or "", text(told.get("kind"))
            is_screen = "DisplayMedia" in name or label.startswith(("screen:", "window:", "web-contents-media-stream:"))
            if kind == "video" and (track_id := text(told.get("id"))):
                self._screens[track_id] = is_screen
            if label and not is_screen and kind in {"audio", "video"}:
                self.devices[DeviceKind.MICROPHONE if kind == "audio" else DeviceKind.CAMERA, label] = None

    def _measure(self, connection: Connection, delta: Mapping[str, Any], line_at: float | None) -> None:
        at = instant(delta.get("timestamp")) or line_at
        connection.reports = _applied(connection.reports, delta, at)
        if at is None or at == connection.measured_at:
            return
        connection.measured_at = at
        seen = snapshot(connection.reports, at)
        connection.life.path = seen.path or connection.life.path
        connection.told_by_sender |= {rtp.ssrc: rtp for rtp in seen.told_by_sender if rtp.packets}
        changes = connection.meter.advance(seen)
        self._measure_path(connection, seen)
        changed: dict[Flow, list[Change]] = {}
        for rtp in seen.rtps:
            flow = self._flow(connection, rtp, seen)
            if flow is not None:
                flow.count(rtp, at)
                if change := changes.get((rtp.is_sent, rtp.ssrc)):
                    changed.setdefault(flow, []).append(change)
        for flow, flow_changes in changed.items():
            self._measure_flow(connection, flow, flow_changes, at)

    def _measure_path(self, connection: Connection, seen: Snapshot) -> None:
        values = [(Metric.ROUND_TRIP_TIME, Direction.BOTH, connection.meter.round_trip_ms(seen))]
        if seen.path:
            values.append((Metric.AVAILABLE_BITRATE, Direction.PUBLISH, seen.path.available_sent))
            values.append((Metric.AVAILABLE_BITRATE, Direction.SUBSCRIBE, seen.path.available_received))
        for metric, direction, value in values:
            if value is not None:
                self.blocks.add(((connection, None), metric, Media.CONNECTION, direction), seen.at, value)

    def _measure_flow(self, connection: Connection, flow: Flow, changes: list[Change], at: float) -> None:
        if flow.label == MIXED or (self._is_suspended(connection) and not any(change.packets for change in changes)):
            return
        direction = Direction.PUBLISH if flow.is_sent else Direction.SUBSCRIBE
        for metric, value in interval(changes).items():
            way = Direction.BOTH if metric is Metric.ROUND_TRIP_TIME else direction
            self.blocks.add(((connection, flow), metric, flow.media, way), at, value)
        reason = limitation(changes) if flow.is_sent else None
        if reason is not None and reason != flow.limitation:
            flow.limitation = reason
            told = Meaning(EventCategory.MEDIA, payload={"reason": reason})
            self.happenings.append(Happening("qualityLimitationReason", told, at, connection, flow))

    def _is_suspended(self, connection: Connection) -> bool:
        """While two clients talk directly, the bridge carries nothing, which is no fault."""
        return connection.is_p2p is False and any(other.is_p2p and other.life.is_up for other in self.connections.values())

    def _flow(self, connection: Connection, rtp: Rtp, seen: Snapshot) -> Flow | None:
        flows = connection.flows
        if rtp.is_sent:
            flow = flows.of_sent(rtp, seen)
            flow.offered_at = flow.offered_at or connection.added.get(rtp.track or "")
        else:
            offer = connection.tracks.get(rtp.track or "")
            if offer is None and rtp.track is None and rtp.packets:
                offer = _by_elimination(connection, rtp)
            label = offer.stream if offer else None
            # A bridge always offers a stream of its own, and other SSRCs before it says whose they are.
            if not rtp.packets and not rtp.is_legacy and label in {None, MIXED}:
                return flows.find(rtp)
            flow = flows.of_received(rtp, label)
            flow.offered_at = flow.offered_at or (offer.at if offer else None)
        screen = self._screens.get(rtp.ssrc, self._screens.get(rtp.track or ""))
        flow.is_screen = flow.is_screen if screen is None else screen
        return flow


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
    """The reports after a difference. Absent reports are gone, absent fields unchanged; a time of 0 is the time of the call."""
    reports: dict[str, dict[str, Any]] = {}
    for key, fields in delta.items():
        if not isinstance(fields, dict):
            continue
        old = base.get(key)
        report = {**old, **fields} if old is not None else fields
        if fields.get("timestamp") == 0 or (old is None and "timestamp" not in fields):
            report["timestamp"] = at
        reports[key] = report
    return reports


def _object(data: Any) -> Mapping[str, Any]:
    """Data that should be an object; old clients write it as JSON inside JSON."""
    if isinstance(data, str) and data.startswith("{"):
        try:
            data = orjson.loads(data)
        except orjson.JSONDecodeError:
            return {}
    return data if isinstance(data, dict) else {}


def _unquoted(data: Any) -> Any:
    """Some clients quote states twice."""
    return data[1:-1] if isinstance(data, str) and len(data) > 1 and data[0] == data[-1] == '"' else data
