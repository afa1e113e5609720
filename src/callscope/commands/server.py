"""``demo`` and ``serve``."""

import argparse
import asyncio
import gc
import logging
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from urllib.parse import quote

import asyncpg
import orjson
import uvicorn

from callscope.api.keys import Scope, create, grant_of, project_of
from callscope.app import create_app
from callscope.commands import CommandError, database, database_at, ensure_migrated, say
from callscope.commands.progress import progress
from callscope.geoip import Locate, locating
from callscope.ingest import ingest_plans
from callscope.servers import servers
from callscope.settings import Settings
from callscope.settle import settle_pending
from callscope.simulation import demo_calls

GRACE_SECONDS = 5


class Server(uvicorn.Server):
    """Stops once: an impatient second Ctrl-C would cut off what ends by itself within the grace."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            super().handle_exit(sig, frame)


async def serve(settings: Settings, given: argparse.Namespace) -> None:
    """Serve until a signal comes."""
    locate = locating(settings.geoip_database)
    with _listening(settings, given) as listener, servers(settings) as found:
        async with database_at(found.database_url) as connection:
            await ensure_migrated(connection, own=settings.database_url is None)
        server = _server(found.database_url, found.redis_url, settings, locate)
        say(f"Callscope serves on {_address(listener)}")
        await server.serve(sockets=[listener])


async def demo(settings: Settings, given: argparse.Namespace) -> None:
    """Fill what is empty, serve, and say where and with which key."""
    told = settings.data_dir / "demo.json"
    locate = locating(settings.geoip_database)
    with _listening(settings, given) as listener:
        # Where it is, a server should be: a killed one could not take it away.
        told.unlink(missing_ok=True)
        async with database(settings) as (connection, found):
            key = await _usable_key(connection, given.project, settings.data_dir / "demo.key")
            await _fill(connection, found.database_url, given.project)
            server = _server(found.database_url, found.redis_url, settings, locate)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started and not serving.done():
                await asyncio.wait([serving], timeout=0.01)
            where = _where(_address(listener), key)
            try:
                if server.started:
                    _write_secret(told, where)
                    _announce(_address(listener), key)
                await serving
            finally:
                server.should_exit = True
                # Another demo on this folder may have told of itself since.
                if _read_secret(told) == where:
                    told.unlink(missing_ok=True)


def _listening(settings: Settings, given: argparse.Namespace) -> socket.socket:
    """Taken first, so that a taken port costs no other work."""
    host, port = given.host or settings.host, given.port if given.port is not None else settings.port
    # asyncio turns Nagle's algorithm off, which else delays answers by 40 ms, only where the socket names its protocol.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
        return listener
    except OSError as error:
        listener.close()
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}. Choose another one with --port.") from error


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{port}"


def _server(database_url: str, redis_url: str | None, settings: Settings, locate: Locate | None) -> uvicorn.Server:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    app = create_app(
        database_url,
        redis_url,
        pool_size=settings.pool_size,
        cors_origins=settings.cors_origins,
        ingest_requests=settings.ingest_requests,
        ingest_bytes=settings.ingest_bytes,
        vonage_secrets=settings.vonage_secrets,
        vonage_project=settings.vonage_project,
        locate=locate,
        metrics_key=settings.metrics_key,
        read_database_url=settings.read_database_url,
        cache_bytes=settings.cache_bytes,
    )
    # The schema is large and stays: without it, collecting garbage does not stop requests for tens of milliseconds.
    gc.collect()
    gc.freeze()
    # Settling a large call makes a million objects that are no garbage: looking for some at each 700 costs a third of the time.
    gc.set_threshold(100_000, 50, 100)
    # No log of addresses: those of webhooks hold a key.
    return Server(
        uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, server_header=False)
    )


async def _usable_key(connection: asyncpg.Connection, project: str, kept: Path) -> str:
    """The key of the last time where it still opens the project, else a new one."""
    known = _read_secret(kept)
    grant = await grant_of(connection, known)
    if grant is not None and grant.project_id == await project_of(connection, project):
        return known
    key, _ = await create(connection, project, "demo", frozenset(Scope))
    _write_secret(kept, key)
    return key


async def _fill(connection: asyncpg.Connection, database_url: str, project: str) -> None:
    project_id = await connection.fetchval("select project_id from callscope.project where name = $1", project)
    if not await connection.fetchval("select exists (select from live.record where project_id = $1)", project_id):
        plans = demo_calls(datetime.now(UTC))
        with progress("Simulating calls", len(plans)) as advance:
            await ingest_plans(connection, database_url, project_id, plans, advance)
    waiting = await connection.fetchval("select count(distinct call_key) from live.call_change where project_id = $1", project_id)
    if not waiting:
        return
    with progress("Settling calls", waiting) as advance:
        await settle_pending(connection, project_id=project_id, settled=advance)


def _where(address: str, key: str) -> str:
    content = {"graphqlUrl": f"{address}/graphql", "ingestUrl": f"{address}/ingest", "key": key}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()


def _announce(address: str, key: str) -> None:
    say(f"Callscope   {address}/graphql")
    say(f"Playground  {address}/#key={quote(key)}")
    say(f"Key         {key}")
    say("Ctrl-C stops everything.")


def _read_secret(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text("utf-8")
    return ""


def _write_secret(path: Path, content: str) -> None:
    """At once, so that nobody reads half of it, and for no other account."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - the descriptor carries the permissions
        file.write(content)
    new.replace(path)
