"""From a document's text to an answer's bytes: parsed and validated once, compiled once per shape of its variables."""

from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute_sync,
    parse,
    type_from_ast,
    validate,
)
from graphql.execution.values import VariableValues, get_variable_values

from callscope.query.compiler import Compiler, Statement, node_types
from callscope.query.cost import Meter, check_cost, check_size, size_of
from callscope.query.errors import ErrorCode, RequestError
from callscope.query.literals import large_numbers
from callscope.query.parameters import shape_of
from callscope.query.plan import Introspection, Plan
from callscope.query.readable import ReadableTables
from callscope.query.selection import TYPENAME, Selected, Selection

MAX_TOKENS = 10_000
MAX_ERRORS = 5
MAX_DOCUMENTS = 1_000
MAX_PLANS = 64
MAX_CACHED_CHARACTERS = 20_000


@dataclass
class Operation:
    """One operation of a valid document, with its compiled plans."""

    schema: GraphQLSchema
    node: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    plans: "OrderedDict[Hashable, Plan]" = field(default_factory=OrderedDict)
    _costs: "OrderedDict[Hashable, int]" = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        definitions = self.node.variable_definitions or ()
        self._types: dict[str, Any] = {node.variable.name.value: type_from_ast(self.schema, node.type) for node in definitions}
        self._cost_variables: tuple[str, ...] = ()

    @property
    def type(self) -> OperationType:
        return self.node.operation

    def variables(self, given: Mapping[str, Any]) -> VariableValues:
        coerced = get_variable_values(self.schema, self.node.variable_definitions or (), dict(given), max_errors=MAX_ERRORS)
        if isinstance(coerced, list):
            raise RequestError(ErrorCode.BAD_USER_INPUT, coerced, coercion=True)
        return coerced

    def shape(self, variables: VariableValues) -> Hashable:
        given = variables.coerced
        return tuple((name, shape_of(type_, given[name])) for name, type_ in self._types.items() if name in given)

    def meter(self, variables: Mapping[str, Any]) -> Meter:
        return Meter(self.schema, self.fragments, variables)

    def cost(self, variables: VariableValues) -> int:
        """What the answer can cost; refused where that is too much."""
        given = variables.coerced
        known = self._costs.get(self._sizes(given))
        if known is not None:
            return known
        meter = self.meter(given)
        measure = meter.operation(self.node)
        check_cost(measure)
        self._cost_variables = tuple(sorted(meter.used.union(self._cost_variables)))
        self._costs[self._sizes(given)] = round(measure.cost)
        if len(self._costs) > MAX_PLANS:
            self._costs.popitem(last=False)
        return round(measure.cost)

    def _sizes(self, given: Mapping[str, Any]) -> Hashable:
        """What of the variables decides about the cost, as far as is known: numbers, and lengths of lists."""
        return tuple((name, size_of(given.get(name))) for name in self._cost_variables)

    def root_fields(self, variables: VariableValues) -> list[Selected]:
        root: Any = self.schema.get_root_type(self.node.operation)
        return Selection(self.schema, self.fragments, variables).fields(root, [self.node.selection_set])


