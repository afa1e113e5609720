"""Simulated calls as telemetry, whole or as it happens."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from callscope.simulation.plan import MILLISECOND, CallPlan
from callscope.simulation.records import records
from callscope.simulation.series import Series
from callscope.simulation.timeline import Timeline
from callscope.telemetry import EPOCH, Telemetry, from_milliseconds

POINTS = 300
"""Samples that a record holds at most."""


def simulate_call(plan: CallPlan, advance: Callable[[float], object] = lambda share: None) -> Iterator[Telemetry]:
    """The whole telemetry of a call, roughly in the order in which a source would deliver it.

    It is made as it is read, so that a large call takes little memory. `advance` is told of each share of it that is done.
    """
    teller = Teller(plan)
    strides = list(_strides(plan, POINTS * plan.interval))
    share = 1 / (len(strides) * (teller.subjects + 1))
    for after, until in strides:
        yield from teller.between(after, until, lambda: advance(share))
        advance(share)


def live(
    plan: CallPlan, every: timedelta | None = None, after: datetime | None = None
) -> Iterator[tuple[datetime, list[Telemetry]]]:
    """The telemetry of a call in batches: the instant of delivery, and what was told since the batch before.

    `every` sets the time between batches, at most (and by default) 300 sampling intervals. What happened up to `after` is left
    out: a call that was simulated `until` an instant goes on with the same plan without `until`, and `after` that instant.
    """
    longest = POINTS * plan.interval
    step = min(every // MILLISECOND, longest) if every else longest
    if step <= 0:
        raise ValueError("batches should be at least a millisecond apart")
    skipped = plan.start - 1 if after is None else (after - EPOCH) // MILLISECOND
    teller = Teller(plan)
    for then, now in _strides(plan, step, skipped):
        batch = list(teller.between(then, now))
        if now > skipped and batch:
            yield from_milliseconds(now), batch


def _strides(plan: CallPlan, step: int, skipped: int = 0) -> Iterator[tuple[int, int]]:
    """From when to when each batch reaches, ms since the Unix epoch."""
    longest = POINTS * plan.interval
    stop = plan.end if plan.until is None else min(plan.end, (plan.until - EPOCH) // MILLISECOND)
    now = plan.start - 1
    while now < stop:
        # Totals need what is left out, too; it is gone through in long strides.
        then, now = now, min(now + longest, skipped) if now < skipped else min(now + step, stop)
        yield then, now


class Teller:
    """Tells a call, one stretch of time after the other."""

    def __init__(self, plan: CallPlan) -> None:
        timeline = Timeline(plan)
        self._series = Series(timeline)
        self._records = records(timeline)
        self._next = next(self._records, None)
        self.subjects = self._series.subjects

    def between(self, after: int, until: int, advance: Callable[[], object] = lambda: None) -> Iterator[Telemetry]:
        """What is told after `after` and up to `until`, ms since the Unix epoch; `advance` is called after each subject."""
        while self._next is not None and self._next[0] <= until:
            yield self._next[1]
            self._next = next(self._records, None)
        yield from self._series.between(after, until, advance)
