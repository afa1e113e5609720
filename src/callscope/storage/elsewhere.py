"""Live tables' statements on the tables of the same names in another schema."""

from typing import Any

import asyncpg


class Elsewhere:
    """A connection for which live tables are those of another schema. It has no other ways to name a table than statements."""

    def __init__(self, connection: asyncpg.Connection, schema: str) -> None:
        self._connection = connection
        self._schema = schema

    def _there(self, sql: str) -> str:
        return sql.replace("live.", f"{self._schema}.")

    async def execute(self, sql: str, *values: Any) -> Any:
        return await self._connection.execute(self._there(sql), *values)

    async def fetch(self, sql: str, *values: Any) -> Any:
        return await self._connection.fetch(self._there(sql), *values)

    async def fetchrow(self, sql: str, *values: Any) -> Any:
        return await self._connection.fetchrow(self._there(sql), *values)

    async def fetchval(self, sql: str, *values: Any) -> Any:
        return await self._connection.fetchval(self._there(sql), *values)
