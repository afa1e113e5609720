"""Saving calls: what each mutation of saved sessions does, in the caller's transaction.

A saved session is its call's: there is one for each call at most. Its row is inserted, or locked, before the data, so that who
saves, renames or deletes the same one waits for the other. The project is locked last and for its count alone, so that nobody
waits while someone else's data is copied.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from callscope.aging import remove_aged
from callscope.labels import Labels, UserError, folded
from callscope.storage.call_locks import TAKE
from callscope.vocabulary import UserErrorCode

CALL_TABLES = (
    "record",
    "call_change",
    "call",
    "meeting",
    "participant",
    "connection",
    "stream",
    "subscriber",
    "data_warning",
    "event",
    "metric_series",
    "metric_sample",
    "metric_rollup",
    "metric_sketch",
    "issue",
    "report",
)
"""A call's tables: what telemetry told, and what was derived of it."""

# The largest calls take longer than a read may.
WITH_PATIENCE = "set local statement_timeout = '10min'"
COUNT = "select count(*) from callscope.saved_session where project_id = $1 and expires_at > now()"
LOOK = f"""
select call.call_id, call.expires_at > now() as is_kept, saved_session.call_id as saved_call_id,
    project.saved_session_limit, ({COUNT}) as saved_session_count
from callscope.project
left join live.call on call.project_id = $1 and call.call_key = $2
left join callscope.saved_session on saved_session.project_id = $1 and saved_session.call_key = $2
    and saved_session.expires_at > now()
where project.project_id = $1
"""
# From here on maintenance leaves the call alone, and from when on it might not have done so, it is not saved.
HOLD = """
select exists (
    select from live.meeting where project_id = $1 and call_key = $2 and meeting.expires_at <= clock_timestamp()
) as has_aged
from live.call where project_id = $1 and call_key = $2 and expires_at > clock_timestamp() for key share
"""
# A session that has expired is there no more, although maintenance may not have been here yet.
WRITE = """
insert into callscope.saved_session as stored
    (project_id, call_key, call_id, name, folded_name, tags, folded_tags, saved_at, updated_at, expires_at)
select $1, $2, $3, $4, $5, coalesce($6::text[], '{}'), coalesce($7::text[], '{}'), now(), now(),
    now() + make_interval(months => saved_retention_months)
from callscope.project where project_id = $1
on conflict (project_id, call_key) do update set name = excluded.name, folded_name = excluded.folded_name,
    tags = coalesce($6, case when stored.expires_at > now() then stored.tags else '{}' end),
    folded_tags = coalesce($7, case when stored.expires_at > now() then stored.folded_tags else '{}' end),
    saved_at = case when stored.expires_at > now() then stored.saved_at else now() end,
    updated_at = greatest(stored.updated_at, excluded.updated_at), expires_at = excluded.expires_at
returning xmax = 0 as is_first, saved_at = now() as is_new
"""
# One statement, so that all of it is of one state, which settling changes as a whole.
COPY = (
    "with "
    + ", ".join(
        f"{table} as (insert into saved.{table} overriding system value"
        f" select * from live.{table} where project_id = $1 and call_key = $2)"
        for table in CALL_TABLES
    )
    + " select"
)
FORGET = (
    "with "
    + ", ".join(
        f"{table} as (delete from saved.{table} where project_id = $1 and call_key = any($2::bigint[]))" for table in CALL_TABLES
    )
    + " select"
)
LOCK_COUNT = "select saved_session_limit from callscope.project where project_id = $1 for no key update"
RELABEL = """
update callscope.saved_session set name = coalesce($3, name), folded_name = coalesce($4, folded_name),
    tags = coalesce($5::text[], tags), folded_tags = coalesce($6::text[], folded_tags)
where project_id = $1 and call_key = $2 and expires_at > now() returning true
"""
IS_SAVED = """
select exists (select from callscope.saved_session where project_id = $1 and call_key = $2 and expires_at > now())
"""
LOCK = """
select call_key from callscope.saved_session where project_id = $1 and call_key = any($2::bigint[]) and expires_at > now()
order by call_key for update
"""
DELETE = "delete from callscope.saved_session where project_id = $1 and call_key = any($2::bigint[])"

