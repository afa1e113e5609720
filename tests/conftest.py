"""What many tests need: servers, an empty database, an empty cache, a data folder, and the shared telemetry."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import redis
from hypothesis import settings

from callscope.api.keys import Keyring
from callscope.ingest import ingest_plans
from callscope.storage.embedded import Endpoints, embedded_servers
from callscope.storage.migrations import migrate
from callscope.storage.pool import connect
from tests.aging import use_again
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.plans import sample_plans
from tests.saving import saved

# The same examples each time, wherever the tests run.
settings.register_profile("callscope", derandomize=True, database=None, deadline=None)
settings.load_profile("callscope")

MEMORY, MEMORY_BYTES = Path("/dev/shm"), 4 * 2**30
"""A folder without a disk, where there is one with enough room: each test copies a database, which is five hundred files."""


@pytest.fixture(scope="session")
def new_data_dir() -> Iterator[Callable[[], Path]]:
    """Makes data folders that the account of root's servers can reach, which pytest's own temporary folders are not."""
    made: list[Path] = []
    within = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES else None

    def make() -> Path:
        folder = Path(tempfile.mkdtemp(prefix="callscope-test-", dir=within))
        folder.chmod(0o711)
        made.append(folder)
        return folder

    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def data_dir(new_data_dir) -> Path:
    """A fresh data folder."""
    return new_data_dir()


@pytest.fixture(scope="session")
def servers(new_data_dir) -> Iterator[Endpoints]:
    """PostgreSQL and Redis for the whole run: the embedded ones, or what two variables name in their place."""
    database_url, redis_url = (os.environ.get(f"CALLSCOPE_TEST_{name}_URL") for name in ("DATABASE", "REDIS"))
    if database_url and redis_url:
        yield Endpoints(database_url, redis_url)
        return
    with embedded_servers(new_data_dir(), durable=False) as own:
        yield Endpoints(database_url or own.database_url, redis_url or own.redis_url)


@asynccontextmanager
async def new_database(servers: Endpoints, template: str | None = None) -> AsyncIterator[str]:
    """A database that nobody else uses, empty or a copy of another one."""
    name = f"callscope_test_{uuid4().hex}"
    admin = await asyncpg.connect(servers.database_url)
    try:
        copied = f" template {urlsplit(template).path[1:]} strategy file_copy" if template else ""
        await admin.execute(f"create database {name}{copied}")
        yield urlsplit(servers.database_url)._replace(path=f"/{name}").geturl()
        await admin.execute(f"drop database {name} with (force)")
    finally:
        await admin.close()


@pytest.fixture
async def database_url(servers) -> AsyncIterator[str]:
    """A new, empty database."""
    async with new_database(servers) as url:
        yield url


@asynccontextmanager
async def new_template(servers: Endpoints) -> AsyncIterator[str]:
    """A migrated database to make others from."""
    async with new_database(servers) as url:
        connection = await connect(url)
        await migrate(connection)
        await connection.close()
        await close(servers, url)
        yield url


async def close(servers: Endpoints, url: str) -> None:
    """Nobody can connect to a database any more, or TimescaleDB's workers would, and it could not be copied."""
    name, admin = urlsplit(url).path[1:], await asyncpg.connect(servers.database_url)
    await admin.execute(f"alter database {name} allow_connections false")
    await admin.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1", name)
    await admin.close()


@pytest.fixture(scope="session")
async def migrated(servers) -> AsyncIterator[str]:
    async with new_template(servers) as url:
        yield url


@pytest.fixture
async def inspector(servers, migrated) -> AsyncIterator[Inspector]:
    """An application on a fresh database."""
    async with new_database(servers, template=migrated) as url, running(url) as found:
        yield found


@pytest.fixture(scope="module")
async def filled(servers, migrated) -> AsyncIterator[Inspector]:
    """An application on a database with simulated calls, for all tests of a module: they must only read."""
    async with new_database(servers, template=migrated) as url, running(url) as found:
        await ingest_plans(found.connection, url, found.project_id, sample_plans())
        await found.settle()
        await saved(found, "room", "The room", tags=["kept"])
        yield found


@pytest.fixture(scope="session")
async def used_again(servers, migrated) -> AsyncIterator[str]:
    """A database to make others from, with a room that was used twice and a call beside it."""
    async with new_database(servers, template=migrated) as url:
        async with running(url) as found:
            await use_again(found)
        await close(servers, url)
        yield url


@pytest.fixture
async def aging(servers, used_again, monkeypatch) -> AsyncIterator[Inspector]:
    """An application on such a database, which a test may change. What ages is seen at once."""
    monkeypatch.setattr(Keyring, "REMEMBER_SECONDS", 0.0)
    async with new_database(servers, template=used_again) as url, running(url) as found:
        yield found


@pytest.fixture
def redis_url(servers) -> str:
    """An emptied logical database of Redis."""
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushdb()
    return servers.redis_url


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is waited for: the machine that runs the tests may be busy."""
    monkeypatch.setattr("callscope.api.redis.PATIENCE_SECONDS", 10.0)
    monkeypatch.setattr("callscope.api.redis.ANSWER_SECONDS", 20.0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real telemetry, which is not part of the project; without it the test is skipped."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CALLSCOPE_TEST_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}")
    return folder
