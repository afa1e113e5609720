"""How a GraphQL type declares where its data is.

Strawberry keeps a binding in each field's metadata; the compiler reads it from there. SQL in bindings is a template:
``{row}`` is the row of the field's own type, ``{parent}`` the row that the field hangs on, ``{args.name}`` an argument as a
parameter, ``{prefix}`` the prefix of an embedded object's columns, ``{key}`` the number of the request's key, and the name
of a table in braces that table, narrowed to the request's project. No other way to name a table exists, so no read can leave
the project. Reference tables, which the package brings and which hold nothing of any project, are not narrowed.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from callscope.query.errors import bad_input

if TYPE_CHECKING:
    from callscope.query.parameters import Reader

METADATA = "callscope"
SqlType = Literal[
    "text", "text[]", "integer", "integer[]", "bigint", "boolean", "double precision", "double precision[]", "timestamptz"
]


_KEY_TYPES: dict[str, SqlType] = {"at": "timestamptz", "number": "integer"}
"""Of the keys that are not hashes."""


@dataclass(frozen=True)
class Revised:
    """Of a table whose rows change as a whole, together with all that hangs on them in settled tables: ``revision`` is a text
    that no two states of a row share. Of rows for which ``large`` holds, summaries are kept by it. Templates over ``{row}``.
    """

    revision: str
    large: str


@dataclass(frozen=True)
class Table:
    """A type's table. ``keys`` identify a row inside the project; ``tag`` starts its global ids."""

    name: str
    keys: tuple[str, ...]
    tag: str | None = None
    revised: Revised | None = None

    @property
    def key_types(self) -> tuple[SqlType, ...]:
        return tuple(_KEY_TYPES.get(key, "bigint") for key in self.keys)


@dataclass(frozen=True)
class Order:
    """Columns that a list is ordered by, with their SQL types; the table's keys break ties.

    ``null_as`` is what a null of the first one counts as.
    """

    columns: tuple[tuple[str, SqlType], ...]
    descending: bool = False
    null_as: str | None = None


@dataclass(frozen=True)
class Argument:
    """A GraphQL argument; ``sql`` is its type as a parameter. Numbers outside the bounds are refused by name.

    ``weight`` is what one of it adds to the cost of each field inside, 0 for what does not multiply.
    """

    name: str
    annotation: Any
    description: str
    sql: SqlType = "text"
    default: Any = strawberry.UNSET
    minimum: float | None = None
    maximum: float | None = None
    weight: float = 0

    def value(self, value: Any) -> Any:
        """The value as given, or the default where it is null; refused where it is out of bounds."""
        if value is None:
            return None if self.default is strawberry.UNSET else self.default
        if self.minimum is not None and value < self.minimum:
            raise bad_input(f"Argument '{self.name}' should be at least {self.minimum:g}, not {value}.")
        if self.maximum is not None and value > self.maximum:
            raise bad_input(f"Argument '{self.name}' should be at most {self.maximum:g}, not {value}.")
        return value


@dataclass(frozen=True)
class Column:
    """A scalar, or a list of scalars: an SQL expression; ``elsewhere`` has another one for rows of a scope of that name.

    With arguments, it names each of them once.
    """

    sql: str
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class Embedded:
    """An object that lives in the parent's row; null where ``null_when`` holds."""

    prefix: str = ""
    null_when: str | None = None


@dataclass(frozen=True)
class Items:
    """A list of objects: the elements of a jsonb array, in its order; ``columns`` are their fields (name and SQL type)."""

    sql: str
    columns: str
    summary: bool = False


