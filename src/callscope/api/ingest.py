"""Telemetry over HTTP: our own NDJSON, or the format of a source."""

import tempfile
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from callscope.api.keys import Grant, Keyring, Scope
from callscope.api.unavailability import database_errors
from callscope.ingest import MAX_LINE_BYTES, Receipt, Refusal, in_batches, ingest, read_line
from callscope.query.errors import ErrorCode, RequestError
from callscope.sources import SourceError
from callscope.sources.registry import SOURCES, Source
from callscope.storage.pool import Pool
from callscope.storage.timeseries import Partitions
from callscope.telemetry import Telemetry

LINES_PER_BATCH = 100
SPOOLED_BYTES = 1_000_000
# A decompressor that gives far more than it takes is fed a bomb; text compresses 10 to 40 times.
MAX_RATIO = 200
RATIO_FROM_BYTES = 10_000_000
STATUS = {ErrorCode.UNAUTHENTICATED: 401, ErrorCode.FORBIDDEN: 403, ErrorCode.OVERLOADED: 503, ErrorCode.TIMEOUT: 503}


class IngestEndpoint:
    """Answers ``POST /ingest`` and ``POST /ingest/{source}`` once everything that it accepted is durable."""

    def __init__(self, pool: Pool, partitions: Partitions, keyring: Keyring, changed: Callable[[], None]) -> None:
        self._pool = pool
        self._partitions = partitions
        self._keyring = keyring
        self._changed = changed

    async def native(self, request: Request) -> Response:
        return await self._answer(request, lambda grant: self._write(grant, lines(_content(request))))

    async def source(self, request: Request) -> Response:
        return await self._answer(request, lambda grant: self._foreign(grant, request))

    async def _answer(self, request: Request, write: Callable[[Grant], Awaitable[Receipt]]) -> Response:
        try:
            with database_errors():
                receipt = await write(await self._grant(request))
        except RequestError as error:
            return _refused(error)
        self._changed()
        return _json(receipt.as_json(), 400 if receipt.refused and not receipt.accepted else 200)

    async def _grant(self, request: Request) -> Grant:
        grant = await self._keyring.grant(request.headers.get("authorization"))
        if grant is None:
            raise RequestError(ErrorCode.UNAUTHENTICATED, "Send a valid key in the header 'Authorization: Bearer KEY'.")
        if Scope.INGEST not in grant.scopes:
            raise RequestError(ErrorCode.FORBIDDEN, "This key may not send telemetry: use one with the scope 'ingest'.")
        return grant

    async def _foreign(self, grant: Grant, request: Request) -> Receipt:
        name = request.path_params["source"]
        source = SOURCES.get(name)
        if source is None:
            raise RequestError(ErrorCode.BAD_REQUEST, f"There is no source '{name}': it should be one of {', '.join(SOURCES)}.")
        with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as file:
            async for chunk in _content(request):
                file.write(chunk)
            file.seek(0)
            return await self._read(grant, source, file, request.query_params.get("call"))

    async def _read(self, grant: Grant, source: Source, file: Any, call_id: str | None) -> Receipt:
        try:
            return await self._write(grant, in_batches(source.read(file, call_id=call_id)))
        except SourceError as error:
            at = f"Line {error.line}: " if error.line is not None else ""
            raise RequestError(ErrorCode.BAD_REQUEST, f"{at}{error.reason}") from error

    async def _write(self, grant: Grant, batches: AsyncIterator[list[Telemetry | Refusal | None]]) -> Receipt:
        async with self._pool.connection() as connection:
            return await ingest(connection, self._partitions, grant.project_id, batches)


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[Telemetry | Refusal | None]]:
    """NDJSON by the line, a batch at a time, so that a body of any size needs little memory."""
    number, rest = 0, b""
    batch: list[Telemetry | Refusal | None] = []
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            number += 1
            batch.append(read_line(line, number))
            if len(batch) >= LINES_PER_BATCH:
                yield batch
                batch = []
        if len(rest) > MAX_LINE_BYTES:
            raise RequestError(ErrorCode.BAD_REQUEST, f"Line {number + 1} should not be longer than {MAX_LINE_BYTES} bytes.")
    batch.append(read_line(rest, number + 1))
    yield batch


async def _content(request: Request) -> AsyncIterator[bytes]:
    """The body, decompressed where it is gzip."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        async for chunk in request.stream():
            yield chunk
        return
    if encoding != "gzip":
        raise RequestError(ErrorCode.BAD_REQUEST, f"Content-Encoding should be gzip or none, not '{encoding}'.")
    inflate = Inflate()
    async for chunk in request.stream():
        for content in inflate.feed(chunk):
            yield content
    inflate.close()


class Inflate:
    """Decompresses gzip (several members too) in pieces of bounded size; refuses bombs and bodies that are cut off."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._taken = self._given = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self._taken += len(chunk)
        while chunk:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            try:
                content = self._member.decompress(chunk, MAX_LINE_BYTES)
            except zlib.error as error:
                raise RequestError(ErrorCode.BAD_REQUEST, f"The body should be gzip: {error}.") from error
            self._given += len(content)
            if self._given > RATIO_FROM_BYTES and self._given > self._taken * MAX_RATIO:
                raise RequestError(ErrorCode.BAD_REQUEST, f"The body grows more than {MAX_RATIO} times when decompressed.")
            yield content
            chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def close(self) -> None:
        if not self._member.eof:
            raise RequestError(ErrorCode.BAD_REQUEST, "The gzip body is cut off, or empty.")


def _refused(error: RequestError) -> Response:
    response = _json({"errors": error.formatted()}, STATUS.get(error.code, 500 if error.code is ErrorCode.INTERNAL else 400))
    if error.code is ErrorCode.UNAUTHENTICATED:
        response.headers["www-authenticate"] = "Bearer"
    if error.code in (ErrorCode.OVERLOADED, ErrorCode.TIMEOUT):
        response.headers["retry-after"] = "1"
    return response


def _json(content: Any, status: int) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
