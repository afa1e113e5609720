"""How much telemetry is taken in at once, and what becomes of the rest: it is asked to come back, before its body is read."""

import asyncio
import re
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from callscope.api import admission as module
from callscope.api import ingest as endpoint
from callscope.api.admission import Admission
from callscope.api.keys import create
from callscope.app import create_app
from callscope.query.errors import ErrorCode, RequestError
from callscope.storage.patience import Patience
from callscope.storage.pool import connect
from tests.conftest import new_database


def row(number):
    return b'{"type":"participant","callId":"x","participantId":"%d"}\n' % number


@pytest.fixture
async def database_url(servers, migrated):
    async with new_database(servers, template=migrated) as url:
        yield url


@asynccontextmanager
async def served(database_url, **options):
    """A client of a server with these limits. Two of its four connections may write telemetry."""
    connection = await connect(database_url)
    key, _ = await create(connection, "test", "test")
    await connection.close()
    app = create_app(database_url, settling=False, pool_size=4, **options)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://callscope", headers={"authorization": f"Bearer {key}"}
        ) as client,
    ):
        yield client


@asynccontextmanager
async def locked(database_url, table="live.record"):
    """While nobody else can write to a table."""
    connection = await connect(database_url)
    async with connection.transaction():
        await connection.execute(f"lock table {table} in access exclusive mode")
        yield
    await connection.close()


async def figure(client, name):
    return float(re.search(rf"^{name} (\S+)$", (await client.get("/metrics")).text, re.MULTILINE)[1])


async def until(client, **figures):
    """Wait until the server counts so many of each."""
    async with asyncio.timeout(30):
        for name, value in figures.items():
            while await figure(client, f"callscope_ingest_{name}") != value:  # noqa: ASYNC110 - counters tell nobody
                await asyncio.sleep(0.005)


class Body:
    """A body that knows how much of it was read, and may stop in the middle until it is told to go on."""

    def __init__(self, *chunks, stops=False):
        self._chunks = chunks
        self.read = 0
        self.goes_on = asyncio.Event()
        if not stops:
            self.goes_on.set()

    async def __aiter__(self):
        for chunk in self._chunks:
            self.read += len(chunk)
            yield chunk
            await self.goes_on.wait()


def is_asked_to_come_back(answer):
    (error,) = answer.json()["errors"]
    return (answer.status_code, answer.headers["retry-after"], error["extensions"]["code"]) == (503, "1", "OVERLOADED")


class TestRequests:
    async def test_beyond_the_limit_are_refused_unread_while_the_others_wait_for_the_database(self, database_url):
        async with served(database_url, ingest_requests=5) as client:
            async with locked(database_url):
                waiting = [asyncio.create_task(client.post("/ingest", content=row(number))) for number in range(5)]
                await until(client, in_flight=5, writing=2)
                bodies = [Body(row(9)) for _ in range(20)]
                answers = await asyncio.gather(*(client.post("/ingest", content=body) for body in bodies))
                assert all(map(is_asked_to_come_back, answers))
                assert [body.read for body in bodies] == [0] * 20
                await until(client, in_flight=5, writing=2)
            assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * 5
            assert (await client.post("/ingest", content=row(9))).status_code == 200
            await until(client, in_flight=0, writing=0, held_bytes=0)

    async def test_are_answered_where_the_database_stays_locked(self, database_url, monkeypatch):
        monkeypatch.setattr(endpoint, "PATIENCE", Patience(lock_seconds=0.1, answer_seconds=30))
        monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
        async with served(database_url, ingest_requests=6) as client:
            async with locked(database_url):
                answers = await asyncio.gather(*(client.post("/ingest", content=row(number)) for number in range(10)))
                assert all(map(is_asked_to_come_back, answers))
                await until(client, in_flight=0, writing=0, held_bytes=0)
            assert (await client.post("/ingest", content=row(1))).json()["accepted"] == 1

    async def test_are_answered_where_it_says_nothing_at_all(self, database_url, monkeypatch):
        monkeypatch.setattr(endpoint, "PATIENCE", Patience(answer_seconds=0.2))
        async with served(database_url) as client:
            # Without a limit on locks, a locked table is a database that does not answer.
            async with locked(database_url):
                assert is_asked_to_come_back(await client.post("/ingest", content=row(1)))
            assert (await client.post("/ingest", content=row(1))).json()["accepted"] == 1

    async def test_are_answered_where_their_key_cannot_be_looked_up(self, database_url, monkeypatch):
        monkeypatch.setattr(endpoint, "PATIENCE", Patience(lock_seconds=0.1, answer_seconds=30))
        async with served(database_url) as client:
            async with locked(database_url, "callscope.api_key"):
                body = Body(row(1))
                assert is_asked_to_come_back(await client.post("/ingest", content=body))
                assert body.read == 0
            assert (await client.post("/ingest", content=row(1))).status_code == 200

    async def test_leave_connections_to_those_who_read(self, database_url):
        async with served(database_url) as client:
            async with locked(database_url):
                waiting = [asyncio.create_task(client.post("/ingest", content=row(number))) for number in range(9)]
                await until(client, in_flight=9, writing=2)
                assert (await client.post("/graphql", json={"query": "{ calls { totalCount } }"})).status_code == 200
            assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}

    async def test_are_given_up_where_their_sender_says_no_more(self, database_url, monkeypatch):
        monkeypatch.setattr(endpoint, "IDLE_SECONDS", 0.05)
        async with served(database_url, ingest_requests=1) as client:
            answer = await client.post("/ingest", content=Body(row(1), row(2), stops=True))
            assert (answer.status_code, answer.json()["errors"][0]["extensions"]) == (503, {"code": "TIMEOUT"})
            assert (await client.post("/ingest", content=row(3))).json()["accepted"] == 1


