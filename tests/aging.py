"""What tests of retention do again and again: time passes for some calls and meetings, and not for the test."""

from datetime import timedelta

from tests.inspector import Inspector

SECOND = timedelta(seconds=1)


async def expire(found: Inspector, call_id: str, when: timedelta = -SECOND) -> None:
    """Make a call one whose retention passes then, by moving all that it is counted from."""
    await found.connection.execute(
        "with moved as (select call_key, now() + $2::interval - expires_at as span from live.call where call_id = $1),"
        " meetings as (update live.meeting set expires_at = expires_at + span, received_at = received_at + span"
        " from moved where meeting.call_key = moved.call_key)"
        " update live.call set expires_at = expires_at + span, received_at = received_at + span"
        " from moved where call.call_key = moved.call_key",
        call_id,
        when,
    )


async def age(found: Inspector, call_id: str, *numbers: int) -> None:
    """Make these meetings of a call ones whose retention passed a second ago, before that of the others."""
    await found.connection.execute(
        "update live.meeting set expires_at = now() - interval '1 second', is_outlived = true,"
        " received_at = meeting.received_at - interval '1 year' from live.call"
        " where call.call_key = meeting.call_key and call_id = $1 and number = any($2)",
        call_id,
        numbers,
    )
