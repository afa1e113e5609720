"""The diagnosis of one call: what was told and what was measured, held to the rules, attributed and put into words.

Samples are handed in subject by subject, because those of a large call do not fit in memory. Publishers come first, so that what
was received can be held against what was sent.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple

from callscope.analysis import attempts, call_figures, connectivity, stretches
from callscope.analysis.attempts import attempt_findings
from callscope.analysis.attribution import attribute
from callscope.analysis.call_figures import summaries, summary_findings
from callscope.analysis.connectivity import connectivity_findings
from callscope.analysis.coverage import coverage_of
from callscope.analysis.detectors import detect
from callscope.analysis.device_failures import device_findings
from callscope.analysis.diagnostics import EventRow, diagnostic_findings
from callscope.analysis.findings import Finding
from callscope.analysis.joining import merged
from callscope.analysis.losses import packet_loss
from callscope.analysis.opinion import bad_stretches, scored
from callscope.analysis.ratings import LOW_RATING, rating_findings
from callscope.analysis.rows import Catalog
from callscope.analysis.rule_book import rules_for
from callscope.analysis.rules import Override, overridden
from callscope.analysis.stretches import Pauses, limitations
from callscope.analysis.tracks import Stretch, Subject, SubjectKey, Track, series_by_subject, subject_of
from callscope.analysis.windows import WHOLE, WINDOW_SAMPLES, Extent, Window, carried_on, windows
from callscope.vocabulary import Direction, EventCategory, Media, Metric, Platform

EVENT_CATEGORIES = frozenset({EventCategory.DIAGNOSTIC, EventCategory.DEVICE, EventCategory.SURVEY})
EVENT_NAMES = stretches.NAMES | connectivity.NAMES | call_figures.NAMES
"""What diagnosis looks at of a call's events: all of these categories, and those of these names, in lower case."""

Samples = Mapping[int, tuple[Sequence[float], Sequence[float]]]
"""By series key: times, milliseconds since the Unix epoch, in order, and values."""


TOLD_RULES = (*attempts.RULES, *connectivity.RULES, *call_figures.RULES, LOW_RATING)
"""Rules that watch what was told, beside those of the rule book, which watch what was measured."""


class Batch(NamedTuple):
    """Subjects whose samples are handed in together, those of a window."""

    subjects: list[SubjectKey]
    window: Window = WHOLE


