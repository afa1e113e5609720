"""Meetings are stretches of a call with someone connected."""

import random
from datetime import timedelta

import pytest
from told import at, catalog, connection, instant, key

from callscope.analysis.meetings import SILENCE, life, meetings, silences_between

IDLE = timedelta(minutes=10)
LAST = 100
SECOND = 1 / 60


def connected(id_, start, end=None, attempted=None):
    told = {"connectedAt": at(start)}
    told |= {} if end is None else {"closedAt": at(end)}
    return connection(id_, **told, **({} if attempted is None else {"attemptedAt": at(attempted)}))


def failed(id_, attempted):
    return connection(id_, attemptedAt=at(attempted), failedAt=at(attempted))


def found(*told, idle=IDLE):
    rows = catalog(connection=list(told)).connections.values()
    return meetings(rows, instant(LAST), idle), {row.connection_id: row.meeting_number for row in rows}


def spans(*told, **options):
    """Number, start and end of each meeting, in minutes."""
    return [
        (each.number, *((moment - instant(0)) / timedelta(minutes=1) for moment in (each.started_at, each.ended_at)))
        for each in found(*told, **options)[0]
    ]


def test_none_without_connections():
    assert found() == ([], {})


def test_none_where_nobody_connected():
    assert found(failed("f", 1), connection("p", attemptedAt=at(2))) == ([], {"f": None, "p": None})


def test_lasts_from_the_first_attempt_to_the_last_end():
    told = [connected("a", 2, 8, attempted=1), connected("b", 3, 5)]
    assert spans(*told) == [(1, 1, 8)]
    assert found(*told)[1] == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("gap", "count"), [(0, 1), (9, 1), (10 - SECOND, 1), (10, 2), (10 + SECOND, 2), (500, 2)]
)  # fmt: skip
def test_a_new_one_opens_when_the_call_was_empty_for_the_idle_time(gap, count):
    _, numbers = found(connected("a", 0, 5), connected("b", 5 + gap, 6 + gap))
    assert numbers == {"a": 1, "b": count}


def test_the_attempt_counts_for_the_gap_not_the_success():
    assert len(spans(connected("a", 0, 5), connected("b", 16, 17, attempted=14.9))) == 1
    assert spans(connected("a", 0, 5), connected("b", 16, 17, attempted=15))[1] == (2, 15, 17)


def test_the_idle_time_is_the_projects():
    told = [connected("a", 0, 5), connected("b", 8, 9)]
    assert len(spans(*told, idle=timedelta(minutes=3))) == 2
    assert len(spans(*told, idle=timedelta(minutes=4))) == 1


def test_someone_who_stayed_bridges_the_gap():
    assert spans(connected("a", 0, 60), connected("b", 1, 2), connected("c", 65, 70)) == [(1, 0, 70)]


def test_an_open_connection_lasts_to_the_last_telemetry():
    assert spans(connected("a", 0), connected("b", 80, 81)) == [(1, 0, LAST)]


def test_a_clock_that_runs_backwards_loses_nobody():
    """Connected long before it was attempted, and ended before it began."""
    told = [connected("a", 0, 5), connected("b", 60, 65), connected("c", 2, 3, attempted=62), connected("d", 61, 1)]
    assert spans(*told) == [(1, 0, 5), (2, 60, 65)]
    assert found(*told)[1] == {"a": 1, "b": 2, "c": 1, "d": 1}


@pytest.mark.parametrize(
    ("attempted", "number"),
    [(2, 1), (5 + 9.9, 1), (15, None), (20, None), (50, None), (50.1, 2), (62, 2), (74.9, 2), (75, None), (-9.9, 1), (-10, None)],
)
def test_a_failed_attempt_belongs_to_the_nearest_meeting_within_the_idle_time(attempted, number):
    _, numbers = found(connected("a", 0, 5), connected("b", 60, 65), failed("f", attempted))
    assert numbers["f"] == number


def test_a_failed_attempt_between_two_meetings_belongs_to_the_nearer_one():
    told = [connected("a", 0, 5), connected("b", 16, 20)]
    assert [found(*told, failed("f", minute))[1]["f"] for minute in (10, 10.5, 11)] == [1, 1, 2]


def test_a_failed_attempt_lengthens_nothing():
    assert spans(failed("e", -5), connected("a", 0, 5), failed("f", 9), connected("b", 16, 17)) == [(1, 0, 5), (2, 16, 17)]


class TestLive:
    def test_until_the_idle_time_after_the_last_end(self):
        (one,), _ = found(connected("a", 0, 8), connected("b", 1, 5))
        assert one.live_until == instant(8) + IDLE

    def test_until_the_silence_has_been_long_where_somebody_is_still_there(self):
        (one,), _ = found(connected("a", 0), connected("b", 1, 5))
        assert one.live_until == instant(LAST) + SILENCE


DAY = 24 * 60


