"""From what a trace has collected to telemetry records. How call, clients and streams are called, each format says itself.

What a client says of itself has version 1, and what it says of others version 0, so that each stands for its own. Where the
clock of a client was wrong, records tell when it was, and an event's payload the client's time as ``clientTime``, milliseconds.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

from callscope.sources import Refusal, SourceError
from callscope.sources.refusal_codes import RefusalCode
from callscope.sources.sample_blocks import Block
from callscope.sources.webrtc_counters import text
from callscope.sources.webrtc_events import clean
from callscope.sources.webrtc_flows import Flow, totals
from callscope.sources.webrtc_trace import Connection, Happening, Trace
from callscope.telemetry import (
    CallRecord,
    ConnectionRecord,
    EventRecord,
    MediaDevice,
    ParticipantRecord,
    SamplesRecord,
    StreamRecord,
    SubscriberRecord,
    Telemetry,
    WarningRecord,
)
from callscope.vocabulary import DataWarningKind, EndpointKind

MAX_ID = 512
MAX_DEVICES = 100
MAX_NAMED = 5
"""Connections that a warning names."""
OWN, HEARSAY = 1, 0
YEARS = "years 2000 to 2099"
CUT_OFF = "The dump is cut off: what came later is not in it."


class Names(NamedTuple):
    stream_id: str
    participant_id: str
    kind: EndpointKind | None = None


class Records(ABC):
    """Turns what a trace has collected into records, in parts: full blocks of samples as they come, the rest at the end."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._names: dict[Flow, Names] = {}
        self._is_placed = False
        """Whether anything has had a time that telemetry knows."""
        self._lost = 0
        """Events and values that have none."""

    # What each format says itself.

    @property
    @abstractmethod
    def call_id(self) -> str:
        """The call that all records are of."""

    @property
    @abstractmethod
    def participant_id(self) -> str:
        """The client whose trace it is."""

    @abstractmethod
    def call(self) -> CallRecord: ...

    @abstractmethod
    def participant(self) -> ParticipantRecord: ...

    @abstractmethod
    def name(self, connection: Connection, flow: Flow) -> Names:
        """The stream of a flow, and who publishes it. Asked once."""

    def connection(self, connection: Connection) -> ConnectionRecord:
        return connection.life.record(self.call_id, self.connection_id(connection), self.participant_id, self._trace.clock)

    def others(self) -> Iterator[ParticipantRecord]:
        """Participants whom this client only heard of."""
        return iter(())

    # What is the same for all.

    def full_blocks(self) -> Iterator[Telemetry]:
        self._trace.set_clock()
        yield from filter(None, map(self._samples, self._trace.blocks.take_full()))

    def rest(self) -> Iterator[Telemetry | Refusal]:
        self._trace.set_clock()
        self._check_times()
        yield self.call()
        yield self.participant()
        for connection in self._trace.connections.values():
            yield self.connection(connection)
            for flow in connection.flows:
                yield from self._flow(connection, flow)
        yield from self.others()
        if restarts := sum(connection.meter.restarts for connection in self._trace.connections.values()):
            often = "once" if restarts == 1 else f"{restarts} times"
            told = f"Counters of a stream began again, {often}; the intervals in which they did are left out."
            yield self.warning(DataWarningKind.COUNTER_RESET, told)
        for fault in self._trace.clock_faults:
            yield self.warning(DataWarningKind.CLOCK_REPAIRED, fault)
        yield from filter(None, map(self._event, self._trace.happenings))
        yield from filter(None, map(self._samples, self._trace.blocks.take_all()))
        if untimed := self._trace.untimed:
            yield Refusal(0, "timestamp", RefusalCode.TIME_MISSING, f"{untimed} events do not tell when they happened")
        if self._lost:
            told = f"{self._lost} events and values lie outside of the {YEARS}, by their client's clock"
            yield Refusal(0, "timestamp", RefusalCode.TIME_INVALID, told)

    def _check_times(self) -> None:
        """Raises SourceError where a clock is so wrong that nothing could be placed, and nothing tells the right time."""
        clock = self._trace.clock
        times = [connection.life.first_at for connection in self._trace.connections.values()]
        times += [happening.at for happening in self._trace.happenings]
        if any(times) and not self._is_placed and not any(at is not None and clock.aligned(at) for at in times):
            told = f"all of the dump lies outside of the {YEARS}, by its client's clock, and nothing in it tells the right time"
            raise SourceError(told, code=RefusalCode.TIME_INVALID)

    def truncation(self, cut: Refusal | None = None) -> Iterator[WarningRecord | Refusal]:
        """A recording that goes on to the end should tell the end of each connection that came about; one that is cut cannot."""
        if cut is not None:
            yield cut
            yield self.warning(DataWarningKind.TRUNCATED, CUT_OFF)
            return
        lives = {connection.name: connection.life for connection in self._trace.connections.values()}
        still_up = [
            clean(name) for name, life in lives.items() if life.connected_at is not None and life.ending[1] == "dump ended"
        ]
        if still_up:
            told = f"The dump ends while connected ({', '.join(map(str, still_up[:MAX_NAMED]))}): what came later is not in it."
            yield self.warning(DataWarningKind.TRUNCATED, told)

    def warning(self, kind: DataWarningKind, message: str) -> WarningRecord:
        return WarningRecord(call_id=self.call_id, kind=kind, message=message, participant_id=self.participant_id)

    def connection_id(self, connection: Connection) -> str:
        return identifier(self.participant_id, connection.name)

    def named(self, connection: Connection, flow: Flow) -> Names:
        if flow not in self._names:
            self._names[flow] = self.name(connection, flow)
        return self._names[flow]

    @property
    def devices(self) -> list[MediaDevice] | None:
        known = self._trace.devices.items()
        devices = [MediaDevice(kind=kind, label=clean(label), is_selected=selected) for (kind, label), selected in known]
        return devices[:MAX_DEVICES] or None

    def _subscriber_id(self, connection: Connection, flow: Flow) -> str:
        return identifier(self.connection_id(connection), self.named(connection, flow).stream_id)

    def _flow(self, connection: Connection, flow: Flow) -> Iterator[Telemetry]:
        names, connection_id = self.named(connection, flow), self.connection_id(connection)
        started, ended = flow.started_at, flow.last_at
        if connection.measured_at == flow.last_at:
            ended = connection.life.ending[0] or ended
        clock = self._trace.clock
        attempted_at, started_at = clock.instant(flow.offered_at), clock.instant(started)
        ended_at = clock.instant(max(started, ended)) if started is not None else None
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
            audio_dtx=flow.last("has_dtx") if flow.kind == "audio" else None,
            audio_fec=flow.last("has_fec") if flow.kind == "audio" else None,
            attempted_at=attempted_at,
            # Another's stream was there when it was offered, whether or not anything of it arrived.
            published_at=started_at if flow.is_sent else attempted_at,
            unpublished_at=ended_at,
        )
        if flow.is_sent:
            yield from flow.totals(clock, call_id=self.call_id, version=OWN, stream_id=names.stream_id)
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
        yield from flow.totals(clock, call_id=self.call_id, version=OWN, subscriber_id=subscriber_id)
        for ssrc in flow.ssrcs:
            if sent := connection.told_by_sender.get(ssrc):
                subject: dict[str, Any] = {"call_id": self.call_id, "version": HEARSAY, "stream_id": names.stream_id}
                yield totals(sent, clock.instant(sent.at), flow.media, ssrc=ssrc, **subject)

    def _event(self, happening: Happening) -> EventRecord | None:
        name, told, page_at, connection, flow, moved = happening
        at = self._trace.clock.instant(page_at)
        if at is None:
            self._lost += 1
            return None
        payload = told.payload
        if moved or self._trace.clock.shift:
            said = payload if isinstance(payload, dict) else {} if payload is None else {"value": payload}
            payload = said | {"clientTime": round(page_at - moved, 3)}
        return EventRecord(
            call_id=self.call_id,
            at=at,
            category=told.category,
            name=clean(name) or "unnamed",
            severity=told.severity,
            outcome=told.outcome,
            code=told.code,
            message=told.message,
            payload=payload,
            participant_id=self.participant_id,
            connection_id=None if connection is None else self.connection_id(connection),
            stream_id=None if connection is None or flow is None else self.named(connection, flow).stream_id,
        )

    def _samples(self, block: Block[tuple[Connection, Flow | None]]) -> SamplesRecord | None:
        connection, flow = block.subject
        clock = self._trace.clock
        subject: dict[str, Any] = {}
        if flow is not None:
            subject["stream_id"] = self.named(connection, flow).stream_id
            if not flow.is_sent:
                subject["subscriber_id"] = self._subscriber_id(connection, flow)
        points = [(at, value) for time, value in zip(block.times, block.values, strict=True) if (at := clock.aligned(time))]
        self._lost += len(block.times) - len(points)
        if not points:
            return None
        self._is_placed = True
        return SamplesRecord(
            call_id=self.call_id,
            metric=block.metric,
            media=block.media,
            direction=block.direction,
            participant_id=self.participant_id,
            connection_id=self.connection_id(connection),
            times=[at for at, _ in points],
            values=[value for _, value in points],
            **subject,
        )


def short(value: Any, length: int) -> str | None:
    return (text(value) or "").replace("\x00", "")[:length] or None


def identifier(*parts: str) -> str:
    """The parts as one id, in which those of a foreign file may be as long and odd as they like."""
    whole = "/".join(part.replace("\x00", "") for part in parts) or "unnamed"
    if len(whole) <= MAX_ID:
        return whole
    return f"{whole[: MAX_ID - 17]}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}"
