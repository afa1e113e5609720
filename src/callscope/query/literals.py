"""Numbers as a document writes them."""

from collections.abc import Iterator
from math import isinf

from graphql import DocumentNode, GraphQLError, Token, TokenKind

NUMBERS = (TokenKind.INT, TokenKind.FLOAT)
MAX_DIGITS = 400
"""Of any number that can be meant: a double has at most 309 before its point."""


def large_numbers(document: DocumentNode) -> list[GraphQLError]:
    """An error for each number too large for a double: graphql-core takes them for infinity, or speaks of Python's limits."""
    assert document.loc is not None  # noqa: S101
    source = document.loc.source
    return [
        GraphQLError("The number is too large.", source=source, positions=[token.start])
        for token in _tokens(document.loc.start_token)
        if token.kind in NUMBERS and _is_large(token.value or "")
    ]


def _is_large(number: str) -> bool:
    return len(number) > MAX_DIGITS or isinf(float(number))


def _tokens(token: Token | None) -> Iterator[Token]:
    while token is not None:
        yield token
        token = token.next
