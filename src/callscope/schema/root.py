"""The schema: everything that can be asked."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig

from callscope.query.bindings import Argument, Narrow, Order, listed, one, refetch
from callscope.query.errors import bad_input
from callscope.query.operation import Engine
from callscope.retention import readable_tables
from callscope.schema.call import CALLS, Call
from callscope.schema.code_explanation import REFERENCE_TABLES, CodeExplanation, explain_code
from callscope.schema.connection import ConnectionRecord, connections
from callscope.schema.event import Event, events
from callscope.schema.issue import Issue, issues
from callscope.schema.issue_preview import EVALUATE_ISSUES, IssuePreview
from callscope.schema.meeting import Meeting, meetings
from callscope.schema.metric_series import MetricSeries, metric_series
from callscope.schema.mutations import Mutation
from callscope.schema.node import Node, Page
from callscope.schema.participant import Participant, participants
from callscope.schema.project import Project
from callscope.schema.saved_session import SAVED_SESSIONS, SAVED_TABLES, SCOPE, SavedSession
from callscope.schema.scalars import DATE_TIME
from callscope.schema.stream import Stream, streams

LIVE_TABLES = {
    "project": "callscope.project",
    "saved_session": "callscope.saved_session",
    **{
        name: f"live.{name}"
        for name in (
            "call",
            "call_change",
            "connection",
            "data_warning",
            "event",
            "inspection",
            "issue",
            "meeting",
            "metric_rollup",
            "metric_sample",
            "metric_series",
            "metric_sketch",
            "participant",
            "report",
            "stream",
            "subscriber",
        )
    },
}

SETTLED_TABLES = (
    "call",
    "connection",
    "data_warning",
    "issue",
    "meeting",
    "metric_rollup",
    "metric_sample",
    "metric_series",
    "metric_sketch",
    "participant",
    "report",
    "stream",
    "subscriber",
)
"""What settling alone writes, with a new revision of the call each time, and samples, which are told just before a revision that
takes them in: what is read of these can be kept by the revision.
"""


def _names_a_call(values: dict[str, Any]) -> None:
    if values.get("id") is None and values.get("callId") is None:
        raise bad_input("Give 'id' (the global id) or 'callId' (the platform's own id).")


@strawberry.type(description="Everything that can be read. A list at the root spans all calls of the project.")
class Query:
    node: Node | None = refetch(
        "An object by its global id; null where there is none, it is not the project's, or this is no id. Ids that begin with"
        " `saved` find what a saved session kept, all others what is live.",
        (Argument("id", strawberry.ID, "A global id."),),
    )
    nodes: list[Node | None] = refetch(
        "Objects by their global ids, in their order; null where `node` would be.",
        (Argument("ids", list[strawberry.ID], "Global ids."),),
    )
    project: Project = one("The project that the request's key belongs to.")
    call: Call | None = one(
        "One call, by global id or by the platform's own id (ACS call id, Vonage session id, conference name); of both, the call"
        " that both name. Null where there is none, or it is not the project's.",
        arguments=(
            Argument("id", strawberry.ID | None, "A global id."),
            Argument("callId", str | None, "The platform's own id."),
        ),
        by={"id": Narrow("{row}.call_key in {value}", ids="call"), "callId": Narrow("{row}.call_id = {value}", type="text")},
        check=_names_a_call,
    )
    calls: Page[Call] = CALLS
    recently_inspected_calls: list[Call] = listed(
        "The calls that this key opened last by `call`, newest first.",
        source="select own.*, inspection.inspected_at from {call} own"
        " join {inspection} inspection on inspection.call_key = own.call_key and inspection.key_id = {key}",
        order=Order((("inspected_at", "timestamptz"),), descending=True),
        arguments=(
            Argument("first", int | None, "How many, 0 to 100.", sql="integer", default=20, minimum=0, maximum=100, weight=1),
        ),
    )
    meetings: Page[Meeting] = meetings("Meetings of all calls, the first one started first.")
    participants: Page[Participant] = participants("Participants of all calls, in order of appearance.")
    connections: Page[ConnectionRecord] = connections("Connections of all calls, in order of time.")
    streams: Page[Stream] = streams("Streams of all calls, in order of time.")
    events: Page[Event] = events("Events of all calls, in order of time.")
    issues: Page[Issue] = issues("Issues of all calls, in order of time.")
    metric_series: Page[MetricSeries] = metric_series("Metric series of all calls.")
    saved_sessions: Page[SavedSession] = SAVED_SESSIONS
    saved_session: SavedSession | None = one(
        "One saved session by global id; null where there is none.",
        arguments=(Argument("id", strawberry.ID, "A global id."),),
        by={"id": Narrow("{row}.call_key in {value}", ids="session")},
    )
    evaluate_issues: list[IssuePreview] = EVALUATE_ISSUES
    explain_code: list[CodeExplanation] = explain_code()


SCHEMA = strawberry.Schema(query=Query, mutation=Mutation, config=StrawberryConfig(scalar_map={datetime: DATE_TIME}))
CORE_SCHEMA = SCHEMA._schema


def engine() -> Engine:
    """The compiler and runner of operations, on live and saved data."""
    places = {SCOPE: SAVED_TABLES}
    readable = readable_tables(SAVED_TABLES, SCOPE)
    return Engine(CORE_SCHEMA, LIVE_TABLES, REFERENCE_TABLES, places, SETTLED_TABLES, readable_tables=readable)
