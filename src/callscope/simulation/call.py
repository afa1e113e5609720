"""Simulated calls as telemetry, whole or as it happens."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from callscope.simulation.plan import MILLISECOND, CallPlan
from callscope.simulation.records import records
from callscope.simulation.series import Series
from callscope.simulation.timeline import Timeline
from callscope.telemetry import EPOCH, Telemetry, from_milliseconds

POINTS = 300
"""Samples that a record holds at most."""


def simulate_call(plan: CallPlan) -> Iterator[Telemetry]:
    """The whole telemetry of a call, roughly in the order in which a source would deliver it."""
    for _, batch in live(plan):
        yield from batch


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
    timeline = Timeline(plan)
    series, told = Series(timeline), records(timeline)
    skipped = plan.start - 1 if after is None else (after - EPOCH) // MILLISECOND
    stop = plan.end if plan.until is None else min(plan.end, (plan.until - EPOCH) // MILLISECOND)
    now, place = plan.start - 1, 0
    while now < stop:
        # Totals need what is left out, too; it is gone through in long strides.
        then, now = now, min(now + longest, skipped) if now < skipped else min(now + step, stop)
        batch: list[Telemetry] = []
        while place < len(told) and told[place][0] <= now:
            batch.append(told[place][1])
            place += 1
        batch.extend(series.between(then, now))
        if now > skipped and batch:
            yield from_milliseconds(now), batch
