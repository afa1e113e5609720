"""What every list and every object with an id has."""

from typing import Generic, TypeVar

import strawberry

from callscope.query.bindings import Revised, Table, column

T = TypeVar("T")

FILTER = (
    "Fields narrow together, values of a list add up. An empty list, ids of nothing that there is, and a span that ends before it"
    " begins match nothing."
)
"""What holds of every filter."""


def table(  # type: ignore[no-untyped-def]  # noqa: ANN201
    name: str, *keys: str, tag: str | None = None, revised: Revised | None = None
):
    """Says where a type's rows are. ``keys`` identify one inside the project; ``tag`` starts its global ids."""

    def decorate(cls: type[T]) -> type[T]:
        cls.__table__ = Table(name, keys, tag, revised)  # type: ignore[attr-defined]
        return cls

    return decorate


@strawberry.interface(description="Anything with a global id, to be fetched again by `node`.")
class Node:
    id: strawberry.ID = column("{id}", "Opaque and global. It stays the same for as long as the object can be read.")


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether the list goes on after this page.")
    has_previous_page: bool = strawberry.field(description="Whether the list has something before this page.")
    start_cursor: str | None = strawberry.field(description="Cursor of the page's first row; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="Cursor of the page's last row; null on an empty page.")


@strawberry.type(name="Edge", description="A row of a page, and where it stands.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="For `after` and `before`, in the same list and order.")
    node: T = strawberry.field(description="The row.")


@strawberry.type(name="Connection", description="A page of a list.")
class Page(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The rows with their cursors.")
    nodes: list[T] = strawberry.field(description="The rows alone.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")
    total_count: int = strawberry.field(description="Rows in the whole list, as filtered. Counted only when asked for.")
