"""A series in figures, as PostgreSQL gives them: of series that are derived here and not told."""

from datetime import datetime
from math import floor, fsum
from typing import Any

from callscope.analysis.tracks import Track
from callscope.telemetry import from_milliseconds

P95 = 0.95


def figures_of(track: Track) -> dict[str, Any]:
    """Columns of the table metric_series. A track has at least one sample."""
    ordered = sorted(track.values)
    times: tuple[datetime, datetime] = (from_milliseconds(track.times[0]), from_milliseconds(track.times[-1]))
    return {
        "started_at": times[0],
        "ended_at": times[1],
        "sample_count": len(ordered),
        "minimum": ordered[0],
        "maximum": ordered[-1],
        "average": fsum(ordered) / len(ordered),
        "p95": _percentile(ordered, P95),
    }


def _percentile(ordered: list[float], share: float) -> float:
    """Between the two values around it, as ``percentile_cont`` does."""
    place = share * (len(ordered) - 1)
    low = floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
