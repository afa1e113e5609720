"""What events concern, and bursts of them."""

import pytest
from told import at, catalog, connection, instant

from callscope.analysis.presence import Presence, bursts
from callscope.analysis.tracks import milliseconds

CALL = catalog(
    connection=[
        connection("a", participantId="p", connectedAt=at(0), closedAt=at(5)),
        connection("b", participantId="p", connectedAt=at(10)),
    ]
)


@pytest.mark.parametrize(("minute", "expected"), [(-1, None), (0, "a"), (9, "a"), (10, "b"), (99, "b")])
def test_the_connection_that_was_attempted_last(minute, expected):
    found = Presence(CALL).connection(None, "participant/p", milliseconds(instant(minute)))
    assert (found.connection_id if found else None) == expected


def test_a_named_connection_has_the_last_word():
    presence = Presence(CALL)
    assert presence.connection("connection/a", "participant/p", milliseconds(instant(20))).connection_id == "a"
    assert presence.connection("connection/x", "participant/p", milliseconds(instant(20))) is None
    assert presence.connection(None, "participant/x", milliseconds(instant(20))) is None
    assert presence.connection(None, None, milliseconds(instant(20))) is None


@pytest.mark.parametrize(("key", "minute"), [("connection/a", 5), ("connection/b", None), ("connection/x", None), (None, None)])
def test_the_end_of_a_connection(key, minute):
    assert Presence(CALL).ended_at(key) == (None if minute is None else milliseconds(instant(minute)))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([], []),
        ([1], []),
        ([0, 5, 10], [(0, 10, 3)]),
        ([0, 5, 11], []),
        ([0, 1, 2, 3, 50, 51, 52], [(0, 3, 4), (50, 52, 3)]),
        ([0, 5, 10, 15, 20, 25], [(0, 25, 3)]),
        ([0, 1, 9, 18, 19], [(0, 19, 3)]),
    ],
)
def test_bursts_of_three_in_ten(times, expected):
    assert bursts(times, 3, 10) == expected


def test_a_burst_of_one_is_each_time():
    assert bursts([1, 50], 1, 10) == bursts([1, 50], 0, 10) == [(1, 1, 1), (50, 50, 1)]
