"""Keys: who asks, and what a key opens."""

import asyncio
import hashlib
import re
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscope.api import keys
from callscope.api.keys import (
    DIGITS,
    USUAL,
    Grant,
    Keyring,
    Scope,
    create,
    generate,
    grant_of,
    is_well_formed,
    listed,
    project_of,
    revoke,
)
from callscope.storage.pool import Pool
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running

EVERY_COLUMN = """
select format('%I.%I', table_schema, table_name) as relation, quote_ident(column_name) as name
from information_schema.columns join information_schema.tables using (table_schema, table_name)
where table_schema not in ('pg_catalog', 'information_schema') and table_type = 'BASE TABLE'
"""


@pytest.fixture(scope="module")
async def server(servers, migrated) -> AsyncIterator[Inspector]:
    async with new_database(servers, template=migrated) as url, running(url) as found:
        yield found


@pytest.fixture
async def inspector(server: Inspector) -> Inspector:
    """One project with one key, on a server that all tests share."""
    await server.connection.execute("delete from callscope.project")
    key, project_id = await create(server.connection, "test", "test")
    return replace(server, key=key, project_id=project_id)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the time that the keyring sees."""
    now = [1000.0]
    monkeypatch.setattr(keys.time, "monotonic", lambda: now[0])

    def pass_(seconds: float) -> None:
        now[0] += seconds

    return pass_


class CountingPool:
    """Reads on one connection, one after the other, and counts."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.reads = 0
        self.busy = asyncio.Lock()

    async def read(self, run: Callable[[asyncpg.Connection], Awaitable[Any]]) -> Any:
        self.reads += 1
        async with self.busy:
            return await run(self.connection)


@pytest.fixture
def pool(inspector: Inspector) -> CountingPool:
    return CountingPool(inspector.connection)


@pytest.fixture
def keyring(pool: CountingPool) -> Keyring:
    return Keyring(pool)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------- form


def test_a_key_names_us_and_is_unlike_any_other() -> None:
    made = {generate() for _ in range(100)}
    assert len(made) == 100
    for key in made:
        assert re.fullmatch(r"callscope_[0-9A-Za-z]{38}", key)
        assert is_well_formed(key)


@given(st.data())
def test_no_slip_of_the_pen_makes_another_key(data: st.DataObject) -> None:
    key = generate()
    place = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.sampled_from(DIGITS + string.punctuation + " é\x00").filter(lambda digit: digit != key[place]))
    assert not is_well_formed(key[:place] + other + key[place + 1 :])
    assert not is_well_formed(key[:place] + key[place + 1 :])
    assert not is_well_formed(key[:place] + other + key[place:])
    if place + 1 < len(key) and key[place] != key[place + 1]:
        assert not is_well_formed(key[:place] + key[place + 1] + key[place] + key[place + 2 :])


@pytest.mark.parametrize(
    "wrong", [" ", "callscope_", "callscope_" + "0" * 38, "x", "callscope_" + "\uff11" * 38, "callscope_" + "é" * 38]
)
def test_what_is_no_key_is_seen_as_such(wrong: str) -> None:
    assert not is_well_formed(wrong)
    assert not is_well_formed(wrong + generate())
    assert not is_well_formed(generate() + wrong + "x")
    assert not is_well_formed(generate().removeprefix("callscope_"))
    assert not is_well_formed(generate().swapcase())


# ---------------------------------------------------------------------------------------------------- storage


async def test_a_key_itself_is_nowhere_in_the_database(inspector: Inspector) -> None:
    secret = inspector.key.removeprefix("callscope_")
    columns = await inspector.connection.fetch(EVERY_COLUMN)
    assert len(columns) > 50
    searched = {"text": secret, "bytes": secret.encode().hex(), "digits": secret[:32]}
    for relation, name in columns:
        for form in searched.values():
            sql = f"select count(*) from {relation} where strpos({name}::text, $1) > 0"
            assert await inspector.connection.fetchval(sql, form) == 0, (relation, name)
    stored = await inspector.connection.fetchrow("select secret_hash, last_four from callscope.api_key")
    assert stored["secret_hash"] == hashlib.sha256(inspector.key.encode()).digest()
    assert stored["last_four"] == inspector.key[-4:]


