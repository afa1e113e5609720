"""Each rule of the book, held to a call that breaks it and to calls that nearly do."""

from dataclasses import dataclass
from math import ceil, isfinite

import pytest
from measured import STEP, at, seconds, subject

from callscope.analysis.detectors import detect
from callscope.analysis.joining import SEVERITIES
from callscope.analysis.rule_book import RULES, rules_for
from callscope.analysis.rules import Level, Rule
from callscope.analysis.tracks import Stretch
from callscope.vocabulary import Direction, IssueKind, Media, Metric, Platform, StreamSource

WELL = 10
"""Samples before and after."""
RULED = [(platform, rule) for platform in (Platform.OTHER, Platform.ACS, Platform.VONAGE) for rule in rules_for(platform)]
RULED = [(platform, rule) for platform, rule in RULED if platform is Platform.OTHER or rule not in RULES]
LEVELS = [(rule, level) for _, rule in RULED for level in rule.levels]
names = [f"{platform}-{rule.name}" for platform, rule in RULED]
level_names = [f"{platform}-{rule.name}-{level.severity}" for platform, rule in RULED for level in rule.levels]


@dataclass
class Case:
    """A call in which a rule measures given values, whatever else it looks at being as it must."""

    rule: Rule
    level: Level

    @property
    def good(self):
        limit = self.level.limit
        return 2 * max(each.limit.off for each in self.rule.levels) if limit.low else 0.0

    @property
    def bad(self):
        limit = self.level.limit
        return limit.on * (0.99 if limit.low else 1.01)

    @property
    def needed(self):
        """Samples that open it."""
        count = max(ceil(self.level.limit.minimum_seconds / STEP), self.level.limit.minimum_samples)
        # The picture changes its size, which says nothing for two intervals.
        return count + 2 if self.rule.kind is IssueKind.LOW_RESOLUTION else count

    def subject(self, values):
        rule, count = self.rule, len(values)
        media = min(rule.media or {Media.VIDEO}, key=list(Media).index)
        direction = min(rule.directions or {Direction.SUBSCRIBE})
        source = StreamSource.SCREEN if rule.screen else StreamSource.CAMERA
        tracks = {rule.metric: values}
        match rule.kind:
            case IssueKind.VIDEO_FREEZE if rule.metric is Metric.FREEZE_COUNT:
                # Each as long as measured, and so many that they fill the interval.
                counts = [STEP * 1000 / length if length else 0 for length in values]
                tracks = {rule.metric: counts, "FREEZE_DURATION": [STEP * 1000 if length else 0 for length in values]}
            case IssueKind.VIDEO_FREEZE:
                tracks = {rule.metric: [share * STEP * 1000 for share in values]}
            case IssueKind.DECODER_OVERLOAD:
                tracks = {
                    rule.metric: [50 * share for share in values],
                    "FRAME_RATE": [20] * count,
                    "FRAMES_DROPPED": [100] * count,
                }
            case IssueKind.DECODER_STUCK:
                tracks["BITRATE"] = [500_000] * count
        made = subject(media, direction, source=source, **{str(metric): each for metric, each in tracks.items()})
        made.muted = [Stretch(at(-10), None)] * (rule.kind is IssueKind.SPEAKING_WHILE_MUTED)
        made.limited = {reason: [Stretch(at(-10), None)] for reason in ("cpu", "bandwidth")}
        return made

    def found(self, *values):
        values = [self.good] * WELL + [value for each in values for value in each]
        sent = subject(Media.VIDEO, Direction.PUBLISH, bitrate=[1e6] * len(values), frame_rate=[30] * len(values))
        return detect(self.subject(values), [self.rule], sent=sent)


@pytest.fixture(params=LEVELS, ids=level_names)
def case(request):
    return Case(*request.param)


def test_fires(case):
    (found,) = case.found([case.bad] * case.needed, [case.good] * 100)
    first = WELL + (2 if case.rule.kind is IssueKind.LOW_RESOLUTION else 0)
    assert seconds(found.started_at) == pytest.approx(first * STEP)
    assert seconds(found.ended_at) == pytest.approx((WELL + case.needed) * STEP)
    assert (found.kind, found.rule, found.level, found.severity) == (
        case.rule.kind,
        case.rule,
        case.level,
        case.level.severity,
    )
    assert found.observed == pytest.approx(case.bad)


def test_does_not_fire_where_all_is_well(case):
    assert case.found([case.good] * 200) == []


