"""The settings, and what they may be."""

from pathlib import Path

import platformdirs
import pytest

from callscope.settings import Settings, SettingsError


def test_without_any_it_works_in_the_users_data_folder_on_the_local_machine():
    assert Settings.read({}) == Settings(platformdirs.user_data_path("callscope"))
    assert Settings.read({}).host == "127.0.0.1"
    assert Settings.read({}).port == 8000
    assert (Settings.read({}).database_url, Settings.read({}).redis_url) == (None, None)


def test_each_is_read_from_its_variable():
    read = Settings.read(
        {
            "CALLSCOPE_DATA_DIR": "/data",
            "CALLSCOPE_DATABASE_URL": "postgresql://db/calls",
            "CALLSCOPE_REDIS_URL": "redis://cache",
            "CALLSCOPE_HOST": "0.0.0.0",
            "CALLSCOPE_PORT": "0",
            "CALLSCOPE_POOL_SIZE": "1000",
            "CALLSCOPE_CORS_ORIGINS": "https://a.example, https://b.example:8443",
            "CALLSCOPE_INGEST_REQUESTS": "10000",
            "CALLSCOPE_INGEST_BYTES": "1",
            "CALLSCOPE_VONAGE_SIGNATURE_SECRET": "this, next",
            "CALLSCOPE_VONAGE_PROJECT": "video",
            "CALLSCOPE_GEOIP_DATABASE": "/data/city.mmdb",
            "CALLSCOPE_METRICS_KEY": "figures",
            "CALLSCOPE_READ_DATABASE_URL": "postgresql://replica/calls",
            "CALLSCOPE_CACHE_BYTES": "0",
        }
    )
    assert read == Settings(
        Path("/data"),
        "postgresql://db/calls",
        "redis://cache",
        "0.0.0.0",
        0,
        1000,
        ("https://a.example", "https://b.example:8443"),
        10_000,
        1,
        ("this", "next"),
        "video",
        Path("/data/city.mmdb"),
        "figures",
        "postgresql://replica/calls",
        0,
    )
    assert not any(secret in repr(read) for secret in ("this", "next", "figures"))


def test_an_empty_variable_is_none():
    names = ["DATA_DIR", "DATABASE_URL", "REDIS_URL", "HOST", "PORT", "POOL_SIZE", "CORS_ORIGINS", "INGEST_REQUESTS"]
    names += ["INGEST_BYTES", "VONAGE_SIGNATURE_SECRET", "VONAGE_PROJECT", "GEOIP_DATABASE", "METRICS_KEY", "READ_DATABASE_URL"]
    names += ["CACHE_BYTES"]
    assert Settings.read({f"CALLSCOPE_{name}": "" for name in names}) == Settings.read({})


def test_the_folder_may_begin_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert Settings.read({"CALLSCOPE_DATA_DIR": "~/calls"}).data_dir == Path("/home/ada/calls")


@pytest.mark.parametrize("url", ["redis://h:6379/0", "rediss://h", "unix:///run/valkey.sock"])
def test_redis_is_reached_in_three_ways(url):
    assert Settings.read({"CALLSCOPE_REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(
    ("value", "origins"), [("none", ()), ("*", ("*",)), ("http://localhost:3000", ("http://localhost:3000",))]
)
def test_origins(value, origins):
    assert Settings.read({"CALLSCOPE_CORS_ORIGINS": value}).cors_origins == origins


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "80.5"),
        ("POOL_SIZE", "0"),
        ("POOL_SIZE", "many"),
        ("REDIS_URL", "localhost:6379"),
        ("INGEST_REQUESTS", "0"),
        ("INGEST_BYTES", "1 GB"),
        ("CACHE_BYTES", "-1"),
        ("READ_DATABASE_URL", "postgresql://replica-of-nothing"),
        ("VONAGE_SIGNATURE_SECRET", "this,,next"),
        ("VONAGE_SIGNATURE_SECRET", " "),
        ("CORS_ORIGINS", "inspector.example"),
        ("CORS_ORIGINS", "none, https://a.example"),
    ],
)
def test_a_wrong_one_is_named(name, value):
    with pytest.raises(SettingsError, match=f"CALLSCOPE_{name} should "):
        Settings.read({f"CALLSCOPE_{name}": value})
