"""When a call's meetings can no longer be read."""

from datetime import timedelta

from told import instant

from callscope.analysis.expiry import AHEAD, Arrival, Expiry, expiries
from callscope.analysis.meetings import Meeting

DAYS = timedelta(days=20)


def meeting(number, start, end):
    return Meeting(number, instant(start), instant(end), instant(end))


def known(start, end, received):
    return Arrival(instant(start), instant(end), instant(received))


def test_a_call_without_meetings_has_none():
    assert expiries([], [known(0, 1, 2)], instant(5), DAYS) == {}


def test_what_was_told_as_it_happened_counts_from_its_start():
    found = expiries([meeting(1, 10, 20)], [], instant(5), DAYS)
    assert found == {1: Expiry(instant(5), instant(10) + DAYS, is_outlived=False)}


def test_what_was_told_long_after_counts_from_its_arrival():
    found = expiries([meeting(1, 10, 20), meeting(2, 40, 50)], [], instant(9000), DAYS)
    assert found == {number: Expiry(instant(9000), instant(9000) + DAYS, is_outlived=False) for number in (1, 2)}


def test_a_clock_that_is_years_ahead_keeps_nothing_for_years():
    years = 40 * 365 * 86400
    found = expiries([meeting(1, years, years + 10)], [], instant(5), DAYS)
    assert found == {1: Expiry(instant(5), instant(5) + AHEAD + DAYS, is_outlived=False)}


def test_the_earlier_is_outlived_by_the_later():
    found = expiries([meeting(1, 10, 20), meeting(2, 40, 50), meeting(4, 80, 90)], [], instant(5), DAYS)
    assert {number: each.is_outlived for number, each in found.items()} == {1: True, 2: True, 4: False}


def test_a_meeting_arrived_when_the_one_that_it_overlaps_did():
    meetings = [meeting(1, 10, 20), meeting(2, 40, 50), meeting(3, 60, 70)]
    found = expiries(meetings, [known(15, 18, 30), known(20, 41, 35), known(50, 55, 99)], instant(500), DAYS)
    assert [each.received_at for each in found.values()] == [instant(30), instant(35), instant(500)]


def test_an_older_one_that_arrives_later_outlives_what_follows_it():
    found = expiries([meeting(1, -90, -80), meeting(2, 40, 50)], [known(40, 50, 45)], instant(500), DAYS)
    assert [(each.received_at, each.is_outlived) for each in found.values()] == [(instant(500), False), (instant(45), True)]
