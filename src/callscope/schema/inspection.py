"""What can be inspected about a stretch of a call: figures that settling derived."""

from datetime import datetime
from typing import Any

import strawberry

from callscope.query.bindings import Revised, column, embedded, items, listed, one
from callscope.schema.node import table
from callscope.schema.references import ParticipantRef
from callscope.vocabulary import CallType, DataWarningKind, EndpointKind, IssueKind, Severity, TelemetryKind

# A call that went and was told of again counts its revisions anew: the instant tells them apart.
_REVISION = "{row}.revision || '.' || (extract(epoch from {row}.derived_at) * 1000000)::bigint"
_OF_ITS_CALL = f"(select {_REVISION.replace('{row}', 'own')} from {{call}} own where own.call_key = {{row}}.call_key)"
CALL_REVISED = Revised(_REVISION, "{row}.is_large")
MEETING_REVISED = Revised(_OF_ITS_CALL, "{row}.is_large")


@strawberry.type(description="How many participants used an SDK.")
class SdkCount:
    name: str = column("name", "Name of the SDK.")
    version: str | None = column("version", "Its version; null where no source told.")
    participant_count: int = column("participant_count", "Participants that used it.")


@strawberry.type(description="An endpoint is a browser with its version, a native SDK, SIP, a phone or a bot.")
class EndpointCount:
    kind: EndpointKind = column("kind", "Kind of the endpoint.")
    name: str = column("name", "Browser or SDK; the kind where no source told a name.")
    version: str | None = column("version", "Major version of the browser, or version of the SDK.")
    participant_count: int = column("participant_count", "Participants that used it.")


@strawberry.type(description="A stretch of a call in figures.")
class Statistics:
    call_type: CallType = column("call_type", "How the stretch was shaped: see the enum.")
    participant_count: int = column("participant_count", "Participants, those that never got connected included.")
    connection_count: int = column("connection_count", "Connections that were established.")
    stream_count: int = column("stream_count", "Streams that were published.")
    subscriber_count: int = column("subscriber_count", "Subscribers that received a stream.")
    sip_participant_count: int = column("sip_participant_count", "Participants on SIP lines.")
    max_concurrent_connections: int = column("max_concurrent_connections", "Most connections at one time.")
    max_concurrent_streams: int = column("max_concurrent_streams", "Most published streams at one time.")
    max_concurrent_subscribers: int = column("max_concurrent_subscribers", "Most subscribers at one time.")
    published_minutes: float = column("published_minutes", "Minutes of published media, summed over streams.")
    subscribed_minutes: float = column("subscribed_minutes", "Minutes of received media, summed over subscribers.")
    streamed_minutes: float = column("streamed_minutes", "Published and received minutes together.")
    issue_count: int = column("issue_count", "Issues that are problems: of severity WARNING or worse.")
    issue_seconds: float = column("issue_seconds", "Their durations together, s.")
    error_count: int = column("error_count", "Errors: see `Participant.errorCount`.")
    sdks: list[SdkCount] = items("sdks", "name text, version text, participant_count integer", "SDKs, the most used first.")
    endpoints: list[EndpointCount] = items(
        "endpoints", "kind text, name text, version text, participant_count integer", "Endpoints, the most used first."
    )


@strawberry.type(description="`rate` is failures / attempts, null where nothing was attempted.")
class FailureRate:
    attempts: int = column("attempts", "Attempts, pending ones included.")
    failures: int = column("failures", "Attempts that failed.")
    rate: float | None = column(
        "{row}.{prefix}failures::float8 / nullif({row}.{prefix}attempts, 0)", "failures / attempts, 0 to 1."
    )


@strawberry.type(description="How often connecting, publishing and subscribing failed.")
class FailureRates:
    connect: FailureRate = embedded("Connecting.", prefix="connect_")
    publish: FailureRate = embedded("Publishing.", prefix="publish_")
    subscribe: FailureRate = embedded("Subscribing.", prefix="subscribe_")


@strawberry.type(description="How often a kind of issue occurred.")
class IssueCount:
    kind: IssueKind = column("kind", "Kind of problem.")
    severity: Severity = column("severity", "The greatest severity among them.")
    count: int = column("count", "Issues of the kind.")
    participant_count: int = column("participant_count", "Participants that they hit.")
    recovered_count: int = column("recovered_count", "Issues that were over before the participant left.")
    total_seconds: float = column(
        "total_seconds", "Their durations together, s; one that is not over counts as long as it was seen."
    )


def issue_summary(where: str) -> Any:
    """Issues of a stretch by kind, worst first; ``where`` narrows them to the stretch."""
    own = where.format(row="own", parent="{row}")
    return items(
        "(select jsonb_agg(by_kind) from (select own.kind, (array_agg(own.severity order by"
        " array_position('{{CRITICAL,ERROR,WARNING,INFO}}'::text[], own.severity)))[1] as severity, count(*) as count,"
        " count(distinct own.participant_key) as participant_count,"
        " count(*) filter (where own.is_recovered) as recovered_count,"
        " sum(greatest(date_part('epoch', coalesce(own.ended_at, own.last_seen_at) - own.started_at), 0))"
        " as total_seconds"
        " from {issue} own where " + own + " group by own.kind order by"
        " min(array_position('{{CRITICAL,ERROR,WARNING,INFO}}'::text[], own.severity)), count(*) desc, own.kind) by_kind)",
        "kind text, severity text, count integer, participant_count integer, recovered_count integer, total_seconds float8",
        "Issues counted by kind, worst first.",
        summary=True,
    )


@strawberry.type(description="A known fault of the telemetry.")
@table("data_warning", "call_key", "warning_key")
class DataWarning:
    kind: DataWarningKind = column("kind", "Kind of the fault.")
    message: str = column("message", "What is wrong, in words.")
    participant: ParticipantRef | None = one("Whose telemetry it is; null where it is the whole call's.")


@strawberry.type(description="How complete and how fresh the answer is: no data is never read as no problem.")
class Freshness:
    last_telemetry_at: datetime | None = column("last_telemetry_at", "The last instant that telemetry of this stretch tells of.")
    derived_at: datetime | None = column(
        "derived_at", "When the derived figures (meetings, statistics, issues) were last brought up to date."
    )
    is_settled: bool = column(
        "not exists (select from {call_change} change where change.call_key = {row}.call_key)",
        "False while telemetry has arrived that the derived figures do not know yet.",
    )
    missing: list[TelemetryKind] = column("missing", "The kinds of telemetry that no source delivered for this stretch.")
    warnings: list[DataWarning] = listed(
        "Known faults of what was delivered: truncated dumps, repaired clocks, counter resets, redacted participants.",
        # What was closed by policy is the stretch whose time to live that is, and only once it is over.
        where="{row}.call_key = {parent}.call_key and ({row}.closed_at is null"
        " or {row}.closed_at = {parent}.live_until and {row}.closed_at <= now())",
    )


STATISTICS = "What happened in figures."
FAILURE_RATES = "How often connecting, publishing and subscribing failed."
FRESHNESS = "How complete and how fresh these answers are."
