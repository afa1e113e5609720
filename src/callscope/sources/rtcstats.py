"""Browser traces of rtcstats: Jitsi's JSON lines ``[event, peer connection, data, timestamp]``, plain or gzip.

What a file must look like is decided here; what it tells, in rtcstats_dump; and what it is called, in rtcstats_records. The other
kind, rtcstats.com's, is told by its first line and read by rtcstats_v3.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

import orjson

from callscope.sources import Refusal, SourceError, rtcstats_v3
from callscope.sources.lines import DumpLines, unpacked_head
from callscope.sources.rtcstats_dump import Dump, Line
from callscope.sources.rtcstats_records import Records
from callscope.sources.webrtc_counters import clock_time
from callscope.telemetry import Telemetry

_FIRST_LINE = re.compile(rb'\[\s*"[^"\\]{1,200}"\s*,\s*(?:null|"[^"\\]{0,200}")\s*[,\]]')
_COMPONENT = re.compile(rb'\{\s*(?:"(?:type|data)"\s*:\s*"[^"\\]{0,200}"\s*,\s*){0,2}"statsSessionId"\s*:')
"""The beginning of a line of a server component, whose long data comes last."""
_MAX_EVENT_NAME = 200


def recognises(head: bytes) -> bool:
    """Whether a file that begins so is a trace of this kind. A hundred bytes are enough, some thousand if it is gzip."""
    text = unpacked_head(head)
    # A server component's dump is of this kind too, if only to be refused by its name.
    is_component = _COMPONENT.match(text) is not None
    return is_component or rtcstats_v3.recognises(head) or _FIRST_LINE.match(text) is not None


def read(file: BinaryIO, *, call_id: str | None = None) -> Iterator[Telemetry | Refusal]:
    """The telemetry of one trace, for the conference that it names unless ``call_id`` says otherwise.

    Records come as they are complete: a fault in the middle of a Jitsi file raises SourceError after some have come. One that is
    cut off is read up to there, and told to be so.
    """
    numbered = DumpLines(file)
    first = next(numbered, None)
    if first is None:
        raise SourceError("file is empty")
    read_lines = rtcstats_v3.read_lines if first[1] == rtcstats_v3.MAGIC else _read_jitsi
    yield from read_lines(first, numbered, call_id)


def _read_jitsi(first: tuple[int, bytes], rest: DumpLines, call_id: str | None) -> Iterator[Telemetry | Refusal]:
    dump = Dump()
    records = Records(dump, call_id)
    dump.take(_line(first[1], first[0]))
    for number, line in rest:
        try:
            told = _line(line, number)
        except SourceError:
            if rest.is_cut_in(number, line):
                break
            raise
        dump.take(told)
        yield from records.ready()
    dump.finish()
    yield from records.rest()
    yield from records.truncation(rest.cut)


def _line(line: bytes, number: int) -> Line:
    is_first = number == 1
    if b"\x00" in line:
        raise SourceError("line contains a NUL byte: the file is damaged or not text", number)
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        what = "file is not a Jitsi rtcstats dump: its first line" if is_first else "line"
        raise SourceError(f"{what} is not JSON: {error.msg}", number) from None
    if isinstance(told, dict) and "statsSessionId" in told and "type" in told:
        raise SourceError("file is the dump of a server component (bridge, focus, gateway); dumps of browsers are wanted", number)
    match told:
        case [str(name), None | str() as connection, *rest] if 0 < len(name) <= _MAX_EVENT_NAME:
            # Some clients put a running number behind the timestamp, and some lines have no timestamp.
            data, at = [*rest, None, None][:2]
            return Line(name, connection, data, clock_time(at), line)
    what = "file is not a Jitsi rtcstats dump: its first line" if is_first else "line"
    raise SourceError(f"{what} is not of the form [event, peer connection or null, data, timestamp]", number)
