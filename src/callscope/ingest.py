"""Takes telemetry in: each row is accepted or refused with a reason, and what is accepted is durable when this returns."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, TypeVar

import asyncpg
import orjson
from pydantic import ValidationError

from callscope.simulation import CallPlan, simulate_call
from callscope.storage.ledger import Ledger
from callscope.storage.timeseries import Partitions
from callscope.telemetry import TELEMETRY, Telemetry

Row = TypeVar("Row")

BATCH = 500
MAX_LINE_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Refusal:
    """A row that was not accepted. ``line`` counts from 1; ``code`` is stable, ``reason`` is for people."""

    line: int
    field: str | None
    code: str
    reason: str


@dataclass
class Receipt:
    """What became of a piece of telemetry."""

    calls: list[str] = field(default_factory=list)
    accepted: int = 0
    refused: list[Refusal] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read_line(line: bytes, number: int) -> Telemetry | Refusal | None:
    """One line of NDJSON; None for an empty one."""
    if not line.strip():
        return None
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Refusal(number, None, "json_invalid", f"should be one JSON object in UTF-8: {error.msg}")
    try:
        return TELEMETRY.validate_python(content)
    except ValidationError as error:
        return _refusal(error, number)
    except RecursionError:
        return Refusal(number, None, "json_invalid", "should not be nested so deeply")


def _refusal(error: ValidationError, number: int) -> Refusal:
    first, *others = error.errors(include_url=False, include_context=False, include_input=False)
    path = [str(part) for part in first["loc"][1:]]
    if first["type"].startswith("union_tag"):
        path = ["type"]
    reason = first["msg"].removeprefix("Value error, ")
    more = f" ({len(others)} more)" if others else ""
    return Refusal(number, ".".join(path) or None, first["type"], reason + more)


async def ingest(
    connection: asyncpg.Connection,
    partitions: Partitions,
    project_id: int,
    batches: AsyncIterator[Iterable[Telemetry | Refusal | None]],
) -> Receipt:
    """Write telemetry in one transaction: all that is accepted, or nothing where the source breaks off with an error."""
    receipt = Receipt()
    async with connection.transaction():
        ledger = Ledger(connection, partitions, project_id)
        async for batch in batches:
            for row in batch:
                if isinstance(row, Refusal):
                    receipt.refused.append(row)
                elif row is not None:
                    await ledger.add(row)
        await ledger.finish()
    receipt.accepted = ledger.accepted
    receipt.calls = sorted(ledger.changed)
    return receipt


async def in_batches(rows: Iterator[Row]) -> AsyncIterator[list[Row]]:
    """Rows of a pure source, read in a thread so that the server goes on answering meanwhile."""
    while batch := await asyncio.to_thread(lambda: list(islice(rows, BATCH))):
        yield batch


async def ingest_plans(
    connection: asyncpg.Connection,
    database_url: str,
    project_id: int,
    plans: Iterable[CallPlan],
    advance: Callable[[], object] = lambda: None,
) -> Receipt:
    """Simulate calls straight into the tables, in one transaction."""

    async def batches() -> AsyncIterator[list[Telemetry]]:
        for plan in plans:
            async for batch in in_batches(simulate_call(plan)):
                yield batch
            advance()

    return await ingest(connection, Partitions(database_url), project_id, batches())
