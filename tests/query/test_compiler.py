"""One statement per root field, and the project in each place that a statement names a table."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from graphql import get_named_type

from callscope.schema.code_explanation import REFERENCE_TABLES
from callscope.schema.root import CORE_SCHEMA, LIVE_TABLES, engine
from callscope.storage.code_explanations import COLUMNS
from callscope.storage.pool import Pool
from tests.inspector import Inspector
from tests.query.crowd import crowd
from tests.query.documents import LISTS, ROOTS, asked
from tests.query.operations import Material, material
from tests.query.oracle import check_shape
from tests.query.statements import compiled, tables, unnarrowed, unused


@pytest.fixture(scope="module")
async def stored(filled: Inspector) -> Material:
    return await material(filled)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the server runs to read, from here on."""
    seen: list[str] = []
    plain = Pool.read

    async def logged(self: Pool, run: Callable[[asyncpg.Connection], Awaitable[Any]]) -> Any:
        async def watched(connection: asyncpg.Connection) -> Any:
            with connection.query_logger(lambda record: seen.append(record.query)):
                answer = await run(connection)
                await asyncio.sleep(0)  # asyncpg tells its loggers from the event loop
                return answer

        return await plain(self, watched)

    monkeypatch.setattr(Pool, "read", logged)
    return seen


@pytest.mark.parametrize("name", [name for name in ROOTS if name != "evaluateIssues"])
async def test_a_root_field_is_one_statement_whatever_is_beneath(
    filled: Inspector, stored: Material, statements: list[str], name: str
) -> None:
    text = f"{{ {asked(name, stored)} }}"
    check_shape(text, {}, await filled.query(text))  # for the first time: asyncpg asks for types
    statements.clear()
    await filled.query(text)
    assert len(statements) == 1


async def test_what_is_worked_out_before_is_read_in_one_transaction_and_answered_in_one_statement(
    filled: Inspector, stored: Material, statements: list[str]
) -> None:
    """How many the diagnosis reads hangs on how much was measured; how many the answer takes, on nothing."""
    text = f"{{ {asked('evaluateIssues', stored)} }}"
    check_shape(text, {}, await filled.query(text))
    seen = []
    for asked_for in (text, re.sub("{ __typename kind.*", "{ kind } }", text)):
        statements.clear()
        await filled.query(asked_for)
        seen.append(list(statements))
    for begin, *reads, answer, commit in seen:
        assert (begin, commit) == ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;", "COMMIT;")
        assert "jsonb_to_recordset" in answer
        assert len(reads) < 12
    assert seen[0][:-2] == seen[1][:-2]


async def test_a_request_is_as_many_statements_as_it_has_root_fields(
    filled: Inspector, stored: Material, statements: list[str]
) -> None:
    await filled.query(
        "{ __typename project { id } calls { totalCount } again: project { name } __schema { queryType { name } } }"
    )
    assert len(statements) == 3
    await filled.query("{ __typename }")
    assert len(statements) == 3


@pytest.mark.parametrize("name", ROOTS)
async def test_every_table_in_a_statement_is_narrowed_to_the_project(stored: Material, name: str) -> None:
    (statement,) = compiled(engine(), f"{{ {asked(name, stored)} }}", {})
    assert tables(statement.sql)
    assert unnarrowed(statement.sql) == []
    assert unused(statement) == set()


FILTERED = [
    (type_name, name, field)
    for type_name, name in LISTS
    for field in getattr(get_named_type(CORE_SCHEMA.type_map[type_name].fields[name].args["filter"].type), "fields", {})
]
VALUES = {"Boolean": True, "DateTime": "2026-01-01T00:00:00Z", "Int": 1, "Float": 1, "String": "a"}


def test_every_filter_narrows_the_tables_that_it_names_to_the_project() -> None:
    compiler, seen = engine(), set()
    for type_name, name, field in FILTERED:
        filter_type = get_named_type(CORE_SCHEMA.type_map[type_name].fields[name].args["filter"].type)
        listed = f"{name}(filter: $filter) {{ totalCount nodes {{ id }} pageInfo {{ hasNextPage }} }}"
        tag, keys = next(
            ((tag, table.keys) for tag, (type_, table) in compiler.nodes.items() if type_.name == type_name), ("", ())
        )
        inside = f'node(id: "{"_".join([tag, *"1" * len(keys)])}") {{ ... on {type_name} {{ {listed} }} }}' if tag else listed
        given = {field: VALUES.get(str(filter_type.fields[field].type), [])}
        for statement in compiled(compiler, f"query($filter: {filter_type.name}) {{ {inside} }}", {"filter": given}):
            assert unnarrowed(statement.sql) == []
            seen.update(tables(statement.sql))
    assert seen <= set(LIVE_TABLES)
    assert len(seen) > 8


def test_the_check_of_statements_sees_what_is_not_narrowed() -> None:
    assert unnarrowed("select from live.call t0 where t0.project_id = $1 and true") == []
    assert unnarrowed("select from live.call t0 where t0.call_key = 1")
    assert unnarrowed("select from live.call t0 where t0.project_id = $1 or true")
    assert unnarrowed("select from live.call t0 where t0.project_id = $12")
    assert unnarrowed("select from live.call t0 where exists (select from live.stream t1 where t0.project_id = $1)")
    assert unnarrowed("select from live.call t0 where t0.id = 'and t0.project_id = $1'")
    assert unnarrowed("select from (select * from live.call) own")
    assert unnarrowed("select from (select * from live.call where project_id = $1) own") == []
    assert unnarrowed("select from callscope.project t0 where t0.project_id = $2")
    assert unnarrowed("select from callscope.api_key own")
    assert unnarrowed("select from callscope.code_explanation own where own.key = $2") == []
    assert unnarrowed("select from live.code_explanation own")
    assert unnarrowed("select from callscope.code_explanation own, live.call t0")


async def test_only_tables_that_hold_nothing_of_a_project_are_not_narrowed(inspector: Inspector) -> None:
    """Of a reference table every column is known, and every other table that can be named has the project in it."""
    columns: dict[str, set[str]] = {}
    for row in await inspector.connection.fetch("select table_schema, table_name, column_name from information_schema.columns"):
        columns.setdefault(f"{row['table_schema']}.{row['table_name']}", set()).add(row["column_name"])
    assert REFERENCE_TABLES == {"code_explanation": "callscope.code_explanation"}
    assert columns["callscope.code_explanation"] == set(COLUMNS)
    assert REFERENCE_TABLES.keys().isdisjoint(LIVE_TABLES)
    assert all("project_id" in columns[place] for place in LIVE_TABLES.values())


async def test_fifty_explanations_are_no_statement_more(inspector: Inspector, statements: list[str]) -> None:
    await inspector.tell(crowd(10, 5))
    text = "{ connections(first: 50, filter: {outcomes: FAILED}) { nodes { error { code explanation { meaning } } } } }"
    await inspector.query(text)
    statements.clear()
    answer = await inspector.query(text)
    assert len(answer["connections"]["nodes"]) == 50
    assert all(node["error"] == {"code": 1, "explanation": None} for node in answer["connections"]["nodes"])
    await inspector.connection.execute("update live.call set platform = 'ACS'")
    await inspector.connection.execute("update live.connection set error_subcode = 41048")
    answer = await inspector.query(text)
    assert all("camera" in node["error"]["explanation"]["meaning"] for node in answer["connections"]["nodes"])
    assert len(statements) == 2
