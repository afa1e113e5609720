"""A series in figures, as the rollups of its samples give them: of series that are derived here and not told."""

from functools import reduce
from itertools import groupby
from operator import add, itemgetter
from typing import Any

from callscope.analysis.tracks import Track
from callscope.telemetry import from_milliseconds

MINUTE = 60_000


def figures_of(track: Track) -> dict[str, Any]:
    """Columns of the table metric_series. A track has at least one sample."""
    return {
        "started_at": from_milliseconds(track.times[0]),
        "ended_at": from_milliseconds(track.times[-1]),
        "sample_count": len(track.values),
        "minimum": min(track.values),
        "maximum": max(track.values),
        "average": _total(track) / len(track.values),
    }


def _total(track: Track) -> float:
    """Added up minute by minute, and one after the other: any other way rounds differently, such as that of ``sum``."""
    minutes = groupby(zip(track.times, track.values, strict=True), key=lambda sample: sample[0] // MINUTE)
    total: float = reduce(add, (reduce(add, map(itemgetter(1), samples)) for _, samples in minutes))
    return total
