"""Rows of JSON with the lines on which they begin: one on each line, one printed over several, or those of an array.

A row that is no JSON costs itself alone: the next begins with the next line that opens an object.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, cast

from callscope.sources import Refusal, SourceError
from callscope.sources.lines import lines

MAX_PRINTED = 32 * 2**10
"""Characters of a row that is printed over several lines."""

_BETWEEN = re.compile(r"[\s,\]]*")


class Told(NamedTuple):
    """A row as it was told. ``number`` counts those of an array from 1, which may share a line; else it is None."""

    line: int
    value: Any
    number: int | None = None


def rows(file: BinaryIO) -> Iterator[Told | Refusal]:
    """The values of a file in order, read in constant memory."""
    text = _Rows()
    number = 0
    for number, line in lines(file):
        yield from text.take(number, line)
    if not number:
        raise SourceError("file is empty")
    yield from text.rest(number)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= 18 else float(digits)


_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_no_number)


class _Rows:
    def __init__(self) -> None:
        self._pending = ""
        self._begun = 1
        self._number = 0
        self._open = 0
        """Braces that are open in what is pending, if none is inside a text."""
        self._is_array = False
        self._is_closed = False
        self._is_lost = False
        """Whether the rest of a row that is refused still goes on."""

    def take(self, number: int, line: bytes) -> Iterator[Told | Refusal]:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            yield from self._flush()
            yield Refusal(number, None, "json_invalid", "should be JSON in UTF-8")
            return
        if number == 1 and text.startswith("["):
            self._is_array, text = True, text[1:]
        if text.startswith("{"):
            yield from self._flush()
            self._is_lost = False
        if self._is_lost:
            return
        self._begun = self._begun if self._pending else number
        self._pending = f"{self._pending}\n{text}" if self._pending else text
        self._open += text.count("{") - text.count("}")
        if self._open <= 0:
            yield from self._decode(number)
        if len(self._pending) > MAX_PRINTED:
            yield from self._flush()
            self._is_lost = True

    def rest(self, number: int) -> Iterator[Told | Refusal]:
        yield from self._flush()
        if self._is_array and not self._is_closed:
            yield Refusal(number, None, "truncated", "array should end: the file is cut off")

    def _decode(self, number: int) -> Iterator[Told]:
        """What is whole of what is pending."""
        at = 0
        while True:
            between = cast("re.Match[str]", _BETWEEN.match(self._pending, at))
            self._is_closed = self._is_closed or "]" in between[0]
            at = between.end()
            try:
                value, end = _DECODER.raw_decode(self._pending, at)
            except (ValueError, RecursionError):
                break
            self._number += 1
            yield Told(self._begun, value, self._number if self._is_array else None)
            at, self._begun = end, number
        self._pending = self._pending[at:]
        self._open = 0 if not self._pending else self._open

    def _flush(self) -> Iterator[Told | Refusal]:
        """Refuse what is pending, if it is not whole after all."""
        yield from self._decode(self._begun)
        if self._pending:
            yield Refusal(self._begun, None, "json_invalid", "should be one JSON object")
        self._pending, self._open = "", 0
