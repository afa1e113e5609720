"""The telemetry of one trace, under names that the traces of other participants of the same conference use, too.

call: the room's name. participant: the endpoint id, which Jitsi gives anew whenever a page joins. connection: participant and the
trace's name for it. stream: see ``jitsi.stream_id``; where nothing names it, the receiver's connection and the SSRC. subscriber:
connection and stream. A publisher whom nothing names is, in p2p, the peer of that connection, else the call's one ``unknown``.

What a client says of itself has version 1, and what it says of others version 0, so that each stands for its own.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from callscope.sources.jitsi import MIXED, Label, stream_id
from callscope.sources.rtcstats_dump import Connection, Dump, Happening
from callscope.sources.sample_blocks import Block
from callscope.sources.user_agent import system
from callscope.sources.webrtc_counters import text
from callscope.sources.webrtc_events import clean
from callscope.sources.webrtc_flows import Flow, totals
from callscope.telemetry import (
    CallRecord,
    EventRecord,
    MediaDevice,
    ParticipantRecord,
    SamplesRecord,
    StreamRecord,
    SubscriberRecord,
    Telemetry,
    WarningRecord,
    from_milliseconds,
)
from callscope.vocabulary import DataWarningKind, EndpointKind, MediaMode, Platform

MAX_HELD_POINTS = 2_000_000
"""Points that wait for the trace to name itself; after as many, it is named without."""
MAX_ID = 512
MAX_DEVICES = 100
OWN, HEARSAY = 1, 0


class Names(NamedTuple):
    stream_id: str
    participant_id: str
    kind: EndpointKind | None = None


class Records:
    """Turns what a dump has collected into records, in parts: full blocks of samples as they come, the rest at the end."""

    def __init__(self, dump: Dump, call_id: str | None) -> None:
        self._dump = dump
        self._given_call_id = call_id
        self._ids: tuple[str, str] | None = None
        self._names: dict[Flow, Names] = {}

    def ready(self) -> Iterator[Telemetry]:
        blocks = self._dump.blocks
        if blocks.has_full and (self._ids or self._is_identified or blocks.held > MAX_HELD_POINTS):
            yield from map(self._samples, blocks.take_full())

    def rest(self) -> Iterator[Telemetry]:
        yield self._call()
        yield self._participant()
        strangers: dict[str, EndpointKind | None] = {}
        for connection in self._dump.connections.values():
            yield connection.life.record(self.call_id, self._connection_id(connection), self.participant_id)
            for flow in connection.flows:
                yield from self._flow(connection, flow)
                names = self._named(connection, flow)
                strangers[names.participant_id] = names.kind
        strangers.pop(self.participant_id, None)
        for participant_id, kind in strangers.items():
            yield ParticipantRecord(call_id=self.call_id, participant_id=participant_id, kind=kind)
        if restarts := sum(connection.meter.restarts for connection in self._dump.connections.values()):
            yield WarningRecord(
                call_id=self.call_id,
                kind=DataWarningKind.COUNTER_RESET,
                message=f"{restarts} times counters of a stream began again; the intervals in which they did are left out.",
                participant_id=self.participant_id,
            )
        yield from map(self._event, self._dump.happenings)
        yield from map(self._samples, self._dump.blocks.take_all())

    @property
    def call_id(self) -> str:
        return self._fixed_ids()[0]

    @property
    def participant_id(self) -> str:
        return self._fixed_ids()[1]

    @property
    def _is_identified(self) -> bool:
        identity = self._dump.identity
        return identity.endpoint is not None and bool(self._given_call_id or identity.conference)

    def _fixed_ids(self) -> tuple[str, str]:
        if self._ids is None:
            # From here on the names stand, whatever the trace may still say.
            identity, otherwise = self._dump.identity, f"rtcstats-{self._dump.digest}"
            call_id = self._given_call_id or identity.conference or otherwise
            self._ids = _identifier(call_id), _identifier(identity.endpoint or otherwise)
        return self._ids

    def _connection_id(self, connection: Connection) -> str:
        return _identifier(self.participant_id, connection.name)

    def _subscriber_id(self, connection: Connection, flow: Flow) -> str:
        return _identifier(self._connection_id(connection), self._named(connection, flow).stream_id)

    def _named(self, connection: Connection, flow: Flow) -> Names:
        if flow not in self._names:
            name = self._name_sent if flow.is_sent else self._name_received
            self._names[flow] = name(connection, flow)
        return self._names[flow]

    def _name_sent(self, connection: Connection, flow: Flow) -> Names:
        named = stream_id(self._dump.identity.endpoint, flow.kind, flow.index, connection.counter, flow.track)
        return Names(
            _identifier(named) if named else _identifier(self._connection_id(connection), f"{flow.kind}-{flow.index}"),
            self.participant_id,
        )

    def _name_received(self, connection: Connection, flow: Flow) -> Names:
        here = self._connection_id(connection)
        if flow.label == MIXED:
            return Names(_identifier(here, f"bridge-{flow.kind}"), "bridge", EndpointKind.SERVER)
        label = Label.of(flow.label or "")
        owner = next((self._dump.owners[ssrc] for ssrc in sorted(flow.ssrcs) if ssrc in self._dump.owners), None)
        endpoint = label.endpoint if label else owner or (connection.peer if connection.is_p2p else None)
        if label:
            stream = _identifier(str(label))
        elif flow.label and flow.track:
            stream = _identifier(flow.track)
        else:
            stream = _identifier(here, f"{flow.kind}-{min(flow.ssrcs)}")
        if endpoint is None:
            return Names(stream, _identifier(here, "peer") if connection.is_p2p else "unknown")
        return Names(stream, _identifier(endpoint))

    def _call(self) -> CallRecord:
        """Routed or relayed is whichever way carried more, or, where nothing was counted, was connected."""
        carried = {True: 0.0, False: 0.0}
        for connection in self._dump.connections.values():
            if connection.is_p2p is not None:
                carried[connection.is_p2p] += sum(flow.bytes for flow in connection.flows)
                carried[connection.is_p2p] += connection.life.connected_at is not None
        mode = None
        if any(carried.values()):
            mode = MediaMode.RELAYED if carried[True] > carried[False] else MediaMode.ROUTED
        # Two who talked directly do not gainsay a third who needed the bridge.
        version = OWN if mode is MediaMode.ROUTED else HEARSAY
        return CallRecord(call_id=self.call_id, version=version, platform=Platform.JITSI, media_mode=mode)

    def _participant(self) -> ParticipantRecord:
        identity = self._dump.identity
        user_agent = _short(identity.info.get("userAgent"), 1000)
        devices = [MediaDevice(kind=kind, label=clean(label), is_selected=True) for kind, label in self._dump.devices]
        return ParticipantRecord(
            call_id=self.call_id,
            version=OWN,
            participant_id=self.participant_id,
            display_name=_short(identity.facts.get("displayName"), 300),
            kind=EndpointKind.BROWSER,
            system=system(user_agent) if user_agent else None,
            sdk=identity.sdk,
            user_agent=user_agent,
            devices=devices[:MAX_DEVICES] or None,
        )

    def _flow(self, connection: Connection, flow: Flow) -> Iterator[Telemetry]:
        names, connection_id = self._named(connection, flow), self._connection_id(connection)
        started, ended = flow.started_at, flow.last_at
        if connection.measured_at == flow.last_at:
            ended = connection.life.ending[0] or ended
        attempted_at = from_milliseconds(flow.offered_at) if flow.offered_at is not None else None
        started_at = from_milliseconds(started) if started is not None else None
        ended_at = from_milliseconds(max(started, ended)) if started is not None else None
        yield StreamRecord(
            call_id=self.call_id,
            version=OWN if flow.is_sent else HEARSAY,
            stream_id=names.stream_id,
            connection_id=connection_id if flow.is_sent else None,
            participant_id=names.participant_id,
            source=flow.source,
            has_audio=flow.kind == "audio",
            has_video=flow.kind == "video",
            is_scalable=flow.is_scalable if flow.is_sent else None,
            audio_codec=flow.codec if flow.kind == "audio" else None,
            video_codec=flow.codec if flow.kind == "video" else None,
            attempted_at=attempted_at,
            # Another's stream was there when it was offered, whether or not anything of it arrived.
            published_at=started_at if flow.is_sent else attempted_at,
            unpublished_at=ended_at,
        )
        if flow.is_sent:
            yield from flow.totals(call_id=self.call_id, version=OWN, stream_id=names.stream_id)
            return
        subscriber_id = self._subscriber_id(connection, flow)
        yield SubscriberRecord(
            call_id=self.call_id,
            version=OWN,
            subscriber_id=subscriber_id,
            stream_id=names.stream_id,
            connection_id=connection_id,
            participant_id=self.participant_id,
            attempted_at=attempted_at,
            subscribed_at=started_at,
            ended_at=ended_at,
        )
        yield from flow.totals(call_id=self.call_id, version=OWN, subscriber_id=subscriber_id)
        for ssrc in flow.ssrcs:
            if sent := connection.told_by_sender.get(ssrc):
                subject: dict[str, Any] = {"call_id": self.call_id, "version": HEARSAY, "stream_id": names.stream_id}
                yield totals(sent, sent.at, flow.media, ssrc=ssrc, **subject)

    def _event(self, happening: Happening) -> EventRecord:
        name, told, at, connection, flow = happening
        return EventRecord(
            call_id=self.call_id,
            at=from_milliseconds(at),
            category=told.category,
            name=clean(name) or "unnamed",
            severity=told.severity,
            outcome=told.outcome,
            code=told.code,
            message=told.message,
            payload=told.payload,
            participant_id=self.participant_id,
            connection_id=None if connection is None else self._connection_id(connection),
            stream_id=None if connection is None or flow is None else self._named(connection, flow).stream_id,
        )

    def _samples(self, block: Block[tuple[Connection, Flow | None]]) -> SamplesRecord:
        connection, flow = block.subject
        subject: dict[str, Any] = {}
        if flow is not None:
            subject["stream_id"] = self._named(connection, flow).stream_id
            if not flow.is_sent:
                subject["subscriber_id"] = self._subscriber_id(connection, flow)
        return SamplesRecord(
            call_id=self.call_id,
            metric=block.metric,
            media=block.media,
            direction=block.direction,
            participant_id=self.participant_id,
            connection_id=self._connection_id(connection),
            times=block.times.tolist(),
            values=block.values.tolist(),
            **subject,
        )


def _short(value: Any, length: int) -> str | None:
    return (text(value) or "").replace("\x00", "")[:length] or None


def _identifier(*parts: str) -> str:
    """The parts as one id, in which those of a foreign file may be as long and odd as they like."""
    whole = "/".join(part.replace("\x00", "") for part in parts) or "unnamed"
    if len(whole) <= MAX_ID:
        return whole
    return f"{whole[: MAX_ID - 17]}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}"
