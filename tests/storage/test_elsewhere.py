"""Statements on live tables, run on those of another schema."""

from callscope.storage.elsewhere import Elsewhere
from tests.inspector import Inspector

INSERT = "insert into live.record (project_id, call_key, record_key, kind, body) values ($1, 1, 2, $2, '{}')"
SELECT = "select kind from live.record where project_id = $1"


async def test_each_statement_is_of_the_tables_there(inspector: Inspector) -> None:
    for place in ("live", "saved"):
        there = Elsewhere(inspector.connection, place)
        assert await there.execute(INSERT, inspector.project_id, place) == "INSERT 0 1"
        assert await there.fetchval(SELECT, inspector.project_id) == place
        assert (await there.fetchrow(SELECT, inspector.project_id))["kind"] == place
        assert [row["kind"] for row in await there.fetch(SELECT, inspector.project_id)] == [place]


async def test_values_are_left_alone(inspector: Inspector) -> None:
    assert await Elsewhere(inspector.connection, "saved").fetchval("select $1::text", "of live.record") == "of live.record"
