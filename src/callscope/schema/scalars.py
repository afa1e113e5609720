"""The scalars and the shared enums, as Strawberry knows them."""

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, TypeVar

import strawberry

from callscope import vocabulary

T = TypeVar("T", bound=Enum)

# asyncpg takes the very first and the very last instant of Python's calendar for infinite ones.
FIRST = datetime.min.replace(tzinfo=UTC) + timedelta.resolution
LAST = datetime.max.replace(tzinfo=UTC) - timedelta.resolution


def parse_instant(value: Any) -> datetime:
    """RFC 3339 with an offset; raises ValueError that says so."""
    try:
        instant = datetime.fromisoformat(str.upper(value))
    except (TypeError, ValueError):
        shown = repr(str(value)[:40])
        raise ValueError(f"DateTime should be RFC 3339 text, for example 2026-01-31T12:00:00Z, not {shown}.") from None
    if instant.tzinfo is None:
        raise ValueError(f"DateTime should name its offset from UTC, for example end in Z, unlike {value[:40]!r}.")
    try:
        return min(max(instant.astimezone(UTC), FIRST), LAST)
    except OverflowError:
        raise ValueError(f"DateTime should lie in the years 1 to 9999 of UTC, unlike {value[:40]!r}.") from None


DATE_TIME = strawberry.scalar(
    name="DateTime",
    description="An instant, RFC 3339 in UTC.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
    parse_value=parse_instant,
)


def described(term: type[T]) -> type[T]:
    """A vocabulary as an enum of the schema, with the descriptions of its values."""
    made: Any = strawberry.enum(term, description=term.__doc__)
    for value in made.__strawberry_definition__.values:
        value.description = made(value.value).description
    return term


for _term in vars(vocabulary).values():
    if isinstance(_term, type) and issubclass(_term, vocabulary.Term) and _term is not vocabulary.Term:
        described(_term)


@described
class OrderDirection(vocabulary.Term):
    """The way a list runs."""

    ASC = "ASC", "Smallest, earliest or first in the alphabet first."
    DESC = "DESC", "Largest, latest or last in the alphabet first."
