"""Which PostgreSQL and Redis to work on: those that are set, or our own in the data folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from callscope.settings import Settings
from callscope.storage.embedded import embedded_servers


@dataclass(frozen=True)
class Servers:
    database_url: str
    redis_url: str


@contextmanager
def servers(settings: Settings) -> Iterator[Servers]:
    """The servers of the settings. Our own run for as long as any process uses them."""
    if settings.database_url is not None and settings.redis_url is not None:
        yield Servers(settings.database_url, settings.redis_url)
        return
    with embedded_servers(settings.data_dir) as embedded:
        yield Servers(settings.database_url or embedded.database_url, settings.redis_url or embedded.redis_url)
