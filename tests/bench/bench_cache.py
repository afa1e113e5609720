"""Large meetings' summaries, kept: what Redis costs while it is slow, hung or stopped, and what keeping them saves.

Of two servers on one database, one has Redis behind a proxy and one has none. Before each round all calls get a new revision, so
that each request must find summaries that no server has yet: the most that Redis can cost.
"""

import asyncio
import selectors
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

from callscope.api.keys import create
from callscope.ingest import ingest_plans
from callscope.settle import settle_pending
from callscope.simulation import CallPlan, Fault, FaultKind
from callscope.vocabulary import Platform
from tests.bench.bench_data import Bench, bench
from tests.bench.bench_load import Client
from tests.bench.bench_reads import Server, body, serving
from tests.tcp_proxy import Proxy

PROJECT = "bench-cache"
CALLS = 100
ROUNDS = 20
CONNECTIONS = 4
SUBSCRIBERS = 1_000
REPEATS = 60
ALLOWED_MS = 20
TARGET = 10
DELAY = 0.2

ISSUES = "issueSummary { kind severity count participantCount recoveredCount totalSeconds }"
QUERY = f"query ($callId: String) {{ call(callId: $callId) {{ isLarge {ISSUES} meetings {{ nodes {{ {ISSUES} }} }} }} }}"
BANDS = "times seriesCounts bands { percentile values }"
TIMELINE = "stepSeconds times attempts successes failures"
VIEW = f"""query ($callId: String) {{ call(callId: $callId) {{
  isLarge statistics {{ participantCount subscriberCount errorCount }} failureRates {{ subscribe {{ attempts failures rate }} }}
  connectionSummary {{ {TIMELINE} }} subscriberSummary {{ {TIMELINE} }}
  bitrate: metricBands(metric: BITRATE, media: AUDIO, direction: SUBSCRIBE) {{ {BANDS} }}
  loss: metricBands(metric: PACKET_LOSS, media: AUDIO, direction: SUBSCRIBE) {{ {BANDS} }}
  jitter: metricBands(metric: JITTER, media: AUDIO, direction: SUBSCRIBE) {{ {BANDS} }}
  worstSeries(metric: PACKET_LOSS) {{ metric maximum participant {{ displayName }} }}
  {ISSUES}
}} }}"""
LARGE = "a-large-call"
BUMP = "update live.call set revision = revision + 1 where project_id = $1"


def plans(now: datetime) -> Iterator[CallPlan]:
    for number in range(CALLS):
        faults = (Fault(FaultKind.UPLINK_LOSS, 20, 60), Fault(FaultKind.CONNECTION_DROP, 90, 10, 1))
        yield CallPlan(f"small-{number}", Platform.VONAGE, now - timedelta(hours=1), 3, 3, 3, faults=faults)
    faults = tuple(Fault(FaultKind.DOWNLINK_LOSS, 60, 60, 1 + number) for number in range(0, SUBSCRIBERS, 2))
    yield CallPlan(LARGE, Platform.VONAGE, now - timedelta(hours=1), 5, 1, SUBSCRIBERS, faults=faults)


async def prepared(found: Bench) -> tuple[str, int]:
    """The key and number of a project of calls that are all large."""
    key, project_id = await create(found.connection, PROJECT, "bench")
    if not await found.connection.fetchval("select exists (select from live.call where project_id = $1)", project_id):
        await found.connection.execute(
            "update callscope.project set large_meeting_subscribers = 1 where project_id = $1", project_id
        )
        await ingest_plans(found.connection, found.database_url, project_id, plans(datetime.now(UTC).replace(microsecond=0)))
        await settle_pending(found.connection, project_id=project_id)
        await found.connection.execute("vacuum analyze")
    return key, project_id


def asked(server: Server, requests: list[bytes]) -> list[float]:
    """Milliseconds of each request, sent once, over a few connections at a time."""
    url, turn, latencies = urlsplit(server.address), iter(requests), []
    with selectors.DefaultSelector() as selector:
        open_clients = [Client((url.hostname, url.port), turn) for _ in range(min(CONNECTIONS, len(requests)))]
        for client in open_clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        while len(latencies) < len(requests):
            for key, _ in selector.select(10.0):
                if key.data.receive():
                    latencies.append((time.perf_counter() - key.data.since) * 1000)
                    try:
                        key.data.send()
                    except StopIteration:
                        selector.unregister(key.data.socket)
        for client in open_clients:
            client.socket.close()
    return latencies


def percentile(latencies: list[float], share: float) -> float:
    return sorted(latencies)[int(share * (len(latencies) - 1))]


