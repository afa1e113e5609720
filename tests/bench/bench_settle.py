"""From the acknowledgement of `POST /ingest` to the answer that knows of it: each batch brings one more to a live call."""

import asyncio
import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from callscope.ingest import ingest_plans
from callscope.settle import settle_pending
from callscope.simulation import CallPlan
from callscope.vocabulary import Platform
from tests.bench.bench_data import bench
from tests.bench.bench_load import Load
from tests.bench.bench_reads import Server, body, callscope

CALLS = {"a call of ten": (8, 300, 200), "a call of a thousand": (998, 20, 2000)}
"""Subscribers beside two who publish, batches that come to it, and milliseconds that are good enough."""
PAUSE = 0.002
"""Between two questions, s: who asks takes no processor from who settles."""
QUERY = "query ($call: String!) { call(callId: $call) { statistics { connectionCount } } }"


@dataclass
class Client:
    """One connection that is kept alive, for one question after the other."""

    server: Server

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(self.server.address).netloc)

    def post(self, path: str, content: bytes) -> dict:
        headers = {"Authorization": f"Bearer {self.server.key}", "Content-Type": "application/json"}
        self.connection.request("POST", path, content, headers)
        answer = orjson.loads(self.connection.getresponse().read())
        assert "errors" not in answer, answer
        return answer

    def count(self, call: str) -> int:
        found = self.post("/graphql", body(QUERY, {"call": call}))["data"]["call"]
        return found["statistics"]["connectionCount"]


def batches(call: str, number: int, started_at: datetime) -> Iterator[bytes]:
    """Each of one who comes, in three records."""
    for each in range(number):
        at = started_at + timedelta(milliseconds=each)
        who = {"callId": call, "participantId": f"late-{each}"}
        event = {"type": "event", "at": at.isoformat(), "category": "CONNECTION", "name": "Join"}
        connection = {"type": "connection", "connectionId": f"late-{each}", "connectedAt": at.isoformat()}
        yield b"\n".join(orjson.dumps(who | record) for record in ({"type": "participant"}, connection, event))


async def run(folder: Path) -> None:
    async with bench(folder, fill=False) as found:
        now = datetime.now(UTC).replace(microsecond=0)
        print(f"{'milliseconds until a batch shows':34}{'batches':>9}{'p50':>8}{'p99':>8}{'target':>8}")
        for name, (subscribers, number, target) in CALLS.items():
            call = f"{name} {now:%H:%M:%S}"
            plan = CallPlan(call, Platform.VONAGE, now - timedelta(minutes=5), 5, 2, subscribers, interval_seconds=60)
            await ingest_plans(found.connection, found.database_url, found.project_id, [plan])
            await settle_pending(found.connection, project_id=found.project_id)
            with callscope(found) as server:
                load = await asyncio.to_thread(measure, Client(server), call, list(batches(call, number, now)))
            print(f"{name:34}{number:9}{load.percentile(0.5):8.1f}{load.percentile(0.99):8.1f}{target:8}")


def measure(client: Client, call: str, sent: list[bytes]) -> Load:
    found = Load(0.0)
    known = client.count(call)
    for number, content in enumerate(sent, known + 1):
        client.post("/ingest", content)
        since = time.perf_counter()
        while client.count(call) < number:
            time.sleep(PAUSE)
        found.latencies.append(time.perf_counter() - since)
    return found
