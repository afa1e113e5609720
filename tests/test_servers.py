"""Which servers are used: those of the settings, or our own."""

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
