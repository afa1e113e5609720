"""The settings, each an environment variable or an option of the command."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


class SettingsError(Exception):
    """An environment variable is not what it should be."""


@dataclass(frozen=True)
class Settings:
    """Where things are. Without a URL, Callscope runs servers of its own in the data folder."""

    data_dir: Path
    database_url: str | None = None
    redis_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    pool_size: int = 16
    cors_origins: tuple[str, ...] = ("*",)
    ingest_requests: int = 64
    ingest_bytes: int = 2**30
    vonage_secrets: tuple[str, ...] = field(default=(), repr=False)
    vonage_project: str = "default"
    geoip_database: Path | None = None
    metrics_key: str | None = field(default=None, repr=False)
    read_database_url: str | None = None
    cache_bytes: int = 64 * 2**20

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        folder = environment.get("CALLSCOPE_DATA_DIR") or platformdirs.user_data_path("callscope")
        database_url, read_database_url = (environment.get(f"CALLSCOPE_{name}DATABASE_URL") or None for name in ("", "READ_"))
        if read_database_url is not None and database_url is None:
            raise SettingsError("CALLSCOPE_READ_DATABASE_URL should be set beside CALLSCOPE_DATABASE_URL, whose replica it is")
        return cls(
            data_dir=Path(folder).expanduser(),
            database_url=database_url,
            redis_url=_redis_url(environment.get("CALLSCOPE_REDIS_URL") or None),
            host=environment.get("CALLSCOPE_HOST") or cls.host,
            port=_number(environment, "CALLSCOPE_PORT", cls.port, range(65_536)),
            pool_size=_number(environment, "CALLSCOPE_POOL_SIZE", cls.pool_size, range(1, 1_001)),
            cors_origins=_origins(environment.get("CALLSCOPE_CORS_ORIGINS") or "*"),
            ingest_requests=_number(environment, "CALLSCOPE_INGEST_REQUESTS", cls.ingest_requests, range(1, 10_001)),
            ingest_bytes=_number(environment, "CALLSCOPE_INGEST_BYTES", cls.ingest_bytes, range(1, 2**50)),
            vonage_secrets=_secrets(environment, "CALLSCOPE_VONAGE_SIGNATURE_SECRET"),
            vonage_project=environment.get("CALLSCOPE_VONAGE_PROJECT") or cls.vonage_project,
            geoip_database=Path(database).expanduser() if (database := environment.get("CALLSCOPE_GEOIP_DATABASE")) else None,
            metrics_key=environment.get("CALLSCOPE_METRICS_KEY") or None,
            read_database_url=read_database_url,
            cache_bytes=_number(environment, "CALLSCOPE_CACHE_BYTES", cls.cache_bytes, range(2**40)),
        )


def _origins(value: str) -> tuple[str, ...]:
    """Origins whose pages may use the API, ``none`` for no other than its own."""
    origins = tuple(origin.strip() for origin in value.split(","))
    if origins == ("none",):
        return ()
    if any(origin != "*" and "://" not in origin for origin in origins):
        raise SettingsError(f"CALLSCOPE_CORS_ORIGINS should be origins such as https://inspector.example, or none, not {value!r}")
    return origins


def _secrets(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Secrets with commas between: the one in use, and the next."""
    value = environment.get(name)
    secrets = tuple(secret.strip() for secret in value.split(",")) if value else ()
    # The value itself is not told: it would end up in logs.
    if not all(secrets):
        raise SettingsError(f"{name} should be a secret, or several with commas between, none of them empty")
    return secrets


def _redis_url(value: str | None) -> str | None:
    if value is not None and not value.startswith(REDIS_SCHEMES):
        raise SettingsError(f"CALLSCOPE_REDIS_URL should begin with {', '.join(REDIS_SCHEMES[:-1])} or {REDIS_SCHEMES[-1]}")
    return value


def _number(environment: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    value = environment.get(name) or default
    try:
        number = int(value)
    except ValueError:
        number = -1
    if number not in allowed:
        raise SettingsError(f"{name} should be a whole number from {allowed[0]} to {allowed[-1]}, not {value!r}")
    return number
