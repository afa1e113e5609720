"""Opaque global ids: a type's tag and the keys of its row, for example ``call_9f3c…`` or ``stream_9f3c…_17ab…``.

They hold no project: a foreign id finds nothing, exactly like an unknown one. Where a type's rows are in several scopes, the
scope's name comes before the tag, for example ``savedcall_9f3c…``: the same call in another place.
"""

import re
from functools import lru_cache
from typing import Any

from callscope.query.bindings import Table
from callscope.query.integers import FROM_INTEGER, integer_sql

_ID = re.compile(r"([a-z]+)((?:_[0-9a-f]{1,16}){1,3})", re.ASCII)


def id_sql(table: Table, row: str, prefix: str = "") -> str:
    """The SQL expression of a row's global id. ``prefix`` is the name of the scope that the row is of."""
    integers = [integer_sql(f"{row}.{key}", type_) for key, type_ in zip(table.keys, table.key_types, strict=True)]
    return f"('{prefix}{table.tag}_' || " + " || '_' || ".join(f"to_hex({integer})" for integer in integers) + ")"


@lru_cache(maxsize=4096)
def decode_id(value: str) -> tuple[str, list[int]] | None:
    """Tag and keys of a global id, or None where it is none."""
    match = _ID.fullmatch(value)
    if match is None:
        return None
    keys = [int(part, 16) for part in match[2][1:].split("_")]
    return match[1], [key - 2**64 if key >= 2**63 else key for key in keys]


def keys_of(table: Table, integers: list[int]) -> list[Any] | None:
    """The keys that an id's integers stand for, or None where no row of the table can have them."""
    if len(integers) != len(table.keys):
        return None
    try:
        return [FROM_INTEGER[type_](integer) for integer, type_ in zip(integers, table.key_types, strict=True)]
    except OverflowError:
        return None


def encode_id(tag: str, keys: list[int]) -> str:
    return "_".join([tag, *(format(key % 2**64, "x") for key in keys)])
