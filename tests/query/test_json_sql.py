import json

import pytest

from callscope.query.cost import MAX_FIELDS
from callscope.query.json_sql import MAX_IDENTIFIER_BYTES, array_sql, object_sql, row_sql
from tests.inspector import Inspector

LONG = "k" * (MAX_IDENTIFIER_BYTES + 1)
ROWS = "(values (1, 'a'), (2, null)) r(number, name)"
KEYS = [
    ("number", "name"),
    ("o", "j"),
    ("o", LONG),
    ("k" * MAX_IDENTIFIER_BYTES, LONG),
    (LONG + "a", LONG + "b"),
    ("select", "Select"),
]


async def asked(filled: Inspector, sql: str) -> object:
    return json.loads(await filled.connection.fetchval(sql), object_pairs_hook=list)


@pytest.mark.parametrize("keys", KEYS)
async def test_objects_have_their_keys_whatever_they_are_called(filled: Inspector, keys: tuple[str, str]) -> None:
    columns = list(zip(keys, ("r.number", "r.name"), strict=True))
    first, second = [(keys[0], 1), (keys[1], "a")], [(keys[0], 2), (keys[1], None)]
    assert await asked(filled, f"select {object_sql(columns)} from {ROWS} where number = 2") == second
    assert await asked(filled, f"select {row_sql(columns, f'from {ROWS} where number = 1')}") == first
    assert await asked(filled, f"select {array_sql(columns, f'from {ROWS} order by r.number desc')}") == [second, first]


@pytest.mark.parametrize("key", ["k", LONG])
async def test_without_a_row_an_object_is_null_and_a_list_is_empty(filled: Inspector, key: str) -> None:
    source = f"from {ROWS} where false"
    assert await filled.connection.fetchval(f"select {row_sql([(key, 'r.name')], source)}") is None
    assert await filled.connection.fetchval(f"select {array_sql([(key, 'r.name')], source)}") == "[]"


@pytest.mark.parametrize("key", ["k", LONG])
async def test_text_keeps_every_character(filled: Inspector, key: str) -> None:
    text = "'\"\\\n\t{}%$1é\U0001f600\u2028"
    sql = f"select {object_sql([(key, 'r.text')])} from (select $1::text as text) r"
    assert json.loads(await filled.connection.fetchval(sql, text)) == {key: text}


async def test_an_object_may_have_no_fields(filled: Inspector) -> None:
    assert await filled.connection.fetchval(f"select {object_sql([])}") == "{}"
    assert json.loads(await filled.connection.fetchval(f"select {array_sql([], f'from {ROWS}')}")) == [{}, {}]


@pytest.mark.parametrize("key", ["k", LONG])
async def test_an_object_has_room_for_every_field_that_an_operation_may_have(filled: Inspector, key: str) -> None:
    columns = [(f"{key}{number}", str(number)) for number in range(MAX_FIELDS)]
    expected = {f"{key}{number}": number for number in range(MAX_FIELDS)}
    assert json.loads(await filled.connection.fetchval(f"select {object_sql(columns)}")) == expected
