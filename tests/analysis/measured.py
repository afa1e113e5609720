"""What was measured, made up for detectors: series of one value every other second, in seconds from a start."""

from itertools import count

from callscope.analysis.rows import MetricSeries
from callscope.analysis.tracks import Stretch, Subject, Track
from callscope.vocabulary import Direction, Media, Metric, StreamSource

START = 1_772_000_000_000.0
STEP = 2.0
"""Seconds between samples."""
_keys = count(1)


def at(seconds):
    return START + seconds * 1000


def track(metric, values, *, step=STEP, after=0.0, media=Media.AUDIO, direction=Direction.SUBSCRIBE):
    """Samples from the end of the first interval after some seconds."""
    series = MetricSeries(next(_keys), 1, 2, 3, 4, metric, metric.unit, media, direction)
    times = [at(after + step * (index + 1)) for index in range(len(values))]
    return Track(series, times, [float(value) for value in values])


def subject(
    media=Media.AUDIO,
    direction=Direction.SUBSCRIBE,
    *,
    source=StreamSource.CAMERA,
    lasted=(-1000.0, None),
    step=STEP,
    after=0.0,
    **tracks,
):
    """Metrics by name with their values; ``lasted`` in seconds."""
    start, end = lasted
    named = {Metric[name.upper()]: values for name, values in tracks.items()}
    made = {
        metric: track(metric, values, step=step, after=after, media=media, direction=direction)
        for metric, values in named.items()
    }
    lasting = Stretch(at(start), None if end is None else at(end))
    keys = (None, None) if media is Media.CONNECTION else (3, 4 if direction is Direction.SUBSCRIBE else None)
    return Subject(1, 2, *keys, media, direction, source, lasting, tracks=made)


def spans(findings):
    """Kind, and from when to when in seconds."""
    return [(one.kind.name, seconds(one.started_at), one.ended_at and seconds(one.ended_at)) for one in findings]


def seconds(instant):
    return (instant - START) / 1000
