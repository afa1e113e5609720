"""Telemetry over HTTP: what is accepted, refused, and answered."""

import gzip
import io
import tracemalloc
import zipfile
from uuid import uuid4

import asyncpg
import httpx
import orjson
import pytest

from callscope.api import ingest as module
from callscope.api.keys import Scope, create, generate
from callscope.app import create_app
from callscope.sources import lines
from callscope.sources.registry import SOURCES
from callscope.storage.pool import connect
from tests.conftest import new_database
from tests.inspector import inspector as running

GOOD = b'{"type":"participant","callId":"x","participantId":"p"}\n'
BAD = b'{"type":"participant","callId":"x"}\n'
# Names of tests must be the same in every process: no time of packing in it.
PACKED = gzip.compress(GOOD, mtime=0)
DUMP = b"\n".join(
    [
        b'["connectionInfo",null,{"path":"/room","userAgent":"Mozilla/5.0 (X11; Linux) Firefox/118.0"},1700000000000]',
        b'["identity",null,{"confName":"standup","endpointId":"aaaaaaaa","displayName":"Ada"},1700000000000]',
        b'["create","PC_0",{},1700000000000]',
        b'["constraints","PC_0",{"optional":[{"rtcStatsSFUP2P":false}]},1700000000000]',
        b'["onconnectionstatechange","PC_0","connected",1700000000500]',
        b'["close","PC_0",{},1700000060000]',
        b"",
    ]
)


@pytest.fixture(scope="module")
async def shared(servers, migrated):
    async with new_database(servers, template=migrated) as url:
        yield url


@pytest.fixture
async def inspector(shared):
    """A project of its own in a database that all tests here share."""
    async with running(shared, project=uuid4().hex) as found:
        yield found


async def post(inspector, content, path="/ingest", key=None, **headers):
    if key is not None:
        headers["authorization"] = key
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await inspector.client.post(path, content=content, headers=named)


async def participants(inspector):
    """As a process that has nothing to do with the server sees them."""
    other = await connect(inspector.database_url)
    found = await other.fetch(
        "select body->>'participantId' as id from live.record where project_id = $1 and kind = 'participant' order by 1",
        inspector.project_id,
    )
    await other.close()
    return [row["id"] for row in found]


