"""Migrations: numbered SQL files, each applied once, in order, by one process at a time."""

import re
from dataclasses import dataclass
from importlib.resources import files

import asyncpg

from callscope.storage.code_explanations import refill
from callscope.storage.timeseries import (
    COLUMNSTORE,
    MARK,
    enable_columnstore,
    has_timescale,
    install_timescale,
    make_hypertables,
    partitioned,
)

_LOCK = 0x63616C6C_6D696772
SAVED_TOO = "/* live and saved */"
"""In a migration that changes a call's tables: it is applied once more with ``saved.`` for ``live.``, so that both stay alike."""
# What is saved is only ever read call by call: indexes that serve lists over all calls would be written for nothing.
DROP_NEEDLESS_INDEXES = """
do $$
declare
    needless regclass;
begin
    for needless in
        select pg_index.indexrelid from pg_index join pg_class on pg_class.oid = pg_index.indrelid
        where pg_class.relnamespace = 'saved'::regnamespace
            and pg_get_indexdef(pg_index.indexrelid, 2, true) is distinct from 'call_key'
    loop
        execute format('drop index %s', needless);
    end loop;
end
$$
"""
_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    sql: str


class MigrationError(Exception):
    """A migration failed: the database is as it was before that one."""


def migrations() -> list[Migration]:
    found = [
        Migration(int(match[1]), match[2], file.read_text())
        for file in files("callscope.storage").joinpath("migrations").iterdir()
        if (match := _NAME.fullmatch(file.name))
    ]
    return sorted(found, key=lambda migration: migration.number)


async def applied(connection: asyncpg.Connection) -> set[int]:
    """Numbers of the migrations that the database has."""
    if not await connection.fetchval("select to_regclass('public.callscope_migration') is not null"):
        return set()
    return {row["number"] for row in await connection.fetch("select number from public.callscope_migration")}


async def pending(connection: asyncpg.Connection) -> list[Migration]:
    """What the database lacks."""
    known = await applied(connection)
    return [migration for migration in migrations() if migration.number not in known]


async def migrate(connection: asyncpg.Connection) -> list[Migration]:
    """Bring the database up to date, the package's own tables too; returns what was applied, a transaction for each file."""
    await connection.execute("select pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute(
            "create table if not exists public.callscope_migration"
            " (number integer primary key, name text not null, applied_at timestamptz not null default now())"
        )
        missing = await pending(connection)
        if missing and missing[0].number == 1:
            await install_timescale(connection)
        timescale = await has_timescale(connection)
        for migration in missing:
            try:
                await _apply(connection, migration, timescale=timescale)
            except asyncpg.PostgresError as error:
                raise MigrationError(f"migration {migration.number:04d}_{migration.name} failed: {error}") from error
        await refill(connection)
        return missing
    finally:
        await connection.execute("select pg_advisory_unlock($1)", _LOCK)


def texts(migration: Migration, *, timescale: bool) -> list[str]:
    """What to run, one after the other: for the live tables, and once more for the saved ones where the migration says so."""
    live = partitioned(migration.sql, timescale=timescale)
    saved = [migration.sql.replace(MARK, "").replace("live.", "saved.")] if SAVED_TOO in migration.sql else []
    return [live, *saved, *([DROP_NEEDLESS_INDEXES] if saved or "saved." in live else [])]


async def _apply(connection: asyncpg.Connection, migration: Migration, *, timescale: bool) -> None:
    async with connection.transaction():
        for text in texts(migration, timescale=timescale):
            await connection.execute(text)
        if timescale and MARK in migration.sql:
            await make_hypertables(connection)
        if timescale and COLUMNSTORE in migration.sql:
            await enable_columnstore(connection)
        await connection.execute(
            "insert into public.callscope_migration (number, name) values ($1, $2)", migration.number, migration.name
        )
