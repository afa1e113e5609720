"""The call of a saved session answers all that the live call answers, from rows of its own."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from graphql import get_named_type

from callscope.ingest import ingest_plans
from callscope.saved import CALL_TABLES
from callscope.schema.root import CORE_SCHEMA
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.plans import sample_plans
from tests.query.documents import everything
from tests.query.operations import orders
from tests.reads import is_page, reached
from tests.saving import change, global_id, saved
from tests.schema.rows import Row, all_rows, filter_fields, nodes_of
from tests.schema.test_filters import values

_SAVED_ID = re.compile(r'"saved([a-z]+_[0-9a-f_]+)"')
CALL = CORE_SCHEMA.type_map["Call"]
PAGED = [name for name, definition in CALL.fields.items() if is_page(definition)]
LARGEST = {"metricSeries": "room", "meetings": "room"}
"""By the name of a list: the saved call that has most in it, where it is not the conference."""


def lived(answer: Any) -> Any:
    """An answer with the ids that the same objects have among the live ones."""
    return json.loads(_SAVED_ID.sub(r'"\1"', json.dumps(answer)))


async def remove_live(found: Inspector) -> None:
    for table in CALL_TABLES:
        await found.connection.execute(f"delete from live.{table}")


async def both(found: Inspector, name: str, inside: str, **variables: Any) -> tuple[Any, Any]:
    """A selection of the call that has most in a list, live and saved; variables as (type, value)."""
    call_id = LARGEST.get(name, "conference")
    defined = "".join(f", ${name}: {type_}" for name, (type_, _) in variables.items())
    given = {name: value for name, (_, value) in variables.items()}
    live = f"query ($id: String{defined}) {{ call(callId: $id) {{ {inside} }} }}"
    kept = (
        f"query ($filter: SavedSessionFilter{defined}) {{ savedSessions(filter: $filter) {{ nodes {{ call {{ {inside} }} }} }} }}"
    )
    (session,) = (await found.query(kept, filter={"text": call_id}, **given))["savedSessions"]["nodes"]
    return (await found.query(live, id=call_id, **given))["call"], session["call"]


@pytest.fixture(scope="module")
async def rows(varied: Inspector) -> dict[str, dict[str, Row]]:
    return await all_rows(varied)


@pytest.fixture
async def room(servers, migrated) -> AsyncIterator[Inspector]:
    """A room with two meetings and a call that failed, both of them saved; a test may change them."""
    async with new_database(servers, template=migrated) as url, running(url) as found:
        await ingest_plans(found.connection, url, found.project_id, sample_plans()[3:])
        await found.settle()
        for call_id in ("room", "failed"):
            await saved(found, call_id)
        yield found


async def test_all_that_a_call_leads_to_is_there_once_the_live_one_is_gone(room: Inspector) -> None:
    ids = {await global_id(room, call_id) for call_id in ("room", "failed")}
    before = await reached(room, ids)
    await remove_live(room)
    assert await room.query("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=sorted(ids)) == {"nodes": [None, None]}
    after = await reached(room, {f"saved{id_}" for id_ in ids})
    live = {id_: answer for id_, answer in before.items() if not id_.startswith(("saved", "session_"))}
    assert len(live) > 100
    assert {id_.partition("_")[0] for id_ in live} == {
        "call",
        "meeting",
        "participant",
        "connection",
        "stream",
        "subscriber",
        "event",
        "series",
        "issue",
    }
    kept = {id_.removeprefix("saved"): answer for id_, answer in after.items() if id_.startswith("saved")}
    assert kept.keys() == live.keys()
    for id_, answer in live.items():
        assert json.dumps(lived(kept[id_])) == json.dumps(lived(answer))
    sessions = [id_ for id_ in after if id_.startswith("session_")]
    assert [after[id_]["canRefresh"] for id_ in sessions] == [False, False]


async def test_what_is_read_at_once_is_the_same_byte_for_byte(room: Inspector) -> None:
    left_out = r"expiresAt|canRefresh"
    inside = re.sub(rf"\b({left_out})\b", "__typename", everything(CALL, 2))
    live = (await room.query(f'{{ call(callId: "room") {{ {inside} }} }}'))["call"]
    await remove_live(room)
    text = f'{{ savedSessions(filter: {{text: "room"}}) {{ nodes {{ call {{ {inside} }} }} }} }}'
    (session,) = (await room.query(text))["savedSessions"]["nodes"]
    assert json.dumps(lived(session["call"])) == json.dumps(lived(live))


@pytest.mark.parametrize("name", PAGED)
async def test_filters_are_the_same_inside_of_a_saved_call(varied: Inspector, rows, name: str) -> None:
    filter_type = get_named_type(CALL.fields[name].args["filter"].type).name
    own = rows[nodes_of(CALL.fields[name])]
    whole, kept_whole = await both(varied, name, f"page: {name}(first: 1000) {{ totalCount nodes {{ id }} }}")
    assert lived(kept_whole) == whole
    here = [own[node["id"]] for node in whole["page"]["nodes"]]
    inside = f"page: {name}(first: 1000, filter: $narrow) {{ totalCount nodes {{ id }} }}"
    sizes = set()
    for field in filter_fields(filter_type):
        for value in list(values(filter_type, field, here))[1:5]:
            live, kept = await both(varied, name, inside, narrow=(filter_type, {field: value}))
            assert lived(kept) == live
            sizes.add(live["page"]["totalCount"])
            if get_named_type(filter_fields(filter_type)[field].type).name == "ID" and value is not None:
                # The ids that are in a saved call's own answers.
                _, kept = await both(varied, name, inside, narrow=(filter_type, {field: [f"saved{id_}" for id_ in value]}))
                assert lived(kept) == live
    assert len(sizes) > 1 or len(here) < 2


@pytest.mark.parametrize("name", PAGED)
async def test_pages_are_the_same_inside_of_a_saved_call(varied: Inspector, name: str) -> None:
    selection = "totalCount edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    for field, direction in orders(CALL.fields[name].args):
        by = f", orderBy: {{field: {field}, direction: {direction}}}" if field else ""
        after = before = None
        for _ in range(4):
            live, kept = await both(
                varied,
                name,
                f"a: {name}(first: 2, after: $after{by}) {{ {selection} }}"
                f" z: {name}(last: 2, before: $before{by}) {{ {selection} }}",
                after=("String", after),
                before=("String", before),
            )
            assert lived(kept) == live
            after = live["a"]["pageInfo"]["endCursor"] or after
            before = live["z"]["pageInfo"]["startCursor"] or before


async def test_ids_tell_what_is_live_from_what_is_saved(room: Inspector) -> None:
    text = """{ savedSessions(filter: {text: "room"}) { nodes { id call {
        id meetings { nodes { id call { id } } } participants { nodes { id connections { nodes { id } } } }
        savedSession { id call { id } }
    } } } }"""
    (session,) = (await room.query(text))["savedSessions"]["nodes"]
    call = session["call"]
    assert call["savedSession"] == {"id": session["id"], "call": {"id": call["id"]}}
    assert {node["call"]["id"] for node in call["meetings"]["nodes"]} == {call["id"]}
    person = call["participants"]["nodes"][0]["id"]
    assert person.startswith("savedparticipant_")
    nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Participant { call { id } } ... on SavedSession { name } } }"
    ids = [person, person.removeprefix("saved"), session["id"], f"saved{session['id']}", "savedproject_1", "saved", "savedx_1"]
    assert (await room.query(nodes, ids=ids))["nodes"] == [
        {"id": person, "call": {"id": call["id"]}},
        {"id": person.removeprefix("saved"), "call": {"id": call["id"].removeprefix("saved")}},
        {"id": session["id"], "name": "room"},
        *[None] * 4,
    ]
    # Lists of what is live know nothing of what is saved.
    listed = "query ($ids: [ID!]) { participants(filter: {calls: $ids}) { totalCount } }"
    assert (await room.query(listed, ids=[call["id"]]))["participants"]["totalCount"] == 0
    assert (await room.query("query ($id: ID) { call(id: $id) { id } }", id=call["id"]))["call"] is None
    assert (await room.query("query ($id: ID!) { savedSession(id: $id) { id } }", id=call["id"]))["savedSession"] is None


async def test_a_call_tells_whether_it_is_saved(room: Inspector) -> None:
    text = """{ a: calls(filter: {isSaved: true}) { nodes { callId savedSession { name } } }
        b: calls(filter: {isSaved: false}) { nodes { callId } } }"""
    await change(room, "deleteSavedSessions", ids=[(await saved(room, "failed"))["id"]])
    answer = await room.query(text)
    assert answer == {
        "a": {"nodes": [{"callId": "room", "savedSession": {"name": "room"}}]},
        "b": {"nodes": [{"callId": "failed"}]},
    }


async def test_pages_stay_put_while_sessions_come_and_go(varied: Inspector) -> None:
    text = (
        "query ($after: String) { savedSessions(first: 2, after: $after) { nodes { name } pageInfo { endCursor hasNextPage } } }"
    )
    first = (await varied.query(text))["savedSessions"]
    new = await saved(varied, "broadcast", "new")
    try:
        second = (await varied.query(text, after=first["pageInfo"]["endCursor"]))["savedSessions"]
    finally:
        await change(varied, "deleteSavedSessions", ids=[new["id"]])
    names = [node["name"] for page in (first, second) for node in page["nodes"]]
    assert names == ["Zoë", "annex", "Ann's 50% _off\\", "zebra"]
    assert not second["pageInfo"]["hasNextPage"]


async def test_names_are_ordered_whatever_their_case(varied: Inspector) -> None:
    text = "{ savedSessions(orderBy: {field: NAME, direction: ASC}) { nodes { name } } }"
    names = [node["name"] for node in (await varied.query(text))["savedSessions"]["nodes"]]
    assert names == ["Ann's 50% _off\\", "annex", "zebra", "Zoë"]
