"""Our own NDJSON: good rows are kept, bad ones refused with line, field, code and what would be right."""

import gzip
import io

import orjson
import pytest

from callscope.sources import Refusal, SourceError, lines, native
from callscope.telemetry import TYPES

GOOD = {"type": "participant", "callId": "x", "participantId": "p"}
EVENT = {"type": "event", "callId": "x", "at": "2026-03-02T12:00:00Z", "category": "OTHER", "name": "n"}
SAMPLES = {
    "type": "samples",
    "callId": "x",
    "metric": "BITRATE",
    "media": "AUDIO",
    "direction": "BOTH",
    "streamId": "s",
    "times": [1_772_452_800_000],
    "values": [1],
}


def read(data, **options):
    return list(native.read(io.BytesIO(data), **options))


def text(row):
    return row if isinstance(row, bytes) else orjson.dumps(row)


def refused(row):
    """The refusal of a row between two good ones, which must be kept."""
    before, found, after = read(b"\n".join(map(text, [GOOD, row, {**GOOD, "participantId": "q"}])))
    assert (before.participant_id, after.participant_id) == ("p", "q")
    assert isinstance(found, Refusal)
    assert found.line == 2
    return found.field, found.code, found.reason


def raw(template, field, json):
    """A row with a value that no JSON writer would write."""
    return orjson.dumps({**template, field: "@"}).replace(b'"@"', json)


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"nonsense",
        b"{'type': 'call'}",
        b'{"type":"call","callId":"x"} {"type":"call","callId":"y"}',
        b'{"type":"call","callId":"x",}',
        b'{"type":"call","callId":"\xff"}',
        b"\x00",
        b'{"type":"call","callId":"a\x00b"}',
        b'\x00{"type":"call","callId":"x"}',
        b'{"type":"call","callId":"a\tb"}',
        raw(GOOD, "displayName", b'"\\ud800"'),
        raw(GOOD, "displayName", b'"\\udc00\\ud800"'),
        raw(GOOD, "displayName", b'"\xed\xa0\x80"'),
        raw(EVENT, "durationMs", b"NaN"),
        raw(EVENT, "durationMs", b"Infinity"),
        raw(EVENT, "durationMs", b"-Infinity"),
        raw(EVENT, "durationMs", b"1e999"),
        raw(EVENT, "at", b"9" * 5000),
        raw(EVENT, "code", b"9" * 5000),
        raw(EVENT, "payload", b"[" * 10_000 + b"]" * 10_000),
        raw(EVENT, "payload", b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    ],
    ids=lambda line: repr(line[:60]),
)
def test_what_is_no_json_is_refused(line):
    field, code, reason = refused(line)
    assert (field, code) == (None, "json_invalid")
    assert reason.startswith("should be one JSON object in UTF-8: ")


@pytest.mark.parametrize("row", [b"1", b"null", b"true", b'"call"', b"[]", b'[{"type":"call","callId":"x"}]'])
def test_what_is_no_object_is_refused(row):
    assert refused(row) == (None, "model_attributes_type", "should be one JSON object")