class Engine:
    """Compiles and runs the operations of one schema. ``tables`` maps the names of tables to where they are, ``references``
    those of tables that all projects share, ``scopes`` by name the tables that are elsewhere once more. ``settled`` names the
    tables whose rows change with a revision alone, ``readable_tables`` tell which rows can be read.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        tables: Mapping[str, str],
        references: Mapping[str, str] | None = None,
        scopes: Mapping[str, Mapping[str, str]] | None = None,
        settled: Collection[str] = (),
        *,
        readable_tables: ReadableTables | None = None,
    ) -> None:
        self.schema = schema
        self.tables = tables
        self.references = references or {}
        self.scopes = scopes or {}
        self.settled = frozenset(settled)
        self.readable_tables = readable_tables or {}
        self.nodes = node_types(schema)
        self._documents: OrderedDict[str, dict[str | None, Operation]] = OrderedDict()

    def operation(self, text: str, name: str | None) -> Operation:
        """The operation of that name, from a document that is valid against the schema."""
        operations = self._documents.get(text)
        if operations is None:
            operations = self._read(text)
            if len(text) <= MAX_CACHED_CHARACTERS:
                self._documents[text] = operations
                if len(self._documents) > MAX_DOCUMENTS:
                    self._documents.popitem(last=False)
        else:
            self._documents.move_to_end(text)
        if name is None and len(operations) == 1:
            return next(iter(operations.values()))
        if name not in operations:
            known = ", ".join(f"'{known}'" for known in operations if known is not None) or "one without a name"
            reason = f"has no operation '{name}'" if name is not None else "has several operations: say which in operationName"
            raise RequestError(ErrorCode.BAD_REQUEST, f"The document {reason}; it has {known}.")
        return operations[name]

    def _read(self, text: str) -> dict[str | None, Operation]:
        try:
            document = parse(text, max_tokens=MAX_TOKENS)
            operations = self._operations(document)
            for operation in operations.values():
                check_size(operation.meter({}).operation(operation.node))
            errors = large_numbers(document) or validate(self.schema, document, max_errors=MAX_ERRORS)
        except GraphQLError as error:
            raise RequestError(ErrorCode.PARSE_ERROR, [error]) from None
        except RecursionError:
            raise RequestError(ErrorCode.PARSE_ERROR, "The document is nested too deeply.") from None
        if errors:
            raise RequestError(ErrorCode.VALIDATION_FAILED, errors[:MAX_ERRORS])
        return operations

    def _operations(self, document: DocumentNode) -> dict[str | None, Operation]:
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        nodes = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        if not nodes:
            raise RequestError(ErrorCode.BAD_REQUEST, "The document has no operation, only fragments.")
        return {node.name.value if node.name else None: Operation(self.schema, node, fragments) for node in nodes}

    def plan(self, operation: Operation, variables: VariableValues, *, aging: bool = False) -> Plan:
        """The operation compiled for variables of this shape, and for readers of whose rows some are ``aging`` or none."""
        shape = (aging, operation.shape(variables))
        plan = operation.plans.get(shape)
        if plan is None:
            roots = operation.root_fields(variables)
            plan = Plan([(root.key, self._compiled(operation, root, variables, aging=aging)) for root in roots])
            operation.plans[shape] = plan
            if len(operation.plans) > MAX_PLANS:
                operation.plans.popitem(last=False)
        return plan

    def _compiled(
        self, operation: Operation, root: Selected, variables: VariableValues, *, aging: bool
    ) -> bytes | Introspection | Statement:
        if root.name == TYPENAME:
            root_type: Any = self.schema.get_root_type(operation.type)
            return orjson.dumps(root_type.name)
        if root.name.startswith("__"):
            if not operation.node.variable_definitions:
                return self._introspect(operation, root, variables)
            return lambda given: self._introspect(operation, root, given)
        compiler = self._compiler(operation, variables, aging=aging)
        statement = compiler.root(root)
        statement.reads = compiler.used | compiler.entered
        if statement.summaries:
            statement.places = replace(self._compiler(operation, variables, aging=aging), only_places=True).root(root)
        return statement

    def _compiler(self, operation: Operation, variables: VariableValues, *, aging: bool) -> Compiler:
        selection = Selection(self.schema, operation.fragments, variables)
        places = (self.tables, self.nodes, self.references, self.scopes, self.settled, self.readable_tables)
        return Compiler(selection, *places, aging=aging)

    def _introspect(self, operation: Operation, root: Selected, variables: VariableValues) -> bytes:
        """Introspection stays with graphql-core; its answer depends on nothing that is stored."""
        node = operation.node
        alone = OperationDefinitionNode(
            operation=node.operation,
            name=node.name,
            variable_definitions=node.variable_definitions,
            directives=(),
            selection_set=SelectionSetNode(selections=tuple(root.nodes)),
        )
        document = DocumentNode(definitions=(alone, *operation.fragments.values()))
        given = {name: source.value for name, source in variables.sources.items()}
        result = execute_sync(self.schema, document, variable_values=given)
        if result.errors or result.data is None:
            raise RequestError(ErrorCode.BAD_USER_INPUT, list(result.errors or []))
        return orjson.dumps(result.data[root.key])
