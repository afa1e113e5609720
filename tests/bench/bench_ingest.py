"""Samples through `POST /ingest` beside a bare asyncpg COPY of the same rows into the same table, emptied before each round."""

import asyncio
import statistics
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import orjson

from callscope.storage.timeseries import Partitions, week_of
from tests.bench.bench_data import Bench, bench
from tests.bench.bench_reads import callscope

ROUNDS = 5
RECORDS = 1_000
POINTS = (100, 300)
CALLS = 10
TARGETS = {1: 0.3, 4: 0.4}
"""By the number of clients that send at the same time."""
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
EMPTY = "truncate live.metric_sample, live.record, live.call_change"


def records() -> Iterator[dict[str, object]]:
    """Some 200 000 samples of ten calls, a series a record."""
    start = START.timestamp() * 1000
    for number in range(RECORDS):
        points = POINTS[0] + number * 7919 % (POINTS[1] - POINTS[0] + 1)
        yield {
            "type": "samples",
            "callId": f"ingested-{number % CALLS}",
            "participantId": f"person-{number // CALLS}",
            "metric": "BITRATE",
            "media": "VIDEO",
            "direction": "SUBSCRIBE",
            "times": [start + 2_000 * point for point in range(points)],
            "values": [round(number * 31.7 + point * 7919 % 1000 / 7, 3) for point in range(points)],
        }


async def run(folder: Path) -> None:
    async with bench(folder, fill=False) as found:
        lines = [orjson.dumps(record) for record in records()]
        await Partitions(found.database_url).ensure("metric_sample", [week_of(START)])
        size = sum(map(len, lines)) / 2**20
        print(f"{size:.1f} MiB of NDJSON, {RECORDS} records, {ROUNDS} rounds in turn; medians")
        print(f"{'':34}{'ours/s':>11}{'COPY/s':>11}{'ratio':>7}{'target':>8}")
        with callscope(found) as server:
            headers = {"Authorization": f"Bearer {found.key}"}
            for clients, target in TARGETS.items():
                bodies = [b"\n".join(lines[number::clients]) for number in range(clients)]
                requests = [urllib.request.Request(f"{server.address}/ingest", body, headers) for body in bodies]
                await _round(found, requests)
                rounds = [await _round(found, requests) for _ in range(ROUNDS)]
                ours, copy = (statistics.median(side) for side in zip(*rounds, strict=True))
                ratio = statistics.median(ours / copy for ours, copy in rounds)
                print(f"{f'samples, {clients} at a time':34}{ours:11,.0f}{copy:11,.0f}{ratio:7.2f}{target:8.2f}", flush=True)


async def _round(found: Bench, requests: list[urllib.request.Request]) -> tuple[float, float]:
    """Rows per second of both; what we took in is what is copied, once settling is over."""
    await found.connection.execute(EMPTY)
    start = time.perf_counter()
    answers = await asyncio.gather(*(asyncio.to_thread(_send, request) for request in requests))
    ours = time.perf_counter() - start
    assert sum(answer["accepted"] for answer in answers) == RECORDS, answers
    while await found.connection.fetchval("select exists (select from live.call_change)"):
        await asyncio.sleep(0.1)
    rows = [tuple(row) for row in await found.connection.fetch("select * from live.metric_sample order by 1, 2, 3, 4")]
    await found.connection.execute(EMPTY)
    start = time.perf_counter()
    await _copy(found.connection, rows)
    return len(rows) / ours, len(rows) / (time.perf_counter() - start)


def _send(request: urllib.request.Request) -> dict:
    with urllib.request.urlopen(request) as response:
        return orjson.loads(response.read())


async def _copy(connection: asyncpg.Connection, rows: list[tuple]) -> None:
    await connection.copy_records_to_table("metric_sample", schema_name="live", records=rows)
