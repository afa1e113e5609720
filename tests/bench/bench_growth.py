"""Latency of the same operations with 10 and with 100 times as many calls stored."""

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

import orjson

from callscope.api.keys import create
from callscope.ingest import ingest_plans
from callscope.settle import settle_pending
from callscope.simulation import CallPlan
from callscope.storage.migrations import migrate
from callscope.storage.pool import connect
from callscope.storage.timeseries import TIME_TABLES, WEEK, Partitions, week_of
from callscope.vocabulary import Platform
from tests.bench.bench_data import Bench, bench
from tests.bench.bench_load import in_turn
from tests.bench.bench_reads import Server, body, callscope

CALLS = 200
TIMES = (1, 10, 100)
WARM_SECONDS = 2.0
SECONDS = 10.0
TARGET = 1.3

OPERATIONS = {
    "a call by id": "query ($id: ID!) { call(id: $id) { id callId startedAt statistics { participantCount callType } } }",
    "50 calls with 10 participants": "{ calls { nodes { id callId participants(first: 10) { nodes { id displayName } } } } }",
    "50 calls without issues": "{ calls(filter: {hasIssues: false}) { nodes { id callId statistics { issueCount } } } }",
    "50 longest calls": "{ calls(orderBy: {field: DURATION, direction: DESC}) { nodes { id durationSeconds } } }",
    "a call's series": "query ($id: ID!) { call(id: $id) { metricSeries { nodes { metric samples { averages } } } } }",
    "a call's events": 'query ($id: ID!) { call(id: $id) { events(filter: {include: ["e"]}) { nodes { at name } } } }',
    "calls that are live": "{ calls(filter: {states: LIVE}) { totalCount } }",
    "a meeting's 50 events": "query ($meetings: [ID!]) { events(filter: {meetings: $meetings}) { nodes { at name } } }",
    "a meeting's series": "query ($meetings: [ID!]) { metricSeries(first: 200, filter: {meetings: $meetings}) { nodes { id } } }",
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
    "metric_rollup": ("at", "first_at", "last_at"),
    "report": (),
    "record": (),
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


async def filled(found: Bench, times: int) -> Bench:
    """A database of its own with so many times the calls, filled the first time."""
    name = f"growth_{CALLS * times}"
    url = urlsplit(found.database_url)._replace(path=f"/{name}").geturl()
    if not await found.connection.fetchval("select exists (select from pg_database where datname = $1)", name):
        await found.connection.execute(f"create database {name}")
    connection = await connect(url)
    await migrate(connection)
    key, project_id = await create(connection, "bench", "bench")
    one = Bench(url, found.redis_url, key, project_id, connection)
    if not await connection.fetchval("select exists (select from live.call where project_id = $1)", project_id):
        now = datetime.now(UTC).replace(microsecond=0)
        await ingest_plans(connection, url, project_id, plans(now - timedelta(days=now.weekday() + 1)))
        await settle_pending(connection, project_id=project_id)
        await connection.execute("create temporary table originals as select call_key from live.call")
        await copy(one, 1, times - 1)
    return one


def requests_of(server: Server) -> dict[str, list[bytes]]:
    """What is asked, about 50 calls in turn. Answers that hold nothing would measure nothing."""
    answer = server.ask("/graphql", body("{ calls { nodes { id meetings(first: 1) { nodes { id } } } } }", {}))
    ids = [{"id": call["id"], "meetings": call["meetings"]["nodes"][0]["id"]} for call in answer["calls"]["nodes"]]
    requests = {}
    for name, query in OPERATIONS.items():
        given: list[dict[str, object]] = [{name: one[name]} for one in ids for name in one if f"${name}:" in query] or [{}]
        bodies = [body(query, variables) for variables in given]
        answer = orjson.dumps(server.ask("/graphql", bodies[0]))
        assert b'"nodes":[]' not in answer, query
        assert b'"call":null' not in answer, query
        requests[name] = [server.request("/graphql", content) for content in bodies]
    return requests


def measure(sizes: list[Bench]) -> None:
    """Each size's request after the other's, and what those take that nothing else on the machine holds up."""
    print(f"{SECONDS:g} s, one request at a time over HTTP, to each size in turn; the fastest tenth's slowest, ms")
    print(f"{'':34}" + "".join(f"{CALLS * times:>9} calls" for times in TIMES) + f"{'growth':>9}{'target':>8}")
    with ExitStack() as stack:
        servers = [stack.enter_context(callscope(one)) for one in sizes]
        requests = [requests_of(server) for server in servers]
        for name in OPERATIONS:
            sides = [(server.where, given[name]) for server, given in zip(servers, requests, strict=True)]
            in_turn(sides, seconds=WARM_SECONDS)
            figures = [quantiles(of_size, n=10)[0] * 1000 for of_size in in_turn(sides, seconds=SECONDS)]
            growth = max(figures[1:]) / figures[0]
            print(f"{name:34}" + "".join(f"{figure:15.3f}" for figure in figures) + f"{growth:9.2f}{TARGET:8.2f}", flush=True)


async def run(folder: Path) -> None:
    async with bench(folder, fill=False) as found:
        sizes = [await filled(found, times) for times in TIMES]
        for one in sizes:
            await one.connection.close()
        await asyncio.to_thread(measure, sizes)
