"""Maintenance of 10,000 calls that have passed their time, beside `delete` of the same rows by hand; readers go on meanwhile.

They are of two weeks or so. The last days have calls that can be read, too: there rows are deleted one by one, and the rest of
the samples and events goes with its partitions.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import asyncpg

from callscope.maintenance import maintain
from callscope.saved import CALL_TABLES
from callscope.storage.pool import connect
from tests.bench.bench_data import Bench, bench
from tests.bench.bench_growth import CALLS, filled
from tests.bench.bench_reads import body, callscope
from tests.bench.bench_settle import Client

TIMES = 51
"""As many calls as can be read, and 50 times as many that have passed their time."""
BEFORE_SECONDS = 5.0
PAUSE = 0.002
PAGE = body("{ calls(first: 20) { nodes { id callId participants(first: 10) { nodes { id } } } } }", {})

AGED = "call_id ~ '^growth-[0-9]+-'"
AGE = (
    "update live.meeting set expires_at = now() - interval '1 hour' where call_key in"
    f" (select call_key from live.call where {AGED})",
    f"update live.call set expires_at = now() - interval '1 hour' where {AGED}",
    "create temporary table aged as select project_id, call_key from live.call where expires_at < now()",
)
POSITION = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8"
# How long its transaction lasts already, and whether it keeps readers of a table out.
HELD = """
select extract(epoch from clock_timestamp() - activity.xact_start)::float8 as seconds, coalesce(bool_or(
    held.mode = 'AccessExclusiveLock' and held.granted
), false) as is_exclusive
from pg_stat_activity activity left join pg_locks held on held.pid = activity.pid and held.locktype = 'relation'
where activity.pid = $1 and activity.xact_start is not null group by activity.xact_start
"""


@dataclass
class Watch:
    """What went on meanwhile: the longest transaction, and the longest with a lock that keeps readers out, s; milliseconds of
    readers' pages."""

    longest: float = 0.0
    longest_exclusive: float = 0.0
    pages: list[float] = field(default_factory=list)

    async def locks(self, database_url: str, backend: int) -> None:
        connection = await connect(database_url)
        try:
            while True:
                for seconds, is_exclusive in await connection.fetch(HELD, backend):
                    self.longest = max(self.longest, seconds)
                    if is_exclusive:
                        self.longest_exclusive = max(self.longest_exclusive, seconds)
                await asyncio.sleep(PAUSE)
        finally:
            await connection.close()

    async def readers(self, client: Client) -> None:
        while True:
            since = time.perf_counter()
            await asyncio.to_thread(client.post, "/graphql", PAGE)
            self.pages.append(1000 * (time.perf_counter() - since))
            await asyncio.sleep(PAUSE)

    def page(self) -> str:
        steps = quantiles(self.pages, n=100)
        return f"{steps[49]:.2f} / {steps[98]:.2f} / {max(self.pages):.2f}"


@asynccontextmanager
async def watching(one: Bench, client: Client) -> AsyncIterator[Watch]:
    watch, backend = Watch(), await one.connection.fetchval("select pg_backend_pid()")
    tasks = [asyncio.create_task(watch.locks(one.database_url, backend)), asyncio.create_task(watch.readers(client))]
    try:
        yield watch
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def by_hand(connection: asyncpg.Connection) -> tuple[float, float]:
    """Seconds and bytes of WAL that deleting the same rows takes, one statement for each table; they stay after all."""
    transaction = connection.transaction()
    await transaction.start()
    before, since = await connection.fetchval(POSITION), time.perf_counter()
    for table in (*CALL_TABLES, "inspection"):
        await connection.execute(
            f"delete from live.{table} using aged where {table}.project_id = aged.project_id and {table}.call_key = aged.call_key"
        )
    seconds, size = time.perf_counter() - since, await connection.fetchval(POSITION) - before
    await transaction.rollback()
    await connection.execute("vacuum")
    return seconds, size


async def run(folder: Path) -> None:
    async with bench(folder, fill=False) as found:
        one = await filled(found, TIMES)
        connection = one.connection
        for sql in AGE:
            await connection.execute(sql)
        await connection.execute("vacuum analyze")
        hand, hand_size = await by_hand(connection)
        with callscope(one) as server:
            client = Client(server)
            async with watching(one, client) as idle:
                await asyncio.sleep(BEFORE_SECONDS)
            before, since = await connection.fetchval(POSITION), time.perf_counter()
            async with watching(one, client) as watch:
                removed = await maintain(connection)
            seconds, size = time.perf_counter() - since, await connection.fetchval(POSITION) - before
        assert removed is not None
        assert removed.calls == CALLS * (TIMES - 1), removed
        print(f"removed: {removed}")
        print(f"{'':34}{'ours':>12}{'by hand':>12}{'ratio':>8}")
        print(f"{'seconds':34}{seconds:12.2f}{hand:12.2f}{hand / seconds:8.2f}")
        print(f"{'MB of WAL':34}{size / 1e6:12.1f}{hand_size / 1e6:12.1f}{hand_size / size:8.2f}")
        held = f"{1000 * watch.longest:.0f} ms, with a lock that keeps readers out {1000 * watch.longest_exclusive:.0f} ms"
        print(f"longest transaction {held}")
        print(f"a page of 20 calls meanwhile, ms (p50 / p99 / longest): {watch.page()}; before: {idle.page()}")
