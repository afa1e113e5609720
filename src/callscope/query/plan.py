"""A compiled operation: what is run for it, and how the answer's bytes come of that."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson
from graphql.execution.values import VariableValues

from callscope.query.compiler import Statement
from callscope.query.errors import TOO_LONG, ErrorCode, RequestError
from callscope.query.parameters import Reader, Values
from callscope.query.summaries import MARK, SMALL, BoundSummary, Keeper, Places, Read

ONE_STATE: dict[str, Any] = {"isolation": "repeatable_read", "readonly": True}
ATTEMPTS = 5
"""So often is a root field read until its rows stay as they are while their summaries are looked for."""
MAX_PLACES = 100
"""With more, its one statement is less than the look-ups."""
FIELD_SECONDS = 30.0
"""So long may its summaries take: as long as a statement."""


class Connection(Protocol):
    """What an operation needs of the database."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]: ...

    def transaction(self, *, isolation: Any = None, readonly: bool = False) -> AbstractAsyncContextManager[Any]: ...


@dataclass(frozen=True)
class Answer:
    """The data, and for each root field that found something its name and arguments."""

    data: bytes
    found: list[tuple[str, Values]]


Introspection = Callable[[VariableValues], bytes]


@dataclass
class Plan:
    """The root fields of one operation in order: JSON that is known already, introspection, or a statement."""

    fields: list[tuple[str, bytes | Introspection | Statement]]

    def bound(self, reader: Reader, variables: VariableValues) -> "BoundPlan":
        """The plan with its values, to be run as often as the same is asked. Refuses values that an argument does not take."""
        parts: list[BoundPart] = []
        for key, part in self.fields:
            head = b'"%b":' % key.encode()
            if isinstance(part, Statement):
                parts.append(BoundPart.of(head, part, reader, variables))
            else:
                parts.append(BoundPart(head + (part if isinstance(part, bytes) else part(variables))))
        statements = [part for _, part in self.fields if isinstance(part, Statement)]
        reads_inspections = any(part.parameters.uses_key for part in statements)
        reads = frozenset().union(*(part.reads for part in statements))
        return BoundPlan(parts, reads_inspections, any(part.summaries for part in parts), reader, reads)


@dataclass
class BoundPart:
    """A root field: the start of its JSON, or all of it where there is no statement.

    ``places`` is the same field by the statement that gives nothing but places for summaries. It is tried once the rows turned
    out to be large, and never again once some turned out not to be.
    """

    head: bytes
    statement: Statement | None = None
    arguments: list[Any] = field(default_factory=list)
    sites: list[Values] = field(default_factory=list)
    summaries: list[BoundSummary] = field(default_factory=list)
    places: "BoundPart | None" = None
    has_places: bool = False

    @classmethod
    def of(cls, head: bytes, statement: Statement, reader: Reader, variables: VariableValues) -> "BoundPart":
        arguments, sites = statement.parameters.evaluate(reader, variables)
        summaries = [summary.bound(reader, variables) for summary in statement.summaries]
        places = cls.of(head, statement.places, reader, variables) if statement.places is not None else None
        return cls(head, statement, arguments, sites, summaries, places)

    async def value(self, connection: Connection) -> bytes:
        """The field's JSON."""
        return await self._value(connection, self.arguments)

    async def marked(self, connection: Connection) -> bytes:
        """The field's JSON, with places for the summaries of large rows."""
        if self.places is not None and self.has_places:
            marked = await self.places.marked(connection)
            if SMALL not in marked:
                return marked
            self.places = None
        marker_at = self.statement.parameters.marker_at if self.statement is not None else None
        if marker_at is None:
            return await self.value(connection)
        return await self._value(connection, [*self.arguments[:marker_at], MARK, *self.arguments[marker_at + 1 :]])

    async def _value(self, connection: Connection, arguments: list[Any]) -> bytes:
        assert self.statement is not None  # noqa: S101
        return self.statement.assemble(await connection.fetch(self.statement.sql, *arguments), self.sites).encode()

    async def filled(self, marked: bytes, read: "Read[Any]", keeper: Keeper) -> bytes:
        """The field's JSON, all of one revision of each row, from what the statement gave with places."""
        places = Places(marked)
        if not places.all:
            return marked
        self.has_places = True
        try:
            async with asyncio.timeout(FIELD_SECONDS) as limit:
                return await self._filled(places, read, keeper)
        except TimeoutError:
            if limit.expired():
                raise RequestError(ErrorCode.TIMEOUT, TOO_LONG) from None
            raise

    async def _filled(self, places: Places, read: "Read[Any]", keeper: Keeper) -> bytes:
        for _ in range(ATTEMPTS):
            if len(places.all) > MAX_PLACES:
                break
            filled = await places.filled(self.summaries, read, keeper)
            if filled is not None:
                return filled
            places = Places(await read(self.marked))
        whole: bytes = await read(self.value)
        return whole


class BoundPlan(NamedTuple):
    """A plan and its values. ``reads_inspections`` tells whether it asks what the reader's key opened before, ``has_summaries``
    whether it asks for what can be kept, and ``reads`` names the tables and the scopes that it reads.

    A plan of a mutation is run once, on a connection that may write.
    """

    parts: list[BoundPart]
    reads_inspections: bool
    has_summaries: bool
    reader: Reader
    reads: frozenset[str]

    @property
    def known_bytes(self) -> int:
        """How much of the answer it holds already, such as introspection's."""
        return sum(len(part.head) for part in self.parts)

    async def run(self, connection: Connection) -> Answer:
        return self._answer(await self._values(connection, marked=False))

    async def read(self, read: "Read[Any]", keeper: Keeper) -> Answer:
        """As ``run``, but with summaries of large rows as they are kept. ``read`` is called as often as needed."""
        values: list[bytes] = await read(lambda connection: self._values(connection, marked=True))
        pairs = zip(self.parts, values, strict=True)
        return self._answer([await part.filled(value, read, keeper) if part.summaries else value for part, value in pairs])

    async def _values(self, connection: Connection, *, marked: bool) -> list[bytes]:
        """What is known already is all in the head."""
        values = []
        for part in self.parts:
            if part.statement is None:
                values.append(b"")
            elif part.statement.effect is None:
                values.append(await (part.marked if marked else part.value)(connection))
            else:
                values.append(await self._after_effect(connection, part.statement, part.sites))
        return values

    async def _after_effect(self, connection: Connection, statement: Statement, sites: list[Values]) -> bytes:
        """A mutation's effect, and its payload as it is then: each root field is a transaction, one after the other.

        What only reads sees one state of the database throughout. What it gives is nowhere kept: a plan may be run again.
        """
        assert statement.effect is not None  # noqa: S101
        async with connection.transaction(**(ONE_STATE if statement.is_pure else {})):
            outcome = await statement.effect(connection, self.reader, sites[0])
            known = [*sites[:-1], {**sites[-1], "outcome": orjson.dumps(outcome).decode()}]
            rows = await connection.fetch(statement.sql, *statement.parameters.arguments(self.reader.project_id, known))
        return statement.assemble(rows, sites).encode()

    def _answer(self, values: list[bytes]) -> Answer:
        pairs = list(zip(self.parts, values, strict=True))
        found = [(part.statement.name, part.sites[0]) for part, value in pairs if part.statement is not None and value != b"null"]
        return Answer(b"{%b}" % b",".join([part.head + value for part, value in pairs]), found)
