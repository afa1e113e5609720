"""Percentiles over all series, against a plain computation: of few series, which are read from samples, and of many, which are
sketched."""

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from callscope.schema.grid import MAX_BUCKETS
from callscope.schema.metric_bands import MAX_PERCENTILES
from callscope.storage.sketches import SKETCH_ABOVE
from callscope.telemetry import ConnectionRecord, SamplesRecord
from callscope.vocabulary import Direction, Media, Metric
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running

START = datetime(2026, 3, 2, 9, 0, 3, tzinfo=UTC)
MINUTES = 20
BOUND = 0.01
FEW, MANY = 3, SKETCH_ABOVE + 20
METRICS = {Metric.BITRATE: (0, 4e6), Metric.JITTER: (0, 0.3), Metric.AUDIO_LEVEL: (-90, 3)}
ASKED = """query ($metric: Metric!, $media: Media, $direction: Direction, $percentiles: [Float!], $buckets: Int) {
    call(callId: "call") {
        metricBands(metric: $metric, media: $media, direction: $direction, percentiles: $percentiles, buckets: $buckets) {
            metric unit stepSeconds times seriesCounts bands { percentile values }
        }
    }
}"""

Told = list[tuple[str, Direction, Metric, list[tuple[float, float]]]]
"""Who measured what: times, s after the start, and values."""


def told(random: Random) -> Told:
    found: Told = []
    for direction, count in ((Direction.PUBLISH, FEW), (Direction.SUBSCRIBE, MANY)):
        for number in range(count):
            first, last = sorted(random.uniform(0, MINUTES * 60) for _ in range(2)) if number % 5 else (0, MINUTES * 60)
            for metric, (low, high) in METRICS.items():
                at, samples = first, []
                while at <= last:
                    values = (0.0, low, high, random.uniform(low, high), random.uniform(low, high) * 1e-3)
                    samples.append((round(at, 3), random.choice(values)))
                    at += random.uniform(9, 11)
                found.append((f"{direction}-{number}", direction, metric, samples))
    return found


TOLD = told(Random(5))


@pytest.fixture(scope="module")
async def crowd(servers, migrated) -> AsyncIterator[Inspector]:
    async with new_database(servers, template=migrated) as url, running(url) as found:
        records: list[Any] = [
            SamplesRecord(
                call_id="call",
                metric=metric,
                media=Media.AUDIO,
                direction=direction,
                participant_id=who,
                times=[(START.timestamp() + at) * 1000 for at, _ in samples],
                values=[value for _, value in samples],
            )
            for who, direction, metric, samples in TOLD
        ]
        end = START + timedelta(minutes=MINUTES)
        records += [ConnectionRecord(call_id="call", connection_id="c", connected_at=START, closed_at=end)]
        # In pieces: what was sketched before is sketched again.
        Random(6).shuffle(records)
        for piece in range(3):
            await found.tell(records[piece::3])
        yield found


async def asked(found: Inspector, **given: Any) -> dict[str, Any]:
    return (await found.query(ASKED, **given))["call"]["metricBands"]


def percentile_cont(values: list[float], percentile: float) -> tuple[float, float]:
    """The interpolated percentile, and the greater magnitude of the two values around it."""
    place = percentile / 100 * (len(values) - 1)
    low, high = values[math.floor(place)], values[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place)), max(abs(low), abs(high))


