"""Calls: what a platform's id names."""

from datetime import datetime

import strawberry

from callscope.query.bindings import Argument, Narrow, Order, column, embedded, many, narrow, one
from callscope.schema.inspectable import Inspectable
from callscope.schema.inspection import CALL_REVISED
from callscope.schema.meeting import Meeting, meetings
from callscope.schema.node import FILTER, Node, Page, table
from callscope.schema.participant import Participant
from callscope.schema.references import SavedSessionRef
from callscope.schema.scalars import OrderDirection, described
from callscope.vocabulary import CallState, CallType, IssueKind, MediaMode, Platform, Severity, Term

_SAVED = "exists (select from {saved_session} own where own.call_key = {row}.call_key)"
_STATE = "case when {row}.live_until > now() then 'LIVE' else 'ENDED' end"
# An index finds those that are live.
_STATES = "('LIVE' = any({value}) and {row}.live_until > now() or 'ENDED' = any({value}) and {row}.live_until <= now())"


@described
class CallOrderField(Term):
    """What calls can be ordered by."""

    STARTED_AT = "STARTED_AT", "Start."
    LAST_ACTIVE_AT = "LAST_ACTIVE_AT", "Last instant that telemetry tells of."
    DURATION = "DURATION", "Duration."
    PARTICIPANT_COUNT = "PARTICIPANT_COUNT", "Number of participants."
    ISSUE_COUNT = "ISSUE_COUNT", "Number of issues."
    WORST_ISSUE = "WORST_ISSUE", "Severity of the worst issue."
    ISSUE_SECONDS = "ISSUE_SECONDS", "Durations of its issues together."
    MEAN_OPINION_SCORE = "MEAN_OPINION_SCORE", "Mean opinion score; what has none counts as better than any."


@strawberry.input(description="How a list of calls is ordered.")
class CallOrder:
    field: CallOrderField = strawberry.field(description="By what.")
    direction: OrderDirection = strawberry.field(description="Which way.")


def _some_participant(condition: str) -> str:
    return f"exists (select from {{participant}} own where own.call_key = {{row}}.call_key and {condition})"


@strawberry.input(description=FILTER)
class CallFilter:
    call_ids: list[str] | None = narrow("{row}.call_id = any({value})", "The platforms' ids.", type="text[]")
    platforms: list[Platform] | None = narrow("{row}.platform = any({value})", "Platforms.", type="text[]")
    states: list[CallState] | None = narrow(_STATES, "LIVE or ENDED.", type="text[]")
    call_types: list[CallType] | None = narrow("{row}.call_type = any({value})", "Shapes.", type="text[]")
    started_from: datetime | None = narrow("{row}.started_at >= {value}", "Started at or after.", type="timestamptz")
    started_to: datetime | None = narrow("{row}.started_at <= {value}", "Started at or before.", type="timestamptz")
    min_duration_seconds: float | None = narrow(
        "{row}.duration_seconds >= {value}", "At least so long, s.", type="double precision"
    )
    min_participants: int | None = narrow("{row}.participant_count >= {value}", "At least so many.", type="integer")
    has_issues: bool | None = narrow("{row}.issue_count > 0", "With issues, or without.", otherwise="{row}.issue_count = 0")
    issue_kinds: list[IssueKind] | None = narrow(
        "exists (select from {issue} own where own.call_key = {row}.call_key and own.kind = any({value}))",
        "With an issue of one of these kinds.",
        type="text[]",
    )
    issue_severities: list[Severity] | None = narrow(
        "exists (select from {issue} own where own.call_key = {row}.call_key and own.severity = any({value}))",
        "With an issue of one of these severities.",
        type="text[]",
    )
    min_mean_opinion_score: float | None = narrow(
        "{row}.mean_opinion_score >= {value}", "Measured at least so well, 1 to 5.", type="double precision"
    )
    max_mean_opinion_score: float | None = narrow(
        "{row}.mean_opinion_score <= {value}", "Measured no better than this, 1 to 5.", type="double precision"
    )
    max_rating: float | None = narrow(
        "{row}.rating_lowest <= {value}", "Someone rated it no better than this, 0 to 1.", type="double precision"
    )
    min_rating: float | None = narrow(
        "{row}.rating_lowest >= {value}", "Rated, and by nobody worse than this, 0 to 1.", type="double precision"
    )
    has_errors: bool | None = narrow("{row}.error_count > 0", "With errors, or without.", otherwise="{row}.error_count = 0")
    is_large: bool | None = narrow("{row}.is_large", "Large, or not.", otherwise="not {row}.is_large")
    is_saved: bool | None = narrow(_SAVED, "Saved, or not.", otherwise=f"not {_SAVED}")
    tags: list[str] | None = narrow("{row}.tags && {value}", "With one of these tags.", type="text[]")
    participant: str | None = narrow(
        _some_participant(
            "strpos(lower(concat_ws(' ', own.participant_id, own.display_name, own.user_agent)), lower({value})) > 0"
        ),
        "Participant id, display name or user agent contains this text, whatever its case.",
        type="text",
    )
    sdk_names: list[str] | None = narrow(
        _some_participant("own.sdk_name = any({value})"), "Someone used one of these SDKs.", type="text[]"
    )
    countries: list[str] | None = narrow(
        _some_participant("own.country = any({value})"), "Someone was in one of these countries.", type="text[]"
    )