class TestBytes:
    async def test_beyond_the_limit_are_refused_as_soon_as_they_are_announced(self, database_url):
        async with served(database_url, ingest_bytes=300) as client:
            first = Body(row(1), row(2), b"\n" * 900, stops=True)
            sending = asyncio.create_task(client.post("/ingest", content=first, headers={"content-length": "1012"}))
            await until(client, held_bytes=150)
            second = Body(row(3))
            answer = await client.post("/ingest", content=second, headers={"content-length": "151"})
            assert is_asked_to_come_back(answer)
            assert second.read == 0
            # A large body leaves room for small ones.
            assert (await client.post("/ingest", content=row(4))).status_code == 200
            first.goes_on.set()
            assert (await sending).json()["accepted"] == 2
            assert (await client.post("/ingest", content=row(3))).json()["accepted"] == 1
            await until(client, in_flight=0, held_bytes=0)

    async def test_that_were_not_announced_are_refused_as_they_come(self, database_url):
        async with served(database_url, ingest_bytes=200) as client:
            first = Body(row(1) + b"\n" * 100, stops=True)
            sending = asyncio.create_task(client.post("/ingest", content=first))
            await until(client, held_bytes=100)
            second = Body(row(2), b"\n" * 100, b"\n" * 100, b"\n" * 100)
            assert is_asked_to_come_back(await client.post("/ingest", content=second))
            assert second.read < 300
            first.goes_on.set()
            assert (await sending).json()["accepted"] == 1

    async def test_of_one_body_may_be_any_number(self, database_url):
        async with served(database_url, ingest_bytes=10) as client:
            assert (await client.post("/ingest", content=Body(*map(row, range(50))))).json()["accepted"] == 50

    @pytest.mark.parametrize("length", ["-1", "x", "1" * 5000, "٣"])
    async def test_are_not_taken_from_nonsense(self, database_url, length):
        async with served(database_url, ingest_bytes=10) as client:
            headers = {"content-length": length.encode()}
            assert (await client.post("/ingest", content=Body(row(1)), headers=headers)).json()["accepted"] == 1


class TestCounting:
    def test_ends_with_each_request_whatever_became_of_it(self):
        admission = Admission(requests=2, size=500, writers=1)
        with suppress(ZeroDivisionError), admission.visit() as visit:
            visit.announce(60)
            visit.take(50)
            assert (admission.in_flight, admission.bytes) == (1, 60)
            visit.take(50)
            assert admission.bytes == 100
            raise ZeroDivisionError
        assert (admission.in_flight, admission.bytes) == (0, 0)

    def test_bounds_requests_and_bytes(self):
        admission = Admission(requests=2, size=100, writers=1)
        with admission.visit() as one, admission.visit() as two:
            one.announce(51)
            one.take(1_000_000)
            with pytest.raises(RequestError, match=r"50 of 100 bytes") as caught:
                two.announce(51)
            assert caught.value.code is ErrorCode.OVERLOADED
            two.announce(50)
            with pytest.raises(RequestError, match="2 requests already"), admission.visit():
                raise AssertionError
            assert (admission.in_flight, admission.bytes) == (2, 100)
        assert (admission.in_flight, admission.bytes) == (0, 0)
        with admission.visit() as visit:
            # The place of the large one is free again.
            visit.announce(1_000_000)

    async def test_a_turn_is_waited_for_no_longer_than_that(self, monkeypatch):
        monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
        admission = Admission(requests=2, size=100, writers=1)
        async with admission.turn():
            assert admission.writing == 1
            with pytest.raises(TimeoutError):
                async with admission.turn():
                    raise AssertionError
        assert admission.writing == 0
        async with admission.turn():
            assert admission.writing == 1

    async def test_bodies_that_are_held_come_one_at_a_time_and_keep_no_others_waiting(self, monkeypatch):
        monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
        admission = Admission(requests=9, size=100, writers=2)
        async with admission.turn(is_held=True):
            with pytest.raises(TimeoutError):
                async with admission.turn(is_held=True):
                    raise AssertionError
            async with admission.turn():
                assert admission.writing == 2
                with pytest.raises(TimeoutError):
                    async with admission.turn():
                        raise AssertionError
        async with admission.turn(is_held=True):
            assert admission.writing == 1


async def test_what_breaks_inside_is_told_without_its_inside(database_url, monkeypatch):
    def broken(*_, **__):
        raise KeyError("s3cret")

    monkeypatch.setattr(endpoint, "ingest_file", broken)
    async with served(database_url) as client:
        answer = await client.post("/ingest", content=row(1))
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]) == (500, {"code": "INTERNAL"})
    assert "s3cret" not in answer.text
