"""Relay pages by keyset cursors: a cursor holds the values that its row is ordered by, so pages stay put while rows come in.

All columns of an order run the same way, so that one row comparison finds the page. A cursor is text: the order's name,
then each value, joined by ``~``. Instants are microseconds since the Unix epoch, text is hexadecimal UTF-8.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from callscope.query.bindings import DEFAULT_PAGE, MAX_PAGE, Order, SqlType, Table
from callscope.query.errors import bad_input

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TO_TEXT: dict[str, str] = {
    "timestamptz": "(extract(epoch from {0}) * 1000000)::bigint",
    "text": "encode(convert_to({0}, 'UTF8'), 'hex')",
}
_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "timestamptz": lambda text: EPOCH + timedelta(microseconds=int(text)),
    "bigint": lambda text: _in_range(int(text), 64),
    "integer": lambda text: _in_range(int(text), 32),
    "double precision": float,
    "text": lambda text: bytes.fromhex(text).decode(),
}


def _in_range(value: int, bits: int) -> int:
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise ValueError
    return value


@dataclass(frozen=True)
class Keyset:
    """An order made total by its table's keys: what a page is cut by."""

    name: str
    columns: tuple[tuple[str, SqlType], ...]
    descending: bool

    @classmethod
    def of(cls, table: Table, order: Order) -> "Keyset":
        ordered = [column for column, _ in order.columns]
        keys = tuple((key, _key_type(key)) for key in table.keys if key not in ordered)
        direction = "desc" if order.descending else "asc"
        return cls(".".join([table.name, *ordered, direction]), (*order.columns, *keys), order.descending)

    def order_sql(self, row: str, *, backward: bool = False) -> str:
        direction = " desc" if self.descending != backward else ""
        return ", ".join(f"{expression}{direction}" for expression in self.expressions(row))

    def expressions(self, row: str) -> list[str]:
        return [f"{row}.{column}" for column, _ in self.columns]

    def cursor_sql(self, row: str) -> str:
        values = [_TO_TEXT.get(type_, "{0}").format(f"{row}.{column}") for column, type_ in self.columns]
        return " || '~' || ".join([f"'{self.name}'", *values])

    def decode(self, argument: str, cursor: str) -> list[Any]:
        """The values in a cursor; a cursor of another list or order, or none at all, is refused."""
        name, *texts = cursor.split("~")
        try:
            if name != self.name or len(texts) != len(self.columns):
                raise ValueError
            return [_FROM_TEXT[type_](text) for text, (_, type_) in zip(texts, self.columns, strict=True)]
        except (ValueError, OverflowError):
            raise bad_input(f"Argument '{argument}' should be a cursor that this list gave in the same order.") from None


def _key_type(key: str) -> SqlType:
    return "timestamptz" if key == "at" else "integer" if key == "number" else "bigint"


@dataclass(frozen=True)
class Page:
    """What the four page arguments ask for."""

    size: int
    backward: bool
    after: str | None
    before: str | None

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> "Page":
        first, last = arguments.get("first"), arguments.get("last")
        if first is not None and last is not None:
            raise bad_input("Give either 'first' or 'last', not both.")
        size = first if first is not None else last if last is not None else DEFAULT_PAGE
        name = "last" if last is not None else "first"
        if size < 0 or size > MAX_PAGE:
            raise bad_input(f"Argument '{name}' should be from 0 to {MAX_PAGE}, not {size}.")
        return cls(size, last is not None, arguments.get("after"), arguments.get("before"))
