"""Which servers are used: those of the settings, or our own."""

import os
import signal
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from callscope import servers as module
from callscope.servers import Servers, servers
from callscope.settings import Settings
from callscope.storage.embedded import EmbeddedServersUnavailable, Endpoints


@pytest.fixture
def embedded(monkeypatch):
    """Stands in for servers of our own; notes what happens to them."""
    noted = []

    @contextmanager
    def stand_in(data_dir):
        noted.append(f"started in {data_dir}")
        yield Endpoints("postgresql://own", "unix://own")
        noted.append("left")

    monkeypatch.setattr(module, "embedded_servers", stand_in)
    return noted


def test_without_urls_our_own_are_used_for_as_long_as_they_are_needed(embedded):
    with servers(Settings(Path("/data"))) as found:
        assert found == Servers("postgresql://own", "unix://own")
        assert embedded == ["started in /data"]
    assert embedded == ["started in /data", "left"]


@pytest.mark.parametrize("redis", ["redis://given", None])
def test_with_a_database_none_are_started(embedded, redis):
    """Not even for Redis: it holds nothing that an answer needs."""
    with servers(Settings(Path("/data"), "postgresql://given", redis)) as found:
        assert found == Servers("postgresql://given", redis)
    assert embedded == []


def test_a_redis_of_the_settings_is_used_beside_our_own_database(embedded):
    with servers(Settings(Path("/data"), None, "redis://given")) as found:
        assert found == Servers("postgresql://own", "redis://given")


def test_a_folder_that_cannot_be_one_is_told(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(EmbeddedServersUnavailable, match=rf"cannot keep data in {tmp_path}/file: File exists"),
        servers(Settings(tmp_path / "file")),
    ):
        pass


def test_an_error_of_those_who_use_them_stays_what_it_is(embedded):
    with pytest.raises(FileNotFoundError), servers(Settings(Path("/data"))):
        raise FileNotFoundError


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_ends_what_starts_them_at_once(monkeypatch, number, raised):
    @contextmanager
    def slow(data_dir):
        os.kill(os.getpid(), number)
        raise AssertionError("the signal came too late")
        yield

    monkeypatch.setattr(module, "embedded_servers", slow)
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(raised), servers(Settings(Path("/data"))):
        pass
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


def test_while_they_are_used_signals_are_whose_they_were(embedded):
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    with servers(Settings(Path("/data"))):
        assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


def test_they_can_be_started_beside_the_main_thread(embedded):
    """Where Python takes no signals."""
    found = []

    def start():
        with servers(Settings(Path("/data"))) as started:
            found.append(started)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert found == [Servers("postgresql://own", "unix://own")]
