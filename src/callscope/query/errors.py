"""The request errors: every error that a client sees carries one of these codes."""

from enum import StrEnum
from typing import Any

from graphql import GraphQLError


class ErrorCode(StrEnum):
    """The closed list of ``extensions.code``."""

    BAD_REQUEST = "BAD_REQUEST"
    PARSE_ERROR = "PARSE_ERROR"
    VALIDATION_FAILED = "VALIDATION_FAILED"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    COST_LIMIT_EXCEEDED = "COST_LIMIT_EXCEEDED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    OVERLOADED = "OVERLOADED"
    TIMEOUT = "TIMEOUT"
    INTERNAL = "INTERNAL"


TOO_LONG = "The request took too long: ask for less at once."
MAX_MESSAGE = 600
"""Characters of a message: graphql-core repeats a wrong value, however large it is."""


class RequestError(Exception):
    """The request is refused before anything ran. ``errors`` are in GraphQL's form, each with a code.

    ``coercion`` marks variables that are not of their types: the one kind of bad input that GraphQL itself finds.
    """

    def __init__(self, code: ErrorCode, errors: list[GraphQLError] | str, *, coercion: bool = False) -> None:
        super().__init__(str(errors))
        self.code = code
        self.coercion = coercion
        self.errors = [GraphQLError(errors)] if isinstance(errors, str) else errors

    def formatted(self) -> list[dict[str, Any]]:
        formatted: list[dict[str, Any]] = [dict(error.formatted) for error in self.errors]
        for error in formatted:
            if len(error["message"]) > MAX_MESSAGE:
                error["message"] = error["message"][:MAX_MESSAGE] + " …"
            error["extensions"] = {"code": self.code}
        return formatted


def bad_input(message: str) -> RequestError:
    return RequestError(ErrorCode.BAD_USER_INPUT, message)