@contextmanager
def proxied(redis_url: str) -> Iterator[tuple[Proxy, asyncio.AbstractEventLoop]]:
    """A proxy in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    made = Proxy(redis_url)
    made.is_hung = False

    def run(work) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(10)

    run(made.start())
    try:
        yield made, run
    finally:
        run(made.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def awaited(server: Server) -> None:
    """Until it asks its Redis again."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with urlopen(f"{server.address}/metrics") as answer:
            if b"callscope_redis_up 1.0" in answer.read():
                return
        time.sleep(0.1)
    raise TimeoutError("the server does not ask its Redis again")


class Run:
    """One run of all."""

    def __init__(self, found: Bench, key: str, project_id: int, loop: asyncio.AbstractEventLoop) -> None:
        self.found = found
        self.key = key
        self.project_id = project_id
        self.loop = loop

    def new_revision(self) -> None:
        """Of each call, as settling makes it."""
        asyncio.run_coroutine_threadsafe(self.found.connection.execute(BUMP, self.project_id), self.loop).result(60)

    def small(self, server: Server) -> list[bytes]:
        """The summaries of each small call and of its meeting."""
        return [server.request("/graphql", body(QUERY, {"callId": f"small-{number}"})) for number in range(CALLS)]

    def large(self, server: Server) -> list[bytes]:
        """The whole view of the large call."""
        return [server.request("/graphql", body(VIEW, {"callId": LARGE}))]

    def server(self, redis_url: str | None) -> AbstractContextManager[Server]:
        command = "from callscope.cli import main; raise SystemExit(main())"
        urls = {"CALLSCOPE_DATABASE_URL": self.found.database_url, "CALLSCOPE_REDIS_URL": redis_url or ""}
        return serving(self.key, "-c", command, "serve", "--port", "0", **urls)

    def measure(self) -> None:
        print(f"{ROUNDS} rounds of {CALLS} requests, {CONNECTIONS} at a time, none of them known; ms")
        print(f"{'Redis':10}{'p50':>8}{'p99':>8}{'max':>8}{'none p50':>10}{'p99':>8}{'max':>8}{'p99 more':>10}{'allowed':>9}")
        with proxied(self.found.redis_url) as (proxy, run), self.server(None) as alone:
            with self.server(self.found.redis_url) as ours:
                self.compare("fine", ours, alone)
            with self.server(proxy.url) as ours:
                for trouble in ("slow", "hung", "stopped"):
                    for server in (ours, alone):
                        asked(server, self.small(server))
                    if trouble == "stopped":
                        run(proxy.stop())
                    proxy.delay = DELAY if trouble == "slow" else 0
                    proxy.is_hung = trouble == "hung"
                    self.compare(trouble, ours, alone)
                    if trouble == "stopped":
                        run(proxy.start())
                    proxy.delay, proxy.is_hung = 0, False
                    awaited(ours)
        with self.server(self.found.redis_url) as one, self.server(self.found.redis_url) as two:
            self.savings(one, two)

    def compare(self, trouble: str, ours: Server, alone: Server) -> None:
        latencies: dict[Server, list[float]] = {ours: [], alone: []}
        for number in range(ROUNDS):
            self.new_revision()
            for server in (ours, alone) if number % 2 else (alone, ours):
                latencies[server] += asked(server, self.small(server))
        figures = [percentile(latencies[server], share) for server in (ours, alone) for share in (0.5, 0.99, 1.0)]
        text = "".join(f"{figure:{width}.2f}" for figure, width in zip(figures, (8, 8, 8, 10, 8, 8), strict=True))
        print(f"{trouble:10}{text}{figures[1] - figures[4]:10.2f}{ALLOWED_MS:9}", flush=True)

    def savings(self, one: Server, two: Server) -> None:
        """Of one large call: computed by one server, found by another one in Redis, and in memory."""
        latencies: dict[str, list[float]] = {"computed": [], "in Redis": [], "in memory": []}
        for server in (one, two):
            asked(server, self.large(server) * 3)
        for number in range(REPEATS):
            self.new_revision()
            first, second = (one, two) if number % 2 else (two, one)
            latencies["computed"] += asked(first, self.large(first))
            time.sleep(0.02)
            latencies["in Redis"] += asked(second, self.large(second))
            latencies["in memory"] += asked(second, self.large(second))
        cold = statistics.median(latencies["computed"])
        print(f"\nThe whole view of a call of {SUBSCRIBERS} subscribers, {REPEATS} revisions; ms")
        print(f"{'':12}{'p50':>8}{'p99':>8}{'ratio':>8}{'target':>8}")
        for name, found in latencies.items():
            middle = statistics.median(found)
            target = "" if name == "computed" else TARGET
            print(f"{name:12}{middle:8.2f}{percentile(found, 0.99):8.2f}{cold / middle:8.1f}{target:>8}")


async def run(folder: Path) -> None:
    async with bench(folder, fill=False) as found:
        key, project_id = await prepared(found)
        await asyncio.to_thread(Run(found, key, project_id, asyncio.get_running_loop()).measure)
