"""``keys create``, ``keys list`` and ``keys revoke``."""

import argparse
import sys
from typing import Any

import orjson

from callscope.api.keys import USUAL, Scope, create, listed, revoke
from callscope.commands import CommandError, database, say
from callscope.settings import Settings


async def manage(settings: Settings, given: argparse.Namespace) -> None:
    async with database(settings) as (connection, _):
        if given.action == "create":
            scopes = frozenset(Scope(scope) for scope in given.scope) if given.scope else USUAL
            key, _ = await create(connection, given.project, given.name or "", scopes)
            say(orjson.dumps({"key": key}).decode() if given.json else key)
            if scopes == {Scope.INGEST}:
                sys.stderr.write("callscope: this key can only ingest, so it may stand in an address: /ingest/vonage/KEY\n")
        elif given.action == "list":
            rows = [dict(row) for row in await listed(connection, given.project)]
            if given.json:
                say(orjson.dumps(rows).decode())
            else:
                for row in rows:
                    say(_line(row))
        else:
            if given.number is None:
                raise CommandError("say which key to revoke: its number in 'callscope keys list'")
            if not await revoke(connection, given.project, given.number):
                raise CommandError(f"the project has no open key {given.number}: see 'callscope keys list'")
            say(f"key {given.number} is revoked; servers forget it within 10 seconds")


def _line(row: dict[str, Any]) -> str:
    state = "revoked" if row["revoked_at"] else "open"
    scopes = "ingest only" if row["scopes"] == [Scope.INGEST] else ",".join(row["scopes"])
    return f"{row['key_id']:>4}  …{row['last_four']}  {state:<8}  {scopes:<18}  {row['name']}"
