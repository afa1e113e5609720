"""Relay pages by keyset cursors: a cursor holds the values that its row is ordered by, so pages stay put while rows come in.

All columns of an order run the same way, so that one row comparison finds the page. A cursor is text: the order's name,
then each value, joined by ``~``. Instants are microseconds since the Unix epoch, text is hexadecimal UTF-8.
"""

from dataclasses import dataclass
from typing import Any

from callscope.query.bindings import DEFAULT_PAGE, MAX_PAGE, Order, SqlType, Table
from callscope.query.errors import bad_input
from callscope.query.integers import FROM_INTEGER, integer_sql


def _to_text(expression: str, sql_type: str) -> str:
    if sql_type == "text":
        return f"encode(convert_to({expression}, 'UTF8'), 'hex')"
    return integer_sql(expression, sql_type)


def _from_text(text: str, sql_type: str) -> Any:
    if sql_type == "text":
        value = bytes.fromhex(text).decode()
        if "\x00" in value:
            raise ValueError("PostgreSQL's text holds no NUL")
        return value
    return float(text) if sql_type == "double precision" else FROM_INTEGER[sql_type](int(text))


@dataclass(frozen=True)
class Keyset:
    """An order made total by its table's keys: what a page is cut by."""

    name: str
    columns: tuple[tuple[str, SqlType], ...]
    descending: bool
    null_as: str | None

    @classmethod
    def of(cls, table: Table, order: Order) -> "Keyset":
        ordered = [column for column, _ in order.columns]
        keys = tuple(key for key in zip(table.keys, table.key_types, strict=True) if key[0] not in ordered)
        direction = "desc" if order.descending else "asc"
        return cls(".".join([table.name, *ordered, direction]), (*order.columns, *keys), order.descending, order.null_as)

    def order_sql(self, row: str, *, backward: bool = False) -> str:
        direction = " desc" if self.descending != backward else ""
        return ", ".join(f"{expression}{direction}" for expression in self.expressions(row))

    def expressions(self, row: str) -> list[str]:
        first, *others = (f"{row}.{column}" for column, _ in self.columns)
        return [first if self.null_as is None else f"coalesce({first}, '{self.null_as}')", *others]

    def cursor_sql(self, row: str) -> str:
        values = [_to_text(expression, type_) for expression, (_, type_) in zip(self.expressions(row), self.columns, strict=True)]
        return " || '~' || ".join([f"'{self.name}'", *values])

    def decode(self, argument: str, cursor: str) -> list[Any]:
        """The values in a cursor; a cursor of another list or order, or none at all, is refused."""
        name, *texts = cursor.split("~")
        try:
            if name != self.name or len(texts) != len(self.columns):
                raise ValueError
            return [_from_text(text, type_) for text, (_, type_) in zip(texts, self.columns, strict=True)]
        except (ValueError, OverflowError):
            raise bad_input(f"Argument '{argument}' should be a cursor that this list gave in the same order.") from None


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