def test_does_not_fire_at_the_threshold(case):
    found = case.found([case.level.limit.on] * 200)
    assert all(SEVERITIES.index(one.severity) < SEVERITIES.index(case.level.severity) for one in found)


def test_does_not_fire_before_the_minimum_duration(case):
    found = case.found([case.bad] * (case.needed - 1), [case.good] * 100)
    assert all(SEVERITIES.index(one.severity) < SEVERITIES.index(case.level.severity) for one in found)


def test_goes_on_until_the_clear_threshold(case):
    limit = case.level.limit
    if limit.on == limit.off:
        pytest.skip("has one threshold for both")
    between = (limit.on + limit.off) / 2
    opened = [case.bad] * (case.needed + 2)
    (lasting,) = case.found(opened, [between] * 100)
    assert lasting.ended_at is None
    if case.level is case.rule.levels[0]:
        (over,) = case.found(opened, [limit.off] * 100)
        assert seconds(over.ended_at) == pytest.approx((WELL + case.needed + 2) * STEP)


@pytest.mark.parametrize(("platform", "rule"), RULED, ids=names)
class TestBook:
    def test_says_where_it_comes_from(self, platform, rule):
        assert rule.name
        assert rule.source
        assert rule.version > 0
        assert rule.metric is not None

    def test_numbers_make_sense(self, platform, rule):
        assert rule.levels
        for level in rule.levels:
            limit = level.limit
            assert isfinite(limit.on)
            assert limit.minimum_seconds > 0 or limit.minimum_samples > 1
            assert limit.on <= limit.off if limit.low else limit.on >= limit.off

    def test_levels_grow_more_severe(self, platform, rule):
        severities = [SEVERITIES.index(level.severity) for level in rule.levels]
        thresholds = [-level.limit.on if level.limit.low else level.limit.on for level in rule.levels]
        assert severities == sorted(set(severities))
        assert thresholds == sorted(set(thresholds))
        assert len({level.limit.low for level in rule.levels}) == 1


KINDS = {
    *("HIGH_PACKET_LOSS", "HIGH_LATENCY", "HIGH_JITTER", "JITTER_BUFFER_HIGH", "AUDIO_CONCEALMENT", "AUDIO_DESYNC"),
    *("LOW_AUDIO_BITRATE", "LOW_VIDEO_BITRATE", "LOW_BANDWIDTH", "CPU_LIMITED", "BANDWIDTH_LIMITED", "LOW_FRAME_RATE"),
    *("LOW_RESOLUTION", "VIDEO_FREEZE", "CAMERA_FREEZE", "DECODER_OVERLOAD", "DECODER_STUCK", "KEYFRAME_REQUEST_STORM"),
    *("NO_MEDIA_RECEIVED", "NO_MEDIA_SENT", "SILENT_MICROPHONE", "SPEAKING_WHILE_MUTED", "LOW_MEAN_OPINION_SCORE"),
}


@pytest.mark.parametrize("platform", list(Platform))
def test_every_kind_that_can_be_measured_has_a_rule(platform):
    rules = rules_for(platform)
    assert {rule.kind.name for rule in rules} == KINDS
    assert len({rule.name for rule in rules}) == len(rules)


def thresholds(platform, kind):
    return [
        (rule.metric.name, [level.limit.on for level in rule.levels]) for rule in rules_for(platform) if rule.kind.name == kind
    ]


def test_calls_of_azure_are_poor_where_azure_says_so():
    assert thresholds(Platform.ACS, "HIGH_PACKET_LOSS") == [("PACKET_LOSS", [10])]
    assert thresholds(Platform.ACS, "HIGH_LATENCY") == [("ROUND_TRIP_TIME", [500])]
    assert thresholds(Platform.ACS, "AUDIO_CONCEALMENT") == [("CONCEALED_RATIO", [0.1])]
    assert thresholds(Platform.ACS, "LOW_RESOLUTION") == [("FRAME_HEIGHT", [240]), ("FRAME_HEIGHT", [768])]


def test_calls_of_vonage_are_poor_where_vonage_says_so():
    assert thresholds(Platform.VONAGE, "HIGH_PACKET_LOSS") == [("PACKET_LOSS", [3, 10])]
    assert thresholds(Platform.VONAGE, "HIGH_LATENCY") == [("ROUND_TRIP_TIME", [300, 500]), ("LATENCY", [300, 500])]
    assert thresholds(Platform.VONAGE, "LOW_AUDIO_BITRATE") == [("BITRATE", [25_000])]
    assert thresholds(Platform.VONAGE, "LOW_VIDEO_BITRATE") == [("BITRATE", [150_000])]
