"""The closed list of codes: whatever is refused has one of them, and each of them is somebody's."""

import io
import json
import re
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import callscope.sources
from callscope.sources import Refusal, SourceError, native
from callscope.sources.refusal_codes import RefusalCode
from callscope.telemetry import TYPES

OURS = re.compile(r'"((?:[a-z]+_)+(?:invalid|missing|unknown|unsupported)|truncated|missing)"')


def test_what_a_validator_finds_beyond_the_list_is_a_wrong_value():
    assert Refusal(1, "field", "date_from_datetime_inexact", "…").code is RefusalCode.VALUE_ERROR
    assert Refusal(1, "field", "missing", "…").code is RefusalCode.MISSING


def test_every_code_that_a_source_writes_is_of_the_list():
    folder = Path(callscope.sources.__file__).parent
    files = [file for file in folder.glob("*.py") if file.name != "refusal_codes.py"]
    written = {code for file in files for code in OURS.findall(file.read_text("utf-8"))}
    assert len(written) > 15
    assert written <= set(RefusalCode)


def test_a_damaged_file_is_one_row_that_is_refused():
    assert SourceError("wrong", 7).refusal == Refusal(7, None, "source_invalid", "wrong")
    assert SourceError("wrong", code=RefusalCode.TRUNCATED).refusal == Refusal(0, None, "truncated", "wrong")


def code(**fields):
    """Why a participant of this kind is refused."""
    row = {"type": "participant", "callId": "x", "participantId": "p"} | fields
    (found,) = native.read(io.BytesIO(orjson.dumps({name: value for name, value in row.items() if value is not ...})))
    assert isinstance(found, Refusal)
    return found.code


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"participantId": ...}, "missing"),
        ({"nobody": 1}, "extra_forbidden"),
        ({"type": "nothing"}, "union_tag_invalid"),
        ({"type": ...}, "union_tag_not_found"),
        ({"kind": "TOASTER"}, "enum"),
        ({"participantId": 5}, "string_type"),
        ({"participantId": ""}, "string_too_short"),
        ({"participantId": "x" * 513}, "string_too_long"),
        ({"isRedacted": 1}, "bool_type"),
        ({"devices": "all"}, "list_type"),
        ({"devices": [{"kind": "CAMERA"}] * 101}, "too_long"),
        ({"location": 5}, "model_type"),
        ({"version": -1}, "greater_than_equal"),
        ({"version": 2**31}, "less_than"),
        ({"version": 1.5}, "int_from_float"),
        ({"version": []}, "int_type"),
        ({"displayName": "a\x00"}, "value_error"),
        ({"address": "nowhere"}, "value_error"),
        ({"address": 5}, "value_error"),
        ({"address": True}, "value_error"),
        ({"address": []}, "value_error"),
    ],
)
def test_each_kind_of_fault_has_its_code(fields, expected):
    assert code(**fields) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    ["callId", "participantId", "version", "at", "times", "values", "network", "error", "packets", "tags", "metric", "devices"]
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TYPES), st.dictionaries(FIELDS, JSON, max_size=4))
def test_any_row_is_taken_or_refused_by_one_of_them(type_, fields):
    line = json.dumps({"type": type_, "callId": "x", "streamId": "s", **fields}).encode()
    for row in native.read(io.BytesIO(line)):
        if isinstance(row, Refusal):
            assert isinstance(row.code, RefusalCode)
            assert (row.line, bool(row.reason)) == (1, True)
