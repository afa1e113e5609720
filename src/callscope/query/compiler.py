"""Selection set in, one SQL statement out, whose result is already the JSON of the root field.

Each statement's first parameter is the project, and every table that a statement names is narrowed to it: the compiler
writes that condition for the rows of types, and a template has no other way to name a table than ``{table}``. Reference tables
alone, which are the same for all projects, stand as they are.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, cast

from graphql import GraphQLObjectType, GraphQLSchema, SelectionSetNode

from callscope.query.bindings import (
    METADATA,
    Argument,
    Column,
    Computed,
    Effect,
    Embedded,
    Items,
    Many,
    Narrow,
    One,
    Refetch,
    Table,
    binding_of,
    table_of,
)
from callscope.query.ids import decode_id, id_sql, keys_of
from callscope.query.json_sql import Columns, array_sql, object_sql, row_sql
from callscope.query.pages import PagePlan, Rows
from callscope.query.parameters import Parameters, Reader, Site, Values, checked_text, id_keys, value_at
from callscope.query.readable import ALL, ReadableTables
from callscope.query.selection import TYPENAME, Selected, Selection
from callscope.query.summaries import Summary, is_summary, place_sql

NOW = "now()"


@dataclass
class Statement:
    """A compiled root field: its name, SQL, parameters, how the rows become the field's JSON, and what is to be done before.

    What an effect gives is a parameter of the SQL; ``is_pure`` tells that it changes nothing. ``summaries`` are those that its
    places name by number, where it is marked to give places; ``places`` is a statement that gives nothing else for them.
    ``reads`` names the tables and the scopes that it reads.
    """

    name: str
    sql: str
    parameters: Parameters
    assemble: Callable[[Sequence[Any], list[Values]], str]
    effect: Callable[[Any, Reader, Values], Awaitable[Any]] | None = None
    is_pure: bool = False
    summaries: list[Summary] = field(default_factory=list)
    places: "Statement | None" = None
    reads: Collection[str] = frozenset()


class Scope(dict[str, Any]):
    """The names that a template may use; a table's name gives the table, narrowed to the project."""

    def __init__(self, compiler: "Compiler", names: dict[str, Any]) -> None:
        super().__init__(names)
        self.compiler = compiler

    def __missing__(self, name: str) -> str:
        if name == "key":
            return self.compiler.parameters.key()
        if name in self.compiler.references:
            self.compiler.used.add(name)
            return self.compiler.references[name]
        conditions = self.compiler.readable(name, name)
        return f"(select * from {self.compiler.place(name)} where {' and '.join(['project_id = $1', *conditions])})"


def node_types(schema: GraphQLSchema) -> dict[str, tuple[GraphQLObjectType, Table]]:
    """The types that have global ids, by their tag."""
    types: dict[str, tuple[GraphQLObjectType, Table]] = {}
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and "strawberry-definition" in type_.extensions:
            table = table_of(type_)
            if table is not None and table.tag is not None:
                types[table.tag] = (type_, table)
    return types


