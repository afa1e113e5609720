"""Summaries: fields that are dear for large rows, and stay what they are until the row has another revision.

Where a statement is to give places, it gives in place of a large row's summary what the summary is of: its row and the row's
revision, of the same state as all else that it gives. A keeper then has the summary of that revision already, or gets it by a
statement of its own, compiled from the same binding, so that its bytes are the same. Of rows that are not large, the statement
gives the summary itself. PostgreSQL would plan these summaries each time, which takes longer than all else where none of them is
read: once all rows of a request turned out to be large, a shorter statement gives nothing but places.

What hangs on anything but its row's revision (other tables than settled ones, the time, the key that asks) is never kept.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from graphql import GraphQLObjectType
from graphql.execution.values import VariableValues

from callscope.query.bindings import Items, Many, One, SqlType, Table, binding_of
from callscope.query.integers import FROM_INTEGER, integer_sql
from callscope.query.parameters import Parameters, Reader
from callscope.query.selection import TYPENAME, Selected

if TYPE_CHECKING:
    from callscope.query.compiler import Compiler

T = TypeVar("T")
Read = Callable[[Callable[[Any], Awaitable[T]]], Awaitable[T]]
"""Runs something that only reads on a connection."""

MARK = secrets.token_hex(16)
"""No stored text can hold it: nobody outside of this process ever sees it."""
SMALL = b'"%b~"' % MARK.encode()
"""The place of what is not kept."""
PLACE = re.compile(rb'"%b~(\d+)~(-?\d+(?:_-?\d+)*)~([^"~\\]+)"' % MARK.encode())
AT_ONCE = 4
"""Summaries that are computed for one request at a time: others want connections too."""


def is_summary(selected: Selected, table: Table | None) -> bool:
    if table is None or table.revised is None or selected.name == TYPENAME:
        return False
    binding = binding_of(selected.definition)
    return isinstance(binding, Items | One | Many) and binding.summary


def place_sql(compiler: "Compiler", table: Table, row: str, inside: str | None) -> str:
    """The place of the summary that was compiled last, for large rows; for others the summary, which is ``inside``, if at all."""
    assert table.revised is not None and compiler.summaries is not None  # noqa: PT018, S101
    marker, number = compiler.parameters.marker(), len(compiler.summaries) - 1
    keys = " || '_' || ".join(integer_sql(f"{row}.{key}", type_) for key, type_ in zip(table.keys, table.key_types, strict=True))
    revision = compiler.format(table.revised.revision, row=row)
    place = f"to_json({marker} || '~{number}~' || {keys} || '~' || {revision})"
    large = compiler.format(table.revised.large, row=row)
    if inside is None:
        return f"case when {large} then {place} else to_json({marker} || '~') end"
    return f"case when {marker} is not null and {large} then {place} else {inside} end"


@dataclass(frozen=True)
class Summary:
    """A compiled summary: a statement that gives the revision of one row of ``place``, and the summary if it is the one asked."""

    place: str
    key_types: tuple[SqlType, ...]
    sql: str
    parameters: Parameters

    @classmethod
    def of(cls, compiler: "Compiler", type_: GraphQLObjectType, selected: Selected, table: Table) -> "Summary | None":
        """None where what is asked for hangs on more than the revision."""
        assert table.revised is not None  # noqa: S101
        alone = replace(compiler, parameters=Parameters(), summaries=None, used=set(), _numbers=count(), _keys={})
        row = alone.alias(table)
        value = alone.value(type_, selected, row, table)
        if not alone.used.issubset(alone.settled) or alone.parameters.uses_key:
            return None
        revision = alone.format(table.revised.revision, row=row)
        place = alone.place(table.name)
        # Their values come last, and are known when the row is.
        keys = [(key, alone.parameters.add(_later, type_)) for key, type_ in zip(table.keys, table.key_types, strict=True)]
        asked = alone.parameters.add(_later, "text")
        where = " and ".join([f"{row}.project_id = $1", *(f"{row}.{key} = {parameter}" for key, parameter in keys)])
        sql = f"select {revision}, case when {revision} = {asked} then {value} end from {place} {row} where {where}"
        return cls(place, table.key_types, sql, alone.parameters)

    def bound(self, reader: Reader, variables: VariableValues) -> "BoundSummary":
        """The summary with the values of its arguments."""
        arguments, _ = self.parameters.evaluate(reader, variables)
        known = arguments[: -len(self.key_types) - 1]
        digest = hashlib.sha256(repr((self.sql, known[1:])).encode()).hexdigest()
        return BoundSummary(self, known, digest)


def _later(_: Any) -> None:
    return None


class SummaryKey(NamedTuple):
    """What the bytes of a summary hang on: with the same key they are the same. ``digest`` is of its SQL and arguments."""

    project_id: int
    place: str
    keys: str
    revision: str
    digest: str

    @property
    def name(self) -> str:
        return ":".join(map(str, self))


Compute = Callable[[], Awaitable[bytes | None]]
"""Gets a summary from the database; None where the row has another revision by now."""


class Keeper(Protocol):
    """Who keeps summaries."""

    def known(self, key: SummaryKey) -> bytes | None: ...

    async def get(self, key: SummaryKey, compute: Compute) -> bytes | None: ...


class BoundSummary(NamedTuple):
    """A summary and its arguments, to be had of any row."""

    summary: Summary
    known: list[Any]
    digest: str

    def key(self, keys: str, revision: str) -> SummaryKey:
        return SummaryKey(self.known[0], self.summary.place, keys, revision, self.digest)

    async def compute(self, connection: Any, keys: str, revision: str) -> bytes | None:
        """The summary of one row; None where the row is gone or has another revision."""
        summary = self.summary
        values = [FROM_INTEGER[type_](int(key)) for key, type_ in zip(keys.split("_"), summary.key_types, strict=True)]
        rows = await connection.fetch(summary.sql, *self.known, *values, revision)
        if not rows or rows[0][0] != revision:
            return None
        return (rows[0][1] or "null").encode()


Place = tuple[bytes, bytes, bytes]
"""The number of the summary, the keys of its row, and the row's revision."""


