"""A page of any application, as rtcstats.com's client and Chrome record it: what it tells of tracks and devices.

Values come in the forms of rtcstats-js. Chrome's ``transceiverAdded`` and ``transceiverModified`` stand in for ``addTrack`` and
``ontrack`` in versions that do not write these.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from callscope.sources.jitsi import Tracks
from callscope.sources.webrtc_counters import Rtp, Snapshot, text
from callscope.sources.webrtc_flows import Flow
from callscope.sources.webrtc_trace import Connection, Offer, Trace, unquoted
from callscope.vocabulary import DeviceKind

DEVICE_KINDS = {
    "audioinput": DeviceKind.MICROPHONE,
    "audiooutput": DeviceKind.SPEAKER,
    "videoinput": DeviceKind.CAMERA,
}
ALIASES = frozenset({"default", "communications"})
"""Devices that only stand for another one."""
NO_STREAM = "-"
"""What Chrome calls the stream of a track that has none."""


class Track(NamedTuple):
    """A track as rtcstats-js writes it: ``[kind, id, label, stream, …]``."""

    kind: str
    id: str
    label: str | None = None
    stream: str | None = None

    @classmethod
    def of(cls, told: Any) -> "Track | None":
        match told:
            case [("audio" | "video") as kind, str(id_), *rest] if id_:
                label, stream = [*map(text, rest[:2]), None, None][:2]
                return cls(kind, id_, label, None if stream == NO_STREAM else stream)
        return None


class PageTrace(Trace):
    """Takes what a page's recording tells, in the order of its file."""

    def take(self, name: str, data: Any, at: float | None, connection: str | None, subject: Any = None) -> None:
        """One event. ``subject`` is the id of the track that it happened to, where its data does not say."""
        on = None if connection is None else self.connection(connection)
        self.hear(name, self._see(name, data, at, on, subject), at, on)

    def finish(self) -> None:
        """A recording that began late tells of no states, but what flowed proves that a connection was there."""
        for connection in self.connections.values():
            started = [flow.started_at for flow in connection.flows if flow.started_at is not None]
            if started and not connection.life.states:
                connection.life.hear("onconnectionstatechange", "connected", min(started))

    def flow(self, connection: Connection, rtp: Rtp, seen: Snapshot) -> Flow | None:
        """A received track is one flow, whatever its SSRCs."""
        if rtp.is_sent:
            return self.see_screen(self.sent_flow(connection, rtp, seen), rtp)
        offer = connection.tracks.get(rtp.track or "")
        if offer is None and not rtp.packets:
            return connection.flows.find(rtp)
        flow = connection.flows.of_received(rtp, rtp.track)
        flow.offered_at = flow.offered_at or (offer.at if offer else None)
        return self.see_screen(flow, rtp)

    def _see(self, name: str, data: Any, at: float | None, connection: Connection | None, subject: Any) -> Any:
        """Learn from an event; its data in the form in which events are read."""
        if name.endswith("statechange"):
            return unquoted(data)
        if name.endswith("MediaOnSuccess"):
            return self._see_media(name, data)
        if name.endswith("enumerateDevices"):
            self._see_known_devices(data)
        if name.startswith("MediaStreamTrack."):
            return {"track": text(subject) or text(data), name.rpartition(".")[2]: data}
        if name == "createDataChannel" and isinstance(data, list):
            return {"0": data[0] if data else None}
        return _see_tracks(connection, name, data, at) if connection is not None else data

    def _see_media(self, name: str, data: Any) -> dict[str, Any]:
        tracks = [track for told in _list(data) if (track := Track.of(told))]
        given = [{"kind": track.kind, "id": track.id, "label": track.label} for track in tracks]
        self.see_devices(name, given)
        return {"tracks": given}

    def _see_known_devices(self, data: Any) -> None:
        for device in _list(data):
            told = device if isinstance(device, Mapping) else {}
            kind, label = DEVICE_KINDS.get(str(told.get("kind"))), text(told.get("label"))
            if kind and label and told.get("deviceId") not in ALIASES:
                self.devices.setdefault((kind, label), None)


def _see_tracks(connection: Connection, name: str, data: Any, at: float | None) -> Any:
    match name, data:
        case "ontrack", _:
            return _offered(connection, Track.of(data), at)
        case "addTrack", _:
            return _added(connection, Track.of(data), at)
        case ("addTransceiver", [told, *_]) | ("replaceTrack", [_, told]):
            return _added(connection, Track.of(told), at)
        case "transceiverAdded", Mapping():
            is_offered = data.get("reason") == "setRemoteDescription"
            return _transceiver(connection, data, at, is_offered=is_offered)
        case "transceiverModified", Mapping():
            return _transceiver(connection, data, at, is_offered=False)
        case "removeTrack", _:
            return Tracks(None, [])
    return data


def _transceiver(connection: Connection, told: Mapping[str, Any], at: float | None, *, is_offered: bool) -> Tracks:
    """A transceiver sends as soon as it has a track, and receives when it is offered from the other end or negotiated."""
    sent, received = _end(told, "sender"), _end(told, "receiver")
    shown = _added(connection, sent, at)
    if is_offered or "recv" in str(told.get("currentDirection")):
        offered = _offered(connection, received, at)
        shown = offered if is_offered else shown
    return shown


def _end(told: Mapping[str, Any], name: str) -> Track | None:
    end = told.get(name)
    if not isinstance(end, Mapping):
        return None
    return Track.of([told.get("kind"), end.get("track"), None, *_list(end.get("streams"))[:1]])


def _offered(connection: Connection, track: Track | None, at: float | None) -> Tracks:
    if track is None:
        return Tracks(None, [])
    known = connection.tracks.get(track.id)
    if known is None or (known.stream is None and track.stream):
        connection.tracks[track.id] = Offer(track.kind, track.stream, at if known is None else known.at)
    return Tracks(track.stream, [(track.kind, track.id)])


def _added(connection: Connection, track: Track | None, at: float | None) -> Tracks:
    if track is None:
        return Tracks(None, [])
    if at is not None:
        connection.added.setdefault(track.id, at)
    return Tracks(track.stream, [(track.kind, track.id)])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
