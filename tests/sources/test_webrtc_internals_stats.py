import json

import pytest

from callscope.sources.webrtc_internals_stats import Statistics

START = 1_700_000_000_000


def iso(at):
    return f"2023-11-14T22:13:{20 + at // 1000:02d}.{at % 1000:03d}Z"


def series(values, start=0, end=0, kind="inbound-rtp"):
    return {"startTime": iso(start), "endTime": iso(end), "statsType": kind, "values": json.dumps(values)}


def timed(*at, kind="inbound-rtp"):
    return series([START + time for time in at], int(at[0]), int(at[-1]), kind)


def read(**told):
    """What each tick told of each report: ``(time, {report: {property: value}})``, times relative to START."""
    statistics = Statistics.of({name.replace("_", "-"): value for name, value in told.items()})
    return [
        (
            at - START,
            {
                key: {name: value for name, value in report.items() if name not in {"type", "timestamp"}}
                for key, report in reports.items()
            },
        )
        for at, reports in statistics.results()
    ]


def column(name, report="R", **told):
    return [reports.get(report, {}).get(name) for _, reports in read(**told)]


def test_series_become_results():
    assert read(
        R_timestamp=timed(0, 1000), R_x=series([1, 2], 0, 1000), S_timestamp=timed(1000), S_x=series([3], 1000, 1000)
    ) == [
        (0, {"R": {"x": 1}}),
        (1000, {"R": {"x": 2}, "S": {"x": 3}}),
    ]


def test_ids_may_hold_dashes_and_slashes():
    told = {"A/b-c-timestamp": timed(0), "A/b-c-x": series([5]), "A/b-c-[a-b]": series([6]), "A/b-c-[x/s]": series([7])}
    statistics = Statistics.of(told)
    assert [reports for _, reports in statistics.results()] == [{"A/b-c": {"type": "inbound-rtp", "timestamp": START, "x": 5}}]


def test_chromes_marks_and_numbers_that_are_words():
    assert read(
        R_timestamp=timed(0), **{"R_contentType*": series(["x"]), "R_mid": series([0]), "R_trackIdentifier": series(["7"])}
    ) == [(0, {"R": {"contentType": "x", "mid": "0", "trackIdentifier": "7"}})]


def test_reports_that_come_and_go():
    told = {
        "R_timestamp": timed(0, 1000, 2000),
        "R_x": series([1, 2, 3], 0, 2000),
        "S_timestamp": timed(1000),
        "S_y": series([9]),
    }
    assert column("y", "S", **told) == [None, 9, None]


@pytest.mark.parametrize(
    ("start", "end", "values", "expected"),
    [
        (0, 3000, [1, 2, 3, 4], [1, 2, 3, 4]),
        (2000, 3000, [1, 2], [None, None, 1, 2]),
        (0, 1000, [1, 2], [1, 2, None, None]),
        (1000, 2000, [1, 2], [None, 1, 2, None]),
        # It was there, gone and there again: what cannot be told is put at the end.
        (0, 3000, [1, 2], [None, None, 1, 2]),
        (500, 3000, [1, 2], [None, None, 1, 2]),
        (3000, 9000, [1, 2], [None, None, 1, 2]),
        (0, 3000, [0, 1, 2, 3, 4], [1, 2, 3, 4]),
    ],
)
def test_a_property_that_was_not_always_there(start, end, values, expected):
    assert column("x", R_timestamp=timed(0.2, 1000.7, 2000.2, 3000.9), R_x=series(values, start, end)) == expected


def test_without_times_a_property_belongs_to_the_end():
    told = {"statsType": "inbound-rtp", "values": [5]}
    assert column("x", R_timestamp=timed(0, 1000), R_x=told) == [None, 5]
    assert column("x", R_timestamp=timed(0, 1000), R_x=told | {"startTime": "2023-11-14", "endTime": "soon"}) == [None, 5]


def test_reports_by_rtcp_stand_until_the_next():
    told = {
        "R_timestamp": timed(1000, 2000, 3000),
        "R_x": series([1, 2, 3], 1000, 3000),
        "J_timestamp": timed(1900, 1900, 2950, kind="remote-inbound-rtp"),
        "J_lost": series([4, 4, 5], 1900, 2950, kind="remote-inbound-rtp"),
    }
    assert column("lost", "J", **told) == [None, 4, 5]
    assert [at for at, _ in read(**told)] == [1000, 2000, 3000]
    statistics = Statistics.of({name.replace("_", "-"): value for name, value in told.items()})
    assert [reports["J"]["timestamp"] - START for at, reports in statistics.results() if "J" in reports] == [1900, 2950]


