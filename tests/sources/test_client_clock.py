from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callscope.sources.client_clock import (
    BAND,
    DAY,
    STEP,
    ClientClock,
    StatisticsClock,
    continuous,
    faults,
    span,
)
from callscope.telemetry import from_milliseconds

AT = 1_700_000_000_000.0
"""2023-11-14 22:13:20 UTC."""
MINUTE, HOUR, YEAR = 60_000.0, 3_600_000.0, 365 * DAY
NAP = 3 * HOUR


def read(*polls, page=None):
    """When results were read that say they were read at one time and were logged at another; relative to AT."""
    clock = StatisticsClock(page or ClientClock())
    found = []
    for told, logged in polls:
        at = clock.read(told if told is None else AT + told, logged if logged is None else AT + logged)
        if at is not None:
            clock.hear(at, is_fresh=True)
        found.append(at)
    return [None if at is None else at - AT for at in found], clock


def every(seconds, count, *, told=0.0, logged=0.0, start=0):
    """Polls from ``start`` on, of clocks that are ahead by ``told`` and ``logged``."""
    return [(seconds * 1000 * n + told, seconds * 1000 * n + logged) for n in range(start, start + count)]


def words(page, *clocks):
    return " ".join(faults(page, clocks))


# Statistics by the page's clock.


def test_statistics_that_agree_with_the_page_stand():
    polls = [(0.0, 7.0), (1000.5, 1223.5), (2000.0, 1999.0), (3000.0, 4900.0), (4000.0, 4001.0)]
    found, clock = read(*polls)
    assert found == [told for told, _ in polls]
    assert (clock.lead, words(clock.page, clock)) == (0, "")


def test_statistics_without_a_time_have_that_of_their_line():
    assert read((None, 500.0), (None, None), (700.0, None))[0] == [500, None, 700]


@pytest.mark.parametrize("ahead", [NAP, -NAP, 5 * YEAR])
def test_statistics_that_go_by_another_clock_are_placed_by_the_pages(ahead):
    found, clock = read(*every(10, 4, told=ahead))
    assert found == [0, 10_000, 20_000, 30_000]
    assert (clock.jumps, f"{span(ahead)} {'ahead of' if ahead > 0 else 'behind'} its page's" in words(clock.page, clock)) == (
        0,
        True,
    )


def test_a_page_that_was_busy_at_first_is_no_other_clock():
    found, clock = read((0.0, 9000.0), *every(10, 3, start=1))
    assert found == [9000, 10_000, 20_000, 30_000]
    assert (clock.lead, words(clock.page, clock)) == (0, "")


def test_statistics_stand_still_while_the_computer_sleeps():
    found, clock = read(*every(10, 3), *every(10, 4, start=3, logged=NAP))
    assert found == [0, 10_000, 20_000, None, 40_000 + NAP, 50_000 + NAP, 60_000 + NAP]
    assert clock.jumps == 1
    assert "jumped once, as after sleep, and was up to 3.0 hours behind" in words(clock.page, clock)


@pytest.mark.parametrize(
    ("polls", "expected"),
    [
        ([*every(10, 2), *every(10, 3, start=2, logged=NAP)], [False, False, None, True, False]),
        ([(0.0, 9000.0), *every(10, 2, start=1)], [True, True, False]),
    ],
)
def test_the_first_result_after_a_jump_is_not_comparable(polls, expected):
    clock = StatisticsClock(ClientClock())
    news = []
    for told, logged in polls:
        at = clock.read(AT + told, AT + logged)
        news.append(None if at is None else clock.is_new)
    assert news == expected


def test_a_page_that_was_busy_once_is_no_jump():
    found, clock = read(*every(10, 2), (20_000.0, 29_000.0), *every(10, 2, start=3))
    assert found == [0, 10_000, None, 30_000, 40_000]
    assert (clock.lead, words(clock.page, clock)) == (0, "")


