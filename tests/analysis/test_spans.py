"""Stretches of time: how much they cover, and how many lasted at once."""

from hypothesis import given
from hypothesis import strategies as st

from callscope.analysis.spans import Spans, united, where

PAIRS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=6)


def inside(pairs: list[tuple[int, int]], tick: int) -> bool:
    return any(start <= tick < end for start, end in pairs)


@given(PAIRS, st.integers(-5, 60), st.integers(0, 30))
def test_within_counts_each_instant_once(pairs: list[tuple[int, int]], start: int, length: int) -> None:
    expected = sum(inside(pairs, tick) for tick in range(start, start + length))
    assert Spans(pairs).within(start, start + length) == expected


@given(st.lists(PAIRS, max_size=4), st.lists(PAIRS, max_size=4))
def test_where_holds_at_each_instant_or_not(ones: list[list[tuple[int, int]]], others: list[list[tuple[int, int]]]) -> None:
    found = where(lambda one, other: one > other, [Spans(pairs) for pairs in ones], [Spans(pairs) for pairs in others])
    for tick in range(60):
        expected = sum(inside(pairs, tick) for pairs in ones) > sum(inside(pairs, tick) for pairs in others)
        assert (found.within(tick, tick + 1) == 1) is expected


def test_half_covers() -> None:
    assert Spans([(0, 5)]).cover(0, 10)
    assert not Spans([(0, 4.9)]).cover(0, 10)
    assert not Spans().cover(0, 10)


def test_stretches_that_touch_are_one() -> None:
    assert list(united([Spans([(5, 9)]), Spans([(0, 5), (20, 30)]), Spans()])) == [(0, 9), (20, 30)]
