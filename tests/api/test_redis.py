"""The one way to Redis: nobody waits for it long, and while it fails nobody does."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import redis

from callscope.api import redis as module
from callscope.api.redis import Redis, RedisUnavailable
from tests.tcp_proxy import Proxy, proxy
from tests.valkey import valkey


@pytest.fixture
async def between(redis_url: str) -> AsyncIterator[Proxy]:
    async with proxy(redis_url) as found:
        yield found


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)


async def ping(shared: Redis) -> bool:
    return await shared.ask(lambda client: client.ping())


async def is_refused(shared: Redis, command: Callable[[Any], Awaitable[Any]] = lambda client: client.ping()) -> bool:
    try:
        await shared.ask(command)
    except RedisUnavailable:
        return True
    return False


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_what_a_command_gives_is_the_answer(redis_url: str, patience: None) -> None:
    async with Redis(redis_url) as shared:
        assert shared.is_there
        assert await ping(shared)
        assert await shared.ask(lambda client: client.get("nothing")) is None


async def test_without_an_address_it_is_never_there() -> None:
    async with Redis(None) as shared:
        assert not shared.is_there
        assert await is_refused(shared)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("trouble", ["slow", "hung", "stopped"])
async def test_after_some_failures_it_is_left_alone_until_it_answers_in_time(between: Proxy, trouble: str) -> None:
    asked = []

    async def command(client: Any) -> Any:
        asked.append(1)
        return await client.ping()

    async with Redis(between.url) as shared:
        await until_answered(shared)
        if trouble == "stopped":
            await between.stop()
        between.delay, between.is_hung = (0.3 if trouble == "slow" else 0), trouble == "hung"
        for _ in range(module.FAILURES_IN_A_ROW + 5):
            assert await is_refused(shared, command)
        assert len(asked) == module.FAILURES_IN_A_ROW
        assert not shared.is_there
        if trouble == "stopped":
            await between.start()
        between.delay, between.is_hung = 0, False
        await until(lambda: shared.is_there)
        assert await ping(shared)


async def until_answered(shared: Redis) -> None:
    """It may have to connect first."""
    for _ in range(200):
        if not await is_refused(shared):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not answer")


@pytest.mark.usefixtures("soon")
async def test_a_failure_now_and_then_is_none(between: Proxy) -> None:
    async with Redis(between.url) as shared:
        await until_answered(shared)
        for _ in range(module.FAILURES_IN_A_ROW):
            between.is_hung = True
            for _ in range(module.FAILURES_IN_A_ROW - 1):
                assert await is_refused(shared)
            between.is_hung = False
            await until_answered(shared)


async def test_an_error_that_it_answers_is_no_failure_of_it(redis_url: str, patience: None) -> None:
    async with Redis(redis_url) as shared:
        await shared.ask(lambda client: client.rpush("list", "a"))
        for _ in range(module.FAILURES_IN_A_ROW + 1):
            assert await is_refused(shared, lambda client: client.get("list"))
        assert await ping(shared)


async def test_a_loop_that_is_busy_itself_finds_nobody_slow(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes while the loop does something else for longer than anybody waits."""
    async with Redis(redis_url) as shared:
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 10)
        assert await ping(shared)
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)

        async def command(client: Any) -> Any:
            asyncio.get_running_loop().call_soon(time.sleep, 0.2)
            return await client.ping()

        for _ in range(module.FAILURES_IN_A_ROW):
            assert await shared.ask(command)
        assert shared.is_there


@pytest.mark.usefixtures("soon")
async def test_what_took_too_long_is_done_all_the_same(between: Proxy, redis_url: str) -> None:
    """So that connecting, which can take longer than anybody waits, is done once."""
    async with Redis(between.url) as shared:
        await until_answered(shared)
        between.delay = 0.3
        assert await is_refused(shared, lambda client: client.set("a", "b"))
        with redis.Redis.from_url(redis_url) as client:
            await until(lambda: client.get("a") == b"b")


async def test_connections_are_bounded(redis_url: str, patience: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTIONS", 3)
    async with Redis(redis_url) as shared:
        assert all(await asyncio.gather(*(ping(shared) for _ in range(50))))
        with redis.Redis.from_url(redis_url) as client:
            assert len([one for one in client.client_list() if one["cmd"] == "ping"]) <= 3


async def test_a_connection_that_was_lost_meanwhile_is_made_anew(patience: None) -> None:
    with valkey() as own:
        async with Redis(own.url) as shared:
            assert await ping(shared)
            own.stop()
            own.start()
            assert await ping(shared)


@pytest.mark.usefixtures("soon")
async def test_closing_ends_what_still_runs(between: Proxy) -> None:
    async with Redis(between.url) as shared:
        await until_answered(shared)
        between.is_hung = True
        for _ in range(module.FAILURES_IN_A_ROW):
            assert await is_refused(shared)
        running = [task for task in asyncio.all_tasks() if "Redis." in repr(task)]
        assert running
    assert all(task.done() for task in running)
