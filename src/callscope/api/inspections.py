"""Which calls a key opened last. Asking again for the last one is noted once a minute, so that reading stays reading."""

import logging
import time
from collections import OrderedDict
from typing import Any

import asyncpg

from callscope.query.ids import decode_id
from callscope.query.parameters import Reader
from callscope.storage.keys import key_of
from callscope.storage.pool import Pool

log = logging.getLogger(__name__)

AGAIN_SECONDS = 60.0
CAPACITY = 10_000

NOTE = """
insert into live.inspection (project_id, call_key, key_id) values ($1, $2, $3)
on conflict (project_id, call_key, key_id) do update set inspected_at = now()
"""


class Inspections:
    """Notes the calls that the root field ``call`` found."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._noted: OrderedDict[Reader, tuple[int, float]] = OrderedDict()

    async def note(self, reader: Reader, found: list[tuple[str, dict[str, Any]]]) -> None:
        for name, arguments in found:
            if name == "call":
                await self._note(reader, _call_key(arguments))

    async def _note(self, reader: Reader, call_key: int) -> None:
        now = time.monotonic()
        last, until = self._noted.get(reader, (None, 0.0))
        if last == call_key and until > now:
            return
        try:
            async with self._pool.connection() as connection:
                await connection.execute(NOTE, reader.project_id, call_key, reader.key_id)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            # The answer is more than the note of it.
            log.warning("a call's inspection was not noted: %r", error)
            return
        self._noted[reader] = (call_key, now + AGAIN_SECONDS)
        self._noted.move_to_end(reader)
        if len(self._noted) > CAPACITY:
            self._noted.popitem(last=False)


def _call_key(arguments: dict[str, Any]) -> int:
    decoded = decode_id(str(arguments.get("id")))
    return decoded[1][0] if decoded is not None else key_of(arguments["callId"])
