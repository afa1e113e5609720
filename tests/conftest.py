"""What many tests need: servers, an empty database, an empty cache, a data folder, and the shared telemetry."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import redis

from callscope.storage.embedded import Endpoints, embedded_servers


@pytest.fixture(scope="session")
def new_data_dir() -> Iterator[Callable[[], Path]]:
    """Makes data folders that the account of root's servers can reach, which pytest's own temporary folders are not."""
    made: list[Path] = []

    def make() -> Path:
        folder = Path(tempfile.mkdtemp(prefix="callscope-test-"))
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
    """PostgreSQL and Redis for the whole run: the embedded ones, or those that two variables name."""
    database_url, redis_url = (os.environ.get(f"CALLSCOPE_TEST_{name}_URL") for name in ("DATABASE", "REDIS"))
    if database_url and redis_url:
        yield Endpoints(database_url, redis_url)
        return
    with embedded_servers(new_data_dir(), durable=False) as endpoints:
        yield endpoints


@pytest.fixture
async def database_url(servers) -> AsyncIterator[str]:
    """A new, empty database."""
    name = f"callscope_test_{uuid4().hex}"
    admin = await asyncpg.connect(servers.database_url)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        yield urlsplit(servers.database_url)._replace(path=f"/{name}").geturl()
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
def redis_url(servers) -> str:
    """An emptied logical database of Redis."""
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushdb()
    return servers.redis_url


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real telemetry, which is not part of the project; without it the test is skipped."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CALLSCOPE_TEST_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}")
    return folder
