"""How well a listener could hear: the mean opinion score of received audio, 1 to 5, by the E-model.

Delay and losses impair as in ITU-T G.107 in its usual simplified form; what a codec costs by its bitrate, and how well it bears
losses, are the empirical values that peermetrics and ObserveRTC use, with losses in percent, as they are meant.
"""

from collections.abc import Sequence
from math import isfinite, log

from callscope.analysis.exceedance import intervals
from callscope.analysis.rows import MetricSeries
from callscope.analysis.tracks import Lookup, Stretch, Subject, Track
from callscope.vocabulary import Direction, Media, Metric

FORMULA = "E-model (ITU-T G.107, simplified)"
VERSION = 1

BEST = 93.2
"""Transmission rating without any impairment."""
CODING_DELAY = 20.0  # ms
LATE = 177.3
"""Milliseconds of delay from which people begin to talk over each other."""
SILENCE = 6_000.0
"""Bit/s: less is comfort noise, not a codec that is short of bits; Opus codes no speech below."""
BAD = 2.1


def transmission_rating(
    round_trip_ms: float,
    loss_percent: float,
    *,
    buffer_ms: float = 0.0,
    bitrate: float | None = None,
    is_dtx: bool = False,
    has_fec: bool = False,
) -> float:
    """R of the E-model, 0 to 100. Bit/s; loss in percent of the packets expected."""
    delay = CODING_DELAY + max(buffer_ms, 0.0) + max(round_trip_ms, 0.0) / 2
    delayed = 0.024 * delay + (0.11 * (delay - LATE) if delay > LATE else 0.0)
    coded = 6.0 if bitrate is None or bitrate <= 0 else min(max(55.0 - 4.6 * log(bitrate), 0.0), 30.0)
    coded = 8.0 if is_dtx else coded
    loss = min(max(loss_percent, 0.0), 100.0)
    lost = coded + (95.0 - coded) * loss / (loss + (20.0 if has_fec else 10.0))
    return min(max(BEST - delayed - lost, 0.0), 100.0)


def score(rating: float) -> float:
    """The mean opinion score of a transmission rating, 1 to 4.5. The cubic falls slightly under 1, which no listener can say."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return 4.5
    return max(1.0, 1.0 + 0.035 * rating + 7e-6 * rating * (rating - 60.0) * (100.0 - rating))


def scored(subject: Subject, round_trip: Track | None, series_key: int) -> Track | None:
    """The score of received audio at each time at which its losses were told, as a series of its own with the given key.

    ``round_trip`` is of the subject's connection; the subject's own is preferred. Without a round trip or without losses there
    is no score; an unknown buffer delay counts as none. None, too, where the source sent scores itself: those stand.
    """
    told = subject.tracks
    loss, own = told.get(Metric.PACKET_LOSS), told.get(Metric.ROUND_TRIP_TIME, round_trip)
    is_received_audio = subject.media is Media.AUDIO and subject.direction is Direction.SUBSCRIBE
    if not is_received_audio or loss is None or own is None or Metric.MEAN_OPINION_SCORE in told:
        return None
    columns = [_aligned(track, loss.times) for track in (own, told.get(Metric.JITTER_BUFFER_DELAY), told.get(Metric.BITRATE))]
    times: list[float] = []
    values: list[float] = []
    for at, lost, trip, buffer, bitrate in zip(loss.times, loss.values, *columns, strict=True):
        if trip is None or not isfinite(trip + lost):
            continue
        rate = bitrate if bitrate is not None and isfinite(bitrate) else None
        rating = transmission_rating(
            trip,
            lost,
            buffer_ms=buffer if buffer is not None and isfinite(buffer) else 0.0,
            bitrate=rate,
            is_dtx=subject.is_dtx or (rate is not None and rate < SILENCE),
            has_fec=subject.has_fec,
        )
        times.append(at)
        values.append(round(score(rating), 3))
    return Track(_series(subject, series_key), times, values) if times else None


def bad_stretches(opinion: Track) -> list[Stretch]:
    """When hearing was so bad that the network alone is to blame for whatever else was seen then (2.1 or worse)."""
    return [Stretch(sample.start, sample.end) for sample in intervals(opinion.times, opinion.values) if sample.value <= BAD]


def _aligned(track: Track | None, times: Sequence[float]) -> Sequence[float | None]:
    if track is None:
        return [None] * len(times)
    # One client measures everything at once, so most often nothing is to be looked up.
    if track.times == times:
        return track.values
    lookup = Lookup(track)
    return [lookup.at(time) for time in times]


def _series(subject: Subject, series_key: int) -> MetricSeries:
    metric = Metric.MEAN_OPINION_SCORE
    return MetricSeries(
        series_key=series_key,
        participant_key=subject.participant_key,
        connection_key=subject.connection_key,
        stream_key=subject.stream_key,
        subscriber_key=subject.subscriber_key,
        metric=metric,
        unit=metric.unit,
        media=subject.media,
        direction=subject.direction,
        is_derived=True,
    )
