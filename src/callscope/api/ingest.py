"""Telemetry over HTTP, of a source that the address names or the body itself; with a key in a header, or in the address."""

import asyncio
import hashlib
import logging
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, cast

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from callscope.api.admission import Admission, Visit
from callscope.api.keys import PREFIX, Grant, Keyring, Scope, is_key, project_of
from callscope.api.metrics import Metrics
from callscope.api.signatures import Signature, Signatures
from callscope.api.unavailability import INTERNAL, database_errors
from callscope.geoip import Locate
from callscope.ingest import IN_THE_WAY, Receipt, ingest_file
from callscope.query.errors import ErrorCode, RequestError
from callscope.sources import SourceError
from callscope.sources.registry import HEAD_BYTES, NATIVE, SOURCES, Source, recognise
from callscope.storage.patience import Patience
from callscope.storage.pool import Pool
from callscope.storage.timeseries import Partitions

log = logging.getLogger(__name__)

SPOOLED_BYTES = 1_000_000
IDLE_SECONDS = 30
"""So long may a sender pause in the middle of its body."""
ATTEMPTS = 3
ENCODINGS = ("identity", "gzip")
PATIENCE = Patience(lock_seconds=3, answer_seconds=10)
STATUS = {ErrorCode.UNAUTHENTICATED: 401, ErrorCode.FORBIDDEN: 403, ErrorCode.OVERLOADED: 503, ErrorCode.TIMEOUT: 503}


class IngestEndpoint:
    """Answers ``POST /ingest``, ``/ingest/{source}`` and ``/ingest/{source}/{key}`` once all that it accepted is durable."""

    def __init__(
        self,
        pool: Pool,
        partitions: Partitions,
        keyring: Keyring,
        changed: Callable[[], None],
        *,
        admission: Admission,
        metrics: Metrics,
        signatures: Signatures,
        locate: Locate | None = None,
    ) -> None:
        self._pool = pool
        self._partitions = partitions
        self._keyring = keyring
        self._changed = changed
        self._admission = admission
        self._metrics = metrics
        self._signatures = signatures
        self._locate = locate
        self._signed_project_id: int | None = None

    async def any_source(self, request: Request) -> Response:
        """Of the source that the body is of by its first bytes, or else, our own."""
        return await self._answer(request, None)

    async def source(self, request: Request) -> Response:
        return await self._answer(request, request.path_params["source"])

    async def webhook(self, request: Request) -> Response:
        """As ``source``, for senders that can set no header."""
        return await self._answer(request, request.path_params["source"], request.path_params["key"])

    async def _answer(self, request: Request, name: str | None, key: str | None = None) -> Response:
        try:
            named = None if name is None else _source(name)
            with database_errors():
                source, receipt = await self._receive(request, named, key)
        except RequestError as error:
            return _refused(error)
        except ClientDisconnect:
            # Nobody is left to answer, and nothing was stored.
            return Response(status_code=400)
        except Exception:
            log.exception("a request failed")
            return _refused(RequestError(ErrorCode.INTERNAL, INTERNAL))
        if isinstance(receipt, SourceError):
            self._metrics.refused(source.name, [receipt.refusal.code])
            return _damaged(receipt)
        self._metrics.accepted(source.name, receipt.accepted)
        self._metrics.refused(source.name, [refusal.code for refusal in receipt.refused])
        self._changed()
        # Who sends webhooks sends refused ones again, and none at all after many errors: the same rows would be refused again.
        is_bad = receipt.refused and not receipt.accepted and key is None
        return _json(receipt.as_json(), 400 if is_bad else 200)

    async def _receive(self, request: Request, named: Source | None, key: str | None) -> tuple[Source, Receipt | SourceError]:
        """Of which source the body is, and what became of it."""
        encoding = request.headers.get("content-encoding", "identity").lower()
        if encoding not in ENCODINGS:
            raise RequestError(ErrorCode.BAD_REQUEST, f"Content-Encoding should be gzip or none, not '{encoding}'.")
        with self._admission.visit() as visit:
            async with asyncio.timeout(PATIENCE.lock_seconds):
                project_id, signature = await self._sender(request, named, key)
            visit.announce(_length(request))
            with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as spooled:
                file = cast("BinaryIO", spooled)
                await _spool(request, file, visit, signature)
                file.seek(0)
                head = file.read(HEAD_BYTES)
                source = named or recognise(head) or NATIVE
                async with self._admission.turn(is_held=source.is_held):
                    try:
                        return source, await self._ingest(file, head, source, request.query_params.get("call"), project_id)
                    except SourceError as error:
                        return source, error

    async def _sender(self, request: Request, named: Source | None, key: str | None) -> tuple[int, Signature | None]:
        """The project of who sends, by a key or a signature, and the signature that the body has to match."""
        authorization = request.headers.get("authorization")
        is_signed = named is not None and self._signatures.are_wanted(named.name)
        if key is not None:
            grant = await self._webhook_grant(key)
            signature = self._signatures.check(named.name, authorization) if named is not None and is_signed else None
            return grant.project_id, signature
        if named is not None and is_signed and authorization is not None and not is_key(authorization):
            signature = self._signatures.check(named.name, authorization)
            return await self._signed_project(), signature
        return (await self._grant(authorization)).project_id, None

    async def _signed_project(self) -> int:
        if self._signed_project_id is None:
            async with self._pool.connection() as connection:
                self._signed_project_id = await project_of(connection, self._signatures.project)
        return self._signed_project_id

    async def _grant(self, authorization: str | None) -> Grant:
        grant = await self._keyring.grant(authorization)
        if grant is None:
            raise RequestError(ErrorCode.UNAUTHENTICATED, "Send a valid key in the header 'Authorization: Bearer KEY'.")
        if Scope.INGEST not in grant.scopes:
            raise RequestError(ErrorCode.FORBIDDEN, "This key may not send telemetry: use one with the scope 'ingest'.")
        return grant

    async def _webhook_grant(self, key: str) -> Grant:
        """What the key in an address opens, which must be no more than to ingest: addresses are written into logs."""
        grant = await self._keyring.grant(f"Bearer {key}")
        if grant is None:
            raise RequestError(ErrorCode.UNAUTHENTICATED, "Send to /ingest/SOURCE/KEY with a valid key that can only ingest.")
        if grant.scopes != {Scope.INGEST}:
            raise RequestError(
                ErrorCode.FORBIDDEN,
                "This key can do more than ingest, too much for an address, which ends up in logs: make another one with"
                " 'callscope keys create --scope ingest', and revoke this one.",
            )
        return grant

    async def _ingest(self, file: BinaryIO, head: bytes, source: Source, call_id: str | None, project_id: int) -> Receipt:
        """Once more where another writer of the same rows was in the way, or a partition was dropped just then."""
        for _ in range(ATTEMPTS):
            file.seek(0)
            with suppress(*IN_THE_WAY):
                async with self._pool.connection() as connection:
                    return await ingest_file(
                        connection,
                        self._partitions,
                        project_id,
                        file,
                        source,
                        head=head,
                        call_id=call_id,
                        patience=PATIENCE,
                        locate=self._locate,
                    )
        raise RequestError(ErrorCode.OVERLOADED, "Others write the same telemetry just now: try again in a moment.")