def refusal(answer, status, code):
    """The words of a refused request."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": code}
    return error["message"]


def raising(error):
    async def ingest(*_, **__):
        raise error

    return ingest


class TestAccepted:
    @pytest.mark.parametrize(
        ("content", "headers"),
        [
            (GOOD, {}),
            (GOOD, {"content_encoding": "identity"}),
            (PACKED, {"content_encoding": "gzip"}),
            (PACKED, {"content_encoding": "GZIP"}),
            (PACKED, {}),
            (gzip.compress(GOOD[:20], mtime=0) + gzip.compress(GOOD[20:], mtime=0), {"content_encoding": "gzip"}),
        ],
        ids=["plain", "identity", "gzip", "capitals", "unnamed", "two members"],
    )
    async def test_plain_and_packed(self, inspector, content, headers):
        answer = await post(inspector, content, **headers)
        assert (answer.status_code, answer.json()) == (200, {"calls": ["x"], "accepted": 1, "refused": []})
        assert await participants(inspector) == ["p"]

    async def test_is_durable_when_it_is_acknowledged(self, inspector):
        for number in range(5):
            await post(inspector, GOOD.replace(b'"p"', b'"p%d"' % number))
            assert len(await participants(inspector)) == number + 1

    async def test_some_rows_beside_refused_ones(self, inspector):
        answer = await post(inspector, GOOD + b"{\n\n" + BAD)
        assert answer.status_code == 200
        content = answer.json()
        assert (content["accepted"], content["calls"]) == (1, ["x"])
        assert [(row["line"], row["field"], row["code"]) for row in content["refused"]] == [
            (2, None, "json_invalid"),
            (4, "participantId", "missing"),
        ]
        assert await participants(inspector) == ["p"]

    async def test_refused_rows_alone_are_a_bad_request(self, inspector):
        answer = await post(inspector, BAD * 2)
        assert answer.status_code == 400
        assert (answer.json()["accepted"], len(answer.json()["refused"])) == (0, 2)

    @pytest.mark.parametrize("content", [b"", b"\n \n", gzip.compress(b"", mtime=0)])
    async def test_nothing_is_nothing(self, inspector, content):
        answer = await post(inspector, content)
        assert (answer.status_code, answer.json()) == (200, {"calls": [], "accepted": 0, "refused": []})

    async def test_for_the_call_that_the_address_names(self, inspector):
        answer = await post(inspector, b'{"type":"participant","participantId":"p"}', "/ingest?call=r%C3%B6om%2F1")
        assert answer.json()["calls"] == ["röom/1"]

    @pytest.mark.parametrize("call", ["%00", "x" * 513])
    async def test_not_for_a_call_that_cannot_be(self, inspector, call):
        answer = await post(inspector, GOOD, f"/ingest?call={call}")
        assert answer.status_code == 400
        assert [row["field"] for row in answer.json()["refused"]] == ["callId"]

    async def test_more_than_is_held_in_memory(self, inspector, monkeypatch):
        monkeypatch.setattr(module, "SPOOLED_BYTES", 1000)
        rows = [orjson.dumps({"type": "participant", "callId": "x", "participantId": str(number)}) for number in range(1200)]
        answer = await post(inspector, b"\n".join(rows))
        assert answer.json()["accepted"] == 1200

    async def test_belongs_to_the_keys_project_alone(self, inspector, shared):
        async with running(shared, project=uuid4().hex) as other:
            await post(inspector, GOOD)
            assert await participants(other) == []
            assert (await other.query('{ call(callId: "x") { callId } }'))["call"] is None


class TestSources:
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    async def test_of_a_dump(self, inspector, pack):
        answer = await post(inspector, pack(DUMP), "/ingest/rtcstats")
        assert answer.status_code == 200, answer.text
        assert answer.json()["calls"] == ["standup"]
        await inspector.settle()
        data = await inspector.query(
            '{ call(callId: "standup") { platform participants { nodes { displayName connections { totalCount } } } } }'
        )
        assert data["call"]["platform"] == "JITSI"
        (one,) = data["call"]["participants"]["nodes"]
        assert (one["displayName"], one["connections"]) == ("Ada", {"totalCount": 1})

    async def test_for_the_call_that_the_address_names(self, inspector):
        assert (await post(inspector, DUMP, "/ingest/rtcstats?call=mine")).json()["calls"] == ["mine"]

    async def test_the_native_one_by_its_name(self, inspector):
        assert (await post(inspector, GOOD, "/ingest/callscope")).json()["accepted"] == 1

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    async def test_that_nobody_names_is_told_by_the_body(self, inspector, pack):
        callback = {"sessionId": "room", "projectId": "p", "event": "sessionCreated", "timestamp": 1700000000000}
        row = {"category": "CallSurvey", "CallId": "c", "SurveyId": "s", "TimeGenerated": "2024-01-09T15:07:56Z"}
        dump = {"getUserMedia": [], "PeerConnections": {"1-2": {"pid": 1, "url": "https://a.example", "updateLog": []}}}
        for content, call in ((orjson.dumps([callback]), "room"), (orjson.dumps(row), "c"), (DUMP, "standup"), (GOOD, "x")):
            answer = await post(inspector, pack(content))
            assert (answer.status_code, answer.json()["calls"]) == (200, [call])
        (call,) = (await post(inspector, pack(orjson.dumps(dump)))).json()["calls"]
        assert call.startswith("webrtc-internals-")

    @pytest.mark.parametrize("name", [name for name in SOURCES if name != "rtcstats"])
    async def test_that_is_not_the_one_that_is_named_is_told_too(self, inspector, name):
        """Once, however many rows there are: the first of them is to blame."""
        answer = await post(inspector, DUMP * 2_000, f"/ingest/{name}")
        assert "begins like a file of 'rtcstats'" in refusal(answer, 400, "BAD_REQUEST")
        assert [row["code"] for row in answer.json()["refused"]] in (["source_invalid"], ["too_many_refused"])

    async def test_an_unknown_one_is_answered_with_those_that_are_known(self, inspector):
        words = refusal(await post(inspector, GOOD, "/ingest/teams"), 400, "BAD_REQUEST")
        assert "'teams'" in words
        assert all(name in words for name in SOURCES)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "empty"),
            (GOOD, "Line 1: file is not a Jitsi rtcstats dump"),
            (DUMP + b"nonsense\n", "Line 7: "),
            (DUMP + b'["close","PC_0","\x00",1700000000000]\n', "Line 7: line contains a NUL byte"),
        ],
    )
    async def test_a_damaged_dump_is_refused_as_a_whole(self, inspector, content, words):
        assert words in refusal(await post(inspector, content, "/ingest/rtcstats"), 400, "BAD_REQUEST")
        assert await participants(inspector) == []

    async def test_a_damaged_dump_is_told_as_the_one_row_that_is_refused(self, inspector):
        content = (await post(inspector, DUMP + b"nonsense\n", "/ingest/rtcstats")).json()
        assert (content["calls"], content["accepted"]) == ([], 0)
        (row,) = content["refused"]
        assert (row["line"], row["field"], row["code"]) == (7, None, "source_invalid")
        assert content["errors"][0]["message"] == f"Line 7: {row['reason']}"
        content = (await post(inspector, gzip.compress(DUMP)[:-9], "/ingest/rtcstats")).json()
        assert [(row["line"], row["code"]) for row in content["refused"]] == [(0, "truncated")]

    async def test_columns_that_nobody_knows_are_kept_and_categories_that_nobody_knows_refused(self, inspector):
        columns = "Type,TimeGenerated [UTC],CallId,ParticipantId,OperationName,CallClientTimeStamp [UTC],Umläut,NewIn2031"
        when = "2024-01-09T15:07:56.066Z"
        rows = [
            f"ACSCallClientOperations,{when},c,p,JoinCall,{when},ümläut \U0001f600,'; drop table live.event; --",
            f"ACSCallRatings,{when},c,p,JoinCall,{when},,",
        ]
        content = b"\xef\xbb\xbf" + "\r\n".join([columns, *rows]).encode()
        answer = (await post(inspector, content, "/ingest/acs")).json()
        (refused,) = answer["refused"]
        assert (refused["line"], refused["field"], refused["code"]) == (3, "category", "category_unknown")
        assert "CallSummary, CallSummaryUpdates" in refused["reason"]
        (payload,) = [
            orjson.loads(row["payload"])
            for row in await inspector.connection.fetch(
                "select payload from live.event where project_id = $1", inspector.project_id
            )
        ]
        assert (payload["umläut"], payload["newIn2031"]) == ("ümläut \U0001f600", "'; drop table live.event; --")

    @pytest.mark.parametrize(
        "text",
        ["'); drop table live.record; --", "${jndi:ldap://x}", "<script>alert(1)</script>", "\u202e\u0085\ufeff\x7f", "%s%n{0}"],
    )
    async def test_hostile_text_is_stored_as_what_it_is(self, inspector, text):
        row = {"type": "participant", "callId": text, "participantId": text, "displayName": text}
        assert (await post(inspector, orjson.dumps(row))).json()["calls"] == [text]
        await inspector.settle()
        query = "query ($id: String!) { call(callId: $id) { participants { nodes { displayName } } } }"
        assert (await inspector.query(query, id=text))["call"]["participants"]["nodes"] == [{"displayName": text}]


class TestKeys:
    @pytest.mark.parametrize(
        "key", ["", "Bearer", "Bearer nonsense", "Basic dXNlcjpwYXNz", "Bearer callscope_00000000000000000000000000000000000000"]
    )
    async def test_without_a_valid_one_nothing_is_taken(self, inspector, key):
        answer = await post(inspector, GOOD, key=key)
        assert "Authorization: Bearer" in refusal(answer, 401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert await participants(inspector) == []

    @pytest.mark.parametrize(
        ("scopes", "status"), [({Scope.INGEST}, 200), ({Scope.READ, Scope.WRITE}, 403), ({Scope.READ, Scope.INGEST}, 200)]
    )
    async def test_must_be_for_telemetry(self, inspector, scopes, status):
        key, _ = await create(inspector.connection, uuid4().hex, "test", frozenset(scopes))
        answer = await post(inspector, GOOD, key=f"Bearer {key}")
        assert answer.status_code == status
        if status == 403:
            assert "scope 'ingest'" in refusal(answer, 403, "FORBIDDEN")

    async def test_is_asked_for_before_the_body_is_read(self, inspector):
        async def body():
            raise AssertionError("nobody should read this")
            yield b""

        assert (await post(inspector, body(), key="Bearer no")).status_code == 401


class TestRefused:
    @pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, br", "nonsense"])
    async def test_other_encodings(self, inspector, encoding):
        answer = await post(inspector, GOOD, content_encoding=encoding)
        assert "gzip or none" in refusal(answer, 400, "BAD_REQUEST")

    async def test_gzip_that_ends_in_the_middle(self, inspector):
        packed = gzip.compress(GOOD * 3)
        words = refusal(await post(inspector, packed[:-9], content_encoding="gzip"), 400, "BAD_REQUEST")
        assert "ends in the middle" in words
        assert await participants(inspector) == []

    async def test_gzip_that_is_none(self, inspector):
        answer = await post(inspector, b"\x1f\x8b" + GOOD, content_encoding="gzip")
        assert "cannot be unpacked" in refusal(answer, 400, "BAD_REQUEST")

    async def test_a_gzip_bomb(self, inspector, monkeypatch):
        monkeypatch.setattr(lines, "EXPANSION_IS_FREE_BELOW", 100_000)
        bomb = gzip.compress(GOOD + (b" " * 999 + b"\n") * 2000)
        answer = await post(inspector, bomb)
        assert "expands to more than 200 times" in refusal(answer, 400, "BAD_REQUEST")
        assert [row["code"] for row in answer.json()["refused"]] == ["file_too_expanded"]
        assert await participants(inspector) == []

    async def test_a_zip_archive(self, inspector):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("dump", DUMP)
        answer = await post(inspector, packed.getvalue(), "/ingest/rtcstats")
        assert "zip archive: send what is in it" in refusal(answer, 400, "BAD_REQUEST")
        assert [row["code"] for row in answer.json()["refused"]] == ["file_packed"]

    async def test_an_endless_line_that_is_never_held_as_a_whole(self, inspector, monkeypatch):
        monkeypatch.setattr(lines, "MAX_LINE_BYTES", 2**20)
        size, chunk = 40 * 2**20, bytes(2**16)

        async def body():
            yield GOOD
            for _ in range(size // len(chunk)):
                yield chunk

        await post(inspector, GOOD)
        tracemalloc.start()
        answer = await post(inspector, body())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert "Line 2: line is longer than 1 MiB" in refusal(answer, 400, "BAD_REQUEST")
        assert peak < 6 * 2**20
        assert await participants(inspector) == ["p"]

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    async def test_other_methods(self, inspector, method):
        assert (await inspector.client.request(method, "/ingest")).status_code == 405

    async def test_a_client_that_leaves_in_the_middle_stores_nothing(self, inspector):
        sent = []
        messages = iter([{"type": "http.request", "body": GOOD, "more_body": True}, {"type": "http.disconnect"}])

        async def receive():
            return next(messages)

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/ingest",
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {inspector.key}".encode())],
        }
        await inspector.client._transport.app(scope, receive, send)
        assert sent[0]["status"] == 400
        assert await participants(inspector) == []


class TestDatabase:
    async def test_writers_in_each_others_way_try_again(self, inspector, monkeypatch):
        tries = []
        ingest = module.ingest_file

        async def collide(*arguments, **options):
            tries.append(1)
            receipt = await ingest(*arguments, **options)
            if len(tries) < 3:
                raise asyncpg.DeadlockDetectedError
            return receipt

        monkeypatch.setattr(module, "ingest_file", collide)
        answer = await post(inspector, GOOD + BAD)
        assert answer.json()["accepted"] == 1
        assert len(answer.json()["refused"]) == 1

    async def test_but_not_for_ever(self, inspector, monkeypatch):
        monkeypatch.setattr(module, "ingest_file", raising(asyncpg.DeadlockDetectedError()))
        answer = await post(inspector, GOOD)
        assert "try again" in refusal(answer, 503, "OVERLOADED")
        assert answer.headers["retry-after"] == "1"

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (asyncpg.QueryCanceledError("s3cret"), 503, "TIMEOUT"),
            (asyncpg.ConnectionDoesNotExistError("s3cret"), 503, "OVERLOADED"),
            (TimeoutError("s3cret"), 503, "OVERLOADED"),
            (asyncpg.UndefinedColumnError("s3cret"), 500, "INTERNAL"),
        ],
    )
    async def test_what_fails_there_is_told_without_its_inside(self, inspector, monkeypatch, error, status, code):
        monkeypatch.setattr(module, "ingest_file", raising(error))
        answer = await post(inspector, GOOD)
        refusal(answer, status, code)
        assert "s3cret" not in answer.text
        assert answer.headers.get("retry-after") == ("1" if status == 503 else None)

    async def test_without_any_clients_are_asked_to_wait(self):
        app = create_app("postgresql://nobody@127.0.0.1:1/none", settling=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://callscope") as client,
        ):
            answer = await client.post("/ingest", content=GOOD, headers={"authorization": f"Bearer {generate()}"})
        refusal(answer, 503, "OVERLOADED")
