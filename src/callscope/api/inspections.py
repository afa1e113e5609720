"""Which calls a key opened last. Asking again for the last one is noted once a minute, and no answer waits for a note."""

import asyncio
import logging
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

import asyncpg

from callscope.api.unavailability import GONE
from callscope.query.ids import decode_id
from callscope.query.parameters import Reader
from callscope.storage.keys import key_of
from callscope.storage.pool import Pool

log = logging.getLogger(__name__)

AGAIN_SECONDS = 60.0
CAPACITY = 10_000
DELAY_SECONDS = 1.0

# A call that has gone meanwhile, or is being removed, leaves no note; one that is noted does not go before that is done.
WRITE = """
insert into live.inspection (project_id, call_key, key_id, inspected_at)
select project_id, call_key, key_id, inspected_at
from unnest($1::integer[], $2::bigint[], $3::bigint[], $4::timestamptz[]) as told(project_id, call_key, key_id, inspected_at)
join live.call using (project_id, call_key)
order by project_id, call_key, key_id for key share of call skip locked
on conflict (project_id, call_key, key_id) do update set inspected_at = excluded.inspected_at
where inspection.inspected_at < excluded.inspected_at
"""


class Inspections:
    """Notes the calls that the root field ``call`` found, and writes the notes together, once a second at most."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._noted: OrderedDict[Reader, tuple[int, float]] = OrderedDict()
        self._unwritten: dict[tuple[int, int, int], datetime] = {}
        self._writing: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    def note(self, reader: Reader, found: list[tuple[str, dict[str, Any]]]) -> None:
        for name, arguments in found:
            if name == "call":
                self._note(reader, _call_key(arguments))

    def _note(self, reader: Reader, call_key: int) -> None:
        now = time.monotonic()
        last, until = self._noted.get(reader, (None, 0.0))
        if last == call_key and until > now:
            return
        self._noted[reader] = (call_key, now + AGAIN_SECONDS)
        self._noted.move_to_end(reader)
        if len(self._noted) > CAPACITY:
            self._noted.popitem(last=False)
        self._unwritten[reader.project_id, call_key, reader.key_id] = datetime.now(UTC)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_soon())

    async def _write_soon(self) -> None:
        try:
            while self._unwritten:
                await asyncio.sleep(DELAY_SECONDS)
                await self.write()
        finally:
            self._writing = None

    async def write(self) -> None:
        """Write what is noted: at once where the notes are to be read, which must see those that are being written, too."""
        async with self._turn:
            if not self._unwritten:
                return
            notes, self._unwritten = self._unwritten, {}
            rows = [(*key, notes[key]) for key in sorted(notes)]
            try:
                async with self._pool.connection() as connection:
                    await connection.execute(WRITE, *(list(column) for column in zip(*rows, strict=True)))
            except (*GONE, asyncpg.PostgresError) as error:
                # An answer is more than the note of it.
                log.warning("%d inspections were not noted: %r", len(rows), error)

    async def close(self) -> None:
        await self.write()
        if self._writing is not None:
            self._writing.cancel()


def _call_key(arguments: dict[str, Any]) -> int:
    decoded = decode_id(str(arguments.get("id")))
    return decoded[1][0] if decoded is not None else key_of(arguments["callId"])
