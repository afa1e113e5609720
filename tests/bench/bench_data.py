"""What the benchmarks read: a population of calls, the last 50 of them with ten participants, and a call of 60 series."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from callscope.api.keys import create
from callscope.ingest import ingest, ingest_plans
from callscope.settle import settle_pending
from callscope.simulation import CallPlan, population
from callscope.storage.embedded import embedded_servers
from callscope.storage.migrations import migrate
from callscope.storage.pool import connect
from callscope.storage.timeseries import Partitions
from callscope.telemetry import CallRecord, ConnectionRecord, SamplesRecord, Telemetry
from callscope.vocabulary import Direction, Media, Metric, Platform

POPULATION = 1_000
PAGE = 50
PEOPLE = 10
SERIES = 60
POINTS = 120
CHART = "a-call-of-60-series"


@dataclass(frozen=True)
class Bench:
    """A database with data, and what opens it."""

    database_url: str
    redis_url: str
    key: str
    project_id: int
    connection: asyncpg.Connection


@asynccontextmanager
async def bench(folder: Path, *, fill: bool = True) -> AsyncIterator[Bench]:
    """Servers on a data folder, which is filled the first time."""
    with embedded_servers(folder) as servers:
        connection = await connect(servers.database_url)
        try:
            await migrate(connection)
            key, project_id = await create(connection, "bench", "bench")
            known = await connection.fetchval("select exists (select from live.call where project_id = $1)", project_id)
            if fill and not known:
                await _fill(connection, servers.database_url, project_id)
            yield Bench(servers.database_url, servers.redis_url, key, project_id, connection)
        finally:
            await connection.close()


async def _fill(connection: asyncpg.Connection, database_url: str, project_id: int) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    await ingest_plans(connection, database_url, project_id, plans(now))

    async def batches() -> AsyncIterator[Iterator[Telemetry]]:
        yield chart(now - timedelta(days=20))

    await ingest(connection, Partitions(database_url), project_id, batches())
    await settle_pending(connection, project_id=project_id)
    await connection.execute("vacuum analyze")


def plans(now: datetime) -> Iterator[CallPlan]:
    yield from population(POPULATION, now - timedelta(hours=2))
    for number in range(PAGE):
        started_at = now - timedelta(hours=1, minutes=number % 30)
        subscribers = PEOPLE - 2
        yield CallPlan(f"ten-{number}", Platform.VONAGE, started_at, 3, 2, subscribers, interval_seconds=10)


def chart(started_at: datetime) -> Iterator[Telemetry]:
    """A call of exactly 60 series of 120 points each, which ends shortly after the last point."""
    start = started_at.timestamp() * 1000
    times = [start + 5_000.0 * point for point in range(POINTS)]
    ended_at = started_at + timedelta(seconds=5 * POINTS - 3)
    yield CallRecord(call_id=CHART, platform=Platform.WEBRTC)
    for number in range(SERIES):
        person = f"person-{number // len(Metric)}"
        yield ConnectionRecord(
            call_id=CHART, connection_id=person, participant_id=person, connected_at=started_at, closed_at=ended_at
        )
        yield SamplesRecord(
            call_id=CHART,
            metric=list(Metric)[number % len(Metric)],
            media=Media.VIDEO,
            direction=Direction.SUBSCRIBE,
            participant_id=person,
            times=times,
            values=[round((number + 1) * 17.3 + (point * 7919 % 1000) / 7, 3) for point in range(POINTS)],
        )
