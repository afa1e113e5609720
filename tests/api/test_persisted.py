import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis

from callscope.api import persisted
from callscope.api import redis as module
from callscope.api.persisted import PersistedDocuments
from callscope.api.redis import Redis
from callscope.query.errors import ErrorCode, RequestError

DOCUMENT = "{ project { name } }"
OTHER = "{ project { id } }"
NOT_FOUND = {"errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]}

pytestmark = pytest.mark.usefixtures("patience")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def wish(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256(text)}}


async def is_known(documents: PersistedDocuments, text: str) -> bool:
    try:
        return await documents.document(None, wish(text)) == text
    except RequestError as error:
        if error.code is ErrorCode.PERSISTED_QUERY_NOT_FOUND:
            return False
        raise


async def refusal(documents: PersistedDocuments, query: Any, extensions: dict[str, Any]) -> ErrorCode:
    with pytest.raises(RequestError) as refused:
        await documents.document(query, extensions)
    return refused.value.code


@asynccontextmanager
async def opened(redis_url: str | None) -> AsyncIterator[PersistedDocuments]:
    async with Redis(redis_url) as shared:
        yield PersistedDocuments(shared)


@asynccontextmanager
async def pretended_redis(answer: bytes | None) -> AsyncIterator[str]:
    """Something that is not Redis: it answers everything with the same bytes, or takes it and says nothing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            if answer is not None:
                writer.write(answer)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1") as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


@pytest.mark.parametrize("extensions", [{}, {"persistedQuery": None}, {"other": 1}])
async def test_a_document_without_a_hash_is_run_as_it_is(extensions: dict[str, Any]) -> None:
    async with opened(None) as documents:
        assert await documents.document(DOCUMENT, extensions) == DOCUMENT
        await documents.keep(DOCUMENT, extensions)
        assert not await is_known(documents, DOCUMENT)


@pytest.mark.parametrize("query", [None, 5, ["{ a }"], {"a": 1}])
async def test_a_request_without_a_text_and_without_a_hash_is_refused(query: Any) -> None:
    async with opened(None) as documents:
        assert await refusal(documents, query, {}) is ErrorCode.BAD_REQUEST


async def test_a_hash_stands_for_the_document_once_it_was_sent_with_it(redis_url: str) -> None:
    async with opened(redis_url) as documents:
        assert not await is_known(documents, DOCUMENT)
        assert await documents.document(DOCUMENT, wish(DOCUMENT)) == DOCUMENT
        await documents.keep(DOCUMENT, wish(DOCUMENT))
        assert await is_known(documents, DOCUMENT)


async def test_a_hash_may_be_written_in_capitals() -> None:
    async with opened(None) as documents:
        await documents.keep(DOCUMENT, wish(DOCUMENT))
        given = {"persistedQuery": {"version": 1, "sha256Hash": sha256(DOCUMENT).upper()}}
        assert await documents.document(None, given) == DOCUMENT


async def test_another_process_knows_the_document_by_redis(redis_url: str) -> None:
    async with opened(redis_url) as one, opened(redis_url) as another:
        await one.keep(DOCUMENT, wish(DOCUMENT))
        assert await is_known(another, DOCUMENT)
        with redis.Redis.from_url(redis_url) as client:
            client.flushdb()
        assert await is_known(another, DOCUMENT)


async def test_redis_forgets_documents_that_nobody_registers_again(redis_url: str) -> None:
    async with opened(redis_url) as documents:
        await documents.keep(DOCUMENT, wish(DOCUMENT))
    with redis.Redis.from_url(redis_url) as client:
        assert [0 < client.ttl(key) <= persisted.KEPT_SECONDS for key in client.scan_iter()] == [True]


async def test_a_document_of_another_hash_is_refused() -> None:
    async with opened(None) as documents:
        assert await refusal(documents, OTHER, wish(DOCUMENT)) is ErrorCode.BAD_REQUEST
        assert not await is_known(documents, DOCUMENT)
        assert not await is_known(documents, OTHER)


@pytest.mark.parametrize(
    "given",
    [
        5,
        "text",
        [],
        {},
        {"version": 1},
        {"sha256Hash": sha256(DOCUMENT)},
        {"version": 2, "sha256Hash": sha256(DOCUMENT)},
        {"version": "1", "sha256Hash": sha256(DOCUMENT)},
        {"version": 1, "sha256Hash": None},
        {"version": 1, "sha256Hash": ""},
        {"version": 1, "sha256Hash": sha256(DOCUMENT)[:-1]},
        {"version": 1, "sha256Hash": sha256(DOCUMENT) + "\n"},
        {"version": 1, "sha256Hash": "ß" * 64},
        {"version": 1, "sha256Hash": "a" * 900_000},
    ],
    ids=lambda given: repr(given)[:60],
)
@pytest.mark.parametrize("query", [None, DOCUMENT])
async def test_a_malformed_wish_is_refused(query: str | None, given: Any) -> None:
    async with opened(None) as documents:
        assert await refusal(documents, query, {"persistedQuery": given}) is ErrorCode.BAD_REQUEST


async def test_documents_in_memory_are_bounded_and_used_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persisted, "CAPACITY", 3)
    texts = [f"{{ field{number} }}" for number in range(4)]
    async with opened(None) as documents:
        for text in texts[:3]:
            await documents.keep(text, wish(text))
        assert await is_known(documents, texts[0])
        await documents.keep(texts[3], wish(texts[3]))
        assert [await is_known(documents, text) for text in texts] == [True, False, True, True]


async def test_very_long_documents_are_run_but_not_kept(redis_url: str) -> None:
    text = DOCUMENT + " " * persisted.MAX_CHARACTERS
    async with opened(redis_url) as documents:
        assert await documents.document(text, wish(text)) == text
        await documents.keep(text, wish(text))
        assert not await is_known(documents, text)


@pytest.mark.parametrize("forged", [OTHER.encode(), b"", b"\xff\xfe", "list"])
async def test_what_others_write_to_redis_is_never_run(redis_url: str, forged: bytes | str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        async with opened(redis_url) as documents:
            await documents.keep(DOCUMENT, wish(DOCUMENT))
        (name,) = client.scan_iter()
        if forged == "list":
            client.delete(name)
            client.rpush(name, "a")
        else:
            client.set(name, forged)
    async with opened(redis_url) as documents:
        assert not await is_known(documents, DOCUMENT)


# No length, no number, nested without end, no UTF-8, another protocol, errors that Redis has, and silence.
ANSWERS = [b"$abc\r\n", b":abc\r\n", b"$-5\r\n", b"*1\r\n" * 5_000, b"$2\r\n\xff\xfe\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"]
ANSWERS += [b"+OK\r\n", b"-LOADING\r\n", b"-OOM\r\n", b"-READONLY\r\n", b"-NOAUTH\r\n", b"-MOVED 1 x:1\r\n", b"-\r\n"]


@pytest.mark.parametrize("answer", [*ANSWERS, None], ids=lambda answer: repr(answer)[:20])
async def test_a_redis_that_is_broken_or_slow_harms_nobody(answer: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
    async with pretended_redis(answer) as url, opened(url) as documents:
        await assert_works_alone(documents)


async def test_a_redis_that_is_down_harms_nobody() -> None:
    async with opened("redis://127.0.0.1:1/0") as documents:
        await assert_works_alone(documents)


async def assert_works_alone(documents: PersistedDocuments) -> None:
    assert not await is_known(documents, DOCUMENT)
    await documents.keep(DOCUMENT, wish(DOCUMENT))
    assert await is_known(documents, DOCUMENT)


async def test_the_answer_to_an_unknown_hash_is_what_clients_look_for(inspector) -> None:
    for accept in ("application/json", "application/graphql-response+json", "*/*"):
        answer = await inspector.client.post("/graphql", json={"extensions": wish(DOCUMENT)}, headers={"accept": accept})
        assert (answer.status_code, answer.json()) == (200, NOT_FOUND)


async def test_documents_that_fail_are_never_kept(inspector) -> None:
    for text in ("{ nonsense }", "{ project {", "fragment F on Query { __typename }"):
        refused = await inspector.client.post("/graphql", json={"query": text, "extensions": wish(text)})
        assert refused.json()["errors"][0]["extensions"]["code"] != "PERSISTED_QUERY_NOT_FOUND"
        answer = await inspector.client.post("/graphql", json={"extensions": wish(text)})
        assert answer.json() == NOT_FOUND


async def test_a_kept_document_is_run_with_other_variables(inspector) -> None:
    text = "query Named($isAsked: Boolean!) { project { name @include(if: $isAsked) __typename } }"

    async def ask(*, is_asked: bool, **rest: Any) -> dict[str, Any]:
        variables = {"isAsked": is_asked}
        answer = await inspector.client.post("/graphql", json={"variables": variables, "extensions": wish(text), **rest})
        return answer.json()["data"]["project"]

    assert await ask(is_asked=True, query=text) == {"name": "test", "__typename": "Project"}
    assert await ask(is_asked=False) == {"__typename": "Project"}


async def test_a_kept_document_opens_nothing_without_a_key(inspector) -> None:
    request = {"query": DOCUMENT, "extensions": wish(DOCUMENT)}
    assert (await inspector.client.post("/graphql", json=request)).status_code == 200
    answer = await inspector.client.post("/graphql", json={"extensions": wish(DOCUMENT)}, headers={"authorization": ""})
    assert answer.status_code == 401