@pytest.mark.parametrize("rate", [100e-6, -100e-6, 5e-3, -5e-3])
def test_drift_is_followed(rate):
    polls = [(n * 10_000.0 * (1 + rate), n * 10_000.0) for n in range(2000)]
    found, clock = read(*polls)
    assert all(abs(at - logged) <= BAND + 50 for at, (_, logged) in zip(found, polls, strict=True))
    assert all(9_800 < after - before < 10_200 for before, after in pairwise(found))
    assert ("behind" if rate < 0 else "ahead of") in words(clock.page, clock) or abs(rate) * polls[-1][1] < STEP + BAND
    assert clock.jumps == 0


# The page's clock by statistics.


@pytest.mark.parametrize("change", [-MINUTE, -NAP, -3 * YEAR, 3 * YEAR])
def test_a_clock_that_is_set_in_the_call_goes_on(change):
    found, clock = read(*every(10, 3), *every(10, 4, start=3, logged=change))
    assert found == [0, 10_000, 20_000, None, 40_000, 50_000, 60_000]
    assert clock.page.correction == -change
    assert (clock.jumps, clock.lead) == (0, 0)
    assert f"set {'back' if change < 0 else 'ahead'} by {span(change)}" in words(clock.page, clock)


@pytest.mark.parametrize("change", [-MINUTE, -3 * YEAR, 3 * YEAR])
def test_a_clock_that_is_set_in_the_call_goes_on_where_statistics_follow_it(change):
    found, clock = read(*every(10, 3), *every(10, 4, start=3, told=change, logged=change))
    assert found == [0, 10_000, 20_000, None, 40_000, 50_000, 60_000]
    assert clock.page.correction == -change
    assert clock.jumps == 0


def test_a_result_that_comes_late_is_no_change_of_the_clock():
    found, clock = read(*every(10, 8, start=2), (5_000.0, 5_010.0), *every(10, 2, start=10))
    assert found[-3:] == [None, 100_000, 110_000]
    assert words(clock.page, clock) == ""


def test_connections_of_one_page_learn_from_each_other():
    page = ClientClock()
    one, other = StatisticsClock(page), StatisticsClock(page)
    found = []
    for number in range(8):
        told, logged = AT + 10_000 * number, AT + 10_000 * number - (NAP if number >= 3 else 0)
        found.append((one.read(told, logged), other.read(told, logged)))
    assert [at for at, _ in found if at] == [AT + 10_000 * number for number in (0, 1, 2, 4, 5, 6, 7)]
    assert [at for _, at in found][-4:] == [AT + 10_000 * number for number in (4, 5, 6, 7)]
    assert page.correction == NAP


@pytest.mark.parametrize("change", [-NAP, -3 * YEAR, 3 * YEAR])
def test_statistics_that_follow_a_clock_that_was_set_are_placed_at_once(change):
    page = ClientClock()
    clock = StatisticsClock(page)
    found = [clock.read(AT + told, AT + logged) for told, logged in every(10, 3)]
    page.correct(-change)
    found += [clock.read(AT + told, AT + logged) for told, logged in every(10, 1, start=3, told=change, logged=change)]
    assert clock.is_new
    found += [clock.read(AT + told, AT + logged) for told, logged in every(10, 2, start=4, told=change, logged=change)]
    assert found == [AT + 10_000 * number for number in range(6)]
    assert (clock.is_new, clock.jumps) == (False, 0)
    assert "statistics" not in words(page, clock)


def test_when_a_result_is_expected_tell_those_before():
    clock = StatisticsClock(ClientClock())
    assert clock.expect(AT) is None
    for told, logged in every(10, 3, logged=5):
        clock.read(AT + told, AT + logged)
    assert (clock.expect(AT + 31_000), clock.expect(None)) == (AT + 31_005, None)
    assert clock.expect(AT - YEAR) == clock.expect(AT + YEAR) == AT + 30_005


def test_a_clock_that_was_set_by_days_is_right_since_then():
    def fixed(correction, says=AT, **state):
        clock = ClientClock(**state)
        clock.correct(correction)
        clock.place(says)
        clock.fix()
        return clock.shift

    assert fixed(-YEAR) == YEAR
    assert fixed(-HOUR) == 0
    assert fixed(-YEAR, is_compared=True) == 0
    assert fixed(-YEAR, is_fixed=True) == 0
    assert fixed(-YEAR, says=YEAR) == 0


# Statistics that stand still.