@pytest.mark.parametrize(
    ("row", "field", "code", "words"),
    [
        ({"callId": "x"}, "type", "union_tag_not_found", [*TYPES, "one of"]),
        ({"type": None, "callId": "x"}, "type", "union_tag_invalid", TYPES),
        ({"type": 5, "callId": "x"}, "type", "union_tag_invalid", TYPES),
        ({"type": "meeting", "callId": "x"}, "type", "union_tag_invalid", TYPES),
        ({"type": "participant", "participantId": "p"}, "callId", "missing", ["required"]),
        ({**GOOD, "callId": ""}, "callId", "string_too_short", ["at least 1"]),
        ({**GOOD, "callId": "x" * 513}, "callId", "string_too_long", ["at most 512"]),
        ({**GOOD, "callId": 5}, "callId", "string_type", ["string"]),
        ({**GOOD, "colour": "red"}, "colour", "extra_forbidden", ["no field", "callscope schema --telemetry"]),
        ({**GOOD, "display_name": "Ada"}, "display_name", "extra_forbidden", ["no field"]),
        ({**GOOD, "sdk": {"title": "x"}}, "sdk.title", "extra_forbidden", ["no field"]),
        ({**GOOD, "sdk": "x"}, "sdk", "model_type", ["should be a JSON object"]),
        ({**GOOD, "devices": {}}, "devices", "list_type", ["list"]),
        ({**GOOD, "devices": [1]}, "devices.0", "model_type", ["should be a JSON object"]),
        ({**GOOD, "devices": [{"kind": "LAMP"}]}, "devices.0.kind", "enum", ["MICROPHONE", "SPEAKER", "CAMERA"]),
        ({**GOOD, "kind": "browser"}, "kind", "enum", ["'BROWSER'", "'SIP'", "'UNKNOWN'"]),
        ({**GOOD, "displayName": 1}, "displayName", "string_type", ["string"]),
        ({**GOOD, "displayName": "a\x00"}, "displayName", "value_error", ["should not contain NUL"]),
        ({**GOOD, "isRedacted": "yes"}, "isRedacted", "bool_type", ["boolean"]),
        ({**GOOD, "version": "1"}, "version", "value_error", ["should be a whole number"]),
        ({**GOOD, "version": -1}, "version", "greater_than_equal", ["greater than or equal to 0"]),
        ({**EVENT, "at": "0000-01-01T00:00:00Z"}, "at", "value_error", ["RFC 3339"]),
        ({**EVENT, "at": "9999-12-31T23:59:59Z"}, "at", "value_error", ["2000 to 2099"]),
        ({**EVENT, "at": "1969-12-31T23:59:59Z"}, "at", "value_error", ["2000 to 2099"]),
        ({**EVENT, "at": 1_772_452_800}, "at", "value_error", ["2000 to 2099"]),
        ({**EVENT, "at": "2026-03-02T12:00:00"}, "at", "value_error", ["offset from UTC", "end in Z"]),
        ({**EVENT, "at": None}, "at", "value_error", ["RFC 3339"]),
        ({**EVENT, "code": 2**31}, "code", "less_than", ["less than 2147483648"]),
        ({**EVENT, "durationMs": 1e308}, "durationMs", "less_than", ["less than"]),
        ({**EVENT, "payload": ["\x00"]}, "payload", "value_error", ["should not contain NUL"]),
        (raw(EVENT, "payload", b"[" * 500 + b"]" * 500), "payload", "value_error", ["nested deeper than 32"]),
        ({**SAMPLES, "metric": "SPEED"}, "metric", "enum", ["'BITRATE'", "'JITTER'", "'MEAN_OPINION_SCORE'"]),
        ({**SAMPLES, "times": SAMPLES["times"] * 2}, None, "value_error", ["times (2) and values (1)", "same length"]),
        ({**SAMPLES, "times": []}, "times", "too_short", ["at least 1"]),
        ({**SAMPLES, "values": []}, "values", "too_short", ["at least 1"]),
        ({**SAMPLES, "values": ["1"]}, "values.0", "float_type", ["valid number"]),
        ({**SAMPLES, "values": [None]}, "values.0", "float_type", ["valid number"]),
        ({**SAMPLES, "values": [-0.001]}, "values.0", "greater_than_equal", ["not be negative", "counter"]),
        ({**SAMPLES, "times": SAMPLES["times"] * 3, "values": [0, 1, -1]}, "values.2", "greater_than_equal", ["not be negative"]),
        ({**EVENT, "durationMs": -1}, "durationMs", "greater_than_equal", ["greater than or equal to 0"]),
        ({**SAMPLES, "times": [0]}, None, "value_error", ["2000 to 2099"]),
        ({**SAMPLES, "streamId": None}, None, "value_error", ["should name a participantId", "subscriberId"]),
        ({"type": "totals", "callId": "x", "media": "AUDIO"}, None, "value_error", ["either a streamId or a subscriberId"]),
    ],
    ids=lambda value: str(value)[:70],
)
def test_a_bad_row_is_refused_beside_good_ones(row, field, code, words):
    found_field, found_code, reason = refused(row)
    assert (found_field, found_code) == (field, code)
    assert all(word in reason for word in words), reason


