"""``migrate``, ``import``, ``simulate`` and ``settle``: what works on the data."""

import argparse
import asyncio
import os
import stat
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, cast

import asyncpg
import orjson

from callscope.api.keys import project_of
from callscope.commands import CommandError, database, database_at, say
from callscope.commands.progress import progress
from callscope.geoip import locating
from callscope.ingest import IN_THE_WAY, Receipt, ingest_file, ingest_plans
from callscope.servers import servers
from callscope.settings import Settings
from callscope.settle import settle_pending
from callscope.simulation import CallPlan, broadcast, population
from callscope.simulation.broadcast import REPORTED
from callscope.sources import Refusal, SourceError
from callscope.sources.refusal_codes import RefusalCode
from callscope.sources.registry import HEAD_BYTES, SOURCES, Source, recognise
from callscope.storage.keys import key_of
from callscope.storage.migrations import migrate
from callscope.storage.timeseries import Partitions
from callscope.telemetry import LATEST
from callscope.vocabulary import Platform

ATTEMPTS = 3
BUSY = "others write the same telemetry just now: import it again in a moment"


async def migrate_database(settings: Settings, given: argparse.Namespace) -> None:
    with servers(settings) as found:
        async with database_at(found.database_url) as connection:
            done = await migrate(connection)
    for migration in done:
        say(f"applied {migration.number:04d} {migration.name}")
    say(f"{len(done)} migrations applied; the database is up to date" if done else "the database is up to date")


async def settle(settings: Settings, given: argparse.Namespace) -> None:
    async with database(settings) as (connection, _):
        count = await settle_all(connection, None)
    say(f"{count} calls settled")


WAITING = """
select count(distinct (project_id, call_key)) from live.call_change
where (project_id = $1 or $1 is null) and (call_key = any($2::bigint[]) or $2 is null)
"""


async def settle_all(connection: asyncpg.Connection, project_id: int | None, keys: Sequence[int] | None = None) -> int:
    """All calls, or these: what others write meanwhile is theirs to settle, and might never come to an end."""
    total = await connection.fetchval(WAITING, project_id, keys)
    with progress("Settling calls", total) as advance:
        count = await settle_pending(connection, project_id=project_id, call_keys=keys, settled=advance)
        # A server may be at some of them.
        while await connection.fetchval(WAITING, project_id, keys):
            await asyncio.sleep(0.05)
            count += await settle_pending(connection, project_id=project_id, call_keys=keys, settled=advance)
    return count


async def simulate(settings: Settings, given: argparse.Namespace) -> None:
    plans = _plans(given, datetime.now(UTC).replace(microsecond=0))
    async with database(settings) as (connection, found):
        project_id = await project_of(connection, given.project)
        with progress("Simulating calls", len(plans)) as advance:
            receipt = await ingest_plans(connection, found.database_url, project_id, plans, advance)
        await settle_all(connection, project_id, [key_of(call) for call in receipt.calls])
    say(f"{len(receipt.calls)} calls simulated, {receipt.accepted} records")


OF_ONE_CALL = ("participants", "subscribers", "minutes", "metrics", "start")
LARGE = 100
"""Subscribers beyond which there is a large audience."""
LARGE_METRICS = ",".join(sorted("/".join(pair) for pair in REPORTED))


def _plans(given: argparse.Namespace, now: datetime) -> list[CallPlan]:
    if given.calls is None:
        return [_plan(given, now)]
    if vain := [f"--{name}" for name in OF_ONE_CALL if getattr(given, name) is not None]:
        raise CommandError(f"--calls makes calls of many kinds: {', '.join(vain)} can shape a single one only")
    return list(population(given.calls, now, given.seed))


