"""What tests of retention do again and again: time passes for some calls and meetings, and not for the test."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from callscope.ingest import ingest_plans
from callscope.storage.keys import key_of
from callscope.telemetry import ConnectionRecord, EventRecord
from callscope.vocabulary import EventCategory
from tests.inspector import Inspector
from tests.plans import sample_plans

SECOND = timedelta(seconds=1)
ROOM, LATER_ROOM = sample_plans()[3:5]

READ = """
query ($id: String) {
    call(callId: $id) {
        id startedAt endedAt durationSeconds report freshness { missing isSettled }
        statistics { participantCount connectionCount streamCount subscriberCount streamedMinutes issueCount errorCount }
        meetings { nodes { id number startedAt endedAt report statistics { participantCount issueCount } } }
        participants(first: 100) { nodes { id participantId displayName firstJoinedAt lastLeftAt issueCount meanOpinionScore } }
        connections(first: 100) { nodes { id connectionId attemptedAt outcome meeting { id } participant { id } } }
        streams(first: 100) { nodes { id streamId attemptedAt subscribers(first: 100) { nodes { id durationSeconds } } } }
        events(first: 1000) { nodes { id at name message participant { id } } }
        issues(first: 100) { nodes { id kind startedAt endedAt description participant { id } } }
        metricSeries(first: 1000) { nodes { id metric startedAt sampleCount average samples { averages counts } } }
    }
}
"""


async def read(found: Inspector, call_id: str) -> Any:
    """Most of what can be read of a call; None where it cannot be."""
    return (await found.query(READ, id=call_id))["call"]


async def use_again(found: Inspector) -> None:
    """A room with two meetings, of which each has someone that the other one has not, and a call beside it."""
    plans = [replace(ROOM, participants=2), LATER_ROOM, sample_plans()[0]]
    await ingest_plans(found.connection, found.database_url, found.project_id, plans)
    late = {"call_id": "room", "category": EventCategory.OTHER, "message": "seen"}
    await found.tell(
        [
            ConnectionRecord(
                call_id="room",
                connection_id="early-only",
                participant_id="early",
                connected_at=ROOM.started_at + timedelta(seconds=20),
                closed_at=ROOM.started_at + timedelta(seconds=40),
            ),
            EventRecord(at=ROOM.started_at + timedelta(seconds=30), name="early-event", participant_id="early", **late),
            EventRecord(at=ROOM.started_at + timedelta(hours=2), name="between", **late),
        ]
    )


async def expire(found: Inspector, call_id: str, when: timedelta = -SECOND) -> None:
    """Make a call one whose retention passes then, by moving all that it is counted from."""
    await found.connection.execute(
        "with moved as (select project_id, call_key, now() + $3::interval - expires_at as span from live.call"
        " where project_id = $1 and call_id = $2),"
        " meetings as (update live.meeting set expires_at = expires_at + span, received_at = received_at + span"
        " from moved where (meeting.project_id, meeting.call_key) = (moved.project_id, moved.call_key))"
        " update live.call set expires_at = expires_at + span, received_at = received_at + span"
        " from moved where (call.project_id, call.call_key) = (moved.project_id, moved.call_key)",
        found.project_id,
        call_id,
        when,
    )


async def age(found: Inspector, call_id: str, *numbers: int) -> None:
    """Make these meetings of a call ones whose retention passed a second ago, before that of the others."""
    await found.connection.execute(
        "update live.meeting set expires_at = now() - interval '1 second', is_outlived = true,"
        " received_at = meeting.received_at - interval '1 year'"
        " where project_id = $1 and call_key = $2 and number = any($3)",
        found.project_id,
        key_of(call_id),
        numbers,
    )


async def mark_changed(found: Inspector, call_id: str) -> None:
    """Have a call settled anew, although nothing new was told of it."""
    changed = "insert into live.call_change (project_id, call_key) values ($1, $2)"
    await found.connection.execute(changed, found.project_id, key_of(call_id))
