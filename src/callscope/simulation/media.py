"""What publications send, interval by interval, before the network takes its share."""

from dataclasses import dataclass

from callscope.simulation.chance import speech, texture
from callscope.simulation.paths import Stretch
from callscope.simulation.plan import FaultKind, Window
from callscope.simulation.timeline import Publication, Timeline
from callscope.vocabulary import StreamSource

RAMP = 12_000  # ms until bandwidth estimation lets video have its full rate
FLOOR = 30_000.0  # bit/s that video keeps on the narrowest path
SPARED = 40_000.0  # bit/s of a narrow path that audio takes first
SCREEN = (1920.0, 1080.0, 480_000.0)
NARROW = (320.0, 180.0)
PAYLOAD_BITS = 9_000.0  # of a full video packet


@dataclass(frozen=True)
class SentAudio:
    """Parallel lists, a value an interval: bit/s, packets/s, loudness 0 to 1."""

    bitrate: list[float]
    packets: list[float]
    level: list[float]


@dataclass(frozen=True)
class SentVideo:
    """Parallel lists, a value an interval: bit/s, packets/s, frames/s, pixels, 0 or 1."""

    bitrate: list[float]
    packets: list[float]
    frames: list[float]
    width: list[float]
    height: list[float]
    limited: list[float]
    is_frozen: bool


def sent_audio(timeline: Timeline, publication: Publication, stretch: Stretch) -> SentAudio:
    """Muted, the encoder sends a comfort noise packet now and then (DTX)."""
    person, key = publication.visit.person, f"{publication.stream_id}/audio"
    base, swing = person.audio_bitrate, 0.0 if person.is_phone else 0.06 * person.audio_bitrate
    bitrate = [(base + swing * x) // 1.0 for x in texture(key, stretch.first, stretch.count)]
    packets = [50.0] * stretch.count
    level = speech(key, stretch.first, stretch.count)
    for mute in timeline.mutes[person.index]:
        _fill(stretch.within(mute.window), (bitrate, 1_100.0), (packets, 3.0), (level, 0.0))
    for window in timeline.windows.get((FaultKind.MICROPHONE_SILENT, person.index), ()):
        _fill(stretch.within(window), (level, 0.0))
    return SentAudio(bitrate, packets, level)


def sent_video(timeline: Timeline, publication: Publication, stretch: Stretch) -> SentVideo:
    """A camera's rate follows bandwidth and CPU; a screen stands still most of the time and is spared of both here."""
    person, count = publication.visit.person, stretch.count
    is_screen = publication.source is StreamSource.SCREEN
    wide, high, base = SCREEN if is_screen else (person.width, person.height, person.video_bitrate)
    rate, swing = (9.0, 4.0) if is_screen else (29.4, 0.7)
    noise = texture(f"{publication.stream_id}/video", stretch.first, count)
    spread = (0.5 if is_screen else 0.1) * base
    bitrate = [(base + spread * x) // 1.0 for x in noise]
    frames = [(rate + swing * x) * 10.0 // 1.0 / 10.0 for x in noise]
    width, height, limited = [wide] * count, [high] * count, [0.0] * count
    is_frozen = False
    if not is_screen:
        for window in timeline.windows.get((FaultKind.CPU_LIMITED, person.index), ()):
            hit, share = stretch.within(window), window.strength
            bitrate[hit] = [x * (0.3 + 0.7 * share) // 1.0 for x in bitrate[hit]]
            frames[hit] = [x * share * 10.0 // 1.0 / 10.0 for x in frames[hit]]
            _fill(hit, (width, wide / 2.0), (height, high / 2.0), (limited, 1.0))
        for window in timeline.windows.get((FaultKind.LOW_BANDWIDTH, person.index), ()):
            hit, ceiling = stretch.within(window), max(FLOOR, window.strength - SPARED)
            bitrate[hit] = [min(x, ceiling * (0.92 + 0.05 * y)) // 1.0 for x, y in zip(bitrate[hit], noise[hit], strict=True)]
            frames[hit] = [min(x, 14.0 + y) * 10.0 // 1.0 / 10.0 for x, y in zip(frames[hit], noise[hit], strict=True)]
            _fill(hit, (width, NARROW[0]), (height, NARROW[1]), (limited, 1.0))
    _ramp_up(publication, stretch, bitrate)
    packets = [x / PAYLOAD_BITS // 1.0 + 1.0 for x in bitrate]
    if not is_screen:
        for window in timeline.windows.get((FaultKind.CAMERA_FREEZE, person.index), ()):
            hit = stretch.within(window)
            is_frozen = is_frozen or hit.start < hit.stop
            _fill(hit, (bitrate, 0.0), (packets, 0.0), (frames, 0.0))
    return SentVideo(bitrate, packets, frames, width, height, limited, is_frozen)


def _fill(hit: slice, *series: tuple[list[float], float]) -> None:
    for values, value in series:
        values[hit] = [value] * (hit.stop - hit.start)


def _ramp_up(publication: Publication, stretch: Stretch, bitrate: list[float]) -> None:
    began = publication.published or publication.attempted
    hit = stretch.within(Window(began, began + RAMP))
    for index in range(hit.start, hit.stop):
        elapsed = stretch.start + (stretch.first + index) * stretch.interval - began
        bitrate[index] = bitrate[index] * (0.25 + 0.75 * elapsed / RAMP) // 1.0
