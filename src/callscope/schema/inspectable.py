"""What a call and a meeting have in common."""

from datetime import datetime

import strawberry

from callscope.query.bindings import column, embedded
from callscope.schema.attempt_timeline import AttemptTimeline, connection_summary, subscriber_summary
from callscope.schema.connection import ConnectionRecord, connections
from callscope.schema.event import Event, events
from callscope.schema.inspection import FailureRates, Freshness, IssueCount, Statistics, issue_summary
from callscope.schema.issue import Issue, issues, worst_issue
from callscope.schema.metric_bands import MetricBands, metric_bands
from callscope.schema.metric_series import MetricSeries, metric_series, worst_series
from callscope.schema.node import Page
from callscope.schema.participant import Participant, participants
from callscope.schema.report import report
from callscope.schema.stream import Stream, streams

BOUNDS = {"started_at": "{parent}.started_at", "ended_at": "{parent}.last_active_at"}


@strawberry.interface(
    description="What can be inspected about a stretch of a call: the whole call, one of its meetings, or the call as a saved"
    " session kept it."
)
class Inspectable:
    started_at: datetime = column("started_at", "When it began: the first thing that telemetry tells of.")
    ended_at: datetime | None = column(
        "case when {row}.live_until > now() then null else {row}.ended_at end", "When the last connection ended; null while LIVE."
    )
    duration_seconds: float = column("duration_seconds", "From start to end, or to the last telemetry while LIVE, s.")
    is_large: bool = column("is_large", "Whether it has more subscribers than the project's `largeMeetingSubscribers`.")
    statistics: Statistics = embedded("What happened in figures.")
    failure_rates: FailureRates = embedded("How often connecting, publishing and subscribing failed.")
    freshness: Freshness = embedded("How complete and how fresh these answers are.")
    participants: Page[Participant] = participants("Who took part, in order of appearance.")
    connections: Page[ConnectionRecord] = connections("Attempts to connect, in order of time.")
    streams: Page[Stream] = streams("What was published, in order of time.")
    events: Page[Event] = events(
        "What happened, in order of time.",
        where="{row}.call_key = {parent}.call_key and {row}.at between {parent}.started_at and {parent}.last_active_at",
    )
    issues: Page[Issue] = issues("Problems that the telemetry shows, in order of time.")
    issue_summary: list[IssueCount] = issue_summary("{row}.call_key = {parent}.call_key")
    worst_issue: Issue | None = worst_issue("{row}.call_key = {parent}.call_key")
    mean_opinion_score: float | None = column(
        "mean_opinion_score",
        "Estimated listening quality, 1 to 5: the mean of all scores of received audio. Null without any, see the metric.",
    )
    metric_series: Page[MetricSeries] = metric_series("What was measured.")
    connection_summary: AttemptTimeline = connection_summary(**BOUNDS)
    subscriber_summary: AttemptTimeline = subscriber_summary(**BOUNDS)
    metric_bands: MetricBands = metric_bands(**BOUNDS)
    worst_series: list[MetricSeries] = worst_series(**BOUNDS)
    report: str = report("What happened, for whom, why, and what to do next, in words.", number="0")
