"""Values of intervals, from the counters of consecutive getStats calls.

Compared are consecutive counters of one SSRC. A counter that falls has restarted, and the interval is left out; so are counters
whose own time has not advanced: they are stale; and an interval in which the page slept. Fewer values are better than false ones.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from callscope.sources.webrtc_counters import Rtp, Snapshot
from callscope.vocabulary import Metric

LIMITATIONS = ("cpu", "bandwidth", "other", "none")
"""Why a sender lowers quality, what weighs most first."""

SsrcKey = tuple[bool, int]
"""Whether it is sent, and the SSRC."""
LONGEST_INTERVAL = 120_000
"""Milliseconds. Pages poll every one to sixty seconds; one that did not for longer slept, which says nothing of quality."""


@dataclass(slots=True)
class Change:
    """What one SSRC's counters grew by. None is what cannot be told."""

    rtp: Rtp
    seconds: float
    packets: float | None
    bytes: float | None
    frames: float | None
    frames_dropped: float | None
    freeze_seconds: float | None
    freezes: float | None
    buffer_seconds: float | None
    buffered: float | None
    concealed: float | None
    samples: float | None
    stretched: float | None
    decode_seconds: float | None
    key_frame_requests: float | None
    energy: float | None
    energy_seconds: float | None
    lost: float | None = None
    expected: float | None = None
    is_judged: bool = False
    """Whether jitter and round trip are news."""


@dataclass(slots=True)
class Meter:
    """Follows the counters of one peer connection."""

    restarts: int = 0
    """How often counters began again."""
    restarted: set[SsrcKey] = field(default_factory=set)
    """Whose did with the last snapshot."""
    is_stale: bool = False
    """Whether nothing in the last snapshot was newer than the one before."""
    _at: float = 0
    _counters: dict[SsrcKey, tuple[Rtp, Rtp]] = field(default_factory=dict)
    """Of each SSRC the counters before, and those that the last judgement of its losses was about."""
    _heard: dict[SsrcKey, float] = field(default_factory=dict)

    def advance(self, snapshot: Snapshot) -> dict[SsrcKey, Change]:
        """The change of each SSRC since the snapshot before. One without news is left out."""
        if snapshot.at < self._at:
            # The clock went back: nothing before can be compared with anything after.
            self.forget()
        self._at = snapshot.at
        self.restarted.clear()
        before, self._counters = self._counters, {}
        changes: dict[SsrcKey, Change] = {}
        stale = 0
        for rtp in snapshot.rtps:
            key = (rtp.is_sent, rtp.ssrc)
            previous, judged = before.get(key, (None, rtp))
            if previous is None or rtp.at - previous.at > LONGEST_INTERVAL:
                self._counters[key] = rtp, rtp
            elif _has_restarted(previous, rtp):
                self._counters[key] = rtp, rtp
                self.restarts += 1
                self.restarted.add(key)
            elif rtp.at <= previous.at:
                self._counters[key] = previous, judged
                stale += 1
            else:
                changes[key] = change = _change(previous, rtp)
                self._counters[key] = rtp, _judge(change, judged)
        self.is_stale = 0 < stale == len(snapshot.rtps)
        return changes

    def forget(self) -> None:
        """Compare nothing to come with anything before."""
        self._counters.clear()
        self._heard.clear()

    def round_trip_ms(self, snapshot: Snapshot) -> float | None:
        """Of the connection: the selected pair's, or, where the browser does not measure it, the mean of what receivers told."""
        if snapshot.path and snapshot.path.round_trip_ms is not None:
            return snapshot.path.round_trip_ms
        told = []
        for rtp in snapshot.rtps:
            key = (rtp.is_sent, rtp.ssrc)
            if rtp.round_trip_ms is not None and rtp.judged_at > self._heard.get(key, 0):
                self._heard[key] = rtp.judged_at
                told.append(rtp.round_trip_ms)
        return sum(told) / len(told) if told else None


def _judge(change: Change, base: Rtp) -> Rtp:
    """Fill in the losses where they are news since ``base``. Returns the base of the next judgement."""
    rtp = change.rtp
    if rtp.judged_at <= base.judged_at:
        return base
    change.is_judged = True
    if rtp.lost is not None and base.lost is not None:
        # Packets given up as lost may still come: RFC 3550 then takes them back.
        change.lost = max(rtp.lost - base.lost, 0)
        packets = _growth(base.packets, rtp.packets)
        if packets is not None:
            change.expected = packets if rtp.is_sent else packets + change.lost
    return rtp


