"""Rules with other thresholds."""

from dataclasses import replace

import pytest

from callscope.analysis.rules import Override, Rule, is_low, level, overridden
from callscope.vocabulary import IssueKind, Metric, Severity

LOSS = Rule(
    "loss",
    IssueKind.HIGH_PACKET_LOSS,
    "nobody",
    (level(Severity.WARNING, 5, 3, 10), level(Severity.ERROR, 10, 7, 5)),
    Metric.PACKET_LOSS,
)
FRAMES = Rule(
    "frames", IssueKind.LOW_FRAME_RATE, "nobody", (level(Severity.WARNING, 7, 10, 10, low=True, samples=2),), Metric.FRAME_RATE
)


def changed(rule, **numbers):
    (one,) = overridden([rule], [Override(rule.kind, **numbers)])
    return [(each.limit.on, each.limit.off, each.limit.minimum_seconds) for each in one.levels]


def test_only_rules_of_the_kind_change():
    assert overridden([LOSS, FRAMES], [Override(IssueKind.LOW_FRAME_RATE, threshold=5)])[0] is LOSS


def test_no_number_changes_nothing():
    assert overridden([LOSS], [Override(LOSS.kind)]) == [LOSS]


def test_a_threshold_leaves_the_mildest_level_and_keeps_the_distance():
    assert changed(LOSS, threshold=20) == [(20, 18, 10)]
    assert changed(FRAMES, threshold=4) == [(4, 7, 10)]


def test_a_clear_threshold_stands_as_given():
    assert changed(LOSS, threshold=20, clear_threshold=1) == [(20, 1, 10)]
    assert changed(FRAMES, clear_threshold=15) == [(7, 15, 10)]


def test_a_duration_is_of_all_levels():
    assert changed(LOSS, minimum_seconds=1) == [(5, 3, 1), (10, 7, 1)]


def test_what_has_no_override_is_kept():
    (one,) = overridden([FRAMES], [Override(FRAMES.kind, threshold=4)])
    assert (one.levels[0].limit.low, one.levels[0].limit.minimum_samples, one.name) == (True, 2, "frames")


SHARE = Rule("share", IssueKind.VIDEO_FREEZE, "nobody", (level(Severity.ERROR, 0.3, 0.1, 2),), measure="share, 0 to 1")
LENGTH = Rule("length", IssueKind.VIDEO_FREEZE, "nobody", (level(Severity.ERROR, 1000, 500, 2),), measure="length, ms")


def test_a_rule_in_another_unit_gives_way_to_a_threshold_and_takes_a_duration_alone():
    rules = [SHARE, LENGTH]
    assert [rule.name for rule in overridden(rules, [Override(SHARE.kind, threshold=0.5)])] == ["share"]
    share, length = overridden(rules, [Override(SHARE.kind, clear_threshold=0.2, minimum_seconds=5)])
    assert [(one.limit.on, one.limit.off, one.limit.minimum_seconds) for one in (share.levels[0], length.levels[0])] == [
        (0.3, 0.2, 5),
        (1000, 500, 5),
    ]
    assert overridden(rules, []) == rules


def test_a_figure_of_a_whole_call_has_neither_end_nor_duration():
    whole = replace(LOSS, levels=(level(Severity.ERROR, 10, 10, 0),), is_of_whole_call=True)
    assert changed(whole, threshold=20, clear_threshold=1, minimum_seconds=9) == [(20, 20, 0)]
    assert changed(whole, clear_threshold=1) == [(10, 10, 0)]


@pytest.mark.parametrize(("metric", "low"), [(Metric.BITRATE, True), (Metric.PACKET_LOSS, False), (None, False)])
def test_whether_the_least_is_the_worst(metric, low):
    assert is_low(metric) is low


@pytest.mark.parametrize("threshold", [0.1, 0.7, 1e-9, 1e300])
def test_where_both_thresholds_are_the_same_they_stay_so(threshold):
    silent = Rule("silent", IssueKind.NO_MEDIA_SENT, "nobody", (level(Severity.ERROR, 1, 1, 5, low=True),), Metric.BITRATE)
    assert changed(silent, threshold=threshold) == [(threshold, threshold, 5)]
    share = Rule("share", IssueKind.CPU_LIMITED, "nobody", (level(Severity.WARNING, 0.3, 0.1, 10),), Metric.QUALITY_LIMITATION)
    assert changed(share, minimum_seconds=1) == [(0.3, 0.1, 1)]
