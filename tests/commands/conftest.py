"""The command on a database of its own, and one demo for all tests that need a real one."""

import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.commands.command import Demo, Result, call, demo_on, leftovers, wait_until
from tests.conftest import new_database

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_settings(monkeypatch, tmp_path) -> Iterator[None]:
    """No setting of the caller's; a data folder that is not the user's; and SIGTERM as it was before."""
    for name in [name for name in os.environ if name.startswith("CALLSCOPE_") and not name.startswith("CALLSCOPE_TEST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLSCOPE_DATA_DIR", str(tmp_path / "data"))
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def run(capsys) -> Run:
    """Runs the command in this process, and stops it where it does not end."""

    def run(*words: object) -> Result:
        capsys.readouterr()
        patience = threading.Timer(30, os.kill, (os.getpid(), signal.SIGTERM))
        patience.start()
        try:
            status = call(*words)
        finally:
            patience.cancel()
        out, err = capsys.readouterr()
        return Result(status, out, err)

    return run


@pytest.fixture
async def database(servers, migrated, monkeypatch) -> AsyncIterator[str]:
    """A fresh, migrated database that the command works on."""
    async with new_database(servers, template=migrated) as url:
        monkeypatch.setenv("CALLSCOPE_DATABASE_URL", url)
        monkeypatch.setenv("CALLSCOPE_REDIS_URL", servers.redis_url)
        yield url


@pytest.fixture(scope="session")
def demo_after_broken_starts(new_data_dir) -> Iterator[Demo]:
    """A demo on a folder where two starts were killed: while PostgreSQL made its data folder, and while calls were filled in.

    Two more were told to stop while they filled calls in. All tests that use it prove that none of them left anything in the way.
    """
    with demo_on(new_data_dir()) as demo:
        demo.launch()
        wait_until((demo.data_dir / "postgres").exists)
        demo.end(signal.SIGKILL)
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            demo.launch()
            kept = demo.data_dir / "demo.key"
            wait_until(kept.exists)
            time.sleep(0.2)
            status = demo.end(number)
            kept.unlink()
            demo.broken_starts[number] = (status, leftovers(demo.data_dir), demo.output)
        yield demo


@pytest.fixture
def demo(demo_after_broken_starts) -> Demo:
    """The demo, running."""
    assert demo_after_broken_starts.client
    return demo_after_broken_starts
