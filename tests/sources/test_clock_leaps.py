"""A clock that leaps in the middle of a log is corrected before what was logged behind it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callscope.sources import clock_leaps
from callscope.sources.client_clock import DAY, ClientClock
from callscope.sources.clock_leaps import LONGEST, Leaps

MINUTE, HOUR, YEAR = 60_000.0, 3_600_000.0, 365 * DAY
AT = 10 * YEAR


def none():
    return None


def handed_on(*entries):
    """When entries were made by the corrected clock; each is its time, and when it would have been made if another one tells."""
    clock = ClientClock()
    leaps = Leaps(clock)
    found = []
    for number, (at, expected) in enumerate(entries):
        ready = leaps.take(number, AT + at, none if expected is None else lambda expected=expected: AT + expected)
        found += [(entry, clock.place(said) - AT) for entry, said in ready]
    found += [(entry, clock.place(said) - AT) for entry, said in leaps.rest()]
    assert [entry for entry, _ in found] == list(range(len(entries)))
    return [at for _, at in found], clock


def log(*times, expected=()):
    told = dict(expected)
    return handed_on(*((at, told.get(number)) for number, at in enumerate(times)))


def test_entries_in_order_pass_and_so_do_those_that_are_out_of_it_by_little():
    times = [0, 5, 5, 4 * HOUR, 4 * HOUR - MINUTE, 5 * HOUR, 5 * HOUR + DAY]
    assert log(*times)[0] == times


@pytest.mark.parametrize("change", [-2 * MINUTE, -HOUR, -3 * YEAR, 3 * YEAR])
def test_what_comes_behind_a_leap_goes_on(change):
    found, clock = log(0, 1000, change + 2000, change + 2500, change + 9000)
    assert found == [0, 1000, 1000, 1500, 8000]
    assert clock.correction == -change - 1000
    assert len(clock.told) == 1


@pytest.mark.parametrize("change", [-HOUR, 3 * YEAR])
def test_statistics_tell_how_much_time_had_passed(change):
    found, _ = log(0, 1000, change + 2000, change + 3000, change + 4000, expected=[(3, 3000)])
    assert found == [0, 1000, 2000, 3000, 4000]


def test_statistics_that_went_on_as_the_page_did_correct_nothing():
    """The clock is as it was, and the computer slept for more than a day."""
    found, clock = log(0, 2 * DAY, 2 * DAY + 50, expected=[(2, 2 * DAY + 50)])
    assert found == [0, 2 * DAY, 2 * DAY + 50]
    assert (clock.correction, clock.told) == (0, [])


@pytest.mark.parametrize("off", [-HOUR, -YEAR, YEAR])
@pytest.mark.parametrize("is_last", [True, False])
def test_an_entry_alone_is_as_old_as_the_one_before(off, is_last):
    found, clock = log(0, 1000, off, *([] if is_last else [2000]))
    assert found == [0, 1000, 1000, *([] if is_last else [2000])]
    assert (clock.correction, clock.told) == (0, [])


def test_a_clock_may_be_set_again_and_again():
    found, _ = log(0, YEAR, YEAR + 1000, 3 * YEAR, 3 * YEAR + 1000, -YEAR, 1000 - YEAR)
    assert found == [0, 0, 1000, 1000, 2000, 2000, 3000]


def test_no_more_is_held_than_statistics_may_take(monkeypatch):
    clock = ClientClock()
    leaps = Leaps(clock)
    assert [*leaps.take(0, AT)]
    assert [*leaps.take(1, AT + YEAR)] == []
    assert len([*leaps.take(2, AT + YEAR + LONGEST + 1)]) == 2
    monkeypatch.setattr(clock_leaps, "MAX_HELD", 3)
    handed = [len([*leaps.take(number, AT + 3 * YEAR + number)]) for number in range(4)]
    assert handed == [0, 0, 3, 1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(-AT / 2, 20 * YEAR), st.none() | st.floats(0, HOUR)), max_size=30))
def test_every_entry_is_handed_on_once_and_in_order(entries):
    handed_on(*entries)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, MINUTE), min_size=4, max_size=20), st.floats(2 * DAY, 20 * YEAR), st.booleans(), st.data())
def test_wherever_a_clock_is_set_the_span_stays_as_it_was(steps, change, is_back, data):
    times = [sum(steps[:number]) for number in range(len(steps))]
    since = data.draw(st.integers(1, len(times) - 2))
    moved = [at + (0 if number < since else -change if is_back else change) for number, at in enumerate(times)]
    found, _ = log(*moved)
    assert max(found) - min(found) <= times[-1] + 1e-3
