"""What each end measures of what was sent, over one stretch."""

from collections.abc import Iterator
from dataclasses import dataclass

from callscope.simulation.chance import bursts, texture
from callscope.simulation.media import SentAudio, SentVideo, sent_audio, sent_video
from callscope.simulation.paths import Extra, Paths, Stretch
from callscope.simulation.timeline import Publication, Subscription, Timeline, Visit
from callscope.vocabulary import Media, Metric

WORST_LOSS = 95.0  # percent
VISIBLE_LOSS = 4.0  # percent; retransmission hides less from video
AUDIO_BUFFER, VIDEO_BUFFER = 30.0, 55.0  # ms, in a calm network

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


class Readings:
    """The measurements of one stretch: what was sent is worked out once for all who receive it."""

    def __init__(self, timeline: Timeline, stretch: Stretch) -> None:
        self._timeline = timeline
        self._stretch = stretch
        self._paths = Paths(timeline, stretch)
        self._audio: dict[str, SentAudio] = {}
        self._video: dict[str, SentVideo] = {}

    def _sent_audio(self, publication: Publication) -> SentAudio:
        if publication.stream_id not in self._audio:
            self._audio[publication.stream_id] = sent_audio(self._timeline, publication, self._stretch)
        return self._audio[publication.stream_id]

    def _sent_video(self, publication: Publication) -> SentVideo:
        if publication.stream_id not in self._video:
            self._video[publication.stream_id] = sent_video(self._timeline, publication, self._stretch)
        return self._video[publication.stream_id]

    def round_trip(self, visit: Visit, cut: Cut) -> Measured:
        usual, extra = self._paths.round_trip(visit.person)
        return {Metric.ROUND_TRIP_TIME: cut.around(f"{visit.connection_id}/roundTrip", usual, 0.12 * usual, extra)}

    def available(self, visit: Visit, cut: Cut) -> Measured:
        base = 1.6 * visit.person.video_bitrate
        noise = texture(visit.connection_id, self._stretch.first, self._stretch.count)
        values = [(base + 0.1 * base * x) // 1.0 for x in noise]
        self._paths.narrow(visit.person, values)
        return {Metric.AVAILABLE_BITRATE: values[cut.window]}

    def publication(self, publication: Publication, cut: Cut) -> Iterator[tuple[Media, Measured]]:
        if publication.has_audio:
            audio = self._sent_audio(publication)
            yield (
                Media.AUDIO,
                {
                    Metric.BITRATE: audio.bitrate[cut.window],
                    Metric.PACKETS_PER_SECOND: audio.packets[cut.window],
                    **self._sent_path(publication, cut, Media.AUDIO),
                    Metric.AUDIO_LEVEL: audio.level[cut.window],
                },
            )
        if publication.has_video:
            video = self._sent_video(publication)
            yield (
                publication.video_media,
                {
                    Metric.BITRATE: video.bitrate[cut.window],
                    Metric.PACKETS_PER_SECOND: video.packets[cut.window],
                    **self._sent_path(publication, cut, publication.video_media),
                    Metric.FRAME_RATE: video.frames[cut.window],
                    Metric.FRAME_WIDTH: video.width[cut.window],
                    Metric.FRAME_HEIGHT: video.height[cut.window],
                    Metric.QUALITY_LIMITATION: video.limited[cut.window],
                },
            )

    def _sent_path(self, publication: Publication, cut: Cut, media: Media) -> Measured:
        person, key = publication.visit.person, f"{publication.stream_id}/{media}"
        usual, extra = self._paths.round_trip(person)
        return {
            Metric.PACKET_LOSS: cut.loss(f"{key}/loss", person.loss, self._paths.sent_loss(person)),
            Metric.LATENCY: cut.around(f"{key}/latency", 0.5 * usual, 0.05 * usual, extra, 0.5),
            Metric.JITTER: cut.around(f"{key}/jitter", person.jitter_ms, 0.3 * person.jitter_ms, self._paths.sent_jitter(person)),
        }

    def subscription(self, subscription: Subscription, cut: Cut) -> Iterator[tuple[Media, Measured]]:
        publication = subscription.publication
        if publication.has_audio:
            audio = self._sent_audio(publication)
            measured = self._received(subscription, cut, Media.AUDIO, audio)
            noise, loss = cut.noise(f"{subscription.subscriber_id}/concealed"), measured[Metric.PACKET_LOSS]
            measured[Metric.CONCEALED_RATIO] = [(8.0 + 5.0 * x + 60.0 * y) // 1.0 / 1e4 for x, y in zip(noise, loss, strict=True)]
            measured[Metric.AUDIO_LEVEL] = audio.level[cut.window]
            yield Media.AUDIO, measured
        if subscription.has_video:
            video = self._sent_video(publication)
            measured = self._received(subscription, cut, publication.video_media, video)
            yield publication.video_media, measured | self._shown(subscription, cut, video, measured[Metric.PACKET_LOSS])

    def _received(self, subscription: Subscription, cut: Cut, media: Media, sent: SentAudio | SentVideo) -> Measured:
        sender, receiver = subscription.publication.visit.person, subscription.visit.person
        key = f"{subscription.subscriber_id}/{media}"
        loss = cut.loss(f"{key}/loss", receiver.loss, self._paths.received_loss(sender, receiver))
        kept = [1.0 - 0.01 * x for x in loss]
        usual, extra = self._paths.double_latency(sender, receiver)
        uneven = self._paths.received_jitter(sender, receiver)
        jitter = cut.around(f"{key}/jitter", receiver.jitter_ms, 0.3 * receiver.jitter_ms, uneven)
        calm, noise = AUDIO_BUFFER if media is Media.AUDIO else VIDEO_BUFFER, cut.noise(f"{key}/buffer")
        return {
            Metric.BITRATE: [x * y // 1.0 for x, y in zip(sent.bitrate[cut.window], kept, strict=True)],
            Metric.PACKETS_PER_SECOND: [x * y * 10.0 // 1.0 / 10.0 for x, y in zip(sent.packets[cut.window], kept, strict=True)],
            Metric.PACKET_LOSS: loss,
            Metric.LATENCY: cut.around(f"{key}/latency", 0.5 * usual, 0.04 * usual, extra, 0.5),
            Metric.JITTER: jitter,
            Metric.JITTER_BUFFER_DELAY: [
                (calm + 8.0 * x + 2.0 * y + 2.5 * z) * 10.0 // 1.0 / 10.0 for x, y, z in zip(noise, jitter, loss, strict=True)
            ],
        }

    def _shown(self, subscription: Subscription, cut: Cut, video: SentVideo, loss: list[float]) -> Measured:
        interval = float(self._stretch.interval)
        frames = video.frames[cut.window]
        frozen = [0.0] * len(frames)
        dropped = [x * 2.5 // 1.0 for x in bursts(f"{subscription.subscriber_id}/dropped", cut.first, len(frames))]
        if max(loss) > VISIBLE_LOSS:
            shares = [min(0.9, 0.02 * max(0.0, x - VISIBLE_LOSS)) for x in loss]
            frozen = [interval * x // 1.0 for x in shares]
            dropped = [x + y * z * 0.0003 * interval // 1.0 for x, y, z in zip(dropped, frames, shares, strict=True)]
            frames = [x * (1.0 - y) * 10.0 // 1.0 / 10.0 if y else x for x, y in zip(frames, shares, strict=True)]
        if video.is_frozen:
            frozen = [x if y else interval for x, y in zip(frozen, frames, strict=True)]
        return {
            Metric.FRAME_RATE: frames,
            Metric.FRAME_WIDTH: video.width[cut.window],
            Metric.FRAME_HEIGHT: video.height[cut.window],
            Metric.FREEZE_DURATION: frozen,
            Metric.FRAMES_DROPPED: dropped,
        }
