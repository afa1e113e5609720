"""What one peer connection sends of each source and receives of each stream, put together from its SSRCs.

Simulcast layers are one flow, and a flow lives through changes of SSRC and track. Times are milliseconds since the Unix epoch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from callscope.sources.client_clock import ClientClock
from callscope.sources.webrtc_counters import Rtp, Snapshot
from callscope.telemetry import TotalsRecord
from callscope.vocabulary import Media, StreamSource


@dataclass(slots=True)
class Tally:
    """The last counters of one SSRC, and the mean of its round trips."""

    rtp: Rtp
    at: float
    round_trips: int = 0
    round_trip_sum: float = 0

    def add(self, rtp: Rtp, at: float) -> None:
        if rtp.round_trip_ms is not None and (not self.round_trips or rtp.judged_at > self.rtp.judged_at):
            self.round_trips += 1
            self.round_trip_sum += rtp.round_trip_ms
        self.rtp, self.at = rtp, at


@dataclass(eq=False, slots=True)
class Flow:
    """One source that is sent, or one stream that is received."""

    kind: str
    is_sent: bool
    index: int = 0
    """Among the flows of its kind and direction, in the order in which they appeared."""
    label: str | None = None
    """The msid of the stream, if told."""
    track: str | None = None
    """The id of the first track."""
    section: str | None = None
    tracks: set[str] = field(default_factory=set)
    ssrcs: set[int] = field(default_factory=set)
    is_screen: bool | None = None
    is_scalable: bool = False
    offered_at: float | None = None
    started_at: float | None = None
    last_at: float = 0
    limitation: str = "none"
    had_source: bool = False
    """Whether its sender ever had a track, as far as statistics tell."""
    is_paused: bool = False
    tallies: dict[tuple[Media, int], Tally] = field(default_factory=dict)

    @property
    def media(self) -> Media:
        if self.kind == "audio":
            return Media.AUDIO
        return Media.SCREEN if self.is_screen else Media.VIDEO

    @property
    def source(self) -> StreamSource | None:
        if self.kind == "audio":
            return StreamSource.AUDIO_ONLY
        return None if self.is_screen is None else StreamSource.SCREEN if self.is_screen else StreamSource.CAMERA

    @property
    def codec(self) -> str | None:
        codec: str | None = self.last("codec")
        return codec

    def last(self, name: str) -> Any:
        """What the SSRC that came last tells of something, of those that tell it."""
        told = (getattr(tally.rtp, name) for tally in reversed(self.tallies.values()))
        return next((value for value in told if value is not None), None)

    @property
    def bytes(self) -> float:
        return sum(tally.rtp.bytes or 0 for tally in self.tallies.values())

    def count(self, rtp: Rtp, at: float) -> None:
        self.ssrcs.add(rtp.ssrc)
        if rtp.track:
            self.track = self.track or rtp.track
            self.tracks.add(rtp.track)
        self.section = self.section or rtp.section
        self.is_screen = True if rtp.is_screen and self.is_screen is None else self.is_screen
        self.offered_at = at if self.offered_at is None else self.offered_at
        if rtp.packets and self.started_at is None:
            self.started_at = at
        self.last_at = at
        self.had_source = self.had_source or rtp.has_source is True
        self.is_scalable = self.is_scalable or rtp.is_scalable or (self.is_sent and len(self.ssrcs) > 1)
        key = (self.media, rtp.ssrc)
        if key not in self.tallies:
            self.tallies[key] = Tally(rtp, at)
        self.tallies[key].add(rtp, at)

    def is_idle(self, rtp: Rtp) -> bool:
        """Whether nothing is to be expected of one of its layers: switched off, or without a track, left so or from the start."""
        is_empty = self.started_at is None and not self.tracks
        return rtp.is_active is False or is_empty or (rtp.has_source is False and self.had_source)

    def totals(self, clock: ClientClock, **subject: Any) -> Iterator[TotalsRecord]:
        """One record for each medium and SSRC that carried anything. Old Chrome's list those that carried nothing, too."""
        for (media, ssrc), tally in self.tallies.items():
            if tally.rtp.packets or tally.rtp.is_legacy:
                round_trip = tally.round_trip_sum / tally.round_trips if tally.round_trips else None
                yield totals(tally.rtp, clock.instant(tally.at), media, ssrc=ssrc, round_trip_time_ms=round_trip, **subject)


@dataclass(slots=True)
class Flows:
    """The flows of one peer connection."""

    sent: list[Flow] = field(default_factory=list)
    received: list[Flow] = field(default_factory=list)
    _of_ssrc: dict[tuple[bool, int], Flow] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Flow]:
        yield from self.sent
        yield from self.received

    def find(self, rtp: Rtp) -> Flow | None:
        return self._of_ssrc.get((rtp.is_sent, rtp.ssrc))

    def of_sent(self, rtp: Rtp, snapshot: Snapshot) -> Flow:
        """The source that an SSRC belongs to: the one of its section or track, or one whose SSRCs have all gone."""
        flow = self.find(rtp)
        if flow is None:
            living = {other.ssrc for other in snapshot.rtps if other.is_sent}
            akin = [flow for flow in self.sent if flow.kind == rtp.kind]
            # Where a browser tells neither section nor track, all layers of a kind are taken for one source.
            is_nameless = rtp.section is None and rtp.track is None
            same = (
                [flow for flow in akin if rtp.section is not None and flow.section == rtp.section]
                or [flow for flow in akin if rtp.track in flow.tracks or is_nameless]
                or [flow for flow in akin if not flow.ssrcs & living]
            )
            flow = same[0] if same else Flow(rtp.kind, is_sent=True, index=len(akin))
            if not same:
                self.sent.append(flow)
            self._of_ssrc[True, rtp.ssrc] = flow
        return flow

    def of_received(self, rtp: Rtp, label: str | None) -> Flow:
        """The stream that an SSRC belongs to: the one of its label, or, where no label is known, one of its own."""
        flow = self.find(rtp)
        if flow is None:
            same = [flow for flow in self.received if label is not None and flow.kind == rtp.kind and flow.label == label]
            flow = same[0] if same else Flow(rtp.kind, is_sent=False, label=label)
            if not same:
                self.received.append(flow)
            self._of_ssrc[False, rtp.ssrc] = flow
        flow.label = flow.label or label
        return flow


def totals(
    rtp: Rtp, at: datetime | None, media: Media, *, round_trip_time_ms: float | None = None, **subject: Any
) -> TotalsRecord:
    """Counters as they stand. Loss is in percent of the packets expected: those sent, or those received and lost."""
    received = None if rtp.packets is None else max(rtp.packets, 0)
    expected = received if rtp.is_sent or received is None else received + max(rtp.lost or 0, 0)
    return TotalsRecord(
        media=media,
        at=at,
        codec=rtp.codec,
        packets=received,
        packets_lost=rtp.lost,
        packet_loss_percent=None if rtp.lost is None or not expected else min(100 * max(rtp.lost, 0) / expected, 100),
        bytes=rtp.bytes,
        concealed_percent=None if rtp.concealed is None or not rtp.samples else 100 * min(rtp.concealed / rtp.samples, 1),
        frames_dropped=rtp.frames_dropped,
        freeze_seconds=rtp.freeze_seconds,
        round_trip_time_ms=round_trip_time_ms,
        **subject,
    )
