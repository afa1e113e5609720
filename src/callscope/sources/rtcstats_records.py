"""The telemetry of one trace, under names that the traces of other participants of the same conference use, too.

call: the room's name. participant: the endpoint id, which Jitsi gives anew whenever a page joins. connection: participant and the
trace's name for it. stream: see ``jitsi.stream_id``; where nothing names it, the receiver's connection and the SSRC. subscriber:
connection and stream. A publisher whom nothing names is, in p2p, the peer of that connection, else the call's one ``unknown``.
"""

from collections.abc import Iterator

from callscope.sources import webrtc_records
from callscope.sources.jitsi import MIXED, NOBODY, Label, stream_id
from callscope.sources.rtcstats_dump import Dump
from callscope.sources.user_agent import system
from callscope.sources.webrtc_flows import Flow
from callscope.sources.webrtc_records import HEARSAY, OWN, Names, identifier, short
from callscope.sources.webrtc_trace import Connection
from callscope.telemetry import CallRecord, ParticipantRecord, Telemetry
from callscope.vocabulary import EndpointKind, MediaMode, Platform

MAX_HELD_POINTS = 2_000_000
"""Points that wait for the trace to name itself; after as many, it is named without."""


class Records(webrtc_records.Records):
    """The records of one trace. Its names are settled when the first record is asked for."""

    def __init__(self, dump: Dump, call_id: str | None) -> None:
        super().__init__(dump)
        self._dump = dump
        self._given_call_id = call_id
        self._ids: tuple[str, str] | None = None

    def ready(self) -> Iterator[Telemetry]:
        blocks = self._dump.blocks
        if blocks.has_full and (self._ids or self._is_identified or blocks.held > MAX_HELD_POINTS):
            yield from self.full_blocks()

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
            self._ids = identifier(call_id), identifier(identity.endpoint or otherwise)
        return self._ids

    def name(self, connection: Connection, flow: Flow) -> Names:
        return self._name_sent(connection, flow) if flow.is_sent else self._name_received(connection, flow)

    def _name_sent(self, connection: Connection, flow: Flow) -> Names:
        named = stream_id(self._dump.identity.endpoint, flow.kind, flow.index, connection.counter, flow.track)
        return Names(
            identifier(named) if named else identifier(self.connection_id(connection), f"{flow.kind}-{flow.index}"),
            self.participant_id,
        )

    def _name_received(self, connection: Connection, flow: Flow) -> Names:
        here = self.connection_id(connection)
        if flow.label == MIXED:
            return Names(identifier(here, f"bridge-{flow.kind}"), "bridge", EndpointKind.SERVER)
        label = Label.of(flow.label or "")
        owner = next((self._dump.owners[ssrc] for ssrc in sorted(flow.ssrcs) if ssrc in self._dump.owners), None)
        endpoint = label.endpoint if label else owner or (connection.peer if connection.is_p2p else None)
        if label:
            stream = identifier(str(label))
        elif flow.label and flow.track:
            stream = identifier(flow.track)
        else:
            stream = identifier(here, f"{flow.kind}-{min(flow.ssrcs)}")
        if endpoint is None:
            return Names(stream, identifier(here, "peer") if connection.is_p2p else NOBODY)
        return Names(stream, identifier(endpoint))

    def others(self) -> Iterator[ParticipantRecord]:
        connections = self._dump.connections.values()
        names = [self.named(connection, flow) for connection in connections for flow in connection.flows]
        strangers = {name.participant_id: name.kind for name in names if name.participant_id != self.participant_id}
        for participant_id, kind in strangers.items():
            yield ParticipantRecord(call_id=self.call_id, participant_id=participant_id, kind=kind)

    def call(self) -> CallRecord:
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

    def participant(self) -> ParticipantRecord:
        identity = self._dump.identity
        user_agent = short(identity.info.get("userAgent"), 1000)
        return ParticipantRecord(
            call_id=self.call_id,
            version=OWN,
            participant_id=self.participant_id,
            display_name=short(identity.facts.get("displayName"), 300),
            kind=EndpointKind.BROWSER,
            address=self._dump.address,
            system=system(user_agent) if user_agent else None,
            sdk=identity.sdk,
            user_agent=user_agent,
            devices=self.devices,
        )
