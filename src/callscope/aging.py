"""Meetings that pass their time while the call that they were held in goes on: they are removed, and the call is derived anew."""

from datetime import datetime

import asyncpg

from callscope.settlement import Settlement
from callscope.storage.changes import Change, Changes, joined
from callscope.storage.derived import DerivedTables
from callscope.storage.meeting_removal import aged, remove_meetings
from callscope.storage.removal import ENDLESS, remove_times


async def remove_aged(connection: asyncpg.Connection, project_id: int, call_key: int, now: datetime | None = None) -> int:
    """Remove the meetings of a call that have passed their time; how many they were.

    Inside of a transaction that has the turn at the call (``storage.call_locks``). ``now`` is for tests; without it, it is now.
    """
    gone = await aged(connection, project_id, call_key, now)
    if not gone:
        return 0
    await remove_times(connection, project_id, call_key, gone, ENDLESS)
    series = frozenset(await remove_meetings(connection, project_id, call_key, gone))
    tables = DerivedTables(connection, project_id, call_key)
    pending = await tables.take_changes()
    # The minute that a meeting ended in may be another one's, too.
    changed = [Change(series, stretch.until, stretch.until) for stretch in gone] if series else []
    await Settlement(tables).derive(Changes(joined([*changed, *(pending.samples if pending else [])]), None, None))
    return len(gone)
