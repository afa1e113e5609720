"""Documents and plans are remembered, and serve whatever their variables hold."""

import pytest

from callscope.query import operation as operations
from callscope.schema.root import engine
from tests.inspector import Inspector


def test_documents_and_plans_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "MAX_DOCUMENTS", 5)
    monkeypatch.setattr(operations, "MAX_PLANS", 3)
    made = engine()
    first = made.operation("{ __typename }", None)
    for number in range(5):
        made.operation(f"{{ a{number}: __typename }}", None)
        assert number == 4 or made.operation("{ __typename }", None) is first  # used, so it stays
    made = engine()
    first = made.operation("{ __typename }", None)
    for number in range(5):
        made.operation(f"{{ a{number}: __typename }}", None)
    assert made.operation("{ __typename }", None) is not first
    operation = made.operation(
        "query($a: Boolean!, $b: Boolean!) { a: __typename @skip(if: $a) b: __typename @skip(if: $b) }", None
    )
    for bits in range(4):
        variables = operation.variables({"a": bool(bits & 1), "b": bool(bits & 2)})
        plan = made.plan(operation, variables)
        assert made.plan(operation, variables) is plan
    assert len(operation.plans) == 3


def test_a_long_document_is_not_remembered() -> None:
    made = engine()
    text = "{ __typename }" + " " * 30_000
    assert made.operation(text, None) is not made.operation(text, None)


async def test_one_document_answers_for_every_shape_of_its_variables(filled: Inspector) -> None:
    text = """query($filter: CallFilter, $order: CallOrder, $first: Int, $after: String, $with: Boolean!, $ids: [ID!] = []) {
        calls(filter: $filter, orderBy: $order, first: $first, after: $after) { nodes { id callId @include(if: $with) } }
        nodes(ids: $ids) { id }
    }"""
    ids = [node["id"] for node in (await filled.query(text, **{"with": False}))["calls"]["nodes"]]
    assert len(ids) == 5
    for given, expected in (
        ({}, ids),
        ({"filter": {"callIds": ["room", "failed"]}}, ids[:2]),
        ({"filter": {"callIds": None}}, ids),
        ({"first": 2}, ids[:2]),
        ({"first": 0}, []),
        ({"order": {"field": "STARTED_AT", "direction": "ASC"}}, ids[::-1]),
        ({"order": {"field": "STARTED_AT", "direction": "ASC"}, "first": 1, "filter": {"hasIssues": None}}, ids[-1:]),
    ):
        data = await filled.query(text, **given, **{"with": True}, ids=ids[:1])
        assert [node["id"] for node in data["calls"]["nodes"]] == expected
        assert all(list(node) == ["id", "callId"] for node in data["calls"]["nodes"])
        assert data["nodes"] == [{"id": ids[0]}]