@dataclass
class Compiler:
    """Compiles one root field. ``tables`` maps the names of the projects' tables to where they are, ``references`` those that
    all projects share. ``scopes`` are other places, by name, where some of the tables are once more: what is inside of a row
    there is read there, and its ids lead back there. ``settled`` are the tables whose rows change with a revision alone,
    ``summaries`` what was compiled to be kept (None where nothing is to be), ``used`` names what is read: tables, the time, and
    ``entered`` in which scopes.
    With ``only_places`` no summary is compiled into the statement, which is soon planned then. ``readable_tables`` say which rows
    can be read, ``aging`` whether some of the project's have passed their time.
    """

    selection: Selection
    tables: Mapping[str, str]
    nodes: dict[str, tuple[GraphQLObjectType, Table]]
    references: Mapping[str, str] = field(default_factory=dict)
    scopes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    settled: Collection[str] = frozenset()
    readable_tables: ReadableTables = field(default_factory=dict)
    aging: bool = False
    parameters: Parameters = field(default_factory=Parameters)
    summaries: list[Summary] | None = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    entered: set[str] = field(default_factory=set)
    only_places: bool = False
    _numbers: Any = field(default_factory=count)
    _keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _scope: str = ""

    def place(self, name: str) -> str:
        """Where a table is, in the scope that is compiled."""
        self.used.add(name)
        return self.scopes.get(self._scope, self.tables).get(name) or self.tables[name]

    def readable(self, name: str, row: str, *, entered: bool = False, named: bool = False) -> list[str]:
        """What must hold of a table's row to be read: ``entered`` where no other row led to it, ``named`` by another one."""
        scope = self._scope if name in self.scopes.get(self._scope, ()) else ""
        known = self.readable_tables.get(scope, {}).get(name, ALL)
        aging = self.aging and not named and known.aging is not None
        if aging:
            self.used.add(NOW)
        return list(known.conditions(row, entered=entered, aging=aging))

    @contextmanager
    def within(self, scope: str | None) -> Iterator[None]:
        outer = self._scope
        self._scope = outer if scope is None else scope
        self.entered.add(self._scope)
        try:
            yield
        finally:
            self._scope = outer

    def prefix(self, table: Table) -> str:
        """What the ids of a table's rows start with, in the scope that is compiled."""
        return self._scope if table.name in self.scopes.get(self._scope, ()) else ""

    def node(self, tag: str) -> tuple[str, GraphQLObjectType, Table] | None:
        """The scope, type and table of the ids with a tag."""
        for scope in ("", *self.scopes):
            found = self.nodes.get(tag.removeprefix(scope))
            if found is not None and tag.startswith(scope) and (not scope or found[1].name in self.scopes[scope]):
                return scope, *found
        return None

    # ---------------------------------------------------------------------------------------------- root

    def root(self, selected: Selected) -> Statement:
        binding = binding_of(selected.definition)
        site = self._site(selected)
        if isinstance(binding, Refetch):
            return self._refetch(selected, site)
        if isinstance(binding, Effect | Computed):
            # What is read in a transaction is read of its state.
            self.summaries = None
            return (
                self._effect(selected, binding, site) if isinstance(binding, Effect) else self._computed(selected, binding, site)
            )
        if isinstance(binding, Many) and binding.paged:
            sql, assemble = PagePlan.of(self, selected, binding, site, parent="").statement()
            return self._statement(selected, sql, assemble)
        if isinstance(binding, One):
            sql = self._one(selected, binding, site, parent="")
        else:
            sql = self._list(selected, binding, site, parent="")
        return self._statement(selected, f"select {sql}", lambda rows, _: rows[0][0] or "null")

    def _statement(self, selected: Selected, sql: str, assemble: Callable[[Sequence[Any], list[Values]], str]) -> Statement:
        return Statement(selected.name, sql, self.parameters, assemble, summaries=self.summaries or [])

    def _effect(self, selected: Selected, binding: Effect, site: int) -> Statement:
        """The payload, read from what the effect did, in its transaction: nothing of it is kept."""
        self.summaries = None
        self._check(binding, site)
        row = self.alias()
        columns = self.columns(cast("GraphQLObjectType", selected.object_type), selected.selection_sets, row, None)
        # PostgreSQL refuses parameters that a statement does not use.
        source = f"from jsonb_to_record({self.parameters.outcome()}) as {row}({binding.columns}) where $1::integer is not null"
        sql = f"select {row_sql(columns, source)}"
        return Statement(selected.name, sql, self.parameters, lambda rows, _: rows[0][0], binding.run)

    def _computed(self, selected: Selected, binding: Computed, site: int) -> Statement:
        """A list of what was worked out before, in the same transaction: nothing of it is kept."""
        self.summaries = None
        self._check(binding, site)
        row = self.alias()
        tag, _ = decode_id(str(self.values(site)[binding.within])) or ("", [])
        known = self.node(tag)
        with self.within(known[0] if known is not None else None):
            columns = self.columns(cast("GraphQLObjectType", selected.object_type), selected.selection_sets, row, None)
        # PostgreSQL refuses parameters that a statement does not use.
        rows = f"jsonb_to_recordset({self.parameters.outcome()}) as {row}({binding.columns})"
        source = f"from {rows} where $1::integer is not null limit {self.arguments(site, binding.arguments).first}"
        sql = f"select {array_sql(columns, source)}"
        return Statement(selected.name, sql, self.parameters, lambda rows, _: rows[0][0], binding.run, is_pure=True)

    def _refetch(self, selected: Selected, site: int) -> Statement:
        """``node(id)`` and ``nodes(ids)``: a branch for each type that occurs among the ids."""
        name, given = next(iter(self.values(site).items()))
        many = isinstance(given, list)
        found = [decode_id(str(item)) for item in (given if many else [given])]
        branches = []
        for tag in sorted({item[0] for item in found if item is not None}):
            known = self.node(tag)
            if known is None:
                continue
            scope, type_, table = known
            row, ids = self.alias(table), self.alias()
            types = ("integer", *table.key_types)
            keys = [self.parameters.add(_positions(site, name, tag, table, at), f"{type_}[]") for at, type_ in enumerate(types)]
            matches = [f"{row}.project_id = $1", *(f"{row}.{key} = {ids}.{key}" for key in table.keys)]
            with self.within(scope):
                matches += self.readable(table.name, row, entered=True)
                columns = self.columns(type_, selected.selection_sets, row, table)
                branches.append(
                    f"select {ids}.position, {object_sql(columns)}"
                    f" from unnest({', '.join(keys)}) as {ids}(position, {', '.join(table.keys)})"
                    f" join {self.place(table.name)} {row} on {' and '.join(matches)}"
                )

        def assemble(rows: Sequence[Any], sites: list[Values]) -> str:
            objects = {row[0]: row[1] for row in rows}
            if not many:
                return cast("str", objects.get(0, "null"))
            return "[" + ",".join([objects.get(position, "null") for position in range(len(sites[site][name]))]) + "]"

        return self._statement(selected, " union all ".join(branches) or "select 1 where $1::integer is null", assemble)

    # ---------------------------------------------------------------------------------------------- objects

    def columns(
        self, type_: GraphQLObjectType, selection_sets: list[SelectionSetNode], row: str, table: Table | None, prefix: str = ""
    ) -> Columns:
        """The fields of one row's object: the answer's keys, and the expression for each."""
        fields = self.selection.fields(type_, selection_sets)
        return [(selected.key, self._field(type_, selected, row, table, prefix)) for selected in fields]

    def _field(self, type_: GraphQLObjectType, selected: Selected, row: str, table: Table | None, prefix: str) -> str:
        """The value, or of what can be kept of large rows a place for it."""
        if self.summaries is None or table is None or prefix or not is_summary(selected, table):
            return self.value(type_, selected, row, table, prefix)
        summary = Summary.of(self, type_, selected, table)
        if summary is None:
            return self.value(type_, selected, row, table)
        self.summaries.append(summary)
        inside = None if self.only_places else replace(self, summaries=None).value(type_, selected, row, table)
        return place_sql(self, table, row, inside)

    def value(self, type_: GraphQLObjectType, selected: Selected, row: str, table: Table | None, prefix: str = "") -> str:
        if selected.name == TYPENAME:
            return f"'{type_.name}'::text"
        binding = binding_of(selected.definition)
        if isinstance(binding, Column):
            identity = id_sql(table, row, self.prefix(table)) if table is not None and table.tag else ""
            template = binding.elsewhere.get(self._scope, binding.sql)
            if not binding.arguments:
                return self.format(template, row=row, prefix=prefix, id=identity)
            arguments = self.arguments(self._site(selected), binding.arguments)
            return self.format(template, row=row, prefix=prefix, id=identity, args=arguments)
        if isinstance(binding, Embedded):
            embedded = cast("GraphQLObjectType", selected.object_type)
            value = object_sql(self.columns(embedded, selected.selection_sets, row, table, prefix + binding.prefix))
            if binding.null_when is None:
                return value
            return f"case when {self.format(binding.null_when, row=row, prefix=prefix)} then null else {value} end"
        if isinstance(binding, Items):
            return self._items(selected, binding, row)
        site = self._site(selected)
        if isinstance(binding, One):
            with self.within(binding.scope):
                return self._one(selected, binding, site, parent=row)
        if isinstance(binding, Many) and binding.paged:
            return PagePlan.of(self, selected, binding, site, parent=row).nested()
        return self._list(selected, binding, site, parent=row)

    def _items(self, selected: Selected, binding: Items, parent: str) -> str:
        row = self.alias()
        columns = self.columns(cast("GraphQLObjectType", selected.object_type), selected.selection_sets, row, None)
        source = f"from jsonb_to_recordset({self.format(binding.sql, row=parent)}) as {row}({binding.columns})"
        return array_sql(columns, source)

    def _one(self, selected: Selected, binding: One, site: int, parent: str) -> str:
        type_ = cast("GraphQLObjectType", selected.object_type)
        table = table_of(type_)
        row = self.alias(table)
        values = self.values(site)
        self._check(binding, site)
        arguments = self.arguments(site, binding.arguments)
        if binding.source is not None:
            source = f"from ({self.format(binding.source, row=row, parent=parent, args=arguments)}) {row}"
        else:
            named = cast("Table", table)
            is_key = bool(parent) and binding.where is None
            where = [f"{row}.project_id = $1", *self.readable(named.name, row, entered=not parent, named=is_key)]
            if binding.where is not None:
                where.append(self.format(binding.where, row=row, parent=parent, args=arguments))
            elif parent:
                where += [f"{row}.{key} = {parent}.{key}" for key in named.keys]
            where += [
                self._narrowed(narrow, site, (name,), row, parent)
                for name, narrow in binding.by.items()
                if values.get(name) is not None
            ]
            source = f"from {self.place(named.name)} {row} where {' and '.join(where)}"
        return row_sql(self.columns(type_, selected.selection_sets, row, table), source)

    def _list(self, selected: Selected, binding: Many, site: int, parent: str) -> str:
        self._check(binding, site)
        if table_of(selected.object_type) is None:
            return self._sourced(selected, binding, site, parent)
        rows = Rows.of(self, cast("GraphQLObjectType", selected.object_type), binding, site, parent)
        columns = self.columns(rows.type, selected.selection_sets, rows.row, rows.table)
        limit = f" limit {self.arguments(site, binding.arguments).first}" if binding.arguments else ""
        return array_sql(columns, rows.all() + limit)

    def _sourced(self, selected: Selected, binding: Many, site: int, parent: str) -> str:
        type_, row = cast("GraphQLObjectType", selected.object_type), self.alias()
        arguments = self.arguments(site, binding.arguments)
        source = self.format(cast("str", binding.source), row=row, parent=parent, args=arguments)
        # PostgreSQL refuses parameters that a statement does not use.
        used = f"from ({source}) {row} where $1::integer is not null"
        return array_sql(self.columns(type_, selected.selection_sets, row, None), used)

    def _check(self, binding: One | Many | Effect | Computed, site: int) -> None:
        """Refuse arguments that do not go together, now and whenever the statement gets others."""
        check = binding.check
        if check is not None:
            check(self.values(site))
            self.parameters.checks.append(lambda sites: check(sites[site]))

    # ---------------------------------------------------------------------------------------------- arguments

    def _site(self, selected: Selected) -> int:
        assert selected.definition is not None  # noqa: S101
        return self.parameters.site(Site(selected.definition, selected.nodes[0]))

    def arguments(self, site: int, arguments: tuple[Argument, ...]) -> "ArgumentParameters":
        return ArgumentParameters(self, site, arguments)

    def values(self, site: int) -> Values:
        return self.parameters.sites[site].evaluate(self.selection.variables)

    def filters(self, site: int, filter_type: Any, row: str, parent: str) -> list[str]:
        """The conditions of the argument ``filter``; what is null or left out does not narrow."""
        given = self.values(site).get("filter")
        if not given:
            return []
        fields = self.selection.schema.type_map[filter_type.__strawberry_definition__.name].fields  # type: ignore[attr-defined]
        narrows = {name: fields[name].extensions["strawberry-definition"].metadata[METADATA] for name in given}
        return [
            self._narrowed(narrows[name], site, ("filter", name), row, parent)
            for name, value in given.items()
            if value is not None
        ]

    def _narrowed(self, narrow: Narrow, site: int, path: tuple[str, ...], row: str, parent: str) -> str:
        value = value_at(self.values(site), path)
        if narrow.otherwise is not None:
            return self.format(narrow.sql if value else narrow.otherwise, row=row, parent=parent)
        first = ""
        if narrow.ids is not None:
            width = len(self.nodes[narrow.ids][1].keys)
            # Inside of a scope an object goes by its id there and by the one that it has outside of any.
            tags = {narrow.ids, self.prefix(self.nodes[narrow.ids][1]) + narrow.ids}
            given = [self.parameters.add(_keys(site, path, tags, width, at), "bigint[]") for at in range(width)]
            # How many there are is hidden from the planner: else PostgreSQL plans anew each time, which costs more than it gains.
            arrays = [f"array(select unnest({array}))" for array in given]
            parameter, first = f"(select * from unnest({', '.join(arrays)}))", arrays[0]
            if not isinstance(value, list):
                parameter = "((" + ", ".join(f"({array})[1]" for array in given) + "))"
        else:
            parameter = self.parameters.add(_text(site, path, narrow.convert), cast("str", narrow.type))
        return self.format(narrow.sql, row=row, parent=parent, value=parameter, first=first)

    def format(self, template: str, **names: Any) -> str:
        if NOW in template:
            self.used.add(NOW)
        return template.format_map(Scope(self, {"prefix": "", **names}))

    def alias(self, table: Table | None = None) -> str:
        name = f"t{next(self._numbers)}"
        self._keys[name] = table.keys if table is not None else ()
        return name

    def keys_of(self, row: str) -> tuple[str, ...]:
        return self._keys[row]


