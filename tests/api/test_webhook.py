"""Webhooks: a key in the address, which can only ingest, and a signature where one is configured."""

import hashlib
import logging
import time
import warnings
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import jwt
import orjson
import pytest

from callscope.api.keys import Scope, create, generate
from callscope.app import create_app
from tests.conftest import new_database
from tests.inspector import inspector as running

SECRET, NEXT, FOREIGN = "a" * 40, "b" * 40, "c" * 40
CALLBACK = orjson.dumps(
    {
        "sessionId": "s",
        "projectId": "123",
        "event": "connectionCreated",
        "timestamp": 1700000000000,
        "connection": {"id": "c1", "createdAt": 1700000000000, "data": "name=Ada"},
    }
)


@pytest.fixture(scope="module")
async def shared(servers, migrated):
    async with new_database(servers, template=migrated) as url:
        yield url


@pytest.fixture
async def inspector(shared):
    async with running(shared, project=uuid4().hex) as found:
        yield found


async def key_for(inspector, *scopes):
    name = await inspector.connection.fetchval("select name from callscope.project where project_id = $1", inspector.project_id)
    key, _ = await create(inspector.connection, name, "webhook", frozenset(scopes))
    return key


@asynccontextmanager
async def signed(inspector, *secrets, project="default"):
    """A client of a server that wants signatures, and a key."""
    app = create_app(inspector.database_url, settling=False, vonage_secrets=secrets, vonage_project=project)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://callscope") as client,
    ):
        yield client, await key_for(inspector, Scope.INGEST)


async def call_ids(inspector):
    rows = await inspector.connection.fetch(
        "select body->>'callId' as id from live.record where project_id = $1 and kind = 'call' and body ? 'callId'",
        inspector.project_id,
    )
    return [row["id"] for row in rows]


def refusal(answer, status, code):
    assert answer.status_code == status, answer.text
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": code}
    return error["message"]


class TestKey:
    async def test_that_can_only_ingest_opens_its_project(self, inspector):
        key = await key_for(inspector, Scope.INGEST)
        answer = await inspector.client.post(f"/ingest/vonage/{key}", content=CALLBACK, headers={"authorization": ""})
        assert (answer.status_code, answer.json()["calls"]) == (200, ["s"])
        await inspector.settle()
        data = await inspector.query('{ call(callId: "s") { platform participants { nodes { displayName } } } }')
        assert data["call"] == {"platform": "VONAGE", "participants": {"nodes": [{"displayName": "Ada"}]}}

    async def test_opens_every_source_and_a_call_of_choice(self, inspector):
        key = await key_for(inspector, Scope.INGEST)
        row = b'{"type":"participant","callId":"x","participantId":"p"}'
        assert (await inspector.client.post(f"/ingest/callscope/{key}?call=mine", content=row)).json()["calls"] == ["mine"]
        answer = await inspector.client.post(f"/ingest/teams/{key}", content=row)
        assert "'teams'" in refusal(answer, 400, "BAD_REQUEST")
        assert key not in answer.text

    async def test_takes_callbacks_as_the_documentation_prints_them(self, inspector, shared_data):
        key = await key_for(inspector, Scope.INGEST)
        for callback in orjson.loads((shared_data / "vonage" / "session-monitoring.json").read_bytes()):
            answer = await inspector.client.post(f"/ingest/vonage/{key}", json=callback)
            assert (answer.status_code, answer.json()["refused"], len(answer.json()["calls"])) == (200, [], 1)

    @pytest.mark.parametrize("scopes", [tuple(Scope), (Scope.READ, Scope.INGEST), (Scope.READ,), (Scope.WRITE,)])
    async def test_that_can_do_anything_else_is_refused(self, inspector, scopes):
        key = await key_for(inspector, *scopes)
        answer = await inspector.client.post(f"/ingest/vonage/{key}", content=CALLBACK)
        assert "keys create --scope ingest" in refusal(answer, 403, "FORBIDDEN")
        assert key not in answer.text
        assert await call_ids(inspector) == []

    @pytest.mark.parametrize("key", ["nonsense", generate(), "%00"], ids=["nonsense", "another", "control"])
    async def test_that_is_none_is_refused_though_the_header_has_a_good_one(self, inspector, key):
        answer = await inspector.client.post(f"/ingest/vonage/{key}", content=CALLBACK)
        assert "a valid key that can only ingest" in refusal(answer, 401, "UNAUTHENTICATED")
        assert await call_ids(inspector) == []

    async def test_is_in_no_log_and_no_figure(self, inspector, caplog, monkeypatch):
        caplog.set_level(logging.DEBUG)
        key = await key_for(inspector, Scope.INGEST)

        def fail(*_, **__):
            raise OSError

        await inspector.client.post(f"/ingest/vonage/{key}", content=CALLBACK)
        monkeypatch.setattr("callscope.api.ingest.ingest_file", fail)
        assert (await inspector.client.post(f"/ingest/vonage/{key}", content=CALLBACK)).status_code == 503
        server = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
        assert server
        assert not any(key in message for message in server)
        figures = (await inspector.client.get("/metrics")).text
        assert key not in figures
        assert 'route="/ingest/{source}/{key}"' in figures

    async def test_that_stands_in_place_of_a_source_is_not_told(self, inspector):
        key = await key_for(inspector, Scope.INGEST)
        for path in (f"/ingest/{key}", f"/ingest/{key}/vonage"):
            answer = await inspector.client.post(path, content=CALLBACK)
            assert "The key should stand behind a source" in refusal(answer, 400, "BAD_REQUEST")
            assert key not in answer.text

    async def test_is_not_asked_to_come_back_with_what_is_refused(self, inspector):
        key = await key_for(inspector, Scope.INGEST)
        answer = await inspector.client.post(f"/ingest/vonage/{key}", content=b'{"sessionId":"s","event":"archive"}')
        assert answer.status_code == 200
        assert [(row["field"], row["code"]) for row in answer.json()["refused"]] == [("timestamp", "missing")]


