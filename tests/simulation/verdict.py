"""How a diagnosis compares with the truth about a simulated call."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from callscope.analysis.findings import Finding
from callscope.simulation import CallPlan
from callscope.storage.keys import key_of
from callscope.vocabulary import Direction, IssueKind
from tests.simulation.truth import Sign, signs

SLACK = 10_000.0
"""Milliseconds by which a finding may miss what it is of, and still be of it."""


@dataclass
class Verdict:
    """Counted by kind of issue: what was needed, what of it was found, what was found, what of that is right."""

    needed: Counter[IssueKind] = field(default_factory=Counter)
    hit: Counter[IssueKind] = field(default_factory=Counter)
    on_time: Counter[IssueKind] = field(default_factory=Counter)
    found: Counter[IssueKind] = field(default_factory=Counter)
    right: Counter[IssueKind] = field(default_factory=Counter)
    attributed: Counter[IssueKind] = field(default_factory=Counter)
    hours: float = 0.0
    remarks: list[str] = field(default_factory=list)
    """Each miss, false alarm, wrong time and wrong attribution, in words."""

    def add(self, plan: CallPlan, findings: Sequence[Finding]) -> None:
        """Take in the diagnosis of one call."""
        truth = signs(plan)
        self.hours += plan.minutes / 60
        for sign in truth:
            if sign.is_needed:
                self._need(plan, sign, [finding for finding in findings if _is_of(finding, sign)])
        for finding in findings:
            self._judge(plan, finding, [sign for sign in truth if _is_of(finding, sign)])

    def _need(self, plan: CallPlan, sign: Sign, of_it: Iterable[Finding]) -> None:
        tolerance = 2 * plan.interval
        late = [max(abs(one.started_at - sign.start), abs(end_of(one) - sign.end)) for one in of_it]
        self.needed[sign.kind] += 1
        self.hit[sign.kind] += bool(late)
        self.on_time[sign.kind] += min(late, default=tolerance + 1) <= tolerance
        if not late:
            self._remark(plan, "missed", sign)
        elif min(late) > tolerance:
            self._remark(plan, f"off by {min(late) / 1000:.1f} s", sign)

    def _judge(self, plan: CallPlan, finding: Finding, of_it: Sequence[Sign]) -> None:
        is_right = any(finding.attribution is sign.attribution for sign in of_it)
        self.found[finding.kind] += 1
        self.right[finding.kind] += bool(of_it)
        self.attributed[finding.kind] += is_right
        if not of_it:
            self._remark(plan, "false alarm", finding)
        elif not is_right:
            self._remark(plan, f"not {sorted({sign.attribution.value for sign in of_it})}", finding)

    def _remark(self, plan: CallPlan, what: str, one: Sign | Finding) -> None:
        start, end = (one.start, one.end) if isinstance(one, Sign) else (one.started_at, end_of(one))
        at = f"{(start - plan.start) / 1000:.1f} to {(end - plan.start) / 1000:.1f} s"
        faults = ", ".join(f"{fault.kind} of {fault.participant}" for fault in plan.faults)
        shape = f"{plan.platform} {plan.media_mode} {plan.participants}+{plan.subscribers} every {plan.interval / 1000:g} s"
        self.remarks.append(
            f"{what}: {one.kind} {one.direction or ''} {one.attribution} {at} in {plan.call_id} ({shape}; {faults})"
        )

    @property
    def recall(self) -> float:
        return share(self.hit.total(), self.needed.total())

    @property
    def precision(self) -> float:
        return share(self.right.total(), self.found.total())

    @property
    def attribution(self) -> float:
        """Of what was rightly found."""
        return share(self.attributed.total(), self.right.total())

    @property
    def timeliness(self) -> float:
        """Of what was found of what was needed: within two sampling intervals at either end."""
        return share(self.on_time.total(), self.hit.total())

    @property
    def alarms(self) -> int:
        return self.found.total() - self.right.total()


def share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def end_of(finding: Finding) -> float:
    """When it ended, or was last seen."""
    end = finding.ended_at if finding.ended_at is not None else finding.lasted_until
    return finding.started_at if end is None else end


def _is_of(finding: Finding, sign: Sign) -> bool:
    if finding.kind is not sign.kind or finding.participant_key != key_of("participant", sign.participant_id):
        return False
    if sign.direction not in {None, Direction.BOTH, finding.direction}:
        return False
    if None not in (sign.stream_id, finding.stream_key) and finding.stream_key != key_of("stream", sign.stream_id or ""):
        return False
    return finding.started_at < sign.end + SLACK and end_of(finding) > sign.start - SLACK