class Diagnosis:
    """Of one call. ``key`` makes keys of series that are derived; ``heard_until`` is when something was last heard of it, ms."""

    def __init__(
        self,
        catalog: Catalog,
        events: Sequence[EventRow],
        key: Callable[..., int],
        overrides: Iterable[Override] = (),
        *,
        heard_until: float | None = None,
    ) -> None:
        self.catalog = catalog
        self._key = key
        changed = list(overrides)
        self._rules = overridden(rules_for(Platform[catalog.call.get("platform", Platform.OTHER)]), changed)
        self._pauses = Pauses(events, catalog)
        self._limitations = limitations(events, catalog)
        self._subjects = series_by_subject(catalog)
        self._sent: dict[tuple[int, Media], Subject] = {}
        self._trips: dict[tuple[int, int | None], Track] = {}
        self._measured: list[Finding] = []
        self._unfinished: list[Finding] = []
        self._last_end = 0.0
        self._summaries = summaries(events, catalog)
        self._told = [
            *attempt_findings(catalog, overridden(attempts.RULES, changed)),
            *diagnostic_findings(events, catalog),
            *connectivity_findings(events, catalog, overridden(connectivity.RULES, changed), heard_until=heard_until),
            *device_findings(events, catalog),
            *summary_findings(self._summaries, catalog, overridden(call_figures.RULES, changed)),
            *(found for rule in overridden([LOW_RATING], changed) for found in rating_findings(events, rule)),
        ]

    def batches(self, extents: Mapping[int, Extent] = MappingProxyType({})) -> Iterator[Batch]:
        """What is to be handed in, in this order: what was sent, then the rest by participant; long ones window by window.

        ``extents`` are those of the series, by their keys.
        """
        batch: list[SubjectKey] = []
        size = 0
        # A participant's own round trips and scores are needed for whatever else it received.
        for _, group in groupby(sorted(self._subjects, key=_precedence), key=_group):
            keys = list(group)
            own = [extents[key] for key in self.series_keys(keys) if key in extents]
            several = list(windows(own))
            count = sum(extent.samples for extent in own)
            if batch and (size + count > WINDOW_SAMPLES or len(several) > 1):
                yield Batch(batch)
                batch, size = [], 0
            if len(several) > 1:
                yield from (Batch(keys, window) for window in several)
            else:
                batch, size = batch + keys, size + count
        if batch:
            yield Batch(batch)

    def series_keys(self, subjects: Iterable[SubjectKey]) -> list[int]:
        return [series.series_key for key in subjects for series in self._subjects[key]]

    def take(self, batch: Batch, samples: Samples) -> list[Track]:
        """Diagnose the subjects of a batch; returns the series that are derived from theirs."""
        derived: list[Track] = []
        bad: dict[tuple[int, int | None], list[Stretch]] = defaultdict(list)
        subjects = [self._subject(key, samples) for key in batch.subjects]
        self._remember(subjects, batch.window)
        for subject in subjects:
            loss = packet_loss(subject, self._derived_key("loss", subject, subject.media, subject.direction))
            if loss is not None:
                derived.append(loss)
                subject.tracks[Metric.PACKET_LOSS] = loss
            opinion = self._opinion(subject)
            if opinion is not None:
                derived += [opinion] if Metric.MEAN_OPINION_SCORE not in subject.tracks else []
                subject.tracks[Metric.MEAN_OPINION_SCORE] = opinion
                bad[_whose(subject)] += bad_stretches(opinion)
        found: list[Finding] = []
        for subject in subjects:
            subject.bad_network = bad.get(_whose(subject), [])
            found += detect(subject, self._rules, sent=self._sender(subject))
        self._add(found, batch.window)
        return derived

    def _remember(self, subjects: Iterable[Subject], window: Window) -> None:
        """What others are held against. Of a window it is the window's alone: nobody else looks at the same one."""
        if window.is_part:
            self._trips.clear()
        for subject in subjects:
            trip = subject.tracks.get(Metric.ROUND_TRIP_TIME)
            if trip is not None:
                self._trips.setdefault(_whose(subject), trip)
            if subject.direction is Direction.PUBLISH and subject.stream_key is not None and not window.is_part:
                self._sent[subject.stream_key, subject.media] = subject

    def _add(self, found: list[Finding], window: Window) -> None:
        if window.is_part:
            found = found if window.start is None else carried_on(self._unfinished, found, window, self._last_end)
            self._unfinished, self._last_end = found, window.end or 0.0
        if window.end is None:
            self._measured += found
            self._unfinished = []

    @property
    def measured(self) -> list[Finding]:
        """What samples show, before anything is joined or attributed."""
        return self._measured

    def findings(self, lasted: Mapping[int, tuple[float, float]]) -> list[Finding]:
        """All that was found, in order of time; ``lasted`` tells the first and last time of each series, by its key, in ms."""
        found = merged([*self._told, *self._measured])
        attribute(found, coverage_of(self.catalog, lasted, call_figures.subjects(self._summaries)))
        return sorted(found, key=lambda finding: (finding.started_at, finding.kind, str(finding.participant_key)))

    def _subject(self, key: SubjectKey, samples: Samples) -> Subject:
        tracks = [Track(row, *samples[row.series_key]) for row in self._subjects[key] if row.series_key in samples]
        subject = subject_of(self.catalog, key, tracks)
        subject.quiet, subject.muted = self._pauses.of(subject), self._pauses.muted(subject)
        if subject.stream_key is not None:
            limited: dict[str, list[Stretch]] = defaultdict(list)
            for limitation in self._limitations.get(subject.stream_key, ()):
                limited[limitation.reason].append(limitation.stretch)
            subject.limited = dict(limited)
        return subject

    def _sender(self, subject: Subject) -> Subject | None:
        is_received = subject.direction is Direction.SUBSCRIBE and subject.stream_key is not None
        return self._sent.get((subject.stream_key or 0, subject.media)) if is_received else None

    def _opinion(self, subject: Subject) -> Track | None:
        """The source's own scores stand."""
        told = subject.tracks.get(Metric.MEAN_OPINION_SCORE)
        if told is not None:
            return told
        subject.round_trip = self._trips.get(_whose(subject))
        return scored(subject, subject.round_trip, self._derived_key("opinion", subject))

    def _derived_key(self, what: str, subject: Subject, *more: str) -> int:
        keys = (subject.participant_key, subject.connection_key, subject.stream_key, subject.subscriber_key)
        return self._key(what, *(str(key or "") for key in keys), *more)


def _whose(subject: Subject) -> tuple[int, int | None]:
    return subject.participant_key, subject.connection_key


def _group(key: SubjectKey) -> tuple[bool, int]:
    """What is handed in together."""
    return key[5] != Direction.PUBLISH, key[0]


def _precedence(key: SubjectKey) -> tuple[object, ...]:
    _, *keys, media, direction = key
    return (*_group(key), media != Media.CONNECTION, direction == Direction.SUBSCRIBE, [one or 0 for one in keys], media)
