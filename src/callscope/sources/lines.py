"""Lines of a file that may be compressed, read in constant memory and refused where they grow beyond all reason."""

import io
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from callscope.sources import Refusal, SourceError
from callscope.sources.refusal_codes import RefusalCode

MAX_LINE_BYTES = 16 * 2**20
MAX_EXPANSION = 200
EXPANSION_IS_FREE_BELOW = 64 * 2**20

CHUNK = 64 * 2**10
GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 16 + zlib.MAX_WBITS
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ARCHIVES = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "an empty zip archive",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"\xfd7zXZ\x00": "packed with xz",
    b"BZh": "packed with bzip2",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
}
"""What packed files that are not unpacked here begin with. No text of any source does."""
LONGEST_MAGIC = max(map(len, ARCHIVES))


def lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Every line that is not blank, without its end, with its number from 1. Gzip is unpacked on the way."""
    with io.BufferedReader(Chunks(unpacked(file)), CHUNK) as reader:
        number = 0
        while line := reader.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise SourceError(f"line is longer than {MAX_LINE_BYTES // 2**20} MiB", number, RefusalCode.LINE_TOO_LONG)
            if number == 1:
                line = line.removeprefix(BYTE_ORDER_MARK)
            if line := line.strip():
                yield number, line


class DumpLines:
    """The lines of a dump that may be cut off, as dumps are whose client or upload died; once it is read, ``cut`` says where."""

    def __init__(self, file: BinaryIO) -> None:
        self.cut: Refusal | None = None
        self._lines = lines(file)
        self._next: tuple[int, bytes] | None = None
        self._has_begun = False

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return self

    def __next__(self) -> tuple[int, bytes]:
        if self._next is not None:
            held, self._next = self._next, None
            return held
        try:
            found = next(self._lines)
            self._has_begun = True
            return found
        except SourceError as error:
            if error.code is not RefusalCode.TRUNCATED or not self._has_begun:
                raise
            self.cut = error.refusal
            raise StopIteration from None

    def is_cut_in(self, number: int, line: bytes) -> bool:
        """Whether the file ends in the middle of a line, which should be an array of JSON and is none."""
        if not line.startswith(b"[") or line.endswith(b"]"):
            return False
        self._next = next(self, None)
        if self._next is not None:
            return False
        self.cut = self.cut or Refusal(number, None, RefusalCode.TRUNCATED, "line is cut off: the file ends in its middle")
        return True


def unpacked_head(head: bytes) -> bytes:
    """The beginning of a file as text bytes, whether or not it is compressed; as much as can be told from ``head``."""
    if head.startswith(GZIP_MAGIC):
        try:
            head = zlib.decompressobj(GZIP_WINDOW).decompress(head, CHUNK)
        except zlib.error:
            return b""
    return head.removeprefix(BYTE_ORDER_MARK).lstrip()


def first_object(head: bytes) -> Mapping[str, Any] | None:
    """The first object of JSON in a head, or of an array there; None where it is none, or not whole."""
    text = head.decode("utf-8", "replace").lstrip("[ \t\r\n")
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def unpacked(file: BinaryIO) -> Iterator[bytes]:
    # The magic number may be split over two short reads of a pipe.
    first = file.read(CHUNK)
    while 0 < len(first) < LONGEST_MAGIC and (more := file.read(CHUNK)):
        first += more
    for magic, what in ARCHIVES.items():
        if first.startswith(magic):
            raise SourceError(f"file is {what}: send what is in it, plain or as gzip", code=RefusalCode.FILE_PACKED)
    chunks = _chunks(first, file)
    return _gunzip(chunks) if first.startswith(GZIP_MAGIC) else chunks


def _chunks(first: bytes, file: BinaryIO) -> Iterator[bytes]:
    chunk = first
    while chunk:
        yield chunk
        chunk = file.read(CHUNK)


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packed = unpacked = 0
    member = zlib.decompressobj(GZIP_WINDOW)
    for chunk in chunks:
        packed += len(chunk)
        rest, piece = chunk, b""
        # A full piece may leave output inside the decompressor although it took all the input.
        while rest or len(piece) == CHUNK:
            if member.eof:
                member = zlib.decompressobj(GZIP_WINDOW)
            try:
                piece = member.decompress(rest, CHUNK)
            except zlib.error:
                raise SourceError("file looks like gzip but cannot be unpacked", code=RefusalCode.FILE_PACKED) from None
            rest = member.unused_data if member.eof else member.unconsumed_tail
            unpacked += len(piece)
            if unpacked > EXPANSION_IS_FREE_BELOW and unpacked > MAX_EXPANSION * packed:
                told = f"file expands to more than {MAX_EXPANSION} times its size: send it in parts, or less packed"
                raise SourceError(told, code=RefusalCode.FILE_TOO_EXPANDED)
            yield piece
            if member.eof and not rest:
                break
    if not member.eof:
        raise SourceError("file is gzip that ends in the middle", code=RefusalCode.TRUNCATED)


class Chunks(io.RawIOBase):
    """A raw stream over an iterator of bytes, so that the standard buffered reader can split it into lines."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
