"""What rules look at where it is not simply the samples of their metric: each reads one subject and gives samples to judge."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from operator import sub

from callscope.analysis.exceedance import Interval, left_out
from callscope.analysis.opinion import SILENCE
from callscope.analysis.rule_book import NOTHING
from callscope.analysis.rules import Rule
from callscope.analysis.scene import Scene
from callscope.vocabulary import Direction, IssueKind, Metric, StreamSource

Measure = Callable[[Scene, Rule], Iterable[Interval]]

FEWEST_PACKETS = 50
"""Expected in the window of a rule: of fewer no loss is judged (Callscope's notes, section 3)."""
FULL_RATE = 0.8
"""Share of the usual packet rate: with less, the encoder was silent for a part of the interval (Callscope's own)."""
INAUDIBLE = 0.001
SMALLEST_HEIGHT = 180.0
ARRIVING = 10_000.0
"""Bit/s that a stuck decoder is given at least (ObserveRTC)."""
DROPPED_SHARE = 0.1
CALM_LOSS = 2.0
"""Percent: with more, it is the network that a decoder suffers from (ObserveRTC)."""


def plain(scene: Scene, rule: Rule) -> Iterable[Interval]:
    return scene.samples(rule.metric) if rule.metric is not None else ()


def losses(scene: Scene, rule: Rule) -> Iterable[Interval]:
    """Losses where enough packets were expected. Of what is received, the lost ones were expected as well."""
    if scene.lookup(Metric.PACKETS_PER_SECOND) is None:
        return plain(scene, rule)
    return _of_enough_packets(scene, rule)


def _of_enough_packets(scene: Scene, rule: Rule) -> Iterator[Interval]:
    window = 1000 * max(one.limit.minimum_seconds for one in rule.levels)
    recent: deque[tuple[float, float]] = deque()
    expected = 0.0
    is_received = scene.subject.direction is Direction.SUBSCRIBE

    def are_few(sample: Interval) -> bool:
        nonlocal expected
        rate = max(scene.at(Metric.PACKETS_PER_SECOND, sample) or 0.0, 0.0)
        share = 1 - min(max(sample.value, 0.0), 99.0) / 100 if is_received else 1.0
        packets = rate / share * (sample.end - sample.start) / 1000
        recent.append((sample.end, packets))
        expected += packets
        while recent[0][0] <= sample.end - window and len(recent) > 1:
            expected -= recent.popleft()[1]
        return expected < FEWEST_PACKETS

    return left_out(plain(scene, rule), are_few)


def sound_bitrate(scene: Scene, rule: Rule) -> Iterable[Interval]:
    """The bitrate of audio while it has something to say: without DTX and pauses, and of codecs that ever had more."""
    track = scene.subject.tracks[Metric.BITRATE]
    if scene.subject.is_dtx or max(track.values) <= rule.levels[0].limit.off:
        return ()
    packets = scene.subject.tracks.get(Metric.PACKETS_PER_SECOND)
    usual = sorted(packets.values)[len(packets.values) // 2] if packets is not None and packets.values else 0.0

    def is_silent(sample: Interval) -> bool:
        rate, loudness = scene.at(Metric.PACKETS_PER_SECOND, sample), scene.at(Metric.AUDIO_LEVEL, sample)
        is_pause = rate is not None and rate < FULL_RATE * usual
        return sample.value < SILENCE or is_pause or (loudness is not None and loudness < INAUDIBLE)

    return left_out(plain(scene, rule), is_silent)


def muted_level(scene: Scene, rule: Rule) -> Iterable[Interval]:
    """The loudness at a microphone while it is muted, as far as the client tells it then; 0 while it is not."""
    return _muted_level(scene, rule) if scene.subject.muted else ()


def _muted_level(scene: Scene, rule: Rule) -> Iterator[Interval]:
    for sample in plain(scene, rule):
        is_muted = scene.muted.within(sample.start, sample.end) >= sample.end - sample.start
        yield sample if is_muted else sample._replace(value=0.0)


def picture_bitrate(scene: Scene, rule: Rule) -> Iterable[Interval]:
    """The bitrate of a camera's picture that is there and no thumbnail, where it ever had more."""
    track = scene.subject.tracks[Metric.BITRATE]
    if scene.subject.source is StreamSource.CUSTOM or max(track.values) <= rule.levels[0].limit.off:
        return ()

    def is_none(sample: Interval) -> bool:
        height = scene.at(Metric.FRAME_HEIGHT, sample)
        return sample.value < NOTHING or (height is not None and height < SMALLEST_HEIGHT)

    return left_out(plain(scene, rule), is_none)


def frame_rate(scene: Scene, rule: Rule) -> Iterable[Interval]:
    """The frames of a picture that is carried at all: without, it is as likely switched off as lost."""

    def is_none(sample: Interval) -> bool:
        bitrate = scene.at(Metric.BITRATE, sample)
        return bitrate is not None and bitrate < NOTHING

    return left_out(plain(scene, rule), is_none)


def bandwidth(scene: Scene, rule: Rule) -> Iterable[Interval]:
    """What the path can carry, of a connection that carries video: without, estimation has nothing to try the path with."""
    return plain(scene, rule) if scene.subject.carries_video else ()


def limitation(scene: Scene, rule: Rule) -> Iterator[Interval]:
    """The share of the time in which quality was lowered for this reason, as far as the sender gave its reasons."""
    spans = scene.limited("cpu" if rule.kind is IssueKind.CPU_LIMITED else "bandwidth")
    for sample in plain(scene, rule):
        yield sample if spans.cover(sample.start, sample.end) else sample._replace(value=0.0)


def freezes(scene: Scene, rule: Rule) -> Iterable[Interval]:
    """How long the picture stood still: the share of the time, or each time on average."""
    return freeze_length(scene, rule) if rule.metric is Metric.FREEZE_COUNT else frozen_share(scene, rule)


def freeze_length(scene: Scene, rule: Rule) -> Iterator[Interval]:
    """The mean length of the freezes that an interval tells of, ms; 0 where it tells of none."""
    for start, end, count, follows in plain(scene, rule):
        frozen = scene.at(Metric.FREEZE_DURATION, Interval(start, end, count, follows)) or 0.0
        yield Interval(min(start, end - frozen), end, frozen / count if count >= 1 else 0.0, follows)


def frozen_share(scene: Scene, rule: Rule) -> Iterable[Interval]:
    """The share of the time in which the picture stood still, where it was ever large in the shortest interval."""
    track = scene.subject.tracks[Metric.FREEZE_DURATION]
    shortest = min(map(sub, track.times[1:], track.times), default=0.0)
    is_slight = max(track.values) <= min(one.limit.on for one in rule.levels) * shortest
    return () if is_slight else _frozen_share(scene, rule)


def _frozen_share(scene: Scene, rule: Rule) -> Iterator[Interval]:
    # Browsers tell of a freeze when it is over, so it may have begun before the interval did.
    for start, end, frozen, follows in plain(scene, rule):
        start = min(start, end - frozen)  # noqa: PLW2901
        yield Interval(start, end, min(max(frozen, 0.0) / (end - start), 1.0) if end > start else 0.0, follows)


def camera_frames(scene: Scene, rule: Rule) -> Iterable[Interval]:
    """The frames of a camera that ever delivered any: one that never did has not frozen."""
    has_worked = max(scene.subject.tracks[Metric.FRAME_RATE].values) > rule.levels[0].limit.off
    return plain(scene, rule) if has_worked else ()


def decoding_share(scene: Scene, rule: Rule) -> Iterable[Interval]:
    """The share of the time that decoding took, where it dropped frames and the network did not; 0 where not."""
    times, frames = scene.subject.tracks[Metric.DECODE_TIME], scene.subject.tracks.get(Metric.FRAME_RATE)
    if frames is None or max(times.values) * max(frames.values, default=0.0) <= 1000 * rule.levels[0].limit.on:
        return ()
    return _decoding_share(scene, rule)


def _decoding_share(scene: Scene, rule: Rule) -> Iterator[Interval]:
    for sample in plain(scene, rule):
        frames = scene.at(Metric.FRAME_RATE, sample) or 0.0
        decoded = frames * (sample.end - sample.start) / 1000
        dropped = scene.at(Metric.FRAMES_DROPPED, sample) or 0.0
        loss = scene.at(Metric.PACKET_LOSS, sample)
        is_dropping = dropped > DROPPED_SHARE * (decoded + dropped)
        is_calm = loss is None or loss < CALM_LOSS
        yield sample._replace(value=sample.value * frames / 1000 if is_dropping and is_calm else 0.0)


def decoded_frames(scene: Scene, rule: Rule) -> Iterable[Interval]:
    """The frames of what arrives: a decoder that is given nothing is not stuck."""
    return left_out(plain(scene, rule), lambda sample: (scene.at(Metric.BITRATE, sample) or 0.0) < ARRIVING)


def received_bitrate(scene: Scene, rule: Rule) -> Iterable[Interval]:
    """What arrived while the publisher sent, all of the time."""
    limit = rule.levels[0].limit
    return left_out(plain(scene, rule), lambda sample: (scene.least_sent(Metric.BITRATE, sample) or 0.0) < limit.on)


MEASURES: dict[IssueKind, Measure] = {
    IssueKind.HIGH_PACKET_LOSS: losses,
    IssueKind.LOW_AUDIO_BITRATE: sound_bitrate,
    IssueKind.SPEAKING_WHILE_MUTED: muted_level,
    IssueKind.LOW_VIDEO_BITRATE: picture_bitrate,
    IssueKind.LOW_FRAME_RATE: frame_rate,
    IssueKind.LOW_BANDWIDTH: bandwidth,
    IssueKind.CPU_LIMITED: limitation,
    IssueKind.BANDWIDTH_LIMITED: limitation,
    IssueKind.VIDEO_FREEZE: freezes,
    IssueKind.CAMERA_FREEZE: camera_frames,
    IssueKind.DECODER_OVERLOAD: decoding_share,
    IssueKind.DECODER_STUCK: decoded_frames,
    IssueKind.NO_MEDIA_RECEIVED: received_bitrate,
}
"""Of the kinds that look at more than their metric's samples."""
OTHER_METRICS: dict[IssueKind, tuple[Metric, ...]] = {
    IssueKind.VIDEO_FREEZE: (Metric.FREEZE_DURATION,),
    IssueKind.DECODER_OVERLOAD: (Metric.FRAME_RATE, Metric.FRAMES_DROPPED),
    IssueKind.DECODER_STUCK: (Metric.BITRATE,),
    IssueKind.LOW_MEAN_OPINION_SCORE: (Metric.PACKET_LOSS, Metric.ROUND_TRIP_TIME, Metric.JITTER_BUFFER_DELAY, Metric.BITRATE),
}
"""What else is evidence of a kind."""
