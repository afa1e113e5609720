"""The diagnosis of a call that goes on: what was found so far is carried on by what the last samples show.

Of each participant only the samples since the last look are read, and those of a while before it, as of a call that is too long
to be looked at as a whole (``windows``). What this finds is close to what all samples at once would show, which has the last word
once the call rests.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from callscope.analysis.diagnosis import Batch, Diagnosis, Samples
from callscope.analysis.diagnostics import EventRow
from callscope.analysis.findings import Finding
from callscope.analysis.rows import Catalog
from callscope.analysis.tracks import Subject, Track
from callscope.analysis.windows import Window, carried_on
from callscope.vocabulary import Direction

LOOK_BACK = 90_000.0
"""Milliseconds before the last look: three times the longest minimum duration of a rule."""
AT_A_TIME = 1_000
"""Participants whose samples are handed in together."""

Whose = tuple[int | None, bool]
"""A participant, and whether it is of what that one sent."""
Found = dict[Whose, list[Finding]]
"""What was measured so far."""


def found_by(findings: Iterable[Finding]) -> Found:
    found: Found = defaultdict(list)
    for finding in findings:
        found[finding.participant_key, finding.direction is Direction.PUBLISH].append(finding)
    return found


class Ongoing(Diagnosis):
    """One look at the participants of whom there are new samples. ``found`` is what the looks before found, and is carried on."""

    def __init__(
        self, catalog: Catalog, events: Sequence[EventRow], key: Callable[..., int], found: Found, *, heard_until: float
    ) -> None:
        super().__init__(catalog, events, key, heard_until=heard_until)
        self._found = found
        # What was derived before is derived again, and not taken for what a source told.
        told = {key: [row for row in series if not row.is_derived] for key, series in self._subjects.items()}
        self._subjects = {key: series for key, series in told.items() if series}

    def looks(self, participants: Collection[int], since: float) -> Iterable[Batch]:
        """What is to be handed in, in this order: what was sent, then what some participants received and measured besides."""
        window = Window(since - LOOK_BACK, None)
        own = defaultdict(list)
        sent = []
        for key in self._subjects:
            if key[5] == Direction.PUBLISH:
                sent.append(key)
            elif key[0] in participants:
                own[key[0]].append(key)
        yield Batch(sent, window)
        whose = sorted(own)
        for first in range(0, len(whose), AT_A_TIME):
            yield Batch([key for one in whose[first : first + AT_A_TIME] for key in own[one]], window)

    def look(self, batch: Batch, samples: Samples, since: float) -> list[Track]:
        """Diagnose the subjects of a batch; returns the new samples of series that are derived from theirs."""
        self._since = since
        self._looked_at: set[Whose] = {(key[0], key[5] == Direction.PUBLISH) for key in batch.subjects}
        return [_after(track, since) for track in self.take(batch, samples) if track.times and track.times[-1] > since]

    def _remember(self, subjects: Iterable[Subject], window: Window) -> None:
        # All batches of a look are of one window, so that what was sent is there for all who received it.
        super()._remember(subjects, Window())

    def _add(self, found: list[Finding], window: Window) -> None:
        now = found_by(found)
        for whose in self._looked_at:
            self._found[whose] = carried_on(self._found.get(whose, []), now.get(whose, []), window, self._since)

    def findings(self, lasted: Mapping[int, tuple[float, float]]) -> list[Finding]:
        self._measured = [finding for several in self._found.values() for finding in several]
        return super().findings(lasted)


def _after(track: Track, since: float) -> Track:
    kept = next(place for place, at in enumerate(track.times) if at > since)
    return Track(track.series, track.times[kept:], track.values[kept:])
