import gzip
import io
import json

import pytest

from callscope.sources import Refusal, SourceError, acs_rows
from callscope.sources.acs_rows import Told, first_row, rows


class OneByteAtATime(io.BytesIO):
    """A pipe that delivers as little as it may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, 1) if size is not None and size > 0 else size)


def read(data: bytes) -> list[Told | Refusal]:
    return list(rows(io.BytesIO(data)))


def fault(data: bytes) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(data)
    return caught.value


def columns(data: bytes) -> list[dict]:
    return [row.columns for row in read(data)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1}\n\n{"a": 2}',
        b'\xef\xbb\xbf  {"a": 1}\r\n{"a": 2}\r\n',
        b'[{"a": 1}, {"a": 2}]',
        b'\xef\xbb\xbf[\n {"a": 1},\n {"a": 2}\n]\n',
        b'{\n "a": 1\n}\n{\n "a": 2\n}\n',
        b'[{"a": 1}]\n[{"a": 2}]\n',
        b'{"records": [{"a": 1}, {"a": 2}]}',
        b'{"records": [{"a": 1}]}\n{"Records": [{"a": 2}]}\n',
        b'{"a": 1}\n[{"a": 2}]\n',
    ],
)
def test_json_however_it_is_written(data, pack):
    assert columns(pack(data)) == [{"a": 1}, {"a": 2}]
    assert [row.columns for row in rows(OneByteAtATime(pack(data)))] == [{"a": 1}, {"a": 2}]


def test_each_row_knows_its_line():
    assert [(row.line, row.number) for row in read(b'{"a": 1}\n\n{"a": 2}\n')] == [(1, None), (3, None)]
    assert [(row.line, row.number) for row in read(b'[\n{"a":\n1},\n{"a": 2}\n]')] == [(2, 1), (4, 2)]
    assert [(row.line, row.number) for row in read(b'a,b\n1,"x\ny"\n\n2,z\n')] == [(2, 1), (5, 2)]


def test_what_is_no_object_is_refused():
    for data in (b'{"a": 1}\n7\n{"records": [7]}\n', b'[{"a": 1}, 7, {"records": ["x"]}]'):
        told, *refusals = read(data)
        assert told.columns == {"a": 1}
        assert [refusal.code for refusal in refusals] == ["row_invalid", "row_invalid"]
    assert columns(b'{"records": "none"}\n') == [{"records": "none"}]


def test_a_long_array_is_read_in_pieces():
    many = [{"n": number, "text": "é" * 100} for number in range(5000)]
    assert columns(json.dumps(many, ensure_ascii=False).encode()) == many
    long = [{"text": "x" * 500_000}, {"text": "y"}]
    assert columns(json.dumps(long).encode()) == long


def test_whole_numbers_beyond_a_database_become_floats():
    assert columns(b'[{"a": 123456789012345678, "b": 12345678901234567890}]') == [
        {"a": 123456789012345678, "b": 12345678901234567890.0}
    ]


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b'[{"a": 1},\n{"a": 2', 2, "the file ends in its middle"),
        (b'[{"a": 1},\n', 2, "in the middle of its array"),
        (b'[{"a": 1}]\n]', 2, "array ends that never began"),
        (b'[{"a": 1},\n{"a" 2}]', 2, "is not JSON"),
        (b"[" + b'{"a":' * 100_000, 1, "nested too deeply"),
    ],
)
def test_an_array_that_is_broken(data, line, reason):
    error = fault(data)
    assert (error.line, reason in error.reason) == (line, True), error.reason


def test_a_row_beyond_all_reason(monkeypatch):
    monkeypatch.setattr(acs_rows, "MAX_LINE_BYTES", 100_000)
    assert "longer than" in fault(b'[{"a": "' + b"x" * 400_000).reason
    assert "line is longer" in fault(b"a,b\n" + b"x" * 100_001).reason


@pytest.mark.parametrize("delimiter", [b",", b";", b"\t"])
def test_csv(delimiter):
    data = b'\xef\xbb\xbfa,"TimeGenerated [UTC]", c \n1,"x ""y""",\n'.replace(b",", delimiter)
    assert columns(data) == [{"a": "1", "TimeGenerated": 'x "y"', "c": ""}]


def test_rows_of_csv_that_are_broken_are_refused_one_by_one():
    told, *others = read(b'a,b\n1,2\n1,2,3\n1,"2"3\n4,5\n6,"7')
    assert told.columns == {"a": "1", "b": "2"}
    assert [(row.line, getattr(row, "code", None)) for row in others] == [
        (3, "row_invalid"),
        (4, "csv_invalid"),
        (5, None),
        (6, "csv_invalid"),
    ]


def test_broken_utf_8_stays_visible():
    assert columns(b"a\n\xff\n") == [{"a": "\udcff"}]
    assert columns(b'[{"a": "\xff"}]') == [{"a": "\udcff"}]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ('{"a": 1}\n{', {"a": 1}),
        ('[\n {"a": 1},\n {', {"a": 1}),
        ("a, b\n1,2", {"a": "?", "b": "?"}),
        ("", {}),
        ('{"a": ', None),
        ("[1, 2]", None),
        ("[" * 100_000, None),
        ('[{"a":' * 100_000, None),
        ("a\rb", None),
    ],
)
def test_the_first_row_of_a_head(text, row):
    assert first_row(text) == row
