"""Packet loss where a source tells packets and lost packets apart: in percent of those expected, at each time with both."""

from callscope.analysis.rows import MetricSeries
from callscope.analysis.tracks import Subject, Track
from callscope.vocabulary import Direction, Metric


def packet_loss(subject: Subject, series_key: int) -> Track | None:
    """As a series of its own with the given key; None where the source tells the loss itself, or not both.

    What was sent was expected; of what is received, so was what was lost.
    """
    told = subject.tracks
    packets, lost = told.get(Metric.PACKETS_PER_SECOND), told.get(Metric.PACKETS_LOST_PER_SECOND)
    if Metric.PACKET_LOSS in told or packets is None or lost is None:
        return None
    known = dict(zip(packets.times, packets.values, strict=True))
    times: list[float] = []
    values: list[float] = []
    for at, count in zip(lost.times, lost.values, strict=True):
        if (carried := known.get(at)) is None:
            continue
        expected = carried + (count if subject.direction is Direction.SUBSCRIBE else 0)
        if expected > 0:
            times.append(at)
            values.append(min(100 * count / expected, 100.0))
    metric = Metric.PACKET_LOSS
    series = MetricSeries(
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
    return Track(series, times, values) if times else None