async def test_a_key_opens_its_project_with_its_scopes(inspector: Inspector) -> None:
    key, project_id = await create(inspector.connection, "other", "reader", frozenset({Scope.READ}))
    again, same = await create(inspector.connection, "other", "all")
    assert same == project_id == await project_of(inspector.connection, "other") != inspector.project_id
    grant = await grant_of(inspector.connection, key)
    assert grant == Grant(grant.key_id, project_id, frozenset({"read"}))
    assert (await grant_of(inspector.connection, again)).scopes == {"read", "write", "ingest"}
    assert await inspector.connection.fetchval("select count(*) from callscope.api_key where last_used_at is not null") == 2


async def test_keys_are_listed_without_what_would_open(inspector: Inspector) -> None:
    rows = await listed(inspector.connection, "test")
    assert [(row["name"], row["last_four"], row["revoked_at"]) for row in rows] == [("test", inspector.key[-4:], None)]
    assert inspector.key not in str(rows)
    assert await listed(inspector.connection, "nobody") == []


async def test_a_revoked_key_opens_nothing(inspector: Inspector) -> None:
    grant = await grant_of(inspector.connection, inspector.key)
    assert not await revoke(inspector.connection, "other", grant.key_id)
    assert not await revoke(inspector.connection, "test", grant.key_id + 1)
    assert await grant_of(inspector.connection, inspector.key) == grant
    assert await revoke(inspector.connection, "test", grant.key_id)
    assert not await revoke(inspector.connection, "test", grant.key_id)
    assert await grant_of(inspector.connection, inspector.key) is None


async def test_what_is_no_key_costs_no_look_up(inspector: Inspector, pool: CountingPool, keyring: Keyring) -> None:
    for header in (None, "", "Bearer", "Bearer ", "Bearer x", inspector.key, f"Basic {inspector.key}", f"Token {inspector.key}"):
        assert await keyring.grant(header) is None
    assert await keyring.grant(f"Bearer {inspector.key}x") is None
    assert pool.reads == 0
    assert await grant_of(inspector.connection, "x") is None
    assert await keyring.grant(f"Bearer {generate()}") is None
    assert pool.reads == 1


@pytest.mark.parametrize("header", ["Bearer %s", "bearer %s", "BEARER   %s  "])
async def test_the_scheme_is_bearer_in_any_spelling(inspector: Inspector, keyring: Keyring, header: str) -> None:
    grant = await keyring.grant(header % inspector.key)
    assert (grant.project_id, grant.scopes) == (inspector.project_id, USUAL)


# ---------------------------------------------------------------------------------------------------- memory


async def test_a_look_up_is_remembered_for_seconds(inspector: Inspector, pool: CountingPool, keyring: Keyring, clock) -> None:
    header = f"Bearer {inspector.key}"
    grant = await keyring.grant(header)
    clock(Keyring.REMEMBER_SECONDS)
    assert await keyring.grant(header) is grant
    assert pool.reads == 1
    clock(0.001)
    assert await keyring.grant(header) == grant
    assert pool.reads == 2


async def test_a_revoked_key_opens_no_longer_than_it_is_remembered(inspector: Inspector, keyring: Keyring, clock) -> None:
    header = f"Bearer {inspector.key}"
    grant = await keyring.grant(header)
    assert await revoke(inspector.connection, "test", grant.key_id)
    assert await keyring.grant(header) == grant
    clock(Keyring.REMEMBER_SECONDS + 0.001)
    assert await keyring.grant(header) is None


async def test_an_unknown_key_is_remembered_too(pool: CountingPool, keyring: Keyring, clock) -> None:
    header = f"Bearer {generate()}"
    for _ in range(3):
        assert await keyring.grant(header) is None
    assert pool.reads == 1