@dataclass
class ArgumentParameters:
    """``{args.name}`` in a template: the argument as a parameter, checked, its default where it is null."""

    compiler: Compiler
    site: int
    arguments: tuple[Argument, ...]

    def __getattr__(self, name: str) -> str:
        argument = next(argument for argument in self.arguments if argument.name == name)
        site = self.site
        return self.compiler.parameters.add(lambda sites: argument.value(sites[site].get(name)), argument.sql)


def _text(site: int, path: tuple[str, ...], convert: Callable[[Any], Any] | None) -> Callable[[list[Values]], Any]:
    def getter(sites: list[Values]) -> Any:
        value = checked_text(value_at(sites[site], path), path[-1])
        return value if convert is None else convert(value)

    return getter


def _keys(site: int, path: tuple[str, ...], tags: Collection[str], width: int, at: int) -> Callable[[list[Values]], Any]:
    return lambda sites: id_keys(value_at(sites[site], path), tags, width)[at]


def _positions(site: int, name: str, tag: str, table: Table, at: int) -> Callable[[list[Values]], Any]:
    """The positions (``at`` 0) or the keys of the ids with one tag; ids that no key can have match nothing."""

    def getter(sites: list[Values]) -> list[Any]:
        given = sites[site][name]
        decoded = enumerate(decode_id(str(item)) for item in (given if isinstance(given, list) else [given]))
        found = [(position, item[1]) for position, item in decoded if item is not None and item[0] == tag]
        rows = [(position, keys_of(table, integers)) for position, integers in found]
        return [(position, *keys)[at] for position, keys in rows if keys is not None]

    return getter
