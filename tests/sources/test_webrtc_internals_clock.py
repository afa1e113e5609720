import pytest

from callscope.sources.webrtc_internals_clock import Log, Zone, is_local, local_time, zone_of

START = 1_700_000_000_000
"""2023-11-14 22:13:20 UTC, in milliseconds."""
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("text", "is_day_first"),
    [
        ("11/14/2023, 10:13:20 PM", False),
        ("11/14/2023, 10:13:20\u202fPM", False),
        ("14/11/2023, 10:13:20 pm", True),
        ("14/11/2023, 10:13:20 p.m.", True),
        ("14.11.2023, 22:13:20", True),
        ("14/11/2023 22:13:20", True),
        ("14-11-2023 22:13:20", True),
        ("2023/11/14 22:13:20", True),
        ("2023-11-14 22:13:20", False),
        ("2023. 11. 14. 22:13:20", False),
    ],
)
def test_local_times_as_languages_write_them(text, is_day_first):
    assert local_time(text, is_day_first=is_day_first) == START


def test_midnight_and_noon():
    assert local_time("11/14/2023, 12:00:00 AM", is_day_first=False) == START - (22 * 3600 + 13 * 60 + 20) * 1000
    assert local_time("11/14/2023, 12:00:00 PM", is_day_first=False) == START - (10 * 3600 + 13 * 60 + 20) * 1000


@pytest.mark.parametrize("text", ["", "soon", "14/14/2023, 22:13:20", "11/14/2023", "11/14/2023, 29:13:20", 5, None])
def test_what_is_no_time(text):
    assert local_time(text, is_day_first=False) is None


@pytest.mark.parametrize(
    "entry",
    [
        {"timestamp": START},
        {"timestamp": START, "time": "never"},
        {"time": START},
        {"time": "2023-11-14T22:13:20Z"},
        {"time": "2023-11-15T00:13:20+02:00"},
        {"time": "Wed Nov 15 2023 00:13:20 GMT+0200 (Eastern European Standard Time)"},
    ],
)
def test_times_that_need_no_zone(entry):
    assert not is_local(entry)
    assert Zone(5 * HOUR).instant(entry) == START


def test_times_that_need_one():
    entry = {"time": "11/15/2023, 12:13:20 AM"}
    assert is_local(entry)
    assert Zone(2 * HOUR).instant(entry) == START
    assert Zone(2 * HOUR, is_day_first=True).instant(entry) is None
    assert Zone().instant({}) is None
    assert not is_local({})
    assert is_local({"time": "2023-11-14T22:13:20"})
    assert is_local({"time": "Wed Foo 15 2023 00:13:20 GMT+0200"})


def log(*times, span=(START, START + 60_000), is_truncated=False):
    return Log([{"time": time} for time in times], span, is_truncated)


@pytest.mark.parametrize(
    ("logs", "zone"),
    [
        ([log("11/15/2023, 12:13:21 AM")], Zone(2 * HOUR)),
        ([log("15/11/2023, 03:43:19", "15/11/2023, 09:00:00")], Zone(5.5 * HOUR, is_day_first=True)),
        ([log("14.11.2023, 14:13:20")], Zone(-8 * HOUR, is_day_first=True)),
        ([log("odd"), log("11/14/2023, 10:13:20 PM")], Zone()),
        ([log("11/14/2023, 10:13:20 PM", span=None)], Zone()),
        ([log("1/1/2024, 10:13:20 PM")], Zone()),
        ([], Zone()),
        # Of a connection whose beginning is lost, the last entry cannot be after the end.
        ([log("11/14/2023, 9:00:00 PM", "11/14/2023, 11:10:00 PM", is_truncated=True)], Zone(HOUR)),
        ([log("11/14/2023, 9:00:00 PM", is_truncated=True), log("11/15/2023, 12:13:21 AM")], Zone(2 * HOUR)),
        # A day and month that could be either are what is nearer.
        ([log("11/12/2023, 10:13:20 PM", span=(START - 2 * 24 * HOUR, START))], Zone()),
    ],
)
def test_statistics_tell_the_zone(logs, zone):
    assert zone_of(logs) == zone


def test_zones_by_name():
    assert [str(Zone(hours * HOUR)) for hours in (0, 2, -8, 5.75, -3.5)] == [
        "UTC+00:00",
        "UTC+02:00",
        "UTC-08:00",
        "UTC+05:45",
        "UTC-03:30",
    ]
