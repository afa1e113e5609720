"""Meetings: stretches of a call with someone connected."""

from datetime import datetime
from typing import Any

import strawberry

from callscope.query.bindings import Order, column, many, narrow, one
from callscope.schema.attempt_timeline import AttemptTimeline, connection_summary, subscriber_summary
from callscope.schema.connection import ConnectionRecord, connections
from callscope.schema.event import Event, events
from callscope.schema.inspectable import Inspectable
from callscope.schema.inspection import MEETING_REVISED, IssueCount, issue_summary
from callscope.schema.issue import Issue, issues, worst_issue
from callscope.schema.metric_bands import MetricBands, metric_bands
from callscope.schema.metric_series import MetricSeries, metric_series, worst_series
from callscope.schema.node import FILTER, Node, Page, table
from callscope.schema.participant import Participant, participants
from callscope.schema.references import CallRef
from callscope.schema.report import report
from callscope.schema.scalars import OrderDirection, described
from callscope.schema.stream import Stream, streams
from callscope.vocabulary import CallType, Term

_OWN = "{row}.call_key = {parent}.call_key and {row}.meeting_number = {parent}.number"
_OWN_ATTEMPTS = "attempt.meeting_number = {parent}.number"
_BOUNDS = {"started_at": "{parent}.started_at", "ended_at": "{parent}.ended_at"}


@described
class MeetingOrderField(Term):
    """What meetings can be ordered by."""

    STARTED_AT = "STARTED_AT", "Start."
    DURATION = "DURATION", "Duration."
    PARTICIPANT_COUNT = "PARTICIPANT_COUNT", "Number of participants."
    ISSUE_COUNT = "ISSUE_COUNT", "Number of issues."
    WORST_ISSUE = "WORST_ISSUE", "Severity of the worst issue."
    ISSUE_SECONDS = "ISSUE_SECONDS", "Durations of its issues together."
    MEAN_OPINION_SCORE = "MEAN_OPINION_SCORE", "Mean opinion score; what has none counts as better than any."


@strawberry.input(description="How a list of meetings is ordered.")
class MeetingOrder:
    field: MeetingOrderField = strawberry.field(description="By what.")
    direction: OrderDirection = strawberry.field(description="Which way.")


@strawberry.input(description=FILTER)
class MeetingFilter:
    calls: list[strawberry.ID] | None = narrow("{row}.call_key = any({first})", "Of one of these calls.", ids="call")
    started_from: datetime | None = narrow("{row}.started_at >= {value}", "Started at or after.", type="timestamptz")
    started_to: datetime | None = narrow("{row}.started_at <= {value}", "Started at or before.", type="timestamptz")
    call_types: list[CallType] | None = narrow("{row}.call_type = any({value})", "Shapes.", type="text[]")
    has_issues: bool | None = narrow("{row}.issue_count > 0", "With issues, or without.", otherwise="{row}.issue_count = 0")
    is_large: bool | None = narrow("{row}.is_large", "Large, or not.", otherwise="not {row}.is_large")
    min_participants: int | None = narrow("{row}.participant_count >= {value}", "At least so many.", type="integer")


@strawberry.type(description="A stretch of a call with someone connected; once all have left for a while, the next is another.")
@table("meeting", "call_key", "number", tag="meeting", revised=MEETING_REVISED)
class Meeting(Node, Inspectable):
    number: int = column("number", "1 for the call's first meeting.")
    call: CallRef = one("The call.")
    participants: Page[Participant] = participants(
        "Who was connected, or tried to be, in order of appearance in the call.",
        where="{row}.call_key = {parent}.call_key and exists (select from {connection} own where own.call_key = {row}.call_key"
        " and own.participant_key = {row}.participant_key and own.meeting_number = {parent}.number)",
    )
    connections: Page[ConnectionRecord] = connections("Attempts to connect, in order of time.", where=_OWN)
    streams: Page[Stream] = streams("What was published, in order of time.", where=_OWN)
    events: Page[Event] = events(
        "What happened while it lasted, in order of time.",
        where="{row}.call_key = {parent}.call_key and {row}.at between {parent}.started_at and {parent}.ended_at",
    )
    issues: Page[Issue] = issues("Problems that the telemetry shows, in order of time.", where=_OWN)
    issue_summary: list[IssueCount] = issue_summary(_OWN)
    worst_issue: Issue | None = worst_issue(_OWN)
    metric_series: Page[MetricSeries] = metric_series(
        "What was measured while it lasted.",
        where="{row}.call_key = {parent}.call_key and {row}.started_at <= {parent}.ended_at"
        " and {row}.ended_at >= {parent}.started_at",
    )
    connection_summary: AttemptTimeline = connection_summary(_OWN_ATTEMPTS, **_BOUNDS)
    subscriber_summary: AttemptTimeline = subscriber_summary(_OWN_ATTEMPTS, **_BOUNDS)
    metric_bands: MetricBands = metric_bands(**_BOUNDS)
    worst_series: list[MetricSeries] = worst_series(**_BOUNDS)
    report: str = report("What happened in it, for whom, why, and what to do next, in words.", number="{row}.number")


ORDERS = {
    "STARTED_AT": Order((("started_at", "timestamptz"),)),
    "DURATION": Order((("duration_seconds", "double precision"),)),
    "PARTICIPANT_COUNT": Order((("participant_count", "integer"),)),
    "ISSUE_COUNT": Order((("issue_count", "integer"),)),
    "WORST_ISSUE": Order((("worst_severity", "integer"),)),
    "ISSUE_SECONDS": Order((("issue_seconds", "double precision"),)),
    "MEAN_OPINION_SCORE": Order((("mean_opinion_score", "double precision"),), null_as="infinity"),
}


def meetings(description: str, *, where: str | None = None) -> Any:
    return many(
        description, where=where, filter=MeetingFilter, order=ORDERS["STARTED_AT"], orders=ORDERS, order_input=MeetingOrder
    )
