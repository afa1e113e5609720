"""Takes telemetry in: each row is accepted or refused with a reason, and what is accepted is durable when this returns."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, BinaryIO, TypeVar

import asyncpg

from callscope.geoip import Locate, located
from callscope.simulation import CallPlan, simulate_call
from callscope.sources import Refusal, SourceError
from callscope.sources.refusal_codes import RefusalCode
from callscope.sources.registry import Source, misnamed
from callscope.storage.ledger import Ledger
from callscope.storage.patience import ENDLESS, Patience, transaction
from callscope.storage.timeseries import Partitions
from callscope.telemetry import ParticipantRecord, Telemetry

Row = TypeVar("Row")

BATCH = 500
MAX_REFUSED = 10_000
IN_THE_WAY = (asyncpg.DeadlockDetectedError, asyncpg.UndefinedTableError)
"""Other writers of the same rows, or who drops a partition just when it would be written to: it can be tried again."""


@dataclass
class Receipt:
    """What became of a piece of telemetry."""

    calls: list[str] = field(default_factory=list)
    accepted: int = 0
    refused: list[Refusal] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def ingest(
    connection: asyncpg.Connection,
    partitions: Partitions,
    project_id: int,
    batches: AsyncIterator[Iterable[Telemetry | Refusal]],
    *,
    patience: Patience = ENDLESS,
    locate: Locate | None = None,
) -> Receipt:
    """Write telemetry in one transaction: all that is accepted, or nothing where the source breaks off with an error.

    Network addresses go no further than here: ``locate`` makes locations of them, and without it they are forgotten.
    """
    receipt = Receipt()
    async with transaction(connection, patience):
        ledger = Ledger(connection, partitions, project_id, patience)
        async for batch in batches:
            for row in batch:
                if isinstance(row, Refusal):
                    if len(receipt.refused) == MAX_REFUSED:
                        told = f"more than {MAX_REFUSED} rows are refused; this one: {row.reason}"
                        raise SourceError(told, row.line, RefusalCode.TOO_MANY_REFUSED)
                    receipt.refused.append(row)
                elif isinstance(row, ParticipantRecord):
                    await ledger.add(located(row, locate))
                else:
                    await ledger.add(row)
        await ledger.finish()
    receipt.accepted = ledger.accepted
    receipt.calls = sorted(ledger.changed)
    return receipt


async def ingest_file(
    connection: asyncpg.Connection,
    partitions: Partitions,
    project_id: int,
    file: BinaryIO,
    source: Source,
    *,
    head: bytes,
    call_id: str | None = None,
    patience: Patience = ENDLESS,
    locate: Locate | None = None,
) -> Receipt:
    """Ingest a file of a source. Where nothing is accepted, ``head``, its first bytes, tells whether another was meant."""
    seeming = misnamed(source, head)
    rows = in_batches(source.read(file, call_id=call_id))
    try:
        receipt = await ingest(connection, partitions, project_id, rows, patience=patience, locate=locate)
    except SourceError as error:
        if seeming is None:
            raise
        raise SourceError(f"{error.reason}; it begins like a file of '{seeming.name}'", error.line, error.code) from error
    if seeming is not None and receipt.refused and not receipt.accepted:
        told = f"nothing in the file is of '{source.name}': it begins like a file of '{seeming.name}'"
        raise SourceError(told, receipt.refused[0].line)
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
    advance: Callable[[float], object] = lambda share: None,
) -> Receipt:
    """Simulate calls straight into the tables, in one transaction. `advance` is told of each share of a call that is made."""

    async def batches() -> AsyncIterator[list[Telemetry]]:
        for plan in plans:
            async for batch in in_batches(simulate_call(plan, advance)):
                yield batch

    return await ingest(connection, Partitions(database_url), project_id, batches())