def interval(changes: list[Change]) -> dict[Metric, float]:
    """The values of one stream in one direction, whose layers (simulcast) are the given changes; at least one."""
    values: dict[Metric, float | None] = {
        Metric.BITRATE: _rate((change.bytes, change.seconds) for change in changes),
        Metric.PACKETS_PER_SECOND: _rate((change.packets, change.seconds) for change in changes),
        Metric.PACKET_LOSS: _share([(change.lost, change.expected) for change in changes]),
        Metric.FREEZE_DURATION: _sum(change.freeze_seconds for change in changes),
        Metric.FREEZE_COUNT: _sum(change.freezes for change in changes),
        Metric.FRAMES_DROPPED: _sum(change.frames_dropped for change in changes),
        Metric.KEY_FRAME_REQUESTS: _rate((change.key_frame_requests, change.seconds) for change in changes),
    }
    for metric, factor in ((Metric.BITRATE, 8), (Metric.PACKET_LOSS, 100), (Metric.FREEZE_DURATION, 1000)):
        if (value := values[metric]) is not None:
            values[metric] = value * factor
    main = max(changes, key=lambda change: change.packets or 0)
    if main.rtp.is_sent or main.packets:
        values[Metric.AUDIO_LEVEL] = _loudness(main)
    if main.is_judged and main.packets:
        values[Metric.JITTER] = main.rtp.jitter_ms
        values[Metric.ROUND_TRIP_TIME] = main.rtp.round_trip_ms
    # Without packets a stream is as likely muted as starved: its silence is no concealment, and its last picture has no size.
    if flowing := [change for change in changes if change.packets]:
        values[Metric.JITTER_BUFFER_DELAY] = _buffer_ms(main)
        values[Metric.CONCEALED_RATIO] = _share([(change.concealed, change.samples) for change in flowing])
        values[Metric.STRETCHED_RATIO] = _share([(change.stretched, change.samples) for change in flowing])
        values |= _pictures(flowing)
    return {metric: value for metric, value in values.items() if value is not None and math.isfinite(value)}


def limitation(changes: list[Change]) -> str | None:
    """Why the layers that flow are held down: the weightiest reason, or None where the browser does not tell."""
    reasons = {change.rtp.limitation for change in changes if change.packets}
    return next((reason for reason in LIMITATIONS if reason in reasons), None)


def _pictures(flowing: list[Change]) -> dict[Metric, float | None]:
    # A browser leaves out the rate and size of a layer that stands still, which a dump of differences cannot say.
    moving = [change for change in flowing if change.frames or (change.frames is None and change.rtp.frame_rate)]
    largest = max(moving or flowing, key=lambda change: change.rtp.height or 0)
    reason = limitation(flowing)
    return {
        Metric.FRAME_RATE: max((rate for change in flowing if (rate := _frame_rate(change)) is not None), default=None),
        Metric.DECODE_TIME: _decode_ms(flowing),
        Metric.FRAME_WIDTH: (largest.rtp.width or None) if moving else None,
        Metric.FRAME_HEIGHT: (largest.rtp.height or None) if moving else None,
        Metric.QUALITY_LIMITATION: None if reason is None else float(reason in {"cpu", "bandwidth"}),
    }


def _frame_rate(change: Change) -> float | None:
    # Encoders count a frame for each spatial layer.
    if change.frames is None or (change.rtp.is_sent and change.frames and change.rtp.frame_rate):
        return change.rtp.frame_rate
    return change.frames / change.seconds


def _decode_ms(flowing: list[Change]) -> float | None:
    told = [(change.decode_seconds, change.frames) for change in flowing if change.decode_seconds is not None and change.frames]
    return 1000 * sum(seconds for seconds, _ in told) / sum(frames for _, frames in told) if told else None


def _buffer_ms(change: Change) -> float | None:
    if change.buffer_seconds is None or not change.buffered:
        return change.rtp.buffer_ms
    return change.buffer_seconds / change.buffered * 1000


def _loudness(change: Change) -> float | None:
    """Root mean square of the interval, 0 to 1; where the browser does not add up, what it says of the moment."""
    if change.energy is None or not change.energy_seconds:
        return change.rtp.audio_level
    return min(math.sqrt(change.energy / change.energy_seconds), 1.0)


def _has_restarted(previous: Rtp, rtp: Rtp) -> bool:
    pairs = ((previous.packets, rtp.packets), (previous.bytes, rtp.bytes), (previous.frames, rtp.frames))
    return any(old is not None and new is not None and new < old for old, new in pairs)


def _change(previous: Rtp, rtp: Rtp) -> Change:
    return Change(
        rtp=rtp,
        seconds=(rtp.at - previous.at) / 1000,
        packets=_growth(previous.packets, rtp.packets),
        bytes=_growth(previous.bytes, rtp.bytes),
        frames=_growth(previous.frames, rtp.frames),
        frames_dropped=_growth(previous.frames_dropped, rtp.frames_dropped),
        freeze_seconds=_growth(previous.freeze_seconds, rtp.freeze_seconds),
        freezes=_growth(previous.freezes, rtp.freezes),
        buffer_seconds=_growth(previous.buffer_seconds, rtp.buffer_seconds),
        buffered=_growth(previous.buffered, rtp.buffered),
        concealed=_growth(previous.concealed, rtp.concealed),
        samples=_growth(previous.samples, rtp.samples),
        stretched=_growth(previous.stretched, rtp.stretched),
        decode_seconds=_growth(previous.decode_seconds, rtp.decode_seconds),
        key_frame_requests=_growth(previous.key_frame_requests, rtp.key_frame_requests),
        energy=_growth(previous.energy, rtp.energy),
        energy_seconds=_growth(previous.energy_seconds, rtp.energy_seconds),
    )


def _growth(old: float | None, new: float | None) -> float | None:
    return None if old is None or new is None or new < old else new - old


def _sum(values: Iterable[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) if told else None


def _rate(values: Iterable[tuple[float | None, float]]) -> float | None:
    return _sum(None if value is None else value / seconds for value, seconds in values)


def _share(values: list[tuple[float | None, float | None]]) -> float | None:
    """0 to 1."""
    told = [(part, whole) for part, whole in values if part is not None and whole]
    return min(sum(part for part, _ in told) / sum(whole for _, whole in told), 1) if told else None