async def _spool(request: Request, file: BinaryIO, visit: Visit, signature: Signature | None) -> None:
    """Keep the body until it is whole: no client that is slow to send keeps a connection to the database waiting."""
    digest, clock = hashlib.sha256(), asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(IDLE_SECONDS) as patience:
            async for chunk in request.stream():
                patience.reschedule(clock() + IDLE_SECONDS)
                visit.take(len(chunk))
                file.write(chunk)
                if signature is not None:
                    digest.update(chunk)
    except TimeoutError:
        raise RequestError(ErrorCode.TIMEOUT, f"Nothing more of the body came for {IDLE_SECONDS} seconds.") from None
    if signature is not None:
        signature.check_body(digest.hexdigest())


def _source(name: str) -> Source:
    source = SOURCES.get(name)
    if source is None:
        # A key belongs behind a source, and in no answer.
        told = "The key should stand behind a source" if name.startswith(PREFIX) else f"There is no source '{name}'"
        raise RequestError(ErrorCode.BAD_REQUEST, f"{told}: it should be one of {', '.join(SOURCES)}.")
    return source


def _length(request: Request) -> int:
    """The bytes that a request announces; 0 where it does not say."""
    told = request.headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 19 else 0


def _damaged(error: SourceError) -> Response:
    """A file of which nothing is accepted: told as an error, and as the one row that is refused."""
    at = f"Line {error.line}: " if error.line is not None else ""
    content = {"errors": RequestError(ErrorCode.BAD_REQUEST, f"{at}{error.reason}").formatted()}
    return _json(content | Receipt(refused=[error.refusal]).as_json(), 400)


def _refused(error: RequestError) -> Response:
    response = _json({"errors": error.formatted()}, STATUS.get(error.code, 500 if error.code is ErrorCode.INTERNAL else 400))
    if error.code is ErrorCode.UNAUTHENTICATED:
        response.headers["www-authenticate"] = "Bearer"
    if error.code in (ErrorCode.OVERLOADED, ErrorCode.TIMEOUT):
        response.headers["retry-after"] = "1"
    return response


def _json(content: Any, status: int) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
