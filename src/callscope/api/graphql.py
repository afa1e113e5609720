"""GraphQL over HTTP: from a request to the operation's bytes, by the rules of the GraphQL-over-HTTP specification."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from callscope.api.inspections import Inspections
from callscope.api.keys import Grant, Keyring, Scope
from callscope.api.persisted import PersistedDocuments
from callscope.api.unavailability import INTERNAL, database_errors
from callscope.query.cost import COST_LIMIT
from callscope.query.errors import ErrorCode, RequestError
from callscope.query.operation import Engine, Operation
from callscope.query.parameters import Reader
from callscope.storage.pool import Pool

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_000_000
HEADERS = {"cache-control": "private, no-cache", "vary": "Accept, Authorization"}
GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
STATUS = {
    ErrorCode.PERSISTED_QUERY_NOT_FOUND: 200,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.OVERLOADED: 503,
    ErrorCode.TIMEOUT: 504,
    ErrorCode.INTERNAL: 500,
}
# With application/json these were answered with 200 since before the specification, and clients rely on it.
ANSWERED_WITH_200 = (ErrorCode.PARSE_ERROR, ErrorCode.VALIDATION_FAILED)


@dataclass(frozen=True)
class GraphQLRequest:
    """What a request asks for."""

    query: Any
    operation_name: str | None
    variables: dict[str, Any]
    extensions: dict[str, Any]


class GraphQLEndpoint:
    """Answers ``GET`` and ``POST /graphql``."""

    def __init__(self, engine: Engine, pool: Pool, keyring: Keyring, documents: PersistedDocuments) -> None:
        self._engine = engine
        self._documents = documents
        self._pool = pool
        self._keyring = keyring
        self._inspections = Inspections(pool)

    async def answer(self, request: Request) -> Response:
        media_type = accepted_media_type(request.headers.get("accept"))
        if media_type is None:
            return Response(f"This endpoint answers in {GRAPHQL_RESPONSE} or {JSON}.", 406, media_type="text/plain")
        try:
            return _response(await self._body(request), 200, media_type)
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
        if grant is None:
            raise RequestError(ErrorCode.UNAUTHENTICATED, "Send a valid key in the header 'Authorization: Bearer KEY'.")
        if Scope.READ not in grant.scopes:
            raise RequestError(ErrorCode.FORBIDDEN, "This key may not read: use one with the scope 'read'.")
        asked = await read_request(request)
        operation = self._engine.operation(await self._documents.document(asked.query, asked.extensions), asked.operation_name)
        await self._documents.keep(asked.query, asked.extensions)
        if request.method != "POST" and operation.type is not OperationType.QUERY:
            raise RequestError(ErrorCode.METHOD_NOT_ALLOWED, "Only queries can be sent by GET: use POST.")
        return await self._run(operation, asked.variables, grant)

    async def _run(self, operation: Operation, given: dict[str, Any], grant: Grant) -> bytes:
        variables = operation.variables(given)
        cost = operation.cost(variables)
        plan = self._engine.plan(operation, variables)
        reader = Reader(grant.project_id, grant.key_id)
        with database_errors():
            answer = await self._pool.read(lambda connection: plan.run(connection, reader, variables))
        with suppress(RequestError), database_errors():
            # What was read stands, whether it can be noted or not.
            await self._inspections.note(reader, answer.found)
        return b'{"data":%b,"extensions":{"cost":{"requested":%d,"limit":%d}}}' % (answer.data, cost, COST_LIMIT)


async def read_request(request: Request) -> GraphQLRequest:
    """The request's parameters, from the body of a POST or the query string of a GET (or HEAD)."""
    if request.method != "POST":
        given: Any = dict(request.query_params)
        for parameter in ("variables", "extensions"):
            if parameter in given:
                given[parameter] = _json(given[parameter].encode(), parameter)
    else:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != JSON:
            raise RequestError(ErrorCode.BAD_REQUEST, f"Send the request as 'Content-Type: {JSON}'.")
        given = _json(await _content(request), "body")
    if not isinstance(given, dict):
        raise RequestError(ErrorCode.BAD_REQUEST, "The request should be a JSON object with the text 'query'.")
    name, variables = given.get("operationName"), given.get("variables")
    if name is not None and not isinstance(name, str):
        raise RequestError(ErrorCode.BAD_REQUEST, "The parameter 'operationName' should be a text.")
    for parameter in ("variables", "extensions"):
        if not isinstance(given.get(parameter), dict | None):
            raise RequestError(ErrorCode.BAD_REQUEST, f"The parameter '{parameter}' should be a JSON object.")
    return GraphQLRequest(given.get("query"), name or None, variables or {}, given.get("extensions") or {})


async def _content(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RequestError(ErrorCode.BAD_REQUEST, f"The request should not be larger than {MAX_BODY_BYTES} bytes.")
    return bytes(body)


def _json(text: bytes, name: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestError(ErrorCode.BAD_REQUEST, f"The {name} should be JSON in UTF-8: {error.msg}.") from None


def accepted_media_type(accept: str | None) -> str | None:
    """The media type to answer in; None where the client takes neither. Without a wish it is application/json."""
    if not accept:
        return JSON
    wishes: dict[str, tuple[float, int]] = {}
    for position, item in enumerate(accept.split(",")):
        media_range, *parameters = [part.strip().lower() for part in item.split(";")]
        quality = next((_quality(part[2:]) for part in parameters if part.startswith("q=")), 1.0)
        wishes.setdefault(media_range, (quality, -position))

    def wish(media_type: str) -> tuple[float, int]:
        """Of the ranges that hold a type, the narrowest one counts; between equals, the one that was named first."""
        return next((wishes[name] for name in (media_type, "application/*", "*/*") if name in wishes), (0.0, 0))

    best = max((JSON, GRAPHQL_RESPONSE), key=wish)
    return best if wish(best)[0] > 0 else None


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


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