class TestUnclosed:
    """Connections of which nobody reported an end."""

    @staticmethod
    def quiet(*spans):
        return [(instant(start), instant(end)) for start, end in spans]

    def of(self, *told, last=DAY + 30, silences=(), ended=None, idle=IDLE):
        rows = catalog(connection=list(told)).connections.values()
        ended_at = None if ended is None else instant(ended)
        result = meetings(rows, instant(last), idle, call_ended_at=ended_at, silences=self.quiet(*silences))
        minute = timedelta(minutes=1)
        return [
            tuple((moment - instant(0)) / minute for moment in (each.started_at, each.ended_at, each.live_until))
            for each in result
        ]

    def test_is_closed_by_a_silence_after_which_somebody_connects(self):
        told = [connected("a", 0), connected("b", DAY, DAY + 20)]
        assert self.of(*told, silences=[(30, DAY)]) == [(0, 30, 90), (DAY, DAY + 20, DAY + 30)]
        assert self.of(*told) == [(0, DAY + 30, DAY + 90)]

    def test_stays_closed_while_the_next_one_is_unclosed_too(self):
        told = [connected("a", 0), connected("b", DAY), connected("c", DAY + 5)]
        assert self.of(*told, silences=[(30, DAY)]) == [(0, 30, 90), (DAY, DAY + 30, DAY + 90)]

    def test_something_may_be_heard_shortly_before_somebody_connects(self):
        told = [connected("a", 0), connected("b", DAY, DAY + 20)]
        assert len(self.of(*told, silences=[(30, DAY - 9)])) == 2
        assert self.of(*told, silences=[(30, DAY - 10)]) == [(0, DAY + 30, DAY + 90)]

    def test_is_reopened_by_anything_else(self):
        assert self.of(connected("a", 0), silences=[(30, DAY)]) == [(0, DAY + 30, DAY + 90)]

    def test_before_a_silence_says_nothing_of_who_came_after_it(self):
        told = [connected("a", 0, 20), connected("b", DAY), connected("c", DAY + 5, DAY + 6)]
        assert self.of(*told, silences=[(20, DAY)]) == [(0, 20, 30), (DAY, DAY + 30, DAY + 90)]

    def test_somebody_who_stayed_through_the_silence_bridges_it(self):
        told = [connected("a", 0), connected("s", 1, DAY - 5), connected("b", DAY, DAY + 20)]
        assert self.of(*told, silences=[(30, DAY - 5)]) == [(0, DAY + 30, DAY + 90)]

    def test_a_silence_shorter_than_the_projects_idle_time_parts_nothing(self):
        told = [connected("a", 0), connected("b", 100, 110)]
        silences = [(30, 100)]
        assert self.of(*told, silences=silences, idle=timedelta(minutes=71), last=110) == [(0, 110, 181)]
        assert len(self.of(*told, silences=silences, idle=timedelta(minutes=70), last=110)) == 2

    def test_ends_with_the_whole_call_where_that_was_reported(self):
        assert self.of(connected("a", 0), connected("b", 5, 8), ended=40) == [(0, 40, 50)]

    def test_of_who_came_after_the_reported_end_it_is_not_the_end(self):
        assert self.of(connected("a", 0), connected("b", DAY), ended=40) == [(0, 40, 50), (DAY, DAY + 30, DAY + 90)]


class TestSilences:
    @staticmethod
    def between(*spans):
        found = silences_between((instant(start), instant(end)) for start, end in spans)
        return [tuple((moment - instant(0)) / timedelta(minutes=1) for moment in each) for each in found]

    def test_are_as_long_as_the_policy_says_or_longer(self):
        assert self.between((0, 0), (60 - SECOND, 61), (121, 130), (500, 500)) == [(61, 121), (130, 500)]

    def test_what_lasts_is_no_silence(self):
        assert self.between((0, 300), (10, 20), (200, 200), (330, 340)) == []

    def test_need_something_on_both_sides(self):
        assert self.between() == self.between((5, 5)) == []


class TestLife:
    def of(self, *told, ended=None, idle=IDLE):
        attempts = catalog(connection=list(told)).connections.values()
        ended_at = None if ended is None else instant(ended)
        found = meetings(attempts, instant(LAST), idle, call_ended_at=ended_at)
        until, warnings = life(found, attempts, instant(LAST), idle=idle, call_ended_at=ended_at, key=key)
        assert all(warning.kind == "CLOSED_BY_TIMEOUT" and warning.participant_key is None for warning in warnings)
        return (until - instant(0)) / timedelta(minutes=1), [(warning.closed_at, warning.message) for warning in warnings]

    def test_ends_by_policy_where_nobody_reported_an_end(self):
        words = "No end was reported for 1 of 2 connections: closed by policy at 2026-03-02T11:40:00Z,"
        (until, [(closed_at, message)]) = self.of(connected("a", 0), connected("b", 1, 5))
        assert (until, closed_at) == (LAST + 60, instant(LAST + 60))
        assert message == f"{words} after 60 minutes or more without telemetry."

    def test_ends_by_itself_where_everybody_left(self):
        assert self.of(connected("a", 0, 99)) == (109, [])

    def test_without_meeting_ends_with_the_call_or_by_policy(self):
        assert self.of(ended=95) == (105, [])
        until, [(closed_at, message)] = self.of()
        assert (until, closed_at) == (LAST + 60, instant(LAST + 60))
        assert message.startswith("No end was reported: closed by policy at 2026-03-02T11:40:00Z,")
        assert self.of(connection("p", attemptedAt=at(1))) == self.of()

    def test_telemetry_after_the_end_reopens_it(self):
        assert self.of(ended=90)[0] == LAST + 60

    def test_who_only_failed_is_waited_for_but_not_missed(self):
        assert self.of(failed("f", 99)) == (LAST + 60, [])


def test_order_decides_nothing():
    told = [connected("a", 0, 5), connected("b", 3, 9), connected("c", 30), failed("d", 20.5), connected("e", 30, 31)]
    expected = found(*told)
    for seed in range(10):
        assert found(*random.Random(seed).sample(told, len(told))) == expected


def test_no_meeting_gets_the_number_of_one_that_was_removed():
    told = [connected(name, start, start + 1) for name, start in (("a", 0), ("b", 20), ("c", 40))]
    for removed, numbers in (({1}, [2, 3, 4]), ({2}, [1, 3, 4]), ({1, 2, 4}, [3, 5, 6]), ({9}, [1, 2, 3])):
        rows = catalog(connection=told).connections.values()
        assert [each.number for each in meetings(rows, instant(LAST), IDLE, removed=removed)] == numbers
        assert sorted(row.meeting_number for row in rows) == numbers
