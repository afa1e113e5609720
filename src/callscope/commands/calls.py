"""The call that a verb names."""

import asyncpg

from callscope.commands import CommandError
from callscope.export import Place, find, find_call
from callscope.storage.telemetry_rows import known_project


async def call_named(connection: asyncpg.Connection, project: str, call: str) -> tuple[int, int]:
    """The keys of a project and of its call, by the platform's id or by the API's."""
    project_id = await known_project(connection, project)
    call_key = None if project_id is None else await find_call(connection, project_id, call)
    if project_id is None or call_key is None:
        raise CommandError(f"project {project!r} has no call {call!r}: give the platform's id of one, or the API's (call_…)")
    return project_id, call_key


async def place_named(connection: asyncpg.Connection, project: str, call: str) -> tuple[int, Place]:
    """The key of a project, and where its call is, which may be one of a saved session (session_…)."""
    project_id = await known_project(connection, project)
    place = None if project_id is None else await find(connection, project_id, call)
    if project_id is None or place is None:
        told = "give the platform's id of one, or the API's (call_… or, of what was saved, session_…)"
        raise CommandError(f"project {project!r} has no call {call!r}: {told}")
    return project_id, place
