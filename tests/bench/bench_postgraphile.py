"""Reads over HTTP beside PostGraphile 5 on Node 22 (npm), one process each, in turns on the same tables.

PostGraphile asks for no key and counts no cost. It is told how the tables belong together by comments, not by constraints.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bench_data import CHART, PAGE, PEOPLE, Bench, bench
from tests.bench.bench_reads import Server, await_answer, body, callscope, figures_of

HERE = Path(__file__).parent / "postgraphile"
ROUNDS = 5
SECONDS = 3.0

RELATIONS = """
comment on table live.participant is E'@foreignKey (project_id, call_key) references live.call (project_id, call_key)';
comment on table live.metric_series is E'@foreignKey (project_id, call_key) references live.call (project_id, call_key)';
comment on table live.metric_sample is
    E'@foreignKey (project_id, call_key, series_key) references live.metric_series (project_id, call_key, series_key)';
"""
CALL = "id callId platform startedAt durationSeconds"
FIGURES = "callType participantCount connectionCount streamCount subscriberCount streamedMinutes issueCount errorCount"
PERSON = "id participantId displayName kind errorCount"
SERIES = "id metric unit media direction"


@dataclass(frozen=True)
class Pair:
    """The same question in both schemas, and how many times PostGraphile's throughput ours should have."""

    name: str
    ours: bytes
    theirs: bytes
    target: float


def pairs(found: Bench, ours: Server, call_key: int) -> list[Pair]:
    chart = ours.ask("/graphql", body(f'{{ call(callId: "{CHART}") {{ id }} }}', {}))["call"]["id"]
    project = found.project_id
    one = f"callByProjectIdAndCallKey(projectId: {project}, callKey: $key)"
    people = f"participantsByProjectIdAndCallKey(first: {PEOPLE}, orderBy: [APPEARED_AT_ASC])"
    samples = "metricSamplesByProjectIdAndCallKeyAndSeriesKey { nodes { at value } }"
    return [
        Pair(
            "a call by id",
            body(f"query ($id: ID!) {{ call(id: $id) {{ {CALL} statistics {{ {FIGURES} }} }} }}", {"id": chart}),
            body(f"query ($key: BigInt!) {{ {one} {{ {CALL} {FIGURES} }} }}", {"key": str(call_key)}),
            1.3,
        ),
        Pair(
            f"{PAGE} calls with {PEOPLE} participants",
            body(
                f"{{ calls(first: {PAGE}) {{ nodes {{ {CALL} participants(first: {PEOPLE}) {{ nodes {{ {PERSON} }} }} }} }} }}",
                {},
            ),
            body(
                f"{{ allCalls(first: {PAGE}, condition: {{projectId: {project}}}, orderBy: [STARTED_AT_DESC])"
                f" {{ nodes {{ {CALL} {people} {{ nodes {{ {PERSON} }} }} }} }} }}",
                {},
            ),
            4.0,
        ),
        Pair(
            "60 series of 120 points",
            body(
                f"query ($id: ID!) {{ call(id: $id) {{ metricSeries(first: 60)"
                f" {{ nodes {{ {SERIES} samples(maxPoints: 120) {{ times averages }} }} }} }} }}",
                {"id": chart},
            ),
            body(
                f"query ($key: BigInt!) {{ {one} {{ metricSeriesByProjectIdAndCallKey(first: 60)"
                f" {{ nodes {{ {SERIES} {samples} }} }} }} }}",
                {"key": str(call_key)},
            ),
            8.0,
        ),
    ]


def installed() -> Path:
    """PostGraphile and Node from npm, once for all runs, outside the tree."""
    folder = Path(tempfile.gettempdir()) / "callscope-bench-postgraphile"
    folder.mkdir(exist_ok=True)
    for file in HERE.iterdir():
        shutil.copy(file, folder)
    if not (folder / "node_modules/postgraphile").is_dir():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=folder, check=True)
    return folder


@contextmanager
def postgraphile(found: Bench) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = installed()
    environment = {
        **os.environ,
        "NODE_ENV": "production",
        "GRAPHILE_ENV": "production",
        "DATABASE_URL": found.database_url,
        "PORT": str(port),
    }
    command = [folder / "node_modules/.bin/node", folder / "node_modules/.bin/postgraphile"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            await_answer(f"http://127.0.0.1:{port}")
            yield Server(f"http://127.0.0.1:{port}", "none", process.pid)
        finally:
            process.terminate()


def _check(server: Server, content: bytes) -> None:
    request = urllib.request.Request(
        f"{server.address}/graphql", content, {"Content-Type": "application/json", "Authorization": f"Bearer {server.key}"}
    )
    with urllib.request.urlopen(request) as response:
        answer = response.read()
    assert b'"errors"' not in answer, answer[:500]
    assert len(answer) > 300, answer


def _run(found: Bench, call_key: int) -> None:
    with callscope(found) as ours, postgraphile(found) as theirs:
        print(f"{'':34}{'ours/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'theirs/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'ratio':>7}{'target':>8}")
        for pair in pairs(found, ours, call_key):
            sides = [(ours, [ours.request("/graphql", pair.ours)]), (theirs, [theirs.request("/graphql", pair.theirs)])]
            _check(ours, pair.ours)
            _check(theirs, pair.theirs)
            for server, requests in sides:
                server.load(requests, 2.0)
            rounds = [tuple(server.load(requests, SECONDS) for server, requests in sides) for _ in range(ROUNDS)]
            print(f"{pair.name:34}{figures_of(rounds)}{pair.target:8.2f}")


async def run(folder: Path) -> None:
    async with bench(folder) as found:
        await found.connection.execute(RELATIONS)
        call_key = await found.connection.fetchval(
            "select call_key from live.call where project_id = $1 and call_id = $2", found.project_id, CHART
        )
        await asyncio.to_thread(_run, found, call_key)
