import pytest
from graphql import FieldNode, OperationDefinitionNode, parse, type_from_ast
from graphql.execution.values import VariableValues, get_variable_values
from graphql.language import parse_type

from callscope.query.errors import ErrorCode, RequestError
from callscope.query.parameters import Parameters, Reader, Site, checked_text, has_variables, id_keys, shape_of, value_at
from callscope.schema.root import CORE_SCHEMA


def shape(type_: str, value: object) -> object:
    """Of a variable's coerced value, as a request brings it."""
    (operation,) = parse(f"query($value: {type_}) {{ __typename }}").definitions
    coerced = get_variable_values(CORE_SCHEMA, operation.variable_definitions, {"value": value})
    assert isinstance(coerced, VariableValues), coerced
    return shape_of(type_from_ast(CORE_SCHEMA, parse_type(type_)), coerced.coerced["value"])


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("Int", 1, 2),
        ("Int!", 0, 1000),
        ("String", "", "a"),
        ("Float", 1.5, 2),
        ("DateTime", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("ID!", "call_1", "call_ff"),
        ("[ID!]", ["call_1"], ["call_2", "call_3"]),
        ("[ID!]!", ["call_1", "meeting_1_1"], ["meeting_2_2", "call_3", "call_4"]),
        ("[String!]", [], ["a", "b"]),
        ("[Platform!]", ["ACS"], ["JITSI", "OTHER"]),
        ("CallFilter", {"callIds": ["a"], "minParticipants": 1}, {"minParticipants": 2, "callIds": []}),
        ("CallFilter", {"isLarge": True}, {"isLarge": True}),
    ],
)
def test_values_that_only_travel_as_parameters_share_a_shape(type_: str, one: object, other: object) -> None:
    assert shape(type_, one) == shape(type_, other)


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("Int", 1, None),
        ("Boolean", True, False),
        ("Boolean", True, None),
        ("OrderDirection", "ASC", "DESC"),
        ("ID", "call_1", "meeting_1_1"),
        ("ID", "call_1", "call_1_1"),
        ("ID", "call_1", "nothing"),
        ("[ID!]", ["call_1"], ["call_1", "meeting_1_1"]),
        ("[ID!]", ["call_1"], []),
        ("[String!]", [], None),
        ("CallFilter", {"callIds": ["a"]}, {"callIds": None}),
        ("CallFilter", {"callIds": ["a"]}, {}),
        ("CallFilter", {"isLarge": True}, {"isLarge": False}),
        ("CallOrder", {"field": "DURATION", "direction": "ASC"}, {"field": "DURATION", "direction": "DESC"}),
        ("CallOrder!", {"field": "DURATION", "direction": "ASC"}, {"field": "STARTED_AT", "direction": "ASC"}),
    ],
)
def test_values_that_change_the_statement_have_another_shape(type_: str, one: object, other: object) -> None:
    assert shape(type_, one) != shape(type_, other)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("first: 1", False), ("first: $n", True), ("filter: {a: [1, {b: $n}]}", True), ("filter: {a: [1, {b: 2}]}", False)],
)
def test_variables_are_found_wherever_they_stand(arguments: str, expected: bool) -> None:
    (operation,) = parse(f"{{ calls({arguments}) }}").definitions
    assert isinstance(operation, OperationDefinitionNode)
    assert has_variables(operation.selection_set.selections[0]) is expected


def test_the_project_comes_first_then_the_values_in_the_order_in_which_they_were_named() -> None:
    (operation,) = parse("query($first: Int, $after: String) { calls(first: $first, after: $after) { totalCount } }").definitions
    variables = get_variable_values(CORE_SCHEMA, operation.variable_definitions, {"first": 3})
    node = operation.selection_set.selections[0]
    assert isinstance(node, FieldNode)
    parameters = Parameters()
    site = parameters.site(Site(CORE_SCHEMA.query_type.fields["calls"], node))
    assert parameters.add(lambda sites: sites[site].get("after"), "text") == "$2::text"
    assert parameters.key() == "$3::bigint"
    assert parameters.add(lambda sites: sites[site]["first"], "integer") == "$4::integer"
    arguments, sites = parameters.evaluate(Reader(7, 9), variables)
    assert arguments == [7, None, 9, 3]
    assert sites[site]["first"] == 3


def test_null_for_a_non_null_argument_is_refused_although_the_variable_has_a_default() -> None:
    (operation,) = parse('query($id: ID = "call_1") { node(id: $id) { id } }').definitions
    variables = get_variable_values(CORE_SCHEMA, operation.variable_definitions, {"id": None})
    site = Site(CORE_SCHEMA.query_type.fields["node"], operation.selection_set.selections[0])
    with pytest.raises(RequestError, match="id") as refused:
        site.evaluate(variables)
    assert refused.value.code is ErrorCode.BAD_USER_INPUT


def test_keys_are_those_of_ids_with_the_tag_and_the_width() -> None:
    assert id_keys(["meeting_1_2", "call_1", "nothing", "meeting_3", "meeting_ff_4"], ["meeting"], 2) == [[1, 255], [2, 4]]
    assert id_keys("call_5", ["call"], 1) == [[5]]
    assert id_keys([], ["call"], 1) == [[]]


def test_text_holds_no_nul() -> None:
    assert checked_text("a", "name") == "a"
    assert checked_text(["a", None, 1], "names") == ["a", None, 1]
    for wrong in ("\x00", ["a", "b\x00"]):
        with pytest.raises(RequestError, match="'name' should not contain NUL"):
            checked_text(wrong, "name")


def test_a_value_is_found_by_its_path() -> None:
    assert value_at({"a": {"b": 1}}, ("a", "b")) == 1
    assert value_at({"a": None}, ("a", "b")) is None
    assert value_at({}, ("a",)) is None
