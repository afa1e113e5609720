"""Reads over HTTP beside hand-written routes (bench_peer.py), one process each, in turns on the same tables."""

import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from tests.bench.bench_data import CHART, PAGE, PEOPLE, Bench, bench
from tests.bench.bench_load import Load, load

ROUNDS = 40
SECONDS = 0.5
CONNECTIONS = 8
TARGET = 0.8

CALL = """query ($id: ID!) {
  call(id: $id) {
    id callId platform mediaMode state startedAt endedAt durationSeconds isLarge tags
    statistics {
      callType participantCount connectionCount streamCount subscriberCount sipParticipantCount maxConcurrentConnections
      maxConcurrentStreams maxConcurrentSubscribers publishedMinutes subscribedMinutes streamedMinutes issueCount errorCount
      sdks { name version participantCount }
      endpoints { kind name version participantCount }
    }
  }
}"""
CALLS = """query ($first: Int, $people: Int) {
  calls(first: $first) {
    nodes {
      id callId platform state startedAt durationSeconds
      participants(first: $people) {
        nodes { id participantId displayName kind location { city country } system { browser os } errorCount }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}"""
SERIES = """query ($id: ID!) {
  call(id: $id) {
    metricSeries(first: 100) {
      nodes { id metric unit media direction samples { times averages minimums maximums counts } }
    }
  }
}"""


@dataclass(frozen=True)
class Operation:
    """The same question to both: requests of ours, and paths of the peer's."""

    name: str
    query: str
    variables: list[dict[str, object]]
    paths: list[str]


@dataclass(frozen=True)
class Server:
    address: str
    key: str
    process: int

    def request(self, path: str, body: bytes = b"") -> bytes:
        """A request as it goes over the wire."""
        host = urlsplit(self.address).netloc
        head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self.key}\r\n"
        if body:
            head += f"Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body

    def ask(self, path: str, body: bytes | None = None) -> dict:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(self.address + path, body, headers)) as response:
            answer = orjson.loads(response.read())
        assert "errors" not in answer, answer
        return answer["data"]

    @property
    def where(self) -> tuple[str, int]:
        url = urlsplit(self.address)
        return url.hostname, url.port

    def load(self, requests: list[bytes], seconds: float, connections: int = CONNECTIONS) -> Load:
        return load(self.where, requests, connections=connections, seconds=seconds)


@contextmanager
def serving(key: str, *command: str, **environment: str) -> Iterator[Server]:
    """A server in a process of its own, which prints its address last in its first line."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    try:
        address = process.stdout.readline().split()[-1]
        await_answer(address)
        yield Server(address, key, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def callscope(found: Bench) -> AbstractContextManager[Server]:
    """`callscope serve` on the benchmark's servers."""
    command = "from callscope.cli import main; raise SystemExit(main())"
    urls = {"CALLSCOPE_DATABASE_URL": found.database_url, "CALLSCOPE_REDIS_URL": found.redis_url}
    return serving(found.key, "-c", command, "serve", "--port", "0", **urls)


def await_answer(address: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((urlsplit(address).hostname, urlsplit(address).port)):
            return
        time.sleep(0.05)


def body(query: str, variables: dict[str, object]) -> bytes:
    return orjson.dumps({"query": query, "variables": variables})


def operations(ours: Server) -> list[Operation]:
    ids = [node["id"] for node in ours.ask("/graphql", body("{ calls(first: 500) { nodes { id } } }", {}))["calls"]["nodes"]]
    chart = ours.ask("/graphql", body(f'{{ call(callId: "{CHART}") {{ id }} }}', {}))["call"]["id"]
    return [
        Operation("a call with statistics", CALL, [{"id": id_} for id_ in ids], [f"/calls/{id_}" for id_ in ids]),
        Operation(
            f"{PAGE} calls with {PEOPLE} participants",
            CALLS,
            [{"first": PAGE, "people": PEOPLE}],
            [f"/calls?first={PAGE}&participants={PEOPLE}"],
        ),
        Operation("60 series of 120 points", SERIES, [{"id": chart}], [f"/calls/{chart}/series?first=100"]),
    ]


def measure(ours: Server, peer: Server) -> None:
    """In many short rounds, by turns first and second, because other work on the machine comes and goes."""
    print(f"{CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS:g} s each in turn; medians")
    print(f"{'':34}{'ours/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'peer/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'ratio':>7}{'target':>8}")
    for operation in operations(ours):
        bodies = [body(operation.query, variables) for variables in operation.variables]
        for number in range(0, len(bodies), 25):
            assert ours.ask("/graphql", bodies[number]) == peer.ask(operation.paths[number]), operation.name
        requests = {
            ours: [ours.request("/graphql", content) for content in bodies],
            peer: [peer.request(path) for path in operation.paths],
        }
        for server in requests:
            server.load(requests[server], 1.0)
        rounds = []
        for number in range(ROUNDS):
            order = (ours, peer) if number % 2 else (peer, ours)
            loads = {server: server.load(requests[server], SECONDS) for server in order}
            rounds.append((loads[ours], loads[peer]))
        print(f"{operation.name:34}{figures_of(rounds)}{TARGET:8.2f}")


def figures_of(rounds: list[tuple[Load, Load]]) -> str:
    """Medians of both sides, and of the ratio between them."""
    text = ""
    for side in zip(*rounds, strict=True):
        figures = ((one.per_second, one.percentile(0.5), one.percentile(0.99)) for one in side)
        text += "{:9.0f}{:8.2f}{:8.2f}".format(*(statistics.median(figure) for figure in zip(*figures, strict=True)))
    return text + f"{statistics.median(mine.per_second / theirs.per_second for mine, theirs in rounds):7.2f}"


async def run(folder: Path) -> None:
    async with bench(folder) as found:
        await asyncio.to_thread(_run, found)


def _run(found: Bench) -> None:
    peer = ("-m", "tests.bench.bench_peer", found.database_url, found.key)
    with callscope(found) as ours, serving(found.key, *peer) as theirs:
        measure(ours, theirs)
