import pytest
from graphql import FragmentDefinitionNode, OperationDefinitionNode, build_schema, parse
from graphql.execution.values import VariableValues, get_variable_values

from callscope.query.errors import ErrorCode, RequestError
from callscope.query.selection import Selected, Selection

SCHEMA = build_schema("""
    interface Named { name: String! }
    type Dog implements Named { name: String! bites: Boolean friends(first: Int): [Named!]! owner: Person }
    type Person implements Named { name: String! pets: [Dog!] }
    type Query { dog: Dog }
""")


def collected(selection: str, fragments: str = "", head: str = "query", **given: object) -> list[Selected]:
    document = parse(f"{head} {{ {selection} }} {fragments}")
    operation = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    named = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    variables = get_variable_values(SCHEMA, operation.variable_definitions or (), given)
    assert isinstance(variables, VariableValues)
    return Selection(SCHEMA, named, variables).fields(SCHEMA.type_map["Dog"], [operation.selection_set])


def keys(selection: str, fragments: str = "", head: str = "query", **given: object) -> list[str]:
    return [selected.key for selected in collected(selection, fragments, head, **given)]


def test_fields_come_in_the_order_in_which_their_keys_first_appear() -> None:
    assert keys("b: name ...F a: name bites", "fragment F on Dog { bites c: name a: name }") == ["b", "bites", "c", "a"]


def test_fields_with_one_key_are_merged() -> None:
    friends, name = collected("friends { name } name ... { friends { __typename } } ...F", "fragment F on Named { name }")
    assert [len(friends.nodes), len(name.nodes)] == [2, 2]
    assert len(friends.selection_sets) == 2
    assert name.selection_sets == []


def test_fragments_apply_to_their_type_its_interfaces_and_no_other() -> None:
    text = "... on Dog { a: name } ... on Person { b: name } ... on Named { c: name } ... { d: name } ...F"
    assert keys(text, "fragment F on Person { e: name }") == ["a", "c", "d"]


def test_a_fragment_counts_once() -> None:
    (name,) = collected("...F ...F", "fragment F on Dog { name }")
    assert len(name.nodes) == 1


def test_a_fragment_that_was_left_out_may_come_later() -> None:
    assert keys("...F @skip(if: true) bites ...F", "fragment F on Dog { name }") == ["bites", "name"]


@pytest.mark.parametrize("value", [True, False])
def test_skip_and_include_take_literals_and_variables(*, value: bool) -> None:
    for condition, given in ((str(value).lower(), {}), ("$if", {"if": value})):
        head = "query($if: Boolean!)" if given else "query"
        assert keys(f"name bites @skip(if: {condition})", head=head, **given) == (["name"] if value else ["name", "bites"])
        assert keys(f"name ... @include(if: {condition}) {{ bites }}", head=head, **given) == (
            ["name", "bites"] if value else ["name"]
        )
    assert keys("name @skip(if: false) @include(if: false)") == []
    assert keys("name @skip(if: true) @include(if: true)") == []


def test_null_for_a_condition_is_refused_although_the_variable_has_a_default() -> None:
    with pytest.raises(RequestError) as refused:
        keys("name @include(if: $if)", head="query($if: Boolean = true)", **{"if": None})
    assert refused.value.code is ErrorCode.BAD_USER_INPUT


def test_a_field_knows_its_type() -> None:
    typename, friends, owner = collected("__typename friends { name } owner { name }")
    assert typename.definition is None
    assert (friends.is_list, friends.object_type.name) == (True, "Named")
    assert (owner.is_list, owner.object_type.name) == (False, "Person")
