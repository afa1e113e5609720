"""Which PostgreSQL and Redis to work on: those that are set, or our own in the data folder."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from callscope.settings import Settings
from callscope.storage.embedded import EmbeddedServersUnavailable, embedded_servers


@dataclass(frozen=True)
class Servers:
    database_url: str
    redis_url: str | None
    """None where there is a database of the settings, but no Redis: answers are right without one."""


@contextmanager
def servers(settings: Settings) -> Iterator[Servers]:
    """The servers of the settings. Our own run for as long as any process uses them."""
    if settings.database_url is not None:
        yield Servers(settings.database_url, settings.redis_url)
        return
    with ExitStack() as stack:
        try:
            with _stoppable():
                embedded = stack.enter_context(embedded_servers(settings.data_dir))
        except OSError as error:
            raise EmbeddedServersUnavailable(f"cannot keep data in {settings.data_dir}: {error.strerror or error}") from error
        yield Servers(embedded.database_url, settings.redis_url or embedded.redis_url)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Signals end at once what starts servers: the first start takes seconds, and nothing else runs meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
