"""What there were data of in a call: from when to when who measured what, and who published which stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from callscope.analysis.rows import Catalog
from callscope.analysis.spans import Pair
from callscope.analysis.tracks import SubjectKey, series_by_subject
from callscope.vocabulary import MediaMode, Metric

PATH_METRICS = frozenset({Metric.PACKET_LOSS, Metric.JITTER, Metric.LATENCY, Metric.ROUND_TRIP_TIME})


class Seen(NamedTuple):
    """From when to when a subject had samples, ms since the Unix epoch; ``is_path`` where they tell of loss or delay."""

    first_at: float
    last_at: float
    is_path: bool = True


@dataclass(frozen=True, slots=True)
class Coverage:
    """What there were data of. ``publishers`` are the participants of streams, by stream key."""

    media_mode: MediaMode
    publishers: Mapping[int, int]
    subjects: Mapping[SubjectKey, Seen]


def coverage_of(
    catalog: Catalog, lasted: Mapping[int, Pair], summed_up: Mapping[SubjectKey, Seen] = MappingProxyType({})
) -> Coverage:
    """The coverage of a call; ``lasted`` tells the times of the first and the last sample of each series, by its key, in ms.

    ``summed_up`` is of what there are figures of the whole call; samples are the better word.
    """
    subjects = dict(summed_up)
    for key, series in series_by_subject(catalog).items():
        measured = [row for row in series if row.series_key in lasted]
        if measured:
            first = min(lasted[row.series_key][0] for row in measured)
            last = max(lasted[row.series_key][1] for row in measured)
            subjects[key] = Seen(first, last, any(row.metric in PATH_METRICS for row in measured))
    publishers = {key: stream.participant_key for key, stream in catalog.streams.items()}
    return Coverage(MediaMode[catalog.call.get("mediaMode", MediaMode.UNKNOWN)], publishers, subjects)