async def test_a_key_expires_on_time_although_it_is_remembered(
    inspector: Inspector, pool: CountingPool, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    await inspector.connection.execute("update callscope.api_key set expires_at = $1", expires_at)
    header = f"Bearer {inspector.key}"
    assert (await keyring.grant(header)).expires_at == expires_at

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return expires_at

    monkeypatch.setattr(keys, "datetime", Later)
    assert await keyring.grant(header) is None
    assert pool.reads == 1


async def test_only_so_many_keys_are_remembered(
    inspector: Inspector, pool: CountingPool, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Keyring, "CAPACITY", 2)
    headers = [f"Bearer {generate()}" for _ in range(3)]
    for header in headers:
        await keyring.grant(header)
    assert len(keyring._known) == 2
    await keyring.grant(headers[2])
    assert pool.reads == 3
    await keyring.grant(headers[0])
    assert pool.reads == 4


async def test_many_look_ups_at_once_each_get_their_own_grant(inspector: Inspector, keyring: Keyring) -> None:
    made = [(await create(inspector.connection, f"project {number}", "key"))[0] for number in range(5)]
    expected = [await grant_of(inspector.connection, key) for key in made]
    grants = await asyncio.gather(*[keyring.grant(f"Bearer {key}") for key in made * 8])
    assert grants == expected * 8


async def test_a_keyring_works_on_the_servers_pool(inspector: Inspector) -> None:
    async with Pool(inspector.database_url, size=2) as real:
        grants = await asyncio.gather(*[Keyring(real).grant(f"Bearer {inspector.key}") for _ in range(10)])
    assert {grant.project_id for grant in grants} == {inspector.project_id}


# ---------------------------------------------------------------------------------------------------- requests


async def status(inspector: Inspector, authorization: str | bytes | None) -> int:
    headers = {"authorization": authorization} if authorization is not None else {}
    inspector.client.headers.pop("authorization", None)
    response = await inspector.client.post("/graphql", json={"query": "{ project { id } }"}, headers=headers)
    if response.status_code == 401:
        assert response.headers["www-authenticate"] == "Bearer"
    if response.status_code != 200:
        code = {401: "UNAUTHENTICATED", 403: "FORBIDDEN"}[response.status_code]
        assert [error["extensions"] for error in response.json()["errors"]] == [{"code": code}]
    return response.status_code


async def test_only_a_valid_key_reads(inspector: Inspector) -> None:
    assert await status(inspector, f"Bearer {inspector.key}") == 200
    for wrong in (None, "", "Bearer", f"Basic {inspector.key}", inspector.key, f"Bearer {generate()}", b"Bearer \xe9"):
        assert await status(inspector, wrong) == 401


async def test_a_key_without_the_scope_to_read_reads_nothing(inspector: Inspector) -> None:
    for scopes, expected in (({Scope.READ}, 200), ({Scope.INGEST}, 403), ({Scope.WRITE}, 403), (set(), 403)):
        key, _ = await create(inspector.connection, "test", "limited", frozenset(scopes))
        assert await status(inspector, f"Bearer {key}") == expected


async def test_an_expired_key_reads_nothing(inspector: Inspector) -> None:
    await inspector.connection.execute("update callscope.api_key set expires_at = now()")
    assert await status(inspector, f"Bearer {inspector.key}") == 401


async def test_a_revoked_key_reads_nothing(inspector: Inspector, clock) -> None:
    assert await status(inspector, f"Bearer {inspector.key}") == 200
    await inspector.connection.execute("update callscope.api_key set revoked_at = now()")
    clock(Keyring.REMEMBER_SECONDS + 1)
    assert await status(inspector, f"Bearer {inspector.key}") == 401


async def test_requests_at_once_never_mix_projects(inspector: Inspector) -> None:
    made = {f"project {number}": (await create(inspector.connection, f"project {number}", "key"))[0] for number in range(4)}

    async def named(key: str) -> str:
        headers = {"authorization": f"Bearer {key}"}
        response = await inspector.client.post("/graphql", json={"query": "{ project { name } }"}, headers=headers)
        return response.json()["data"]["project"]["name"]

    assert await asyncio.gather(*[named(key) for key in [*made.values()] * 10]) == [*made] * 10
