"""A subject as its detectors see it: its tracks, what its publisher sent, and when a reading says nothing against the call."""

from collections.abc import Iterable
from functools import cached_property

from callscope.analysis.exceedance import Interval, intervals
from callscope.analysis.opinion import BAD
from callscope.analysis.spans import Spans
from callscope.analysis.tracks import Lookup, Stretch, Subject
from callscope.vocabulary import Metric

GRACE = 5_000.0
"""Milliseconds after the start of a stream and before its end in which nothing is judged (Callscope's notes, section 3)."""
SEVERE_LOSS = 10.0
"""Percent: beyond, a picture that freezes says nothing that the losses do not (Azure)."""
FOREVER = 4_102_444_800_000.0
"""Later than any telemetry, milliseconds since the Unix epoch."""


class Scene:
    """One subject, and ``sent``, the publisher's side of the same stream and media. What is dear is worked out once."""

    def __init__(self, subject: Subject, sent: Subject | None) -> None:
        self.subject = subject
        self.sent = sent
        self._lookups: dict[tuple[bool, Metric], Lookup | None] = {}

    def samples(self, metric: Metric) -> Iterable[Interval]:
        track = self.subject.tracks.get(metric)
        return intervals(track.times, track.values) if track is not None else ()

    def lookup(self, metric: Metric, *, sent: bool = False) -> Lookup | None:
        """Reads another track of the subject, or of what its publisher sent."""
        if (sent, metric) not in self._lookups:
            subject = self.sent if sent else self.subject
            track = subject.tracks.get(metric) if subject is not None else None
            self._lookups[sent, metric] = Lookup(track) if track is not None and track.times else None
        return self._lookups[sent, metric]

    def at(self, metric: Metric, sample: Interval) -> float | None:
        """What another track of the subject says of a sample's time."""
        lookup = self.lookup(metric)
        return lookup.at(sample.end) if lookup is not None else None

    def least_sent(self, metric: Metric, sample: Interval) -> float | None:
        """The least that the publisher sent at any time of a sample; None where nobody tells."""
        lookup = self.lookup(metric, sent=True)
        return lookup.least(sample.start, sample.end) if lookup is not None else None

    def is_grace(self, sample: Interval) -> bool:
        start, end = self.subject.lasted
        return sample.start < start + GRACE or (end is not None and sample.end > end - GRACE)

    @cached_property
    def quiet(self) -> Spans:
        """When nothing was expected of the subject, or of its publisher."""
        return _spans([*self.subject.quiet, *(self.sent.quiet if self.sent is not None else ())])

    @cached_property
    def muted(self) -> Spans:
        """When the microphone was muted."""
        return _spans(self.subject.muted)

    @cached_property
    def layer_changes(self) -> Spans:
        """The intervals in which the size of the picture changed, and one more of each."""
        found: list[Stretch] = []
        for metric in (Metric.FRAME_HEIGHT, Metric.FRAME_WIDTH):
            before: float | None = None
            since = 0.0
            is_next = False
            for start, end, value, _ in self.samples(metric):
                is_change = before is not None and value != before
                since = start if is_change else since
                if is_change or is_next:
                    found.append(Stretch(since, end))
                before, is_next = value, is_change
        return _spans(found)

    @cached_property
    def bad_network(self) -> Spans:
        """When the network was so bad that it alone is to be reported."""
        lossy = [Stretch(start, end) for start, end, value, _ in self.samples(Metric.PACKET_LOSS) if value > SEVERE_LOSS]
        deaf = [Stretch(start, end) for start, end, value, _ in self.samples(Metric.MEAN_OPINION_SCORE) if value <= BAD]
        return _spans([*self.subject.bad_network, *lossy, *deaf])

    def limited(self, reason: str) -> Spans:
        """When the sender said that this reason made it lower quality."""
        return _spans(self.subject.limited.get(reason, ()))


def _spans(stretches: Iterable[Stretch]) -> Spans:
    return Spans((start, max(start, FOREVER if end is None else end)) for start, end in stretches)