@dataclass(frozen=True)
class Narrow:
    """What a filter's field does. ``{value}`` in ``sql`` is the value as a parameter of type ``type``.

    ``ids`` names the tag of the global ids that the field takes; ``{value}`` is then a sub-select of their keys, and ``{first}``
    an array of the first of each, which an index can start from.
    ``otherwise`` is the condition for false where the field is a boolean and ``sql`` the condition for true. ``convert`` makes
    of the value what it is compared with.
    """

    sql: str
    type: SqlType | None = None
    ids: str | None = None
    otherwise: str | None = None
    convert: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class One:
    """One other row: of the type's table where its keys (or ``where``) match, or the single row of ``source``.

    ``by`` says what each given argument narrows; ``check`` refuses arguments that do not go together. The row and all inside
    of it is read in the scope ``scope``: "" for the one without a name, None for that of the parent. A ``summary`` is dear for
    large rows, and kept for these where their table says so.
    """

    where: str | None = None
    source: str | None = None
    arguments: tuple[Argument, ...] = ()
    by: dict[str, Narrow] = field(default_factory=dict)
    check: Callable[[dict[str, Any]], None] | None = None
    scope: str | None = None
    summary: bool = False


@dataclass(frozen=True)
class Many:
    """Rows of the type's table that carry the parent's keys, or for which ``where`` holds: a page, or the plain list.

    ``orders`` are the orders that the argument ``orderBy`` can name, ``order`` the one without it. ``source`` stands in for
    the table: a template of rows with its columns and more. A plain list with the argument ``first`` ends there. A plain list
    of a type without a table is what ``source`` gives, in its order. ``check`` refuses arguments that do not go together.
    """

    where: str | None = None
    source: str | None = None
    filter: type | None = None
    orders: dict[str, Order] = field(default_factory=dict)
    order: Order = Order(())
    paged: bool = True
    arguments: tuple[Argument, ...] = ()
    check: Callable[[dict[str, Any]], None] | None = None
    summary: bool = False


@dataclass(frozen=True)
class Refetch:
    """Root ``node`` and ``nodes``: the type and keys are in the id."""


@dataclass(frozen=True)
class Effect:
    """A root field that changes something. ``run`` does so, on a connection inside the transaction that the payload is read in,
    and gives the row that the payload's fields hang on: ``columns`` are its names and SQL types.
    """

    run: "Callable[[Any, Reader, dict[str, Any]], Awaitable[dict[str, Any]]]"
    columns: str
    check: Callable[[dict[str, Any]], None] | None = None


@dataclass(frozen=True)
class Computed:
    """A root list whose rows are worked out for each request, inside the read-only transaction that the answer is read in.

    ``run`` gives the rows: ``columns`` are their names and SQL types. Working them out costs ``cost`` values, and the argument
    ``first`` ends the list. The argument ``within`` is a global id: all inside of the rows is read in the scope that it is of.
    """

    run: "Callable[[Any, Reader, dict[str, Any]], Awaitable[list[dict[str, Any]]]]"
    columns: str
    arguments: tuple[Argument, ...]
    within: str
    cost: int
    check: Callable[[dict[str, Any]], None] | None = None


Binding = Column | Embedded | Items | One | Many | Refetch | Effect | Computed


def _bound(binding: Binding, description: str, arguments: tuple[Argument, ...] = ()) -> Any:
    made = StrawberryField(
        metadata={METADATA: binding}, description=description, is_subscription=False, type_annotation=None, default=_unread
    )
    made.arguments = [
        StrawberryArgument(
            python_name=argument.name,
            graphql_name=argument.name,
            type_annotation=StrawberryAnnotation(argument.annotation),
            default=argument.default,
            description=argument.description,
        )
        for argument in arguments
    ]
    return made


def _unread() -> NoReturn:
    raise AssertionError("fields are compiled, never read from objects")


def column(
    sql: str, description: str, *, elsewhere: Mapping[str, str] | None = None, arguments: tuple[Argument, ...] = ()
) -> Any:
    """A scalar field. A bare name is a column of the row; anything else is an SQL template."""
    template = sql if "{" in sql or "'" in sql else f"{{row}}.{{prefix}}{sql}"
    return _bound(Column(template, elsewhere or {}, arguments), description, arguments)


def embedded(description: str, *, prefix: str = "", null_when: str | None = None) -> Any:
    return _bound(Embedded(prefix, null_when), description)


def items(sql: str, columns: str, description: str, *, summary: bool = False) -> Any:
    return _bound(Items(sql if "{" in sql else f"{{row}}.{sql}", columns, summary), description)


