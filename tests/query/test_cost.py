"""What an operation can cost, told before any SQL runs."""

import re
from typing import Any

import pytest
from graphql import FragmentDefinitionNode, OperationDefinitionNode, get_introspection_query, parse

from callscope.query.cost import COST_LIMIT, MAX_DEPTH, MAX_FIELDS, Measure, Meter, check_cost, check_size
from callscope.query.errors import ErrorCode, RequestError
from callscope.schema.root import CORE_SCHEMA, engine
from tests.inspector import Inspector
from tests.query.documents import ROOTS, asked
from tests.query.operations import material


def measured(text: str, **variables: Any) -> Measure:
    document = parse(text)
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    operation = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return Meter(CORE_SCHEMA, fragments, variables).operation(operation)


COSTS = [
    ("{ __typename }", {}, 1),
    ("{ project { id name } }", {}, 3),
    ("{ calls { totalCount } }", {}, 51),
    ("{ calls(first: 3) { nodes { id callId } } }", {}, 1 + 3 * 3),
    ("{ calls(first: 3) { nodes { id } edges { node { id } } pageInfo { endCursor } } }", {}, 1 + 3 * (2 + 3 + 2)),
    ("{ calls(last: 2) { nodes { meetings(first: 10) { nodes { id } } } } }", {}, 1 + 2 * (1 + 1 + 10 * 2)),
    ("{ calls(first: 0) { nodes { id } } }", {}, 1),
    ("{ calls(first: -5) { nodes { id } } }", {}, 1),
    ("{ calls(first: 99999) { totalCount } }", {}, 1001),
    ("{ calls(first: null) { totalCount } }", {}, 51),
    ("query($n: Int) { calls(first: $n) { totalCount } }", {"n": 7}, 8),
    ("query($n: Int) { calls(first: $n) { totalCount } }", {"n": None}, 51),
    ("query($n: Int) { calls(first: $n) { totalCount } }", {}, 51),
    ('{ nodes(ids: ["a", "b", "c"]) { id } }', {}, 4),
    ('{ nodes(ids: "a") { id } }', {}, 2),
    ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["a"] * 5}, 6),
    ('{ node(id: "a") { id ... on Call { callId } ... on Meeting { number } ... { __typename } } }', {}, 5),
    ("{ metricSeries(first: 1) { nodes { samples { times } } } }", {}, 1 + 1 + 1 + 30),
    ("{ metricSeries(first: 1) { nodes { samples(maxPoints: 5) { times } } } }", {}, 1 + 1 + 1 + 1),
    ("{ metricSeries(first: 1) { nodes { samples(maxPoints: 5000) { times } } } }", {}, 1 + 1 + 1 + 500),
    ("{ participants(first: 1) { nodes { devices { kind label } } } }", {}, 1 + 1 + 1 + 10 * 2),
    ("{ explainCode(platform: ACS, subcode: 41048) { meaning advice } }", {}, 1 + 10 * 2),
    ("{ events(first: 5) { nodes { explanation { meaning } } } }", {}, 1 + 5 * (1 + 2)),
    ('{ evaluateIssues(callId: "a", rules: []) { kind rule { name } } }', {}, 1 + 100_000 + 1_000 * 3),
    ('{ evaluateIssues(callId: "a", rules: [], first: 5) { kind } }', {}, 1 + 100_000 + 5),
    ("{ ...F ...F } fragment F on Query { project { id } }", {}, 4),
]


@pytest.mark.parametrize(("text", "variables", "cost"), COSTS)
def test_each_field_costs_one_as_often_as_it_can_occur(text: str, variables: dict[str, Any], cost: int) -> None:
    assert measured(text, **variables).cost == cost


def test_size_is_told_without_looking_twice_into_a_fragment() -> None:
    doubling = " ".join(f"fragment F{number} on Query {{ ...F{number + 1} ...F{number + 1} }}" for number in range(200))
    found = measured(f"{{ ...F0 }} {doubling} fragment F200 on Query {{ calls {{ totalCount }} }}")
    assert found.fields == MAX_FIELDS + 1
    assert found.cost == 2**200 * 51


