"""Saved sessions: calls as they were, kept beyond retention.

The call of a saved session and all inside of it are read from the saved rows, in the scope ``saved``. Their global ids begin
with that word and lead back there.
"""

from datetime import datetime

import strawberry

from callscope.labels import folded
from callscope.query.bindings import Order, column, many, narrow, one
from callscope.saved import CALL_TABLES
from callscope.schema.node import FILTER, Node, table
from callscope.schema.references import CallRef
from callscope.schema.scalars import OrderDirection, described
from callscope.vocabulary import Term

SCOPE = "saved"
SAVED_TABLES = {name: f"saved.{name}" for name in CALL_TABLES if name != "record"}


@described
class SavedSessionOrderField(Term):
    """What saved sessions can be ordered by."""

    SAVED_AT = "SAVED_AT", "When they were saved first."
    NAME = "NAME", "Name, whatever its case."
    EXPIRES_AT = "EXPIRES_AT", "When they go."


@strawberry.input(description="How a list of saved sessions is ordered.")
class SavedSessionOrder:
    field: SavedSessionOrderField = strawberry.field(description="By what.")
    direction: OrderDirection = strawberry.field(description="Which way.")


@strawberry.input(description=FILTER)
class SavedSessionFilter:
    text: str | None = narrow(
        "(strpos({row}.folded_name, {value}) > 0 or strpos(lower({row}.call_id), {value}) > 0"
        " or exists (select from unnest({row}.folded_tags) tag where strpos(tag, {value}) > 0))",
        "Name, a tag or the call's `callId` contains this text, whatever its case.",
        type="text",
        convert=folded,
    )
    tags: list[str] | None = narrow(
        "{row}.folded_tags && {value}",
        "With one of these tags, whatever its case.",
        type="text[]",
        convert=lambda tags: [folded(tag) for tag in tags],
    )
    saved_from: datetime | None = narrow("{row}.saved_at >= {value}", "Saved at or after.", type="timestamptz")
    saved_to: datetime | None = narrow("{row}.saved_at <= {value}", "Saved at or before.", type="timestamptz")


@strawberry.type(description="A call that was saved under a name. There is one for each call at most.")
@table("saved_session", "call_key", tag="session")
class SavedSession(Node):
    name: str = column("name", "Name.")
    tags: list[str] = column("tags", "Up to three.")
    saved_at: datetime = column("saved_at", "When it was saved first.")
    updated_at: datetime = column("updated_at", "When its data was last taken from the live call.")
    expires_at: datetime = column(
        "expires_at",
        "When it goes: so many months after `updatedAt` as the project's `savedRetentionMonths` said then.",
    )
    can_refresh: bool = column(
        "exists (select from {call} own where own.call_key = {row}.call_key)",
        "False once the live call has passed retention: then only name and tags can change.",
    )
    call: CallRef = one(
        "The call as it was saved, whatever became of it since. It answers all that a live call answers. The ids of all inside of"
        " it begin with `saved`, and `node` finds them as they were saved; filters inside of it take the live ids too.",
        scope=SCOPE,
    )


SAVED_SESSIONS = many(
    "Saved sessions, the last one saved first unless ordered otherwise.",
    filter=SavedSessionFilter,
    order=Order((("saved_at", "timestamptz"),), descending=True),
    orders={
        "SAVED_AT": Order((("saved_at", "timestamptz"),)),
        "NAME": Order((("folded_name", "text"),)),
        "EXPIRES_AT": Order((("expires_at", "timestamptz"),)),
    },
    order_input=SavedSessionOrder,
)
