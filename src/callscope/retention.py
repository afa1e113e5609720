"""How long what was told can be read: an unsaved call as long as one of its meetings, a saved one as long as its session.

What has passed its time is gone for readers at once; maintenance removes it from the disk a little later. Where a call is used
again, a meeting may go before others. That is looked at row by row, but only while there is such a meeting (``Reader.aging``):
for as long as maintenance has not been here.
"""

from collections.abc import Iterable

import asyncpg

from callscope.query.readable import Readable, ReadableTables
from callscope.storage.timeseries import TIME_TABLES

_AGED = {
    "live": """
select array(
    select number from live.meeting where project_id = $1 and call_key = $2 and expires_at <= now()
) from live.call where project_id = $1 and call_key = $2 and expires_at > now()
""",
    "saved": """
select '{}'::integer[] from callscope.saved_session where project_id = $1 and call_key = $2 and expires_at > now()
""",
}
"""By where the call is: no row where it cannot be read."""

# The tables as the compiler narrows them to the project.
_CALL, _MEETING, _CONNECTION, _SESSION = (
    f"(select * from {table} where project_id = $1)"
    for table in ("live.call", "live.meeting", "live.connection", "callscope.saved_session")
)

KEPT = "{row}.expires_at > now()"
AGES_AT = """
(select min(expires_at) from live.meeting where meeting.project_id = api_key.project_id and is_outlived) as ages_at
"""
"""Of a key's project: when the next meeting passes its time that is not its call's last."""
_OF_A_KEPT_CALL = f"not exists (select from {_CALL} own where own.call_key = {{row}}.call_key and own.expires_at <= now())"
_OF_A_KEPT_SESSION = f"exists (select from {_SESSION} own where own.call_key = {{row}}.call_key and own.expires_at > now())"


def _kept_with(meeting: str) -> str:
    """Whether the meeting that a row belongs to is kept; what comes after all of them goes with the call."""
    return (
        f"coalesce((select own.expires_at > now() from {_MEETING} own where own.call_key = {{row}}.call_key and {meeting}"
        " order by own.number limit 1), true)"
    )


def _at(column: str) -> str:
    """An instant belongs to the meeting that it falls into, or to the next one."""
    return _kept_with(f"own.ended_at >= {{row}}.{column}")


def _numbered(column: str) -> str:
    return _kept_with(
        f"case when {{row}}.meeting_number is null then own.ended_at >= {{row}}.{column}"
        " else own.number = {row}.meeting_number end"
    )


_PARTICIPANT = (
    f"coalesce((select bool_or({_numbered('attempted_at').replace('{row}', 'kept')}) from {_CONNECTION} kept"
    " where kept.call_key = {row}.call_key and kept.participant_key = {row}.participant_key), " + _at("appeared_at") + ")"
)
# A report of the whole call tells of all its meetings, until it is written anew.
_REPORT = (
    f"not exists (select from {_MEETING} own where own.call_key = {{row}}.call_key and own.expires_at <= now()"
    " and {row}.number in (0, own.number))"
)
_AGING = {
    "participant": _PARTICIPANT,
    "connection": _numbered("attempted_at"),
    "stream": _numbered("attempted_at"),
    "subscriber": _numbered("attempted_at"),
    "issue": _numbered("started_at"),
    "metric_series": _at("ended_at"),
    "report": _REPORT,
    **{table: _at("at") for table in (*TIME_TABLES, "metric_sketch")},
}


async def aged_meetings(connection: asyncpg.Connection, project_id: int, call_key: int, *, schema: str) -> frozenset[int] | None:
    """Numbers of the meetings of a call that have passed their time before it did; None where it cannot be read itself."""
    numbers = await connection.fetchval(_AGED[schema], project_id, call_key)
    return None if numbers is None else frozenset(numbers)


def readable_tables(tables: Iterable[str], scope: str) -> ReadableTables:
    """What can be read of a call's tables, the live ones and those of the scope of saved calls, and of saved sessions."""
    live = {table: Readable(entered=_OF_A_KEPT_CALL, aging=_AGING.get(table)) for table in tables}
    live |= {"call": Readable(KEPT), "meeting": Readable(KEPT, entered=_OF_A_KEPT_CALL), "saved_session": Readable(KEPT)}
    return {"": live, scope: dict.fromkeys(tables, Readable(entered=_OF_A_KEPT_SESSION))}
