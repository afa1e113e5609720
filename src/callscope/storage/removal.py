"""Removes rows of calls, so many at a time as a step may, and what was told of a stretch of a call."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from callscope.storage.timeseries import TIME_TABLES

ENDLESS = 2**62
"""As many rows as there are."""

PRIMARY_KEY = """
select array_agg(attname order by array_position(indkey, attnum)) from pg_index
join pg_attribute on attrelid = indrelid and attnum = any(indkey) where indrelid = $1::text::regclass and indisprimary
"""


class Stretch(NamedTuple):
    """Of a call, by a meeting: what happened after an instant, up to and with another one; and when the next meeting began."""

    number: int
    after: datetime
    until: datetime
    next_at: datetime


async def remove_calls(
    connection: asyncpg.Connection, tables: Iterable[str], project_id: int, call_keys: Sequence[int], limit: int
) -> int:
    """Remove the rows of these calls, table by table, up to about so many; all of them if the result is less."""
    rows = 0
    for table in tables:
        most = limit - rows
        own = f"{table} where project_id = $1 and call_key = any($2::bigint[])"
        found = await connection.fetchval(
            f"select count(*) from (select from {own} limit {most + 1}) found", project_id, call_keys
        )
        if found > most:
            for call_key in call_keys:
                if rows < limit:
                    rows += await _remove(connection, table, (project_id, call_key), limit - rows)
            return limit
        if found:
            rows += _count(await connection.execute(f"delete from {own}", project_id, call_keys))
    return rows


async def remove_times(
    connection: asyncpg.Connection, project_id: int, call_key: int, stretches: Iterable[Stretch], limit: int
) -> int:
    """Remove what happened and was measured in these stretches of a live call, as ``remove_calls`` does."""
    rows = 0
    for stretch in stretches:
        for table in TIME_TABLES:
            rows += await _remove(connection, f"live.{table}", (project_id, call_key), limit - rows, stretch[1:3])
            if rows >= limit:
                return limit
    return rows


async def _remove(
    connection: asyncpg.Connection, table: str, call: tuple[int, int], limit: int, span: tuple[Any, ...] = ()
) -> int:
    """The first so many of a call's rows in the order of their keys, which is how they are found again fast."""
    keys = (await connection.fetchval(PRIMARY_KEY, table))[2:]
    where = "project_id = $1 and call_key = $2" + (" and at > $3 and at <= $4" if span else "")
    values = [*call, *span]
    names = ", ".join(keys) or "call_key"
    beyond = await connection.fetchrow(
        f"select {names} from {table} where {where} order by {names} limit 1 offset {limit}", *values
    )
    if beyond is not None:
        first = len(values) + 1
        where += f" and ({names}) < ({', '.join(f'${number}' for number in range(first, first + len(beyond)))})"
        values += beyond
    return _count(await connection.execute(f"delete from {table} where {where}", *values))


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
