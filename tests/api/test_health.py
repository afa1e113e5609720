"""Whether the server lives, and whether it can answer."""

import asyncio

import httpx
import pytest

from callscope.api import health
from callscope.app import create_app
from callscope.storage.pool import Pool
from tests.inspector import Inspector

NOBODY = "postgresql://nobody@127.0.0.1:1/none"


async def asked(path: str, database_url: str) -> httpx.Response:
    """Without a key: what watches a server has none."""
    transport = httpx.ASGITransport(create_app(database_url, settling=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://callscope") as client:
        return await client.get(path)


async def test_a_server_is_ready_while_its_database_answers(filled: Inspector) -> None:
    response = await asked("/health/ready", filled.database_url)
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


async def test_a_server_lives_without_a_database_and_is_not_ready() -> None:
    response = await asked("/health/live", NOBODY)
    assert (response.status_code, response.json()) == (200, {"status": "live"})
    response = await asked("/health/ready", NOBODY)
    assert (response.status_code, response.json()["status"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "1"
    assert "127.0.0.1" not in response.text


async def test_a_busy_pool_is_no_outage(filled: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    async def exhausted(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(Pool, "read", exhausted)
    assert (await asked("/health/ready", filled.database_url)).status_code == 200


async def test_a_database_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.05)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        response = await asked("/health/ready", f"postgresql://nobody@127.0.0.1:{port}/none?sslmode=disable")
    assert response.status_code == 503


async def test_a_database_that_is_gone_makes_the_server_unready(filled: Inspector) -> None:
    response = await asked("/health/ready", filled.database_url + "_gone")
    assert (response.status_code, response.json()["status"]) == (503, "unavailable")
