"""Kept summaries: once for each key in all processes, bounded, and right whatever Redis does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

import pytest
import redis

from callscope.api import cache as module
from callscope.api import redis as redis_module
from callscope.api import shared_cache
from callscope.api.cache import SummaryCache
from callscope.api.metrics import Metrics
from callscope.api.redis import Redis
from callscope.api.shared_cache import LOCK_PREFIX, MAX_BYTES, PREFIX
from callscope.query.summaries import SummaryKey
from tests.tcp_proxy import proxy
from tests.valkey import valkey

KEY = SummaryKey(1, "live.call", "17", "3.1700000000000000", "d" * 64)
OTHER = KEY._replace(revision="4.1700000000000001")
SIZE = 64 * 2**20


class Database:
    """Gives its value, or fails, and counts how often it is asked."""

    def __init__(self, value: bytes | Exception | None = b"[1]", *, held: bool = False) -> None:
        self.value = value
        self.asked = 0
        self.gate = asyncio.Event()
        if not held:
            self.gate.set()

    async def __call__(self) -> bytes | None:
        self.asked += 1
        await self.gate.wait()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


class Process:
    """A cache as each process has one."""

    def __init__(self, redis_url: str | None, *, size: int = SIZE) -> None:
        self.metrics = Metrics()
        self.redis = Redis(redis_url)
        self.cache = SummaryCache(self.redis, size=size, metrics=self.metrics)

    def figures(self) -> dict[str, int]:
        value = self.metrics.registry.get_sample_value
        hits = {place: value("callscope_summary_cache_hits_total", {"source": place}) for place in ("memory", "flight", "redis")}
        return {name: int(count) for name, count in (hits | {"missed": value("callscope_summary_cache_misses_total")}).items()}

    async def written(self) -> None:
        """What it does in the background is done."""
        while tasks := [task for task in self.redis._tasks if not task.done()]:
            await asyncio.wait(tasks)


@asynccontextmanager
async def process(redis_url: str | None, **options: Any) -> AsyncIterator[Process]:
    made = Process(redis_url, **options)
    async with made.redis:
        try:
            yield made
        finally:
            await made.cache.close()


def fill(client: redis.Redis, size: int) -> None:
    """Put values of others until no more goes in."""
    with suppress(redis.exceptions.OutOfMemoryError):
        for number in count():
            client.set(f"theirs:{size}:{number}", b"a" * size)


async def settled(times: int = 20) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


class TestOneProcess:
    async def test_computes_once_for_all_who_ask(self) -> None:
        async with process(None) as one:
            database = Database(held=True)
            asking = [asyncio.create_task(one.cache.get(KEY, database)) for _ in range(100)]
            await settled()
            database.gate.set()
            assert set(await asyncio.gather(*asking)) == {b"[1]"}
            assert one.cache.known(KEY) == await one.cache.get(KEY, database) == b"[1]"
            assert database.asked == 1
            assert one.figures() == {"memory": 2, "flight": 99, "redis": 0, "missed": 1}

    async def test_keeps_revisions_apart(self) -> None:
        async with process(None) as one:
            assert await one.cache.get(KEY, Database(b"1")) == b"1"
            assert await one.cache.get(OTHER, Database(b"2")) == b"2"
            assert (one.cache.known(KEY), one.cache.known(OTHER)) == (b"1", b"2")

    async def test_keeps_nothing_of_a_revision_that_is_gone(self) -> None:
        async with process(None) as one:
            database = Database(None)
            assert [await one.cache.get(KEY, database) for _ in range(2)] == [None, None]
            assert database.asked == 2

    async def test_tells_all_who_wait_of_an_error_and_tries_again_then(self) -> None:
        async with process(None) as one:
            database = Database(TimeoutError(), held=True)
            asking = [asyncio.create_task(one.cache.get(KEY, database)) for _ in range(5)]
            await settled()
            database.gate.set()
            assert all(isinstance(error, TimeoutError) for error in await asyncio.gather(*asking, return_exceptions=True))
            assert await one.cache.get(KEY, Database()) == b"[1]"

    async def test_goes_on_for_the_others_when_the_first_goes_away(self) -> None:
        async with process(None) as one:
            database = Database(held=True)
            first, second = [asyncio.create_task(one.cache.get(KEY, database)) for _ in range(2)]
            await settled()
            first.cancel()
            await settled()
            database.gate.set()
            assert await second == b"[1]"
            assert database.asked == 1

    async def test_ends_what_it_computes_when_it_closes(self) -> None:
        database = Database(held=True)
        async with process(None) as one:
            asking = asyncio.create_task(one.cache.get(KEY, database))
            await settled()
        with pytest.raises(asyncio.CancelledError):
            await asking

    async def test_is_bounded_in_bytes_and_keeps_what_was_used_last(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MEMORY_BYTES", 3 * (1_000 + module.ENTRY_BYTES))
        keys = [KEY._replace(revision=str(number)) for number in range(4)]
        async with process(None) as one:
            for key in keys[:3]:
                await one.cache.get(key, Database(b"a" * 1_000))
            assert one.cache.known(keys[0]) is not None
            await one.cache.get(keys[3], Database(b"a" * 1_000))
            assert [one.cache.known(key) is not None for key in keys] == [True, False, True, True]
            await one.cache.get(OTHER, Database(b"a" * (MAX_BYTES + 1)))
            assert one.cache.known(OTHER) is None
            assert one.cache.known(keys[3]) is not None

    async def test_forgets_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "KEPT_SECONDS", -1)
        async with process(None) as one:
            database = Database()
            for _ in range(3):
                await one.cache.get(KEY, database)
            assert database.asked == 3
            assert one.cache._bytes == module.ENTRY_BYTES + 3


@pytest.mark.usefixtures("patience")
class TestSeveralProcesses:
    async def test_find_what_another_one_computed(self, redis_url: str) -> None:
        async with process(redis_url) as one, process(redis_url) as two:
            assert await one.cache.get(KEY, Database()) == b"[1]"
            await one.written()
            database = Database(b"wrong")
            assert await two.cache.get(KEY, database) == b"[1]"
            assert await two.cache.get(OTHER, Database(b"2")) == b"2"
            assert database.asked == 0
            assert two.figures() == {"memory": 0, "flight": 0, "redis": 1, "missed": 1}

    async def test_compute_once_for_all_who_ask(self, redis_url: str) -> None:
        async with process(redis_url) as one, process(redis_url) as two, process(redis_url) as three:
            database = Database(held=True)
            asking = [asyncio.create_task(each.cache.get(KEY, database)) for each in (one, two, three) for _ in range(20)]
            await until(lambda: database.asked > 0)
            await asyncio.sleep(0.1)
            database.gate.set()
            assert set(await asyncio.gather(*asking)) == {b"[1]"}
            assert database.asked == 1

    async def test_wait_longer_than_a_lock_lasts_for_one_that_lives(
        self, redis_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "LOCK_SECONDS", 1.0)
        monkeypatch.setattr(shared_cache, "LOCK_SECONDS", 1.0)
        async with process(redis_url) as one, process(redis_url) as two:
            database = Database(held=True)
            asking = [asyncio.create_task(each.cache.get(KEY, database)) for each in (one, two)]
            await asyncio.sleep(2.2)
            database.gate.set()
            assert await asyncio.gather(*asking) == [b"[1]", b"[1]"]
            assert database.asked == 1

    async def test_do_not_wait_for_one_that_died(self, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shared_cache, "LOCK_SECONDS", 0.3)
        async with process(redis_url) as one:
            assert await one.cache._shared.claim(KEY.name, "the token of the dead") is shared_cache.Claim.OURS
            assert await one.cache.get(KEY, Database()) == b"[1]"

    @pytest.mark.parametrize("value", [None, TimeoutError()])
    async def test_do_not_wait_for_one_that_gave_up(self, redis_url: str, value: Any) -> None:
        """A lock would last for much longer."""
        async with process(redis_url) as one, process(redis_url) as two:
            failing, working = Database(value, held=True), Database()
            first = asyncio.create_task(one.cache.get(KEY, failing))
            await until(lambda: failing.asked > 0)
            second = asyncio.create_task(two.cache.get(KEY, working))
            await asyncio.sleep(0.1)
            assert working.asked == 0
            failing.gate.set()
            assert await asyncio.gather(first, second, return_exceptions=True) == [value, b"[1]"]

    async def test_do_not_wait_for_ever(self, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
        async with process(redis_url) as one, process(redis_url) as two:
            database = Database(held=True)
            first = asyncio.create_task(one.cache.get(KEY, database))
            await until(lambda: database.asked > 0)
            assert await two.cache.get(KEY, Database(b"[2]")) == b"[2]"
            database.gate.set()
            assert await first == b"[1]"

    async def test_know_of_what_is_too_large_to_be_kept(self, redis_url: str) -> None:
        """Nobody waits for it, and each has it from the database."""
        large = Database(b"a" * (MAX_BYTES + 1))
        async with process(redis_url) as one, process(redis_url) as two:
            for each in (one, one, two):
                assert await each.cache.get(KEY, large) == large.value
                await each.written()
        assert large.asked == 3
        with redis.Redis.from_url(redis_url) as client:
            assert client.strlen(PREFIX + KEY.name) == shared_cache.DIGEST_BYTES


@pytest.mark.usefixtures("patience")
class TestGarbage:
    GARBAGE = ("", "x", "[1]", "half", "other", "list", "hash", "large")

    @staticmethod
    def spoil(client: redis.Redis, name: str, garbage: str, kept: bytes) -> None:
        client.delete(name)
        match garbage:
            case "half":
                client.set(name, kept[:-1])
            case "other":
                client.set(name, client.get(PREFIX + OTHER.name))
            case "list":
                client.rpush(name, "a")
            case "hash":
                client.hset(name, "a", "b")
            case "large":
                client.set(name, b"a" * (MAX_BYTES + 100))
            case text:
                client.set(name, text)

    @pytest.mark.parametrize("garbage", GARBAGE)
    async def test_under_our_names_is_overwritten(self, redis_url: str, garbage: str) -> None:
        with redis.Redis.from_url(redis_url) as client:
            async with process(redis_url) as one:
                for key, value in ((KEY, b"[1]"), (OTHER, b"[2]")):
                    await one.cache.get(key, Database(value))
                await one.written()
            kept = client.get(PREFIX + KEY.name)
            self.spoil(client, PREFIX + KEY.name, garbage, kept)
            async with process(redis_url) as two:
                database = Database(b"[1]")
                assert await two.cache.get(KEY, database) == b"[1]"
                assert database.asked == 1
                await two.written()
            assert client.get(PREFIX + KEY.name) == kept

    @pytest.mark.parametrize("garbage", ["x", "list", "hash"])
    @pytest.mark.parametrize("lasts", [None, 60_000])
    async def test_for_a_lock_locks_nobody_out(self, redis_url: str, garbage: str, lasts: int | None) -> None:
        with redis.Redis.from_url(redis_url) as client:
            self.spoil(client, LOCK_PREFIX + KEY.name, garbage, b"")
            if lasts:
                client.pexpire(LOCK_PREFIX + KEY.name, lasts)
            async with process(redis_url) as one:
                assert await one.cache.get(KEY, Database()) == b"[1]"
                assert one.figures()["missed"] == 1
                await one.written()
            assert client.exists(LOCK_PREFIX + KEY.name) == 0
            assert client.exists(PREFIX + KEY.name) == 1

    @pytest.mark.parametrize("name", [shared_cache.NAMES, shared_cache.BYTES])
    @pytest.mark.parametrize("garbage", ["x", "nan", "inf", "-5", "1e300", "list", "hash", "gone"])
    async def test_in_the_books_makes_new_ones(self, redis_url: str, name: str, garbage: str) -> None:
        with redis.Redis.from_url(redis_url) as client:
            async with process(redis_url) as one:
                await one.cache.get(KEY, Database())
                await one.written()
                client.delete(name)
                if garbage != "gone":
                    self.spoil(client, name, garbage, b"")
                for number in range(3):
                    await one.cache.get(KEY._replace(revision=str(number)), Database())
                    await one.written()
            counted = sum(int(entry.partition(b" ")[0]) for entry in client.zrange(shared_cache.NAMES, 0, -1))
            assert counted == int(client.get(shared_cache.BYTES)) > 0

    async def test_names_in_the_books_harm_no_one_else(self, redis_url: str) -> None:
        with redis.Redis.from_url(redis_url) as client:
            client.set("theirs", "a")
            client.zadd(shared_cache.NAMES, {"100 theirs": 0, "nonsense": 0, "": 1})
            client.set(shared_cache.BYTES, 10**6)
            async with process(redis_url, size=2_000) as one:
                assert await one.cache.get(KEY, Database()) == b"[1]"
                await one.written()
            assert client.get("theirs") == b"a"


@pytest.mark.usefixtures("patience")
class TestBounds:
    async def test_summaries_go_in_time(self, redis_url: str) -> None:
        async with process(redis_url) as one:
            await one.cache.get(KEY, Database())
            await one.written()
        with redis.Redis.from_url(redis_url) as client:
            assert shared_cache.KEPT_SECONDS - 60 < client.ttl(PREFIX + KEY.name) <= shared_cache.KEPT_SECONDS

    async def test_the_oldest_make_room_whatever_the_limit_of_redis(self, redis_url: str) -> None:
        limit, value = 100_000, b"a" * 5_000
        keys = [KEY._replace(revision=str(number)) for number in range(50)]
        with redis.Redis.from_url(redis_url) as client:
            async with process(redis_url, size=limit) as one:
                for key in keys:
                    await one.cache.get(key, Database(value))
                    await one.written()
            kept = [key for key in keys if client.exists(PREFIX + key.name)]
            assert kept == keys[-len(kept) :]
            assert 15 <= len(kept) < 20
            assert client.zcard(shared_cache.NAMES) == len(kept)
            assert sum(client.memory_usage(name) for name in client.scan_iter("callscope:*")) <= limit

    async def test_what_is_put_again_counts_once(self, redis_url: str) -> None:
        with redis.Redis.from_url(redis_url) as client:
            for _ in range(3):
                async with process(redis_url) as one:
                    await one.cache.get(KEY, Database())
                    await one.written()
                client.delete(PREFIX + KEY.name)
            (entry,) = client.zrange(shared_cache.NAMES, 0, -1)
            assert int(client.get(shared_cache.BYTES)) == int(entry.partition(b" ")[0])

    async def test_what_went_in_time_counts_no_more(self, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shared_cache, "KEPT_SECONDS", 0.05)
        with redis.Redis.from_url(redis_url) as client:
            async with process(redis_url) as one:
                for key in (KEY, OTHER):
                    await one.cache.get(key, Database())
                    await one.written()
                    await asyncio.sleep(0.1)
            assert client.zcard(shared_cache.NAMES) == 1

    async def test_of_nothing_keeps_nothing(self, redis_url: str) -> None:
        async with process(redis_url, size=0) as one:
            assert await one.cache.get(KEY, Database()) == b"[1]"
            await one.written()
        with redis.Redis.from_url(redis_url) as client:
            assert list(client.scan_iter(f"{PREFIX}*")) == []


class TestTrouble:
    """Every answer is right, and where processes cannot share, each computes for itself."""

    @staticmethod
    async def check(one: Process, revision: str, *, missed: int = 1) -> None:
        key, before = KEY._replace(revision=revision), one.figures()["missed"]
        database = Database(revision.encode(), held=True)
        asking = [asyncio.create_task(one.cache.get(key, database)) for _ in range(10)]
        await settled()
        database.gate.set()
        assert set(await asyncio.gather(*asking)) == {revision.encode()}
        assert database.asked == missed
        assert one.figures()["missed"] - before == missed

    @pytest.mark.parametrize("trouble", ["slow", "hung", "stopped"])
    async def test_on_the_way(self, redis_url: str, trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(redis_module, "AGAIN_SECONDS", 0.05)
        async with proxy(redis_url) as between, process(between.url) as one:
            await self.check(one, "before")
            if trouble == "stopped":
                await between.stop()
            between.delay, between.is_hung = (0.2 if trouble == "slow" else 0), trouble == "hung"
            for number in range(10):
                await self.check(one, str(number))
            if trouble == "stopped":
                await between.start()
            between.delay, between.is_hung = 0, False
            monkeypatch.setattr(redis_module, "PATIENCE_SECONDS", 10)
            await until(lambda: one.redis.is_there)
            await self.check(one, "after")
            await one.written()
            async with process(redis_url) as two:
                await self.check(two, "after", missed=0)

    async def test_while_one_waits_for_another(self, redis_url: str, patience: None, monkeypatch: pytest.MonkeyPatch) -> None:
        async with proxy(redis_url) as between, process(redis_url) as one, process(between.url) as two:
            database = Database(held=True)
            first = asyncio.create_task(one.cache.get(KEY, database))
            await until(lambda: database.asked == 1)
            second = asyncio.create_task(two.cache.get(KEY, database))
            await asyncio.sleep(0.1)
            assert database.asked == 1
            monkeypatch.setattr(redis_module, "PATIENCE_SECONDS", 0.1)
            between.is_hung = True
            await until(lambda: database.asked == 2)
            database.gate.set()
            assert await asyncio.gather(first, second) == [b"[1]", b"[1]"]

    async def test_of_one_that_was_restarted(self, patience: None) -> None:
        with valkey() as own:
            async with process(own.url) as one, process(own.url) as two:
                await self.check(one, "before")
                await one.written()
                own.stop()
                await self.check(one, "stopped")
                own.start()
                await self.check(one, "after")
                await one.written()
                await self.check(two, "after", missed=0)
                assert one.cache.known(KEY._replace(revision="before")) == b"before"
                await self.check(two, "before")

    async def test_of_one_that_is_full(self, patience: None) -> None:
        """What is kept is still found, and nothing more is put beyond the limit."""
        with valkey("--maxmemory", "8mb", "--maxmemory-policy", "noeviction") as own, own.client() as client:
            async with process(own.url) as one, process(own.url) as two, process(own.url) as three:
                await self.check(one, "before")
                await one.written()
                for size in (500_000, 10_000, 100):
                    fill(client, size)
                used = client.info("memory")["used_memory"]
                for number in range(20):
                    await self.check(one, f"{number}" + "a" * 5_000)
                    await one.written()
                await self.check(two, "before", missed=0)
                await self.check(three, "0" + "a" * 5_000)
                assert one.redis.is_there
                assert client.info("memory")["used_memory"] - used < 50_000
                client.flushall()
                await self.check(one, "after")
                await one.written()
                await self.check(two, "after", missed=0)
