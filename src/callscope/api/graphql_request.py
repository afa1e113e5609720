"""A GraphQL request over HTTP, by the GraphQL-over-HTTP specification: its parameters, and how it wants its answer."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from callscope.query.errors import ErrorCode, RequestError

MAX_BODY_BYTES = 1_000_000
GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"


@dataclass(frozen=True)
class GraphQLRequest:
    """What a request asks for."""

    query: Any
    operation_name: str | None
    variables: dict[str, Any]
    extensions: dict[str, Any]


async def content_of(request: Request) -> bytes:
    """What says what a request asks for: the body of a POST, the query string of a GET (or HEAD)."""
    if request.method != "POST":
        return bytes(request.scope["query_string"])
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != JSON:
        raise RequestError(ErrorCode.BAD_REQUEST, f"Send the request as 'Content-Type: {JSON}'.")
    chunks: list[bytes] = []
    size = 0
    while True:
        # As request.stream() does, which costs more than the look-up of a known request.
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            raise RequestError(ErrorCode.BAD_REQUEST, f"The request should not be larger than {MAX_BODY_BYTES} bytes.")
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def read_request(request: Request, content: bytes) -> GraphQLRequest:
    """The request's parameters."""
    if request.method != "POST":
        given: Any = dict(request.query_params)
        for parameter in ("variables", "extensions"):
            if parameter in given:
                given[parameter] = _json(given[parameter].encode(), parameter)
    else:
        given = _json(content, "body")
    if not isinstance(given, dict):
        raise RequestError(ErrorCode.BAD_REQUEST, "The request should be a JSON object with the text 'query'.")
    name, variables = given.get("operationName"), given.get("variables")
    if name is not None and not isinstance(name, str):
        raise RequestError(ErrorCode.BAD_REQUEST, "The parameter 'operationName' should be a text.")
    for parameter in ("variables", "extensions"):
        if not isinstance(given.get(parameter), dict | None):
            raise RequestError(ErrorCode.BAD_REQUEST, f"The parameter '{parameter}' should be a JSON object.")
    return GraphQLRequest(given.get("query"), name or None, variables or {}, given.get("extensions") or {})


def _json(text: bytes, name: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestError(ErrorCode.BAD_REQUEST, f"The {name} should be JSON in UTF-8: {error.msg}.") from None


@lru_cache(maxsize=1_000)
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