CALL_ID = ("input", "callId")
ID = ("input", "id")
NO_SESSION = UserError(UserErrorCode.NOT_FOUND, "There is no such saved session: give the global id of one.", ID)
NO_CALL = UserError(UserErrorCode.NOT_FOUND, "There is no such call: give the global id of one.", CALL_ID)
PASSED = UserError(
    UserErrorCode.RETENTION_PASSED,
    "The call has passed retention: it can no longer be saved, nor saved again. Name and tags of a saved session can be changed.",
    CALL_ID,
)


@dataclass(frozen=True)
class Outcome:
    """What a mutation did: the call whose saved session it concerns, those that it deleted, and what was wrong.

    With errors nothing was changed, unless sessions were deleted.
    """

    call_key: int | None = None
    deleted: frozenset[int] = frozenset()
    errors: list[UserError] = field(default_factory=list)


class _AgedError(Exception):
    """A meeting of the call has passed its time, and must go before the call is saved."""


class _RefusedError(Exception):
    """Takes back what was copied."""

    def __init__(self, error: UserError) -> None:
        super().__init__(error.message)
        self.error = error


def _too_many(limit: int) -> UserError:
    message = f"The project keeps as many saved sessions as it may, {limit}: delete one first."
    return UserError(UserErrorCode.SAVED_SESSION_LIMIT, message, CALL_ID)


async def save(connection: asyncpg.Connection, project_id: int, call_key: int | None, given: Labels) -> Outcome:
    """Save a call as it stands now, live or not; where it is saved already, its data is replaced, and its tags if any are given.

    ``call_key`` is None for what can be no call.
    """
    look = await connection.fetchrow(LOOK, project_id, call_key)
    errors = [*_refused(look), *given.errors]
    if errors or call_key is None:
        return Outcome(errors=errors)
    await connection.execute(WITH_PATIENCE)
    try:
        while True:
            try:
                async with connection.transaction():
                    await _save(connection, (project_id, call_key), look["call_id"], given)
                return Outcome(call_key)
            except _AgedError:
                await connection.execute(TAKE, project_id, call_key)
                await remove_aged(connection, project_id, call_key)
    except _RefusedError as refused:
        return Outcome(errors=[refused.error])


def _refused(look: Any) -> list[UserError]:
    """What is wrong with saving a call, as far as can be told without a lock."""
    if look["call_id"] is None:
        return [NO_CALL if look["saved_call_id"] is None else PASSED]
    errors = [] if look["is_kept"] else [PASSED]
    if look["saved_call_id"] is None and look["saved_session_count"] >= look["saved_session_limit"]:
        errors.append(_too_many(look["saved_session_limit"]))
    return errors


async def _save(connection: asyncpg.Connection, call: tuple[Any, ...], call_id: str, given: Labels) -> None:
    has_aged = await connection.fetchval(HOLD, *call)
    if has_aged is None:
        raise _RefusedError(PASSED)
    if has_aged:
        raise _AgedError
    is_first, is_new = await connection.fetchrow(WRITE, *call, call_id, *_columns(given))
    if not is_first:
        await connection.execute(FORGET, call[0], [call[1]])
    await connection.execute(COPY, *call)
    if is_new:
        limit = await connection.fetchval(LOCK_COUNT, call[0])
        if await connection.fetchval(COUNT, call[0]) > limit:
            raise _RefusedError(_too_many(limit))


async def update(connection: asyncpg.Connection, project_id: int, call_key: int | None, given: Labels) -> Outcome:
    """Change name and tags of a saved session, what of them is given."""
    if given.errors:
        is_there = await connection.fetchval(IS_SAVED, project_id, call_key)
        return Outcome(errors=[*([] if is_there else [NO_SESSION]), *given.errors])
    if not await connection.fetchval(RELABEL, project_id, call_key, *_columns(given)):
        return Outcome(errors=[NO_SESSION])
    return Outcome(call_key)


async def delete(connection: asyncpg.Connection, project_id: int, call_keys: Sequence[int]) -> Outcome:
    """Delete the saved sessions of these calls, as far as there are such."""
    await connection.execute(WITH_PATIENCE)
    found = [row["call_key"] for row in await connection.fetch(LOCK, project_id, call_keys)]
    if found:
        await connection.execute(FORGET, project_id, found)
        await connection.execute(DELETE, project_id, found)
    return Outcome(deleted=frozenset(found))


def _columns(given: Labels) -> tuple[Any, ...]:
    """Name and tags, each followed by the same in lower case; None for what is not given."""
    tags = given.tags
    return (
        given.name,
        None if given.name is None else folded(given.name),
        tags,
        None if tags is None else [folded(tag) for tag in tags],
    )
