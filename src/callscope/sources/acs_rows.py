"""Rows of an export of ACS logs, whatever holds them: a JSON array, NDJSON or CSV, plain or gzip, read in constant memory.

A row is a mapping as it was told, with the line on which it begins. Azure writes NDJSON to storage accounts, objects of the form
``{"records": [...]}`` to event hubs, and CSV or one array from queries of Log Analytics.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

import orjson

from callscope.sources import Refusal, SourceError, in_row
from callscope.sources.lines import BYTE_ORDER_MARK, CHUNK, MAX_LINE_BYTES, Chunks, lines, unpacked

HEAD = 4096
UTC_MARK = re.compile(r"\s*\[UTC\]$", re.IGNORECASE)
"""What the portal writes behind the names of columns of time when it exports CSV."""

_BETWEEN = re.compile(r"[ \t\r\n,]*")


class Told(NamedTuple):
    """A row as it was told. ``number`` counts rows from 1 where several may share a line, else it is None."""

    line: int
    columns: Mapping[str, Any]
    number: int | None = None


def rows(file: BinaryIO) -> Iterator[Told | Refusal]:
    """The rows of a file in order. Raises SourceError where no further row can be told from the next."""
    reader = _reader(unpacked(file))
    head = reader.read(HEAD)
    whole = _reader(chain([head], iter(lambda: reader.read(CHUNK), b"")))
    text = head.removeprefix(BYTE_ORDER_MARK).lstrip()
    if text.startswith(b"{") and _is_line(text):
        yield from _ndjson(whole)
    elif text[:1] in {b"[", b"{"}:
        yield from _values(whole)
    else:
        yield from _csv(whole)


def first_row(text: str) -> Mapping[str, Any] | None:
    """The first row of the beginning of a file; None where it is no row, or not whole."""
    try:
        if not text.startswith(("[", "{")):
            header = next(csv.reader([text.partition("\n")[0]], delimiter=_delimiter(text)), [])
            return dict.fromkeys(map(_column, header), "?")
        value, _ = _DECODER.raw_decode(text.lstrip("[ \t\r\n"))
    except (csv.Error, ValueError, RecursionError):
        return None
    return next((row for row in _objects(value) if row is not None), None)


def _reader(chunks: Iterator[bytes]) -> io.BufferedReader:
    return io.BufferedReader(Chunks(chunks), CHUNK)


def _is_line(text: bytes) -> bool:
    """Whether the first line holds an object, as far as is known; otherwise it is the beginning of one printed over several."""
    line, end, _ = text.partition(b"\n")
    return not end or line.rstrip().endswith(b"}")


def _objects(value: Any) -> Iterator[Mapping[str, Any] | None]:
    """The rows that a JSON value holds; None for what is no row."""
    if isinstance(value, dict):
        records = next((item for name, item in value.items() if name.lower() == "records"), None)
        if not isinstance(records, list):
            yield value
            return
        value = records
    if not isinstance(value, list):
        yield None
        return
    for item in value:
        yield item if isinstance(item, dict) else None


def _told(line: int, value: Any, number: int | None = None) -> Iterator[Told | Refusal]:
    found = list(_objects(value))
    for place, row in enumerate(found, 1):
        counted = place if len(found) > 1 else number
        if row is not None:
            yield Told(line, row, counted)
        else:
            yield Refusal(line, None, "row_invalid", in_row("should be a JSON object", counted))


# NDJSON.


def _ndjson(reader: io.BufferedReader) -> Iterator[Told | Refusal]:
    for number, line in lines(reader):
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield Refusal(number, None, "json_invalid", f"should be one JSON object in UTF-8: {error.msg}")
        else:
            yield from _told(number, value)


# Arrays, and objects printed over several lines.


def _integer(digits: str) -> float:
    # As orjson does: what no database integer holds becomes a float.
    return int(digits) if len(digits) <= 18 else float(digits)


_DECODER = json.JSONDecoder(parse_int=_integer)


def _values(reader: io.BufferedReader) -> Iterator[Told | Refusal]:
    text = _Text(reader)
    depth = number = 0
    while begins := text.next():
        if begins == "[":
            depth += 1
        elif begins == "]":
            depth -= 1
        else:
            number += 1
            yield from _told(*text.value(), number)
            continue
        text.at += 1
        if depth < 0:
            raise SourceError("array ends that never began", text.line)
    if depth:
        raise SourceError("file ends in the middle of its array", text.line)


class _Text:
    """JSON text, of which only the row that is read is held."""

    def __init__(self, reader: io.BufferedReader) -> None:
        self._reader = reader
        # Broken bytes become surrogates, for which their row is refused.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._ended = False
        self.buffer = ""
        self.at = 0
        self.line = 1
        self._read(CHUNK)
        self.buffer = self.buffer.removeprefix("\ufeff")

    def next(self) -> str:
        """The character with which the next value or bracket begins; empty at the end."""
        while True:
            match = _BETWEEN.match(self.buffer, self.at)
            self._advance(match.end() if match else self.at)
            if self.at < len(self.buffer) or self._ended:
                return self.buffer[self.at : self.at + 1]
            self._read(CHUNK)

    def value(self) -> tuple[int, Any]:
        """The value that begins here, with its line."""
        line = self.line
        while True:
            try:
                value, end = _DECODER.raw_decode(self.buffer, self.at)
            except RecursionError:
                raise SourceError("row is nested too deeply", line) from None
            except ValueError as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number is too long"
            else:
                if end < len(self.buffer) or self._ended:
                    self._advance(end)
                    return line, value
            size = len(self.buffer) - self.at
            if self._ended:
                raise SourceError(f"row is not JSON, or the file ends in its middle: {reason}", line)
            if size > MAX_LINE_BYTES:
                raise SourceError(f"row is not JSON, or longer than {MAX_LINE_BYTES // 2**20} MiB", line)
            # Twice as much each time, so that trying again costs no more than reading did.
            self._read(max(size, CHUNK))

    def _advance(self, to: int) -> None:
        self.line += self.buffer.count("\n", self.at, to)
        self.at = to

    def _read(self, size: int) -> None:
        read = self._reader.read(size)
        self._ended = not read
        self.buffer = self.buffer[self.at :] + self._decoder.decode(read, final=self._ended)
        self.at = 0


# CSV.


def _csv(reader: io.BufferedReader) -> Iterator[Told | Refusal]:
    texts = _texts(reader)
    first = next(texts, "")
    table = csv.reader(chain([first], texts), delimiter=_delimiter(first), strict=True)
    header: list[str] | None = None
    number = 0
    while True:
        line = table.line_num + 1
        try:
            row = next(table, None)
        except csv.Error as error:
            yield Refusal(line, None, "csv_invalid", f"should be CSV with double quotes: {error}")
            continue
        if row is None:
            return
        if header is None:
            header = [_column(name) for name in row]
            continue
        if not row:
            continue
        number += 1
        if len(row) == len(header):
            yield Told(line, dict(zip(header, row, strict=True)), number)
        else:
            yield Refusal(line, None, "row_invalid", f"should have {len(header)} fields as the header has, not {len(row)}")


def _texts(reader: io.BufferedReader) -> Iterator[str]:
    for number, line in enumerate(iter(lambda: reader.readline(MAX_LINE_BYTES + 1), b""), 1):
        if len(line) > MAX_LINE_BYTES:
            raise SourceError(f"line is longer than {MAX_LINE_BYTES // 2**20} MiB", number)
        yield line.decode("utf-8", "surrogateescape").removeprefix("\ufeff")


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _column(name: str) -> str:
    return UTC_MARK.sub("", name.strip())
