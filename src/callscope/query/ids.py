"""Opaque global ids: a type's tag and the keys of its row, for example ``call_9f3c…`` or ``stream_9f3c…_17ab…``.

They hold no project: a foreign id finds nothing, exactly like an unknown one.
"""

import re

_ID = re.compile(r"([a-z]+)((?:_[0-9a-f]{1,16}){1,3})", re.ASCII)


def id_sql(tag: str, columns: list[str]) -> str:
    """The SQL expression of a row's global id; ``columns`` are integer expressions."""
    return f"'{tag}_' || " + " || '_' || ".join(f"to_hex({column})" for column in columns)


def decode_id(value: str) -> tuple[str, list[int]] | None:
    """Tag and keys of a global id, or None where it is none."""
    match = _ID.fullmatch(value)
    if match is None:
        return None
    keys = [int(part, 16) for part in match[2][1:].split("_")]
    return match[1], [key - 2**64 if key >= 2**63 else key for key in keys]


def encode_id(tag: str, keys: list[int]) -> str:
    return "_".join([tag, *(format(key % 2**64, "x") for key in keys)])
