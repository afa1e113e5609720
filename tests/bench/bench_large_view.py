"""The whole view of a call before a large audience: cold, from the cache, and its percentiles from the samples by plain SQL."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import asyncpg

from callscope.telemetry import EPOCH
from tests.bench.bench_data import Bench
from tests.bench.bench_reads import Server, body
from tests.bench.bench_settle import Client

BUCKETS, PERCENTILES = 60, (5.0, 50.0, 95.0)
COLD_ROUNDS, CACHED_ROUNDS, HAND_ROUNDS = 10, 20, 2

METRICS = {
    "bitrate": ("BITRATE", "VIDEO", "SUBSCRIBE"),
    "loss": ("PACKET_LOSS", "VIDEO", "SUBSCRIBE"),
    "roundTrip": ("ROUND_TRIP_TIME", "CONNECTION", "BOTH"),
}
ATTEMPTS = "stepSeconds times attempts successes failures"
BANDS = "unit stepSeconds times seriesCounts bands { percentile values }"
ALL_BANDS = "\n    ".join(
    f"{name}: metricBands(metric: {metric}, media: {media}, direction: {direction}, buckets: {BUCKETS}) {{ {BANDS} }}"
    for name, (metric, media, direction) in METRICS.items()
)
VIEW = f"""query ($id: ID!) {{
  call(id: $id) {{
    id isLarge startedAt durationSeconds
    statistics {{
      callType participantCount connectionCount streamCount subscriberCount maxConcurrentConnections maxConcurrentSubscribers
      publishedMinutes subscribedMinutes streamedMinutes issueCount errorCount
      sdks {{ name version participantCount }} endpoints {{ kind name version participantCount }}
    }}
    failureRates {{
      connect {{ attempts failures rate }} publish {{ attempts failures rate }} subscribe {{ attempts failures rate }}
    }}
    connectionSummary(buckets: {BUCKETS}) {{ {ATTEMPTS} }}
    subscriberSummary(buckets: {BUCKETS}) {{ {ATTEMPTS} }}
    {ALL_BANDS}
    worstSeries(metric: PACKET_LOSS, media: VIDEO, direction: SUBSCRIBE, first: 10) {{
      id maximum average p95 participant {{ id displayName location {{ city country }} }}
    }}
    issueSummary {{ kind severity count participantCount recoveredCount totalSeconds }}
  }}
}}"""
# In the buckets of the answer; its last one may be longer than the others.
BY_HAND = """
select extract(epoch from least(date_bin($6, sample.at, $7), $8))::float8 * 1000 as time,
    percentile_cont($9::float8[]) within group (order by sample.value) as percentiles
from live.metric_series series join live.metric_sample sample using (project_id, call_key, series_key)
where series.project_id = $1 and series.call_key = $2 and series.metric = $3 and series.media = $4 and series.direction = $5
group by 1
"""
REVISE = "update live.call set revision = revision + 1 where project_id = $1 and call_key = $2"


@dataclass
class Call:
    """A call of the benchmark, and the milliseconds that its view took."""

    subscribers: int
    id: str
    key: int
    started_at: datetime
    cold: float = 0.0
    cached: float = 0.0
    by_hand: float = 0.0


async def measure(found: Bench, server: Server, call: Call) -> None:
    client, content = Client(server), body(VIEW, {"id": call.id})
    times = []
    for _ in range(COLD_ROUNDS):
        # Nobody has summaries of a revision that is new.
        await found.connection.execute(REVISE, found.project_id, call.key)
        answer, milliseconds = timed(client, content)
        times.append(milliseconds)
    call.cold = median(times)
    assert timed(client, content)[0] == answer
    call.cached = median(timed(client, content)[1] for _ in range(CACHED_ROUNDS))
    view, rounds = answer["call"], []
    await found.connection.execute("set work_mem = '256MB'")
    for _ in range(HAND_ROUNDS):
        since = time.perf_counter()
        rows = {name: await _by_hand(found, call, name, view[name]) for name in METRICS}
        rounds.append(1000 * (time.perf_counter() - since))
    call.by_hand = median(rounds)
    off = max(_off(view[name], rows[name]) for name in METRICS)
    ratios = f"{call.by_hand / call.cold:12.0f}{call.cold / call.cached:12.1f}{100 * off:12.2f}"
    print(f"{f'{call.subscribers:,} subscribers':34}{call.cold:12.2f}{call.cached:12.2f}{call.by_hand:12.0f}{ratios}", flush=True)


def timed(client: Client, content: bytes) -> tuple[dict[str, Any], float]:
    """The data of an answer, and the milliseconds that it took."""
    since = time.perf_counter()
    data = client.post("/graphql", content)["data"]
    return data, 1000 * (time.perf_counter() - since)


async def _by_hand(found: Bench, call: Call, name: str, bands: dict[str, Any]) -> list[asyncpg.Record]:
    first, last = (EPOCH + timedelta(milliseconds=bands["times"][end]) for end in (0, -1))
    step, shares = timedelta(seconds=bands["stepSeconds"]), [percentile / 100 for percentile in PERCENTILES]
    rows: list[asyncpg.Record] = await found.connection.fetch(
        BY_HAND, found.project_id, call.key, *METRICS[name], step, first, last, shares
    )
    return rows


def _off(bands: dict[str, Any], rows: list[asyncpg.Record]) -> float:
    """By which share of the greater of both, at most, a percentile differs from that of the samples."""
    told = zip(*(band["values"] for band in bands["bands"]), strict=True)
    found = {at: values for at, values in zip(bands["times"], told, strict=True) if None not in values}
    exact = {row["time"]: row["percentiles"] for row in rows}
    assert found.keys() == exact.keys()
    pairs = [pair for at, values in found.items() for pair in zip(values, exact[at], strict=True)]
    return max(abs(one - other) / (max(one, other) or 1.0) for one, other in pairs)
