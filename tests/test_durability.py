"""What was acknowledged stays, once, whatever is killed: the server, PostgreSQL's backends, or PostgreSQL itself.

Real processes and real kills, while clients send and send again what was not acknowledged, as clients do.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from callscope.api.keys import create
from callscope.simulation import simulate_call
from callscope.storage.embedded import embedded_servers
from callscope.storage.migrations import migrate
from callscope.storage.pool import connect
from tests.commands.command import PROGRAM, environment, free_port
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.plans import sample_plans
from tests.test_ingest import answers, differences

PLANS = sample_plans()[:4]
CALLS = sorted({plan.call_id for plan in PLANS})
CLIENTS, BATCHES = 4, 48
PATIENCE = 60.0

# What was told, without what settling derives.
COUNTS = """
select (select count(*) from live.record where project_id = $1), (select count(*) from live.event where project_id = $1),
    (select count(*) from live.metric_sample where project_id = $1)
        - (select coalesce(sum(sample_count), 0) from live.metric_series where project_id = $1 and is_derived)
"""
OTHER_BACKENDS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


def batches() -> list[bytes]:
    """Each tells of all calls, so that those who send at once write the same calls."""
    records = [record for plan in PLANS for record in simulate_call(plan)]
    lines = [record.model_dump_json(by_alias=True, exclude_none=True).encode() for record in records]
    return [b"\n".join(lines[number::BATCHES]) for number in range(BATCHES)]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        for _ in count():
            if await condition():
                return
            await asyncio.sleep(0.02)


@dataclass
class Server:
    """``callscope serve`` on a database, at one address however often it is started."""

    database_url: str
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> None:
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--port", str(self.port)],
            env=environment(CALLSCOPE_DATABASE_URL=self.database_url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    async def start(self) -> None:
        self.launch()
        await until(self._answers)

    async def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"{self.address}/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    def end(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(PATIENCE)


@dataclass
class Sender:
    """Clients that send all batches, each until it is acknowledged."""

    server: Server
    key: str
    refused: int = 0
    broken: int = 0
    acknowledged: int = 0
    _progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def reached(self, number: int) -> None:
        """Wait until so many batches are acknowledged."""
        async with self._progress:
            await self._progress.wait_for(lambda: self.acknowledged >= number)

    async def send(self, clients: int) -> None:
        rest = batches()[::-1]
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._client(rest))

    async def _client(self, rest: list[bytes]) -> None:
        headers = {"authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(base_url=self.server.address, headers=headers, timeout=PATIENCE, trust_env=False) as client:
            while rest:
                batch = rest.pop()
                await until(lambda batch=batch: self._is_acknowledged(client, batch))
                async with self._progress:
                    self.acknowledged += 1
                    self._progress.notify_all()

    async def _is_acknowledged(self, client: httpx.AsyncClient, batch: bytes) -> bool:
        try:
            answer = await client.post("/ingest", content=batch)
        except httpx.TransportError:
            self.broken += 1
            return False
        if answer.status_code == 200:
            assert answer.json()["refused"] == []
            assert answer.json()["accepted"] == batch.count(b"\n") + 1
            return True
        # In no other form may a client be asked to try again.
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1"), answer.text
        (error,) = answer.json()["errors"]
        assert error["extensions"] in ({"code": "OVERLOADED"}, {"code": "TIMEOUT"})
        self.refused += 1
        return False


@asynccontextmanager
async def serving(database_url: str) -> AsyncIterator[Server]:
    server = Server(database_url)
    await server.start()
    try:
        yield server
    finally:
        server.end(signal.SIGTERM)


@asynccontextmanager
async def asking(server: Server) -> AsyncIterator[Inspector]:
    """The served API, with a project of its own, on connections of its own."""
    connection = await connect(server.database_url)
    try:
        key, project_id = await create(connection, uuid4().hex, "test")
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=server.address, headers=headers, timeout=PATIENCE, trust_env=False) as client:
            yield Inspector(client, connection, server.database_url, project_id, key)
    finally:
        await connection.close()


async def disturbed(server: Server, key: str, disturb: Callable[[], Awaitable[None]], *at: int) -> Sender:
    """Send all batches, and disturb as soon as so many are acknowledged."""
    sender = Sender(server, key)

    async def disturb_often() -> None:
        for number in at:
            await sender.reached(number)
            await disturb()

    async with asyncio.TaskGroup() as group:
        group.create_task(disturb_often())
        group.create_task(sender.send(CLIENTS))
    assert sender.acknowledged == BATCHES
    return sender


async def check(server: Server, key: str) -> None:
    """Everything is there once, and derived as in another project to which one client sent the same undisturbed."""
    async with asking(server) as undisturbed:
        sender = Sender(server, undisturbed.key)
        await sender.send(1)
        assert (sender.refused, sender.broken) == (0, 0)
        both = (replace(undisturbed, key=key, project_id=await project_of(undisturbed.connection, key)), undisturbed)
        stored, expected = [tuple(await each.connection.fetchrow(COUNTS, each.project_id)) for each in both]
        assert stored == expected
        assert min(stored) > 100
        # Nothing but the server settles here.
        await until(lambda: undisturbed.connection.fetchval("select not exists (select from live.call_change)"))
        told, expected = [await answers(each, *CALLS) for each in both]
        assert differences(told, expected) == []


async def project_of(connection: asyncpg.Connection, key: str) -> int:
    return await connection.fetchval("select project_id from callscope.api_key where secret_hash = sha256($1::text::bytea)", key)


@pytest.fixture
async def server(servers, migrated) -> AsyncIterator[Server]:
    async with new_database(servers, template=migrated) as url, serving(url) as found:
        yield found


async def test_killing_the_server_loses_and_repeats_nothing(server):
    async def kill() -> None:
        server.end(signal.SIGKILL)
        await server.start()

    async with asking(server) as found:
        sender = await disturbed(server, found.key, kill, 5, 20)
    assert sender.broken > 0
    await check(server, found.key)


async def test_ending_postgresqls_backends_loses_and_repeats_nothing(server):
    """All of them but the test's own, again and again."""
    ended = []
    async with asking(server) as found:

        async def end() -> None:
            ended.append(await found.connection.fetchval(f"select count(pg_terminate_backend(pid)) {OTHER_BACKENDS}"))

        sender = await disturbed(server, found.key, end, *range(3, 40, 3))
    assert sum(ended) > 5
    assert sender.refused > 0
    assert sender.broken == 0
    await check(server, found.key)


