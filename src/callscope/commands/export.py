"""``export``."""

import argparse
import gzip
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import asyncpg

from callscope.commands import CommandError, database, say
from callscope.commands.calls import place_named
from callscope.commands.progress import progress
from callscope.export import Place, count_rows, export_call
from callscope.settings import Settings


async def export(settings: Settings, given: argparse.Namespace) -> None:
    """Write a call to standard output, or to a file that is there only when it is whole."""
    async with database(settings) as (connection, _):
        project_id, place = await place_named(connection, given.project, given.call)
        if given.output is None:
            async with aclosing(export_call(connection, project_id, place.call_key, schema=place.schema)) as pieces:
                async for piece in pieces:
                    sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            count = await _write(connection, project_id, place, given.output)
            say(f"{count} records, events and samples exported")


async def _write(connection: asyncpg.Connection, project_id: int, place: Place, path: Path) -> int:
    """Returns how much it was."""
    count = 0
    total = await count_rows(connection, project_id, place.call_key, schema=place.schema)
    with progress("Exporting", total) as advance, _faults(path), _replacing(path) as file:

        def exported(rows: int) -> None:
            nonlocal count
            count += rows
            advance(rows)

        async with aclosing(export_call(connection, project_id, place.call_key, exported, schema=place.schema)) as pieces:
            async for piece in pieces:
                file.write(piece)
    return count


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except ConnectionError:
        # The database is gone, or whoever read the pipe that we write to.
        raise
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to be written. It takes its name, and the place of what has it, when it is whole; else it leaves nothing."""
    if path.exists() and not path.is_file():
        # A pipe or a device cannot be replaced, and a folder says so.
        with path.open("wb") as file:
            yield file
        return
    target = path.resolve()
    new = target.with_name(f".callscope-{secrets.token_hex(8)}")
    try:
        with new.open("xb") as file:
            if path.suffix == ".gz":
                # Without a name and a time inside, equal exports are equal files.
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                    yield cast("BinaryIO", packed)
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
