"""A call before a large audience, over HTTP: the whole view of it beside the same percentiles from the samples by plain SQL.

The audiences are those of `CALLSCOPE_BENCH_SUBSCRIBERS` (100,1000,10000), for `CALLSCOPE_BENCH_MINUTES` (60): three metrics
each, every 10 s. The calls go on when they are read, so that the largest can bring some seconds of live telemetry in the end.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from statistics import median

from callscope.followed import FollowedCalls
from callscope.ingest import ingest, ingest_plans
from callscope.settle import settle_pending
from callscope.simulation import CallPlan, broadcast, live
from callscope.storage.pool import connect
from callscope.storage.timeseries import Partitions
from callscope.telemetry import Telemetry
from callscope.vocabulary import Platform
from tests.bench.bench_data import Bench, bench
from tests.bench.bench_large_view import Call, measure, timed
from tests.bench.bench_reads import Server, body, callscope
from tests.bench.bench_settle import Client
from tests.bench.bench_settlement import cpu

SIZES = [int(size) for size in os.environ.get("CALLSCOPE_BENCH_SUBSCRIBERS", "100,1000,10000").split(",")]
MINUTES = float(os.environ.get("CALLSCOPE_BENCH_MINUTES", "60"))
MORE = 15.0
"""Minutes that the calls go on for."""
PEOPLE = 10
PAGES, PAGE, POINTS = 10, 100, 60
LIVE_SECONDS = 60
HAND_TARGET, CACHED_TARGET, PAGE_TARGET = 50.0, 10.0, 1.5
"""At the greatest audience: by hand against cold, cold against cached; a page's series against one of ten people."""

SERIES = f"nodes {{ id metric samples(maxPoints: {POINTS}) {{ averages minimums maximums counts }} }}"
PAGE_INFO = "pageInfo { endCursor hasNextPage }"
PAGE_OF_SUBSCRIBERS = f"""query ($id: ID!, $after: String) {{
  call(id: $id) {{
    streams(first: 1) {{
      nodes {{
        subscribers(first: {PAGE}, after: $after) {{
          nodes {{ id participant {{ id displayName }} metricSeries(first: 10) {{ {SERIES} }} }} {PAGE_INFO}
        }}
      }}
    }}
  }}
}}"""
ONE_PARTICIPANT = f"""query ($id: ID!, $after: String) {{
  call(id: $id) {{
    participants(first: 1, after: $after) {{ nodes {{ id displayName metricSeries(first: 500) {{ {SERIES} }} }} {PAGE_INFO} }}
  }}
}}"""
PENDING = "select exists (select from live.call_change where project_id = $1)"
STORED = """
select count(*), pg_total_relation_size('live.metric_sample') + (
    select coalesce(sum(pg_total_relation_size(inhrelid)), 0) from pg_inherits where inhparent = 'live.metric_sample'::regclass
) from live.metric_sample
"""


@dataclass
class Watch:
    """Seconds that went by, and that this process and a backend of PostgreSQL worked."""

    backend: int
    seconds: float = 0.0
    cpu: float = 0.0

    def __enter__(self) -> "Watch":
        self.seconds, self.cpu = -time.perf_counter(), -time.process_time() - cpu(self.backend)
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds += time.perf_counter()
        self.cpu += time.process_time() + cpu(self.backend)


def plan(subscribers: int, started_at: datetime) -> CallPlan:
    until = started_at + timedelta(minutes=MINUTES)
    return replace(broadcast(f"broadcast-{subscribers}-{MINUTES:g}", started_at, MINUTES + MORE, subscribers), until=until)


async def run(folder: Path) -> None:
    async with bench(folder, fill=False) as found:
        started_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=MINUTES)
        ten = CallPlan(f"ten-{MINUTES:g}", Platform.VONAGE, started_at, MINUTES, PEOPLE, interval_seconds=10)
        plans = [plan(size, started_at) for size in SIZES]
        print(f"{f'calls of {MINUTES:g} min':34}{'records':>10}{'made s':>9}{'CPU s':>8}{'settled s':>11}{'CPU s':>8}")
        for each in (ten, *plans):
            await _make(found, each)
        count, size = await found.connection.fetchrow(STORED)
        print(f"{count:,} samples, {size / count:.0f} bytes each with their index", flush=True)
        with callscope(found) as server:
            people, *calls = [await _call(found, server, each) for each in (ten, *plans)]
            before = _peak(server)
            heads = ("cold", "cached", "by hand", "hand/cold", "cold/cached", "off %")
            print(f"{'the view of a call, ms':34}{''.join(f'{head:>12}' for head in heads)}")
            for call in calls:
                await measure(found, server, call)
            _tell_growth(calls)
            await asyncio.to_thread(_pages, Client(server), calls[-1], people)
            print(f"peak memory of the server: {before:.0f} MiB before the first view, {_peak(server):.0f} MiB after all answers")
        await _live(found, replace(plans[-1], started_at=calls[-1].started_at, until=None))


