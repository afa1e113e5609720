"""Rows and pages of rows: where they come from, how they are narrowed, ordered and cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from graphql import GraphQLObjectType

from callscope.query.bindings import Many, Table, table_of
from callscope.query.json_sql import Columns, array_sql, object_sql
from callscope.query.paging import Keyset, Page
from callscope.query.parameters import Values
from callscope.query.selection import TYPENAME, Selected

if TYPE_CHECKING:
    from callscope.query.compiler import Compiler

Assemble = Callable[[Sequence[Any], list[Values]], str]


@dataclass
class Rows:
    """The rows of one list: all of them, before a page is cut."""

    type: GraphQLObjectType
    table: Table
    row: str
    source: str
    where: list[str]
    keyset: Keyset

    @classmethod
    def of(cls, compiler: "Compiler", type_: GraphQLObjectType, binding: Many, site: int, parent: str) -> "Rows":
        table = cast("Table", table_of(type_))
        row = compiler.alias(table)
        where = [f"{row}.project_id = $1", *compiler.readable(table.name, row, entered=not parent)]
        if binding.where is not None:
            where.append(compiler.format(binding.where, row=row, parent=parent))
        elif parent:
            where += [f"{row}.{key} = {parent}.{key}" for key in compiler.keys_of(parent)]
        where += compiler.filters(site, binding.filter, row, parent)
        order_by = compiler.values(site).get("orderBy")
        order = binding.order
        if order_by:
            named = binding.orders[str(order_by["field"])]
            order = replace(named, descending=str(order_by["direction"]) == "DESC")
        source = compiler.place(table.name)
        if binding.source is not None:
            source = f"({compiler.format(binding.source, parent=parent, args=compiler.arguments(site, binding.arguments))})"
        return cls(type_, table, row, f"from {source} {row}", where, Keyset.of(table, order))

    def all(self) -> str:
        return f"{self.source} where {' and '.join(self.where)} order by {self.keyset.order_sql(self.row)}"


@dataclass
class PagePlan:
    """One page: its rows, and what of it (nodes, edges, pageInfo, totalCount) is asked for."""

    compiler: "Compiler"
    rows: Rows
    page: Page
    site: int
    fields: list[Selected]
    type_name: str

    @classmethod
    def of(cls, compiler: "Compiler", field: Selected, binding: Many, site: int, parent: str) -> "PagePlan":
        page_type = cast("GraphQLObjectType", field.object_type)
        node_type: Any = page_type.fields["nodes"].type.of_type.of_type.of_type
        known = len(compiler.parameters.getters)
        rows = Rows.of(compiler, node_type, binding, site, parent)
        compiler.parameters.checks.append(lambda sites: _check(sites[site], rows.keyset))
        fields = compiler.selection.fields(page_type, field.selection_sets)
        if all(part.name == TYPENAME for part in fields):
            # No row is read, and PostgreSQL refuses parameters that a statement does not use.
            del compiler.parameters.getters[known:]
        return cls(compiler, rows, Page.of(compiler.values(site)), site, fields, page_type.name)

    @property
    def lists(self) -> list[Selected]:
        return [field for field in self.fields if field.name in ("nodes", "edges")]

    def wants(self, name: str) -> bool:
        return any(field.name == name for field in self.fields)

    def total(self) -> str:
        return f"(select count(*) {self.rows.source} where {' and '.join(self.rows.where)})"

    def cut(self, *, extra: int) -> str:
        """The page's rows; ``extra`` rows more tell whether the list goes on."""
        rows, keyset, where = self.rows, self.rows.keyset, list(self.rows.where)
        for name, cursor, forward in (("after", self.page.after, True), ("before", self.page.before, False)):
            if cursor is not None:
                values = [
                    self.compiler.parameters.add(self._cursor_value(name, position), type_)
                    for position, (_, type_) in enumerate(keyset.columns)
                ]
                sign = ">" if forward != keyset.descending else "<"
                where.append(f"({', '.join(keyset.expressions(rows.row))}) {sign} ({', '.join(values)})")
        limit = self.size()
        order = keyset.order_sql(rows.row, backward=self.page.backward)
        return f"{rows.source} where {' and '.join(where)} order by {order} limit {limit}{f' + {extra}' if extra else ''}"

    def size(self) -> str:
        """Of a number that the document itself gives, PostgreSQL knows the cost, and plans the statement once and for all."""
        site = self.site
        constant = self.compiler.parameters.sites[site].constant
        if constant is not None:
            return str(Page.of(constant).size)
        return self.compiler.parameters.add(lambda sites: Page.of(sites[site]).size, "integer")

    def _cursor_value(self, name: str, position: int) -> Callable[[list[Values]], Any]:
        site, keyset = self.site, self.rows.keyset
        return lambda sites: keyset.decode(name, sites[site][name])[position]

    def object_sql(self, field: Selected) -> str:
        """The JSON of one row as an element of ``nodes`` or ``edges``."""
        if field.name == "nodes":
            return object_sql(self._node(field))
        columns: Columns = []
        for part in self.compiler.selection.fields(cast("GraphQLObjectType", field.object_type), field.selection_sets):
            if part.name == TYPENAME:
                columns.append((part.key, f"'{field.object_type.name}'::text"))
            elif part.name == "cursor":
                columns.append((part.key, self.rows.keyset.cursor_sql(self.rows.row)))
            else:
                columns.append((part.key, object_sql(self._node(part))))
        return object_sql(columns)

    def _node(self, field: Selected) -> Columns:
        return self.compiler.columns(self.rows.type, field.selection_sets, self.rows.row, self.rows.table)

    # ---------------------------------------------------------------------------------------------- nested

    def nested(self) -> str:
        """The page as one JSON expression inside its parent's row."""
        only_nodes = [field.name for field in self.lists] == ["nodes"] and not self.wants("pageInfo")
        if only_nodes or not (self.lists or self.wants("pageInfo")):
            return object_sql([(field.key, self._simple(field)) for field in self.fields])
        listed = [f"{self.object_sql(field)} as n{number}" for number, field in enumerate(self.lists)]
        row, keyset, size = self.rows.row, self.rows.keyset, self.size()
        numbered = f"row_number() over (order by {keyset.order_sql(row, backward=self.page.backward)}) as i"
        inner = ", ".join([*listed, f"{keyset.cursor_sql(row)} as c", numbered])
        order = "x.i desc" if self.page.backward else "x.i"
        kept = f"filter (where x.i <= {size})"
        aggregated = [
            f"coalesce(json_agg(x.n{number} order by {order}) {kept}, '[]'::json) as l{number}" for number in range(len(listed))
        ]
        reverse = "x.i" if self.page.backward else "x.i desc"
        aggregated += [
            f"count(*) > {size} as more",
            f"(array_agg(x.c order by {order}) {kept})[1] as first_cursor",
            f"(array_agg(x.c order by {reverse}) {kept})[1] as last_cursor",
        ]
        columns = [(field.key, self._paged(field)) for field in self.fields]
        source = f"from (select {', '.join(aggregated)} from (select {inner} {self.cut(extra=1)}) x) a"
        return f"(select {object_sql(columns)} {source})"

    def _simple(self, field: Selected) -> str:
        if field.name == TYPENAME:
            return f"'{self.type_name}'::text"
        if field.name == "totalCount":
            return self.total()
        columns = self._node(field)
        if self.page.backward:
            return self._reversed(columns)
        return array_sql(columns, self.cut(extra=0))

    def _reversed(self, columns: Columns) -> str:
        row, keyset = self.rows.row, self.rows.keyset
        numbered = f"row_number() over (order by {keyset.order_sql(row, backward=True)}) as i"
        inner = f"select {object_sql(columns)} as j, {numbered} {self.cut(extra=0)}"
        return f"coalesce((select json_agg(x.j order by x.i desc) from ({inner}) x), '[]'::json)"

    def _paged(self, field: Selected) -> str:
        if field.name == TYPENAME:
            return f"'{self.type_name}'::text"
        if field.name == "totalCount":
            return self.total()
        if field.name == "pageInfo":
            given = {
                "hasNextPage": "a.more" if not self.page.backward else str(self.page.before is not None).lower(),
                "hasPreviousPage": "a.more" if self.page.backward else str(self.page.after is not None).lower(),
                "startCursor": "a.first_cursor",
                "endCursor": "a.last_cursor",
                TYPENAME: "'PageInfo'::text",
            }
            info = cast("GraphQLObjectType", field.object_type)
            parts = self.compiler.selection.fields(info, field.selection_sets)
            return object_sql([(part.key, given[part.name]) for part in parts])
        return f"a.l{self.lists.index(field)}"

    # ---------------------------------------------------------------------------------------------- root

    def statement(self) -> tuple[str, Assemble]:
        """The page of a root field: a row each, so that the statement distributes; joined here."""
        columns = [f"{self.object_sql(field)} as n{number}" for number, field in enumerate(self.lists)]
        if self.wants("pageInfo"):
            columns.append(f"{self.rows.keyset.cursor_sql(self.rows.row)} as c")
        selects = []
        if self.wants("totalCount"):
            nulls = ["null::json"] * len(self.lists) + ["null::text"] * self.wants("pageInfo")
            selects.append(f"select {', '.join([f'{self.total()} as total', *nulls])}")
        if columns:
            total = ["null::bigint"] if selects else []
            selects.append(f"(select {', '.join([*total, *columns])} {self.cut(extra=1)})")
        return " union all ".join(selects) or "select 1 where $1::integer is null", self._assemble

    def _assemble(self, records: Sequence[Any], sites: list[Values]) -> str:
        size = Page.of(sites[self.site]).size
        rows = list(records)
        total = rows.pop(0)[0] if self.wants("totalCount") else None
        offset = 0 if total is None else 1
        more = len(rows) > size
        rows = rows[:size]
        if self.page.backward:
            rows.reverse()
        parts = []
        for field in self.fields:
            if field.name == TYPENAME:
                value = f'"{self.type_name}"'
            elif field.name == "totalCount":
                value = str(total)
            elif field.name == "pageInfo":
                value = self._page_info(field, [row[-1] for row in rows], more=more)
            else:
                index = offset + self.lists.index(field)
                value = "[" + ",".join([row[index] for row in rows]) + "]"
            parts.append(f'"{field.key}":{value}')
        return "{" + ",".join(parts) + "}"

    def _page_info(self, field: Selected, cursors: list[str], *, more: bool) -> str:
        backward = self.page.backward
        given = {
            "hasNextPage": _bool(self.page.before is not None if backward else more),
            "hasPreviousPage": _bool(more if backward else self.page.after is not None),
            "startCursor": f'"{cursors[0]}"' if cursors else "null",
            "endCursor": f'"{cursors[-1]}"' if cursors else "null",
            TYPENAME: '"PageInfo"',
        }
        parts = self.compiler.selection.fields(cast("GraphQLObjectType", field.object_type), field.selection_sets)
        return "{" + ",".join(f'"{part.key}":{given[part.name]}' for part in parts) + "}"


def _bool(value: bool) -> str:  # noqa: FBT001
    return "true" if value else "false"


def _check(values: Values, keyset: Keyset) -> None:
    """Whatever of the page is asked for: its arguments should make sense."""
    page = Page.of(values)
    for name, cursor in (("after", page.after), ("before", page.before)):
        if cursor is not None:
            keyset.decode(name, cursor)
