from datetime import UTC, datetime

import pytest

from callscope.query.bindings import DEFAULT_PAGE, MAX_PAGE, Order, Table
from callscope.query.errors import ErrorCode, RequestError
from callscope.query.paging import Keyset, Page
from tests.inspector import Inspector

CALL = Table("call", ("call_key",), "call")
EVENT = Table("event", ("call_key", "at", "event_key"), "event")
COLUMNS = (("name", "text"), ("at", "timestamptz"), ("score", "double precision"), ("count", "integer"))
ROW = {
    "name": "'~é\U0001f600",
    "at": datetime(2026, 3, 2, 9, 0, 0, 123_457, UTC),
    "score": 0.1 + 0.2,
    "count": -(2**31),
    "call_key": -(2**63),
}


def test_keys_break_ties_in_the_direction_of_the_order() -> None:
    keyset = Keyset.of(CALL, Order((("started_at", "timestamptz"),), descending=True))
    assert keyset.name == "call.started_at.desc"
    assert keyset.order_sql("t") == "t.started_at desc, t.call_key desc"
    assert keyset.order_sql("t", backward=True) == "t.started_at, t.call_key"


def test_a_key_that_is_ordered_by_stands_once() -> None:
    keyset = Keyset.of(EVENT, Order((("at", "timestamptz"),)))
    assert keyset.columns == (("at", "timestamptz"), ("call_key", "bigint"), ("event_key", "bigint"))
    assert Keyset.of(EVENT, Order(())).columns == (("call_key", "bigint"), ("at", "timestamptz"), ("event_key", "bigint"))


async def test_a_cursor_gives_back_the_values_of_its_row(filled: Inspector) -> None:
    keyset = Keyset.of(CALL, Order(COLUMNS))
    types = dict(keyset.columns)
    columns = ", ".join(f"${number}::{types[name]} as {name}" for number, name in enumerate(ROW, 1))
    cursor = await filled.connection.fetchval(f"select {keyset.cursor_sql('r')} from (select {columns}) r", *ROW.values())
    assert keyset.decode("after", cursor) == list(ROW.values())
    assert '"' not in cursor
    assert "\\" not in cursor


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "~", "call.count.asc", "call.count.asc~1", "call.count.asc~1~2~3", "call.count.desc~1~2", "event.count.asc~1~2"),
        *(f"call.count.asc~{2**31}~1", f"call.count.asc~1~{2**63}", f"call.count.asc~{'9' * 5000}~1", "call.count.asc~1.5~1"),
        *("call.count.asc~x~1", "call.count.asc~\x00~1"),
    ],
)
def test_what_is_no_cursor_of_the_list_is_refused_by_name(cursor: str) -> None:
    with pytest.raises(RequestError, match="'before'") as refused:
        Keyset.of(CALL, Order((("count", "integer"),))).decode("before", cursor)
    assert refused.value.code is ErrorCode.BAD_USER_INPUT


@pytest.mark.parametrize(("sql_type", "text"), [("text", "zz"), ("text", "ff"), ("text", "00"), ("timestamptz", "9" * 18)])
def test_a_cursor_holds_only_what_postgresql_can(sql_type, text: str) -> None:
    keyset = Keyset.of(CALL, Order((("value", sql_type),)))
    with pytest.raises(RequestError, match="'after'"):
        keyset.decode("after", f"{keyset.name}~{text}~1")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, Page(DEFAULT_PAGE, False, None, None)),
        ({"first": None, "last": None, "after": None}, Page(DEFAULT_PAGE, False, None, None)),
        ({"first": 0}, Page(0, False, None, None)),
        ({"first": MAX_PAGE, "after": "a"}, Page(MAX_PAGE, False, "a", None)),
        ({"last": 3, "first": None, "before": "b"}, Page(3, True, None, "b")),
    ],
)
def test_the_four_arguments_ask_for_a_page(arguments: dict, expected: Page) -> None:
    assert Page.of(arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"first": 1, "last": 1}, "'first' or 'last'"),
        ({"first": -1}, "'first'.*-1"),
        ({"first": MAX_PAGE + 1}, "'first'"),
        ({"last": -1}, "'last'"),
        ({"last": MAX_PAGE + 1}, f"'last'.*{MAX_PAGE}"),
    ],
)
def test_a_page_of_no_size_is_refused_by_name(arguments: dict, named: str) -> None:
    with pytest.raises(RequestError, match=named):
        Page.of(arguments)
