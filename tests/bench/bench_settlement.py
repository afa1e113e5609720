"""What it costs to settle a call of an hour from nothing: CPU of settling and of PostgreSQL, rows read, statements.

Of more than 100 series of a kind, settling prepares the percentiles too: growth is that of calls that are so large.
"""

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from callscope.ingest import ingest_plans
from callscope.settle import settle_pending
from callscope.simulation import CallPlan
from callscope.simulation.plan import Fault, FaultKind
from callscope.vocabulary import Platform
from tests.bench.bench_data import Bench, bench

MINUTES = 60
FAULTS = (Fault(FaultKind.UPLINK_LOSS, 600, 60, 1), Fault(FaultKind.CPU_LIMITED, 1800, 120))
SIZES = {
    "10 participants": (10, 0),
    "1 and 100 subscribers": (1, 100),
    "1 and 150 subscribers": (1, 150),
    "1 and 1,000 subscribers": (1, 1000),
}
"""Who publish and receive, and who only receive."""
GROWTH = ("1 and 150 subscribers", "1 and 1,000 subscribers")


@dataclass(frozen=True)
class Cost:
    seconds: float
    samples: int
    rows: int
    statements: int


async def run(folder: Path) -> None:
    async with bench(folder, fill=False) as found:
        print(f"{'a call of an hour':34}{'samples':>10}{'CPU s':>8}{'rows read':>11}{'statements':>12}{'µs a sample':>13}")
        costs = {}
        for name, (participants, subscribers) in SIZES.items():
            cost = costs[name] = await measure(found, name, participants, subscribers)
            figures = f"{cost.samples:10,}{cost.seconds:8.2f}{cost.rows:11,}{cost.statements:12}"
            print(f"{name:34}{figures}{cost.seconds / cost.samples * 1e6:13.2f}", flush=True)
        small, large = (costs[name] for name in GROWTH)
        linear = large.samples / small.samples
        print(f"{linear:.1f} times the samples of a large call: {large.seconds / small.seconds:.1f} times the CPU")


async def measure(found: Bench, name: str, participants: int, subscribers: int) -> Cost:
    connection = found.connection
    now = datetime.now(UTC).replace(microsecond=0)
    start = now - timedelta(minutes=MINUTES + 30)
    call_id = f"{name} {now:%H:%M:%S}"
    faults = FAULTS if participants > 1 else FAULTS[1:]
    plan = CallPlan(call_id, Platform.VONAGE, start, MINUTES, participants, subscribers, interval_seconds=10, faults=faults)
    await ingest_plans(connection, found.database_url, found.project_id, [plan])
    await connection.execute("analyze")
    backend = await connection.fetchval("select pg_backend_pid()")
    rows = await _rows(found)
    statements: list[object] = []
    before = time.process_time() + cpu(backend)
    with connection.query_logger(statements.append):
        assert await settle_pending(connection, project_id=found.project_id) == 1
    seconds = time.process_time() + cpu(backend) - before
    samples = await connection.fetchval(
        "select sum(sample_count) from live.metric_series join live.call using (project_id, call_key)"
        " where call_id = $1 and not is_derived",
        call_id,
    )
    return Cost(seconds, samples, await _rows(found) - rows, len(statements))


async def _rows(found: Bench) -> int:
    """Rows that statements have read so far."""
    await found.connection.execute("select pg_stat_force_next_flush()")
    read: int = await found.connection.fetchval(
        "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_user_tables where schemaname = 'live'"
    )
    return read


def cpu(process: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
