"""When a measured value was beyond a limit."""

from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscope.analysis.exceedance import Exceedance, Interval, Limit, exceedances, intervals, left_out, period_of

HIGH = Limit(on=10, off=5, minimum_seconds=4)
LOW = Limit(on=10, off=15, minimum_seconds=4, low=True)


def found(values, limit=HIGH, times=None):
    times = times or [2000.0 * (index + 1) for index in range(len(values))]
    return exceedances(intervals(times, values), limit)


def span(values, limit=HIGH, times=None):
    return [(one.started_at / 1000, one.ended_at and one.ended_at / 1000) for one in found(values, limit, times)]


class TestIntervals:
    def test_a_sample_stands_for_the_time_since_the_one_before(self):
        assert list(intervals([2000, 4000, 6000], [1, 2, 3])) == [
            (0, 2000, 1, False),
            (2000, 4000, 2, True),
            (4000, 6000, 3, True),
        ]

    def test_after_a_gap_for_one_usual_interval(self):
        assert list(intervals([2000, 4000, 6000, 60_000], [1, 1, 1, 2]))[-1] == Interval(58_000, 60_000, 2, False)

    @pytest.mark.parametrize(("later", "follows"), [(5000, True), (5001, False)])
    def test_five_seconds_are_no_gap_yet(self, later, follows):
        assert list(intervals([0, 1000, 2000, 2000 + later], [1, 1, 1, 2]))[-1].follows is follows

    @pytest.mark.parametrize(("later", "follows"), [(20_000, True), (20_001, False)])
    def test_nor_are_two_periods(self, later, follows):
        assert list(intervals([0, 10_000, 20_000, 20_000 + later], [1, 1, 1, 2]))[-1].follows is follows

    @pytest.mark.parametrize("value", [nan, inf, -inf])
    def test_what_is_no_number_is_missing(self, value):
        assert [sample.value for sample in intervals([2000, 4000, 6000], [1, value, 2])] == [1, 2]

    @pytest.mark.parametrize(("step", "period"), [(120_000, 120_000), (120_001, 0)])
    def test_samples_far_apart_tell_no_period(self, step, period):
        assert period_of([0, step]) == period

    def test_one_sample_stands_for_an_instant(self):
        assert list(intervals([2000], [1])) == [Interval(2000, 2000, 1, False)]
        assert period_of([2000]) == period_of([]) == 0

    def test_all_at_one_instant(self):
        assert [sample.end - sample.start for sample in intervals([2000] * 3, [1, 2, 3])] == [0, 0, 0]


class TestLeftOut:
    def test_the_next_sample_follows_nothing(self):
        samples = left_out(intervals([1000, 2000, 3000, 4000], [1, 9, 1, 1]), lambda sample: sample.value > 5)
        assert [(sample.end, sample.follows) for sample in samples] == [(1000, False), (3000, False), (4000, True)]


class TestExceedances:
    @pytest.mark.parametrize(("limit", "bad", "edge", "good"), [(HIGH, 11, 10, 4), (LOW, 9, 10, 16)])
    def test_opens_beyond_the_limit_and_not_at_it(self, limit, bad, edge, good):
        assert span([good, bad, bad, good, good], limit) == [(2, 6)]
        assert span([good, edge, edge, good, good], limit) == []

    @pytest.mark.parametrize(("limit", "bad", "between", "off"), [(HIGH, 11, 6, 5), (LOW, 9, 14, 15)])
    def test_closes_at_the_clear_limit_and_not_before(self, limit, bad, between, off):
        assert span([bad, bad, between, between, between], limit) == [(0, None)]
        assert span([bad, bad, between, off, off], limit) == [(0, 6)]

    @pytest.mark.parametrize(("count", "expected"), [(1, []), (2, [(2, 6)])])
    def test_opens_after_the_minimum_duration(self, count, expected):
        assert span([0, *[11] * count, 0, 0]) == expected

    @pytest.mark.parametrize(("count", "expected"), [(1, [(0, 10)]), (2, [(0, 4), (8, None)])])
    def test_closes_after_the_same_time(self, count, expected):
        values = [11, 11, *[0] * count, 11, 11]
        ends = [] if expected[-1][1] is None else [0, 0]
        assert span([*values, *ends]) == [(start, end) for start, end in expected]

    @pytest.mark.parametrize(("count", "is_found"), [(2, False), (3, True)])
    def test_opens_after_the_minimum_number_of_samples(self, count, is_found):
        assert bool(found([11] * count, Limit(10, 5, 0, minimum_samples=3))) is is_found

    def test_keeps_the_worst_value(self):
        assert found([11, 40, 20, 0, 0]) == [Exceedance(0, 6000, 6000, 40)]
        assert found([9, 2, 7, 20, 20], LOW)[0].worst == 2

    def test_one_that_is_not_over_was_seen_last_when_it_was_bad(self):
        assert found([11, 11, 6, 4]) == [Exceedance(0, None, 6000, 11)]

    def test_a_gap_opens_nothing(self):
        assert span([11, 11], times=[2000, 3_600_000]) == []
        assert span([0, 0, 11, 11], times=[2000, 4000, 6000, 3_600_000]) == []

    def test_a_gap_closes_nothing(self):
        times = [2000, 4000, 6000, 3_600_000, 3_602_000, 3_604_000]
        assert span([11, 11, 11, 11, 0, 0], times=times) == [(0, 3600)]

    def test_what_was_well_after_a_gap_was_bad_until_the_gap_at_most(self):
        times = [2000, 4000, 6000, 3_600_000, 3_602_000]
        assert span([11, 11, 11, 0, 0], times=times) == [(0, 6)]

    def test_being_well_before_a_gap_does_not_count_after_it(self):
        times = [2000, 4000, 6000, 3_600_000]
        assert span([11, 11, 0, 0], times=times) == [(0, None)]

    @pytest.mark.parametrize("values", [[], [11], [nan, nan, nan], [-5, -5, -5]])
    def test_nothing_to_find(self, values):
        assert found(values) == []

    def test_all_at_one_instant_lasts_for_none(self):
        assert found([11, 11, 11], times=[2000.0] * 3) == []


VALUES = st.lists(st.sampled_from([0.0, 4.0, 5.0, 7.0, 10.0, 11.0, 60.0]), max_size=40)


@given(VALUES, st.integers(-10_000, 10_000))
def test_shifting_time_shifts_stretches_and_nothing_else(values, shift):
    times = [2000.0 * (index + 1) for index in range(len(values))]
    moved = [one._replace(started_at=one.started_at + shift, last_at=one.last_at + shift) for one in found(values, times=times)]
    moved = [one._replace(ended_at=None if one.ended_at is None else one.ended_at + shift) for one in moved]
    assert found(values, times=[time + shift for time in times]) == moved


@given(VALUES, st.lists(st.floats(0, 5), max_size=10))
def test_appending_good_samples_changes_no_closed_stretch(values, good):
    closed = [one for one in found(values) if one.ended_at is not None]
    assert found([*values, *good])[: len(closed)] == closed


@given(VALUES)
def test_what_is_spared_at_a_glance_has_no_stretches(values):
    for limit in (HIGH, LOW):
        assert not limit.spares(values) or found(values, limit) == []


@given(VALUES)
def test_stretches_are_in_order_and_apart(values):
    stretches = found(values)
    assert all(one.ended_at is not None and one.ended_at <= other.started_at for one, other in pairwise(stretches))
