"""A running Callscope for tests: an application on a database of its own, with a project and a key."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from callscope.api.keys import create
from callscope.app import create_app
from callscope.ingest import Receipt, ingest
from callscope.settle import settle_pending
from callscope.storage.pool import connect
from callscope.storage.timeseries import Partitions
from callscope.telemetry import Telemetry


@dataclass
class Inspector:
    """The API as a client sees it, and the database behind it."""

    client: httpx.AsyncClient
    connection: asyncpg.Connection
    database_url: str
    project_id: int
    key: str

    async def query(self, text: str, /, **variables: Any) -> dict[str, Any]:
        """The data of an operation that must succeed."""
        answer = (await self.post(text, **variables)).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def post(self, text: str, /, **variables: Any) -> httpx.Response:
        headers = {"accept": "application/graphql-response+json"}
        return await self.client.post("/graphql", json={"query": text, "variables": variables}, headers=headers)

    async def tell(self, telemetry: Iterable[Telemetry], *, settled: bool = True) -> Receipt:
        """Take telemetry in, as ingest does."""

        async def batches() -> AsyncIterator[list[Telemetry]]:
            yield list(telemetry)

        receipt = await ingest(self.connection, Partitions(self.database_url), self.project_id, batches())
        if settled:
            await self.settle()
        return receipt

    async def settle(self) -> int:
        return await settle_pending(self.connection, project_id=self.project_id)


@asynccontextmanager
async def inspector(database_url: str, project: str = "test", **options: Any) -> AsyncIterator[Inspector]:
    """An application on a migrated database; nothing settles or is removed in its background, so that tests decide when."""
    connection = await connect(database_url)
    try:
        key, project_id = await create(connection, project, "test")
        app = create_app(database_url, settling=False, maintaining=False, **options)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://callscope", headers={"authorization": f"Bearer {key}"}
            ) as client,
        ):
            yield Inspector(client, connection, database_url, project_id, key)
    finally:
        await connection.close()
