"""``GET /metrics``: figures of this server for Prometheus. They name routes and sources, but no project, call or key.

They are those of one process. What waits for settling is asked of the database, for all processes, every few seconds at most.
"""

import asyncio
import secrets
import time
from collections import Counter as Tally
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import asyncpg
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callscope.api.admission import Admission
from callscope.api.redis import Redis
from callscope.maintenance import Removed
from callscope.sources.registry import SOURCES
from callscope.storage.pool import Pool

PATIENCE_SECONDS = 1.0
REMEMBER_SECONDS = 5.0
"""So often is the database asked, however many ask here."""
NO_ROUTE = "none"

WAITING = """
select count(distinct (project_id, call_key)), coalesce(extract(epoch from now() - min(changed_at)), 0)::float8
from live.call_change
"""


class Metrics:
    """What this server counts."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._accepted = Counter("callscope_ingest_accepted_rows", "Rows taken in.", ["source"], registry=registry)
        self._refused = Counter("callscope_ingest_refused_rows", "Rows refused.", ["source", "code"], registry=registry)
        labels = ["route", "method", "status"]
        self._requests = Counter("callscope_http_requests", "Requests answered.", labels, registry=registry)
        told = "Summaries of large meetings that were there, or waited for."
        self._found = Counter("callscope_summary_cache_hits", told, ["source"], registry=registry)
        told = "Summaries of large meetings that the database was asked for."
        self._missed = Counter("callscope_summary_cache_misses", told, registry=registry)
        for place in ("memory", "flight", "redis"):
            self._found.labels(place)
        self._removed = Counter(
            "callscope_maintenance_removed", "What retention took, by what it was.", ["what"], registry=registry
        )
        for source in SOURCES:
            self._accepted.labels(source)
        self.removed(Removed())
        self._of_requests: dict[tuple[str, str, int], Any] = {}

    def accepted(self, source: str, rows: int) -> None:
        self._accepted.labels(source).inc(rows)

    def refused(self, source: str, codes: Iterable[str]) -> None:
        for code, rows in Tally(codes).items():
            self._refused.labels(source, code).inc(rows)

    def removed(self, removed: Removed) -> None:
        for what, count in asdict(removed).items():
            self._removed.labels(what).inc(count)

    def answered(self, route: str, method: str, status: int) -> None:
        key = (route, method, status)
        counter = self._of_requests.get(key)
        if counter is None:
            counter = self._of_requests[key] = self._requests.labels(route, method, str(status))
        counter.inc()

    def summary_found(self, source: str) -> None:
        self._found.labels(source).inc()

    def summary_missed(self) -> None:
        self._missed.inc()

    def watch(self, admission: Admission, pool: Pool, readers: Pool, redis: Redis) -> None:
        """Tell how busy these are, as they are when asked."""
        gauges = {
            ("callscope_ingest_in_flight", "Requests that send, wait or are written."): lambda: admission.in_flight,
            ("callscope_ingest_writing", "Requests whose telemetry is being written."): lambda: admission.writing,
            ("callscope_ingest_held_bytes", "Bytes of bodies that are held or announced."): lambda: admission.bytes,
            ("callscope_pool_connections", "Connections to PostgreSQL that the pool may open."): lambda: pool.size,
            ("callscope_pool_busy_connections", "Connections to PostgreSQL that are in use."): lambda: pool.busy,
            ("callscope_redis_up", "1 while Redis is asked, 0 while it is left alone or there is none."): lambda: redis.is_there,
        }
        if readers is not pool:
            gauges |= {
                ("callscope_read_pool_connections", "Connections that may be open to read."): lambda: readers.size,
                ("callscope_read_pool_busy_connections", "Connections in use to read."): lambda: readers.busy,
            }
        for (name, description), value in gauges.items():
            Gauge(name, description, registry=self.registry).set_function(value)


class MetricsMiddleware:
    """Counts every answer by the path of its route, as declared: a path that is asked for may hold a key."""

    METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            method = scope["method"]
            path = getattr(scope.get("route"), "path", NO_ROUTE)
            self._metrics.answered(path, method if method in self.METHODS else "other", status)


class MetricsEndpoint:
    """Answers ``GET /metrics``, to anybody unless there is a key, which opens this alone."""

    def __init__(self, metrics: Metrics, database_url: str, key: str | None = None) -> None:
        self._metrics = metrics
        self._database_url = database_url
        self._key = key
        registry = metrics.registry
        self._up = Gauge("callscope_database_up", "1 where PostgreSQL answers, else 0.", registry=registry)
        self._pending = Gauge("callscope_settle_pending_calls", "Calls whose telemetry is not settled yet.", registry=registry)
        self._lag = Gauge("callscope_settle_lag_seconds", "Age of the oldest telemetry not settled yet.", registry=registry)
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")

    async def answer(self, request: Request) -> Response:
        if self._key is not None and not _opens(request.headers.get("authorization"), self._key):
            told = "Send the key of CALLSCOPE_METRICS_KEY as 'Authorization: Bearer KEY'."
            return Response(told, 401, {"www-authenticate": "Bearer"}, media_type="text/plain")
        async with self._asking:
            if time.monotonic() - self._asked_at >= REMEMBER_SECONDS:
                await self._ask()
                self._asked_at = time.monotonic()
        content = generate_latest(self._metrics.registry)
        return Response(content, headers={"content-type": CONTENT_TYPE_LATEST, "cache-control": "no-store"})

    async def _ask(self) -> None:
        pending, lag = float("nan"), float("nan")
        try:
            connection = await asyncpg.connect(self._database_url, timeout=PATIENCE_SECONDS)
            try:
                pending, lag = await connection.fetchrow(WAITING, timeout=PATIENCE_SECONDS)
            finally:
                await connection.close(timeout=PATIENCE_SECONDS)
            self._up.set(1)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._up.set(0)
        self._pending.set(pending)
        self._lag.set(lag)


def _opens(authorization: str | None, key: str) -> bool:
    scheme, _, given = (authorization or "").partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), key.encode())
