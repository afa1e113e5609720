"""A series in figures, as PostgreSQL gives them: of series that are derived here and not told."""

from datetime import datetime
from math import fsum
from typing import Any

from callscope.analysis.tracks import Track
from callscope.telemetry import from_milliseconds


def figures_of(track: Track) -> dict[str, Any]:
    """Columns of the table metric_series. A track has at least one sample."""
    times: tuple[datetime, datetime] = (from_milliseconds(track.times[0]), from_milliseconds(track.times[-1]))
    return {
        "started_at": times[0],
        "ended_at": times[1],
        "sample_count": len(track.values),
        "minimum": min(track.values),
        "maximum": max(track.values),
        "average": fsum(track.values) / len(track.values),
    }
