"""Every field of every filter against a plain computation over the unfiltered rows."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLList, get_named_type

from callscope.schema.root import CORE_SCHEMA
from tests.inspector import Inspector
from tests.query.documents import LISTS
from tests.schema.rows import TOLD, Row, all_rows, filter_fields, instant, keeps, nodes_of

Rows = dict[str, dict[str, Row]]
FILTERED = [
    (type_name, name, get_named_type(CORE_SCHEMA.type_map[type_name].fields[name].args["filter"].type).name)
    for type_name, name in LISTS
]
AT_ROOT = [
    (name, filter_type, field)
    for type_name, name, filter_type in FILTERED
    if type_name == "Query"
    for field in filter_fields(filter_type)
]
PARENTS = {nodes_of(definition): name for name, definition in CORE_SCHEMA.query_type.fields.items() if "after" in definition.args}


@pytest.fixture(scope="module")
async def rows(varied: Inspector) -> Rows:
    return await all_rows(varied)


def test_every_field_of_every_filter_is_known_here() -> None:
    assert {name: set(filter_fields(name)) for _, _, name in FILTERED} == {name: set(told) for name, told in TOLD.items()}


def told_values(filter_type: str, field: str, rows: list[Row]) -> list[Any]:
    """The distinct values that rows carry."""
    told = [TOLD[filter_type][field](row) for row in rows]
    flat = [item for value in told for item in (value if isinstance(value, list) else [value])]
    return sorted({value for value in flat if value is not None}, key=lambda value: (str(type(value)), value))


def values(filter_type: str, field: str, rows: list[Row]) -> Iterator[Any]:
    """Values that keep some rows, all of them, or none."""
    type_ = filter_fields(filter_type)[field].type
    known = told_values(filter_type, field, rows)
    some = known[:: max(len(known) // 3, 1)]
    yield None
    if field in ("include", "exclude"):
        yield from (
            [],
            ["step1"],
            ["STEP", "deep"],
            ["100%"],
            ["_"],
            ["\\"],
            ["nowhere"],
            ["step", "nowhere"],
            [""],
            ["é", "lost"],
        )
    elif isinstance(type_, GraphQLList):
        yield from ([], [_unknown(get_named_type(type_), known)], known, [*known[1:], *known[1:]], *([value] for value in some))
    elif type_.name == "String":
        yield from ("", "ANN", "zoë", "mozilla/5.0 (t", "%", "_", "\\", "nobody", "P-1 recorder")
    elif type_.name == "Boolean":
        yield from (True, False)
    elif type_.name == "DateTime":
        for value in (*some, *known[-1:]):
            yield from ((instant(value) + timedelta(microseconds=step)).isoformat() for step in (-1, 0, 1))
    else:
        yield from (0, *some, max(known), max(known) + 1, -1)


def _unknown(type_: Any, known: list[Any]) -> Any:
    if isinstance(type_, GraphQLEnumType):
        return next((name for name in type_.values if name not in known), known[0])
    return {"Int": 12345, "ID": "call_1", "String": "nobody"}[type_.name]


async def filtered(found: Inspector, name: str, filter_type: str, given: dict[str, Any]) -> list[str]:
    text = f"query($filter: {filter_type}) {{ page: {name}(first: 1000, filter: $filter) {{ totalCount nodes {{ id }} }} }}"
    page = (await found.query(text, filter=given))["page"]
    assert page["totalCount"] == len(page["nodes"])
    return [node["id"] for node in page["nodes"]]


@pytest.mark.parametrize(("name", "filter_type", "field"), AT_ROOT)
async def test_a_filter_keeps_what_it_promises(varied: Inspector, rows: Rows, name: str, filter_type: str, field: str) -> None:
    own = rows[nodes_of(CORE_SCHEMA.query_type.fields[name])]
    sizes = set()
    for value in values(filter_type, field, list(own.values())):
        expected = [id_ for id_, row in own.items() if keeps(filter_type, field, row, value)]
        assert await filtered(varied, name, filter_type, {field: value}) == expected, value
        sizes.add(len(expected))
    assert len(sizes) > 1, "the telemetry of this test should make this filter keep some rows and drop others"


@pytest.mark.parametrize(("type_name", "name", "filter_type"), [found for found in FILTERED if found[0] != "Query"])
async def test_a_nested_list_is_filtered_like_the_others(
    varied: Inspector, rows: Rows, type_name: str, name: str, filter_type: str
) -> None:
    parent = PARENTS.get(type_name, "streams")
    listed = f"{name}(first: 1000, filter: $filter) {{ totalCount nodes {{ id }} }}"
    if type_name == "Subscriber":
        listed = f"subscribers(first: 3) {{ nodes {{ {listed} }} }}"
    text = f"query($filter: {filter_type}) {{ {parent}(first: 20) {{ nodes {{ {listed} }} }} }}"
    own = rows[nodes_of(CORE_SCHEMA.type_map[type_name].fields[name])]

    async def pages(given: dict[str, Any] | None) -> list[list[str]]:
        nodes = (await varied.query(text, filter=given))[parent]["nodes"]
        if type_name == "Subscriber":
            nodes = [node for stream in nodes for node in stream["subscribers"]["nodes"]]
        return [[node["id"] for node in parent[name]["nodes"]] for parent in nodes]

    whole = await pages(None)
    here = [own[id_] for ids in whole for id_ in ids]
    for field in filter_fields(filter_type):
        for value in list(values(filter_type, field, here))[-2:] if here else ():
            expected = [[id_ for id_ in ids if keeps(filter_type, field, own[id_], value)] for ids in whole]
            assert await pages({field: value}) == expected, (field, value)


@pytest.mark.parametrize(("name", "filter_type"), [found[1:] for found in FILTERED if found[0] == "Query"])
async def test_fields_of_a_filter_narrow_together(varied: Inspector, rows: Rows, name: str, filter_type: str) -> None:
    random = Random(name)
    own = rows[nodes_of(CORE_SCHEMA.query_type.fields[name])]
    for _ in range(12):
        row = random.choice(list(own.values()))
        given = {
            field: random.choice([value for value in values(filter_type, field, [row]) if value is not None])
            for field in random.sample(list(filter_fields(filter_type)), 3)
            if told_values(filter_type, field, [row])
        }
        expected = [
            id_ for id_, row in own.items() if all(keeps(filter_type, field, row, value) for field, value in given.items())
        ]
        assert await filtered(varied, name, filter_type, given) == expected, given


async def test_a_filter_may_be_empty_null_or_left_out(varied: Inspector) -> None:
    same = "a: calls(filter: $filter) { nodes { id } } b: calls { nodes { id } } c: calls(filter: {}) { nodes { id } }"
    text = f"query($filter: CallFilter) {{ {same} }}"
    for given in ({}, {"filter": None}, {"filter": {}}):
        answer = await varied.query(text, **given)
        assert answer["a"] == answer["b"] == answer["c"]


async def test_a_single_value_is_a_list_of_one(varied: Inspector) -> None:
    answer = await varied.query(
        "{ a: calls(filter: {platforms: ACS}) { nodes { id } } b: calls(filter: {platforms: [ACS]}) { nodes { id } } }"
    )
    assert answer["a"] == answer["b"]
    assert answer["a"]["nodes"]


async def test_text_with_nul_is_refused_by_name(varied: Inspector) -> None:
    for given in ({"participant": "a\x00"}, {"callIds": ["a", "\x00"]}, {"tags": ["\x00"]}):
        response = await varied.post("query($filter: CallFilter) { calls(filter: $filter) { totalCount } }", filter=given)
        (error,) = response.json()["errors"]
        assert (response.status_code, error["extensions"]["code"]) == (400, "BAD_USER_INPUT")
        assert f"'{next(iter(given))}'" in error["message"]


async def test_the_case_of_no_letter_matters(varied: Inspector) -> None:
    if await varied.connection.fetchval("select lower('Ë') <> 'ë'"):
        pytest.skip("this server's locale knows the case of ASCII letters alone, as that of the embedded one does not")
    text = "query($text: String) { participants(filter: {text: $text}) { nodes { displayName } } }"
    found = [(await varied.query(text, text=name))["participants"]["nodes"] for name in ("Zoë", "ZOË")]
    assert found[0] == found[1]