def token(body=CALLBACK, secret=SECRET, algorithm="HS256", **claims):
    told = {"iss": "Vonage", "iat": int(time.time()), "jti": uuid4().hex, "payload_hash": hashlib.sha256(body).hexdigest()}
    content = {name: value for name, value in (told | claims).items() if value is not ...}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.encode(content, secret, algorithm=algorithm)


def bearer(*arguments, **claims):
    return {"authorization": f"Bearer {token(*arguments, **claims)}"}


class TestSignature:
    """Headers are made when a test sends them: what they say of the time would be past after a long run of other tests."""

    @pytest.mark.parametrize(
        "made",
        [
            bearer,
            lambda: bearer(secret=NEXT),
            lambda: bearer(payload_hash=hashlib.sha256(CALLBACK).hexdigest().upper()),
            lambda: bearer(aud="anybody", exp=int(time.time()) + 600),
            lambda: {"authorization": f"bearer  {token()} "},
        ],
    )
    async def test_of_the_body_by_any_of_the_secrets_is_accepted(self, inspector, made):
        async with signed(inspector, SECRET, NEXT) as (client, key):
            answer = await client.post(f"/ingest/vonage/{key}", content=CALLBACK, headers=made())
            assert (answer.status_code, answer.json().get("calls")) == (200, ["s"])

    @pytest.mark.parametrize(
        ("made", "why"),
        [
            (dict, "carries none"),
            (lambda: {"authorization": "Basic x"}, "carries none"),
            (lambda: {"authorization": "Bearer "}, "carries none"),
            (lambda: {"authorization": "Bearer x.y.z"}, "no valid token"),
            (lambda: bearer(secret=FOREIGN), "another secret"),
            (lambda: bearer(algorithm="none", secret=None), "no valid token"),
            (lambda: bearer(algorithm="HS512"), "no valid token"),
            (lambda: bearer(body=CALLBACK + b" "), "another body"),
            (lambda: bearer(payload_hash=...), "'payload_hash'"),
            (lambda: bearer(payload_hash=5), "another body"),
            (lambda: bearer(payload_hash="ü"), "another body"),
            (lambda: bearer(iat=...), "'iat'"),
            (lambda: bearer(iat=int(time.time()) + 3600), "no valid token"),
            (lambda: bearer(exp=int(time.time()) - 3600), "expired"),
        ],
    )
    async def test_that_is_missing_or_wrong_is_refused(self, inspector, made, why):
        async with signed(inspector, SECRET, NEXT) as (client, key):
            answer = await client.post(f"/ingest/vonage/{key}", content=CALLBACK, headers=made())
            assert why in refusal(answer, 401, "UNAUTHENTICATED")
        assert await call_ids(inspector) == []

    async def test_is_looked_at_before_the_body_is_read(self, inspector):
        async def body():
            raise AssertionError("nobody should read this")
            yield b""

        async with signed(inspector, SECRET) as (client, key):
            assert (await client.post(f"/ingest/vonage/{key}", content=body())).status_code == 401

    async def test_makes_no_key_good(self, inspector):
        async with signed(inspector, SECRET) as (client, _):
            answer = await client.post(f"/ingest/vonage/{generate()}", content=CALLBACK, headers=bearer())
            assert answer.status_code == 401

    async def test_needs_no_key(self, inspector):
        name = "select name from callscope.project where project_id = $1"
        project = await inspector.connection.fetchval(name, inspector.project_id)
        async with signed(inspector, SECRET, project=project) as (client, _):
            for _ in range(2):
                answer = await client.post("/ingest/vonage", content=CALLBACK, headers=bearer())
                assert (answer.status_code, answer.json()["calls"]) == (200, ["s"])
        assert await call_ids(inspector) == ["s"]

    @pytest.mark.parametrize(
        ("made", "path", "why"),
        [
            (lambda: bearer(secret=FOREIGN), "/ingest/vonage", "another secret"),
            (lambda: bearer(body=CALLBACK + b" "), "/ingest/vonage", "another body"),
            (dict, "/ingest/vonage", "valid key"),
            (lambda: {"authorization": f"Bearer {generate()}"}, "/ingest/vonage", "valid key"),
            (bearer, "/ingest/callscope", "valid key"),
            (bearer, "/ingest", "valid key"),
        ],
    )
    async def test_alone_must_be_good_and_of_its_source(self, inspector, made, path, why):
        async with signed(inspector, SECRET) as (client, _):
            assert why in refusal(await client.post(path, content=CALLBACK, headers=made()), 401, "UNAUTHENTICATED")

    async def test_alone_says_nothing_where_none_is_configured(self, inspector):
        async with signed(inspector) as (client, _):
            answer = await client.post("/ingest/vonage", content=CALLBACK, headers=bearer())
            assert "valid key" in refusal(answer, 401, "UNAUTHENTICATED")

    async def test_is_not_wanted_of_other_sources_nor_of_keys_in_headers(self, inspector):
        async with signed(inspector, SECRET) as (client, key):
            row = b'{"type":"participant","callId":"x","participantId":"p"}'
            assert (await client.post(f"/ingest/callscope/{key}", content=row)).status_code == 200
            headers = {"authorization": f"Bearer {key}"}
            assert (await client.post("/ingest/vonage", content=CALLBACK, headers=headers)).status_code == 200
