"""The counters that every dialect of WebRTC statistics is brought to. Times are milliseconds since the Unix epoch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callscope.telemetry import EARLIEST_MS, LATEST_MS

Report = Mapping[str, Any]
Reports = Mapping[str, Report]

# Firefox has wrapped negative packet counters round at 2^32; no real one comes near.
MAX_PACKETS = 2**31
# Beyond, JSON's numbers are not exact.
MAX_AMOUNT = 2**53
MAX_WORD = 200
DAY = 86_400_000
FULL_SCALE = 32767

NOTHING: Report = {}

_GOOG_NETWORKS = {"lan": "ethernet", "wlan": "wifi", "wwan": "cellular"}


@dataclass(slots=True)
class Rtp:
    """What was counted of one SSRC in one direction since it began. None is what the browser does not tell."""

    ssrc: int
    kind: str
    """audio or video."""
    is_sent: bool
    at: float
    """When the browser read these counters: not all reports of one call are equally old."""
    track: str | None = None
    section: str | None = None
    """The mid of the SDP section."""
    codec: str | None = None
    has_dtx: bool | None = None
    has_fec: bool | None = None
    """Whether the codec may pause in silence, and carries forward error correction, as was agreed."""
    packets: float | None = None
    bytes: float | None = None
    lost: float | None = None
    judged_at: float = 0
    """When loss, jitter and round trip were read: of what is sent the other end tells, later and less often."""
    frames: float | None = None
    frame_rate: float | None = None
    width: float | None = None
    height: float | None = None
    frames_dropped: float | None = None
    freeze_seconds: float | None = None
    freezes: float | None = None
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    buffer_seconds: float | None = None
    buffered: float | None = None
    """Frames or samples that have left the jitter buffer, which waited buffer_seconds all together."""
    buffer_ms: float | None = None
    """The same delay as a gauge, where there is no counter."""
    concealed: float | None = None
    samples: float | None = None
    stretched: float | None = None
    """Samples that were put in or taken out to keep pace, of those that were received."""
    decode_seconds: float | None = None
    """That decoding all its frames took."""
    key_frame_requests: float | None = None
    audio_level: float | None = None
    """Of the moment: whoever paused for breath just then is silent by it."""
    energy: float | None = None
    energy_seconds: float | None = None
    """Loudness squared, added up over the time that it was heard: both tell how loud all of an interval was."""
    limitation: str | None = None
    is_active: bool | None = None
    """Whether it is to be sent at all."""
    has_source: bool | None = None
    """Whether a track is attached to the sender, which a muted or removed camera is not."""
    is_scalable: bool = False
    is_screen: bool = False
    """Whether it says that it is a shared screen; most that are do not."""
    is_legacy: bool = False


@dataclass(slots=True)
class Path:
    """The selected candidate pair. Bit rates are what bandwidth estimation thinks the path can carry, bit/s."""

    round_trip_ms: float | None = None
    available_sent: float | None = None
    available_received: float | None = None
    network: str | None = None
    """wifi, ethernet, cellular, …"""
    transport: str | None = None
    local_type: str | None = None
    remote_type: str | None = None
    pair: str | None = field(default=None, compare=False)
    """Which pair it is, where the client names it by what it is made of."""


@dataclass(slots=True)
class Snapshot:
    """One getStats call."""

    at: float
    rtps: list[Rtp]
    told_by_sender: list[Rtp]
    """What the other end says by RTCP that it has sent: packets and bytes alone."""
    path: Path | None

    def move(self, amount: float) -> None:
        """Tell all its times by another clock."""
        self.at += amount
        for rtp in (*self.rtps, *self.told_by_sender):
            rtp.at += amount
            rtp.judged_at += amount if rtp.judged_at else 0


def number(value: Any) -> float | None:
    """A finite number; the old goog reports write numbers as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def amount(value: Any) -> float | None:
    """A number of something that there cannot be less than nothing of."""
    result = number(value)
    return result if result is not None and 0 <= result < MAX_AMOUNT else None


def added(report: Report, *names: str) -> float | None:
    """The sum of those amounts that the report tells; None where it tells none."""
    told = [value for name in names if (value := amount(report.get(name))) is not None]
    return sum(told) if told else None


def packets(value: Any) -> float | None:
    """A number of packets; lost ones may be negative (RFC 3550 takes back what comes late or twice)."""
    result = number(value)
    return result if result is not None and abs(result) < MAX_PACKETS else None


def instant(value: Any) -> float | None:
    """Milliseconds since the Unix epoch, in the years that telemetry knows."""
    result = number(value)
    return result if result is not None and EARLIEST_MS <= result < LATEST_MS else None


def clock_time(value: Any) -> float | None:
    """Milliseconds since the Unix epoch by a clock that may be wrong by decades; no clock says zero."""
    return amount(value) or None


def reported_at(report: Report, at: float) -> float:
    """When a report was read: as it says itself, unless it counts from something else than other times do."""
    told = clock_time(report.get("timestamp"))
    return told if told is not None and (abs(told - at) <= DAY or instant(told)) else at


def ssrc_number(value: Any) -> int | None:
    result = number(value)
    return int(result) if result is not None and 0 <= result < 2**32 else None


def text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def storable(value: str | None) -> str | None:
    """A word of a foreign file in a form that telemetry takes."""
    return (value or "").replace("\x00", "")[:MAX_WORD] or None


def named(reports: Reports, reference: Any) -> Report:
    """The report that another one refers to, or an empty one."""
    return reports.get(reference, NOTHING) if isinstance(reference, str) else NOTHING


def network(value: Any) -> str | None:
    """The kind of network of a local candidate."""
    told = text(value)
    return None if told == "unknown" else _GOOG_NETWORKS.get(told or "", told)


def scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
