"""How right the diagnosis is: of simulated calls with faults at known times, and of as many without, in memory.

What each fault should raise, and whose fault it is, is in ``tests.simulation.truth``.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from callscope.simulation import CallPlan, Fault, FaultKind, simulate_call
from callscope.simulation.chance import Dice
from callscope.simulation.people import people
from callscope.vocabulary import IssueKind, MediaMode, Platform
from tests.simulation.remembered import diagnosed, remembered
from tests.simulation.verdict import Verdict, share

CALLS = 200
TARGET = 0.95
ALARMS = 1.0
"""False alarms at most in 100 hours of calls without faults."""
STARTED_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PLATFORMS = (Platform.ACS, Platform.ACS, Platform.VONAGE, Platform.JITSI, Platform.WEBRTC)
SIZES = ((2, 0), (2, 0), (3, 0), (4, 0), (5, 0), (1, 5), (2, 4))
"""Who publish, and who only receive."""
AT_THE_START = frozenset({FaultKind.DEAD_RELAY, FaultKind.PUBLISH_FAILED, FaultKind.SUBSCRIBE_FAILED})
OF_CAMERAS = frozenset({FaultKind.CAMERA_FREEZE, FaultKind.CPU_LIMITED, FaultKind.LOW_BANDWIDTH})
OF_RECEIVERS = frozenset({FaultKind.DOWNLINK_LOSS, FaultKind.SUBSCRIBE_FAILED, FaultKind.SPEAKER_MUTED})
OF_ANYONE = frozenset({FaultKind.HIGH_ROUND_TRIP, FaultKind.HIGH_JITTER, FaultKind.CONNECTION_DROP, FaultKind.DEAD_RELAY})
STRENGTHS = {
    FaultKind.UPLINK_LOSS: (13.0, 40.0),
    FaultKind.DOWNLINK_LOSS: (13.0, 40.0),
    FaultKind.SERVER_LOSS: (13.0, 30.0),
    FaultKind.HIGH_ROUND_TRIP: (600.0, 1200.0),
    FaultKind.HIGH_JITTER: (40.0, 120.0),
    FaultKind.LOW_BANDWIDTH: (70_000.0, 90_000.0),
    FaultKind.CPU_LIMITED: (0.2, 0.5),
}
"""In the unit of the kind: clear of the thresholds, as real faults that matter are; what lies at them is for unit tests."""


def plans(calls: int, *, faulty: bool, seed: int = 1) -> Iterator[CallPlan]:
    """Calls of 8 minutes of every shape; in a faulty one, a fault of each kind in turn, and often another, later or meanwhile."""
    kinds = list(FaultKind)
    for number in range(calls):
        dice = Dice(f"{seed}/diagnosis/{number}")
        platform, (participants, subscribers) = dice.pick(PLATFORMS), dice.pick(SIZES)
        is_relayed = participants + subscribers == 2 and platform is Platform.WEBRTC and dice.chance(0.7)
        plan = CallPlan(
            f"call {number}",
            platform,
            STARTED_AT,
            8,
            participants,
            subscribers,
            interval_seconds=float(dice.pick((1, 2, 5))),
            seed=seed,
            screen=0 if dice.chance(0.2) else None,
            media_mode=MediaMode.RELAYED if is_relayed else MediaMode.ROUTED,
        )
        chosen = [kinds[number % len(kinds)], dice.pick(kinds)]
        yield replace(plan, faults=tuple(_faults(plan, chosen, dice))) if faulty else plan


def _faults(plan: CallPlan, kinds: list[FaultKind], dice: Dice) -> Iterator[Fault]:
    everyone = people(plan)
    for kind, at in zip(kinds, (150.0, 170.0 if dice.chance(0.2) else 300.0), strict=True):
        able = [one.index for one in everyone if one.publishes and (one.has_video or kind not in OF_CAMERAS)]
        if kind in OF_RECEIVERS:
            able = [one.index for one in everyone if plan.participants > 1 or not one.publishes]
        if kind in OF_ANYONE:
            able = [one.index for one in everyone]
        low, high = STRENGTHS.get(kind, (0.0, 0.0))
        strength = dice.between(low, high) if kind in STRENGTHS else None
        duration = float(dice.whole(50, 90))
        if at == 150 and kind in AT_THE_START:
            yield Fault(kind, 0.0, duration, dice.pick(able))
        elif at == 150 or (kind not in AT_THE_START and dice.chance(0.5)):
            yield Fault(kind, at + dice.whole(0, 40), duration, dice.pick(able), strength)


def measured(calls: int, *, faulty: bool, seed: int = 1) -> Verdict:
    """The diagnoses of such calls, held against the truth."""
    verdict = Verdict()
    for plan in plans(calls, faulty=faulty, seed=seed):
        verdict.add(plan, diagnosed(remembered(simulate_call(plan))))
    return verdict


async def run(_: Path) -> None:
    """With CALLSCOPE_BENCH_REMARKS set, each deviation is printed, too."""
    since = time.perf_counter()
    faulty, calm = measured(CALLS, faulty=True), measured(CALLS, faulty=False)
    print(f"{'issues':32}{'needed':>8}{'recall':>8}{'found':>8}{'precision':>11}{'attribution':>13}{'span':>7}")
    for kind in sorted(faulty.needed.keys() | faulty.found.keys()):
        print(_row(kind, faulty))
    all_found = (faulty.recall, faulty.precision, faulty.attribution, faulty.timeliness)
    recall, precision, attribution, timeliness = (f"{figure:.3f}" for figure in all_found)
    needed, found = faulty.needed.total(), faulty.found.total()
    print(f"{'all':32}{needed:8}{recall:>8}{found:8}{precision:>11}{attribution:>13}{timeliness:>7}   target {TARGET}")
    per_hundred = 100 * calm.alarms / calm.hours
    print(f"false alarms in {calm.hours:.1f} hours without faults: {calm.alarms}, {per_hundred:.1f} in 100 h; target {ALARMS:g}")
    print(f"{2 * CALLS} calls, {time.perf_counter() - since:.0f} s")
    if os.environ.get("CALLSCOPE_BENCH_REMARKS"):
        print("\n".join([*faulty.remarks, *calm.remarks]))


def _row(kind: IssueKind, verdict: Verdict) -> str:
    needed, found = verdict.needed[kind], verdict.found[kind]
    recall = f"{share(verdict.hit[kind], needed):.2f}" if needed else ""
    timeliness = f"{share(verdict.on_time[kind], verdict.hit[kind]):.2f}" if needed else ""
    precision = f"{share(verdict.right[kind], found):.2f}" if found else ""
    attribution = f"{share(verdict.attributed[kind], verdict.right[kind]):.2f}" if verdict.right[kind] else ""
    return f"{kind:32}{needed:8}{recall:>8}{found:8}{precision:>11}{attribution:>13}{timeliness:>7}"
