"""What a recording of one page tells of its peer connections: their lives, what they sent and received, and what happened.

Statistics are digested as they come; only counters, events and unfinished blocks of samples are held. Who the streams belong to
and what is heard of the page, each format says itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from callscope.sources.addresses import Address, of_candidate, of_reports
from callscope.sources.client_clock import ClientClock, StatisticsClock, faults
from callscope.sources.peer_connection import PeerConnection
from callscope.sources.sample_blocks import SampleBlocks
from callscope.sources.webrtc_counters import Reports, Rtp, Snapshot, text
from callscope.sources.webrtc_events import Meaning, clean, meaning
from callscope.sources.webrtc_flows import Flow, Flows
from callscope.sources.webrtc_series import Change, Meter, interval, limitation
from callscope.sources.webrtc_stats import snapshot
from callscope.vocabulary import DeviceKind, Direction, EventCategory, Media, Metric

SCREEN_LABELS = ("screen:", "window:", "web-contents-media-stream:")


class Offer(NamedTuple):
    """A track that the other end offers, in a stream if it says so."""

    kind: str
    stream: str | None
    at: float | None


class Happening(NamedTuple):
    name: str
    meaning: Meaning
    at: float
    connection: "Connection | None"
    flow: Flow | None = None
    moved: float = 0
    """By how much the time differs from what the client said."""


@dataclass(eq=False, slots=True)
class Connection:
    """One peer connection of the page."""

    name: str
    clock: StatisticsClock
    life: PeerConnection = field(default_factory=PeerConnection)
    is_p2p: bool | None = None
    """Whether media goes directly to another client. None where it is not told, or is none of the platform's own."""
    counter: int | None = None
    """Its number among the platform's own on this page, as the platform counts."""
    meter: Meter = field(default_factory=Meter)
    flows: Flows = field(default_factory=Flows)
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The statistics as they stand, where they come as differences."""
    measured_at: float | None = None
    tracks: dict[str, Offer] = field(default_factory=dict)
    """The tracks that it is offered to receive, by id."""
    added: dict[str, float] = field(default_factory=dict)
    """When local tracks were added."""
    peer: str | None = None
    """Who was last heard of at the other end; in p2p, the only one."""
    told_by_sender: dict[int, Rtp] = field(default_factory=dict)


class Trace(ABC):
    """Takes what was recorded in the order of its file. Times are milliseconds since the Unix epoch, by the page's clock."""

    def __init__(self) -> None:
        self.clock = ClientClock()
        self.connections: dict[str, Connection] = {}
        self.happenings: list[Happening] = []
        self.untimed = 0
        """Events of which no time is known."""
        self.blocks: SampleBlocks[tuple[Connection, Flow | None]] = SampleBlocks()
        self.devices: dict[tuple[DeviceKind, str], bool | None] = {}
        """Microphones, cameras and speakers by kind and label, and whether they were opened, if told."""
        self.address: Address | None = None
        """The client's own, to be located by. It must not get into any record's other fields."""
        self.screens: dict[str | int, bool] = {}
        """Whether the video of a track or SSRC is a shared screen."""

    def connection(self, name: str) -> Connection:
        if name not in self.connections:
            self.connections[name] = Connection(name, StatisticsClock(self.clock))
        return self.connections[name]

    def hear(self, name: str, data: Any, at: float | None, connection: Connection | None) -> None:
        """One event, in the words of the W3C API. Without a time, it can be placed nowhere."""
        if at is None:
            self.untimed += meaning(name, data, is_of_page=connection is None) is not None
            return
        if connection is not None:
            connection.life.hear(name, data, at)
        if name == "onicecandidate":
            self.address = self.address or of_candidate(data)
        if (told := meaning(name, data, is_of_page=connection is None)) is not None:
            self.happenings.append(Happening(name, told, at, connection, moved=self.clock.correction))

    def see_devices(self, name: str, tracks: Any) -> None:
        """The local tracks ``{id, kind, label}`` that getUserMedia or getDisplayMedia gave."""
        for track in tracks if isinstance(tracks, list) else []:
            told = track if isinstance(track, Mapping) else {}
            label, kind = text(told.get("label")) or "", text(told.get("kind"))
            is_screen = "DisplayMedia" in name or label.startswith(SCREEN_LABELS)
            if kind == "video" and (track_id := text(told.get("id"))):
                self.screens[track_id] = is_screen
            if label and not is_screen and kind in {"audio", "video"}:
                self.devices[DeviceKind.MICROPHONE if kind == "audio" else DeviceKind.CAMERA, label] = True

    def poll(self, connection: Connection, reports: Reports, told_at: float | None, logged_at: float | None) -> None:
        """The whole result of one getStats call, which has a time of its own, and that of its line as the client says it.

        Reports of the same age as the result have its time, or none.
        """
        at = connection.clock.read(told_at, logged_at)
        if connection.clock.is_new:
            connection.meter.forget()
        self.measure(connection, reports, at, connection.clock.lead)

    def measure(self, connection: Connection, reports: Reports, at: float | None, lead: float = 0) -> None:
        """The same, at the time of the call by the page's clock, to which the reports' times are behind by ``lead``.

        One told twice is told once.
        """
        if at is None or at == connection.measured_at:
            return
        before, connection.measured_at = connection.measured_at, at
        self.address = self.address or of_reports(reports)
        seen = snapshot(reports, at - lead)
        if lead:
            seen.move(lead)
        self._follow_path(connection, seen)
        connection.told_by_sender |= {rtp.ssrc: rtp for rtp in seen.told_by_sender if rtp.packets}
        changes = connection.meter.advance(seen)
        connection.clock.hear(at, is_fresh=not connection.meter.is_stale)
        self._measure_path(connection, seen)
        changed: dict[Flow, list[Change]] = {}
        idle: dict[Flow, bool] = {}
        for rtp in seen.rtps:
            flow = self.flow(connection, rtp, seen)
            if flow is not None:
                flow.count(rtp, at)
                if flow.is_sent:
                    idle[flow] = flow.is_idle(rtp) and idle.get(flow, True)
                if change := changes.get((rtp.is_sent, rtp.ssrc)):
                    changed.setdefault(flow, []).append(change)
        for flow, is_paused in idle.items():
            self._follow_pause(connection, flow, (at if before is None else before, at), is_paused=is_paused)
        for flow, flow_changes in changed.items():
            # Without one of its layers the others would look like a drop.
            has_restarted = any((flow.is_sent, ssrc) in connection.meter.restarted for ssrc in flow.ssrcs)
            if not has_restarted and self.is_measured(connection, flow, flow_changes):
                self._measure_flow(connection, flow, flow_changes, at)

    def set_clock(self) -> None:
        """Before anything is told: how the client's clock compares with the server's is as clear as it will be."""
        self.clock.fix()

    @property
    def clock_faults(self) -> Iterator[str]:
        return faults(self.clock, (connection.clock for connection in self.connections.values()))

    @abstractmethod
    def flow(self, connection: Connection, rtp: Rtp, seen: Snapshot) -> Flow | None:
        """The flow that an SSRC is part of; None where it is to be passed over."""

    def is_measured(self, connection: Connection, flow: Flow, changes: list[Change]) -> bool:
        """Whether these values of a flow say anything of its quality."""
        return True

    def _follow_path(self, connection: Connection, seen: Snapshot) -> None:
        """Browsers do not tell that they changed to another candidate pair; their statistics show it."""
        before, path = connection.life.path, seen.path
        connection.life.path = path or before
        if before and path and before.pair and path.pair and before.pair != path.pair:
            types = {"transport": path.transport, "local": path.local_type, "remote": path.remote_type}
            told = Meaning(EventCategory.NETWORK, payload={name: clean(value, 40) for name, value in types.items() if value})
            self.happenings.append(
                Happening("selectedCandidatePairChange", told, seen.at, connection, moved=connection.clock.lead)
            )

    def _measure_path(self, connection: Connection, seen: Snapshot) -> None:
        values = [(Metric.ROUND_TRIP_TIME, Direction.BOTH, connection.meter.round_trip_ms(seen))]
        if seen.path:
            values.append((Metric.AVAILABLE_BITRATE, Direction.PUBLISH, seen.path.available_sent))
            values.append((Metric.AVAILABLE_BITRATE, Direction.SUBSCRIBE, seen.path.available_received))
        for metric, direction, value in values:
            if value is not None:
                self.blocks.add(((connection, None), metric, Media.CONNECTION, direction), seen.at, value)

    def _measure_flow(self, connection: Connection, flow: Flow, changes: list[Change], at: float) -> None:
        direction = Direction.PUBLISH if flow.is_sent else Direction.SUBSCRIBE
        for metric, value in interval(changes).items():
            way = Direction.BOTH if metric is Metric.ROUND_TRIP_TIME else direction
            self.blocks.add(((connection, flow), metric, flow.media, way), at, value)
        reason = limitation(changes) if flow.is_sent else None
        if reason is not None and reason != flow.limitation:
            flow.limitation = reason
            told = Meaning(EventCategory.MEDIA, payload={"reason": reason})
            self.happenings.append(Happening("qualityLimitationReason", told, at, connection, flow, connection.clock.lead))

    def _follow_pause(self, connection: Connection, flow: Flow, interval: tuple[float, float], *, is_paused: bool) -> None:
        """Pages do not tell that they take the track from a sender or switch it off; statistics show it, some time after."""
        if is_paused is not flow.is_paused:
            flow.is_paused = is_paused
            told = Meaning(EventCategory.MEDIA, payload={"media": flow.media.lower()})
            name, at = ("senderPaused", interval[0]) if is_paused else ("senderResumed", interval[1])
            self.happenings.append(Happening(name, told, at, connection, flow, connection.clock.lead))

    def sent_flow(self, connection: Connection, rtp: Rtp, seen: Snapshot) -> Flow:
        """The flow of a local source, which is as old as its track's being added."""
        flow = connection.flows.of_sent(rtp, seen)
        flow.offered_at = flow.offered_at or connection.added.get(rtp.track or "")
        return flow

    def see_screen(self, flow: Flow, rtp: Rtp) -> Flow:
        screen = self.screens.get(rtp.ssrc, self.screens.get(rtp.track or ""))
        flow.is_screen = flow.is_screen if screen is None else screen
        return flow


def unquoted(data: Any) -> Any:
    """Some clients quote states twice."""
    return data[1:-1] if isinstance(data, str) and len(data) > 1 and data[0] == data[-1] == '"' else data
