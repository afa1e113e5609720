"""TimescaleDB's columnstore in tests and benchmarks."""

import asyncpg

OFFERED = "select coalesce(current_setting('timescaledb.license', true) = 'timescale', false)"
"""Whether a database has one."""
CHUNKS = """
select chunk.hypertable_name as table, format('%I.%I', chunk_schema, chunk_name) as name, range_start, is_compressed as is_packed
from timescaledb_information.chunks chunk
join timescaledb_information.hypertable_columnstore_settings own
    on own.hypertable = format('%I.%I', hypertable_schema, hypertable_name)::regclass
where own.segmentby is not null order by 1, 3
"""


async def chunks(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Those that can be packed, by table and time."""
    return await connection.fetch(CHUNKS)


async def pack(connection: asyncpg.Connection) -> int:
    """Pack all of them now; returns how many they are."""
    found = await chunks(connection)
    for chunk in found:
        await connection.execute(f"call convert_to_columnstore('{chunk['name']}')")
    return len(found)
