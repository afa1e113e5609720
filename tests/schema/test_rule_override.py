"""Overrides: what is refused is wrong, and what is taken makes rules that can open and close."""

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from callscope.analysis.rule_book import rules_for
from callscope.analysis.rules import overridden
from callscope.query.errors import ErrorCode, RequestError
from callscope.schema.rule_override import IS_LOW, MEASURED, check_against_rules, check_overrides, overrides_of
from callscope.vocabulary import IssueKind, Platform

NUMBERS = st.one_of(
    st.none(),
    st.sampled_from([0.0, 0.1, 0.3, 1.0, 5.0, 7.0, 30.0, 300.0, 768.0, 1e300]),
    st.floats(allow_nan=False, allow_infinity=False),
)
RULES = st.lists(
    st.fixed_dictionaries(
        {"kind": st.one_of(st.sampled_from(sorted(IS_LOW)), st.sampled_from(list(IssueKind)))},
        optional=dict.fromkeys(("threshold", "clearThreshold", "minimumSeconds"), NUMBERS),
    ),
    max_size=3,
)


def is_wrong(rules: list[dict[str, Any]], platform: Platform) -> bool:
    """By what the schema says, word for word."""
    kinds = [rule["kind"] for rule in rules]
    if len(set(kinds)) < len(kinds) or not set(kinds) <= IS_LOW.keys():
        return True
    for rule in rules:
        threshold, clear, seconds = (rule.get(name) for name in ("threshold", "clearThreshold", "minimumSeconds"))
        if seconds is not None and seconds < 0:
            return True
        if rule["kind"] not in MEASURED and (clear, seconds) != (None, None):
            return True
        own = [level.limit for each in rules_for(platform) if each.kind == rule["kind"] for level in each.levels]
        for limit in own if clear is not None else ():
            on = limit.on if threshold is None else threshold
            if clear < on if limit.low else clear > on:
                return True
    return False


def check(rules: list[dict[str, Any]], platform: Platform) -> None:
    check_overrides(rules)
    check_against_rules(rules, platform)


@settings(max_examples=400, deadline=None)
@given(rules=RULES, platform=st.sampled_from(list(Platform)))
def test_what_is_refused_is_wrong_and_nothing_else(rules: list[dict[str, Any]], platform: Platform) -> None:
    if is_wrong(rules, platform):
        event("refused")
        with pytest.raises(RequestError, match=r"rules\[\d\]") as refused:
            check(rules, platform)
        assert refused.value.code is ErrorCode.BAD_USER_INPUT
        return
    event("taken")
    check(rules, platform)
    for rule in overridden(rules_for(platform), overrides_of(rules)):
        assert rule.levels
        assert not any(level.limit.is_beyond(level.limit.off) for level in rule.levels)


@pytest.mark.parametrize("kind", sorted(MEASURED))
@pytest.mark.parametrize("platform", list(Platform))
def test_every_rule_of_a_kind_is_on_the_same_side(kind: IssueKind, platform: Platform) -> None:
    own = [level.limit.low for rule in rules_for(platform) if rule.kind is kind for level in rule.levels]
    assert set(own) == {IS_LOW[kind]}


def test_a_kind_without_numbers_stays_as_it_is() -> None:
    rules = [{"kind": kind, "threshold": None} for kind in IS_LOW]
    for platform in Platform:
        check(rules, platform)
        assert overridden(rules_for(platform), overrides_of(rules)) == rules_for(platform)
