"""Two projects in one database: neither sees the other, whatever it asks for."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from graphql import GraphQLList, get_named_type

from callscope.ingest import ingest_plans
from callscope.schema.root import CORE_SCHEMA
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.plans import sample_plans
from tests.query.crowd import crowd
from tests.query.documents import LISTS, ROOTS, asked
from tests.query.operations import NODES, Material, material
from tests.saving import saved


@dataclass
class Tenants:
    """A project whose answers are known from before the other one had telemetry: of calls with the same ids, and of more."""

    own: Inspector
    other: Inspector
    mine: Material
    theirs: Material
    answers: dict[str, bytes]


def documents(stored: Material) -> list[str]:
    whole = [f"{{ {name}(first: 1000) {{ totalCount nodes {{ id }} }} }}" for type_name, name in LISTS if type_name == "Query"]
    return [f"{{ {asked(name, stored)} }}" for name in ROOTS] + whole


@pytest.fixture(scope="module")
async def tenants(servers, migrated) -> AsyncIterator[Tenants]:
    async with new_database(servers, template=migrated) as url, running(url, "own") as own, running(url, "other") as other:
        await ingest_plans(own.connection, url, own.project_id, sample_plans()[3:])
        await own.settle()
        await saved(own, "room", tags=["mine"])
        mine = await material(own)
        answers = {text: (await own.post(text)).content for text in documents(mine)}
        same = [replace(plan, seed=99, tags=("theirs",)) for plan in sample_plans()[3:]]
        await ingest_plans(other.connection, url, other.project_id, same)
        await other.tell(crowd(2, 3))
        for call_id in ("room", "crowd-0"):
            await saved(other, call_id, tags=["theirs"])
        yield Tenants(own, other, mine, await material(other), answers)


async def test_the_telemetry_of_one_project_changes_no_answer_of_another(tenants: Tenants) -> None:
    for text, answer in tenants.answers.items():
        assert b'"errors"' not in answer
        assert (await tenants.own.post(text)).content == answer


async def test_the_same_platform_id_is_another_call_in_another_project(tenants: Tenants) -> None:
    text = '{ call(callId: "room") { id tags participants { nodes { displayName } } } }'
    mine, theirs = (await tenants.own.query(text))["call"], (await tenants.other.query(text))["call"]
    assert (mine["id"], mine["tags"], theirs["tags"]) == (theirs["id"], [], ["theirs"])
    assert mine["participants"] != theirs["participants"]


def foreign(tenants: Tenants, tag: str) -> str:
    """An id of the other project that finds something there, and of nothing here."""
    return next(found for found in tenants.theirs.ids[tag] if found not in tenants.mine.ids[tag])


def unknown(global_id: str) -> str:
    tag, _, keys = global_id.partition("_")
    return f"{tag}_{keys.translate(str.maketrans('123456789abcdef', '23456789abcdef1'))}"


async def same_answers(tenants: Tenants, text: str, given: Any, instead: Any) -> bytes:
    """The answer, which must be that for something unknown."""
    answer, other = [await tenants.own.post(text, given=value) for value in (given, instead)]
    assert answer.status_code == other.status_code == 200
    assert b'"errors"' not in answer.content
    assert answer.content == other.content
    return answer.content


@pytest.mark.parametrize("tag", NODES)
async def test_a_foreign_id_answers_like_an_unknown_one(tenants: Tenants, tag: str) -> None:
    theirs, mine = foreign(tenants, tag), tenants.mine.ids[tag][0]
    assert (await tenants.other.query(f'{{ node(id: "{theirs}") {{ id }} }}'))["node"] == {"id": theirs}
    node = "query($given: ID!) { node(id: $given) { id __typename } }"
    assert b'{"node":null}' in await same_answers(tenants, node, theirs, unknown(theirs))
    nodes = "query($given: [ID!]!) { nodes(ids: $given) { id } }"
    found = await same_answers(tenants, nodes, [theirs, mine, theirs], [unknown(theirs), mine, unknown(theirs)])
    assert f'[null,{{"id":"{mine}"}},null]'.encode() in found
    call = "query($given: ID) { call(id: $given) { id callId } }"
    assert b'{"call":null}' in await same_answers(tenants, call, theirs, unknown(theirs))
    assert b'{"call":null}' in await same_answers(
        tenants, call.replace("$given)", '$given, callId: "room")'), theirs, unknown(theirs)
    )


def filters(kind: str) -> list[tuple[str, str, str]]:
    """The fields of filters that take lists of this type: the type that the list is on, the list and the field."""
    found = []
    for type_name, name in LISTS:
        parts = get_named_type(CORE_SCHEMA.type_map[type_name].fields[name].args["filter"].type).fields
        found += [
            (type_name, name, field)
            for field, part in parts.items()
            if isinstance(part.type, GraphQLList) and get_named_type(part.type).name == kind
        ]
    return found


def filtered(tenants: Tenants, type_name: str, name: str, field: str) -> str:
    filter_type = get_named_type(CORE_SCHEMA.type_map[type_name].fields[name].args["filter"].type).name
    element = get_named_type(CORE_SCHEMA.type_map[filter_type].fields[field].type).name
    listed = f"{name}(filter: {{{field}: $given}}) {{ totalCount nodes {{ id }} }}"
    if type_name != "Query":
        tag = next(tag for tag, named in NODES.items() if named == type_name)
        listed = f'node(id: "{tenants.mine.ids[tag][0]}") {{ ... on {type_name} {{ {listed} }} }}'
    return f"query($given: [{element}!]) {{ {listed} }}"


@pytest.mark.parametrize(("type_name", "name", "field"), filters("ID"))
async def test_foreign_ids_in_filters_are_like_unknown_ones(tenants: Tenants, type_name: str, name: str, field: str) -> None:
    text = filtered(tenants, type_name, name, field)
    tag = field.removesuffix("s")
    theirs = [found for found in tenants.theirs.ids[tag] if found not in tenants.mine.ids[tag]]
    strangers = [unknown(found) for found in theirs]
    assert b'"totalCount":0,"nodes":[]' in await same_answers(tenants, text, theirs, strangers)
    mine = tenants.mine.ids[tag][:2]
    found = await same_answers(tenants, text, [*theirs, *mine], [*strangers, *mine])
    assert type_name != "Query" or b'"nodes":[{' in found or name == "issues"


@pytest.mark.parametrize(("type_name", "name", "field"), [found for found in filters("String") if found[2].endswith("Ids")])
async def test_foreign_platform_ids_are_like_unknown_ones(tenants: Tenants, type_name: str, name: str, field: str) -> None:
    text = filtered(tenants, type_name, name, field)
    singular = field.removesuffix("s")
    nodes = (
        "calls(first: 1000) { nodes { %s } }" if singular == "callId" else f"{singular[:-2]}s(first: 1000) {{ nodes {{ %s }} }}"
    )
    told = [
        re.findall(rf'"{singular}":"([^"]*)"', (await found.post("{ %s }" % (nodes % singular))).text)
        for found in (tenants.own, tenants.other)
    ]
    theirs = sorted(set(told[1]) - set(told[0]))
    assert theirs
    assert b'"totalCount":0,"nodes":[]' in await same_answers(tenants, text, theirs, ["nobody"])


async def test_a_foreign_platform_id_finds_no_call_and_no_participant(tenants: Tenants) -> None:
    for text in (
        "query($given: String) { call(callId: $given) { id } }",
        'query($given: String!) { call(callId: "room") { participant(participantId: $given) { id } } }',
    ):
        for theirs in ("crowd-0", "person-0"):
            assert b"null" in await same_answers(tenants, text, theirs, "nobody")


@pytest.mark.parametrize("name", [name for type_name, name in LISTS if type_name == "Query"])
async def test_a_foreign_cursor_is_a_place_like_any_other(tenants: Tenants, name: str) -> None:
    page = (await tenants.other.query(f"{{ {name}(first: 1000) {{ edges {{ cursor node {{ id }} }} }} }}"))[name]
    mine = {node["id"] for node in (await tenants.own.query(f"{{ {name}(first: 1000) {{ nodes {{ id }} }} }}"))[name]["nodes"]}
    foreign_cursors = [edge["cursor"] for edge in page["edges"] if edge["node"]["id"] not in mine]
    for arguments in ("first: 5, after: $given", "last: 5, before: $given"):
        text = f"query($given: String) {{ {name}({arguments}) {{ totalCount nodes {{ id }} pageInfo {{ endCursor }} }} }}"
        for cursor in foreign_cursors[:: max(len(foreign_cursors) // 5, 1)]:
            head, _, key = cursor.rpartition("~")
            await same_answers(tenants, text, cursor, f"{head}~{int(key) + 1}")


async def test_a_key_sees_only_its_own_project(tenants: Tenants) -> None:
    for found, name in ((tenants.own, "own"), (tenants.other, "other")):
        assert (await found.query("{ project { name } }"))["project"] == {"name": name}


async def test_calls_that_another_project_opened_are_not_remembered_here(tenants: Tenants) -> None:
    await tenants.other.query('{ call(callId: "crowd-1") { id } }')
    opened = "{ recentlyInspectedCalls { callId } }"
    assert {"callId": "crowd-1"} in (await tenants.other.query(opened))["recentlyInspectedCalls"]
    assert {"callId": "crowd-1"} not in (await tenants.own.query(opened))["recentlyInspectedCalls"]
