"""Saving a call over HTTP beside `insert … select` of the same rows by hand, and reading a saved call beside the live one."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import orjson

from callscope.ingest import ingest_plans
from callscope.saved import CALL_TABLES
from callscope.settle import settle_pending
from callscope.simulation import CallPlan
from callscope.vocabulary import Platform
from tests.bench.bench_data import Bench, bench
from tests.bench.bench_reads import Server, body, callscope

CALLS = {"a call of ten": (8, 5, 15), "a call of a thousand": (998, 60, 5)}
"""Subscribers beside two who publish, seconds between two samples, and rounds."""
MINUTES = 60
READ_ROUNDS = 20
READ_SECONDS = 0.3
SAVE_TARGET = 1.3
READ_TARGET = 1.1

SAVE = 'mutation ($id: ID!) { saveSession(input: {callId: $id, name: "bench"}) { savedSession { id } errors { message } } }'
DELETE = "mutation ($id: ID!) { deleteSavedSessions(input: {ids: [$id]}) { deletedIds } }"
STATISTICS = (
    "id callId startedAt tags statistics { participantCount callType streamedMinutes sdks { name } } issueSummary { kind count }"
)
PEOPLE = "participants(first: 10) { nodes { id displayName location { country } connections { nodes { outcome } } } }"
READS = {
    "statistics": STATISTICS,
    "ten participants": PEOPLE,
    "100 events": "events(first: 100) { nodes { id at name participant { displayName } } }",
    "60 series": "metricSeries(first: 60) { nodes { id metric samples(maxPoints: 120) { averages maximums } } }",
}


async def run(folder: Path) -> None:
    async with bench(folder, fill=False) as found:
        with callscope(found) as server:
            print(f"{'saving, ms':28}{'rows':>10}{'saved':>9}{'by hand':>9}{'ratio':>7}{'again':>9}{'deleted':>9}{'target':>8}")
            ids = {name: await _saving(found, server, name) for name in CALLS}
            await found.connection.execute("vacuum analyze")
            print(f"{'reading, requests/s':28}{'':10}{'live':>9}{'saved':>9}{'ratio':>7}{'target':>8}")
            for name, id_ in ids.items():
                await asyncio.to_thread(_reading, server, name, id_)


async def _saving(found: Bench, server: Server, name: str) -> str:
    """Save a call in rounds by turns with the same by hand, and leave it saved; returns its id."""
    subscribers, interval, rounds = CALLS[name]
    call_id = f"{name} {datetime.now(UTC):%H:%M:%S}"
    started_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2 * MINUTES)
    plan = CallPlan(call_id, Platform.VONAGE, started_at, MINUTES, 2, subscribers, interval_seconds=interval)
    await ingest_plans(found.connection, found.database_url, found.project_id, [plan])
    await settle_pending(found.connection, project_id=found.project_id)
    await found.connection.execute("vacuum analyze")
    call_key = await found.connection.fetchval("select call_key from live.call where call_id = $1", call_id)
    id_ = f"call_{call_key % 2**64:x}"
    session = id_.replace("call_", "session_")

    def ask(text: str, given: str) -> Callable[[], Any]:
        return lambda: server.ask("/graphql", body(text, {"id": given}))

    times: dict[str, list[float]] = {"saved": [], "by hand": [], "again": [], "deleted": []}
    for number in range(rounds):
        for way in ("saved", "by hand") if number % 2 else ("by hand", "saved"):
            await found.connection.execute(
                "vacuum (analyze) saved.event, saved.metric_sample, saved.metric_series, saved.subscriber"
            )
            await found.connection.execute("checkpoint")
            if way == "by hand":
                times[way].append(await _by_hand(found.connection, found.project_id, call_key))
                await _forget(found.connection, found.project_id, call_key)
            else:
                times[way].append(await asyncio.to_thread(_timed, ask(SAVE, id_)))
                if number < 5:
                    times["again"].append(await asyncio.to_thread(_timed, ask(SAVE, id_)))
                times["deleted"].append(await asyncio.to_thread(_timed, ask(DELETE, session)))
    await asyncio.to_thread(ask(SAVE, id_))
    counted = " + ".join(f"(select count(*) from saved.{table} where call_key = $1)" for table in CALL_TABLES)
    rows = await found.connection.fetchval(f"select {counted}", call_key)
    figures = {way: median(each) * 1000 for way, each in times.items()}
    ratio = median(ours / theirs for ours, theirs in zip(times["saved"], times["by hand"], strict=True))
    print(
        f"{name:28}{rows:10}{figures['saved']:9.0f}{figures['by hand']:9.0f}{ratio:7.2f}"
        f"{figures['again']:9.0f}{figures['deleted']:9.0f}{SAVE_TARGET:8.1f}"
    )
    return id_


def _timed(run: Callable[[], Any]) -> float:
    since = time.perf_counter()
    run()
    return time.perf_counter() - since


async def _by_hand(connection: asyncpg.Connection, project_id: int, call_key: int) -> float:
    since = time.perf_counter()
    async with connection.transaction():
        for table in CALL_TABLES:
            await connection.execute(
                f"insert into saved.{table} overriding system value select * from live.{table}"
                " where project_id = $1 and call_key = $2",
                project_id,
                call_key,
            )
    return time.perf_counter() - since


async def _forget(connection: asyncpg.Connection, project_id: int, call_key: int) -> None:
    for table in CALL_TABLES:
        await connection.execute(f"delete from saved.{table} where project_id = $1 and call_key = $2", project_id, call_key)


def _reading(server: Server, name: str, id_: str) -> None:
    """The same of both, in many short rounds by turns; the answers are the same but for their ids."""
    for what, inside in READS.items():
        of_live = body(f"query ($id: ID!) {{ call(id: $id) {{ {inside} }} }}", {"id": id_})
        text = f"query ($id: ID!) {{ savedSession(id: $id) {{ call {{ {inside} }} }} }}"
        of_kept = body(text, {"id": id_.replace("call_", "session_")})
        answers = server.ask("/graphql", of_live)["call"], server.ask("/graphql", of_kept)["savedSession"]["call"]
        assert orjson.dumps(answers[1]).replace(b'"id":"saved', b'"id":"') == orjson.dumps(answers[0])
        live, kept = server.request("/graphql", of_live), server.request("/graphql", of_kept)
        rounds = []
        for number in range(READ_ROUNDS):
            ways = (live, kept) if number % 2 else (kept, live)
            speeds = {way: server.load([way], READ_SECONDS, connections=1).per_second for way in ways}
            rounds.append((speeds[live], speeds[kept]))
        figures = [median(side) for side in zip(*rounds, strict=True)]
        ratio = median(first / second for first, second in rounds)
        print(f"{name + ', ' + what:38}{figures[0]:9.0f}{figures[1]:9.0f}{ratio:7.2f}{READ_TARGET:8.1f}")
