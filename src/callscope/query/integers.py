"""Integers, which ids and cursors hold: within their SQL types, and instants as microseconds since the Unix epoch."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _of_bits(bits: int) -> Callable[[int], int]:
    def checked(integer: int) -> int:
        if not -(2 ** (bits - 1)) <= integer < 2 ** (bits - 1):
            raise OverflowError
        return integer

    return checked


FROM_INTEGER: dict[str, Callable[[int], Any]] = {
    "bigint": _of_bits(64),
    "integer": _of_bits(32),
    "timestamptz": lambda microseconds: EPOCH + timedelta(microseconds=microseconds),
}
"""The value of an SQL type that an integer stands for; each raises OverflowError where there is none."""


def integer_sql(expression: str, sql_type: str) -> str:
    """The integer of an expression of one of these types."""
    return f"(extract(epoch from {expression}) * 1000000)::bigint" if sql_type == "timestamptz" else expression
