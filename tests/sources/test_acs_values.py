from datetime import UTC, datetime

import pytest

from callscope.sources import acs_values
from callscope.sources.acs_values import camel, check_depth, first, from_json, is_missing, number
from callscope.telemetry import MAX_PAYLOAD_DEPTH


@pytest.mark.parametrize("value", [None, "", "  ", "null", "NULL"])
def test_ways_to_say_nothing(value):
    assert is_missing(value)


@pytest.mark.parametrize("value", [0, False, "0", "nil", [], {}])
def test_what_says_something(value):
    assert not is_missing(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("3.146336E-05", 3.146336e-05), (" 5 ", 5), ("5.0", 5), (5.0, 5), (644, 644), ("-.5", -0.5), (1e60, 1e60), ("+7", 7)],
)
def test_numbers(value, expected):
    assert number(value) == expected
    assert isinstance(number(value), type(expected))


@pytest.mark.parametrize(
    "value", ["", "1_000", "0x10", "nan", "inf", "1e999", "9" * 50, True, None, [], float("nan"), 10**200, "\u0661"]
)
def test_what_is_no_number(value):
    assert number(value) is None


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2024-01-09T15:07:56Z", 0),
        ("2024-01-09T15:07:56.3Z", 300_000),
        ("2024-01-09T15:07:56.066Z", 66_000),
        ("2024-01-09T15:07:56.0700920Z", 70_092),
        ("2024-01-09T16:07:56.066+01:00", 66_000),
        ("2024-01-09 15:07:56.066", 66_000),
        ("1/9/2024, 3:07:56.066 PM", 66_000),
        ("01/09/2024 03:07:56 PM", 0),
    ],
)
def test_times(text, microsecond):
    assert acs_values.time(text) == datetime(2024, 1, 9, 15, 7, 56, microsecond, UTC)


def test_midnight_and_noon():
    assert acs_values.time("1/9/2024, 12:00:00 AM").hour == 0
    assert acs_values.time("1/9/2024, 12:00:00 PM").hour == 12


@pytest.mark.parametrize(
    "text", ["", "2024-01-09", "20240109", "13/9/2024, 3:07:56 PM", "1/9/2024, 13:07:56 PM", "yesterday at noon"]
)
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match=r".+"):
        acs_values.time(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ParticipantEndSubCode", "participantEndSubCode"),
        ("TPE", "tpe"),
        ("OSVersion", "osVersion"),
        ("P2PCall", "p2PCall"),
        ("endpointId", "endpointId"),
        ("_x", "_x"),
    ],
)
def test_names_of_columns(name, expected):
    assert camel(name) == expected


def test_json_in_strings():
    assert from_json(' {"a": [1]}') == {"a": [1]}
    assert from_json("{broken") == "{broken"
    assert from_json("7") == "7"
    assert from_json(None) is None


def test_the_first_of_several_names():
    assert first({"SubCode": 0, "code": "null"}, "code", "subcode") == 0
    assert first({"a": 1}, "b") is None
    assert first("text", "a") is None


def test_depth():
    check_depth({"a": [[{"b": 1}] * 3], "c": "[["})
    deep = []
    for _ in range(MAX_PAYLOAD_DEPTH):
        deep = [deep]
    check_depth(deep)
    with pytest.raises(ValueError, match="deeper than 32 levels"):
        check_depth({"a": deep})
