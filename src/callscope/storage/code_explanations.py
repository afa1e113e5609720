"""The package's table of codes in the database, where compiled reads can reach it."""

import hashlib

import asyncpg
import orjson

from callscope.analysis.codes import explanations

TABLE = "code_explanation"
COLUMNS = ("key", "position", "platform", "code", "subcode", "category", "meaning", "advice", "source")
_IS_THERE = "select to_regclass('callscope.reference_table') is not null"
_DIGEST = "select digest from callscope.reference_table where name = $1"
_FILLED = (
    "insert into callscope.reference_table (name, digest) values ($1, $2)"
    " on conflict (name) do update set digest = excluded.digest, filled_at = now()"
)


def rows() -> list[tuple[object, ...]]:
    """A row for each key that finds an explanation."""
    return [
        (key, *(getattr(explanation, column) for column in COLUMNS[1:]))
        for explanation in explanations()
        for key in explanation.keys
    ]


async def refill(connection: asyncpg.Connection) -> bool:
    """Bring the table to what this version of the package says, whole or not at all; tells whether it was not.

    The caller sees to it that one process at a time does this. Without the migration that makes the table, nothing is done.
    """
    if not await connection.fetchval(_IS_THERE):
        return False
    table = rows()
    digest = hashlib.sha256(orjson.dumps(table)).hexdigest()
    if await connection.fetchval(_DIGEST, TABLE) == digest:
        return False
    async with connection.transaction():
        await connection.execute(f"delete from callscope.{TABLE}")
        await connection.copy_records_to_table(TABLE, schema_name="callscope", columns=COLUMNS, records=table)
        await connection.execute(f"analyze callscope.{TABLE}")
        await connection.execute(_FILLED, TABLE, digest)
    return True
