"""What was measured, ordered for diagnosis: by what it was measured of.

A track is one series with its samples. A subject is a connection, a stream or a subscriber in one media and direction, with all
its tracks: what a detector looks at.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import NamedTuple

from callscope.analysis.exceedance import GAP_MILLISECONDS, GAP_PERIODS, period_of
from callscope.analysis.rows import Catalog, MetricSeries
from callscope.vocabulary import Direction, Media, Metric, StreamSource


@dataclass(frozen=True, slots=True)
class Track:
    """One series and its samples, in order of time; ``times`` are milliseconds since the Unix epoch."""

    series: MetricSeries
    times: Sequence[float]
    values: Sequence[float]


class Lookup:
    """Reads a track at the times of another one, of the same clock or nearly so. What is no number is missing."""

    def __init__(self, track: Track) -> None:
        self._times, self._values = track.times, track.values
        if not all(map(isfinite, track.values)):
            kept = [index for index, value in enumerate(track.values) if isfinite(value)]
            self._times, self._values = [track.times[index] for index in kept], [track.values[index] for index in kept]
        self._reach = max(GAP_PERIODS * period_of(track.times), GAP_MILLISECONDS)

    def at(self, time: float) -> float | None:
        """The value nearest to a time, the later of two; None in a gap."""
        place = bisect_left(self._times, time)
        near = [index for index in (place, place - 1) if 0 <= index < len(self._times)]
        nearest = min(near, key=lambda index: abs(self._times[index] - time), default=None)
        if nearest is None or abs(self._times[nearest] - time) > self._reach:
            return None
        return self._values[nearest]

    def least(self, start: float, end: float) -> float | None:
        """The least of all values whose intervals meet a span; None where there is none."""
        first, last = bisect_right(self._times, start), bisect_left(self._times, end)
        if last < len(self._times) and self._times[last] - end <= self._reach:
            last += 1
        return min(self._values[first:last], default=None)


class Stretch(NamedTuple):
    """From when to when, milliseconds since the Unix epoch; ``end`` is None while it lasts."""

    start: float
    end: float | None

    def overlaps(self, start: float, end: float) -> bool:
        return self.start < end and (self.end is None or self.end > start)


@dataclass(slots=True)
class Subject:
    """What tracks are of. ``lasted`` is when it existed; in ``quiet`` nothing is expected of it: muted, paused, switched off.

    ``muted`` is when the microphone of what it sends was muted.
    ``limited`` is when the sender said that it lowers quality, by reason as WebRTC names them (``cpu``, ``bandwidth``);
    ``is_dtx`` and ``has_fec`` are of audio: whether it pauses in silence, and carries forward error correction;
    ``bad_network`` when listening was bad on the same connection; ``carries_video`` is of a connection: whether it sends any;
    ``round_trip`` is of the same connection, whoever measured it.
    """

    participant_key: int
    connection_key: int | None
    stream_key: int | None
    subscriber_key: int | None
    media: Media
    direction: Direction
    source: StreamSource
    lasted: Stretch
    is_dtx: bool = False
    has_fec: bool = False
    quiet: list[Stretch] = field(default_factory=list)
    muted: list[Stretch] = field(default_factory=list)
    limited: dict[str, list[Stretch]] = field(default_factory=dict)
    bad_network: list[Stretch] = field(default_factory=list)
    carries_video: bool = True
    round_trip: Track | None = None
    tracks: dict[Metric, Track] = field(default_factory=dict)

    @property
    def is_screen(self) -> bool:
        return self.source is StreamSource.SCREEN or self.media is Media.SCREEN


SubjectKey = tuple[int, int | None, int | None, int | None, str, str]


def subject_key(series: MetricSeries) -> SubjectKey:
    return (
        series.participant_key,
        series.connection_key,
        series.stream_key,
        series.subscriber_key,
        series.media,
        series.direction,
    )


def series_by_subject(catalog: Catalog) -> Mapping[SubjectKey, list[MetricSeries]]:
    """The series of each subject, so that the samples of one subject after the other can be read."""
    found: dict[SubjectKey, list[MetricSeries]] = defaultdict(list)
    for row in catalog.series.values():
        found[subject_key(row)].append(row)
    return found


def subject_of(catalog: Catalog, key: SubjectKey, tracks: Iterable[Track]) -> Subject:
    """The subject of some tracks, with what the catalog tells of it."""
    participant_key, connection_key, stream_key, subscriber_key, media, direction = key
    stream = catalog.streams.get(stream_key) if stream_key is not None else None
    subscriber = catalog.subscribers.get(subscriber_key) if subscriber_key is not None else None
    connection = catalog.connections.get(connection_key) if connection_key is not None else None
    starts: list[datetime | None] = []
    ends: list[datetime | None] = []
    if connection is not None:
        starts.append(connection.connected_at)
        ends.append(connection.disconnected_at)
    if stream is not None:
        starts.append(stream.published_at)
        ends.append(stream.unpublished_at)
    if subscriber is not None:
        starts.append(subscriber.subscribed_at)
        ends.append(subscriber.ended_at)
    given = {Metric[track.series.metric]: track for track in tracks}
    first = min((track.times[0] for track in given.values() if track.times), default=0.0)
    return Subject(
        participant_key=participant_key,
        connection_key=connection_key,
        stream_key=stream_key,
        subscriber_key=subscriber_key,
        media=Media[media],
        direction=Direction[direction],
        source=StreamSource[stream.source] if stream is not None else StreamSource.UNKNOWN,
        lasted=Stretch(
            max((milliseconds(start) for start in starts if start is not None), default=first),
            min((milliseconds(end) for end in ends if end is not None), default=None),
        ),
        is_dtx=stream_key in catalog.dtx,
        has_fec=stream_key in catalog.fec,
        carries_video=media != Media.CONNECTION or _sends_video(catalog, connection_key),
        tracks=given,
    )


def _sends_video(catalog: Catalog, connection_key: int | None) -> bool:
    return any(stream.has_video and stream.connection_key == connection_key for stream in catalog.streams.values())


def milliseconds(instant: datetime) -> float:
    return instant.timestamp() * 1000
