"""Calls by the hundred, for benchmarks: breadth rather than anything to look at."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from callscope.simulation.chance import Dice
from callscope.simulation.plan import CallPlan, Fault, FaultKind
from callscope.simulation.platforms import call_id
from callscope.vocabulary import Platform

PLATFORMS = (Platform.ACS, Platform.ACS, Platform.VONAGE, Platform.VONAGE, Platform.JITSI, Platform.WEBRTC)
SIZES = ((2, 0), (2, 0), (2, 0), (2, 0), (3, 0), (4, 0), (5, 0), (1, 0), (1, 12))  # participants, subscribers
FAULTS = tuple(FaultKind)


def population(calls: int, now: datetime, seed: int = 1, days: float = 14.0) -> Iterator[CallPlan]:
    """Calls of 2 to 12 minutes and some 6 000 samples on average, evenly over the days before `now`; a third have a fault."""
    first, apart = now - timedelta(days=days), timedelta(days=days) / max(calls, 1)
    for number in range(calls):
        dice = Dice(f"{seed}/population/{number}")
        platform, (participants, subscribers) = dice.pick(PLATFORMS), dice.pick(SIZES)
        minutes = float(dice.whole(2, 12))
        faults: tuple[Fault, ...] = ()
        if dice.chance(0.35):
            at, duration = float(dice.whole(0, 60)), float(dice.whole(20, 60))
            faults = (Fault(dice.pick(FAULTS), at, duration, dice.whole(0, participants - 1)),)
        yield CallPlan(
            call_id(platform, dice),
            platform,
            min(first + number * apart, now - timedelta(minutes=minutes)),
            minutes,
            participants=participants,
            subscribers=subscribers,
            interval_seconds=10.0,
            faults=faults,
            seed=seed,
        )
