"""``GET /export/{call}``: a call, or what a saved session kept of it, as a file of our own NDJSON.

The file of one state of a call is the same bytes each time, and its ETag another one as soon as anything else was told of the
call. A download that broke off goes on with ``Range``; with ``If-Range`` it begins anew where the call has changed meanwhile.
"""

import asyncio
import logging
import re
from typing import NamedTuple
from urllib.parse import quote

import asyncpg
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from callscope.api import keys
from callscope.api.keys import Grant, Keyring
from callscope.api.unavailability import INTERNAL, database_errors
from callscope.downloads import Downloads, Export
from callscope.export import SAVED, Place, find
from callscope.labels import is_control
from callscope.query.errors import ErrorCode, RequestError
from callscope.storage.pool import Pool
from callscope.storage.telemetry_rows import State, TelemetryRows

log = logging.getLogger(__name__)

IDLE_SECONDS = 60.0
"""So long may a client take for a piece."""
STATUS = {
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.OVERLOADED: 503,
    ErrorCode.TIMEOUT: 503,
    ErrorCode.INTERNAL: 500,
}
MEDIA_TYPE = "application/x-ndjson"
MAX_NAME = 150
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)


class Span(NamedTuple):
    """Of a file: from its first byte to one before the second."""

    start: int
    end: int


class ExportEndpoint:
    """Answers ``GET`` and ``HEAD``."""

    def __init__(self, pool: Pool, keyring: Keyring, downloads: Downloads) -> None:
        self._pool = pool
        self._keyring = keyring
        self._downloads = downloads

    async def answer(self, request: Request) -> Response:
        try:
            with database_errors():
                return await self._answer(request)
        except RequestError as error:
            return _refused(error)
        except Exception:
            log.exception("a request failed")
            return _refused(RequestError(ErrorCode.INTERNAL, INTERNAL))

    async def _answer(self, request: Request) -> Response:
        grant = await self._grant(request)
        async with self._pool.connection() as connection:
            place = await find(connection, grant.project_id, request.path_params["call"])
            state = None if place is None else await _state(connection, grant.project_id, place)
        if place is None or state is None:
            told = "give the platform's id of one, or a global one (call_… or, of what was saved, session_…)"
            raise RequestError(ErrorCode.NOT_FOUND, f"There is no such call: {told}.")
        if _is_known(request.headers.get("if-none-match"), state.tag):
            return Response(None, 304, _headers(state.call_id, place, state.tag))
        if request.method == "HEAD":
            response = Response(None, 200, _headers(state.call_id, place, state.tag), media_type=MEDIA_TYPE)
            del response.headers["content-length"]
            return response
        export = await self._downloads.export(grant.project_id, place, state.tag)
        try:
            return await _sent(request, export, _headers(state.call_id, place, export.tag))
        except BaseException:
            export.leave()
            raise

    async def _grant(self, request: Request) -> Grant:
        grant = await self._keyring.grant(request.headers.get("authorization"))
        if grant is None:
            raise RequestError(ErrorCode.UNAUTHENTICATED, "Send a valid key in the header 'Authorization: Bearer KEY'.")
        if keys.Scope.READ not in grant.scopes:
            raise RequestError(ErrorCode.FORBIDDEN, "This key may not read: use one with the scope 'read'.")
        return grant


class FileResponse(Response):
    """A file, or a part of it, as fast as the client takes it and as it grows. It leaves the file in the end."""

    def __init__(self, export: Export, span: Span | None, status: int, headers: dict[str, str]) -> None:
        # Without a length, the server sends it in chunks, and a client sees where that breaks off.
        if span is not None:
            headers = headers | {"content-length": str(span.end - span.start)}
        self.status_code = status
        self.background = None
        self.body = b""
        self.media_type = MEDIA_TYPE
        self._export = export
        self._span = span
        self.init_headers(headers)
        if span is None:
            del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            start, end = self._span or (0, None)
            async for piece in self._export.read(start, end):
                async with asyncio.timeout(IDLE_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._export.leave()


async def _sent(request: Request, export: Export, headers: dict[str, str]) -> Response:
    """All of the file, or the part that is asked for: which needs to be of this state, and to be there."""
    asked = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    is_same = request.headers.get("if-range") in (None, headers["etag"])
    if asked is None or not is_same or not _makes_sense(asked[1], asked[2]):
        return FileResponse(export, Span(0, export.size) if export.is_whole else None, 200, headers)
    size = await export.whole()
    span = _span(asked[1], asked[2], size)
    if span is None:
        export.leave()
        return Response(None, 416, headers | {"content-range": f"bytes */{size}"})
    return FileResponse(export, span, 206, headers | {"content-range": f"bytes {span.start}-{span.end - 1}/{size}"})


def _makes_sense(first: str, last: str) -> bool:
    """Others are not heeded, as HTTP has it."""
    return bool(first or last) and not (first and last and int(last) < int(first))


def _span(first: str, last: str, size: int) -> Span | None:
    """What a range names of a file of this size; None where that is nothing."""
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    return Span(start, end) if start < end else None


async def _state(connection: asyncpg.Connection, project_id: int, place: Place) -> State | None:
    return await TelemetryRows(connection, project_id, place.call_key, schema=place.schema).state()


def _is_known(if_none_match: str | None, tag: str) -> bool:
    known = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return f'"{tag}"' in known or known == ["*"]


def _headers(call_id: str, place: Place, tag: str) -> dict[str, str]:
    name = f"{call_id[:MAX_NAME]}{'-saved' if place.schema == SAVED else ''}.ndjson"
    exact = "".join("_" if one in "/\\" or is_control(one) else one for one in name)
    plain = _PLAIN.sub("_", name).lstrip(".")
    return {
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(exact, safe='')}",
        "etag": f'"{tag}"',
        "vary": "Authorization",
        "x-content-type-options": "nosniff",
    }


def _refused(error: RequestError) -> Response:
    content = orjson.dumps({"errors": error.formatted()})
    response = Response(content, STATUS.get(error.code, 400), media_type="application/json")
    if error.code is ErrorCode.UNAUTHENTICATED:
        response.headers["www-authenticate"] = "Bearer"
    if response.status_code == 503:
        response.headers["retry-after"] = "1"
    return response
