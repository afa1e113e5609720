"""What went wrong with what was measured: the rules held to one subject after the other.

A rule gets its samples (``measures``), without those that say nothing against the call (``Scene``), and what stays is a finding
where it was beyond a level for long enough (``exceedance``). Where one fault shows in several rules, the telling one stands.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from callscope.analysis.exceedance import Exceedance, Interval, exceedances, left_out
from callscope.analysis.findings import Finding, seen_until
from callscope.analysis.measures import MEASURES, OTHER_METRICS, plain
from callscope.analysis.rules import Level, Rule
from callscope.analysis.scene import Scene
from callscope.analysis.spans import Spans
from callscope.analysis.tracks import Subject
from callscope.vocabulary import Direction, IssueKind, Metric

Kind = IssueKind

AWAKE = frozenset(
    {
        *(Kind.LOW_AUDIO_BITRATE, Kind.LOW_VIDEO_BITRATE, Kind.LOW_FRAME_RATE, Kind.LOW_RESOLUTION, Kind.LOW_BANDWIDTH),
        *(Kind.VIDEO_FREEZE, Kind.CAMERA_FREEZE, Kind.SILENT_MICROPHONE, Kind.NO_MEDIA_SENT, Kind.NO_MEDIA_RECEIVED),
        *(Kind.AUDIO_CONCEALMENT, Kind.DECODER_STUCK),
    }
)
"""No problem while media is muted, paused or switched off."""
OF_LAYERS = frozenset({Kind.VIDEO_FREEZE, Kind.LOW_FRAME_RATE, Kind.LOW_RESOLUTION})
"""Expected while the layer or the size of the picture changes."""
AFTER_NETWORK = frozenset({Kind.VIDEO_FREEZE, Kind.DECODER_STUCK, Kind.DECODER_OVERLOAD})
"""Not looked for while the network is bad."""
OF_CONTENT = frozenset({Kind.LOW_AUDIO_BITRATE, Kind.LOW_VIDEO_BITRATE, Kind.LOW_FRAME_RATE, Kind.LOW_RESOLUTION})
"""A receiver gets what was sent: that little was sent is a finding about the publisher."""
STILL = 0.1
"""Frames per second of a source that stands still."""
ROUND_TRIPS = 15
"""That a decoder may wait for a key frame (ObserveRTC)."""

EXPLAINED_BY: dict[IssueKind, frozenset[IssueKind]] = {
    Kind.LOW_FRAME_RATE: frozenset(
        {Kind.VIDEO_FREEZE, Kind.CAMERA_FREEZE, Kind.DECODER_STUCK, Kind.NO_MEDIA_SENT, Kind.NO_MEDIA_RECEIVED}
    ),
    Kind.LOW_VIDEO_BITRATE: frozenset({Kind.CAMERA_FREEZE, Kind.NO_MEDIA_SENT, Kind.NO_MEDIA_RECEIVED}),
    Kind.NO_MEDIA_SENT: frozenset({Kind.CAMERA_FREEZE}),
    Kind.SILENT_MICROPHONE: frozenset({Kind.NO_MEDIA_SENT}),
    Kind.VIDEO_FREEZE: frozenset({Kind.DECODER_STUCK, Kind.NO_MEDIA_RECEIVED}),
    Kind.AUDIO_CONCEALMENT: frozenset({Kind.NO_MEDIA_RECEIVED}),
    Kind.LOW_MEAN_OPINION_SCORE: frozenset({Kind.NO_MEDIA_RECEIVED}),
}
"""What says no more than another finding about the same subject that covers at least half of it."""


class Passage(NamedTuple):
    """A stretch beyond a level; of several levels, the most severe that it reached."""

    stretch: Exceedance
    level: Level


def detect(subject: Subject, rules: Iterable[Rule], *, sent: Subject | None = None) -> list[Finding]:
    """What went wrong with one subject, in order of time. ``sent`` is the publisher's side of the same stream and media."""
    scene = Scene(subject, sent)
    found = [finding for rule in rules if _watches(rule, subject) for finding in _hold(rule, scene)]
    if len(found) > 1:
        found = sorted(unexplained(found), key=lambda finding: finding.started_at)
    return found


# One rule.


def _watches(rule: Rule, subject: Subject) -> bool:
    """Whether a rule is about such a subject, and whether any sample of its metric may be beyond its limits."""
    if (rule.media and subject.media not in rule.media) or (rule.directions and subject.direction not in rule.directions):
        return False
    if rule.screen is not None and rule.screen is not subject.is_screen:
        return False
    track = subject.tracks.get(rule.metric) if rule.metric is not None else None
    if track is None or not track.times:
        return False
    if rule.measure:
        # The measure is a share of what the metric counts: where that is never more than nothing, so is the share.
        return not max(track.values) <= 0
    return not all(level.limit.spares(track.values) for level in rule.levels)


def _hold(rule: Rule, scene: Scene) -> Iterator[Finding]:
    """Hold one rule to one subject."""
    counted = [sample for sample in MEASURES.get(rule.kind, plain)(scene, rule) if not scene.is_grace(sample)]
    samples = list(_accountable(rule, scene, counted))
    runs = _runs(samples, scene.quiet) if rule.kind in AWAKE else [samples]
    for index, run in enumerate(runs):
        for stretch, level in _passages(run, _levels(rule, scene)):
            ended_at = stretch.last_at if stretch.ended_at is None and index + 1 < len(runs) else stretch.ended_at
            yield _finding(rule, scene, level, stretch._replace(ended_at=ended_at))


