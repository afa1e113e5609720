"""Summaries of large meetings, kept: each is computed once for a revision, however many ask, and the others wait for it.

Memory has those that this process asked for last, Redis those of all processes. Without Redis each process computes for itself.
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from contextlib import suppress

from callscope.api.metrics import Metrics
from callscope.api.redis import Redis, RedisUnavailable
from callscope.api.shared_cache import KEPT_SECONDS, LOCK_SECONDS, MAX_BYTES, TOO_LARGE, Claim, SharedCache
from callscope.query.summaries import Compute, SummaryKey

MEMORY_BYTES = 32 * 1024 * 1024
ENTRY_BYTES = 500
"""What memory needs for an entry besides its value, about."""
WAIT_SECONDS = 30.0
"""For another process: as long as a statement may take."""
FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.1


class SummaryCache:
    """Keeps summaries by their keys: a new revision is a new key, so nothing is ever invalidated."""

    def __init__(self, redis: Redis, *, size: int, metrics: Metrics) -> None:
        self._redis = redis
        self._shared = SharedCache(redis, size)
        self._metrics = metrics
        self._memory: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._flights: dict[str, asyncio.Task[bytes | None]] = {}

    def known(self, key: SummaryKey) -> bytes | None:
        """The summary, if it is in memory."""
        known = self._memory.get(key.name)
        if known is None or known[0] < time.monotonic():
            return None
        self._memory.move_to_end(key.name)
        self._metrics.summary_found("memory")
        return known[1]

    async def get(self, key: SummaryKey, compute: Compute) -> bytes | None:
        """The summary; None where the row has another revision by now. Raises what ``compute`` does.

        Who goes away leaves the others what they wait for.
        """
        name = key.name
        known = self.known(key)
        if known is not None:
            return known
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = asyncio.create_task(self._fly(name, compute))
            flight.add_done_callback(lambda done: self._landed(name, done))
        else:
            self._metrics.summary_found("flight")
        return await asyncio.shield(flight)

    async def close(self) -> None:
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _fly(self, name: str, compute: Compute) -> bytes | None:
        token = secrets.token_hex(16)
        found = await self._found(name, token)
        if found:
            self._metrics.summary_found("redis")
            self._remember(name, found)
            return found
        self._metrics.summary_missed()
        if found == TOO_LARGE or not self._redis.is_there:
            value = await compute()
        else:
            value = await self._shared_compute(name, token, compute)
        if value is not None:
            self._remember(name, value)
        return value

    async def _shared_compute(self, name: str, token: str, compute: Compute) -> bytes | None:
        """What is computed, for the other processes too, which wait until this one has it or gives up."""
        holding, value = asyncio.create_task(self._hold(name, token)), None
        try:
            value = await compute()
        finally:
            holding.cancel()
            self._redis.start(self._end(name, token, value))
        return value

    def _landed(self, name: str, flight: "asyncio.Task[bytes | None]") -> None:
        del self._flights[name]
        # Looked at, so that asyncio does not report it where all who waited are gone.
        if not flight.cancelled():
            flight.exception()

    async def _found(self, name: str, token: str) -> bytes | None:
        """What another process computed, or computes now; None where it is for this one to do."""
        until, pause = time.monotonic() + WAIT_SECONDS, FIRST_PAUSE_SECONDS
        with suppress(RedisUnavailable):
            found = await self._shared.claim(name, token)
            while found is Claim.THEIRS and time.monotonic() < until:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
                found = await self._shared.claim(name, token)
            if isinstance(found, bytes):
                return found
        return None

    async def _hold(self, name: str, token: str) -> None:
        while True:
            await asyncio.sleep(LOCK_SECONDS / 3)
            with suppress(RedisUnavailable):
                await self._shared.hold(name, token)

    async def _end(self, name: str, token: str, value: bytes | None) -> None:
        """Nobody waits for this: the answer goes out meanwhile."""
        with suppress(RedisUnavailable):
            if value is None:
                await self._shared.give_up(name, token)
            else:
                await self._shared.put(name, token, value)

    def _remember(self, name: str, value: bytes) -> None:
        if len(value) > MAX_BYTES:
            return
        self._forget(name)
        self._memory[name] = (time.monotonic() + KEPT_SECONDS, value)
        self._bytes += len(value) + ENTRY_BYTES
        while self._bytes > MEMORY_BYTES:
            self._forget(next(iter(self._memory)))

    def _forget(self, name: str) -> None:
        known = self._memory.pop(name, None)
        if known is not None:
            self._bytes -= len(known[1]) + ENTRY_BYTES