async def _make(found: Bench, plan: CallPlan) -> None:
    """Simulate and settle a call, unless the folder has it."""
    if await found.connection.fetchval(
        "select 1 from live.call where project_id = $1 and call_id = $2", found.project_id, plan.call_id
    ):
        print(f"{plan.call_id:34}{'is there already':>46}")
        return
    backend = await found.connection.fetchval("select pg_backend_pid()")
    with Watch(backend) as making:
        receipt = await ingest_plans(found.connection, found.database_url, found.project_id, [plan])
    with Watch(backend) as settling:
        await settle_pending(found.connection, project_id=found.project_id)
    figures = f"{making.seconds:9.1f}{making.cpu:8.1f}{settling.seconds:11.1f}{settling.cpu:8.1f}"
    print(f"{plan.call_id:34}{receipt.accepted:10,}{figures}", flush=True)
    await found.connection.execute("vacuum analyze")


async def _call(found: Bench, server: Server, plan: CallPlan) -> Call:
    row = await found.connection.fetchrow(
        "select call_key, started_at from live.call where project_id = $1 and call_id = $2", found.project_id, plan.call_id
    )
    answer = server.ask("/graphql", body("query ($id: String!) { call(callId: $id) { id } }", {"id": plan.call_id}))
    return Call(plan.subscribers, answer["call"]["id"], row["call_key"], row["started_at"])


def _tell_growth(calls: list[Call]) -> None:
    """Against the call of a tenth: cached flat, cold at most linear."""
    for small, large in pairwise(calls):
        times, cold, cached = large.subscribers / small.subscribers, large.cold / small.cold, large.cached / small.cached
        print(f"{times:g} times the subscribers: cold {cold:.1f} times, of at most {times:g}; cached {cached:.2f} times")
    print(f"targets for the greatest: by hand/cold {HAND_TARGET:g}, cold/cached {CACHED_TARGET:g}", flush=True)


def _pages(client: Client, large: Call, ten: Call) -> None:
    """Page after page of subscribers with their series, by turns with one participant after the other of the call of ten."""
    after: dict[str, str | None] = {large.id: None, ten.id: None}

    def read(call: Call, query: str, field: str) -> tuple[float, int]:
        answer, milliseconds = timed(client, body(query, {"id": call.id, "after": after[call.id]}))
        page = answer["call"]["streams"]["nodes"][0][field] if field == "subscribers" else answer["call"][field]
        after[call.id] = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None
        series = sum(len(node["metricSeries"]["nodes"]) for node in page["nodes"])
        return milliseconds / series, series

    print(f"{f'{POINTS} points of a series, ms':34}{'page':>10}{'ten':>9}{'ratio':>11}{'target':>14}{'series':>13}")
    rounds = [
        (*read(large, PAGE_OF_SUBSCRIBERS, "subscribers"), *read(ten, ONE_PARTICIPANT, "participants")) for _ in range(PAGES + 1)
    ]
    # The first round finds nothing in memory.
    page, series, one, others = (median(figures) for figures in zip(*rounds[1:], strict=True))
    figures = f"{page:10.3f}{one:9.3f}{page / one:11.2f}{PAGE_TARGET:14.1f}{f'{series:.0f}/{others:.0f}':>13}"
    print(f"{f'{PAGE} of {large.subscribers:,} subscribers':34}{figures}", flush=True)


async def _live(found: Bench, plan: CallPlan) -> None:
    """What the call goes on to tell comes second by second, and is settled as a server does that follows the call."""
    after = await found.connection.fetchval(
        "select last_active_at from live.call where project_id = $1 and call_id = $2", found.project_id, plan.call_id
    )
    # Going through all that was before takes long.
    batches = await asyncio.to_thread(lambda: list(islice(live(plan, timedelta(seconds=1), after), 1 + LIVE_SECONDS)))
    if len(batches) <= LIVE_SECONDS:
        print("the live call is over: use another folder")
        return
    settler, partitions = await connect(found.database_url), Partitions(found.database_url)
    followed, watches, revisions = FollowedCalls(settler), [], 0
    backend = await settler.fetchval("select pg_backend_pid()")
    deadline = time.monotonic()
    while batches or await found.connection.fetchval(PENDING, found.project_id):
        if batches:
            await ingest(found.connection, partitions, found.project_id, _once(batches.pop(0)[1]))
        with Watch(backend) as watch:
            revisions += await settle_pending(settler, project_id=found.project_id, settle=followed.settle)
        watches.append(watch.cpu)
        # One second after the other, once the call is taken over.
        deadline = max(deadline, time.monotonic() if len(watches) == 1 else 0.0) + 1.0
        await asyncio.sleep(max(0.0, deadline - time.monotonic()))
    await settler.close()
    print(f"CPU seconds to settle a second of {plan.subscribers:,} subscribers: {sum(watches[1:]) / LIVE_SECONDS:.2f}, ", end="")
    print(f"in {revisions - 1} revisions of {LIVE_SECONDS} s; {watches[0]:.1f} to take the call over")


async def _once(records: list[Telemetry]) -> AsyncIterator[list[Telemetry]]:
    yield records


def _peak(server: Server) -> float:
    """MiB of memory that the server has had at most."""
    status = Path(f"/proc/{server.process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
