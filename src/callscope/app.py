"""The Starlette application."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from callscope.api.admission import Admission
from callscope.api.cache import SummaryCache
from callscope.api.cors import Cors
from callscope.api.export import ExportEndpoint
from callscope.api.graphql import GraphQLEndpoint
from callscope.api.health import HealthEndpoint
from callscope.api.ingest import IngestEndpoint
from callscope.api.inspections import Inspections
from callscope.api.keys import Keyring
from callscope.api.metrics import Metrics, MetricsEndpoint, MetricsMiddleware
from callscope.api.persisted import PersistedDocuments
from callscope.api.redis import Redis
from callscope.api.signatures import Signatures
from callscope.downloads import Downloads
from callscope.geoip import Locate
from callscope.maintenance import Maintainer
from callscope.schema.root import engine
from callscope.settle import Settler
from callscope.storage.pool import Pool
from callscope.storage.timeseries import Partitions
from callscope.telemetry import json_schema
from callscope.web.playground import playground_routes

EXPOSED = ["accept-ranges", "content-disposition", "content-range", "etag", "retry-after", "www-authenticate"]
"""Headers of answers that pages of other origins may read."""


def create_app(
    database_url: str,
    redis_url: str | None = None,
    *,
    pool_size: int = 16,
    cors_origins: Sequence[str] = ("*",),
    settling: bool = True,
    maintaining: bool = True,
    ingest_requests: int = 64,
    ingest_bytes: int = 2**30,
    vonage_secrets: Sequence[str] = (),
    vonage_project: str = "default",
    locate: Locate | None = None,
    metrics_key: str | None = None,
    read_database_url: str | None = None,
    cache_bytes: int = 64 * 2**20,
) -> Starlette:
    """The server on a migrated database. In its background it settles what is ingested and removes what has passed its time,
    unless another process does.

    Half of the pool's connections are left to readers, however much is ingested. Where there is a replica to read, readers have
    as many connections to that.
    """
    pool = Pool(database_url, size=pool_size)
    readers = Pool(read_database_url, size=pool_size, reads_only=True) if read_database_url is not None else pool
    keyring = Keyring(pool)
    settler = Settler(database_url)
    redis = Redis(redis_url)
    documents = PersistedDocuments(redis)
    inspections = Inspections(pool)
    downloads = Downloads(pool, at_once=max(pool_size // 4, 1))
    export = ExportEndpoint(pool, keyring, downloads)
    metrics = Metrics()
    cache = SummaryCache(redis, size=cache_bytes, metrics=metrics)
    graphql = GraphQLEndpoint(engine(), pool, keyring, documents, inspections, readers=readers, cache=cache)
    admission = Admission(requests=ingest_requests, size=ingest_bytes, writers=max(pool_size // 2, 1))
    ingest = IngestEndpoint(
        pool,
        Partitions(database_url),
        keyring,
        settler.changed,
        admission=admission,
        metrics=metrics,
        signatures=Signatures(vonage_secrets, vonage_project),
        locate=locate,
    )
    metrics.watch(admission, pool, readers, redis)
    maintainer = Maintainer(database_url, metrics.removed)
    figures = MetricsEndpoint(metrics, database_url, metrics_key)
    health = HealthEndpoint(*{database_url, read_database_url or database_url})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(pool)
            if readers is not pool:
                await stack.enter_async_context(readers)
            await stack.enter_async_context(redis)
            stack.push_async_callback(cache.close)
            stack.push_async_callback(downloads.close)
            stack.push_async_callback(inspections.close)
            if settling:
                stack.push_async_callback(_cancelled, asyncio.create_task(settler.run()))
            if maintaining:
                stack.push_async_callback(_cancelled, asyncio.create_task(maintainer.run()))
            yield

    return Starlette(
        routes=[
            Route("/graphql", graphql, methods=["GET", "POST"]),
            Route("/ingest", ingest.any_source, methods=["POST"]),
            Route("/ingest/{source}", ingest.source, methods=["POST"]),
            Route("/ingest/{source}/{key}", ingest.webhook, methods=["POST"]),
            Route("/export/{call:path}", export.answer, methods=["GET"]),
            Route("/telemetry.schema.json", telemetry_schema),
            Route("/health/live", health.live),
            Route("/health/ready", health.ready),
            Route("/metrics", figures.answer),
            *playground_routes(),
        ],
        # Any origin is safe to allow: the key travels in a header, and a browser sends none by itself.
        middleware=[
            Middleware(MetricsMiddleware, metrics),
            Middleware(
                Cors,
                allow_origins=cors_origins,
                allow_methods=["GET", "POST"],
                allow_headers=["*"],
                expose_headers=EXPOSED,
                max_age=7200,
            ),
        ],
        lifespan=lifespan,
    )


async def telemetry_schema(_: Request) -> Response:
    return JSONResponse(json_schema(), media_type="application/schema+json")


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
