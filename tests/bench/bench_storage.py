"""Bytes of a sample, heap and indexes, and what reading costs: of PostgreSQL's partitions, TimescaleDB's chunks, and packed ones.

TimescaleDB's are those of the server that CALLSCOPE_TEST_DATABASE_URL names, where it offers them; its database stays as it is.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import asyncpg
import orjson

from callscope.api.keys import create
from callscope.ingest import ingest
from callscope.settle import settle_pending
from callscope.simulation import CallPlan, live, simulate_call
from callscope.storage.migrations import migrate
from callscope.storage.pool import connect
from callscope.storage.timeseries import TIME_TABLES, WEEK, Partitions, has_timescale, week_of
from callscope.telemetry import SamplesRecord, Telemetry
from callscope.vocabulary import Platform
from tests.bench.bench_data import Bench, bench
from tests.bench.bench_reads import Server, body, callscope
from tests.columnstore import OFFERED

ROUNDS = 20
SECONDS = 0.3
LATE_ROUNDS = 5
READS = {
    "60 series of a call of ten": (
        "ten-0",
        "metricSeries(first: 60) { nodes { id samples(maxPoints: 120) { averages maximums } } }",
    ),
    "the same, zoomed out": ("ten-0", "metricSeries(first: 60) { nodes { id samples(maxPoints: 10) { averages maximums } } }"),
    "100 series of an audience": (
        "audience",
        "metricSeries(first: 100) { nodes { id samples(maxPoints: 60) { averages maximums } } }",
    ),
    "50 events of a call of ten": ("ten-0", "events(first: 50) { nodes { id at name } }"),
}


def workloads(week: datetime) -> dict[str, tuple[list[CallPlan], timedelta | None]]:
    """Calls by when they are told, each kind in a week of its own: after they ended, or so often while they last."""

    def plan(call_id: str, weeks: int, minutes: int, people: int, subscribers: int) -> CallPlan:
        started_at = week - weeks * WEEK + timedelta(days=1)
        return CallPlan(call_id, Platform.VONAGE, started_at, minutes, people, subscribers, interval_seconds=10)

    return {
        "calls of ten, told at the end": ([plan(f"ten-{number}", 0, 30, 2, 8) for number in range(6)], None),
        "an audience of 100, told at the end": ([plan("audience", 1, 60, 2, 100)], None),
        "a call of 20, told as it happens": ([plan("live", 2, 20, 2, 18)], timedelta(seconds=10)),
        "calls of two minutes": ([plan(f"short-{number}", 3, 2, 2, 1) for number in range(200)], None),
    }


@asynccontextmanager
async def own_database(database_url: str, redis_url: str) -> AsyncIterator[Bench]:
    admin = await asyncpg.connect(database_url)
    name = f"storage_{time.time_ns()}"
    await admin.execute(f"create database {name}")
    url = urlsplit(database_url)._replace(path=f"/{name}").geturl()
    connection = await connect(url)
    try:
        await migrate(connection)
        if await has_timescale(connection):
            await connection.execute("select alter_job(job_id, scheduled => false) from timescaledb_information.jobs")
        key, project_id = await create(connection, "bench", "bench")
        yield Bench(url, redis_url, key, project_id, connection)
    finally:
        await connection.close()
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


async def tell(found: Bench, *batches: Iterator[Telemetry]) -> None:
    async def each() -> AsyncIterator[Iterator[Telemetry]]:
        for batch in batches:
            yield batch

    await ingest(found.connection, Partitions(found.database_url), found.project_id, each())


async def fill(found: Bench, week: datetime) -> None:
    for plans, every in workloads(week).values():
        for plan in plans:
            if every is None:
                await tell(found, simulate_call(plan))
            else:
                for _, batch in live(plan, every):
                    await tell(found, iter(batch))
                    await settle_pending(found.connection, project_id=found.project_id)
    await settle_pending(found.connection, project_id=found.project_id)
    await found.connection.execute("vacuum analyze")


async def part(found: Bench, table: str, week: datetime, *, timescale: bool) -> str:
    """The partition or chunk of a week."""
    if not timescale:
        return f"live.{table}_p{week:%Y%m%d}"
    return await found.connection.fetchval(
        "select format('%I.%I', chunk_schema, chunk_name) from timescaledb_information.chunks"
        " where hypertable_schema = 'live' and hypertable_name = $1 and range_start = $2",
        table,
        week,
    )


async def sizes(found: Bench, week: datetime, *, timescale: bool) -> None:
    """Per row; a week is packed on the way where that is possible."""
    can_pack = timescale and await found.connection.fetchval(OFFERED)
    for number, kind in enumerate(workloads(week)):
        for table, packing in TIME_TABLES.items():
            name = await part(found, table, week - number * WEEK, timescale=timescale)
            rows = await found.connection.fetchval(f"select count(*) from {name}")
            own = "select pg_table_size($1::text::regclass), pg_indexes_size($1::text::regclass)"
            heap, index = await found.connection.fetchrow(own, name)
            await found.connection.execute(f"reindex table {name}")
            _, rebuilt = await found.connection.fetchrow(own, name)
            figures = f"{heap / rows:8.1f}{index / rows:8.1f}{(heap + index) / rows:8.1f}{(heap + rebuilt) / rows:9.1f}"
            if can_pack and packing is not None:
                since = time.perf_counter()
                await found.connection.execute(f"call convert_to_columnstore('{name}')")
                seconds = time.perf_counter() - since
                packed = await found.connection.fetchval(
                    "select after_compression_total_bytes from chunk_columnstore_stats($1::text::regclass)"
                    " where format('%I.%I', chunk_schema, chunk_name) = $2",
                    f"live.{table}",
                    name,
                )
                figures += f"{packed / rows:9.1f}{(heap + index) / packed:7.1f}{rows / seconds / 1000:10.0f}"
            print(f"{kind:37}{table:15}{rows:10}{figures}")


def reading(ways: dict[str, Server]) -> None:
    """The same calls in many short rounds, each way by turns. Packed ones give the same answers as those of PostgreSQL."""
    print(f"{'reading, requests/s':32}" + "".join(f"{way:>24}" for way in ways))
    for what, (call_id, inside) in READS.items():
        content = body(f"query ($id: String!) {{ call(callId: $id) {{ {inside} }} }}", {"id": call_id})
        requests = {way: server.request("/graphql", content) for way, server in ways.items()}
        answers = [orjson.dumps(server.ask("/graphql", content)["call"]) for server in ways.values()]
        assert answers[0] == answers[-1], what
        # Those of another week have no packed ones beside them; what is simulated of a week is its own.
        assert all(len(answers[0]) * 0.8 < len(answer) < len(answers[0]) * 1.25 for answer in answers), what
        rounds = []
        for number in range(ROUNDS):
            turn = list(ways) if number % 2 else list(reversed(ways))
            speeds = {way: ways[way].load([requests[way]], SECONDS, connections=1).per_second for way in turn}
            rounds.append([speeds[way] for way in ways])
        figures = "".join(
            f"{median(own[index] for own in rounds):17.0f}{median(own[index] / own[0] for own in rounds):7.2f}"
            for index in range(len(ways))
        )
        print(f"{what:32}{figures}")


async def late(found: Bench, week: datetime) -> list[float]:
    """Milliseconds to take ten seconds more of a call of ten, and to take its last minutes once more."""
    plan = workloads(week)["calls of ten, told at the end"][0][0]
    samples = [record for record in simulate_call(plan) if isinstance(record, SamplesRecord)]
    figures = []
    for shift, count in ((0, 12), (10_000, 1)):
        times = []
        for number in range(LATE_ROUNDS):
            more = [
                record.model_copy(
                    update={
                        "times": [at + shift * (number + 1) for at in record.times[-count:]],
                        "values": record.values[-count:],
                    }
                )
                for record in samples
            ]
            since = time.perf_counter()
            await tell(found, iter(more))
            times.append(time.perf_counter() - since)
        figures.append(times[0] * 1000 if shift == 0 else median(times) * 1000)
    return figures


async def run(folder: Path) -> None:
    week = week_of(datetime.now(UTC)) - 6 * WEEK
    other = week - 6 * WEEK
    async with AsyncExitStack() as stack:
        embedded = await stack.enter_async_context(bench(folder, fill=False))
        plain = await stack.enter_async_context(own_database(embedded.database_url, embedded.redis_url))
        servers = [plain]
        if given := os.environ.get("CALLSCOPE_TEST_DATABASE_URL"):
            servers.append(await stack.enter_async_context(own_database(given, embedded.redis_url)))
        header = f"{'heap':>8}{'index':>8}{'both':>8}{'rebuilt':>9}{'packed':>9}{'ratio':>7}{'1000/s':>10}"
        print(f"{'bytes of a row':37}{'':15}{'rows':>10}{header}")
        twice = []
        for found in servers:
            key, project_id = await create(found.connection, "again", "bench")
            twice.append(replace(found, key=key, project_id=project_id))
            await fill(found, week)
            await fill(twice[-1], other)
            timescale = await has_timescale(found.connection)
            print("TimescaleDB" if timescale else "PostgreSQL")
            await sizes(found, week, timescale=timescale)
            await found.connection.execute("vacuum analyze")
        ways = {"PostgreSQL": (plain, week)}
        if await has_timescale(servers[-1].connection):
            ways |= {"TimescaleDB, rows": (twice[-1], other), "packed": (servers[-1], week)}
        served = {found.database_url: stack.enter_context(callscope(found)) for found in servers}
        asked = {way: replace(served[found.database_url], key=found.key) for way, (found, _) in ways.items()}
        await asyncio.to_thread(reading, asked)
        print(f"{'late samples of a call, ms':32}{'the last two minutes again':>30}{'ten seconds more':>20}")
        for way, (found, started) in ways.items():
            again, more = await late(found, started)
            print(f"{way:32}{again:30.0f}{more:20.0f}")