@pytest.mark.parametrize("buckets", [1, 7, 20, 60, 300])
@pytest.mark.parametrize("direction", [Direction.PUBLISH, Direction.SUBSCRIBE, None])
@pytest.mark.parametrize("metric", METRICS)
async def test_agree_with_the_percentiles_of_the_samples(
    crowd: Inspector, metric: Metric, direction: Direction | None, buckets: int
) -> None:
    wanted = [0, 5, 50, 95, 99.9, 100, 50]
    found = await asked(crowd, metric=metric, direction=direction, percentiles=wanted, buckets=buckets)
    assert (found["metric"], found["unit"]) == (metric, metric.unit)
    assert [band["percentile"] for band in found["bands"]] == wanted
    starts, step = found["times"], found["stepSeconds"] * 1000
    assert len(starts) <= buckets
    filled: list[list[tuple[float, str]]] = [[] for _ in starts]
    for who, way, what, samples in TOLD:
        if what == metric and direction in (None, way):
            for at, value in samples:
                place = int(((START.timestamp() + at) * 1000 - starts[0]) // step)
                filled[min(place, len(starts) - 1)].append((value, who))
    for place, samples in enumerate(filled):
        values = sorted(value for value, _ in samples)
        for band in found["bands"]:
            if not values:
                assert band["values"][place] is None
                continue
            exact, magnitude = percentile_cont(values, band["percentile"])
            assert band["values"][place] == pytest.approx(exact, abs=BOUND * magnitude)
        assert found["bands"][0]["values"][place] == min(values, default=None)
        assert found["bands"][5]["values"][place] == max(values, default=None)
        # Of many series, those count that had begun and not ended: these have no pauses longer than a bucket of 11 s or more.
        if direction is Direction.PUBLISH or step >= 11_000 or step < 10_000:
            assert found["seriesCounts"][place] == len({who for _, who in samples})


async def test_many_series_are_sketched_and_few_are_not(crowd: Inspector) -> None:
    rows = await crowd.connection.fetch("select distinct metric, direction, step_seconds from live.metric_sketch")
    assert {tuple(row) for row in rows} == {(metric, "SUBSCRIBE", step) for metric in METRICS for step in (10, 60)}


async def test_a_meeting_has_its_own(crowd: Inspector) -> None:
    inside = "metricBands(metric: BITRATE, buckets: 20) { times seriesCounts bands { values } }"
    call = (await crowd.query(f'{{ call(callId: "call") {{ {inside} meeting(number: 1) {{ {inside} }} }} }}'))["call"]
    assert call["meeting"]["metricBands"] == call["metricBands"]


async def test_of_a_metric_that_nobody_sent(crowd: Inspector) -> None:
    found = await asked(crowd, metric="FRAME_RATE")
    assert found["unit"] == "PER_SECOND"
    assert set(found["seriesCounts"]) == {0}
    assert [set(band["values"]) for band in found["bands"]] == [{None}] * 3
    assert len(found["times"]) == len(found["seriesCounts"]) == len(found["bands"][0]["values"]) <= 60


async def test_no_percentiles_are_no_bands(crowd: Inspector) -> None:
    assert (await asked(crowd, metric="BITRATE", percentiles=[]))["bands"] == []
    many = await asked(crowd, metric="BITRATE", percentiles=[number % 101 for number in range(MAX_PERCENTILES)], buckets=5)
    assert [band["percentile"] for band in many["bands"]] == list(range(MAX_PERCENTILES))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"buckets": 0}, "'buckets' should be at least 1"),
        ({"buckets": -1}, "'buckets' should be at least 1"),
        ({"buckets": 10**6}, f"'buckets' should be at most {MAX_BUCKETS}"),
        ({"percentiles": [50, -0.1]}, "'percentiles' should be numbers from 0 to 100"),
        ({"percentiles": [100.1]}, "'percentiles' should be numbers from 0 to 100"),
        ({"percentiles": [50] * (MAX_PERCENTILES + 1)}, f"at most {MAX_PERCENTILES} numbers"),
        ({"percentiles": [None]}, "percentiles"),
        ({"metric": "SPEED"}, "SPEED"),
    ],
)
async def test_arguments_out_of_bounds_are_refused_by_name(crowd: Inspector, given: dict[str, Any], words: str) -> None:
    answer = await crowd.post(ASKED, **{"metric": "BITRATE", **given})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert words in error["message"]


async def test_a_call_without_samples_has_empty_bands(inspector: Inspector) -> None:
    await inspector.tell([ConnectionRecord(call_id="call", connection_id="c", connected_at=START)])
    found = await asked(inspector, metric="BITRATE")
    assert (found["seriesCounts"], [band["values"] for band in found["bands"]]) == ([0], [[None]] * 3)
