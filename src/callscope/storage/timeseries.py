"""Time-series tables: TimescaleDB hypertables where the extension is there, native partitions by week where it is not."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import asyncpg


class Packing(NamedTuple):
    """How TimescaleDB's columnstore packs rows, a thousand at most as one: those that agree in some columns, in some order."""

    together: str
    order: str


TIME_TABLES = {
    # Lists over all calls go by its indexes, which packed rows have not: a page would unpack a week. Events are few, too.
    "event": None,
    "metric_sample": Packing("project_id, call_key, series_key", "at"),
    # So few of one series that they would take more room packed by series than as they are.
    "metric_rollup": Packing("project_id, call_key", "series_key, at"),
}
"""Tables that are partitioned by time; None for one that stays as rows."""
MARK = "/* time-partitioned */"
COLUMNSTORE = "/* columnstore */"
COLUMNSTORE_AFTER = "3 days"
"""Past the end of a chunk's week: by then its calls have ended, and what comes late of them is rare."""
WEEK = timedelta(days=7)
_EPOCH_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_LOCK = 0x63616C6C_70617274

HAS_TIMESCALE = """
select exists (select from pg_extension where extname = 'timescaledb')
    and not exists (select from pg_class where relnamespace = to_regnamespace('live') and relkind = 'p')
"""
# Its loader has settings of its own where the server preloads it; without that, creating the extension ends the session.
OFFERS_TIMESCALE = """
select exists (select from pg_available_extensions where name = 'timescaledb')
    and exists (select from pg_settings where name = 'timescaledb.max_background_workers')
"""
# A migration may have filled it.
MAKE_HYPERTABLE = """
select create_hypertable(relation, by_range('at', interval '7 days'), create_default_indexes => false, if_not_exists => true,
    migrate_data => true)
from (select to_regclass($1)) as found(relation) where relation is not null
"""
# What of it is free under the Apache licence can neither pack nor make chunks ahead of rows.
_IS_COMMUNITY = "current_setting('timescaledb.license') = 'timescale'"
OFFERS_COLUMNSTORE = f"select {_IS_COMMUNITY} and exists (select from pg_proc where proname = 'add_columnstore_policy')"
# A week, or its pieces where an operator made the hypertable's chunks shorter. Where chunks of other bounds are, TimescaleDB
# makes what is missing between them when rows come.
MAKE_CHUNKS = f"""
select _timescaledb_functions.create_chunk(own.relation, jsonb_build_object('at', jsonb_build_array(
    (date_part('epoch', piece) * 1000000)::bigint, (date_part('epoch', least(piece + own.step, $3)) * 1000000)::bigint)))
from (
    select format('%I.%I', hypertable_schema, hypertable_name)::regclass as relation, time_interval as step
    from timescaledb_information.dimensions where hypertable_schema = 'live' and hypertable_name = $1
) own, generate_series($2::timestamptz, $3::timestamptz - interval '1 microsecond', own.step) as piece
where {_IS_COMMUNITY} and not exists (
    select from timescaledb_information.chunks
    where hypertable_schema = 'live' and hypertable_name = $1 and range_start < piece + own.step and range_end > piece
)
"""


async def has_timescale(connection: asyncpg.Connection) -> bool:
    """Whether time tables are hypertables, or will be: those that were made without the extension stay native when it comes."""
    return bool(await connection.fetchval(HAS_TIMESCALE))


async def install_timescale(connection: asyncpg.Connection) -> bool:
    """Create the extension where the server offers it; False where it does not."""
    offered = await connection.fetchval(OFFERS_TIMESCALE)
    if offered:
        await connection.execute("create extension if not exists timescaledb")
    return bool(offered)


def partitioned(sql: str, *, timescale: bool) -> str:
    """A migration's text for this server."""
    return sql.replace(MARK, "" if timescale else "partition by range (at)")


async def make_hypertables(connection: asyncpg.Connection) -> None:
    """Of the time tables that there are, those that are none yet."""
    for table in TIME_TABLES:
        await connection.execute(MAKE_HYPERTABLE, f"live.{table}")


async def enable_columnstore(connection: asyncpg.Connection) -> None:
    """Have TimescaleDB pack the chunks that are past being live, where its licence here allows that."""
    if not await connection.fetchval(OFFERS_COLUMNSTORE):
        return
    for table, packing in TIME_TABLES.items():
        if packing is not None and await connection.fetchval("select to_regclass($1) is not null", f"live.{table}"):
            await connection.execute(
                f"alter table live.{table} set (timescaledb.enable_columnstore,"
                f" timescaledb.segmentby = '{packing.together}', timescaledb.orderby = '{packing.order}')"
            )
            await connection.execute(
                f"call add_columnstore_policy('live.{table}', after => interval '{COLUMNSTORE_AFTER}', if_not_exists => true)"
            )


def week_of(instant: datetime) -> datetime:
    """The Monday, 00:00 UTC, on or before an instant: where its partition starts."""
    return _EPOCH_MONDAY + ((instant - _EPOCH_MONDAY) // WEEK) * WEEK


class Partitions:
    """Makes partitions before rows need them, on a connection of its own so that no writer's transaction holds the lock.

    Those of weeks that are over are made sure of each time: maintenance may have dropped them.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._known: set[str] = set()
        self._native: bool | None = None
        self._busy = asyncio.Lock()

    async def ensure(self, table: str, weeks: Iterable[datetime]) -> list[str]:
        """Make what is missing; the names of the partitions of these weeks, none on TimescaleDB."""
        names = {f"live.{table}_p{week:%Y%m%d}": week for week in weeks}
        if not self._known.issuperset(names):
            async with self._busy:
                connection = await asyncpg.connect(self._database_url)
                try:
                    self._native = not await has_timescale(connection)
                    for name, week in names.items():
                        if name not in self._known:
                            await _create(connection, table, name if self._native else None, week)
                            if week + WEEK > datetime.now(UTC):
                                self._known.add(name)
                finally:
                    await connection.close(timeout=1)
        return sorted(names) if self._native else []


async def _create(connection: asyncpg.Connection, table: str, name: str | None, week: datetime) -> None:
    """A native partition of that name, or else chunks. No reader or writer of the table waits for it."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        if name is None:
            await connection.execute(MAKE_CHUNKS, table, week, week + WEEK)
        elif not await connection.fetchval("select to_regclass($1) is not null", name):
            # Attached rather than created in place, which would lock readers and writers out.
            await connection.execute(f"create table {name} (like live.{table} including all)")
            start, end = week.isoformat(), (week + WEEK).isoformat()
            await connection.execute(f"alter table live.{table} attach partition {name} for values from ('{start}') to ('{end}')")
