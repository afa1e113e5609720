import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tests.clients.conftest import Api
from tests.clients.workshop import Workshop

SCHEMA = Path(__file__).parents[2] / "schema.graphql"
LISTS = {"CallListQuery", "CallListPaginationQuery"}
REFETCHES = {f"Inspection{what}Query" for what in ("Identity", "Header", "Participants", "LatestEvents")}


@pytest.fixture
def compiled(workshop: Workshop) -> dict[str, str]:
    """By their names, the documents that Relay will send: it makes them of what the fragments ask for."""
    shutil.copy(SCHEMA, workshop.folder)
    persisted = workshop.folder / "relay" / "persisted.json"
    persisted.write_text("{}")
    (workshop.folder / "relay" / "__generated__").mkdir()
    workshop.run("relay-compiler", "relay.config.json")
    documents = json.loads(persisted.read_text())
    assert {hashlib.sha256(text.encode()).hexdigest(): text for text in documents.values()} == documents
    return {text.split("(")[0].removeprefix("query "): text for text in documents.values()}


async def test_relay_pages_through_a_connection(compiled: dict[str, str], api: Api) -> None:
    pages = [(await api.ask(compiled["CallListQuery"]))["calls"]]
    while pages[-1]["pageInfo"]["hasNextPage"]:
        after = pages[-1]["pageInfo"]["endCursor"]
        pages.append((await api.ask(compiled["CallListPaginationQuery"], first=2, after=after))["calls"])
    ids = [edge["node"]["id"] for page in pages for edge in page["edges"]]
    assert len(ids) == len(set(ids)) == pages[0]["totalCount"] == 5


async def test_relay_refetches_what_it_shows_by_node(compiled: dict[str, str], api: Api) -> None:
    assert set(compiled) == {"InspectionQuery"} | LISTS | REFETCHES
    room = (await api.ask('{ call(callId: "room") { id meeting(number: 1) { id } } }'))["call"]
    for name in REFETCHES | {"InspectionQuery"}:
        for expected, id_ in (("Call", room["id"]), ("Meeting", room["meeting"]["id"])):
            assert (await api.ask(compiled[name], id=id_))["node"]["__typename"] == expected


async def test_what_relay_persists_is_known_by_its_hash(compiled: dict[str, str], api: Api) -> None:
    for document in compiled.values():
        digest, variables = hashlib.sha256(document.encode()).hexdigest(), {"id": "unknown"} if "$id" in document else {}
        registered = await api.ask(document, sha256=digest, **variables)
        assert await api.ask(None, sha256=digest, **variables) == registered
