"""Latency of the same operations with 10 and with 100 times as many calls stored."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from callscope.ingest import ingest_plans
from callscope.settle import settle_pending
from callscope.simulation import CallPlan
from callscope.storage.timeseries import TIME_TABLES, WEEK, Partitions, week_of
from callscope.vocabulary import Platform
from tests.bench.bench_data import Bench, bench
from tests.bench.bench_reads import body, callscope

CALLS = 200
TIMES = (1, 10, 100)
SECONDS = 2.0
TARGET = 1.3

OPERATIONS = {
    "a call by id": "query ($id: ID!) { call(id: $id) { id callId startedAt statistics { participantCount callType } } }",
    "50 calls with 10 participants": "{ calls { nodes { id callId participants(first: 10) { nodes { id displayName } } } } }",
    "50 calls without issues": "{ calls(filter: {hasIssues: false}) { nodes { id callId statistics { issueCount } } } }",
    "50 longest calls": "{ calls(orderBy: {field: DURATION, direction: DESC}) { nodes { id durationSeconds } } }",
    "a call's series": "query ($id: ID!) { call(id: $id) { metricSeries { nodes { metric samples { averages } } } } }",
    "a call's events": 'query ($id: ID!) { call(id: $id) { events(filter: {include: ["e"]}) { nodes { at name } } } }',
    "50 events by name": '{ events(filter: {names: ["Join"]}) { nodes { at name participant { displayName } } } }',
}
# Copies of a call, each 4 hours further back, as within a retention of 20 days, with keys and ids of their own.
COPIES = {
    "call": ("started_at", "ended_at", "live_until", "last_active_at"),
    "meeting": ("started_at", "ended_at", "live_until"),
    "participant": ("appeared_at", "first_joined_at", "last_left_at"),
    "connection": ("attempted_at", "connected_at", "disconnected_at"),
    "stream": ("attempted_at", "published_at", "unpublished_at"),
    "subscriber": ("attempted_at", "subscribed_at", "ended_at"),
    "issue": ("started_at", "ended_at"),
    "event": ("at",),
    "metric_series": ("started_at", "ended_at"),
    "metric_sample": ("at",),
}


def plans(now: datetime) -> list[CallPlan]:
    return [
        CallPlan(
            f"growth-{number}", Platform.ACS, now - timedelta(minutes=10 * number + 10), 3, 2, 1, interval_seconds=60, seed=number
        )
        for number in range(CALLS)
    ]


async def copy(found: Bench, start: int, end: int) -> None:
    """Copies number start to end of every call, each further back in time, as a table fills."""
    first = datetime.now(UTC) - timedelta(hours=4 * max(TIMES) + 240)
    weeks = {week_of(first + WEEK * number) for number in range(9)}
    for table in TIME_TABLES:
        await Partitions(found.database_url).ensure(table, {week for week in weeks if week < datetime.now(UTC)})
    for table, instants in COPIES.items():
        names = await found.connection.fetch(
            "select column_name as name from information_schema.columns where table_schema = 'live' and table_name = $1"
            " order by ordinal_position",
            table,
        )
        moved = {"call_key": "call_key + copied * 1000003", "call_id": "call_id || '-' || copied"}
        moved |= {name: f"{name} - copied * interval '4 hours'" for name in instants}
        columns = ", ".join(moved.get(row["name"], row["name"]) for row in names)
        await found.connection.execute(
            f"insert into live.{table} select {columns} from live.{table}, generate_series({start}, {end}) as copied"
            f" where project_id = {found.project_id} and call_key in (select call_key from originals) order by copied"
        )
    await found.connection.execute("vacuum analyze")
    await found.connection.execute("checkpoint")


def latencies(found: Bench, ids: list[str]) -> dict[str, float]:
    """Median milliseconds of each operation over HTTP, one request at a time, asked about many calls in turn."""
    figures = {}
    with callscope(found) as server:
        for name, query in OPERATIONS.items():
            given: list[dict[str, object]] = [{"id": id_} for id_ in ids] if "$id" in query else [{}]
            bodies = [body(query, variables) for variables in given]
            answer = orjson.dumps(server.ask("/graphql", bodies[0]))
            assert b'"nodes":[]' not in answer, query
            assert b'"call":null' not in answer, query
            requests = [server.request("/graphql", content) for content in bodies]
            server.load(requests, 0.5, connections=1)
            figures[name] = server.load(requests, SECONDS, connections=1).percentile(0.5)
    return figures


async def run(folder: Path) -> None:
    async with bench(folder, fill=False) as found:
        if await found.connection.fetchval("select exists (select from live.call)"):
            raise SystemExit(f"{folder} holds calls already: growth starts from none, so give it a folder of its own.")
        now = datetime.now(UTC).replace(microsecond=0)
        monday = now - timedelta(days=now.weekday() + 1)
        await ingest_plans(found.connection, found.database_url, found.project_id, plans(monday))
        await settle_pending(found.connection, project_id=found.project_id)
        await found.connection.execute("create temporary table originals as select call_key from live.call")
        ids = [
            f"call_{row['call_key'] % 2**64:x}" for row in await found.connection.fetch("select call_key from originals limit 50")
        ]
        measured: dict[str, list[float]] = {name: [] for name in OPERATIONS}
        stored = 1
        for times in TIMES:
            if times > stored:
                await copy(found, stored, times - 1)
                stored = times
            for name, figure in (await asyncio.to_thread(latencies, found, ids)).items():
                measured[name].append(figure)
        print(
            f"{'milliseconds over HTTP, median':34}"
            + "".join(f"{CALLS * times:>9} calls" for times in TIMES)
            + f"{'growth':>9}{'target':>8}"
        )
        for name, figures in measured.items():
            print(
                f"{name:34}"
                + "".join(f"{figure:15.3f}" for figure in figures)
                + f"{max(figures[1:]) / figures[0]:9.2f}{TARGET:8.2f}"
            )
