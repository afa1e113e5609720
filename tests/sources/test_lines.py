import gzip
import io

import pytest
from traces import packed

from callscope.sources import SourceError, lines
from callscope.sources.lines import lines as read_lines
from callscope.sources.lines import unpacked_head


class OneByteAtATime(io.BytesIO):
    """A pipe that delivers as little as it may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, 1) if size is not None and size > 0 else size)


def read(data: bytes) -> list[tuple[int, bytes]]:
    return list(read_lines(io.BytesIO(data)))


def fault(data: bytes) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(data)
    return caught.value


def test_numbers_lines_and_passes_over_blank_ones():
    assert read(b"\xef\xbb\xbfone\r\n\r\n  \ntwo") == [(1, b"one"), (4, b"two")]


def test_an_empty_file_has_no_lines():
    assert read(b"") == []


@pytest.mark.parametrize("pack", [bytes, packed])
def test_reads_from_a_slow_pipe(pack):
    assert list(read_lines(OneByteAtATime(pack(b"one\ntwo\n")))) == [(1, b"one"), (2, b"two")]


def test_unpacks_gzip_of_several_members_and_any_size():
    body = b"".join(b"%d\n" % number for number in range(200_000))
    assert [line for _, line in read(packed(body[:700_000]) + packed(body[700_000:]))] == body.split()
    assert read(packed(b"x" * 300_000 + b"\ny"))[1] == (2, b"y")


def test_refuses_a_line_that_is_too_long(monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    assert len(read(b"x" * 999 + b"\n" + b"y")) == 2
    error = fault(b"x\n" + b"y" * 1001)
    assert error.line == 2
    assert "longer than" in error.reason


def test_does_not_read_a_huge_line_to_its_end():
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size=-1):
            self.given += size
            return b"x" * size

    endless = Endless()
    with pytest.raises(SourceError, match="longer than 16 MiB"):
        list(read_lines(endless))
    assert endless.given < 17 * 2**20


def test_leaves_nul_to_those_who_read_the_lines():
    assert read(b"a\nb\x00c\n") == [(1, b"a"), (2, b"b\x00c")]


def test_refuses_damaged_and_cut_gzip():
    whole = packed(b"one\ntwo\n" * 100)
    assert "cannot be unpacked" in fault(whole[:10] + b"\xff" * 20).reason
    assert "ends in the middle" in fault(whole[:-9]).reason


def test_refuses_a_bomb(monkeypatch):
    monkeypatch.setattr(lines, "EXPANSION_IS_FREE_BELOW", 100_000)
    assert "times its size" in fault(gzip.compress((b"x" * 999 + b"\n") * 10_000)).reason
    assert read(gzip.compress(b"x\n" * 1000))


def test_the_head_is_seen_through_gzip():
    assert unpacked_head(b"\xef\xbb\xbf  [1]") == b"[1]"
    assert unpacked_head(packed(b"[1]" * 5000)[:60]).startswith(b"[1][1]")
    assert unpacked_head(b"\x1f\x8bnonsense") == b""
