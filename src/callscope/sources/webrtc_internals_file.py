"""A webrtc-internals dump as one JSON object, or what there is of one that is cut off.

A dump is held in memory, once as text and once as values: at most 256 MiB of text, unpacked, and some three times as much while
it is read.
"""

import re
from typing import Any, BinaryIO

import orjson

from callscope.sources import SourceError
from callscope.sources.lines import BYTE_ORDER_MARK, unpacked
from callscope.sources.refusal_codes import RefusalCode

MAX_BYTES = 256 * 2**20
KEYS = frozenset({"PeerConnections", "getUserMedia"})

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["{}\[\],]', re.DOTALL)
"""A text, or what opens, parts or closes; a quotation mark alone is that of a text without end."""
_CLOSING = {b"{": b"}", b"[": b"]"}


def load(file: BinaryIO) -> tuple[dict[str, Any], bool]:
    """The dump, and whether it is cut off. Raises SourceError where it is none."""
    text, is_cut = _read(file)
    if not text or text.isspace():
        raise SourceError("file is empty")
    try:
        dump = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        dump, is_cut = _whole_part(text), True
        if dump is None:
            told = f"file is no webrtc-internals dump, or damaged: it should be one JSON object: {error}"
            raise SourceError(told) from None
    if not isinstance(dump, dict) or not dump.keys() & KEYS:
        raise SourceError("file is no webrtc-internals dump: it should be an object with PeerConnections or getUserMedia")
    return dump, is_cut


def _read(file: BinaryIO) -> tuple[bytearray, bool]:
    """The text, and whether it is packed and ends in the middle."""
    text, is_cut = bytearray(), False
    try:
        for chunk in unpacked(file):
            text += chunk
            if len(text) > MAX_BYTES:
                raise SourceError(f"dump is larger than {MAX_BYTES // 2**20} MiB")
    except SourceError as error:
        if error.code is not RefusalCode.TRUNCATED or not text:
            raise
        is_cut = True
    if text.startswith(BYTE_ORDER_MARK):
        del text[: len(BYTE_ORDER_MARK)]
    return text, is_cut


def _whole_part(text: bytearray) -> Any:
    """The values that are whole in text that ends too early; None where it is broken before."""
    opened: list[bytes] = []
    end = 0
    for match in _TOKEN.finditer(text):
        token = bytes(match[0])
        if token == b'"':
            break
        if token in _CLOSING:
            opened.append(_CLOSING[token])
            end = match.end()
        elif token in {b"}", b"]"}:
            if not opened or opened.pop() != token:
                return None
            end = match.end()
        elif token == b",":
            # What comes before is whole; what comes behind need not be.
            end = match.start()
    try:
        return orjson.loads(text[:end] + b"".join(reversed(opened)))
    except orjson.JSONDecodeError:
        return None
