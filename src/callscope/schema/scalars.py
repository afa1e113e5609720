"""The scalars and the shared enums, as Strawberry knows them."""

from datetime import UTC, datetime
from enum import Enum
from typing import Any

import strawberry

from callscope import vocabulary


def parse_instant(value: Any) -> datetime:
    """RFC 3339 with an offset; raises ValueError that says so."""
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        shown = repr(str(value)[:40])
        raise ValueError(f"DateTime should be RFC 3339 text, for example 2026-01-31T12:00:00Z, not {shown}.") from None
    if instant.tzinfo is None:
        raise ValueError(f"DateTime should name its offset from UTC, for example end in Z, unlike {value[:40]!r}.")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"DateTime should lie in the years 1 to 9999 of UTC, unlike {value[:40]!r}.") from None


DATE_TIME = strawberry.scalar(
    name="DateTime",
    description="An instant, RFC 3339 in UTC.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
    parse_value=parse_instant,
)


def _enum(term: type[Enum]) -> None:
    made: Any = strawberry.enum(term, description=term.__doc__)
    for value in made.__strawberry_definition__.values:
        value.description = made(value.value).description


for _term in vars(vocabulary).values():
    if isinstance(_term, type) and issubclass(_term, vocabulary.Term) and _term is not vocabulary.Term:
        _enum(_term)


@strawberry.enum(description="The way a list runs.")
class OrderDirection(vocabulary.Term):
    ASC = "ASC", "Smallest, earliest or first in the alphabet first."
    DESC = "DESC", "Largest, latest or last in the alphabet first."
