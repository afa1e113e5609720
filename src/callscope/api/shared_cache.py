"""The summaries that processes share, in Redis: bounded in number of bytes and in time, and each computed by one process.

A value is what its key says only if its first 32 bytes are the SHA-256 of both: garbage and halves are taken for nothing, and
overwritten.

A set of names ordered by when they were put, and a count of the bytes, bound them all together, whatever Redis's own limit is:
one script makes room for a value, the oldest first, puts it and counts it. Where the two are lost or damaged they begin anew;
what was counted in them goes when its time is over.
"""

import asyncio
import hashlib
import time
from enum import Enum
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

from callscope.api.redis import Redis, RedisUnavailable

KEPT_SECONDS = 3600
MAX_BYTES = 1024 * 1024
"""Of one summary."""
TOO_LARGE = b""
"""Stands for a summary that is larger."""
LOCK_SECONDS = 5.0
"""So long is a process that computes believed to live after its last sign of life, however busy it is."""

PREFIX = "callscope:summary:"
LOCK_PREFIX = "callscope:computing:"
NAMES, BYTES = "callscope:summaries", "callscope:summaries:bytes"
DIGEST_BYTES = 32
ENTRY_BYTES = 300
"""What Redis needs for an entry besides its value, about."""


class Script(NamedTuple):
    """A script that Redis runs at once, with nothing in between; it is sent by name to those who know it."""

    text: str
    sha1: str

    @classmethod
    def of(cls, text: str) -> "Script":
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


# A lock that none of us made lasts for longer than one does, or for ever. A full Redis takes no lock: then all compute.
CLAIM = Script.of("""
local kind = redis.call('type', KEYS[1]).ok
if kind == 'string' and redis.call('strlen', KEYS[1]) <= tonumber(ARGV[3]) then return redis.call('get', KEYS[1]) end
if kind ~= 'none' then redis.call('del', KEYS[1]) end
local left = redis.call('pttl', KEYS[2])
if left >= 0 and left <= tonumber(ARGV[2]) and redis.pcall('get', KEYS[2]) ~= ARGV[1] then return 0 end
redis.pcall('set', KEYS[2], ARGV[1], 'px', ARGV[2])
return 1
""")
HOLD = Script.of("""
if redis.pcall('get', KEYS[1]) == ARGV[1] then redis.call('pexpire', KEYS[1], ARGV[2]) end
""")
# The value comes first: after any other write, a full Redis would take it.
PUT = Script.of("""
local now, kept, limit = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local total = redis.call('type', KEYS[4]).ok == 'string' and tonumber(redis.call('get', KEYS[4]))
local done = redis.pcall('set', KEYS[1], ARGV[1], 'px', kept)
if redis.pcall('get', KEYS[2]) == ARGV[2] then redis.call('del', KEYS[2]) end
if done.err then return done end
if redis.call('type', KEYS[3]).ok ~= 'zset' or not (total and total > 0) then redis.call('del', KEYS[3], KEYS[4]); total = 0 end
if redis.call('zadd', KEYS[3], now, ARGV[6] .. ' ' .. KEYS[1]) == 1 then total = total + tonumber(ARGV[6]) end
local function forget(name)
    local size, key = string.match(name, '^(%d+) (.*)$')
    if size and string.sub(key, 1, #ARGV[7]) == ARGV[7] then redis.call('del', key); total = total - tonumber(size) end
    redis.call('zrem', KEYS[3], name)
end
for _, name in ipairs(redis.call('zrangebyscore', KEYS[3], '-inf', now - kept, 'limit', 0, 100)) do forget(name) end
while total > limit and redis.call('zcard', KEYS[3]) > 0 do forget(redis.call('zrange', KEYS[3], 0, 0)[1]) end
redis.call('set', KEYS[4], redis.call('zcard', KEYS[3]) > 0 and string.format('%.0f', total) or 0)
""")


class Claim(Enum):
    """Who is to compute what is not there."""

    OURS = 1
    THEIRS = 0


class SharedCache:
    """Summaries by name. Whatever is asked of it raises RedisUnavailable where Redis does not help."""

    def __init__(self, redis: Redis, size: int) -> None:
        self._redis = redis
        self._size = size
        self._calls: list[Call] = []

    async def claim(self, name: str, token: str) -> bytes | Claim:
        """The summary, TOO_LARGE where it is, or whether this process is to compute it, or another one does."""
        found = await self._claimed(name, token)
        if isinstance(found, bytes):
            value = _unsealed(name, found)
            if value is not None:
                return value
            await self._redis.ask(lambda client: client.delete(PREFIX + name))
            found = await self._claimed(name, token)
        return Claim.THEIRS if found == 0 else Claim.OURS

    async def hold(self, name: str, token: str) -> None:
        """Say that this process still computes."""
        await self._run(HOLD, [LOCK_PREFIX + name], [token, round(LOCK_SECONDS * 1000)])

    async def give_up(self, name: str, token: str) -> None:
        """Leave it to the others to compute."""
        await self._run(HOLD, [LOCK_PREFIX + name], [token, 0])

    async def put(self, name: str, token: str, value: bytes) -> None:
        """Keep what was computed. Whoever waits for it has it from now on."""
        sealed = _sealed(name, value if len(value) <= MAX_BYTES else TOO_LARGE)
        size = len(sealed) + 2 * len(name) + ENTRY_BYTES
        keys = [PREFIX + name, LOCK_PREFIX + name, NAMES, BYTES]
        values = [sealed, token, round(time.time() * 1000), KEPT_SECONDS * 1000, self._size, size, PREFIX]
        await self._run(PUT, keys, values)

    async def _claimed(self, name: str, token: str) -> Any:
        keys = [PREFIX + name, LOCK_PREFIX + name]
        return await self._run(CLAIM, keys, [token, round(LOCK_SECONDS * 1000), DIGEST_BYTES + MAX_BYTES])

    async def _run(self, script: Script, keys: list[str], values: list[Any]) -> Any:
        """Goes together with what else is asked in this turn of the event loop, such as all that one request looks for."""
        call = Call(script, (len(keys), *keys, *values), asyncio.get_running_loop().create_future())
        self._calls.append(call)
        if len(self._calls) == 1:
            self._redis.start(self._send())
        return await call.answer

    async def _send(self) -> None:
        calls, self._calls = self._calls, []
        try:
            answers = await self._redis.ask(lambda client: _evaluated(client, calls))
        except RedisUnavailable as error:
            answers = [error] * len(calls)
        for call, answer in zip(calls, answers, strict=True):
            if call.answer.done():
                continue
            if isinstance(answer, Exception):
                call.answer.set_exception(RedisUnavailable(answer))
            else:
                call.answer.set_result(answer)


class Call(NamedTuple):
    script: Script
    arguments: tuple[Any, ...]
    answer: "asyncio.Future[Any]"


async def _evaluated(client: Any, calls: list[Call]) -> list[Any]:
    """The answer to each, or its error."""
    async with client.pipeline(transaction=False) as pipeline:
        for call in calls:
            pipeline.evalsha(call.script.sha1, *call.arguments)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            for call in calls:
                pipeline.eval(call.script.text, *call.arguments)
            answers = await pipeline.execute(raise_on_error=False)
    return answers


def _sealed(name: str, value: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\0" + value).digest() + value


def _unsealed(name: str, found: bytes) -> bytes | None:
    value = found[DIGEST_BYTES:]
    return value if _sealed(name, value) == found else None
