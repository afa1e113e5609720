"""Redis, which processes share: one way to it for all, and around it a breaker.

It may be slow, hung, full, gone or no Redis at all. Who asks it waits for 15 ms at most, and nobody does while it is left alone:
after a few failures in a row, until it answers in time again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError, ResponseError

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_SECONDS = 0.015
STEPS, TURNS = 3, 10
"""The patience is that of so many steps, and then so many turns of the event loop: one that is busy itself finds nobody slow."""
ANSWER_SECONDS = 1.0
"""So long may connecting, and an answer that nobody waits for any more, take in the background."""
FAILURES_IN_A_ROW = 5
AGAIN_SECONDS = 1.0
CONNECTIONS = 32
# What does not speak Redis's protocol makes its client raise the last two.
FAILURES = (RedisError, OSError, ValueError, RecursionError)


class RedisUnavailable(Exception):  # noqa: N818  a state of Redis, named as its users say it
    """There is no answer, or none in time: go on without one."""


class Redis:
    """Asks the Redis of an address, between ``async with``; without one, it is never there."""

    def __init__(self, url: str | None) -> None:
        self._client: Any = None
        if url is not None:
            # A connection that was lost while nobody used it is made anew at once.
            retry = Retry(NoBackoff(), 1, (ConnectionLost,))
            self._client = Client.from_url(url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS, retry=retry)
        self._connections = asyncio.Semaphore(CONNECTIONS)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failures = 0
        self._is_left_alone = False

    async def __aenter__(self) -> "Redis":
        if self._client is not None:
            # Connected ahead: that may take longer than anybody waits.
            self.start(self._run(lambda client: client.ping()))
        return self

    async def __aexit__(self, *exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            with suppress(*FAILURES):
                await self._client.aclose()

    @property
    def is_there(self) -> bool:
        """Whether it is asked at present."""
        return self._client is not None and not self._is_left_alone

    async def ask(self, command: Callable[[Any], Awaitable[T]]) -> T:
        """What a command on the client gives; raises RedisUnavailable. What takes too long goes on in the background."""
        if not self.is_there:
            raise RedisUnavailable
        asking = self.start(self._run(command))
        if not await _in_time(asking):
            self._failed("it is slow")
            raise RedisUnavailable
        try:
            answer: T = asking.result()
        except ResponseError as error:
            # It is full, or has something else under a name of ours: that is an answer.
            self._failures = 0
            raise RedisUnavailable from error
        except FAILURES as error:
            self._failed(repr(error))
            raise RedisUnavailable from error
        self._failures = 0
        return answer

    def start(self, work: Any) -> "asyncio.Task[Any]":
        """Something to be done in the background, until it is closed at most."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def _run(self, command: Callable[[Any], Awaitable[T]]) -> T:
        async with self._connections:
            if not self.is_there:
                raise RedisUnavailable
            return await command(self._client)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        # Looked at, so that asyncio does not report what nobody waited for.
        if not task.cancelled():
            task.exception()

    def _failed(self, reason: str) -> None:
        self._failures += 1
        if self._failures >= FAILURES_IN_A_ROW and not self._is_left_alone:
            log.warning("Redis is left alone until it answers in time: %s", reason)
            self._is_left_alone = True
            self.start(self._look_again())

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            with suppress(*FAILURES):
                # The first one may have to connect.
                await self._client.ping()
                asking = self.start(self._client.ping())
                if await _in_time(asking) and asking.result():
                    break
        log.warning("Redis answers again")
        self._failures = 0
        self._is_left_alone = False


async def _in_time(task: "asyncio.Task[Any]") -> bool:
    for step in range(STEPS + TURNS):
        await asyncio.wait({task}, timeout=PATIENCE_SECONDS / STEPS if step < STEPS else 0)
        if task.done():
            return True
    return False
