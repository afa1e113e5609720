"""What each end can measure of what was sent, metric by metric."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from callscope.simulation.chance import bursts, texture
from callscope.simulation.media import SentAudio, SentVideo
from callscope.simulation.paths import Extra, Paths
from callscope.simulation.timeline import Publication, Subscription
from callscope.vocabulary import Media, Metric

WORST_LOSS = 95.0  # percent
VISIBLE_LOSS = 4.0  # percent; retransmission hides less from video

Measured = dict[Metric, list[float]]
"""Samples of one subject and media, in the metrics' units."""


@dataclass(frozen=True)
class Cut:
    """The intervals of a stretch that one client measured of one subject, and when it reported them."""

    first: int
    window: slice
    times: list[float]

    def noise(self, key: str) -> list[float]:
        return texture(key, self.first, len(self.times))

    def loss(self, key: str, scale: float, extra: Extra) -> list[float]:
        """Percent, to a hundredth."""
        usual = bursts(key, self.first, len(self.times))
        if extra is None:
            return [x * scale * 100.0 // 1.0 / 100.0 for x in usual]
        return [min(WORST_LOSS, x * scale + y) * 100.0 // 1.0 / 100.0 for x, y in zip(usual, extra[self.window], strict=True)]

    def around(self, key: str, base: float, spread: float, extra: Extra = None, share: float = 1.0) -> list[float]:
        """Noise around a base, and a share of what faults add, to a tenth."""
        noise = self.noise(key)
        if extra is None:
            return [(base + spread * x) * 10.0 // 1.0 / 10.0 for x in noise]
        return [(base + share * y + spread * x) * 10.0 // 1.0 / 10.0 for x, y in zip(noise, extra[self.window], strict=True)]


class Measures:
    """What one client can measure of one media: each metric is an attribute of its name, worked out when it is asked for."""

    METRICS: ClassVar[tuple[Metric, ...]]

    def among(self, metrics: Collection[Metric]) -> Measured:
        return {metric: getattr(self, metric.lower()) for metric in self.METRICS if metric in metrics}


PATH = (Metric.PACKET_LOSS, Metric.LATENCY, Metric.JITTER)
RATES = (Metric.BITRATE, Metric.PACKETS_PER_SECOND)
FRAMES = (Metric.FRAME_RATE, Metric.FRAME_WIDTH, Metric.FRAME_HEIGHT)


class Sending(Measures):
    """What a publisher measures; of the path, what the other end reports to it."""

    def __init__(self, paths: Paths, publication: Publication, media: Media, cut: Cut) -> None:
        self.paths = paths
        self.person = publication.visit.person
        self.key = f"{publication.stream_id}/{media}"
        self.cut = cut

    @property
    def packet_loss(self) -> list[float]:
        return self.cut.loss(f"{self.key}/loss", self.person.loss, self.paths.sent_loss(self.person))

    @property
    def latency(self) -> list[float]:
        usual, extra = self.paths.round_trip(self.person)
        return self.cut.around(f"{self.key}/latency", 0.5 * usual, 0.05 * usual, extra, 0.5)

    @property
    def jitter(self) -> list[float]:
        usual = self.person.jitter_ms
        return self.cut.around(f"{self.key}/jitter", usual, 0.3 * usual, self.paths.sent_jitter(self.person))


class SendingAudio(Sending):
    METRICS = (*RATES, *PATH, Metric.AUDIO_LEVEL)

    def __init__(self, paths: Paths, publication: Publication, cut: Cut, sent: SentAudio) -> None:
        super().__init__(paths, publication, Media.AUDIO, cut)
        self.bitrate = sent.bitrate[cut.window]
        self.packets_per_second = sent.packets[cut.window]
        self.audio_level = sent.level[cut.window]


class SendingVideo(Sending):
    METRICS = (*RATES, *PATH, *FRAMES, Metric.QUALITY_LIMITATION)

    def __init__(self, paths: Paths, publication: Publication, cut: Cut, sent: SentVideo) -> None:
        super().__init__(paths, publication, publication.video_media, cut)
        self.bitrate = sent.bitrate[cut.window]
        self.packets_per_second = sent.packets[cut.window]
        self.frame_rate = sent.frames[cut.window]
        self.frame_width, self.frame_height = sent.width[cut.window], sent.height[cut.window]
        self.quality_limitation = sent.limited[cut.window]


class Receiving(Measures):
    """What a subscriber measures of what reaches it; `CALM` is the delay of its jitter buffer in a calm network, ms."""

    CALM: ClassVar[float]

    def __init__(self, paths: Paths, subscription: Subscription, media: Media, cut: Cut, sent: SentAudio | SentVideo) -> None:
        self.paths = paths
        self.sender, self.receiver = subscription.publication.visit.person, subscription.visit.person
        self.subscriber_id = subscription.subscriber_id
        self.key = f"{self.subscriber_id}/{media}"
        self.cut = cut
        self.sent = sent

    @cached_property
    def packet_loss(self) -> list[float]:
        return self.cut.loss(f"{self.key}/loss", self.receiver.loss, self.paths.received_loss(self.sender, self.receiver))

    @cached_property
    def kept(self) -> list[float]:
        """Share of the packets that arrived."""
        return [1.0 - 0.01 * x for x in self.packet_loss]

    @property
    def bitrate(self) -> list[float]:
        return [x * y // 1.0 for x, y in zip(self.sent.bitrate[self.cut.window], self.kept, strict=True)]

    @property
    def packets_per_second(self) -> list[float]:
        sent = self.sent.packets[self.cut.window]
        return [x * y * 10.0 // 1.0 / 10.0 for x, y in zip(sent, self.kept, strict=True)]

    @property
    def latency(self) -> list[float]:
        usual, extra = self.paths.double_latency(self.sender, self.receiver)
        return self.cut.around(f"{self.key}/latency", 0.5 * usual, 0.04 * usual, extra, 0.5)

    @cached_property
    def jitter(self) -> list[float]:
        usual, uneven = self.receiver.jitter_ms, self.paths.received_jitter(self.sender, self.receiver)
        return self.cut.around(f"{self.key}/jitter", usual, 0.3 * usual, uneven)

    @property
    def jitter_buffer_delay(self) -> list[float]:
        noise = self.cut.noise(f"{self.key}/buffer")
        return [
            (self.CALM + 8.0 * x + 2.0 * y + 2.5 * z) * 10.0 // 1.0 / 10.0
            for x, y, z in zip(noise, self.jitter, self.packet_loss, strict=True)
        ]


class ReceivingAudio(Receiving):
    METRICS = (*RATES, *PATH, Metric.JITTER_BUFFER_DELAY, Metric.CONCEALED_RATIO, Metric.AUDIO_LEVEL)
    CALM = 30.0

    def __init__(self, paths: Paths, subscription: Subscription, cut: Cut, sent: SentAudio) -> None:
        super().__init__(paths, subscription, Media.AUDIO, cut, sent)
        self.audio = sent

    @property
    def audio_level(self) -> list[float]:
        return self.audio.level[self.cut.window]

    @property
    def concealed_ratio(self) -> list[float]:
        noise = self.cut.noise(f"{self.subscriber_id}/concealed")
        return [(8.0 + 5.0 * x + 60.0 * y) // 1.0 / 1e4 for x, y in zip(noise, self.packet_loss, strict=True)]


class ReceivingVideo(Receiving):
    METRICS = (*RATES, *PATH, Metric.JITTER_BUFFER_DELAY, *FRAMES, Metric.FREEZE_DURATION, Metric.FRAMES_DROPPED)
    CALM = 55.0

    def __init__(self, paths: Paths, subscription: Subscription, cut: Cut, sent: SentVideo, interval: int) -> None:
        super().__init__(paths, subscription, subscription.publication.video_media, cut, sent)
        self.video = sent
        self.interval = float(interval)

    @cached_property
    def frames(self) -> list[float]:
        """As they were sent."""
        return self.video.frames[self.cut.window]

    @property
    def frame_width(self) -> list[float]:
        return self.video.width[self.cut.window]

    @property
    def frame_height(self) -> list[float]:
        return self.video.height[self.cut.window]

    @cached_property
    def lost_shares(self) -> list[float] | None:
        """Share of the frames that losses spoil; None where they spoil none."""
        if max(self.packet_loss) <= VISIBLE_LOSS:
            return None
        return [min(0.9, 0.02 * max(0.0, x - VISIBLE_LOSS)) for x in self.packet_loss]

    @cached_property
    def frame_rate(self) -> list[float]:
        if self.lost_shares is None:
            return self.frames
        return [x * (1.0 - y) * 10.0 // 1.0 / 10.0 if y else x for x, y in zip(self.frames, self.lost_shares, strict=True)]

    @property
    def freeze_duration(self) -> list[float]:
        frozen = [self.interval * x // 1.0 for x in self.lost_shares] if self.lost_shares else [0.0] * len(self.frames)
        if self.video.is_frozen:
            frozen = [x if y else self.interval for x, y in zip(frozen, self.frame_rate, strict=True)]
        return frozen

    @property
    def frames_dropped(self) -> list[float]:
        dropped = [x * 2.5 // 1.0 for x in bursts(f"{self.subscriber_id}/dropped", self.cut.first, len(self.frames))]
        if self.lost_shares is None:
            return dropped
        spoiled = zip(dropped, self.frames, self.lost_shares, strict=True)
        return [x + y * z * 0.0003 * self.interval // 1.0 for x, y, z in spoiled]


MEASURED: dict[Media, frozenset[Metric]] = {
    Media.AUDIO: frozenset((*SendingAudio.METRICS, *ReceivingAudio.METRICS)),
    Media.VIDEO: frozenset((*SendingVideo.METRICS, *ReceivingVideo.METRICS)),
    Media.SCREEN: frozenset((*SendingVideo.METRICS, *ReceivingVideo.METRICS)),
    Media.CONNECTION: frozenset((Metric.ROUND_TRIP_TIME, Metric.AVAILABLE_BITRATE)),
}
"""All that clients can measure of each media."""
