"""Attempts to connect, and what became of them."""

from datetime import datetime
from typing import Any

import strawberry

from callscope.query.bindings import Order, column, embedded, many, narrow, one
from callscope.schema.failure import FAILURE, NO_FAILURE, Failure
from callscope.schema.metric_series import MetricSeries, metric_series
from callscope.schema.node import FILTER, Node, Page, table
from callscope.schema.references import MeetingRef, ParticipantRef
from callscope.schema.stream import Stream, Subscriber, streams, subscribers
from callscope.vocabulary import Outcome


@strawberry.type(description="The network path of a connection, as last seen.")
class Network:
    type: str | None = column("network_type", "wifi, ethernet, cellular, …")
    transport: str | None = column("transport", "udp, tcp or tls.")
    local_candidate_type: str | None = column("local_candidate_type", "host, srflx, prflx or relay.")
    remote_candidate_type: str | None = column("remote_candidate_type", "host, srflx, prflx or relay.")
    is_relayed: bool | None = column("is_relayed", "Whether a TURN relay carried the media; null where no source told.")
    region: str | None = column("network_region", "Region of the media server.")


MEETING = "The meeting that it belongs to; null for what belongs to none, for example attempts while nobody was connected."


@strawberry.input(description=FILTER)
class ConnectionFilter:
    calls: list[strawberry.ID] | None = narrow("{row}.call_key = any({first})", "In one of these calls.", ids="call")
    meetings: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.meeting_number) in {value}", "In one of these meetings.", ids="meeting"
    )
    participants: list[strawberry.ID] | None = narrow(
        "({row}.call_key, {row}.participant_key) in {value}", "Of one of these participants.", ids="participant"
    )
    connection_ids: list[str] | None = narrow("{row}.connection_id = any({value})", "The platform's ids.", type="text[]")
    outcomes: list[Outcome] | None = narrow("{row}.outcome = any({value})", "What became of it.", type="text[]")
    from_: datetime | None = narrow("{row}.attempted_at >= {value}", "Attempted at or after.", type="timestamptz", name="from")
    to: datetime | None = narrow("{row}.attempted_at <= {value}", "Attempted at or before.", type="timestamptz")


@strawberry.type(
    description="One attempt of a participant to connect to a call, and what became of it. (Named so because a GraphQL type"
    " whose name ends in Connection is a page of a list.)"
)
@table("connection", "call_key", "connection_key", tag="connection")
class ConnectionRecord(Node):
    connection_id: str = column("connection_id", "The platform's own id.")
    participant: ParticipantRef = one("Who connected.")
    meeting: MeetingRef | None = one(
        MEETING, where="{row}.call_key = {parent}.call_key and {row}.number = {parent}.meeting_number"
    )
    attempted_at: datetime = column("attempted_at", "When it was attempted, or first heard of.")
    connected_at: datetime | None = column("connected_at", "When it was established; null where it never was.")
    disconnected_at: datetime | None = column("disconnected_at", "When it ended; null while it lasts or where no source told.")
    duration_seconds: float | None = column("duration_seconds", "From connected to disconnected, s; null without both.")
    outcome: Outcome = column("outcome", "What became of the attempt.")
    disconnect_reason: str | None = column("disconnect_reason", "Why it ended, in the platform's words.")
    error: Failure | None = embedded(FAILURE, null_when=NO_FAILURE)
    network: Network | None = embedded(
        "The network path; null where no source told.",
        null_when="{row}.network_type is null and {row}.transport is null and {row}.local_candidate_type is null"
        " and {row}.remote_candidate_type is null and {row}.is_relayed is null and {row}.network_region is null",
    )
    streams: Page[Stream] = streams("What was published over it.")
    subscribers: Page[Subscriber] = subscribers("What was received over it.")
    metric_series: Page[MetricSeries] = metric_series("What was measured on it and on its media.")


def connections(description: str, *, where: str | None = None) -> Any:
    return many(description, where=where, filter=ConnectionFilter, order=Order((("attempted_at", "timestamptz"),)))
