"""Meetings are stretches of a call with someone connected."""

import random
from datetime import timedelta

import pytest
from told import at, catalog, connection, instant

from callscope.analysis.meetings import SILENCE, meetings

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


def test_order_decides_nothing():
    told = [connected("a", 0, 5), connected("b", 3, 9), connected("c", 30), failed("d", 20.5), connected("e", 30, 31)]
    expected = found(*told)
    for seed in range(10):
        assert found(*random.Random(seed).sample(told, len(told))) == expected
