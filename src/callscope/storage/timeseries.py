"""Time-series tables: TimescaleDB hypertables where the extension is there, native partitions by week where it is not."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import asyncpg

TIME_TABLES = ("event", "metric_sample")
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


async def make_hypertables(connection: asyncpg.Connection, schema: str) -> None:
    for table in TIME_TABLES:
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
        self._known: set[tuple[str, datetime]] = set()
        self._native: bool | None = None
        self._busy = asyncio.Lock()

    async def ensure(self, table: str, instants: Iterable[datetime]) -> None:
        weeks = {(table, week_of(instant)) for instant in instants} - self._known
        if not weeks or self._native is False:
            return
        async with self._busy:
            connection = await asyncpg.connect(self._database_url)
            try:
                self._native = not await has_timescale(connection)
                if self._native:
                    for name, week in sorted(weeks - self._known):
                        await _create(connection, name, week)
                        self._known.add((name, week))
            finally:
                await connection.close()


async def _create(connection: asyncpg.Connection, table: str, week: datetime) -> None:
    """Attached rather than created in place: that locks out neither readers nor writers of the table."""
    name = f"live.{table}_p{week:%Y%m%d}"
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        if await connection.fetchval("select to_regclass($1) is not null", name):
            return
        await connection.execute(f"create table {name} (like live.{table} including all)")
        await connection.execute(
            f"alter table live.{table} attach partition {name}"
            f" for values from ('{week.isoformat()}') to ('{(week + WEEK).isoformat()}')"
        )
