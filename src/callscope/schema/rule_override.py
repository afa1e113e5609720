"""Other thresholds for the rules that raise issues, as they are asked for, and what of it is refused."""

from typing import Any

import strawberry

from callscope.analysis.diagnosis import TOLD_RULES
from callscope.analysis.rule_book import rules_for
from callscope.analysis.rules import Override, overridden
from callscope.query.errors import RequestError, bad_input
from callscope.vocabulary import IssueKind, Platform

Given = list[dict[str, Any]]

MEASURED = {rule.kind: rule.levels[0].limit.low for platform in Platform for rule in rules_for(platform)}
IS_LOW = {rule.kind: rule.levels[0].limit.low for rule in TOLD_RULES if rule.levels} | MEASURED
"""The kinds of issues that thresholds raise, and whether they do so below them; what is told has nothing but a threshold."""
NUMBERS = ("threshold", "clearThreshold", "minimumSeconds")


@strawberry.input(
    description="Other thresholds for the rules of one kind, for those that measure; issues of that kind that a platform or"
    " a client reports itself stay. What is null or left out stays as it is."
)
class RuleOverride:
    kind: IssueKind = strawberry.field(description="Kind of the issues; one that thresholds raise.")
    threshold: float | None = strawberry.field(
        default=strawberry.UNSET,
        description="The value that raises one, in the unit of the rule. It replaces all levels of the rule by the mildest one; a"
        " second rule of the kind that measures in another unit (VIDEO_FREEZE: a share of the time, not ms) then falls away.",
    )
    clear_threshold: float | None = strawberry.field(
        default=strawberry.UNSET,
        description="The value that ends one; null keeps its distance from the threshold. Only for what is measured.",
    )
    minimum_seconds: float | None = strawberry.field(
        default=strawberry.UNSET, description="How long a value must hold, s. Only for what is measured."
    )


def overrides_of(given: Given) -> list[Override]:
    return [Override(rule["kind"], *(rule.get(name) for name in NUMBERS)) for rule in given]


def check_overrides(given: Given) -> None:
    """Refuse what is wrong for the calls of any platform."""
    first: dict[IssueKind, int] = {}
    for number, rule in enumerate(given):
        kind = rule["kind"]
        if kind not in IS_LOW:
            raise bad_input(
                f"rules[{number}].kind: no threshold raises {kind}, so there is none to change. Give one of {', '.join(IS_LOW)}."
            )
        if first.setdefault(kind, number) != number:
            raise bad_input(f"rules[{number}].kind should not be {kind} again: give all its numbers in rules[{first[kind]}].")
        if (rule.get("minimumSeconds") or 0) < 0:
            raise bad_input(f"rules[{number}].minimumSeconds should be 0 or more, not {rule['minimumSeconds']:g}.")
        for name in NUMBERS[1:]:
            if kind not in MEASURED and rule.get(name) is not None:
                raise bad_input(f"rules[{number}].{name}: {kind} is told and not measured, so it has a threshold alone.")
        threshold, clear = rule.get("threshold"), rule.get("clearThreshold")
        if threshold is not None and clear is not None and (clear < threshold if IS_LOW[kind] else clear > threshold):
            raise _misplaced(number, kind, clear, threshold, "the threshold")


def check_against_rules(given: Given, platform: Platform) -> None:
    """Refuse clear thresholds on the wrong side of thresholds that stay as they are, which each platform has its own of."""
    rules = overridden(rules_for(platform), overrides_of(given))
    for number, kind in enumerate(rule["kind"] for rule in given):
        limits = [(level.limit, rule.name) for rule in rules if rule.kind == kind for level in rule.levels]
        wrong = [(limit.on, limit.off, name) for limit, name in limits if limit.is_beyond(limit.off)]
        if wrong:
            threshold, clear, name = max(wrong) if IS_LOW[kind] else min(wrong)
            raise _misplaced(number, kind, clear, threshold, f"a threshold of {name}, unless 'threshold' is given too")


def _misplaced(number: int, kind: IssueKind, clear: float, threshold: float, whose: str) -> RequestError:
    most, beyond = ("at least", "below") if IS_LOW[kind] else ("at most", "above")
    return bad_input(
        f"rules[{number}].clearThreshold should be {most} {threshold:g}, {whose}, not {clear:g}:"
        f" {kind} begins {beyond} the threshold and ends on the other side of it."
    )