@strawberry.type(description="Ratings by participants, each brought to 0 (worst) to 1 (best) of its scale.")
class Ratings:
    count: int = column("count", "Participants who gave a score.")
    average: float | None = column("average", "Mean of their scores: the overall one, else the lowest of the others.")
    lowest: float | None = column("lowest", "The lowest score of all, whatever was rated.")


@strawberry.type(description="What a platform's id names: an ACS call, a Vonage session, a conference.")
@table("call", "call_key", tag="call", revised=CALL_REVISED)
class Call(Node, Inspectable):
    call_id: str = column("call_id", "The platform's own id.")
    platform: Platform = column("platform", "The system that it ran on.")
    media_mode: MediaMode = column("media_mode", "The way that media takes.")
    state: CallState = column(_STATE, "LIVE while someone is connected or the idle gap has not passed.")
    last_active_at: datetime = column("last_active_at", "The last instant at which telemetry of this call happened.")
    expires_at: datetime = column(
        "expires_at",
        "When retention removes the call, unless it is saved; of the call of a saved session, when that one goes.",
        elsewhere={"saved": "(select own.expires_at from {saved_session} own where own.call_key = {row}.call_key)"},
    )
    saved_session: SavedSessionRef | None = one("What it is saved as; null where it is not.", scope="")
    tags: list[str] = column("tags", "Tags that the application gave.")
    ratings: Ratings | None = embedded(
        "What its participants thought, beside what was measured. Null where nobody rated it.",
        prefix="rating_",
        null_when="{row}.rating_count = 0",
    )
    meetings: Page[Meeting] = meetings("Its meetings, in order of time.")
    meeting: Meeting | None = one(
        "One meeting by its number.",
        where="{row}.call_key = {parent}.call_key",
        arguments=(Argument("number", int, "1 for the first."),),
        by={"number": Narrow("{row}.number = {value}", type="integer")},
    )
    participant: Participant | None = one(
        "One participant by the platform's id.",
        where="{row}.call_key = {parent}.call_key",
        arguments=(Argument("participantId", str, "The platform's own id of the endpoint."),),
        by={"participantId": Narrow("{row}.participant_id = {value}", type="text")},
    )


ORDERS = {
    "STARTED_AT": Order((("started_at", "timestamptz"),)),
    "LAST_ACTIVE_AT": Order((("last_active_at", "timestamptz"),)),
    "DURATION": Order((("duration_seconds", "double precision"),)),
    "PARTICIPANT_COUNT": Order((("participant_count", "integer"),)),
    "ISSUE_COUNT": Order((("issue_count", "integer"),)),
    "WORST_ISSUE": Order((("worst_severity", "integer"),)),
    "ISSUE_SECONDS": Order((("issue_seconds", "double precision"),)),
    "MEAN_OPINION_SCORE": Order((("mean_opinion_score", "double precision"),), null_as="infinity"),
}

CALLS = many(
    "Calls, the last one started first unless ordered otherwise.",
    filter=CallFilter,
    order=Order((("started_at", "timestamptz"),), descending=True),
    orders=ORDERS,
    order_input=CallOrder,
    order_default=CallOrder(field=CallOrderField.STARTED_AT, direction=OrderDirection.DESC),
)
