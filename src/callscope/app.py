"""The Starlette application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from callscope.api.graphql import GraphQLEndpoint
from callscope.api.health import HealthEndpoint
from callscope.api.ingest import IngestEndpoint
from callscope.api.keys import Keyring
from callscope.schema.root import engine
from callscope.settle import Settler
from callscope.storage.pool import Pool
from callscope.storage.timeseries import Partitions
from callscope.telemetry import json_schema
from callscope.web.playground import playground_routes


def create_app(database_url: str, *, pool_size: int = 16) -> Starlette:
    """The server on a migrated database. Its background settles what is ingested."""
    services: dict[str, object] = {}

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(Pool.open(database_url, size=pool_size))
            keyring = Keyring(pool)
            settler = Settler(database_url)
            services["graphql"] = GraphQLEndpoint(engine(), pool, keyring)
            services["ingest"] = IngestEndpoint(pool, Partitions(database_url), keyring, settler.changed)
            settling = asyncio.create_task(settler.run())
            try:
                yield
            finally:
                settling.cancel()
                with suppress(asyncio.CancelledError):
                    await settling

    async def graphql(request: Request) -> Response:
        endpoint = services["graphql"]
        assert isinstance(endpoint, GraphQLEndpoint)  # noqa: S101
        return await endpoint.answer(request)
    return Starlette(lifespan=lifespan)
