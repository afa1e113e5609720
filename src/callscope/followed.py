"""The large calls that a server follows: which of them it holds, how often they are brought up to date, and when they rest."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from math import inf

import asyncpg

from callscope.following import Following
from callscope.storage.changes import Changes
from callscope.storage.derived import TRY_LOCK, DerivedTables

MOST_SERIES = 300_000
"""Of all calls that are held together: some 2 kB each."""
BUSY_SHARE = 0.5
"""Of the time, what bringing one call up to date may take."""
REST_SECONDS = 30.0
"""A call without changes for so long is derived as a whole once more."""
HOLD, RELEASE = "select pg_try_advisory_lock($1)", "select pg_advisory_unlock($1)"
# Calls that a server followed which is there no more.
LEFT = """
select project_id, call_key from live.call
where is_provisional and derived_at < now() - make_interval(secs => $1) order by derived_at limit 10
"""

Call = tuple[int, int]
NOTHING = Changes([], None, frozenset())


@dataclass
class Held:
    """A call that is followed; times are of the monotonic clock."""

    following: Following
    due_at: float
    changed_at: float


class FollowedCalls:
    """Of one connection. A call that is held is locked for as long, so that no other process settles it meanwhile."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._held: OrderedDict[Call, Held] = OrderedDict()
        self._looked_at = 0.0
        self._next_due = inf

    def due_in(self) -> float:
        """Seconds until one of the calls is due that were not since this was asked last; endless without such."""
        due, self._next_due = self._next_due, inf
        return due - time.monotonic()

    async def settle(self, _: asyncpg.Connection, project_id: int, call_key: int) -> bool:
        """Settle one call; False where nothing changed, it is not due, or another process is at it."""
        call = (project_id, call_key)
        held = self._held.get(call)
        if held is not None and time.monotonic() < held.due_at:
            self._next_due = min(self._next_due, held.due_at)
            return False
        return await self._settled(call, held)

    async def rest(self) -> None:
        """Derive the calls as a whole that nothing was heard of for a while."""
        now = time.monotonic()
        for call, held in [*self._held.items()]:
            if now - held.changed_at >= REST_SECONDS:
                await self._settled(call, None, NOTHING)
                await self._release(call)
        if now - self._looked_at >= REST_SECONDS:
            self._looked_at = now
            for row in await self._connection.fetch(LEFT, 2 * REST_SECONDS):
                if tuple(row) not in self._held:
                    await self._settled(tuple(row), None, NOTHING)

    async def _settled(self, call: Call, held: Held | None, changes: Changes | None = None) -> bool:
        started = time.monotonic()
        try:
            following = await self._derived(call, held, changes)
        except BaseException:
            # What it knows may be more than what is stored.
            await self._release(call)
            raise
        if following is None:
            return False
        now = time.monotonic()
        if following.is_worth_it:
            await self._hold(call, Held(following, now + (now - started) * (1 / BUSY_SHARE - 1), now))
        else:
            await self._release(call)
        return True

    async def _derived(self, call: Call, held: Held | None, changes: Changes | None) -> Following | None:
        connection = self._connection
        async with connection.transaction():
            if not await connection.fetchval(TRY_LOCK, _lock(call)):
                return None
            tables = held.following.tables if held is not None else DerivedTables(connection, *call)
            taken = await tables.take_changes() or changes
            if taken is None:
                return None
            if held is not None and await held.following.follow(taken):
                return held.following
            following = Following(DerivedTables(connection, *call))
            await following.begin(taken)
            if following.is_worth_it and call not in self._held:
                await connection.fetchval(HOLD, _lock(call))
            return following

    async def _hold(self, call: Call, held: Held) -> None:
        self._held[call] = held
        self._held.move_to_end(call)
        while len(self._held) > 1 and sum(len(each.following.catalog.series) for each in self._held.values()) > MOST_SERIES:
            await self._release(next(iter(self._held)))

    async def _release(self, call: Call) -> None:
        if self._held.pop(call, None) is not None and not self._connection.is_closed():
            await self._connection.fetchval(RELEASE, _lock(call))


def _lock(call: Call) -> int:
    return call[1] ^ call[0]