def test_what_is_invalid_is_measured_all_the_same() -> None:
    assert measured("{ nothing { at { all } } }").depth == 3
    assert measured("{ ...F } fragment F on Query { ...F __typename }").cost == 1
    assert measured("{ ...Missing ... on Nothing { a } }").cost == 1
    assert measured('{ calls(first: "x") { totalCount } }').cost == 51


def test_what_is_too_deep_or_too_wide_is_refused() -> None:
    check_size(Measure(fields=MAX_FIELDS, depth=MAX_DEPTH))
    for measure, message in ((Measure(depth=MAX_DEPTH + 1), "nested"), (Measure(fields=MAX_FIELDS + 1), "fields")):
        with pytest.raises(RequestError, match=message) as refused:
            check_size(measure)
        assert refused.value.code is ErrorCode.VALIDATION_FAILED


def test_what_costs_too_much_is_refused_with_what_multiplies() -> None:
    check_cost(Measure(COST_LIMIT))
    with pytest.raises(RequestError) as refused:
        check_cost(measured("{ project { id } calls(first: 1000) { nodes { callId events(last: 900) { nodes { id } } } } }"))
    assert refused.value.code is ErrorCode.COST_LIMIT_EXCEEDED
    assert "calls(first: 1000) > events(last: 900)" in str(refused.value.errors[0])
    with pytest.raises(RequestError, match="too many"):
        check_cost(Measure(1e300))


DEAR = [
    (
        "{ metricSeries(first: 1000) { nodes { samples(maxPoints: 5000) { times counts } } } }",
        "metricSeries(first: 1000) > samples(maxPoints: 5000)",
    ),
    (
        "{ metricSeries(first: 1000) { nodes { samples { %s } } } }" % ("times " * 20),
        "metricSeries(first: 1000) > samples(maxPoints: 300)",
    ),
    ("{ calls(first: 1000) { nodes { events { nodes { %s } } } } }" % ("name " * 10), "calls(first: 1000) > events(first: 50)"),
    (
        "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Call { events { totalCount } } } }",
        "nodes(10000 ids) > events(first: 50)",
    ),
]


@pytest.mark.parametrize(("text", "told"), DEAR)
def test_what_multiplies_is_told_as_it_was_asked_for(text: str, told: str) -> None:
    with pytest.raises(RequestError, match=re.escape(f"multiplies most is {told}: lower")):
        check_cost(measured(text, ids=["a"] * 10_000))


def test_the_schema_can_be_asked_for_as_tools_do_but_not_over_and_over() -> None:
    whole = get_introspection_query(specified_by_url=True, schema_description=True, input_value_deprecation=True)
    check_cost(measured(whole))
    check_cost(measured('{ __type(name: "Call") { name fields { name type { name } } } }'))
    again = " ".join(f"a{number}: __schema {{ types {{ fields {{ args {{ name }} }} }} }}" for number in range(100))
    with pytest.raises(RequestError, match="the limit is"):
        check_cost(measured(f"{{ {again} }}"))


async def test_an_answer_says_what_its_request_could_cost(filled: Inspector) -> None:
    text = "query($first: Int) { calls(first: $first) { nodes { id } } }"
    for first, cost in ((2, 5), (3, 7), (2, 5), (None, 101)):
        answer = (await filled.post(text, first=first)).json()
        assert answer["extensions"]["cost"] == {"requested": cost, "limit": COST_LIMIT}
    constant = engine().operation("{ calls(first: 2) { nodes { id } } }", None)
    assert [constant.cost(constant.variables({})) for _ in range(2)] == [5, 5]


@pytest.mark.parametrize("name", [name for name in ROOTS if name not in ("nodes", "metricSeries", "streams")])
async def test_no_answer_has_more_values_than_it_cost(filled: Inspector, name: str) -> None:
    answer = (await filled.post(f"{{ {asked(name, await material(filled))} }}")).json()
    assert values(answer["data"]) <= answer["extensions"]["cost"]["requested"]


def values(value: Any) -> int:
    """The fields of an answer."""
    if isinstance(value, dict):
        return sum(1 + values(item) for key, item in value.items() if not key.endswith("payload")) + ("payload" in value)
    return sum(values(item) for item in value) if isinstance(value, list) else 0
