"""Gives out what was told of a call as our own NDJSON: imported elsewhere, it gives the same answers.

One record a line: those of the catalog by kind, events in order of time, then samples by series. The order depends on nothing
but what was told, so the export of an import of an export is the same, byte for byte. Not in it is what the receiver makes
itself: when telemetry arrived, which also dates a call of which no record tells an instant, and what is derived.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import asyncpg
import orjson

from callscope.query.ids import decode_id
from callscope.storage.keys import key_of
from callscope.storage.telemetry_rows import TelemetryRows, one_state
from callscope.telemetry import TYPES

REVISION = ("revisionOf", "version", "participantId", "connectionId", "streamId")
"""What is known of the event of a revision by its note."""
KINDS = [kind for kind in TYPES if kind not in ("event", "samples")]
"""Of the records that are kept as they were told."""


async def find_call(connection: asyncpg.Connection, project_id: int, name: str) -> int | None:
    """The key of a call by the platform's id or by its global one; None where the project has no such call."""
    tag, keys = decode_id(name) or ("", [])
    for call_key in [key_of(name), *(keys if tag == "call" and len(keys) == 1 else [])]:
        if await TelemetryRows(connection, project_id, call_key).call_id() is not None:
            return call_key
    return None


async def count_rows(connection: asyncpg.Connection, project_id: int, call_key: int) -> int:
    """How much there is to export: records, events and samples, as ``advance`` of ``export_call`` counts them."""
    return await TelemetryRows(connection, project_id, call_key).count(KINDS)


async def export_call(
    connection: asyncpg.Connection, project_id: int, call_key: int, advance: Callable[[int], object] = lambda rows: None
) -> AsyncGenerator[bytes, None]:
    """Lines of NDJSON, some hundred KB of them at a time, of one state of the call; none where there is no such call.

    Memory does not grow with the call. ``advance`` hears of how many rows each piece was made. An iterator that is not read to
    its end should be closed (``contextlib.aclosing``): it holds a transaction open.
    """
    async with one_state(connection):
        rows = TelemetryRows(connection, project_id, call_key)
        call_id = await rows.call_id()
        for kind in KINDS:
            start = _start(kind, call_id)
            async for bodies in rows.records(kind):
                yield b"".join(_line(start | orjson.loads(body)) for body in bodies)
                advance(len(bodies))
        start = _start("event", call_id)
        async for events in rows.events():
            yield b"".join(_line(start | _event(event)) for event in events)
            advance(len(events))
        start, derived = _start("samples", call_id), await rows.derived()
        async for parts in rows.samples():
            told = [part for part in parts if part["series_key"] not in derived]
            yield b"".join(_line(start | orjson.loads(part["series"]) | _points(part)) for part in told)
            advance(sum(part["sample_count"] for part in told))


def _start(kind: str, call_id: str | None) -> dict[str, Any]:
    return {"type": kind, "callId": call_id}


def _event(row: Any) -> dict[str, Any]:
    told = {
        "at": row["at"],
        "category": row["category"],
        "name": row["name"],
        "severity": row["severity"],
        "outcome": row["outcome"],
        "code": row["code"],
        "subcode": row["subcode"],
        "message": row["message"],
        # Not as PostgreSQL writes it: with its spaces, what came in a line of the greatest length would not fit into one.
        "payload": None if row["payload"] is None else orjson.loads(row["payload"]),
        "durationMs": row["duration_ms"],
        "participantId": row["participant_id"],
        "connectionId": row["connection_id"],
        "streamId": row["stream_id"],
    }
    if row["revision"] is not None:
        told |= {name: value for name, value in orjson.loads(row["revision"]).items() if name in REVISION}
    return {name: value for name, value in told.items() if value is not None}


def _points(row: Any) -> dict[str, Any]:
    return {name: orjson.Fragment(f"[{row[name]}]") for name in ("times", "values")}


def _line(record: dict[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)
