"""What graphql-core itself makes of an answer: it must be the answer again, key by key and in the same order."""

import re
from typing import Any

from graphql import FieldNode, GraphQLError, NameNode, Visitor, build_schema, execute_sync, parse, print_ast, visit

from callscope.schema.root import SCHEMA
from tests.query.operations import KEYS, TYPES

PRINTED = build_schema(SCHEMA.as_str())
RFC_3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)", re.ASCII)


def _instant(value: Any) -> str:
    if not isinstance(value, str) or not RFC_3339_UTC.fullmatch(value):
        raise GraphQLError(f"{value!r} is no RFC 3339 in UTC")
    return value


PRINTED.type_map["DateTime"].serialize = _instant


class Found(dict[str, Any]):
    """What a global id found: of the type that the id names."""

    type_name: str


def _found(value: dict[str, Any] | None, global_id: str) -> Found | None:
    if value is None:
        return None
    found = Found(value)
    found.type_name = TYPES[global_id.partition("_")[0]]
    return found


def _resolve(source: Any, info: Any, **arguments: Any) -> Any:
    value = source[info.path.key]
    if info.parent_type.name == "Query" and info.field_name == "node":
        return _found(value, arguments["id"])
    if info.parent_type.name == "Query" and info.field_name == "nodes":
        assert len(value) == len(arguments["ids"])
        return [_found(item, global_id) for item, global_id in zip(value, arguments["ids"], strict=True)]
    return value


def check_shape(text: str, variables: dict[str, Any], data: dict[str, Any]) -> None:
    """Executes the operation on the answer: graphql-core then reads each key that was asked for, and checks its type."""
    expected = execute_sync(
        PRINTED,
        parse(text),
        root_value=data,
        variable_values=variables,
        field_resolver=_resolve,
        type_resolver=lambda value, *_: value.type_name,
    )
    assert expected.errors is None, expected.errors
    assert_same(data, expected.data)


def assert_same(value: Any, expected: Any) -> None:
    """Equal, with the same keys in the same order, where a number without a fraction may stand for a float."""
    if isinstance(expected, dict):
        assert list(value) == list(expected)
        for key, item in expected.items():
            assert_same(value[key], item)
    elif isinstance(expected, list):
        assert isinstance(value, list)
        assert len(value) == len(expected)
        for item, of_expected in zip(value, expected, strict=True):
            assert_same(item, of_expected)
    else:
        assert value == expected
        assert type(value) is type(expected) or (type(value) is int and type(expected) is float)


def values_of(value: Any) -> Any:
    """Without the keys."""
    if isinstance(value, dict):
        return [values_of(item) for item in value.values()]
    return [values_of(item) for item in value] if isinstance(value, list) else value


class _Renaming(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, str] = {}

    def leave_field(self, node: FieldNode, *_: Any) -> FieldNode:
        key = node.alias.value if node.alias else node.name.value
        count = len(self.names)
        name = self.names.setdefault(key, KEYS[count] if count < len(KEYS) else f"k{count}" * (count % 25 + 1))
        return FieldNode(
            alias=NameNode(value=name),
            name=node.name,
            arguments=node.arguments,
            directives=node.directives,
            selection_set=node.selection_set,
        )


def renamed(text: str) -> str:
    """The same document with another key for each key."""
    return print_ast(visit(parse(text), _Renaming()))
