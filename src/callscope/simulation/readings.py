"""What clients report of one stretch: all that they can measure, or what the plan wants."""

from collections.abc import Iterator

from callscope.simulation.chance import texture
from callscope.simulation.measures import MEASURED, Cut, Measured, ReceivingAudio, ReceivingVideo, SendingAudio, SendingVideo
from callscope.simulation.media import SentAudio, SentVideo, sent_audio, sent_video
from callscope.simulation.paths import Paths, Stretch
from callscope.simulation.timeline import Publication, Subscription, Timeline, Visit
from callscope.vocabulary import Direction, Media, Metric


class Readings:
    """The measurements of one stretch: what was sent is worked out once for all who receive it."""

    def __init__(self, timeline: Timeline, stretch: Stretch) -> None:
        self._timeline = timeline
        self._stretch = stretch
        reported = timeline.plan.reported
        self._asked = {
            media: metrics if reported is None else {metric for metric in metrics if (media, metric) in reported}
            for media, metrics in MEASURED.items()
        }
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

    def connection(self, visit: Visit, cut: Cut) -> Iterator[tuple[Direction, Measured]]:
        asked = self._asked[Media.CONNECTION]
        if Metric.ROUND_TRIP_TIME in asked:
            yield Direction.BOTH, {Metric.ROUND_TRIP_TIME: self._round_trip(visit, cut)}
        if Metric.AVAILABLE_BITRATE in asked and visit.person.has_video:
            yield Direction.PUBLISH, {Metric.AVAILABLE_BITRATE: self._available(visit, cut)}

    def _round_trip(self, visit: Visit, cut: Cut) -> list[float]:
        usual, extra = self._paths.round_trip(visit.person)
        return cut.around(f"{visit.connection_id}/roundTrip", usual, 0.12 * usual, extra)

    def _available(self, visit: Visit, cut: Cut) -> list[float]:
        base = 1.6 * visit.person.video_bitrate
        noise = texture(visit.connection_id, self._stretch.first, self._stretch.count)
        values = [(base + 0.1 * base * x) // 1.0 for x in noise]
        self._paths.narrow(visit.person, values)
        return values[cut.window]

    def publication(self, publication: Publication, cut: Cut) -> Iterator[tuple[Media, Measured]]:
        if publication.has_audio and (asked := self._asked[Media.AUDIO]):
            audio = self._sent_audio(publication)
            yield Media.AUDIO, SendingAudio(self._paths, publication, cut, audio).among(asked)
        if publication.has_video and (asked := self._asked[publication.video_media]):
            video = self._sent_video(publication)
            yield publication.video_media, SendingVideo(self._paths, publication, cut, video).among(asked)

    def subscription(self, subscription: Subscription, cut: Cut) -> Iterator[tuple[Media, Measured]]:
        publication = subscription.publication
        if publication.has_audio and (asked := self._asked[Media.AUDIO]):
            audio = self._sent_audio(publication)
            yield Media.AUDIO, ReceivingAudio(self._paths, subscription, cut, audio).among(asked)
        if subscription.has_video and (asked := self._asked[publication.video_media]):
            video = self._sent_video(publication)
            interval = self._stretch.interval
            yield publication.video_media, ReceivingVideo(self._paths, subscription, cut, video, interval).among(asked)
