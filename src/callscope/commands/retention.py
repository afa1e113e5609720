"""``maintain`` and ``erase``: what removes data."""

import argparse
from dataclasses import asdict

import asyncpg
import orjson

from callscope.commands import CommandError, database, say
from callscope.commands.progress import progress
from callscope.erasure import calls_of, erase, keys_of_call, participant_named
from callscope.maintenance import Removed, maintain
from callscope.settings import Settings
from callscope.storage.telemetry_rows import known_project


async def maintain_now(settings: Settings, given: argparse.Namespace) -> None:
    """Remove what has passed its time, once, and say what it was."""
    removed = Removed()
    async with database(settings) as (connection, _):
        is_done = await maintain(connection, removed=removed) is not None
    if given.json:
        say(orjson.dumps(asdict(removed) | {"isDone": is_done}).decode())
    elif is_done:
        say(f"removed {removed}")
    else:
        say("another process is at it: nothing was removed here")


async def erase_participant(settings: Settings, given: argparse.Namespace) -> None:
    """Erase someone from one call after the other, each in a transaction of its own, and say from how many."""
    async with database(settings) as (connection, _):
        project_id, participant_id, calls = await _calls(connection, given)
        rows = 0
        with progress("Erasing", len(calls)) as advance:
            for call_key in calls:
                rows += (await erase(connection, project_id, participant_id, call_key)).rows
                advance(1)
    if given.json:
        say(orjson.dumps({"calls": len(calls), "rows": rows}).decode())
    else:
        say(f"erased from {len(calls)} calls: {rows} records and events were rewritten")


async def _calls(connection: asyncpg.Connection, given: argparse.Namespace) -> tuple[int, str, list[int]]:
    project_id = await known_project(connection, given.project)
    if project_id is not None:
        participant_id = await participant_named(connection, project_id, given.participant)
        keys = [None] if given.call is None else keys_of_call(given.call)
        calls = {call for key in keys for call in await calls_of(connection, project_id, participant_id, key)}
        if calls:
            return project_id, participant_id, sorted(calls)
    where = "" if given.call is None else f" in the call {given.call!r}"
    raise CommandError(f"project {given.project!r} has no participant {given.participant!r}{where}")
