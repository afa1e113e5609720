"""Exports that are downloaded: each is made once, into a temporary file that all who ask for it read at their own pace.

So no slow client holds a connection to PostgreSQL, and one whose download broke off finds the same bytes again for a while. A
file holds one state of a call; another state makes another file.
"""

import asyncio
import os
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from callscope.export import Place, export_call
from callscope.query.errors import ErrorCode, RequestError
from callscope.storage.pool import Pool
from callscope.storage.telemetry_rows import TelemetryRows, one_state

PIECE = 2**18
KEEP_SECONDS = 600.0
KEEP_BYTES = 2**30
"""Of the files that are kept, the one that was asked for longest ago goes first."""
LOOK_SECONDS = 60.0
"""So often, and before each export, it is looked for files that have been kept long enough."""

Key = tuple[int, Place, str]
"""The project, the call, and the tag of its state."""


class Export:
    """A file that grows until it is whole. It is closed once nobody uses it any more."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - whoever uses it last closes it
        self._users = 0
        self._changed = asyncio.Event()
        self.tag = ""
        self.size = 0
        self.is_whole = False
        self.error: BaseException | None = None
        self.asked_at = time.monotonic()

    def use(self) -> None:
        self._users += 1
        self.asked_at = time.monotonic()

    def leave(self) -> None:
        self._users -= 1
        if not self._users:
            self._file.close()

    def begin(self, tag: str) -> None:
        self.tag = tag
        self._tell()

    async def write(self, piece: bytes) -> None:
        await asyncio.to_thread(self._file.write, piece)
        self.size += len(piece)
        self._tell()

    def end(self, error: BaseException | None = None) -> None:
        self.is_whole, self.error = error is None, error
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def begun(self) -> None:
        """Once it is known of which state it is."""
        await self._until(lambda: bool(self.tag))

    async def whole(self) -> int:
        """Its size, once all of it is there."""
        await self._until(lambda: self.is_whole)
        return self.size

    async def read(self, start: int, end: int | None) -> AsyncIterator[bytes]:
        """The bytes from ``start`` to ``end``, or to the end of the file, as they come."""
        at = start
        while end is None or at < end:
            await self._beyond(at)
            piece = await asyncio.to_thread(os.pread, self._file.fileno(), PIECE if end is None else min(PIECE, end - at), at)
            if not piece:
                return
            at += len(piece)
            yield piece

    async def _beyond(self, size: int) -> None:
        await self._until(lambda: self.is_whole or self.size > size)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self.error is not None:
                raise self.error
            await self._changed.wait()


class Downloads:
    """The exports of one server, of which ``at_once`` can be made at the same time."""

    def __init__(self, pool: Pool, *, at_once: int) -> None:
        self._pool = pool
        self._at_once = at_once
        self._making: dict[asyncio.Task[None], Export] = {}
        self._kept: OrderedDict[Key, Export] = OrderedDict()
        self._look: asyncio.TimerHandle | None = None

    async def export(self, project_id: int, place: Place, tag: str) -> Export:
        """An export of a call as it stands, whose state had this tag a moment ago. Whoever gets it must ``leave`` it."""
        self._forget()
        export = self._kept.get((project_id, place, tag))
        if export is not None:
            self._kept.move_to_end((project_id, place, tag))
            export.use()
            return export
        if len(self._making) >= self._at_once:
            raise RequestError(ErrorCode.OVERLOADED, "Enough calls are being exported just now: try again in a moment.")
        export = Export()
        export.use()
        export.use()
        # It goes on whoever leaves: who comes back for the rest finds it.
        task = asyncio.create_task(self._make(project_id, place, export))
        self._making[task] = export
        task.add_done_callback(self._made)
        try:
            await export.begun()
        except BaseException:
            export.leave()
            raise
        return export

    async def _make(self, project_id: int, place: Place, export: Export) -> None:
        async with self._pool.connection() as connection, one_state(connection):
            state = await TelemetryRows(connection, project_id, place.call_key, schema=place.schema).state()
            if state is None:
                raise RequestError(ErrorCode.NOT_FOUND, "The call has just gone.")
            self._keep((project_id, place, state.tag), export)
            export.begin(state.tag)
            async with aclosing(export_call(connection, project_id, place.call_key, schema=place.schema)) as pieces:
                async for piece in pieces:
                    await export.write(piece)

    def _made(self, task: "asyncio.Task[None]") -> None:
        export = self._making.pop(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        export.end(error)
        if error is not None:
            for key in [key for key, kept in self._kept.items() if kept is export]:
                self._drop(key)
        export.leave()

    def _keep(self, key: Key, export: Export) -> None:
        if key in self._kept:
            self._drop(key)
        self._kept[key] = export
        export.use()
        self._look_later()

    def _drop(self, key: Key) -> None:
        self._kept.pop(key).leave()

    def _forget(self) -> None:
        """What nobody asked for lately, and what is too much."""
        size = sum(export.size for export in self._kept.values())
        for key, export in list(self._kept.items()):
            is_old = time.monotonic() - export.asked_at > KEEP_SECONDS
            if export.is_whole and (is_old or size > KEEP_BYTES):
                size -= export.size
                self._drop(key)

    def _look_later(self) -> None:
        """Nobody may ask again: what was told of a call must not stay for longer."""
        if self._look is None and self._kept:
            self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_now)

    def _look_now(self) -> None:
        self._look = None
        self._forget()
        self._look_later()

    async def close(self) -> None:
        if self._look is not None:
            self._look.cancel()
        for task in self._making:
            task.cancel()
        await asyncio.gather(*self._making, return_exceptions=True)
        for key in list(self._kept):
            self._drop(key)