class Places:
    """The places in what a statement gave."""

    def __init__(self, given: bytes) -> None:
        self._pieces = PLACE.split(given)
        self.all: list[Place] = [
            (self._pieces[at], self._pieces[at + 1], self._pieces[at + 2]) for at in range(1, len(self._pieces), 4)
        ]

    async def filled(self, summaries: Sequence[BoundSummary], read: "Read[bytes | None]", keeper: Keeper) -> bytes | None:
        """What was given, with the summaries in their places; None where a row has another revision by now."""
        values: dict[Place, bytes | None] = {}
        missing: dict[Place, Awaitable[bytes | None]] = {}
        turns = asyncio.Semaphore(AT_ONCE)
        for place in dict.fromkeys(self.all):
            summary, keys, revision = summaries[int(place[0])], place[1].decode(), place[2].decode()
            key = summary.key(keys, revision)
            values[place] = keeper.known(key)
            if values[place] is None:
                missing[place] = keeper.get(key, _computing(summary, keys, revision, read, turns))
        if len(missing) == 1:
            values |= {place: await value for place, value in missing.items()}
        elif missing:
            values |= zip(missing, await asyncio.gather(*missing.values()), strict=True)
        whole = [self._pieces[0]]
        for place, rest in zip(self.all, self._pieces[4::4], strict=True):
            value = values[place]
            if value is None:
                return None
            whole += (value, rest)
        return b"".join(whole)


def _computing(summary: BoundSummary, keys: str, revision: str, read: "Read[bytes | None]", turns: asyncio.Semaphore) -> Compute:
    async def compute() -> bytes | None:
        async with turns:
            return await read(lambda connection: summary.compute(connection, keys, revision))

    return compute