def test_readings_go_on_where_the_clock_was_set_back():
    told = {
        "R_timestamp": timed(5000, 6000, 1000, 2000),
        "R_x": series([1, 2, 3, 4], 5000, 2000),
        "OLD_timestamp": timed(5000, 6000),
        "OLD_x": series([5, 6], 5000, 6000),
        "NEW_timestamp": timed(2000),
        "NEW_x": series([7], 2000, 2000),
        "J_timestamp": timed(4900, 4900, 900, 900, kind="remote-inbound-rtp"),
        "J_lost": series([0, 0, 1, 1], 4900, 900, kind="remote-inbound-rtp"),
    }
    assert read(**told) == [
        (5000, {"R": {"x": 1}, "OLD": {"x": 5}, "J": {"lost": 0}}),
        (6000, {"R": {"x": 2}, "OLD": {"x": 6}, "J": {"lost": 0}}),
        (7000, {"R": {"x": 3}, "J": {"lost": 1}}),
        (8000, {"R": {"x": 4}, "NEW": {"x": 7}, "J": {"lost": 1}}),
    ]
    statistics = Statistics.of({name.replace("_", "-"): value for name, value in told.items()})
    assert (statistics.set_back, statistics.stood_still) == (6000, 0)


def test_readings_that_repeat_their_time_are_one():
    told = {"R-timestamp": timed(0, 1000, 1000, 1000, 2000), "R-x": series([1, 2, 2, 2, 3], 0, 2000)}
    statistics = Statistics.of(told)
    assert [(at - START, reports["R"]["x"]) for at, reports in statistics.results()] == [(0, 1), (1000, 2), (2000, 3)]
    assert (statistics.set_back, statistics.stood_still) == (0, 2)


def test_without_times_values_are_spread_evenly():
    told = {"R_x": series([1, 2, 3], 0, 2000), "S_x": series([8, 9], 1000, 2000), "T_x": series([7], 0, 0)}
    assert read(**told) == [
        (0, {"R": {"x": 1}, "T": {"x": 7}}),
        (1000, {"R": {"x": 2}, "S": {"x": 8}}),
        (2000, {"R": {"x": 3}, "S": {"x": 9}}),
    ]
    statistics = Statistics.of({"R-x": series([1, 2, 3], 0, 2000)})
    assert statistics.is_spread
    assert statistics.span == (START, START + 2000)


def test_the_longest_series_gives_the_pace():
    told = {"R_x": series([1, 2, 3], 1000, 3000), "S_x": series([8, 9], 4000, 5000), "R_y": series([6], 3000, 3000)}
    assert read(**told) == [
        (1000, {"R": {"x": 1}}),
        (2000, {"R": {"x": 2}}),
        (3000, {"R": {"x": 3, "y": 6}}),
        (4000, {"S": {"x": 8}}),
        (5000, {"S": {"x": 9}}),
    ]


def test_single_values_and_ends_alone():
    assert read(R_x=series([1], 500, 500)) == [(500, {"R": {"x": 1}})]
    ends = {"statsType": "codec", "values": "[1,2]", "endTime": iso(3000)}
    assert [at for at, _ in read(R_x=ends)] == [3000]


def test_some_reports_with_and_some_without_times():
    assert column("x", "S", R_timestamp=timed(0, 1000, 2000), S_x=series([1, 2], 0, 1010)) == [1, 2, None]
    assert column("x", "S", R_timestamp=timed(0, 1000, 2000), S_x=series([1, 2], 0, 9000)) == [None, 1, 2]
    assert not Statistics.of({"R-timestamp": timed(0), "R-x": series([1])}).is_spread


def test_times_that_are_none_are_not_believed():
    statistics = Statistics.of({"R-timestamp": series([START, "x"], 0, 1000), "R-x": series([1, 2], 0, 1000)})
    assert statistics.is_spread
    assert statistics.ticks == [START, START + 1000]


def test_what_says_nothing_of_media_is_left_out():
    assert read(R_timestamp=timed(0, kind="data-channel"), R_x=series([1], kind="data-channel")) == []
    assert read(R_type=series(["x"]), R_id=series(["x"]), nodash=series([1]), R_y=series([])) == []
    assert Statistics.of(None).span is None


def test_a_thousand_values_are_the_last_thousand():
    assert Statistics.of({"R-x": series(list(range(1000)), 0, 9000)}).is_truncated
    assert not Statistics.of({"R-x": series(list(range(999)), 0, 9000)}).is_truncated


def test_damage_is_named():
    told = {
        "R-a": {"statsType": "inbound-rtp", "values": "[1,"},
        "R-b": {"statsType": "inbound-rtp", "values": "{}"},
        "R-c": {"statsType": "inbound-rtp"},
        "R-d": 5,
        "S-x": {"statsType": "inbound-rtp", "values": [1]},
    }
    assert Statistics.of(told).damaged == ["R-a", "R-b", "R-c", "R-d", "S"]
