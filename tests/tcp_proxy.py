"""A proxy before a server, in which the network becomes slow, hangs, or breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass
class Proxy:
    """``delay`` is what each answer takes longer, s."""

    upstream: str
    delay: float = 0
    url: str = ""
    _server: asyncio.Server | None = None
    _port: int = 0
    _talks: set[asyncio.Task[None]] = field(default_factory=set)
    _flows: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_hung(self) -> bool:
        """Whether nothing is passed on, in either direction."""
        return not self._flows.is_set()

    @is_hung.setter
    def is_hung(self, is_hung: bool) -> None:
        (self._flows.clear if is_hung else self._flows.set)()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}/0"

    async def stop(self) -> None:
        """Refuse connections, and end those that there are."""
        if self._server is not None:
            self._server.close()
            for talk in self._talks:
                talk.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        self._talks.add(talk)
        try:
            with suppress(OSError):
                upstream_reader, upstream_writer = await self._connect()
                try:
                    ways = (self._pass(reader, upstream_writer, 0), self._pass(upstream_reader, writer, 1))
                    done, rest = await asyncio.wait(map(asyncio.create_task, ways), return_when=asyncio.FIRST_COMPLETED)
                    for way in rest:
                        way.cancel()
                    await asyncio.gather(*done, *rest, return_exceptions=True)
                finally:
                    upstream_writer.close()
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            self._talks.discard(talk)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        url = urlsplit(self.upstream)
        if url.scheme == "unix":
            return await asyncio.open_unix_connection(unquote(url.path))
        return await asyncio.open_connection(url.hostname, url.port or 6379)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delays: int) -> None:
        while content := await reader.read(65_536):
            await asyncio.sleep(self.delay * delays)
            await self._flows.wait()
            writer.write(content)
            await writer.drain()


@asynccontextmanager
async def proxy(upstream: str) -> AsyncIterator[Proxy]:
    """A proxy that passes on all, until told otherwise."""
    made = Proxy(upstream)
    made.is_hung = False
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
