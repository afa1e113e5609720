"""Reading what was told, in pieces: how PostgreSQL goes about it, and where pieces end. What they hold: ``test_export.py``."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from callscope.simulation import CallPlan, simulate_call
from callscope.storage import telemetry_rows as module
from callscope.storage.keys import key_of
from callscope.storage.telemetry_rows import TelemetryRows, known_project, one_state
from callscope.telemetry import EPOCH
from callscope.vocabulary import Platform

# Sunday night: the call goes on in the next week, which is another partition.
STARTED_AT = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
ALONG_KEYS = {"Index Scan", "Merge Append", "Append", "Limit", "WindowAgg", "Aggregate", "Subquery Scan", "Result"}
# Makes PostgreSQL think that the tables are long, as they would be.
LONG = """
update pg_class set reltuples = 20000000, relpages = greatest(pg_relation_size(oid) / 8192, 1)
where relkind = 'r' and (relname like 'metric_sample_p%' or relname like 'event_p%' or relname = 'record')
"""


@pytest.fixture
async def rows(inspector) -> TelemetryRows:
    """Of a call over two weeks, of which PostgreSQL has no statistics yet."""
    await inspector.tell(simulate_call(CallPlan("x", Platform.JITSI, STARTED_AT, 2, 3)), settled=False)
    return TelemetryRows(inspector.connection, inspector.project_id, key_of("x"))


def nodes(plan):
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


@pytest.mark.parametrize(
    ("sql", "arguments"),
    [
        (module.RECORDS, ("stream", 0, 10, 1000)),
        (module.EVENTS, (STARTED_AT + timedelta(seconds=30), 0, 10, 1000)),
        (module.SAMPLES_BY_SERIES, (0, EPOCH, 10)),
    ],
    ids=["records", "events", "samples"],
)
async def test_a_piece_costs_the_same_however_long_the_call_is(rows, sql, arguments):
    await rows.connection.execute(LONG)
    async with one_state(rows.connection):
        ((text,),) = await rows.connection.fetch(f"explain (format json) {sql}", *rows.call, *arguments)
    found = list(nodes(json.loads(text)[0]["Plan"]))
    assert {node["Node Type"] for node in found} <= ALONG_KEYS
    conditions = [node["Index Cond"] for node in found if node["Node Type"] == "Index Scan"]
    assert [each for each in conditions if "_key" not in each.replace("call_key", "")] == []


async def test_the_session_is_as_it_was_afterwards(rows):
    async with one_state(rows.connection):
        assert await rows.connection.fetchval("show enable_sort") == "off"
        assert await rows.connection.fetchval("show transaction_read_only") == "on"
    assert await rows.connection.fetchval("show enable_sort") == "on"


@pytest.mark.parametrize("size", [1, 2, 1000])
async def test_pieces_follow_one_another(rows, monkeypatch, size):
    monkeypatch.setattr(module, "ROWS", size)
    pieces = [piece async for piece in rows.records("subscriber")]
    assert len({body for piece in pieces for body in piece}) == sum(map(len, pieces)) > 6
    assert {len(piece) for piece in pieces[:-1]} <= {size}
    events = [[row["event_key"] for row in piece] async for piece in rows.events()]
    assert len({key for piece in events for key in piece}) == sum(map(len, events)) > 6


async def test_of_a_call_of_which_nothing_was_told(inspector):
    nothing = TelemetryRows(inspector.connection, inspector.project_id, key_of("x"))
    assert await nothing.call_id() is None
    assert await nothing.count(["call"]) == 0
    assert [piece async for piece in nothing.records("call")] == []
    assert [piece async for piece in nothing.events()] == []
    assert [piece async for piece in nothing.samples()] == []


async def test_a_project_is_known_or_not_and_never_made(inspector):
    assert await known_project(inspector.connection, "test") == inspector.project_id
    assert await known_project(inspector.connection, "other") is None
    assert await inspector.connection.fetchval("select count(*) from callscope.project") == 1
