"""What can be changed. What is wrong with an input is part of the answer, all of it at once."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import strawberry

from callscope import erasure, saved
from callscope.labels import UserError as Wrong
from callscope.labels import labels
from callscope.once import once
from callscope.query.bindings import Argument, column, effect, embedded, items, one
from callscope.query.ids import decode_id
from callscope.query.parameters import Reader, checked_text
from callscope.saved import Outcome
from callscope.schema.saved_session import SCOPE, SavedSession
from callscope.vocabulary import UserErrorCode

Row = dict[str, Any]
Run = Callable[[Any, Reader, Row], Awaitable[tuple[Row, bool]]]

PAYLOAD = (
    "call_key bigint, deleted_ids jsonb, erased_at timestamptz, erased_calls integer, erased_rows bigint, errors jsonb,"
    " client_mutation_id text"
)
FORBIDDEN = Wrong(UserErrorCode.FORBIDDEN, "This key may not change anything: use one with the scope 'write'.")
NOT_TO_ERASE = Wrong(UserErrorCode.FORBIDDEN, "This key may not erase anything: use one with the scope 'erase'.")
MUTATION_ID = (
    "Given back in the payload. The same mutation with the same id, sent again within a day by the same key, does nothing again."
)
TAGS = "Up to three tags of 1 to 50 characters. They are trimmed; what differs in case alone is one tag."
NAME = "1 to 200 characters. White space around it is cut off, and inside of it becomes a space."


@strawberry.type(description="What was wrong with a mutation's input.")
class UserError:
    code: UserErrorCode = column("code", "Kind of the error.")
    message: str = column("message", "What was wrong, and what would be right.")
    field: list[str] | None = column(
        "field", "The way to what was wrong, from the field's arguments on, for example input, tags, 2; null where it is no part."
    )


NOBODY = Wrong(
    UserErrorCode.NOT_FOUND,
    "There is no such participant: give the platform's id of one, or a global one.",
    ("input", "participantId"),
)
ERRORS = items("errors", "code text, message text, field jsonb", "What was wrong: empty where all went well.")
OWN_ID = column("client_mutation_id", "As it was given.")
SESSION = "The saved session as it is now; null where nothing was changed."


@strawberry.input(description="What to save.")
class SaveSessionInput:
    call_id: strawberry.ID = strawberry.field(description="Global id of the call.")
    name: str = strawberry.field(description=NAME)
    tags: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description=f"{TAGS} Null leaves those of a session that is there already."
    )
    client_mutation_id: str | None = strawberry.field(default=strawberry.UNSET, description=MUTATION_ID)


@strawberry.input(description="What to change of a saved session: what is null or left out stays.")
class UpdateSavedSessionInput:
    id: strawberry.ID = strawberry.field(description="Global id of the saved session.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description=NAME)
    tags: list[str] | None = strawberry.field(default=strawberry.UNSET, description=f"{TAGS} They replace those that are there.")
    client_mutation_id: str | None = strawberry.field(default=strawberry.UNSET, description=MUTATION_ID)


@strawberry.input(description="The tags to give to a saved session.")
class TagSessionInput:
    id: strawberry.ID = strawberry.field(description="Global id of the saved session.")
    tags: list[str] = strawberry.field(description=f"{TAGS} They replace those that are there.")
    client_mutation_id: str | None = strawberry.field(default=strawberry.UNSET, description=MUTATION_ID)


@strawberry.input(description="What to delete.")
class DeleteSavedSessionsInput:
    ids: list[strawberry.ID] = strawberry.field(description="Global ids of saved sessions.")
    client_mutation_id: str | None = strawberry.field(default=strawberry.UNSET, description=MUTATION_ID)


@strawberry.input(description="Whom to erase.")
class EraseParticipantInput:
    participant_id: str = strawberry.field(description="The platform's own id of the participant, or a global one.")
    call_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Global id of the one call to erase it from; of all of the project without it."
    )
    client_mutation_id: str | None = strawberry.field(default=strawberry.UNSET, description=MUTATION_ID)


@strawberry.type(description="What was erased. The project keeps a record of it, by which key and in which calls, not of whom.")
class Erasure:
    erased_at: datetime = column("at", "When it was done.")
    call_count: int = column("calls", "Calls that it was erased from, live and saved.")
    row_count: int = column("rows", "Records and events that were rewritten.")


@strawberry.type(description="What became of saving.")
class SaveSessionPayload:
    saved_session: SavedSession | None = one(SESSION)
    errors: list[UserError] = ERRORS
    client_mutation_id: str | None = OWN_ID


@strawberry.type(description="What became of the change.")
class UpdateSavedSessionPayload:
    saved_session: SavedSession | None = one(SESSION)
    errors: list[UserError] = ERRORS
    client_mutation_id: str | None = OWN_ID


@strawberry.type(description="What became of tagging.")
class TagSessionPayload:
    saved_session: SavedSession | None = one(SESSION)
    errors: list[UserError] = ERRORS
    client_mutation_id: str | None = OWN_ID


@strawberry.type(description="What was deleted, and what could not be.")
class DeleteSavedSessionsPayload:
    deleted_ids: list[strawberry.ID] = column("deleted_ids", "The sessions that are gone, of those that were named.")
    errors: list[UserError] = ERRORS
    client_mutation_id: str | None = OWN_ID


@strawberry.type(description="What became of erasing.")
class EraseParticipantPayload:
    erasure: Erasure | None = embedded(
        "What was erased; null where nothing was.", prefix="erased_", null_when="{row}.erased_at is null"
    )
    errors: list[UserError] = ERRORS
    client_mutation_id: str | None = OWN_ID


def _key(global_id: str, *tags: str) -> int | None:
    """The call's key in an id with one of these tags; None where it is none."""
    tag, keys = decode_id(global_id) or ("", [])
    return keys[0] if tag in tags and len(keys) == 1 else None


