"""GraphQL over HTTP: from a request to the operation's bytes."""

import asyncio
import logging
from collections import OrderedDict
from typing import ClassVar, NamedTuple

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from callscope.api import keys
from callscope.api.cache import SummaryCache
from callscope.api.graphql_request import GRAPHQL_RESPONSE, JSON, GraphQLRequest, accepted_media_type, content_of, read_request
from callscope.api.inspections import Inspections
from callscope.api.keys import Grant, Keyring
from callscope.api.persisted import PersistedDocuments
from callscope.api.unavailability import INTERNAL, database_errors
from callscope.query.cost import COST_LIMIT
from callscope.query.errors import ErrorCode, RequestError
from callscope.query.operation import Engine
from callscope.query.parameters import Reader
from callscope.query.plan import Answer, BoundPlan
from callscope.schema.saved_session import SCOPE
from callscope.storage.pool import Pool

log = logging.getLogger(__name__)

HEADERS = {"cache-control": "private, no-cache", "vary": "Accept, Authorization"}
STATUS = {
    ErrorCode.PERSISTED_QUERY_NOT_FOUND: 200,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.OVERLOADED: 503,
    ErrorCode.TIMEOUT: 504,
    ErrorCode.INTERNAL: 500,
}
# With application/json these were answered with 200 since before the specification, and clients rely on it.
CHANGED_BY_CLIENTS = frozenset(("saved_session", SCOPE))
"""Tables and scopes of which the next read must see a change: it may be another client's, at another server."""
ANSWERED_WITH_200 = (ErrorCode.PARSE_ERROR, ErrorCode.VALIDATION_FAILED)


class Prepared(NamedTuple):
    """What a request's content means to one reader: what is to run, whether it only reads, and what the extensions tell."""

    plan: BoundPlan
    reads: bool
    extensions: bytes


class Found(Response):
    """An answer without errors, whose headers are known but for its length."""

    STARTS: ClassVar = {
        media_type: [
            *((name.encode(), value.encode()) for name, value in HEADERS.items()),
            (b"content-type", f"{media_type}; charset=utf-8".encode()),
        ]
        for media_type in (JSON, GRAPHQL_RESPONSE)
    }

    def __init__(self, body: bytes, media_type: str) -> None:
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [*self.STARTS[media_type], (b"content-length", b"%d" % len(body))]


class GraphQLEndpoint:
    """Answers ``GET`` and ``POST /graphql``, as an ASGI application.

    Inspectors ask the same again, of many calls and at short intervals: what a query's bytes mean is worked out once.
    """

    REMEMBERED = 2_000
    REMEMBERED_BYTES = 10_000

    def __init__(
        self,
        engine: Engine,
        pool: Pool,
        keyring: Keyring,
        documents: PersistedDocuments,
        inspections: Inspections,
        *,
        readers: Pool,
        cache: SummaryCache,
    ) -> None:
        self._engine = engine
        self._documents = documents
        self._pool = pool
        self._keyring = keyring
        self._inspections = inspections
        self._cache = cache
        self._readers = readers
        self._changing = asyncio.Semaphore(max(pool.size // 2, 1))
        self._prepared: OrderedDict[tuple[str, bytes, Reader], Prepared] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.answer(Request(scope, receive))
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        media_type = accepted_media_type(request.headers.get("accept"))
        if media_type is None:
            return Response(f"This endpoint answers in {GRAPHQL_RESPONSE} or {JSON}.", 406, media_type="text/plain")
        try:
            return Found(await self._body(request), media_type)
        except RequestError as error:
            return _refused(error, media_type)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            log.exception("a request failed")
            return _refused(RequestError(ErrorCode.INTERNAL, INTERNAL), media_type)

    async def _body(self, request: Request) -> bytes:
        with database_errors():
            grant = await self._keyring.grant(request.headers.get("authorization"))
            reader = _reader(grant)
            plan, reads, extensions = await self._plan(request, reader)
            if plan.reads_inspections:
                await self._inspections.write()
            answer = await (self._read(plan) if reads else self._change(plan))
        self._inspections.note(reader, answer.found)
        return b'{"data":%b,"extensions":%b}' % (answer.data, extensions)

    async def _read(self, plan: BoundPlan) -> Answer:
        """From a replica, but for what this server notes by itself and must find again, and what any client may have changed."""
        is_fresh = plan.reads_inspections or not CHANGED_BY_CLIENTS.isdisjoint(plan.reads)
        pool = self._pool if is_fresh else self._readers
        return await (plan.read(pool.read, self._cache) if plan.has_summaries else pool.read(plan.run))

    async def _change(self, plan: BoundPlan) -> Answer:
        """A mutation, never tried again: the client knows whether it may be. Half of the connections are left to readers."""
        async with self._changing, self._pool.connection() as connection:
            return await plan.run(connection)

    async def _plan(self, request: Request, reader: Reader) -> Prepared:
        content = await content_of(request)
        key = (request.method, content, reader)
        prepared = self._prepared.get(key)
        if prepared is not None:
            self._prepared.move_to_end(key)
            return prepared
        asked = read_request(request, content)
        prepared = await self._prepare(request, asked, reader)
        # What hands in a document must do so each time.
        is_kept = prepared.reads and not (asked.query and asked.extensions)
        if is_kept and len(content) + prepared.plan.known_bytes <= self.REMEMBERED_BYTES:
            self._prepared[key] = prepared
            if len(self._prepared) > self.REMEMBERED:
                self._prepared.popitem(last=False)
        return prepared

    async def _prepare(self, request: Request, asked: GraphQLRequest, reader: Reader) -> Prepared:
        operation = self._engine.operation(await self._documents.document(asked.query, asked.extensions), asked.operation_name)
        await self._documents.keep(asked.query, asked.extensions)
        if request.method != "POST" and operation.type is not OperationType.QUERY:
            raise RequestError(ErrorCode.METHOD_NOT_ALLOWED, "Only queries can be sent by GET: use POST.")
        variables = operation.variables(asked.variables)
        cost = operation.cost(variables)
        plan = self._engine.plan(operation, variables, aging=reader.aging).bound(reader, variables)
        reads = operation.type is OperationType.QUERY
        return Prepared(plan, reads, b'{"cost":{"requested":%d,"limit":%d}}' % (cost, COST_LIMIT))


def _reader(grant: Grant | None) -> Reader:
    if grant is None:
        raise RequestError(ErrorCode.UNAUTHENTICATED, "Send a valid key in the header 'Authorization: Bearer KEY'.")
    if keys.Scope.READ not in grant.scopes:
        raise RequestError(ErrorCode.FORBIDDEN, "This key may not read: use one with the scope 'read'.")
    return grant.reader


def _refused(error: RequestError, media_type: str) -> Response:
    status = STATUS.get(error.code, 400)
    if media_type == JSON and (error.code in ANSWERED_WITH_200 or error.coercion):
        status = 200
    response = _response(orjson.dumps({"errors": error.formatted()}), status, media_type)
    if error.code is ErrorCode.UNAUTHENTICATED:
        response.headers["www-authenticate"] = "Bearer"
    if error.code is ErrorCode.METHOD_NOT_ALLOWED:
        response.headers["allow"] = "POST"
    if error.code is ErrorCode.OVERLOADED:
        response.headers["retry-after"] = "1"
    return response


def _response(body: bytes, status: int, media_type: str) -> Response:
    return Response(body, status, HEADERS, media_type=f"{media_type}; charset=utf-8")
