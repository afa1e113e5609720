"""Locks of single calls, each held to the end of its transaction.

Who derives, removes or rewrites a call takes turns; a server that follows a call has a turn for each of its changes. Who removes
or rewrites what was told of it waits for those who write to it, too: what is told again is not written where it is there already,
and must stay there until the writer's transaction ends. All writers share a few locks, because there is no room for as many as
one import may have calls.
"""

_WRITERS = 0x63616C6C
"""Of the locks with two numbers, those of writers have this as the first."""
_BUCKET = "({call_key} & 255)::integer"

WRITES = f"pg_advisory_xact_lock_shared({_WRITERS}, {_BUCKET}) is not null"
"""A condition on ``{call_key}`` that holds always, once nobody removes or rewrites it."""
TAKE = f"""
select pg_advisory_xact_lock(~ ($2::bigint # $1)),
    pg_advisory_xact_lock({_WRITERS}, {_BUCKET.format(call_key="$2::bigint")})
"""
"""Waits for the turn at a call of a project, and for its writers."""
TRY = f"""
select call_key from unnest($2::bigint[]) call_key
where pg_try_advisory_xact_lock(~ (call_key # $1))
    and pg_try_advisory_xact_lock({_WRITERS}, {_BUCKET.format(call_key="call_key")})
"""
"""The calls of a project of which nobody else has the turn now, and to which nobody writes."""
