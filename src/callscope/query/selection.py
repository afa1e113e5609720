"""What an operation asks for: fields merged by response key, fragments and directives resolved."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLDirective,
    GraphQLError,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLSkipDirective,
    SelectionNode,
    SelectionSetNode,
    get_directive_values,
    get_named_type,
    is_abstract_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.values import VariableValues

from callscope.query.errors import ErrorCode, RequestError

TYPENAME = "__typename"


@dataclass
class Selected:
    """One field of the answer. ``definition`` is None for ``__typename``."""

    key: str
    name: str
    definition: GraphQLField | None
    nodes: list[FieldNode]

    @property
    def selection_sets(self) -> list[SelectionSetNode]:
        return [node.selection_set for node in self.nodes if node.selection_set is not None]

    @property
    def type(self) -> GraphQLOutputType:
        assert self.definition is not None  # noqa: S101
        return self.definition.type

    @property
    def object_type(self) -> GraphQLObjectType | GraphQLInterfaceType:
        named: Any = get_named_type(self.type)
        return named  # type: ignore[no-any-return]

    @property
    def is_list(self) -> bool:
        type_ = self.type
        return is_list_type(type_.of_type if is_non_null_type(type_) else type_)


@dataclass
class Selection:
    """Collects the fields of selection sets for a concrete type, in the order in which they first appear."""

    schema: GraphQLSchema
    fragments: dict[str, FragmentDefinitionNode]
    variables: VariableValues

    def fields(self, type_: GraphQLObjectType, selection_sets: Iterable[SelectionSetNode]) -> list[Selected]:
        collected: dict[str, Selected] = {}
        visited: set[str] = set()
        for selection_set in selection_sets:
            self._collect(type_, selection_set.selections, collected, visited)
        return list(collected.values())

    def _collect(
        self, type_: GraphQLObjectType, selections: Iterable[SelectionNode], collected: dict[str, Selected], visited: set[str]
    ) -> None:
        for node in selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                if key in collected:
                    collected[key].nodes.append(node)
                else:
                    name = node.name.value
                    definition = None if name == TYPENAME else self.schema.get_field(type_, name)
                    collected[key] = Selected(key, name, definition, [node])
            elif isinstance(node, FragmentSpreadNode):
                if node.name.value not in visited:
                    visited.add(node.name.value)
                    fragment = self.fragments[node.name.value]
                    if self._applies(fragment.type_condition.name.value, type_):
                        self._collect(type_, fragment.selection_set.selections, collected, visited)
            else:
                condition = node.type_condition  # type: ignore[attr-defined]
                if condition is None or self._applies(condition.name.value, type_):
                    self._collect(type_, node.selection_set.selections, collected, visited)  # type: ignore[attr-defined]

    def _applies(self, condition: str, type_: GraphQLObjectType) -> bool:
        conditional = self.schema.get_type(condition)
        return conditional is type_ or (is_abstract_type(conditional) and self.schema.is_sub_type(conditional, type_))

    def _included(self, node: SelectionNode) -> bool:
        return not self._directive(GraphQLSkipDirective, node, default=False) and self._directive(
            GraphQLIncludeDirective, node, default=True
        )

    def _directive(self, directive: GraphQLDirective, node: SelectionNode, *, default: bool) -> bool:
        if not node.directives:
            return default
        try:
            values = get_directive_values(directive, node, self.variables)
        except GraphQLError as error:
            raise RequestError(ErrorCode.BAD_USER_INPUT, [error], coercion=True) from None
        return default if values is None else bool(values["if_"] if "if_" in values else values["if"])
