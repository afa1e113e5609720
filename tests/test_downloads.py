"""Exports that are downloaded: each is made once, read by all at their own pace, and kept for a while."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from callscope import downloads
from callscope.downloads import Downloads, Export
from callscope.export import Place, export_call
from callscope.query.errors import RequestError
from callscope.storage.keys import key_of
from callscope.storage.pool import Pool
from tests.inspector import Inspector
from tests.test_durability import until


async def exported(found: Inspector) -> bytes:
    """The room as the command gives it out."""
    return b"".join([piece async for piece in export_call(found.connection, found.project_id, key_of("room"))])


@pytest.fixture
async def pool(aging: Inspector) -> AsyncIterator[Pool]:
    async with Pool(aging.database_url, size=4) as made:
        yield made


@asynccontextmanager
async def downloading(pool: Pool, at_once: int = 2) -> AsyncIterator[Downloads]:
    made = Downloads(pool, at_once=at_once)
    try:
        yield made
    finally:
        await made.close()


async def content_of(each: Export, start: int = 0, end: int | None = None) -> bytes:
    try:
        return b"".join([piece async for piece in each.read(start, end)])
    finally:
        each.leave()


PLACE = Place(key_of("room"))


async def test_all_who_ask_for_a_state_read_one_file(aging: Inspector, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    real = export_call

    def counting(*given: Any, **named: Any) -> Any:
        made.append(1)
        return real(*given, **named)

    monkeypatch.setattr(downloads, "export_call", counting)
    content = await exported(aging)
    async with downloading(pool) as each:
        first = await each.export(aging.project_id, PLACE, "")
        others = [await each.export(aging.project_id, PLACE, first.tag) for _ in range(5)]
        assert await asyncio.gather(*(content_of(one) for one in (first, *others))) == [content] * 6
        assert made == [1]
        assert await content_of(await each.export(aging.project_id, PLACE, "other")) == content
        assert made == [1, 1]


async def test_no_reader_holds_a_connection(aging: Inspector, pool: Pool) -> None:
    async with downloading(pool) as each:
        made = await each.export(aging.project_id, PLACE, "")
        pieces = made.read(0, None)
        await anext(pieces)
        await made.whole()
        await until(lambda: is_true(pool.busy == 0))
        await pieces.aclose()
        made.leave()


async def is_true(value: bool) -> bool:
    return value


async def test_it_is_finished_for_who_comes_back(aging: Inspector, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = asyncio.Event()
    real = export_call

    async def waiting(*given: Any, **named: Any) -> AsyncIterator[bytes]:
        async for piece in real(*given, **named):
            yield piece
            await goes_on.wait()

    monkeypatch.setattr(downloads, "export_call", waiting)
    content = await exported(aging)
    async with downloading(pool, at_once=1) as each:
        made = await each.export(aging.project_id, PLACE, "")
        tag = made.tag
        half = await anext(made.read(0, None))
        made.leave()
        with pytest.raises(RequestError, match="Enough calls"):
            await each.export(aging.project_id, PLACE, "other")
        again = await each.export(aging.project_id, PLACE, tag)
        goes_on.set()
        assert half + await content_of(again, len(half)) == content


async def test_files_go_when_nobody_asked_for_them_or_they_are_too_much(
    aging: Inspector, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with downloading(pool) as each:
        room = await each.export(aging.project_id, PLACE, "")
        content = await content_of(room)
        other = await each.export(aging.project_id, Place(key_of("one-to-one")), "")
        await content_of(other)
        await until(lambda: is_true(not each._making))
        reading = await each.export(aging.project_id, PLACE, room.tag)
        assert reading is room
        monkeypatch.setattr(downloads, "KEEP_BYTES", room.size)
        await content_of(await each.export(aging.project_id, PLACE, room.tag))
        assert list(each._kept.values()) == [room]
        assert other._file.closed
        monkeypatch.setattr(downloads, "KEEP_SECONDS", -1.0)
        again = await each.export(aging.project_id, PLACE, room.tag)
        assert again is not room
        # One that is read can be read to its end.
        assert await content_of(reading) == await content_of(again) == content
        assert room._file.closed


async def test_files_go_although_nobody_asks_for_another(aging: Inspector, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was told of a call is kept no longer here than there."""
    monkeypatch.setattr(downloads, "LOOK_SECONDS", 0.02)
    async with downloading(pool) as each:
        room = await each.export(aging.project_id, PLACE, "")
        content = await content_of(room)
        await asyncio.sleep(0.1)
        assert await content_of(await each.export(aging.project_id, PLACE, room.tag)) == content
        monkeypatch.setattr(downloads, "KEEP_SECONDS", -1.0)
        await until(lambda: is_true(room._file.closed))
        assert each._kept == {}
        await until(lambda: is_true(each._look is None))


async def test_one_that_breaks_is_told_and_not_kept(aging: Inspector, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    real = export_call

    async def breaking(*given: Any, **named: Any) -> AsyncIterator[bytes]:
        async for piece in real(*given, **named):
            yield piece
            raise ConnectionResetError

    monkeypatch.setattr(downloads, "export_call", breaking)
    async with downloading(pool) as each:
        made = await each.export(aging.project_id, PLACE, "")
        with pytest.raises(ConnectionResetError):
            await content_of(made)
        assert each._kept == {}
        with pytest.raises(RequestError, match="just gone"):
            await each.export(aging.project_id, Place(1), "")
