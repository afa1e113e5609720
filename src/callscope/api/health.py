"""Whether the server lives, and whether it can answer."""

import asyncio

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

PATIENCE_SECONDS = 1.0


class HealthEndpoint:
    """``live`` needs nothing; ``ready`` asks PostgreSQL on connections of its own, so that a busy pool is no outage."""

    def __init__(self, *database_urls: str) -> None:
        self._database_urls = database_urls

    async def live(self, request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(self, request: Request) -> Response:
        try:
            await asyncio.gather(*map(_ask, self._database_urls))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return JSONResponse({"status": "unavailable", "database": "does not answer"}, 503, {"retry-after": "1"})
        return JSONResponse({"status": "ready"})


async def _ask(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, timeout=PATIENCE_SECONDS)
    try:
        await connection.execute("select 1", timeout=PATIENCE_SECONDS)
    finally:
        await connection.close(timeout=PATIENCE_SECONDS)
