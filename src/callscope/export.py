"""Gives out what was told of a call as our own NDJSON: imported elsewhere, it gives the same answers.

One record a line: those of the catalog by kind, events in order of time, then samples by series. The order depends on nothing
but what was told, so the export of an import of an export is the same, byte for byte. Not in it is what the receiver makes
itself: when telemetry arrived, which also dates a call of which no record tells an instant, and what is derived.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Any, NamedTuple

import asyncpg
import orjson

from callscope.aging import remove_aged
from callscope.query.ids import decode_id
from callscope.storage.call_locks import TAKE
from callscope.storage.keys import key_of
from callscope.storage.telemetry_rows import TelemetryRows, one_state
from callscope.telemetry import TYPES

REVISION = ("revisionOf", "version", "participantId", "connectionId", "streamId")
"""What is known of the event of a revision by its note."""
LIVE, SAVED = "live", "saved"
OF_SAVED = ("session", "savedcall")
"""What the ids of saved sessions and of their calls begin with."""
KINDS = [kind for kind in TYPES if kind not in ("event", "samples")]
"""Of the records that are kept as they were told."""


class Place(NamedTuple):
    """Where a call is: among the live ones, or as a saved session kept it."""

    call_key: int
    schema: str = LIVE


async def find_call(connection: asyncpg.Connection, project_id: int, name: str) -> int | None:
    """The key of a live call by the platform's id or by its global one; None where the project has none that can be read.

    What of it has passed its time, and is there still, is removed here: it must not be given out.
    """
    tag, keys = decode_id(name) or ("", [])
    for call_key in [key_of(name), *(keys if tag == "call" and len(keys) == 1 else [])]:
        state = await TelemetryRows(connection, project_id, call_key).state()
        if state is not None:
            if state.has_aged:
                await _forget_aged(connection, project_id, call_key)
            return call_key
    return None


async def find(connection: asyncpg.Connection, project_id: int, name: str) -> Place | None:
    """As ``find_call``, or the call of a saved session, by one of the two global ids."""
    call_key = await find_call(connection, project_id, name)
    if call_key is not None:
        return Place(call_key)
    tag, keys = decode_id(name) or ("", [])
    if tag in OF_SAVED and len(keys) == 1:
        saved = Place(keys[0], SAVED)
        if await TelemetryRows(connection, project_id, saved.call_key, schema=SAVED).state() is not None:
            return saved
    return None


async def _forget_aged(connection: asyncpg.Connection, project_id: int, call_key: int) -> None:
    async with connection.transaction():
        await connection.execute(TAKE, project_id, call_key)
        await remove_aged(connection, project_id, call_key)


async def count_rows(connection: asyncpg.Connection, project_id: int, call_key: int, *, schema: str = LIVE) -> int:
    """How much there is to export: records, events and samples, as ``advance`` of ``export_call`` counts them."""
    return await TelemetryRows(connection, project_id, call_key, schema=schema).count(KINDS)


async def export_call(
    connection: asyncpg.Connection,
    project_id: int,
    call_key: int,
    advance: Callable[[int], object] = lambda rows: None,
    *,
    schema: str = LIVE,
) -> AsyncGenerator[bytes, None]:
    """Lines of NDJSON, some hundred KB of them at a time, of one state of the call; none where there is no such call.

    Memory does not grow with the call. ``advance`` hears of how many rows each piece was made. An iterator that is not read to
    its end should be closed (``contextlib.aclosing``): it holds a transaction open.
    """
    async with one_state(connection):
        rows = TelemetryRows(connection, project_id, call_key, schema=schema)
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
