"""When a measured value was beyond a limit: the stretches of one series, with hysteresis and a minimum duration.

A sample stands for the time since the one before it, or for one usual interval where that one is missing: what nobody measured
opens nothing and closes nothing. Times are milliseconds since the Unix epoch throughout.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from statistics import median_low
from typing import NamedTuple

GAP_PERIODS = 2.0
GAP_MILLISECONDS = 5_000.0
"""Longer than both is a gap in the statistics (ObserveRTC)."""
LONGEST_PERIOD = 120_000.0
"""Milliseconds. Clients sample every one to sixty seconds; two samples further apart are no neighbours."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Beyond ``on`` for ``minimum_seconds`` and ``minimum_samples`` opens a stretch, within ``off`` for as long closes it.

    ``low`` turns beyond round. The limits themselves are within: the platforms' own tools say *more than* and *less than*.
    """

    on: float
    off: float
    minimum_seconds: float
    low: bool = False
    minimum_samples: int = 1

    def is_beyond(self, value: float) -> bool:
        return value < self.on if self.low else value > self.on

    def is_within(self, value: float) -> bool:
        return value >= self.off if self.low else value <= self.off

    def spares(self, values: Sequence[float]) -> bool:
        """Whether none of the values is beyond: at a glance, so that what is well costs next to nothing."""
        return not values or (min(values) >= self.on if self.low else max(values) <= self.on)

    def worse(self, one: float, other: float) -> float:
        return min(one, other) if self.low else max(one, other)


class Exceedance(NamedTuple):
    """A stretch beyond a limit. ``last_at`` is when it was seen last; ``ended_at`` is None where nothing has closed it since."""

    started_at: float
    ended_at: float | None
    last_at: float
    worst: float


class Interval(NamedTuple):
    """A sample and the time that it stands for."""

    start: float
    end: float
    value: float
    follows: bool
    """Whether it follows the one before without a gap."""


def period_of(times: Sequence[float]) -> float:
    """The usual time between samples, ms; 0 where no two are near enough to each other to tell."""
    steps = [later - earlier for earlier, later in pairwise(times)]
    if steps and max(steps) > LONGEST_PERIOD:
        steps = [step for step in steps if step <= LONGEST_PERIOD]
    return median_low(steps) if steps else 0.0


def intervals(times: Sequence[float], values: Sequence[float]) -> Iterator[Interval]:
    """The samples of a series in order of time. The first one stands for one usual interval; what is no number is missing."""
    period = period_of(times)
    longest = max(GAP_PERIODS * period, GAP_MILLISECONDS)
    before: float | None = None
    for at, value in zip(times, values, strict=True):
        if not isfinite(value):
            continue
        follows = before is not None and at - before <= longest
        yield Interval(before if follows and before is not None else at - period, at, value, follows)
        before = at


def left_out(samples: Iterable[Interval], is_out: Callable[[Interval], bool]) -> Iterator[Interval]:
    """The samples without those that do not count; the next one follows nothing."""
    follows = True
    for sample in samples:
        if is_out(sample):
            follows = False
        else:
            yield sample if follows else sample._replace(follows=False)
            follows = True


def exceedances(samples: Iterable[Interval], limit: Limit) -> list[Exceedance]:
    """Where a series was beyond a limit, in order of time. Samples that do not count are to be left out before."""
    found: list[Exceedance] = []
    needed = limit.minimum_seconds * 1000
    opening: float | None = None
    closing: float | None = None
    is_open = False
    started_at = worst = last_at = 0.0
    count = 0
    for start, end, value, follows in samples:
        if not follows:
            closing = None
            opening = opening if is_open else None
        if is_open:
            if limit.is_within(value):
                closing = start if closing is None else closing
                if end - closing >= needed:
                    # Not when it was first seen to be well: a gap may lie between.
                    found.append(Exceedance(started_at, last_at, last_at, worst))
                    is_open, opening, closing = False, None, None
                continue
            closing, last_at = None, end
            worst = limit.worse(worst, value)
        elif limit.is_beyond(value):
            worst, count = (value, 1) if opening is None else (limit.worse(worst, value), count + 1)
            opening = start if opening is None else opening
            if end - opening >= needed and count >= limit.minimum_samples:
                is_open, started_at, last_at = True, opening, end
        else:
            opening = None
    if is_open:
        found.append(Exceedance(started_at, None, last_at, worst))
    return found
