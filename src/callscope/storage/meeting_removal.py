"""Removes what was told of some meetings of a call, whose other meetings stay.

A record is of a meeting if what it tells of is: a connection or what came over it by its meeting, a participant if nothing else
of it stays. What settling derived must be derived anew afterwards.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from callscope.analysis.revisions import KIND as REVISION
from callscope.storage.removal import Stretch

# An instant belongs to the meeting that it falls into, or to the next one; what comes after all of them to none.
AGED = """
select number, after, until, next_at from (
    select number, coalesce(lag(ended_at) over (order by number), '-infinity') as after, ended_at as until,
        coalesce(lead(started_at) over (order by number), 'infinity') as next_at, expires_at
    from live.meeting where project_id = $1 and call_key = $2
) meeting
where expires_at <= coalesce($3, clock_timestamp()) order by number
"""
_STRETCHES = "unnest($3::integer[], $4::timestamptz[], $5::timestamptz[]) as stretch(number, after, until)"
_GONE = f"""
exists (
    select from {_STRETCHES}
    where own.meeting_number = stretch.number
        or own.meeting_number is null and own.attempted_at > stretch.after and own.attempted_at <= stretch.until
)
"""
_OWN = "own.project_id = $1 and own.call_key = $2"
_IDS = {"subscriberId": "subscriber", "streamId": "stream", "connectionId": "connection", "participantId": "participant"}
"""By what a record may name, the most particular first: that is what it tells of."""
_LEFT = "exists (select from live.{table} own where {own} and {condition})"


def _left(table: str, condition: str) -> str:
    return _LEFT.format(table=table, own=_OWN, condition=condition)


_SAMPLES = _left("metric_sample", "own.series_key = {key}")
_SAID = [
    f"when record.body ? '{name}' then record.body ->> '{name}' in (select id from gone_{table})" for name, table in _IDS.items()
]
# Once what happened and was measured in these meetings is removed.
FORGET_RECORDS = f"""
with {
    ", ".join(
        f"gone_{table} as (select {table}_id as id from live.{table} own where {_OWN} and {_GONE})"
        for table in ("connection", "stream", "subscriber")
    )
}, gone_participant as (
    select participant_id as id from live.participant
    where participant.project_id = $1 and participant.call_key = $2
        and not {_left("connection", f"own.participant_key = participant.participant_key and not {_GONE}")}
        and not {_left("event", "own.participant_key = participant.participant_key")}
        and not exists (
            select from live.metric_series series
            where series.project_id = $1 and series.call_key = $2 and series.participant_key = participant.participant_key
                and {_SAMPLES.format(key="series.series_key")}
        )
)
delete from live.record where record.project_id = $1 and record.call_key = $2 and record.record_key <> $2 and case
    when record.kind = 'series' then not {_SAMPLES.format(key="record.record_key")}
    when record.kind = '{REVISION}' then exists (
        select from {_STRETCHES} where (record.body ->> 'at')::timestamptz > stretch.after
            and (record.body ->> 'at')::timestamptz <= stretch.until
    )
    when record.kind = 'mention' then not {
    _left("event", "record.record_key in (own.participant_key, own.connection_key, own.stream_key)")
}
    {" ".join(_SAID)}
    else false
end
"""
# What was told of the call itself stays, but for when these meetings began and ended.
FORGET_INSTANTS = """
update live.record set body = body - array(
    select name from (values ('startedAt'), ('endedAt')) told(name),
        unnest($3::timestamptz[], $4::timestamptz[], $5::timestamptz[]) stretch(after, until, next_at)
    where (body ->> name)::timestamptz > after
        and (body ->> name)::timestamptz <= case name when 'startedAt' then until else next_at end
)
where project_id = $1 and call_key = $2 and kind = 'call' and (body ? 'startedAt' or body ? 'endedAt')
"""
FORGET_MEETINGS = "delete from live.meeting where project_id = $1 and call_key = $2 and number = any($3::integer[])"
REMEMBER_NUMBERS = """
update live.call set removed_meetings = removed_meetings || $3::integer[] where project_id = $1 and call_key = $2
"""
FORGET_SERIES = f"""
delete from live.metric_series series where series.project_id = $1 and series.call_key = $2
    and not {_SAMPLES.format(key="series.series_key")}
"""
# Sketches are of all series together, and made anew.
FORGET_SKETCHES = "delete from live.metric_sketch where project_id = $1 and call_key = $2"
CHANGED_SERIES = """
select series_key from live.metric_series where project_id = $1 and call_key = $2 and started_at <= $3
"""


async def aged(connection: asyncpg.Connection, project_id: int, call_key: int, now: datetime | None = None) -> list[Stretch]:
    """The meetings of a live call that have passed their time."""
    return [Stretch(*row) for row in await connection.fetch(AGED, project_id, call_key, now)]


async def remove_meetings(connection: asyncpg.Connection, project_id: int, call_key: int, gone: Sequence[Stretch]) -> set[int]:
    """Remove these meetings and what was told of them, once nothing of their times is left; the series that must be looked at."""
    call: tuple[Any, ...] = (project_id, call_key)
    numbers, after, until, next_at = (list(column) for column in zip(*gone, strict=True))
    await connection.execute(FORGET_RECORDS, *call, numbers, after, until)
    await connection.execute(FORGET_INSTANTS, *call, after, until, next_at)
    await connection.execute(FORGET_SERIES, *call)
    await connection.execute(FORGET_SKETCHES, *call)
    await connection.execute(FORGET_MEETINGS, *call, numbers)
    await connection.execute(REMEMBER_NUMBERS, *call, numbers)
    return {row["series_key"] for row in await connection.fetch(CHANGED_SERIES, *call, max(until))}
