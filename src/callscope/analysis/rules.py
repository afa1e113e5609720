"""The rules by which issues are raised: data, with the default thresholds and where each comes from.

Thresholds are in the metric's unit, or of the rule's own measure, on the samples of one series. The sources' figures are
collected in Callscope's own notes on Azure, Vonage's inspector, ObserveRTC, webrtc-issue-detector and peermetrics.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from callscope.analysis.exceedance import Limit
from callscope.vocabulary import MORE_IS_BETTER, Direction, IssueKind, Media, Metric, Severity


@dataclass(frozen=True, slots=True)
class Level:
    """A limit, and how much it matters to be beyond it."""

    severity: Severity
    limit: Limit


@dataclass(frozen=True, slots=True)
class Rule:
    """What raises an issue. ``levels`` are ordered from mild to severe: an issue has the severity of the highest that it reached.

    A rule without a metric watches events or attempts. ``media`` and ``direction`` say whose series it watches, empty for all.
    """

    name: str
    kind: IssueKind
    source: str
    levels: tuple[Level, ...]
    metric: Metric | None = None
    media: frozenset[Media] = frozenset()
    directions: frozenset[Direction] = frozenset()
    screen: bool | None = None
    """True for shared screens alone, False for anything else alone, None for both."""
    measure: str = ""
    """What the thresholds are of, in words, where they are not of the metric's own values."""
    version: int = 1
    is_of_whole_call: bool = False
    """Whether it is held to figures that sum up a whole call, which have neither a duration nor an end."""


@dataclass(frozen=True, slots=True)
class Override:
    """Other thresholds for all rules of a kind; None leaves a number as it is."""

    kind: IssueKind
    threshold: float | None = None
    clear_threshold: float | None = None
    minimum_seconds: float | None = None


def level(severity: Severity, on: float, off: float, minimum_seconds: float, *, low: bool = False, samples: int = 1) -> Level:
    return Level(severity, Limit(on, off, minimum_seconds, low, samples))


def is_low(metric: Metric | None) -> bool:
    """Whether the least value of a metric is its worst."""
    return metric in MORE_IS_BETTER


def overridden(rules: Iterable[Rule], overrides: Iterable[Override]) -> list[Rule]:
    """The rules with other thresholds. A rule of several levels is left with one, its mildest, when its threshold is replaced.

    Thresholds are in the unit of the first rule of a kind. One that measures something else stays as it is, and falls away with
    the thresholds of all others when these are replaced.
    """
    told = list(rules)
    by_kind: Mapping[IssueKind, Override] = {override.kind: override for override in overrides}
    measures = {rule.kind: rule.measure for rule in reversed(told)}
    changed: list[Rule] = []
    for rule in told:
        override = by_kind.get(rule.kind)
        if override is not None and rule.measure != measures[rule.kind]:
            if override.threshold is not None:
                continue
            override = replace(override, clear_threshold=None)
        changed.append(rule if override is None else _overridden(rule, override))
    return changed


def _overridden(rule: Rule, override: Override) -> Rule:
    levels = rule.levels[:1] if override.threshold is not None else rule.levels
    changed = []
    for one in levels:
        on = one.limit.on if override.threshold is None else override.threshold
        off = override.clear_threshold
        if off is None:
            # The distance between the two is kept, so that hysteresis is; where there is none, to the last digit.
            off = one.limit.off if override.threshold is None else on + (one.limit.off - one.limit.on)
        seconds = one.limit.minimum_seconds if override.minimum_seconds is None else override.minimum_seconds
        if rule.is_of_whole_call:
            off, seconds = on, 0.0
        changed.append(replace(one, limit=replace(one.limit, on=on, off=off, minimum_seconds=seconds)))
    return replace(rule, levels=tuple(changed))