async def test_killing_postgresql_loses_and_repeats_nothing(data_dir):
    """A killed postmaster has to be started again; from the crash of a backend PostgreSQL recovers by itself."""
    with embedded_servers(data_dir) as endpoints:
        url = endpoints.database_url

        async def postmaster() -> int:
            return int((data_dir / "postgres/data/postmaster.pid").read_text().split()[0])

        async def backend() -> int:
            connection = await connect(url)
            try:
                return await connection.fetchval(f"select max(pid) {OTHER_BACKENDS} and backend_type = 'client backend'")
            finally:
                await connection.close()

        victims = iter([postmaster, backend])

        async def kill() -> None:
            victim, is_killed = next(victims), False
            while not is_killed:
                # A backend may end by itself meanwhile.
                with suppress(ProcessLookupError):
                    os.kill(await victim(), signal.SIGKILL)
                    is_killed = True
            await asyncio.to_thread(join, data_dir)

        connection = await connect(url)
        await migrate(connection)
        await connection.close()
        async with serving(url) as server:
            async with asking(server) as found:
                key = found.key
            sender = await disturbed(server, key, kill, 5, 20)
            assert next(victims, None) is None
            assert sender.refused > 0
            assert sender.broken == 0
            await check(server, key)


def join(data_dir: Path) -> None:
    """As any process does that comes to use the servers: it starts what does not run, and waits for what recovers."""
    with embedded_servers(data_dir):
        pass
