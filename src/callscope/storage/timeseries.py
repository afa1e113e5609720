"""Time-series tables: TimescaleDB hypertables where the extension is there, native partitions by week where it is not."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import asyncpg

TIME_TABLES = ("event", "metric_sample", "metric_rollup")
MARK = "/* time-partitioned */"
WEEK = timedelta(days=7)
_EPOCH_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_LOCK = 0x63616C6C_70617274


async def has_timescale(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval("select exists (select from pg_extension where extname = 'timescaledb')"))


async def install_timescale(connection: asyncpg.Connection) -> bool:
    """Create the extension where the server offers it; False where it does not."""
    offered = await connection.fetchval("select exists (select from pg_available_extensions where name = 'timescaledb')")
    if offered:
        await connection.execute("create extension if not exists timescaledb")
    return bool(offered)


def partitioned(sql: str, *, timescale: bool) -> str:
    """A migration's text for this server."""
    return sql.replace(MARK, "" if timescale else "partition by range (at)")


async def make_hypertables(connection: asyncpg.Connection, schema: str, sql: str) -> None:
    """Of the time-series tables that a migration made."""
    for table in TIME_TABLES:
        if f"create table {schema}.{table} " not in sql:
            continue
        await connection.execute(
            "select create_hypertable($1::regclass, by_range('at', interval '7 days'), create_default_indexes => false)",
            f"{schema}.{table}",
        )


def week_of(instant: datetime) -> datetime:
    """The Monday, 00:00 UTC, on or before an instant: where its partition starts."""
    return _EPOCH_MONDAY + ((instant - _EPOCH_MONDAY) // WEEK) * WEEK


class Partitions:
    """Makes partitions before rows need them, on a connection of its own so that no writer's transaction holds the lock."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._known: set[str] = set()
        self._native: bool | None = None
        self._busy = asyncio.Lock()

    async def ensure(self, table: str, weeks: Iterable[datetime]) -> list[str]:
        """Make what is missing; the names of the partitions of these weeks, none on TimescaleDB."""
        names = {f"live.{table}_p{week:%Y%m%d}": week for week in weeks}
        if not self._known.issuperset(names) and self._native is not False:
            async with self._busy:
                connection = await asyncpg.connect(self._database_url)
                try:
                    self._native = not await has_timescale(connection)
                    for name, week in names.items():
                        if self._native and name not in self._known:
                            await _create(connection, f"live.{table}", name, week)
                            self._known.add(name)
                finally:
                    await connection.close(timeout=1)
        return sorted(names) if self._native else []


async def _create(connection: asyncpg.Connection, table: str, name: str, week: datetime) -> None:
    """Attached rather than created in place: that locks out neither readers nor writers of the table."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        if await connection.fetchval("select to_regclass($1) is not null", name):
            return
        await connection.execute(f"create table {name} (like {table} including all)")
        start, end = week.isoformat(), (week + WEEK).isoformat()
        await connection.execute(f"alter table {table} attach partition {name} for values from ('{start}') to ('{end}')")
