"""Stretches of time, and how many of several things lasted at once, by sweeping over their ends. Times are in ms."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from operator import itemgetter

Pair = tuple[float, float]
"""From when to when."""


class Spans:
    """Stretches of time in order, those that touch made one; how much of a span they cover is told in logarithmic time."""

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self.starts: list[float] = []
        self.ends: list[float] = []
        for start, end in sorted(pairs):
            if self.ends and start <= self.ends[-1]:
                self.ends[-1] = max(self.ends[-1], end)
            else:
                self.starts.append(start)
                self.ends.append(end)
        self._before = [0.0, *accumulate(end - start for start, end in self)]

    def __iter__(self) -> Iterator[Pair]:
        return zip(self.starts, self.ends, strict=True)

    def _until(self, time: float) -> float:
        place = bisect_right(self.starts, time)
        return self._before[place] - max(self.ends[place - 1] - time, 0.0) if place else 0.0

    def within(self, start: float, end: float) -> float:
        """How long they lasted from start to end."""
        return self._until(end) - self._until(start)

    def cover(self, start: float, end: float) -> bool:
        """Whether they lasted for at least half of a span that is no instant."""
        return self.within(start, end) >= 0.5 * (end - start)


def united(several: Iterable[Spans]) -> Spans:
    return Spans(pair for spans in several for pair in spans)


def where(holds: Callable[..., bool], *layers: Iterable[Spans]) -> Spans:
    """Where a condition holds of how many of each layer's members last. It must not hold of none at all.

    Time and memory grow as the number of stretches, but for sorting them.
    """
    steps: list[tuple[float, int, int]] = []
    for layer, members in enumerate(layers):
        for member in members:
            steps += [(start, layer, 1) for start in member.starts]
            steps += [(end, layer, -1) for end in member.ends]
    steps.sort(key=itemgetter(0))
    return Spans(_held(holds, steps, [0] * len(layers)))


def _held(holds: Callable[..., bool], steps: Sequence[tuple[float, int, int]], counts: list[int]) -> Iterator[Pair]:
    since: float | None = None
    for place, (time, layer, change) in enumerate(steps):
        counts[layer] += change
        if place + 1 < len(steps) and steps[place + 1][0] == time:
            continue
        if holds(*counts):
            since = time if since is None else since
        elif since is not None:
            yield since, time
            since = None