def _plan(given: argparse.Namespace, now: datetime) -> CallPlan:
    minutes, subscribers = given.minutes or 10.0, given.subscribers or 0
    is_large = subscribers > LARGE
    participants = given.participants or (1 if is_large else 2)
    started_at = given.start or now - timedelta(minutes=minutes)
    if started_at + timedelta(minutes=minutes) >= LATEST:
        raise CommandError(f"the call should end before {LATEST:%Y}")
    name = f"simulated-{given.seed}-{participants}-{subscribers}"
    if is_large:
        reported = given.metrics or REPORTED
        return broadcast(name, started_at, minutes, subscribers, participants=participants, reported=reported, seed=given.seed)
    return CallPlan(name, Platform.OTHER, started_at, minutes, participants, subscribers, seed=given.seed, reported=given.metrics)


@dataclass
class Outcome:
    """What became of all files."""

    calls: set[str] = field(default_factory=set)
    accepted: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)

    def add(self, file: Path, receipt: Receipt) -> None:
        self.calls.update(receipt.calls)
        self.accepted += receipt.accepted
        for refusal in receipt.refused:
            self.refuse(file, refusal)

    def refuse(self, file: Path, refusal: Refusal) -> None:
        name = os.fsencode(file).decode(errors="replace")  # which may hold bytes that are no text
        self.refused.append({"file": name, **asdict(refusal)})
        at = f"{name}:{refusal.line}" if refusal.line else name
        named = f"{refusal.field}: " if refusal.field else ""
        sys.stderr.write(f"callscope: {at}: {named}{refusal.reason}\n")


async def import_files(settings: Settings, given: argparse.Namespace) -> int:
    """Import each file, unless it is damaged, with those of its rows that are good; 1 where anything was refused."""
    outcome = Outcome()
    locate = locating(settings.geoip_database)
    async with database(settings) as (connection, found):
        project_id = await project_of(connection, given.project)
        partitions = Partitions(found.database_url)
        size = sum(_size(file) for file in given.files)
        with progress("Importing", size) as advance:

            async def once(file: Path) -> Receipt:
                with file.open("rb") as opened:
                    counted = Counted(opened, advance)
                    head = counted.head()
                    source, content = _source(head, given.source), cast("BinaryIO", counted)
                    return await ingest_file(
                        connection, partitions, project_id, content, source, head=head, call_id=given.call, locate=locate
                    )

            for file in given.files:
                try:
                    # A pipe is read once.
                    attempts = ATTEMPTS if stat.S_ISREG(file.stat().st_mode) else 1
                    outcome.add(file, await _again(once, file, attempts))
                except SourceError as error:
                    outcome.refuse(file, error.refusal)
                except OSError as error:
                    outcome.refuse(file, Refusal(0, None, RefusalCode.UNREADABLE, error.strerror or str(error)))
                except IN_THE_WAY:
                    outcome.refuse(file, Refusal(0, None, RefusalCode.UNREADABLE, BUSY))
        await settle_all(connection, project_id, [key_of(call) for call in outcome.calls])
    if given.json:
        content = {"calls": sorted(outcome.calls), "accepted": outcome.accepted, "refused": outcome.refused}
        say(orjson.dumps(content).decode())
    else:
        say(f"{outcome.accepted} records of {len(outcome.calls)} calls imported, {len(outcome.refused)} refused")
    return 1 if outcome.refused else 0


async def _again(once: Callable[[Path], Awaitable[Receipt]], file: Path, attempts: int) -> Receipt:
    """Once more where another writer of the same rows was in the way."""
    for _ in range(attempts - 1):
        with suppress(*IN_THE_WAY):
            return await once(file)
    return await once(file)


def _size(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_size
    return 0


def _source(head: bytes, name: str | None) -> Source:
    if not head:
        raise SourceError("file is empty")
    source = SOURCES[name] if name is not None else recognise(head)
    if source is None:
        raise SourceError(f"file begins like no format that is known: {', '.join(SOURCES)}", 1)
    return source


class Counted:
    """A file that says how far it was read."""

    def __init__(self, file: BufferedReader, advance: Callable[[int], None]) -> None:
        self._file = file
        self._advance = advance

    def head(self) -> bytes:
        """What it begins with, which is still to be read: a pipe cannot be wound back."""
        return self._file.peek(HEAD_BYTES)[:HEAD_BYTES]

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._advance(len(content))
        return content
