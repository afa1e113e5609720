from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from callscope.sources.acs_columns import FINAL_VERSION, Row, RowError


def test_columns_go_by_any_case_and_rest_is_what_nobody_asked_for():
    row = Row(
        {"category": "x", "TimeGenerated": "t", "properties": {"IDENTIFIER": " ada ", "TPE": True, "New": "null", "Other": 0}}
    )
    assert row.text("identifier") == "ada"
    assert set(row) == {"category", "timegenerated", "identifier", "tpe", "other"}
    assert row.rest() == {"tpe": True, "other": 0}


def test_what_the_platform_withheld_tells_nothing():
    row = Row({"a": "Redacted"})
    assert row.text("a") == "Redacted"
    assert row.told("a") is row.id("a") is row.number("a") is row.instant("a") is None


def test_text_of_numbers():
    row = Row({"a": 1000, "b": 1000.0, "c": 0.5})
    assert [row.text(name) for name in "abc"] == ["1000", "1000", "0.5"]


def test_an_error_names_the_column_as_told():
    with pytest.raises(RowError) as caught:
        Row({"PARTICIPANTID": []}).text("participantId")
    assert caught.value.field == "PARTICIPANTID"


def test_versions():
    assert Row({"callupdatesversion": "3"}).version(is_update=False) == 3
    assert Row({}).version(is_update=True) == 0
    assert Row({}).version(is_update=False) == FINAL_VERSION


def test_an_instant_some_seconds_after_another():
    start = datetime(2024, 1, 1, tzinfo=UTC)
    assert Row({"a": "1.5"}).after(start, "a") == datetime(2024, 1, 1, 0, 0, 1, 500_000, UTC)
    assert Row({"a": 1}).after(None, "a") is Row({}).after(start, "a") is None


def test_the_address_of_a_client():
    assert Row({"callerIpAddress": "81.2.69.142:443", "properties": {"callId": "c"}}).address() == ip_address("81.2.69.142")
    assert Row({"ClientIP": "2a02:d5c0::7"}).address() == ip_address("2a02:d5c0::7")
    assert Row({"ClientIP": "10.0.0.1", "relayIp": "81.2.69.142"}).address() is None