def one(
    description: str,
    *,
    where: str | None = None,
    source: str | None = None,
    arguments: tuple[Argument, ...] = (),
    by: dict[str, Narrow] | None = None,
    check: Callable[[dict[str, Any]], None] | None = None,
    scope: str | None = None,
    summary: bool = False,
) -> Any:
    return _bound(One(where, source, arguments, by or {}, check, scope, summary), description, arguments)


def listed(
    description: str,
    *,
    where: str | None = None,
    source: str | None = None,
    order: Order = Order(()),
    arguments: tuple[Argument, ...] = (),
    check: Callable[[dict[str, Any]], None] | None = None,
    summary: bool = False,
) -> Any:
    """A plain list: for rows that are few by nature, or cut by the argument ``first``."""
    made = Many(where, source, order=order, paged=False, arguments=arguments, check=check, summary=summary)
    return _bound(made, description, arguments)


def refetch(description: str, arguments: tuple[Argument, ...]) -> Any:
    return _bound(Refetch(), description, arguments)


def effect(
    description: str,
    run: "Callable[[Any, Reader, dict[str, Any]], Awaitable[dict[str, Any]]]",
    columns: str,
    arguments: tuple[Argument, ...],
    *,
    check: Callable[[dict[str, Any]], None] | None = None,
) -> Any:
    """A mutation; ``run`` gets the values of its arguments, once ``check`` has found nothing to refuse."""
    return _bound(Effect(run, columns, check), description, arguments)


def computed(
    description: str,
    run: "Callable[[Any, Reader, dict[str, Any]], Awaitable[list[dict[str, Any]]]]",
    columns: str,
    arguments: tuple[Argument, ...],
    *,
    within: str,
    cost: int,
    check: Callable[[dict[str, Any]], None] | None = None,
) -> Any:
    """A list of what nobody stored; ``run`` gets the values of its arguments, once ``check`` has found nothing to refuse."""
    return _bound(Computed(run, columns, arguments, within, cost, check), description, arguments)


def many(
    description: str,
    *,
    where: str | None = None,
    filter: type | None = None,  # noqa: A002
    order: Order = Order(()),
    orders: dict[str, Order] | None = None,
    order_input: Any = None,
    order_default: Any = strawberry.UNSET,
) -> Any:
    """A page of rows, with Relay's four arguments and, where given, ``filter`` and ``orderBy``."""
    arguments: list[Argument] = []
    if filter is not None:
        arguments.append(Argument("filter", filter | None, "Narrows the list."))
    if order_input is not None:
        arguments.append(Argument("orderBy", order_input | None, "How the list is ordered.", default=order_default))
    arguments += PAGE_ARGUMENTS
    return _bound(Many(where, None, filter, orders or {}, order), description, tuple(arguments))


DEFAULT_PAGE = 50
MAX_PAGE = 1000

PAGE_ARGUMENTS = [
    Argument("first", int | None, f"How many from the start, 0 to {MAX_PAGE}; {DEFAULT_PAGE} without first and last."),
    Argument("after", str | None, "Only what follows this cursor, which this list gave in the same order; no other is taken."),
    Argument("last", int | None, f"How many from the end, 0 to {MAX_PAGE}; not together with first."),
    Argument("before", str | None, "Only what precedes this cursor, which this list gave in the same order; no other is taken."),
]


def narrow(
    sql: str,
    description: str,
    *,
    type: SqlType | None = None,  # noqa: A002
    ids: str | None = None,
    otherwise: str | None = None,
    name: str | None = None,
    convert: Callable[[Any], Any] | None = None,
) -> Any:
    """A field of a filter; ``name`` where the attribute cannot have the field's name."""
    metadata = {METADATA: Narrow(sql, type, ids, otherwise, convert)}
    return strawberry.field(default=strawberry.UNSET, description=description, metadata=metadata, name=name)


def binding_of(field: Any) -> Any:
    """The binding of a graphql-core field that Strawberry made; None where it has none."""
    definition = field.extensions.get("strawberry-definition")
    return definition.metadata.get(METADATA) if definition is not None else None


def table_of(type_: Any) -> Table | None:
    """The table of a graphql-core object type."""
    origin = type_.extensions["strawberry-definition"].origin
    return getattr(origin, "__table__", None)