def _accountable(rule: Rule, scene: Scene, samples: Iterable[Interval]) -> Iterable[Interval]:
    """The samples that say something about the subject and nobody else."""
    if rule.kind in OF_LAYERS:
        samples = left_out(samples, lambda sample: scene.layer_changes.within(sample.start, sample.end) > 0)
    if rule.kind in AFTER_NETWORK:
        samples = left_out(samples, lambda sample: scene.bad_network.within(sample.start, sample.end) > 0)
    if scene.subject.direction is Direction.SUBSCRIBE and rule.metric is not None:
        if rule.kind is Kind.VIDEO_FREEZE:
            samples = left_out(samples, lambda sample: _sends(scene, Metric.FRAME_RATE, sample, STILL) is False)
        elif rule.kind in OF_CONTENT:
            metric, enough = rule.metric, rule.levels[0].limit.off
            must_tell = rule.screen is True and rule.kind is Kind.LOW_FRAME_RATE
            samples = left_out(
                samples, lambda sample: _sends(scene, metric, sample, enough) in ({None, False} if must_tell else {False})
            )
    return samples


def _sends(scene: Scene, metric: Metric, sample: Interval, enough: float) -> bool | None:
    """Whether the publisher sent enough during a sample, all of the time; None where nobody tells."""
    least = scene.least_sent(metric, sample)
    return None if least is None else least >= enough


def _levels(rule: Rule, scene: Scene) -> Sequence[Level]:
    """A decoder may wait for the key frame that it asked for, on a long way for longer."""
    trip = scene.subject.tracks.get(Metric.ROUND_TRIP_TIME) if rule.kind is Kind.DECODER_STUCK else None
    if trip is None or not trip.values:
        return rule.levels
    wait = ROUND_TRIPS * sorted(trip.values)[len(trip.values) // 2] / 1000
    return [
        replace(level, limit=replace(level.limit, minimum_seconds=max(level.limit.minimum_seconds, wait)))
        for level in rule.levels
    ]


def _runs(samples: Iterable[Interval], quiet: Spans) -> list[list[Interval]]:
    """The samples between the times at which nothing was expected: such a time ends whatever was wrong before."""
    runs: list[list[Interval]] = [[]]
    for sample in samples:
        if quiet.within(sample.start, sample.end) <= 0:
            runs[-1].append(sample)
        elif runs[-1]:
            runs.append([])
    return runs


def _passages(samples: Sequence[Interval], levels: Sequence[Level]) -> list[Passage]:
    """Where samples were beyond any of the levels, in order of time; those that overlap are one."""
    found = [Passage(stretch, level) for level in levels for stretch in exceedances(samples, level.limit)]
    passages: list[Passage] = []
    for passage in sorted(found, key=lambda each: each.stretch.started_at):
        before = passages[-1] if passages else None
        if before is None or (before.stretch.ended_at is not None and before.stretch.ended_at <= passage.stretch.started_at):
            passages.append(passage)
        else:
            passages[-1] = _widest(before, passage, levels)
    return passages


def _widest(one: Passage, other: Passage, levels: Sequence[Level]) -> Passage:
    level = max(one.level, other.level, key=levels.index)
    ends = (one.stretch.ended_at, other.stretch.ended_at)
    stretch = Exceedance(
        started_at=min(one.stretch.started_at, other.stretch.started_at),
        ended_at=None if ends[0] is None or ends[1] is None else max(ends[0], ends[1]),
        last_at=max(one.stretch.last_at, other.stretch.last_at),
        worst=level.limit.worse(one.stretch.worst, other.stretch.worst),
    )
    return Passage(stretch, level)


def _finding(rule: Rule, scene: Scene, level: Level, stretch: Exceedance) -> Finding:
    subject = scene.subject
    metrics = (rule.metric, *OTHER_METRICS.get(rule.kind, ()))
    known = {Metric.ROUND_TRIP_TIME: subject.round_trip, **subject.tracks}
    tracks = [track for metric in dict.fromkeys(metrics) if metric is not None and (track := known.get(metric)) is not None]
    if rule.kind is Kind.NO_MEDIA_RECEIVED and scene.sent is not None:
        tracks.append(scene.sent.tracks[Metric.BITRATE])
    return Finding(
        kind=rule.kind,
        severity=level.severity,
        rule=rule,
        level=level,
        started_at=stretch.started_at,
        ended_at=stretch.ended_at,
        observed=stretch.worst,
        participant_key=subject.participant_key,
        connection_key=subject.connection_key,
        stream_key=subject.stream_key,
        subscriber_key=subject.subscriber_key,
        media=subject.media,
        direction=subject.direction,
        series_keys=[track.series.series_key for track in tracks],
        lasted_until=stretch.last_at if stretch.ended_at is None else None,
    )


def unexplained(found: Sequence[Finding]) -> Iterator[Finding]:
    """Of the findings of one subject, those that tell something that no other does."""
    spans: dict[IssueKind, list[tuple[float, float]]] = defaultdict(list)
    for finding in found:
        spans[finding.kind].append((finding.started_at, seen_until(finding)))
    for finding in found:
        causes = Spans(span for kind in EXPLAINED_BY.get(finding.kind, ()) for span in spans.get(kind, ()))
        if not causes.starts or not causes.cover(finding.started_at, seen_until(finding)):
            yield finding
