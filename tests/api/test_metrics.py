"""Figures for Prometheus: what they count, what they never name, and who may see them."""

import asyncio
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from callscope.api import metrics as module
from callscope.api.keys import Scope, create
from callscope.app import create_app
from callscope.maintenance import Removed
from callscope.sources.registry import SOURCES
from tests.conftest import new_database
from tests.inspector import inspector as running

NOBODY = "postgresql://nobody@127.0.0.1:1/none"
GOOD = b'{"type":"participant","callId":"secret-call","participantId":"p"}\n'
BAD = b'{"type":"participant","callId":"secret-call"}\n'
PROJECT = f"secret-project-{uuid4().hex}"


@pytest.fixture(scope="module")
async def shared(servers, migrated):
    async with new_database(servers, template=migrated) as url:
        yield url


@pytest.fixture
async def inspector(shared):
    async with running(shared, project=PROJECT) as found:
        yield found


@asynccontextmanager
async def served(database_url, **options):
    app = create_app(database_url, settling=False, **options)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://callscope") as client,
    ):
        yield client


async def figures(client):
    """Every sample by its name and labels, as a reader of the format understands it."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(answer.text))
    assert all(family.documentation for family in families)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def answered(route, status, method="POST"):
    return ("callscope_http_requests_total", ("method", method), ("route", route), ("status", str(status)))


def accepted(source):
    return ("callscope_ingest_accepted_rows_total", ("source", source))


def refused(source, code):
    return ("callscope_ingest_refused_rows_total", ("code", code), ("source", source))


class TestRows:
    async def test_are_counted_by_source_and_code(self, inspector):
        await inspector.client.post("/ingest", content=GOOD * 3 + BAD * 2 + b"{\n")
        await inspector.client.post("/ingest/callscope", content=BAD)
        await inspector.client.post("/ingest/rtcstats", content=b"nonsense")
        await inspector.client.post("/ingest/rtcstats", content=b"PK\x03\x04")
        found = await figures(inspector.client)
        assert found[accepted("callscope")] == 3
        assert found[refused("callscope", "missing")] == 3
        assert found[refused("callscope", "json_invalid")] == 1
        assert found[refused("rtcstats", "source_invalid")] == 1
        assert found[refused("rtcstats", "file_packed")] == 1

    async def test_of_every_source_are_told_from_the_beginning(self, inspector):
        found = await figures(inspector.client)
        assert [found[accepted(source)] for source in SOURCES] == [0] * len(SOURCES)

    async def test_that_were_not_stored_are_not_counted(self, inspector, monkeypatch):
        async def fail(*_, **__):
            raise OSError

        monkeypatch.setattr("callscope.api.ingest.ingest_file", fail)
        await inspector.client.post("/ingest", content=GOOD)
        assert (await figures(inspector.client))[accepted("callscope")] == 0


class TestRequests:
    async def test_are_counted_by_route_and_status(self, inspector):
        client = inspector.client
        key, _ = await create(inspector.connection, PROJECT, "hook", frozenset({Scope.INGEST}))
        for request in (
            client.post("/graphql", json={"query": "{ calls { totalCount } }"}),
            client.get("/graphql", params={"query": "{ nonsense"}, headers={"accept": "application/graphql-response+json"}),
            client.post("/ingest", content=GOOD, headers={"authorization": "Bearer no"}),
            client.post(f"/ingest/callscope/{key}", content=GOOD),
            client.get("/secret-path"),
            client.get("/ingest"),
            client.request("BREW", "/health/live"),
            client.options("/graphql", headers={"origin": "https://a.example", "access-control-request-method": "POST"}),
        ):
            await request
        found = await figures(client)
        assert found[answered("/graphql", 200)] == 1
        assert found[answered("/graphql", 400, "GET")] == 1
        assert found[answered("/ingest", 401)] == 1
        assert found[answered("/ingest/{source}/{key}", 200)] == 1
        assert found[answered("none", 404, "GET")] == 1
        assert found[answered("/ingest", 405, "GET")] == 1
        assert found[answered("/health/live", 405, "other")] == 1
        assert found[answered("none", 200, "OPTIONS")] == 1
        assert (await figures(client))[answered("/metrics", 200, "GET")] == 1

    async def test_that_break_are_errors_of_the_server(self):
        counted = module.Metrics()

        async def broken(scope, receive, send):
            raise ZeroDivisionError

        middleware = module.MetricsMiddleware(broken, counted)
        with pytest.raises(ZeroDivisionError):
            await middleware({"type": "http", "method": "GET"}, None, None)
        assert counted.registry.get_sample_value(
            "callscope_http_requests_total", {"route": "none", "method": "GET", "status": "500"}
        )

    async def test_are_not_what_a_server_begins_with(self):
        heard = []

        async def app(scope, receive, send):
            heard.append(scope["type"])

        await module.MetricsMiddleware(app, module.Metrics())({"type": "lifespan"}, None, None)
        assert heard == ["lifespan"]


class TestMaintenance:
    async def test_is_counted_by_what_it_removed(self, inspector):
        names = ("calls", "meetings", "saved_sessions", "partitions", "rows", "mutations")
        found = await figures(inspector.client)
        assert [found["callscope_maintenance_removed_total", ("what", name)] for name in names] == [0] * 6
        counted = module.Metrics()
        for _ in range(2):
            counted.removed(Removed(1, 2, 3, 4, 5, 6))
        told = [counted.registry.get_sample_value("callscope_maintenance_removed_total", {"what": name}) for name in names]
        assert told == [2, 4, 6, 8, 10, 12]


class TestDatabase:
    async def test_tells_what_waits_for_settling(self, inspector, monkeypatch):
        monkeypatch.setattr(module, "REMEMBER_SECONDS", 0)
        await inspector.settle()
        found = await figures(inspector.client)
        assert (found["callscope_settle_pending_calls",], found["callscope_settle_lag_seconds",]) == (0, 0)
        await inspector.client.post("/ingest", content=GOOD + GOOD.replace(b"secret-call", b"other"))
        await inspector.client.post("/ingest", content=GOOD.replace(b'"p"', b'"q"'))
        await inspector.connection.execute("update live.call_change set changed_at = now() - interval '90 seconds'")
        found = await figures(inspector.client)
        assert found["callscope_settle_pending_calls",] == 2
        assert 90 <= found["callscope_settle_lag_seconds",] < 600
        assert found["callscope_database_up",] == 1
        await inspector.settle()
        assert (await figures(inspector.client))["callscope_settle_pending_calls",] == 0

    async def test_is_asked_once_in_a_while_however_many_ask(self, inspector, monkeypatch):
        asked = []
        connect = module.asyncpg.connect

        async def counting(*arguments, **options):
            asked.append(1)
            return await connect(*arguments, **options)

        monkeypatch.setattr(module.asyncpg, "connect", counting)
        await asyncio.gather(*(figures(inspector.client) for _ in range(20)))
        assert len(asked) == 1

    async def test_may_be_gone(self):
        async with served(NOBODY) as client:
            found = await figures(client)
        assert found["callscope_database_up",] == 0
        assert found["callscope_settle_pending_calls",] != found["callscope_settle_pending_calls",]  # not a number

    async def test_connections_are_told(self, shared):
        async with served(shared, pool_size=7) as client:
            found = await figures(client)
        assert (found["callscope_pool_connections",], found["callscope_pool_busy_connections",]) == (7, 0)


class TestReaders:
    async def test_see_no_project_call_or_key(self, inspector):
        await inspector.client.post("/ingest", content=GOOD + BAD)
        text = (await inspector.client.get("/metrics")).text
        assert not any(secret in text for secret in (PROJECT, "secret-call", inspector.key, inspector.key[-4:]))

    async def test_need_no_key(self, inspector):
        assert (await inspector.client.get("/metrics", headers={"authorization": ""})).status_code == 200

    @pytest.mark.parametrize(
        ("authorization", "status"),
        [
            (None, 401),
            ("Bearer", 401),
            ("Bearer wrong", 401),
            ("Basic figures", 401),
            ("Bearer ü".encode(), 401),
            ("Bearer figures", 200),
            ("bearer  figures ", 200),
        ],
    )
    async def test_need_the_key_that_is_set(self, shared, authorization, status):
        async with served(shared, metrics_key="figures") as client:
            answer = await client.get("/metrics", headers={"authorization": authorization} if authorization else {})
        assert answer.status_code == status
        assert (answer.headers.get("www-authenticate") == "Bearer") == (status == 401)
        assert ("callscope_" in answer.text) == (status == 200)
