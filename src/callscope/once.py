"""A mutation that is sent again, because its answer was lost, has its effect once."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import orjson

REMEMBERED = "interval '1 day'"

# Whoever sends the same at the same time waits here for the first one's transaction.
BEGIN = f"""
insert into callscope.mutation (project_id, key_id, mutation_key) values ($1, $2, $3)
on conflict (project_id, key_id, mutation_key) do update set made_at = now(), outcome = null
where mutation.made_at <= now() - {REMEMBERED}
returning true
"""
KNOWN = "select outcome::text from callscope.mutation where project_id = $1 and key_id = $2 and mutation_key = $3"
DONE = f"""
with forgotten as (
    delete from callscope.mutation where (project_id, key_id, mutation_key) in (
        select project_id, key_id, mutation_key from callscope.mutation
        where project_id = $1 and key_id = $2 and made_at <= now() - {REMEMBERED} limit 100 for update skip locked
    )
)
update callscope.mutation set outcome = $4 where project_id = $1 and key_id = $2 and mutation_key = $3
"""
NOTHING_DONE = "delete from callscope.mutation where project_id = $1 and key_id = $2 and mutation_key = $3"


async def once(
    connection: asyncpg.Connection,
    key: tuple[int, int],
    mutation: dict[str, Any],
    effect: Callable[[], Awaitable[tuple[dict[str, Any], bool]]],
) -> dict[str, Any]:
    """The effect's outcome, or that of the same mutation of the same key (project and number) within a day, in a transaction.

    ``effect`` tells too whether it changed anything: what did not is tried anew when it comes again. The same mutation is
    one with the same content all over: clients begin to count anew with each page that they load.
    """
    mine = (*key, hashlib.sha256(orjson.dumps(mutation, option=orjson.OPT_SORT_KEYS)).digest())
    if not await connection.fetchval(BEGIN, *mine):
        known: dict[str, Any] = orjson.loads(await connection.fetchval(KNOWN, *mine))
        return known
    outcome, changed = await effect()
    if changed:
        await connection.execute(DONE, *mine, orjson.dumps(outcome).decode())
    else:
        await connection.execute(NOTHING_DONE, *mine)
    return outcome
