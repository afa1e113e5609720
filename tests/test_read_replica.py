"""Reads from a streaming replica, and all else from the primary: with real servers of the test's own."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import pytest

from callscope.api.graphql import CHANGED_BY_CLIENTS
from callscope.ingest import ingest_plans
from callscope.query.parameters import Reader
from callscope.schema.root import engine
from callscope.storage import postgres_server
from callscope.storage.file_lock import FileLock
from callscope.storage.migrations import migrate
from callscope.storage.pool import connect
from callscope.storage.postgres_server import DATABASE, PORT, ROLE, PostgresServer
from callscope.storage.server_account import current_account
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.plans import sample_plans

REPLICATED = {"wal_level": "replica", "max_wal_senders": "4", "max_connections": "40", "shared_buffers": "16MB"}
CALLS = "{ calls { totalCount } }"


class Standby(PostgresServer):
    """A PostgreSQL that follows another one."""

    def __init__(self, data_dir: Path, primary: PostgresServer) -> None:
        super().__init__(data_dir, socket_folder(), primary.account, durable=False)
        self.primary = primary

    def prepare(self, lock: FileLock) -> None:
        if not self.data.exists():
            self.data.mkdir()
            self.account.own(self.data)
            with self.place(self.data) as (data, descriptors):
                source = ["-h", str(self.primary.sockets), "-p", str(PORT), "-U", ROLE]
                options = ["-D", data, "-R", "--checkpoint=fast", "--no-sync"]
                self._run([self._program("pg_basebackup"), *source, *options], (lock.descriptor, *descriptors))


def socket_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="callscope-"))
    current_account().admit(folder, write=True)
    return folder


@contextmanager
def running_server(server: PostgresServer) -> Iterator[str]:
    with closing(server):
        try:
            server.start()
            yield f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(server.sockets), safe='/')}"
        finally:
            server.stop()
            shutil.rmtree(server.sockets)


@dataclass
class Pair:
    """A primary and its replica."""

    database_url: str
    read_url: str
    standby: Standby


@dataclass
class Replicated:
    """An application that reads from the replica, and a connection to that."""

    inspector: Inspector
    replica: asyncpg.Connection
    standby: Standby

    async def caught_up(self) -> None:
        position = await self.inspector.connection.fetchval("select pg_current_wal_insert_lsn()::text")
        await until(lambda: self.replica.fetchval("select pg_last_wal_replay_lsn() >= $1::text::pg_lsn", position))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(2_000):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


@pytest.fixture(scope="module")
async def pair(new_data_dir) -> AsyncIterator[Pair]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(postgres_server, "SETTINGS", postgres_server.SETTINGS | REPLICATED)
        primary = PostgresServer(new_data_dir(), socket_folder(), current_account(), durable=False)
        with running_server(primary) as database_url:
            connection = await connect(database_url)
            await migrate(connection)
            await connection.close()
            standby = Standby(new_data_dir(), primary)
            with running_server(standby) as read_url:
                yield Pair(database_url, read_url, standby)


@pytest.fixture
async def replicated(pair: Pair) -> AsyncIterator[Replicated]:
    replica = await asyncpg.connect(pair.read_url)
    async with running(pair.database_url, uuid4().hex, read_database_url=pair.read_url) as found:
        yield Replicated(found, replica, pair.standby)
    await replica.close()


async def test_reads_go_to_the_replica_and_all_else_to_the_primary(replicated: Replicated) -> None:
    found, replica = replicated.inspector, replicated.replica
    await ingest_plans(found.connection, found.database_url, found.project_id, sample_plans()[2:3])
    await found.connection.execute("update callscope.project set large_meeting_subscribers = 5")
    await found.settle()
    await replicated.caught_up()
    await replica.execute("select pg_wal_replay_pause()")
    await until(lambda: replica.fetchval("select pg_get_wal_replay_pause_state() = 'paused'"))

    # What is written from here on is on the primary alone.
    answer = await found.client.post("/ingest", content=b'{"type":"participant","callId":"new","participantId":"p"}\n')
    assert answer.json()["accepted"] == 1
    await found.settle()
    assert await found.connection.fetchval("select count(*) from live.call") == 2
    assert (await found.query(CALLS))["calls"]["totalCount"] == 1
    assert (await found.query('{ call(callId: "new") { id } }'))["call"] is None
    text = '{ call(callId: "broadcast") { id isLarge issueSummary { kind count } } }'
    call = (await found.query(text))["call"]
    assert call["isLarge"]

    save = 'mutation ($id: ID!) { saveSession(input: {callId: $id, name: "kept"}) { savedSession { name } errors { code } } }'
    assert (await found.query(save, id=call["id"]))["saveSession"] == {"savedSession": {"name": "kept"}, "errors": []}
    # What clients changed, any of them sees with its next read.
    kept = "{ savedSessions { nodes { name call { callId participants { totalCount } } } } project { savedSessionCount } }"
    answer = await found.query(kept)
    assert answer["project"] == {"savedSessionCount": 1}
    (session,) = answer["savedSessions"]["nodes"]
    assert (session["name"], session["call"]["callId"]) == ("kept", "broadcast")
    saved_id = f"saved{call['id']}"
    assert (await found.query("query ($id: ID!) { node(id: $id) { id } }", id=saved_id))["node"] == {"id": saved_id}
    assert (await found.query("{ calls(filter: {isSaved: true}) { nodes { callId } } }"))["calls"]["nodes"] == [
        {"callId": "broadcast"}
    ]
    assert (await found.query('{ call(callId: "broadcast") { savedSession { name } } }'))["call"]["savedSession"] == {
        "name": "kept"
    }
    # A server finds again what it noted itself.
    assert (await found.query("{ recentlyInspectedCalls { callId } }"))["recentlyInspectedCalls"] == [{"callId": "broadcast"}]
    used = "select max(last_used_at) > min(created_at) from callscope.api_key"
    assert await found.connection.fetchval(used)

    await replica.execute("select pg_wal_replay_resume()")
    await replicated.caught_up()
    assert (await found.query(CALLS))["calls"]["totalCount"] == 2
    assert (await found.query("{ savedSessions { totalCount } }"))["savedSessions"]["totalCount"] == 1


@pytest.mark.parametrize(
    ("text", "is_fresh"),
    [
        ("{ savedSessions { totalCount } }", True),
        ("{ savedSessions { __typename } }", True),
        ('{ node(id: "savedcall_1") { id } }', True),
        ('{ nodes(ids: ["call_1", "savedmeeting_1_1"]) { __typename } }', True),
        ('{ evaluateIssues(callId: "savedcall_1", rules: []) { kind } }', True),
        ("{ project { savedSessionCount } }", True),
        ("{ calls(filter: {isSaved: true}) { totalCount } }", True),
        ("{ meetings { nodes { call { savedSession { id } } } } }", True),
        ("{ project { savedSessionLimit } calls { nodes { events { totalCount } } } }", False),
        ('{ node(id: "call_1") { id } evaluateIssues(callId: "call_1", rules: []) { kind } }', False),
    ],
)
def test_what_hangs_on_saved_sessions_is_read_from_the_primary(text: str, is_fresh: bool) -> None:
    made = engine()
    operation = made.operation(text, None)
    variables = operation.variables({})
    plan = made.plan(operation, variables).bound(Reader(1), variables)
    assert CHANGED_BY_CLIENTS.isdisjoint(plan.reads) is not is_fresh


async def test_without_its_replica_a_server_takes_telemetry_in_and_is_not_ready(replicated: Replicated) -> None:
    found = replicated.inspector
    assert (await found.client.get("/health/ready")).status_code == 200
    assert "callscope_read_pool_connections 16.0" in (await found.client.get("/metrics")).text
    await replicated.replica.close()
    replicated.standby.stop()
    assert (await found.post(CALLS)).status_code == 503
    assert (await found.client.get("/health/ready")).status_code == 503
    answer = await found.client.post("/ingest", content=b'{"type":"participant","callId":"new","participantId":"p"}\n')
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    replicated.standby.start()
    await until(lambda: answers(found))


async def answers(found: Inspector) -> bool:
    return (await found.post(CALLS)).status_code == 200
