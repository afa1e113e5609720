"""Problems that the telemetry of a call shows."""

from datetime import datetime
from typing import Any

import strawberry

from callscope.analysis.call_figures import WHOLE_CALL
from callscope.query.bindings import Order, column, embedded, many, narrow, one
from callscope.schema.event import Event, events
from callscope.schema.metric_series import MetricSeries, metric_series
from callscope.schema.node import FILTER, Node, Page, table
from callscope.schema.references import CallRef, ConnectionRef, MeetingRef, ParticipantRef, StreamRef
from callscope.sources.acs_diagnostics import EVENT
from callscope.vocabulary import Attribution, IssueKind, Metric, Severity

# What was measured of what an issue concerns: its stream, else its connection, else its participant.
_CONCERNED = (
    "{row}.call_key = {parent}.call_key and case"
    " when {parent}.stream_key is not null then {row}.stream_key = {parent}.stream_key"
    " when {parent}.connection_key is not null then {row}.connection_key = {parent}.connection_key"
    " else {row}.participant_key = {parent}.participant_key end"
)
# What happened to it, and to its connection and its participant as a whole.
_BEFELL = (
    "{row}.call_key = {parent}.call_key and case"
    " when {parent}.stream_key is not null then ({row}.stream_key = {parent}.stream_key or {row}.stream_key is null"
    " and ({row}.connection_key = {parent}.connection_key"
    " or {row}.connection_key is null and {row}.participant_key = {parent}.participant_key))"
    " when {parent}.connection_key is not null then ({row}.connection_key = {parent}.connection_key"
    " or {row}.connection_key is null and {row}.stream_key is null and {row}.participant_key = {parent}.participant_key)"
    " else {row}.participant_key = {parent}.participant_key end"
)
_MARGIN = "interval '30 seconds'"
# What was not over when its meeting was ended with it.
ENDED_AT = "coalesce({row}.ended_at, case when {row}.open_until <= now() then {row}.last_seen_at end)"
_ENDED = "coalesce({parent}.ended_at, {parent}.last_seen_at, {parent}.started_at)"
# Azure writes down later what it sums up of a whole call.
_SUMMED_UP = (
    f"case when starts_with({{parent}}.rule_name, '{WHOLE_CALL}') then (select max(own.at) from {{event}} own"
    f" where own.call_key = {{parent}}.call_key and own.connection_key = {{parent}}.connection_key and own.name = '{EVENT}') end"
)


@strawberry.type(description="The rule that raised an issue, with what it measured against what.")
class Rule:
    name: str = column("rule_name", "Name of the rule.")
    version: int = column("rule_version", "Version of the rule.")
    metric: Metric | None = column("rule_metric", "The metric that it watches; null where it watches none.")
    threshold: float | None = column("rule_threshold", "The value that raises it, in the metric's unit.")
    clear_threshold: float | None = column("rule_clear_threshold", "The value that ends it.")
    minimum_seconds: float | None = column("rule_minimum_seconds", "How long the value must hold, s.")
    observed: float | None = column("rule_observed", "The worst value seen.")
    source: str = column("rule_source", "Where the rule comes from.")


@strawberry.input(description=FILTER)
class IssueFilter:
    kinds: list[IssueKind] | None = narrow("{row}.kind = any({value})", "Kinds.", type="text[]")
    severities: list[Severity] | None = narrow("{row}.severity = any({value})", "How much they matter.", type="text[]")
    calls: list[strawberry.ID] | None = narrow("{row}.call_key = any({first})", "In one of these calls.", ids="call")
    meetings: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.meeting_number) in {value}", "In one of these meetings.", ids="meeting"
    )
    participants: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.participant_key) in {value}", "Of one of these.", ids="participant"
    )
    streams: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.stream_key) in {value}", "Of one of these.", ids="stream"
    )
    from_: datetime | None = narrow(
        f"coalesce({ENDED_AT} >= {{value}}, true)", "Not over before.", type="timestamptz", name="from"
    )
    to: datetime | None = narrow("{row}.started_at <= {value}", "Started at or before.", type="timestamptz")
    is_recovered: bool | None = narrow("{row}.is_recovered", "Recovered, or not.", otherwise="not {row}.is_recovered")
    attributions: list[Attribution] | None = narrow("{row}.attribution = any({value})", "Where the fault lies.", type="text[]")


@strawberry.type(description="A problem that the samples or events of a call show.")
@table("issue", "call_key", "issue_key", tag="issue")
class Issue(Node):
    kind: IssueKind = column("kind", "Kind of problem.")
    severity: Severity = column("severity", "How much it matters.")
    title: str = column("title", "What it is, in a few words.")
    description: str = column("description", "What happened, in words.")
    recommendation: str = column("recommendation", "What the person in the call can do, and what the developer can.")
    started_at: datetime = column("started_at", "When it began.")
    ended_at: datetime | None = column(ENDED_AT, "When it was over, or last seen before all ended. Null while it lasts.")
    is_recovered: bool = column("is_recovered", "Whether it was over before the participant left.")
    attribution: Attribution = column("attribution", "Where the fault lies, judged from all who sent or received the stream.")
    call: CallRef = one("The call.")
    meeting: MeetingRef | None = one(
        "The meeting that it happened in.",
        where="{row}.call_key = {parent}.call_key and {row}.number = {parent}.meeting_number",
    )
    participant: ParticipantRef | None = one("Whom it hit; null where it hit nobody in particular.")
    connection: ConnectionRef | None = one("The connection that it concerns.")
    stream: StreamRef | None = one("The stream that it concerns.")
    rule: Rule = embedded("Why it was flagged.")
    events: Page[Event] = events(
        "What happened to what it concerns, and to the connection and the participant as a whole, from 30 s before it to 30 s"
        " after; of figures of a whole call, until they were told.",
        where=f"{_BEFELL} and {{row}}.at between {{parent}}.started_at - {_MARGIN}"
        f" and greatest({_ENDED} + {_MARGIN}, {_SUMMED_UP})",
    )
    metric_series: Page[MetricSeries] = metric_series(
        "The series that show it; where it was told and not measured, what was measured of what it concerns.",
        where="{row}.call_key = {parent}.call_key and case when cardinality({parent}.series_keys) > 0"
        f" then {{row}}.series_key = any({{parent}}.series_keys) else ({_CONCERNED}) end",
    )


def worst_issue(where: str) -> Any:
    """The worst issue of a stretch; ``where`` narrows to it."""
    own = where.format(row="own", parent="{parent}")
    return one(
        "The worst problem: the most severe, of these the longest. Null where there was none; facts (INFO) are no problems.",
        source="select own.* from {issue} own where " + own + " and own.severity <> 'INFO' order by"
        " array_position('{{WARNING,ERROR,CRITICAL}}'::text[], own.severity) desc,"
        " coalesce(own.ended_at, own.last_seen_at) - own.started_at desc, own.started_at, own.issue_key limit 1",
    )


def issues(description: str, *, where: str | None = None) -> Any:
    return many(description, where=where, filter=IssueFilter, order=Order((("started_at", "timestamptz"),)))
