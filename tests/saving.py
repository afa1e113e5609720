"""What tests of saved sessions ask for again and again."""

from typing import Any

from callscope.schema.mutations import Mutation
from tests.inspector import Inspector

PAYLOAD = "errors { code field message } clientMutationId"
SESSION = "id name tags savedAt updatedAt expiresAt canRefresh call { id callId }"
FIELDS = {
    "saveSession": ("SaveSessionInput", f"savedSession {{ {SESSION} }} {PAYLOAD}"),
    "updateSavedSession": ("UpdateSavedSessionInput", f"savedSession {{ {SESSION} }} {PAYLOAD}"),
    "tagSession": ("TagSessionInput", f"savedSession {{ {SESSION} }} {PAYLOAD}"),
    "deleteSavedSessions": ("DeleteSavedSessionsInput", f"deletedIds {PAYLOAD}"),
    "eraseParticipant": ("EraseParticipantInput", f"erasure {{ erasedAt callCount rowCount }} {PAYLOAD}"),
}
assert len(FIELDS) == len(Mutation.__strawberry_definition__.fields)


async def change(found: Inspector, name: str, /, **given: Any) -> dict[str, Any]:
    """The payload of a mutation."""
    input_type, selection = FIELDS[name]
    text = f"mutation ($input: {input_type}!) {{ {name}(input: $input) {{ {selection} }} }}"
    return (await found.query(text, input=given))[name]


async def saved(found: Inspector, call_id: str, name: str | None = None, **given: Any) -> dict[str, Any]:
    """A call, by the platform's id, saved without an error."""
    payload = await change(found, "saveSession", callId=await global_id(found, call_id), name=name or call_id, **given)
    assert payload["errors"] == [], payload
    return payload["savedSession"]


async def global_id(found: Inspector, call_id: str) -> str:
    call = (await found.query("query ($id: String) { call(callId: $id) { id } }", id=call_id))["call"]
    return call["id"]


def codes(payload: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """What was wrong with which part, without the first step, which is ``input`` always."""
    assert all(error["message"].endswith(".") and len(error["message"]) < 300 for error in payload["errors"])
    return [(error["code"], tuple((error["field"] or ["input"])[1:])) for error in payload["errors"]]
