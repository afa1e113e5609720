"""A served API, and the tools of frontend teams."""

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from callscope.app import create_app
from callscope.ingest import ingest_plans
from tests.clients.workshop import Workshop, installed_packages
from tests.conftest import new_database
from tests.inspector import inspector
from tests.plans import sample_plans


@dataclass(frozen=True)
class Api:
    """Where a server listens, and a key of it."""

    url: str
    key: str
    client: httpx.AsyncClient

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    async def ask(
        self, document: str | None, operation: str | None = None, *, sha256: str | None = None, **variables: Any
    ) -> Any:
        """The data of an operation that must succeed, of a document or of the one that its hash stands for."""
        persisted = {"persistedQuery": {"version": 1, "sha256Hash": sha256}} if sha256 else {}
        request = {"query": document, "operationName": operation, "variables": variables, "extensions": persisted}
        answer = (await self.client.post(self.url, json=request, headers=self.headers)).json()
        assert "errors" not in answer, (document, answer["errors"])
        return answer["data"]

    @property
    def environment(self) -> dict[str, str]:
        """For scripts."""
        return {"CALLSCOPE_URL": self.url, "CALLSCOPE_KEY": self.key}


@pytest.fixture(scope="session")
async def api(servers, migrated) -> AsyncIterator[Api]:
    """A real server on simulated calls."""
    async with new_database(servers, template=migrated) as url, inspector(url) as found:
        await ingest_plans(found.connection, url, found.project_id, sample_plans())
        await found.settle()
        with _served(url, servers.redis_url) as address:
            async with httpx.AsyncClient() as client:
                yield Api(f"{address}/graphql", found.key, client)


@contextmanager
def _served(database_url: str, redis_url: str) -> Iterator[str]:
    # Made in the server's thread: what it holds belongs to the event loop there.
    def app() -> Starlette:
        return create_app(database_url, redis_url, settling=False)

    config = uvicorn.Config(app, factory=True, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def packages() -> Path:
    """What package.json names; without Node.js, npm or its registry the test is skipped."""
    return installed_packages()


@pytest.fixture
def workshop(packages: Path, tmp_path: Path) -> Workshop:
    """A folder in which the tools work."""
    return Workshop.furnished(tmp_path, packages)
