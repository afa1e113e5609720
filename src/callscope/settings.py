"""The settings, each an environment variable or an option of the command."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True)
class Settings:
    """Where things are. Without a URL, Callscope runs servers of its own in the data folder."""

    data_dir: Path
    database_url: str | None = None
    redis_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    pool_size: int = 16

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        folder = environment.get("CALLSCOPE_DATA_DIR") or platformdirs.user_data_path("callscope")
        return cls(
            data_dir=Path(folder).expanduser(),
            database_url=environment.get("CALLSCOPE_DATABASE_URL") or None,
            redis_url=environment.get("CALLSCOPE_REDIS_URL") or None,
            host=environment.get("CALLSCOPE_HOST") or cls.host,
            port=int(environment.get("CALLSCOPE_PORT") or cls.port),
            pool_size=int(environment.get("CALLSCOPE_POOL_SIZE") or cls.pool_size),
        )
