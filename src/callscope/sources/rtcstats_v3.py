"""Browser traces of rtcstats.com, version 3: a line ``RTCStatsDump``, one of metadata, then arrays of JSON, plain or gzip.

An array is ``[method, peer connection, value, …, milliseconds since the line before]``. One that is damaged is refused and the
others are kept: where differences of statistics are lost with it, counters catch up with the next that change them.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from callscope.sources import Refusal, SourceError
from callscope.sources.lines import DumpLines, unpacked_head
from callscope.sources.rtcstats_v3_names import METHODS
from callscope.sources.rtcstats_v3_trace import Row, Trace
from callscope.sources.webrtc_page_records import PageRecords
from callscope.telemetry import Telemetry

MAGIC = b"RTCStatsDump"
VERSION = 3
NO_CONNECTION = "undefined-undefined"
"""What Chrome before 145 called the peer connection of some events."""


def recognises(head: bytes) -> bool:
    """Whether a file that begins so is a dump of this kind; of any version, so that older ones are refused by name."""
    return unpacked_head(head).startswith(MAGIC)


def read(file: BinaryIO, *, call_id: str | None = None) -> Iterator[Telemetry | Refusal]:
    """The telemetry of one dump, for a call of its own unless ``call_id`` names one. Damaged lines come as refusals."""
    numbered = DumpLines(file)
    return read_lines(next(numbered, (0, b"")), numbered, call_id)


def read_lines(first: tuple[int, bytes], rest: DumpLines, call_id: str | None) -> Iterator[Telemetry | Refusal]:
    """The same, from the lines of a file and their numbers."""
    trace = Trace(_metadata(first, rest))
    records: PageRecords | None = None
    for number, line in rest:
        found = _row(line, number)
        if isinstance(found, Refusal):
            if rest.is_cut_in(number, line):
                break
            yield found
        elif found is not None:
            trace.take_row(found, line)
        if trace.blocks.has_full:
            records = records or trace.records(call_id)
            yield from records.full_blocks()
    trace.finish()
    records = records or trace.records(call_id)
    yield from records.rest()
    if rest.cut is not None or not trace.is_closed:
        yield from records.truncation(rest.cut)


def _metadata(first: tuple[int, bytes], rest: DumpLines) -> dict[str, Any]:
    if first[1] != MAGIC:
        raise SourceError(f"file is no rtcstats dump: its first line should be {MAGIC.decode()}", first[0] or None)
    second, line = next(rest, (first[0], b""))
    try:
        metadata = orjson.loads(line)
    except orjson.JSONDecodeError:
        metadata = None
    if not isinstance(metadata, dict):
        raise SourceError("second line of an rtcstats dump should be a JSON object of metadata", second)
    version = metadata.get("fileFormat")
    if version != VERSION:
        told = f"is of version {version}" if isinstance(version, int | float) else "does not tell its version (fileFormat)"
        raise SourceError(f"rtcstats dump {told}; only version {VERSION} can be read, and Jitsi's JSON lines", second)
    return metadata


def _row(line: bytes, number: int) -> Row | Refusal | None:
    """None for what is no array, which the format says to ignore."""
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Refusal(number, None, "json_invalid", f"should be one JSON array in UTF-8: {error.msg}")
    match told:
        case [str() | int() as method, None | str() | int() as connection, *values, int() | float() as delta]:
            data, subject = [*values, None, None][:2]
            named = None if connection is None or connection == NO_CONNECTION else str(connection)
            return Row(METHODS.get(str(method), str(method)), named, data, subject, delta)
        case list():
            return Refusal(number, None, "row_invalid", "should be [method, peer connection or null, value, …, milliseconds]")
    return None