def _payload(outcome: Outcome) -> tuple[Row, bool]:
    """The payload's row, and whether anything was changed."""
    return {"call_key": outcome.call_key, "deleted_ids": [], "errors": _errors(outcome.errors)}, not outcome.errors


def _errors(errors: list[Wrong]) -> list[Row]:
    return [{"code": wrong.code, "message": wrong.message, "field": list(wrong.field) or None} for wrong in errors]


async def _save(connection: Any, reader: Reader, given: Row) -> tuple[Row, bool]:
    call_key = _key(given["callId"], "call", f"{SCOPE}call")
    return _payload(await saved.save(connection, reader.project_id, call_key, labels(given["name"], given.get("tags"))))


async def _update(connection: Any, reader: Reader, given: Row) -> tuple[Row, bool]:
    own = labels(given.get("name"), given.get("tags"))
    return _payload(await saved.update(connection, reader.project_id, _key(given["id"], "session"), own))


async def _erase(connection: Any, reader: Reader, given: Row) -> tuple[Row, bool]:
    call_key, errors = None, []
    if given.get("callId") is not None:
        call_key = _key(given["callId"], "call", f"{SCOPE}call")
        errors += [saved.NO_CALL] if call_key is None else []
    participant_id = await erasure.participant_named(connection, reader.project_id, given["participantId"])
    calls = await erasure.calls_of(connection, reader.project_id, participant_id, call_key)
    errors += [] if calls else [NOBODY]
    if errors:
        return _payload(Outcome(errors=errors))
    await connection.execute(saved.WITH_PATIENCE)
    done = [await erasure.erase(connection, reader.project_id, participant_id, key, reader.key_id) for key in calls]
    row, changed = _payload(Outcome())
    erased = {"erased_at": done[-1].erased_at, "erased_calls": len(done), "erased_rows": sum(each.rows for each in done)}
    return row | erased, changed


async def _delete(connection: Any, reader: Reader, given: Row) -> tuple[Row, bool]:
    keys = {each: _key(each, "session") for each in given["ids"]}
    gone = (await saved.delete(connection, reader.project_id, [key for key in keys.values() if key is not None])).deleted
    wrong = [
        Wrong(
            UserErrorCode.NOT_FOUND,
            f"There is no saved session {each[:60]!r}: give global ids of saved sessions.",
            ("input", "ids", str(position)),
        )
        for position, each in enumerate(given["ids"])
        if keys[each] not in gone
    ]
    deleted = [each for each, key in keys.items() if key in gone]
    return {"call_key": None, "deleted_ids": deleted, "errors": _errors(wrong)}, bool(deleted)


def _check(values: Row) -> None:
    for name in ("clientMutationId", "participantId"):
        checked_text(values["input"].get(name), name)


def _refusal(reader: Reader) -> Wrong | None:
    return None if reader.may_write else FORBIDDEN


def _refusal_to_erase(reader: Reader) -> Wrong | None:
    return None if reader.may_erase else NOT_TO_ERASE


def _mutation(
    name: str, description: str, input_type: type, run: Run, refusal: Callable[[Reader], Wrong | None] = _refusal
) -> Any:
    """A root field that needs a key with the scope for it, and does nothing again where it is sent again."""

    async def changed(connection: Any, reader: Reader, values: Row) -> Row:
        given = values["input"]
        own = given.get("clientMutationId")
        refused = refusal(reader)
        if refused is not None:
            row, _ = _payload(Outcome(errors=[refused]))
        elif own is None:
            row, _ = await run(connection, reader, given)
        else:
            mutation = {"field": name, "input": given}
            key = (reader.project_id, reader.key_id)
            row = await once(connection, key, mutation, lambda: run(connection, reader, given))
        return row | {"client_mutation_id": own}

    return effect(description, changed, PAYLOAD, (Argument("input", input_type, "What to do."),), check=_check)


@strawberry.type(
    description="Everything that can be changed, by keys with the scope `write`, or `erase` to erase. Each field is done whole or"
    " not at all."
)
class Mutation:
    save_session: SaveSessionPayload = _mutation(
        "saveSession",
        "Save a call under a name, live or not, as it stands now; or, where it is saved already, replace the saved data with what"
        " the live call holds now.",
        SaveSessionInput,
        _save,
    )
    update_saved_session: UpdateSavedSessionPayload = _mutation(
        "updateSavedSession", "Change name and tags of a saved session.", UpdateSavedSessionInput, _update
    )
    tag_session: TagSessionPayload = _mutation("tagSession", "Give tags to a saved session.", TagSessionInput, _update)
    delete_saved_sessions: DeleteSavedSessionsPayload = _mutation(
        "deleteSavedSessions",
        "Delete saved sessions. Those that can be deleted are, whatever is wrong with others.",
        DeleteSavedSessionsInput,
        _delete,
    )
    erase_participant: EraseParticipantPayload = _mutation(
        "eraseParticipant",
        "Take someone out of all that was told of calls, live and saved, for good: names, ids, user agent, location, devices, and"
        " what its events say in words. The calls' counts, statistics and qualities stay as they were; it stays among them as a"
        " participant whose id leads nowhere. What is told of it later is new, but for samples that go on.",
        EraseParticipantInput,
        _erase,
        _refusal_to_erase,
    )
