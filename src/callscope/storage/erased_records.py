"""Records that are there for their keys alone, because someone was erased: what was told once is not written again.

Samples stand under a series, and an event names a participant, a connection or a stream by what was noted of it. Both are found
by a record's key alone.
"""

from collections.abc import Collection, Mapping
from typing import Any

import asyncpg

ERASED = "erased"
"""Kind of such a record."""
NAMED = ("participant", "connection", "stream")
"""What an event can name."""

Key = tuple[int, int]
"""Of a record: the call's, and its own."""
Records = Mapping[Key, tuple[str, bytes]]
"""Kind and body by key."""

# An index is asked for each.
FIND = f"""
select call_key, record_key from unnest($2::bigint[], $3::bigint[]) as told(call_key, record_key)
where (
    select kind from live.record where project_id = $1 and call_key = told.call_key and record_key = told.record_key
) = '{ERASED}'
"""
REVIVE = f"""
update live.record set kind = told.kind, body = told.body
from unnest($2::bigint[], $3::bigint[], $4::text[], $5::jsonb[]) as told(call_key, record_key, kind, body)
where project_id = $1 and record.call_key = told.call_key and record.record_key = told.record_key and record.kind = '{ERASED}'
"""


async def erased(connection: asyncpg.Connection, project_id: int, keys: Collection[Key]) -> set[Key]:
    """Which of these records are such. Asked once the writer's own are written, after which nobody is erased meanwhile."""
    if not keys:
        return set()
    return {tuple(row) for row in await connection.fetch(FIND, project_id, *_columns(sorted(keys)))}


async def revive(connection: asyncpg.Connection, project_id: int, records: Records) -> None:
    """Something new was told that names these."""
    kinds, bodies = zip(*records.values(), strict=True)
    await connection.execute(REVIVE, project_id, *_columns(records), kinds, [body.decode() for body in bodies])


def _columns(keys: Collection[Key]) -> list[list[Any]]:
    return [list(column) for column in zip(*keys, strict=True)]


def named(events: Collection[Mapping[str, Any]]) -> set[Key]:
    """The keys of what events name."""
    return {(event["call_key"], key) for event in events for name in NAMED if (key := event[f"{name}_key"]) is not None}
