"""What all mutations have in common, whatever they change."""

from typing import Any

import httpx
import pytest
from graphql import GraphQLNonNull, get_named_type

from callscope.api.keys import Scope, create
from callscope.schema.root import CORE_SCHEMA
from tests.inspector import Inspector
from tests.saving import FIELDS

MUTATIONS = CORE_SCHEMA.mutation_type.fields
INPUTS: dict[str, dict[str, Any]] = {
    "saveSession": {"callId": "call_1", "name": ""},
    "updateSavedSession": {"id": "session_1", "name": ""},
    "tagSession": {"id": "session_1", "tags": [""]},
    "deleteSavedSessions": {"ids": ["session_1"]},
    "eraseParticipant": {"participantId": "nobody", "callId": "none"},
}


def text(name: str) -> str:
    input_type, selection = FIELDS[name]
    return f"mutation ($input: {input_type}!) {{ {name}(input: $input) {{ {selection} }} }}"


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_takes_one_input_and_tells_what_was_wrong(name: str) -> None:
    (argument,) = MUTATIONS[name].args.values()
    assert isinstance(argument.type, GraphQLNonNull)
    own = get_named_type(argument.type).fields["clientMutationId"].type
    assert not isinstance(own, GraphQLNonNull)
    payload = get_named_type(MUTATIONS[name].type)
    assert isinstance(MUTATIONS[name].type, GraphQLNonNull)
    assert str(payload.fields["errors"].type) == "[UserError!]!"
    assert str(payload.fields["clientMutationId"].type) == "String"


@pytest.fixture(scope="module", params=[frozenset({Scope.READ}), frozenset(Scope)], ids=["reader", "all"])
async def scopes(request: pytest.FixtureRequest) -> frozenset[Scope]:
    return request.param


@pytest.mark.parametrize("name", MUTATIONS)
async def test_all_that_is_wrong_is_told_as_data_and_nothing_is_changed(
    inspector: Inspector, scopes: frozenset[Scope], name: str
) -> None:
    key, _ = await create(inspector.connection, "test", "own", scopes)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=inspector.client._transport, base_url="http://callscope", headers=headers) as client:
        body = {"query": text(name), "variables": {"input": INPUTS[name] | {"clientMutationId": "7"}}}
        payload = (await client.post("/graphql", json=body)).json()["data"][name]
        assert payload.pop("clientMutationId") == "7"
        errors = payload.pop("errors")
        assert list(payload.values()) in ([None], [[]])
        if Scope.WRITE in scopes:
            assert errors[0]["code"] == "NOT_FOUND"
            assert len(errors) == (1 if name == "deleteSavedSessions" else 2)
            assert all(error["field"][0] == "input" and error["field"][1] in INPUTS[name] for error in errors)
        else:
            assert [(error["code"], error["field"]) for error in errors] == [("FORBIDDEN", None)]
        assert await inspector.connection.fetchval("select count(*) from callscope.mutation") == 0
        body["variables"]["input"]["clientMutationId"] = "\x00"
        refused = (await client.post("/graphql", json=body)).json()
        assert refused["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_none_is_left_out() -> None:
    assert INPUTS.keys() == FIELDS.keys() == MUTATIONS.keys()
