"""What happened."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from callscope.query.bindings import Order, column, many, narrow, one
from callscope.schema import code_explanation
from callscope.schema.code_explanation import CodeExplanation, explanation
from callscope.schema.node import FILTER, Node, table
from callscope.schema.references import CallRef, ConnectionRef, MeetingRef, ParticipantRef, StreamRef
from callscope.schema.scalars import OrderDirection, described
from callscope.vocabulary import EventCategory, Outcome, Severity, Term

_TEXT = "lower(concat_ws(' ', {row}.name, {row}.message, {row}.payload::text))"


@described
class EventOrderField(Term):
    """What events can be ordered by."""

    AT = "AT", "When it happened."


@strawberry.input(description="How a list of events is ordered.")
class EventOrder:
    field: EventOrderField = strawberry.field(description="By what.")
    direction: OrderDirection = strawberry.field(description="Which way.")


@strawberry.input(description=FILTER)
class EventFilter:
    from_: datetime | None = narrow("{row}.at >= {value}", "At or after.", type="timestamptz", name="from")
    to: datetime | None = narrow("{row}.at <= {value}", "At or before.", type="timestamptz")
    categories: list[EventCategory] | None = narrow("{row}.category = any({value})", "What they are about.", type="text[]")
    names: list[str] | None = narrow("{row}.name = any({value})", "Names in the source's words.", type="text[]")
    severities: list[Severity] | None = narrow("{row}.severity = any({value})", "How much they matter.", type="text[]")
    outcomes: list[Outcome] | None = narrow("{row}.outcome = any({value})", "What became of the attempt.", type="text[]")
    codes: list[int] | None = narrow("{row}.code = any({value})", "The platform's codes.", type="integer[]")
    subcodes: list[int] | None = narrow("{row}.subcode = any({value})", "The platform's subcodes.", type="integer[]")
    calls: list[strawberry.ID] | None = narrow("{row}.call_key = any({first})", "In one of these calls.", ids="call")
    meetings: list[strawberry.ID] | None = narrow(
        "{row}.call_key = any({first}) and exists (select from {meeting} own where own.call_key = {row}.call_key"
        " and {row}.at between own.started_at and own.ended_at and (own.call_key, own.number) in {value})",
        "While one of these meetings lasted.",
        ids="meeting",
    )
    participants: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.participant_key) in {value}", "Of one of these.", ids="participant"
    )
    connections: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.connection_key) in {value}", "Of one of these.", ids="connection"
    )
    streams: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.stream_key) in {value}", "Of one of these.", ids="stream"
    )
    include: list[str] | None = narrow(
        f"not exists (select from unnest({{value}}) as word where strpos({_TEXT}, lower(word)) = 0)",
        "Keep events whose name, message or payload contains every one of these texts, whatever their case.",
        type="text[]",
    )
    exclude: list[str] | None = narrow(
        f"not exists (select from unnest({{value}}) as word where strpos({_TEXT}, lower(word)) > 0)",
        "Drop events that contain any of these texts.",
        type="text[]",
    )


@strawberry.type(
    description="Something that happened at an instant: a step of connecting, publishing or subscribing, a device change, a user"
    " action, a user facing diagnostic."
)
@table("event", "call_key", "at", "event_key", tag="event")
class Event(Node):
    at: datetime = column("at", "When.")
    category: EventCategory = column("category", "What it is about.")
    name: str = column(
        "name", "The name in the source's own words, for example connectionCreated or speakingWhileMicrophoneIsMuted."
    )
    severity: Severity = column("severity", "How much it matters.")
    outcome: Outcome | None = column("outcome", "What became of the attempt that it tells of; null where it tells of none.")
    code: int | None = column("code", "The platform's code.")
    subcode: int | None = column("subcode", "The platform's subcode.")
    message: str | None = column("message", "The source's words.")
    explanation: CodeExplanation | None = explanation(
        "What the code means and what to do about it: of the subcode or code, else of the message, of the reason or state in the"
        " payload, or of the name; null where nobody knows.",
        code_explanation.EVENT,
    )
    payload: JSON | None = column("payload", "Anything else, as the source sent it, without network addresses and secrets.")
    duration_ms: float | None = column("duration_ms", "How long it took, ms.")
    call: CallRef = one("The call.")
    meeting: MeetingRef | None = one(
        "The meeting that it happened in; null while there was none.",
        where="{row}.call_key = {parent}.call_key and {parent}.at between {row}.started_at and {row}.ended_at",
    )
    participant: ParticipantRef | None = one("Whose event it is; null where it is nobody's.")
    connection: ConnectionRef | None = one("The connection that it happened on.")
    stream: StreamRef | None = one("The stream that it happened to.")


def events(description: str, *, where: str | None = None) -> Any:
    order = Order((("at", "timestamptz"),))
    return many(description, where=where, filter=EventFilter, order=order, orders={"AT": order}, order_input=EventOrder)
