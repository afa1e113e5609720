"""``GET /export/{call}``: whole files, parts of them, and what becomes of a download while the call changes."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest

from callscope import downloads
from callscope.api import export as endpoint
from callscope.api.keys import Scope, create
from callscope.app import create_app
from callscope.downloads import Downloads
from callscope.export import Place, export_call, find
from callscope.storage.keys import key_of
from callscope.storage.pool import Pool
from callscope.telemetry import CallRecord, EventRecord
from callscope.vocabulary import EventCategory, Platform
from tests.aging import ROOM, age, expire
from tests.inspector import Inspector
from tests.saving import change, global_id, saved
from tests.test_durability import serving


async def exported(found: Inspector, name: str) -> bytes:
    """As the command gives it out."""
    place = await find(found.connection, found.project_id, name)
    assert place is not None
    pieces = export_call(found.connection, found.project_id, place.call_key, schema=place.schema)
    return b"".join([piece async for piece in pieces])


async def get(found: Inspector, name: str, **headers: str) -> httpx.Response:
    named = {each.replace("_", "-"): value for each, value in headers.items()}
    return await found.client.get(f"/export/{quote(name, safe='')}", headers=named)


async def tell(found: Inspector, call_id: str = "room", name: str = "more", *, settled: bool = True) -> None:
    event = EventRecord(call_id=call_id, at=ROOM.started_at, category=EventCategory.OTHER, name=name)
    await found.tell([event], settled=settled)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    (error,) = answer.json()["errors"]
    assert error["message"].endswith(".")
    return answer.status_code, error["extensions"]["code"]


# ---------------------------------------------------------------------------------------------------- whole files


async def test_a_call_is_a_file_of_what_was_told(aging: Inspector) -> None:
    content = await exported(aging, "room")
    for name in ("room", await global_id(aging, "room")):
        answer = await get(aging, name)
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert answer.headers["content-disposition"] == "attachment; filename=\"room.ndjson\"; filename*=UTF-8''room.ndjson"
        assert answer.headers["accept-ranges"] == "bytes"
        assert re.fullmatch(r'"[0-9a-f]{32}"', answer.headers["etag"])
        assert answer.headers["cache-control"] == "private, no-cache"
    # The file is there by now, and its length can be told.
    assert answer.headers["content-length"] == str(len(content))
    assert {json.loads(line)["callId"] for line in content.splitlines()} == {"room"}


async def test_a_saved_session_is_the_file_that_the_call_was(aging: Inspector) -> None:
    content = await exported(aging, "room")
    session = await saved(aging, "room", "mine")
    tags = set()
    for name in (session["id"], session["call"]["id"]):
        answer = await get(aging, name)
        assert (answer.status_code, answer.content) == (200, content)
        assert 'filename="room-saved.ndjson"' in answer.headers["content-disposition"]
        tags.add(answer.headers["etag"])
    assert len(tags) == 1
    await tell(aging)
    await expire(aging, "room")
    assert (await get(aging, session["id"])).content == content
    assert refusal(await get(aging, "room")) == (404, "NOT_FOUND")
    await aging.connection.execute("update callscope.saved_session set expires_at = now()")
    assert refusal(await get(aging, session["id"])) == (404, "NOT_FOUND")


@pytest.mark.parametrize("name", ["unknown", "call_1", "session_1", "participant_1_1", "", "a" * 2000, "x\x00y", "../etc", "é/ü"])
async def test_what_is_no_call_is_not_found(aging: Inspector, name: str) -> None:
    assert refusal(await get(aging, name)) == (404, "NOT_FOUND")


NAMES = [
    ("with/slash and ü", "with_slash_and_.ndjson"),
    ('quo"te;x: y', "quo_te_x_y.ndjson"),
    ("\u202etxt.exe", "_txt.exe.ndjson"),
    ("a\\b\x1b\x9fc", "a_b_c.ndjson"),
    ("n" * 512, "n" * 150 + ".ndjson"),
]


@pytest.mark.parametrize(("name", "plain"), NAMES)
async def test_any_id_makes_a_name_that_is_safe(inspector: Inspector, name: str, plain: str) -> None:
    await inspector.tell([CallRecord(call_id=name, platform=Platform.OTHER, started_at=datetime.now(UTC))])
    answer = await get(inspector, name)
    assert answer.status_code == 200
    told = re.fullmatch(r"attachment; filename=\"(.*)\"; filename\*=UTF-8''(.*)", answer.headers["content-disposition"])
    assert told is not None
    assert told[1] == plain
    exact = re.sub(r"[/\\\x1b\x9f\u202e]", "_", name[:150])
    assert unquote(told[2]) == f"{exact}.ndjson"


async def test_telemetry_that_is_not_settled_yet_is_in_it(inspector: Inspector) -> None:
    await tell(inspector, "new", settled=False)
    answer = await get(inspector, "new")
    assert [json.loads(line)["type"] for line in answer.content.splitlines()] == ["event"]


async def test_a_meeting_that_has_gone_is_not_in_it(aging: Inspector) -> None:
    was = (await get(aging, "room")).headers["etag"]
    await age(aging, "room", 1)
    answer = await get(aging, "room")
    assert b'"early"' not in answer.content
    assert answer.headers["etag"] != was
    assert answer.content == await exported(aging, "room")


# ---------------------------------------------------------------------------------------------------- keys


async def test_a_key_exports_what_it_may_read(aging: Inspector) -> None:
    for scope, status in ((Scope.READ, 200), (Scope.WRITE, 403), (Scope.INGEST, 403)):
        key, _ = await create(aging.connection, "test", "one", frozenset({scope}))
        assert (await get(aging, "room", authorization=f"Bearer {key}")).status_code == status
    foreign, _ = await create(aging.connection, "other", "other")
    session = await saved(aging, "room")
    for name in ("room", await global_id(aging, "room"), session["id"]):
        assert refusal(await get(aging, name, authorization=f"Bearer {foreign}")) == (404, "NOT_FOUND")
    answer = await get(aging, "room", authorization="Bearer no")
    assert refusal(answer) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"


# ---------------------------------------------------------------------------------------------------- ranges


async def test_parts_of_it_are_parts_of_the_file(aging: Inspector) -> None:
    content = (await get(aging, "room")).content
    size = len(content)
    for asked, start, end in (
        ("0-0", 0, 1),
        ("0-", 0, size),
        ("100-199", 100, 200),
        (f"{size - 1}-", size - 1, size),
        (f"10-{size + 1000}", 10, size),
        ("-1", size - 1, size),
        (f"-{size * 3}", 0, size),
        ("7-9999999999999999", 7, size),
    ):
        answer = await get(aging, "room", range=f"bytes={asked}")
        assert (answer.status_code, answer.content) == (206, content[start:end])
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert answer.headers["content-length"] == str(end - start)


async def test_what_lies_beyond_the_end_cannot_be_had(aging: Inspector) -> None:
    size = len((await get(aging, "room")).content)
    for asked in (f"{size}-", f"{size + 5}-{size + 9}", "-0"):
        answer = await get(aging, "room", range=f"bytes={asked}")
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
        assert answer.content == b""


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=-", "bytes=0-1,5-6", "lines=0-5", "bytes=a-b", "bytes=-5-", "bytes=" + "9" * 19 + "-", "x"]
)
async def test_other_ranges_are_not_heeded(aging: Inspector, asked: str) -> None:
    content = (await get(aging, "room")).content
    answer = await get(aging, "room", range=asked)
    assert (answer.status_code, answer.content) == (200, content)


async def test_what_a_client_has_already_is_not_sent_again(aging: Inspector) -> None:
    tag = (await get(aging, "room")).headers["etag"]
    for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        answer = await get(aging, "room", if_none_match=known)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert (await get(aging, "room", if_none_match='"x"')).status_code == 200


async def test_headers_alone_make_no_file(aging: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "export_call", None)
    answer = await aging.client.head("/export/room")
    assert (answer.status_code, answer.content) == (200, b"")
    assert "content-length" not in answer.headers
    assert answer.headers["etag"]
    assert answer.headers["accept-ranges"] == "bytes"


# ---------------------------------------------------------------------------------------------------- changes


async def resume(found: Inspector, name: str, change_it: Any) -> tuple[bytes, bytes, int]:
    """What a client has that breaks off half way and goes on after a change: both parts, and the status of the second."""
    first = await get(found, name)
    half = first.content[: len(first.content) // 2]
    await change_it()
    second = await get(found, name, range=f"bytes={len(half)}-", if_range=first.headers["etag"])
    return half, second.content, second.status_code


async def nothing() -> None:
    pass


async def test_a_download_goes_on_where_it_broke_off(aging: Inspector) -> None:
    content = await exported(aging, "room")
    half, rest, status = await resume(aging, "room", nothing)
    assert (half + rest, status) == (content, 206)


async def test_no_file_is_torn_by_a_change(aging: Inspector) -> None:
    number = 0

    async def more() -> None:
        nonlocal number
        number += 1
        await tell(aging, name=f"more-{number}", settled=number % 2 == 0)

    async def settled() -> None:
        await aging.settle()

    for change_it in (more, settled, more, more):
        _, whole, status = await resume(aging, "room", change_it)
        assert (whole, status) == (await exported(aging, "room"), 200)
    assert whole.count(b'"more-') == 3


async def test_a_session_that_is_saved_again_is_another_file(aging: Inspector) -> None:
    session = await saved(aging, "room")

    async def saved_again() -> None:
        await tell(aging)
        await saved(aging, "room", "again")

    async def renamed() -> None:
        await change(aging, "updateSavedSession", id=session["id"], name="other")

    _, whole, status = await resume(aging, session["id"], saved_again)
    assert (whole, status) == (await exported(aging, "room"), 200)
    half, rest, status = await resume(aging, session["id"], renamed)
    assert (half + rest, status) == (whole, 206)


async def test_a_date_in_if_range_is_no_tag(aging: Inspector) -> None:
    for given in ("Wed, 21 Oct 2015 07:28:00 GMT", 'W/"x"', '"x"'):
        assert (await get(aging, "room", range="bytes=5-", if_range=given)).status_code == 200


async def test_two_states_that_follow_each_other_have_two_tags(aging: Inspector) -> None:
    """Whoever writes first may be seen last."""
    tags = [(await get(aging, "room")).headers["etag"]]
    for step in (
        "insert into live.call_change (project_id, call_key, change_id) overriding system value values ($1, $2, 1000002)",
        "insert into live.call_change (project_id, call_key, change_id) overriding system value values ($1, $2, 1000001)",
    ):
        await aging.connection.execute(step, aging.project_id, key_of("room"))
        tags.append((await get(aging, "room")).headers["etag"])
    await aging.settle()
    tags.append((await get(aging, "room")).headers["etag"])
    assert len(set(tags)) == 4


# ---------------------------------------------------------------------------------------------------- faults


async def test_one_that_breaks_before_it_begins_is_an_answer(aging: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaking(*_: Any, **__: Any) -> AsyncIterator[bytes]:
        yield b""
        raise ConnectionResetError

    monkeypatch.setattr(downloads, "export_call", breaking)
    answer = await get(aging, "room", range="bytes=0-")
    assert refusal(answer) == (503, "OVERLOADED")
    assert answer.headers["retry-after"] == "1"


async def test_who_takes_nothing_is_left(aging: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "IDLE_SECONDS", 0.05)
    sent: list[Any] = []

    async def stuck(message: Any) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    async with Pool(aging.database_url, size=1) as pool:
        each = Downloads(pool, at_once=1)
        made = await each.export(aging.project_id, Place(key_of("room")), "")
        with pytest.raises(TimeoutError):
            await endpoint.FileResponse(made, None, 200, {})({}, None, stuck)  # type: ignore[arg-type]
        assert sent == ["http.response.start", "http.response.body"]
        await made.whole()
        await each.close()
    assert made._file.closed


async def test_a_database_that_is_gone_is_an_answer() -> None:
    app = create_app("postgresql://nobody@127.0.0.1:1/none", settling=False, maintaining=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gone") as client,
    ):
        key = f"Bearer {'callscope_' + 'a' * 38}"
        answer = await client.get("/export/room", headers={"authorization": key})
        assert answer.status_code in (401, 503)


# ---------------------------------------------------------------------------------------------------- a real server


async def test_a_real_client_gets_the_bytes_of_the_command(aging: Inspector) -> None:
    """Over a socket: broken off, gone on with, and whole."""
    content = await exported(aging, "room")
    headers = {"authorization": f"Bearer {aging.key}"}
    async with (
        serving(aging.database_url) as server,
        httpx.AsyncClient(base_url=server.address, headers=headers, timeout=60, trust_env=False) as client,
    ):
        async with client.stream("GET", "/export/room") as answer:
            assert answer.headers.get("transfer-encoding") == "chunked"
            part = await anext(answer.aiter_bytes(1000))
            tag = answer.headers["etag"]
        rest = await client.get("/export/room", headers={"range": f"bytes={len(part)}-", "if-range": tag})
        assert (rest.status_code, part + rest.content) == (206, content)
        assert (await client.get("/export/room")).content == content