def test_says_how_many_more_faults_a_row_has():
    assert refused({**GOOD, "kind": "x", "colour": 1, "version": -1})[2].endswith("(2 more)")
    assert "more)" not in refused({**GOOD, "kind": "x"})[2]


def test_says_nothing_of_what_the_row_holds():
    assert not any("s3cret" in str(part) for part in refused({**GOOD, "kind": "s3cret", "sdk": "s3cret"}))


def test_numbers_beyond_64_bits_are_numbers():
    (found,) = read(raw(SAMPLES, "values", b"[" + b"9" * 30 + b"]"))
    assert found.values == [1e30]
    (event,) = read(raw(EVENT, "payload", b"9" * 30))
    assert event.payload == 1e30


def test_blank_lines_are_passed_over_and_counted():
    rows = read(b"\n\r\n  \t\n" + text(GOOD) + b"\r\n\n{\n\n")
    assert [row.line if isinstance(row, Refusal) else row.participant_id for row in rows] == ["p", 6]


@pytest.mark.parametrize("data", [b"", b"\n", b" \r\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_rows(data):
    assert read(data) == []


def test_reads_what_begins_with_a_byte_order_mark_and_what_ends_without_newline():
    assert [row.participant_id for row in read(b"\xef\xbb\xbf" + text(GOOD))] == ["p"]


def test_reads_gzip():
    assert [row.participant_id for row in read(gzip.compress(text(GOOD) + b"\n"))] == ["p"]


def test_a_line_too_long_breaks_the_file_off(monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    rows = native.read(io.BytesIO(text(GOOD) + b"\n" + b"x" * 2000))
    assert next(rows).participant_id == "p"
    with pytest.raises(SourceError, match="longer than") as caught:
        next(rows)
    assert caught.value.line == 2


class TestCallId:
    def test_stands_in_for_the_call_that_rows_name(self):
        found = read(text(GOOD) + b"\n" + text({**EVENT, "callId": "y"}), call_id="z")
        assert [row.call_id for row in found] == ["z", "z"]

    def test_stands_in_for_one_that_rows_leave_out(self):
        assert read(text({"type": "call"}), call_id="z")[0].call_id == "z"
        assert read(text({"type": "call", "callId": None}), call_id="z")[0].call_id == "z"

    def test_must_be_one_itself(self):
        assert {(row.field, row.code) for row in read(text(GOOD), call_id="\x00")} == {("callId", "value_error")}
        assert read(text(GOOD), call_id="x" * 513)[0].code == "string_too_long"

    def test_makes_no_record_of_what_is_none(self):
        assert [row.code for row in read(b"[]\n{", call_id="z")] == ["model_attributes_type", "json_invalid"]

    @pytest.mark.parametrize("call_id", [None, ""])
    def test_none_changes_nothing(self, call_id):
        assert read(text(GOOD), call_id=call_id)[0].call_id == "x"


@pytest.mark.parametrize("head", [b'{"type"', b"\xef\xbb\xbf {", b"\n\n{", gzip.compress(b'{"type":"call"}', mtime=0)])
def test_recognises_what_begins_with_an_object(head):
    assert native.recognises(head)


@pytest.mark.parametrize("head", [b"", b"[1]", b"text", gzip.compress(b"[1]", mtime=0), b"\x1f\x8bnonsense"])
def test_recognises_nothing_else(head):
    assert not native.recognises(head)
