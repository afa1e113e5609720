"""``keys create``, ``keys list`` and ``keys revoke``."""

import asyncio

import httpx
import pytest

from callscope.api.keys import USUAL
from callscope.app import create_app
from tests.commands.command import fetch

RECORD = b'{"type": "call", "callId": "told"}'


def knock(database: str, key: str) -> dict[str, int]:
    """The statuses with which a key is answered where it reads and where it ingests."""

    async def run() -> dict[str, int]:
        app = create_app(database, settling=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://callscope") as client,
        ):
            headers = {"authorization": f"Bearer {key}"}
            read = await client.post("/graphql", json={"query": "{ calls { totalCount } }"}, headers=headers)
            ingested = await client.post("/ingest", content=RECORD, headers=headers)
            return {"read": read.status_code, "ingest": ingested.status_code}

    return asyncio.run(run())


def test_a_created_key_opens_the_api(run, database):
    made = run("keys", "create", "--json")
    assert made.status == 0
    assert made.json.keys() == {"key"}
    assert knock(database, made.json["key"]) == {"read": 200, "ingest": 200}


def test_a_key_is_printed_alone_and_stored_nowhere(run, database):
    key = run("keys", "create", "--name", "mine").out.rstrip("\n")
    assert key.startswith("callscope_")
    assert fetch(database, f"select from callscope.api_key where api_key::text like '%{key[10:40]}%'") == []


@pytest.mark.parametrize(
    ("scopes", "answers"),
    [
        (["read"], {"read": 200, "ingest": 403}),
        (["ingest"], {"read": 403, "ingest": 200}),
        (["write"], {"read": 403, "ingest": 403}),
        (["read", "ingest"], {"read": 200, "ingest": 200}),
    ],
)
def test_a_key_opens_its_scopes_only(run, database, scopes, answers):
    made = run("keys", "create", "--json", *(word for scope in scopes for word in ("--scope", scope)))
    assert knock(database, made.json["key"]) == answers


def test_keys_are_listed_by_number_without_what_opens(run, database):
    keys = [run("keys", "create", "--name", name).out.strip() for name in ("one", "two")]
    run("keys", "create", "--project", "other", "--name", "three")
    run("keys", "revoke", "2")
    listed = run("keys", "list")
    first, second = listed.out.splitlines()
    assert first.split() == ["1", f"…{keys[0][-4:]}", "open", ",".join(sorted(USUAL)), "one"]
    assert second.split() == ["2", f"…{keys[1][-4:]}", "revoked", ",".join(sorted(USUAL)), "two"]
    as_json = run("keys", "list", "--json")
    assert [(row["key_id"], row["name"], row["revoked_at"] is None) for row in as_json.json] == [
        (1, "one", True),
        (2, "two", False),
    ]
    assert not any(key in listed.out + as_json.out for key in keys)


def test_a_key_that_can_only_ingest_is_shown_as_such(run, database):
    made = run("keys", "create", "--scope", "ingest")
    assert made.out.count("\n") == 1
    assert "can only ingest" in made.err
    assert "can only ingest" in run("keys", "create", "--scope", "ingest", "--json").err
    assert run("keys", "create", "--scope", "ingest", "--scope", "read").err == ""
    shown = [("ingest only" in line, "ingest,read" in line) for line in run("keys", "list").out.splitlines()]
    assert shown == [(True, False), (True, False), (False, True)]


def test_a_revoked_key_opens_nothing(run, database):
    key = run("keys", "create").out.strip()
    assert run("keys", "revoke", "1").status == 0
    assert knock(database, key) == {"read": 401, "ingest": 401}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["revoke"], "say which key to revoke"),
        (["revoke", "77"], "no open key 77"),
        (["revoke", "1"], "no open key 1"),
        (["revoke", "1", "--project", "other"], "no open key 1"),
    ],
)
def test_a_key_that_cannot_be_revoked_is_told(run, database, words, reason):
    run("keys", "create")
    run("keys", "create", "--project", "other")
    run("keys", "revoke", "1")
    run("keys", "revoke", "2", "--project", "other")
    told = run("keys", *words)
    assert told.status == 1
    assert reason in told.err
    assert told.err.count("\n") == 1


def test_the_keys_of_a_data_folder_are_those_of_its_servers(run, demo):
    assert "demo" in run("keys", "list", "--data-dir", demo.data_dir).out


def test_the_option_beats_the_setting_and_the_setting_the_default(run, demo, monkeypatch, tmp_path):
    monkeypatch.setenv("CALLSCOPE_DATA_DIR", str(demo.data_dir))
    assert "demo" in run("keys", "list").out
    monkeypatch.setenv("CALLSCOPE_DATA_DIR", str(tmp_path / "elsewhere"))
    assert "demo" in run("keys", "list", "--data-dir", demo.data_dir).out
    assert not (tmp_path / "elsewhere").exists()