def test_repeated_results_are_told_once_and_for_how_long():
    found, clock = read(*every(2, 3), *[(4000.0, 4000.0 + 2000 * n) for n in range(1, 11)], *every(2, 2, start=13))
    assert found == [0, 2000, 4000, *[None] * 10, 26_000, 28_000]
    assert clock.stalled == 20_000
    assert "For 20.0 s the client's statistics stood still" in words(clock.page, clock)


def test_polling_twice_in_a_row_is_not_worth_a_word():
    _, clock = read(*every(2, 3), (4000.0, 4500.0), *every(2, 2, start=3))
    assert (clock.stalled, words(clock.page, clock)) == (0, "")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_repetitions_anywhere_change_nothing(data):
    plain = every(2, 12, told=data.draw(st.sampled_from([0.0, NAP])))
    polls = []
    for number, (told, logged) in enumerate(plain):
        polls.append((told, logged, number))
        polls += [(told, logged + late, None) for late in sorted(data.draw(st.lists(st.floats(0, 1900), max_size=3)))]
    found, _ = read(*[(told, logged) for told, logged, _ in polls])
    assert [at for at, (_, _, number) in zip(found, polls, strict=True) if number is not None] == read(*plain)[0]
    assert all(at is None for at, (_, _, number) in zip(found, polls, strict=True) if number is None)


# The page's clock by the server's.


@pytest.mark.parametrize(
    ("by", "moved", "told"),
    [(59_999, 0, ""), (-59_999, 0, ""), (61_000, 61_000, "61.0 s behind"), (-3 * YEAR, -3 * YEAR, "1095.0 days ahead of")],
)
def test_a_clock_is_set_by_the_servers_if_it_is_off(by, moved, told):
    clock = ClientClock()
    clock.compare(AT, AT + by)
    assert clock.instant(AT) == from_milliseconds(AT + moved)
    assert (told in words(clock), bool(clock.told)) == (True, bool(moved))


def test_a_clock_that_times_were_told_by_stands():
    clock = ClientClock(is_fixed=True)
    clock.compare(AT, AT + HOUR)
    assert (clock.shift, clock.told) == (0, [])


def test_what_falls_outside_the_years_of_telemetry_has_no_time():
    clock = ClientClock(shift=-40 * YEAR)
    assert (clock.instant(AT), clock.aligned(AT), clock.instant(None)) == (None, None, None)


# Readings without a second clock.


@pytest.mark.parametrize(
    ("times", "moved", "back"),
    [
        ([], [], 0),
        ([5.0], [5.0], 0),
        ([0.0, 1000.0, 2000.0], [0.0, 1000.0, 2000.0], 0),
        ([0.0, 1000.0, 900.0, 2000.0], [0.0, 1000.0, 900.0, 2000.0], 0),
        ([0.0, 1000.0, 1000.0, 2000.0], [0.0, 1000.0, 1000.0, 2000.0], 0),
        ([HOUR, HOUR + 1000, 0.0, 1000.0], [HOUR, HOUR + 1000, HOUR + 2000, HOUR + 3000], HOUR + 2000),
        ([HOUR, 0.0, 1000.0], [HOUR, HOUR, HOUR + 1000], HOUR),
        ([0.0, 1000.0, YEAR, YEAR + 1000], [0.0, 1000.0, 2000.0, 3000.0], 2000 - YEAR),
        ([0.0, DAY, DAY + NAP], [0.0, DAY, DAY + NAP], 0),
    ],
)
def test_readings_go_on_where_a_clock_is_set(times, moved, back):
    assert continuous(times) == (moved, back)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 100 * YEAR), max_size=20))
def test_continuous_readings_never_go_back_by_a_step(times):
    moved, _ = continuous(times)
    assert len(moved) == len(times)
    assert all(after - before >= -STEP - 1e-3 for before, after in pairwise(moved))


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [
        (0, "0.0 s"),
        (-119_900, "119.9 s"),
        (120_000, "2.0 minutes"),
        (2 * HOUR, "2.0 hours"),
        (-2 * DAY, "2.0 days"),
        (YEAR, "365.0 days"),
    ],
)
def test_spans_in_words(milliseconds, told):
    assert span(milliseconds) == told
