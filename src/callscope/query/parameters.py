"""The values of a compiled statement: where each comes from, and how it becomes what PostgreSQL takes.

A statement is compiled once for a document and the shape of its variables; values are looked up anew for each request.
"""

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLInputType,
    GraphQLNonNull,
    Node,
    VariableNode,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.values import VariableValues, get_argument_values

from callscope.query.errors import ErrorCode, RequestError, bad_input
from callscope.query.ids import decode_id

Values = dict[str, Any]


def has_variables(node: Node) -> bool:
    if isinstance(node, VariableNode):
        return True
    for key in node.keys:
        child = getattr(node, key, None)
        children = child if isinstance(child, list | tuple) else [child]
        if any(isinstance(item, Node) and has_variables(item) for item in children):
            return True
    return False


@dataclass
class Site:
    """One field's arguments in the document."""

    definition: GraphQLField
    node: FieldNode
    constant: Values | None = None

    def __post_init__(self) -> None:
        if not any(has_variables(argument) for argument in self.node.arguments or ()):
            self.constant = get_argument_values(self.definition, self.node)

    def evaluate(self, variables: VariableValues) -> Values:
        """Refuses null for a non-null argument, which a variable with a default can bring."""
        if self.constant is not None:
            return self.constant
        try:
            return get_argument_values(self.definition, self.node, variables)
        except GraphQLError as error:
            raise RequestError(ErrorCode.BAD_USER_INPUT, [error], coercion=True) from None


class Reader(NamedTuple):
    """Who reads: a project, by one of its keys, which may write or erase too or not.

    ``aging`` tells whether parts of what it reads may have passed their time, and are not removed yet.
    """

    project_id: int
    key_id: int = 0
    may_write: bool = False
    may_erase: bool = False
    aging: bool = True


Parameter = Callable[[list[Values]], Any]


@dataclass
class Parameters:
    """The parameters of one statement; ``$1`` is always the project."""

    sites: list[Site] = field(default_factory=list)
    getters: list[Parameter] = field(default_factory=list)
    checks: list[Callable[[list[Values]], None]] = field(default_factory=list)
    uses_key: bool = False
    marker_at: int | None = None
    """Where among the arguments the mark of places goes, of a statement that has some."""

    def site(self, site: Site) -> int:
        self.sites.append(site)
        return len(self.sites) - 1

    def add(self, getter: Parameter, sql_type: str) -> str:
        self.getters.append(getter)
        return f"${len(self.getters) + 1}::{sql_type}"

    def key(self) -> str:
        """The number of the request's key: it follows the sites' values."""
        self.uses_key = True
        return self.add(lambda sites: sites[-1]["key"], "bigint")

    def outcome(self) -> str:
        """What was done or worked out before the statement: known once it was."""
        return self.add(lambda sites: sites[-1].get("outcome"), "jsonb")

    def marker(self) -> str:
        """What marks the places of summaries: null unless the statement is to give places."""
        if self.marker_at is None:
            self.marker_at = len(self.getters) + 1
            self.add(lambda _: None, "text")
        return f"${self.marker_at + 1}::text"

    def evaluate(self, reader: Reader, variables: VariableValues) -> tuple[list[Any], list[Values]]:
        """The statement's arguments, and each site's values. Refuses values that an argument does not take."""
        sites = [site.evaluate(variables) for site in self.sites]
        for check in self.checks:
            check(sites)
        sites.append({"key": reader.key_id})
        return self.arguments(reader.project_id, sites), sites

    def arguments(self, project_id: int, sites: list[Values]) -> list[Any]:
        return [project_id, *[getter(sites) for getter in self.getters]]


def value_at(values: Any, path: Sequence[str]) -> Any:
    for name in path:
        if not isinstance(values, dict):
            return None
        values = values.get(name)
    return values


def checked_text(value: Any, name: str) -> Any:
    """PostgreSQL's text holds no NUL."""
    texts = value if isinstance(value, list) else [value]
    if any(isinstance(text, str) and "\x00" in text for text in texts):
        raise bad_input(f"'{name}' should not contain NUL characters.")
    return value


def id_keys(value: Any, tags: Collection[str], width: int) -> list[list[int | None]]:
    """The keys of global ids with these tags, a list for each key. Ids of another type, or none at all, match nothing."""
    decoded = [decode_id(str(item)) for item in value] if isinstance(value, list) else [decode_id(str(value))]
    rows = [found[1] for found in decoded if found is not None and found[0] in tags and len(found[1]) == width]
    return [[row[position] for row in rows] for position in range(width)]


def shape_of(type_: GraphQLInputType, value: Any) -> Hashable:
    """What of a variable's value changes the statement: which fields are given, and the values of booleans and enums."""
    if isinstance(type_, GraphQLNonNull) or is_non_null_type(type_):
        return shape_of(type_.of_type, value)
    if value is None:
        return None
    if is_list_type(type_):
        if getattr(type_.of_type, "of_type", type_.of_type).name == "ID":
            return frozenset(_tag(item) for item in value)
        return "list"
    if is_input_object_type(type_):
        return tuple((name, shape_of(type_.fields[name].type, item)) for name, item in sorted(value.items()))
    if is_enum_type(type_) or isinstance(value, bool):
        return str(value)
    if getattr(type_, "name", "") == "ID":
        return _tag(value)
    return "value"


def _tag(value: Any) -> str:
    decoded = decode_id(str(value))
    return "" if decoded is None else f"{decoded[0]}{len(decoded[1])}"
