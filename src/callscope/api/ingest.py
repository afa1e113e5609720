"""Telemetry over HTTP: our own NDJSON, or the format of a source."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, cast

import asyncpg
import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from callscope.api.keys import Grant, Keyring, Scope
from callscope.api.unavailability import database_errors
from callscope.ingest import Receipt, in_batches, ingest
from callscope.query.errors import ErrorCode, RequestError
from callscope.sources import SourceError
from callscope.sources.registry import NATIVE, SOURCES, Source
from callscope.storage.pool import Pool
from callscope.storage.timeseries import Partitions

SPOOLED_BYTES = 1_000_000
ATTEMPTS = 3
ENCODINGS = ("identity", "gzip")
STATUS = {ErrorCode.UNAUTHENTICATED: 401, ErrorCode.FORBIDDEN: 403, ErrorCode.OVERLOADED: 503, ErrorCode.TIMEOUT: 503}


class IngestEndpoint:
    """Answers ``POST /ingest`` and ``POST /ingest/{source}`` once everything that it accepted is durable."""

    def __init__(self, pool: Pool, partitions: Partitions, keyring: Keyring, changed: Callable[[], None]) -> None:
        self._pool = pool
        self._partitions = partitions
        self._keyring = keyring
        self._changed = changed

    async def native(self, request: Request) -> Response:
        return await self._answer(request, NATIVE)

    async def source(self, request: Request) -> Response:
        name = request.path_params["source"]
        source = SOURCES.get(name)
        if source is None:
            known = ", ".join(SOURCES)
            return _refused(RequestError(ErrorCode.BAD_REQUEST, f"There is no source '{name}': it should be one of {known}."))
        return await self._answer(request, source)

    async def _answer(self, request: Request, source: Source) -> Response:
        try:
            with database_errors():
                receipt = await self._receive(request, source, await self._grant(request))
        except RequestError as error:
            return _refused(error)
        except ClientDisconnect:
            # Nobody is left to answer, and nothing was stored.
            return Response(status_code=400)
        self._changed()
        return _json(receipt.as_json(), 400 if receipt.refused and not receipt.accepted else 200)

    async def _grant(self, request: Request) -> Grant:
        grant = await self._keyring.grant(request.headers.get("authorization"))
        if grant is None:
            raise RequestError(ErrorCode.UNAUTHENTICATED, "Send a valid key in the header 'Authorization: Bearer KEY'.")
        if Scope.INGEST not in grant.scopes:
            raise RequestError(ErrorCode.FORBIDDEN, "This key may not send telemetry: use one with the scope 'ingest'.")
        return grant

    async def _receive(self, request: Request, source: Source, grant: Grant) -> Receipt:
        encoding = request.headers.get("content-encoding", "identity").lower()
        if encoding not in ENCODINGS:
            raise RequestError(ErrorCode.BAD_REQUEST, f"Content-Encoding should be gzip or none, not '{encoding}'.")
        with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as file:
            async for chunk in request.stream():
                file.write(chunk)
            try:
                return await self._ingest(cast("BinaryIO", file), source, request.query_params.get("call"), grant)
            except SourceError as error:
                at = f"Line {error.line}: " if error.line is not None else ""
                raise RequestError(ErrorCode.BAD_REQUEST, f"{at}{error.reason}") from error

    async def _ingest(self, file: BinaryIO, source: Source, call_id: str | None, grant: Grant) -> Receipt:
        """Once more where another writer of the same rows was in the way."""
        for _ in range(ATTEMPTS):
            file.seek(0)
            with suppress(asyncpg.DeadlockDetectedError):
                async with self._pool.connection() as connection:
                    rows = in_batches(source.read(file, call_id=call_id))
                    return await ingest(connection, self._partitions, grant.project_id, rows)
        raise RequestError(ErrorCode.OVERLOADED, "Others write the same telemetry just now: try again in a moment.")


def _refused(error: RequestError) -> Response:
    response = _json({"errors": error.formatted()}, STATUS.get(error.code, 500 if error.code is ErrorCode.INTERNAL else 400))
    if error.code is ErrorCode.UNAUTHENTICATED:
        response.headers["www-authenticate"] = "Bearer"
    if error.code in (ErrorCode.OVERLOADED, ErrorCode.TIMEOUT):
        response.headers["retry-after"] = "1"
    return response


def _json(content: Any, status: int) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
