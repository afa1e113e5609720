"""What an operation can cost, told before any SQL runs.

The cost is the number of values that the answer can hold at most: each field is one, and what is in a list counts as often
as the list can have rows. Rows that nobody stored cost what working them out does besides. One walk that measures each
fragment once, so that no nest of fragments is dear to price.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from callscope.query.bindings import DEFAULT_PAGE, MAX_PAGE, Computed, Items, Many, One, Refetch, binding_of
from callscope.query.errors import ErrorCode, RequestError

COST_LIMIT = 500_000
MAX_DEPTH = 30
MAX_FIELDS = 1_500
"""Fields of an operation with its fragments written out: PostgreSQL takes 1,664 columns."""
FEW = 10
"""What a list without pages is taken to hold."""
INTROSPECTED = {"types": 100} | dict.fromkeys(
    ("fields", "args", "inputFields", "enumValues", "interfaces", "possibleTypes", "directives"), FEW
)
"""What the lists of introspection are taken to hold."""


@dataclass(frozen=True)
class Measure:
    """Of a selection: its cost, its number of fields, its depth, and the lists that cost most."""

    cost: float = 0
    fields: int = 0
    depth: int = 0
    path: tuple[str, ...] = ()

    def plus(self, other: "Measure") -> "Measure":
        path = self.path if self.cost >= other.cost else other.path
        fields = min(self.fields + other.fields, MAX_FIELDS + 1)
        return Measure(self.cost + other.cost, fields, max(self.depth, other.depth), path)


@dataclass
class Meter:
    """Measures one operation for given values of its variables."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    _measured: dict[str, Measure] = field(default_factory=dict)

    def operation(self, node: OperationDefinitionNode) -> Measure:
        return self._selection(node.selection_set, self.schema.get_root_type(node.operation))

    def _selection(self, selection_set: SelectionSetNode | None, type_: Any) -> Measure:
        total = Measure()
        for node in selection_set.selections if selection_set is not None else ():
            if isinstance(node, FieldNode):
                total = total.plus(self._field(node, type_))
            elif isinstance(node, FragmentSpreadNode):
                total = total.plus(self._fragment(node.name.value))
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                named = self.schema.get_type(condition.name.value) if condition is not None else type_
                total = total.plus(self._selection(node.selection_set, named))
        return total

    def _fragment(self, name: str) -> Measure:
        if name not in self._measured:
            # A fragment that spreads itself costs nothing here: validation refuses it.
            self._measured[name] = Measure()
            fragment = self.fragments.get(name)
            if fragment is not None:
                type_ = self.schema.get_type(fragment.type_condition.name.value)
                self._measured[name] = self._selection(fragment.selection_set, type_)
        return self._measured[name]

    def _field(self, node: FieldNode, type_: Any) -> Measure:
        definition = getattr(type_, "fields", {}).get(node.name.value)
        if definition is None:
            inside = self._selection(node.selection_set, None)
            cost = 1 + INTROSPECTED.get(node.name.value, 1) * inside.cost
            return Measure(cost, 1 + inside.fields, 1 + inside.depth, inside.path)
        inside = self._selection(node.selection_set, get_named_type(definition.type))
        rows, asked = self._rows(node, definition)
        binding = binding_of(definition)
        own = 1 + (binding.cost if isinstance(binding, Computed) else 0)
        path = (f"{node.name.value}({asked})", *inside.path) if asked else inside.path
        return Measure(own + rows * inside.cost, 1 + inside.fields, 1 + inside.depth, path)

    def _rows(self, node: FieldNode, definition: Any) -> tuple[float, str]:
        """How often what is inside a field can occur, and the argument that says so, with its value."""
        binding = binding_of(definition)
        if isinstance(binding, Many) and binding.paged:
            for name in ("first", "last"):
                given = self._given(node, name)
                if given is not None:
                    rows = min(max(given, 0), MAX_PAGE)
                    return rows, f"{name}: {rows:g}"
            return DEFAULT_PAGE, f"first: {DEFAULT_PAGE}"
        if isinstance(binding, Items):
            return FEW, ""
        if isinstance(binding, Refetch):
            given = self._given(node, "ids")
            return (1, "") if given is None else (given, f"{given:g} ids")
        if isinstance(binding, One | Many | Computed):
            for argument in binding.arguments:
                if argument.weight:
                    given = self._given(node, argument.name)
                    # What is more than an argument takes is refused by its name, later.
                    number = argument.default if given is None else min(given, argument.maximum or given)
                    return max(argument.weight * number, 1), f"{argument.name}: {number:g}"
        return (FEW if isinstance(binding, Many) else 1), ""

    def _given(self, node: FieldNode, name: str) -> float | None:
        """An argument's number, or the length of its list."""
        value = next((argument.value for argument in node.arguments or () if argument.name.value == name), None)
        if isinstance(value, VariableNode):
            self.used.add(value.name.value)
            return size_of(self.variables.get(value.name.value))
        if isinstance(value, ListValueNode):
            return len(value.values)
        return float(value.value) if isinstance(value, IntValueNode) else None


def size_of(value: Any) -> float | None:
    """A variable's number, or the length of its list."""
    return len(value) if isinstance(value, list) else value if isinstance(value, int) else None


def check_size(measure: Measure) -> None:
    """Refuse what is too deep or too wide to be compiled."""
    if measure.depth > MAX_DEPTH:
        raise RequestError(ErrorCode.VALIDATION_FAILED, f"The query is nested {measure.depth} deep; the limit is {MAX_DEPTH}.")
    if measure.fields > MAX_FIELDS:
        raise RequestError(
            ErrorCode.VALIDATION_FAILED, f"The query has more than {MAX_FIELDS} fields, fragments written out: ask for fewer."
        )


def check_cost(measure: Measure) -> None:
    """Refuse what could answer with more values than the limit; say which fields multiply."""
    if measure.cost > COST_LIMIT:
        multiplied = " > ".join(measure.path)
        requested = f"{measure.cost:,.0f}" if measure.cost < 1e15 else "too many"
        raise RequestError(
            ErrorCode.COST_LIMIT_EXCEEDED,
            f"The query could return {requested} values; the limit is {COST_LIMIT:,}. What multiplies most is {multiplied}:"
            " lower these numbers, or ask for less inside.",
        )
