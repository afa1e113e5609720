"""Samples in buckets, against a plain computation."""

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from callscope.schema.samples import MAX_POINTS
from callscope.telemetry import CallRecord, SamplesRecord
from callscope.vocabulary import Direction, Media, Metric
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECONDS = 600
Series = list[tuple[datetime, float]]

ASKED = """query($from: DateTime, $to: DateTime, $maxPoints: Int) { metricSeries { nodes {
    participant { participantId }
    samples(from: $from, to: $to, maxPoints: $maxPoints) { startedAt stepSeconds times averages minimums maximums counts }
} } }"""


def told() -> dict[str, Series]:
    """Series of every kind: regular, with a gap, late, alone, uneven, and with several samples an interval."""
    random = Random(1)

    def at(*seconds: float) -> Series:
        return [(START + timedelta(milliseconds=round(second * 1000)), random.uniform(0, 100)) for second in seconds]

    regular = at(*range(0, SECONDS + 1, 2))
    regular[137] = (regular[137][0], 1e6)
    return {
        "regular": regular,
        "gap": at(*range(0, 100, 2), *range(300, SECONDS, 2)),
        "late": at(*range(400, SECONDS + 1, 2)),
        "early": at(*range(0, 100, 2)),
        "alone": at(301),
        "uneven": at(*sorted({random.randrange(SECONDS * 1000) / 1000 for _ in range(200)})),
        "dense": at(*(second / 10 for second in range(2000))),
        "skewed": at(*(second + 0.999 for second in range(0, SECONDS - 2, 2))),
        "negative": [(when, -value) for when, value in at(*range(0, SECONDS, 7))],
    }


TOLD = told()


@pytest.fixture(scope="module")
async def measured(servers, migrated) -> AsyncIterator[Inspector]:
    async with new_database(servers, template=migrated) as url, running(url) as found:
        ends = {"started_at": START, "ended_at": START + timedelta(seconds=SECONDS)}
        series = [
            SamplesRecord(
                call_id="call",
                metric=Metric.BITRATE,
                media=Media.AUDIO,
                direction=Direction.PUBLISH,
                participant_id=name,
                times=[at.timestamp() * 1000 for at, _ in samples],
                values=[value for _, value in samples],
            )
            for name, samples in TOLD.items()
        ]
        await found.tell([CallRecord(call_id="call", **ends), *series])
        yield found


async def asked(found: Inspector, **given: Any) -> dict[str, dict[str, Any]]:
    given = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()}
    nodes = (await found.query(ASKED, **given))["metricSeries"]["nodes"]
    return {node["participant"]["participantId"]: node["samples"] for node in nodes}


def expected(samples: Series, start: datetime, end: datetime, step: float, buckets: int) -> list[list[float]]:
    """The values of each bucket; the end of the range belongs to the last."""
    filled: list[list[float]] = [[] for _ in range(buckets)]
    for at, value in samples:
        if start <= at <= end:
            filled[min((at - start) // timedelta(milliseconds=round(step * 1000)), buckets - 1)].append(value)
    return filled


def check(name: str, found: dict[str, Any], start: datetime, end: datetime, most: int) -> None:
    step, buckets = found["stepSeconds"], len(found["times"])
    assert step >= (end - start).total_seconds() / most - 1e-9
    assert step * 1000 == pytest.approx(round(step * 1000))
    if step >= 60:
        # Whole minutes, from that of the start to that of the end.
        assert step % 60 == 0
        start, until = (at - timedelta(seconds=at.second, microseconds=at.microsecond) for at in (start, end))
        kept = until + timedelta(minutes=1, microseconds=-1)
    else:
        kept = end
    assert datetime.fromisoformat(found["startedAt"]) == start
    assert buckets == min(max(math.ceil(round((end - start).total_seconds() / step, 9)), 1), most)
    offset = (start - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1)
    assert found["times"] == [offset + round(step * 1000) * bucket for bucket in range(buckets)]
    filled = expected(TOLD[name], start, kept, step, buckets)
    assert found["counts"] == [len(values) for values in filled]
    assert found["averages"] == [pytest.approx(sum(values) / len(values)) if values else None for values in filled]
    assert found["minimums"] == [min(values, default=None) for values in filled]
    assert found["maximums"] == [max(values, default=None) for values in filled]
    assert sum(found["counts"]) == sum(start <= at <= kept for at, _ in TOLD[name])


END = START + timedelta(seconds=SECONDS)
SPANS = [
    (None, None),
    (START + timedelta(seconds=274), None),
    (None, START + timedelta(seconds=301)),
    (START + timedelta(seconds=100), START + timedelta(seconds=200.5)),
    (START + timedelta(seconds=99.999), START + timedelta(seconds=100.001)),
    (START + timedelta(seconds=301), START + timedelta(seconds=301)),
    (START - timedelta(hours=1), END + timedelta(hours=1)),
    (END, None),
    (END, END + timedelta(seconds=10)),
    (END + timedelta(days=1), END + timedelta(days=2)),
    (datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)),
]


@pytest.mark.parametrize("most", [1, 2, 7, 299, 300, 301, MAX_POINTS])
@pytest.mark.parametrize("span", SPANS)
async def test_buckets_hold_the_samples_of_their_time(measured: Inspector, span: tuple, most: int) -> None:
    found = await asked(measured, **{"from": span[0], "to": span[1]}, maxPoints=most)
    assert found.keys() == TOLD.keys()
    for name, samples in found.items():
        check(name, samples, span[0] or START, span[1] or END, most)
        assert samples["times"] == found["regular"]["times"], "all series of a call share one grid"


async def test_buckets_hold_the_samples_of_any_time(measured: Inspector) -> None:
    random = Random(2)
    for _ in range(40):
        start, end = sorted(START + timedelta(milliseconds=random.randrange(-20_000, SECONDS * 1000 + 20_000)) for _ in range(2))
        most = random.choice([random.randrange(1, 20), random.randrange(1, 700)])
        for name, samples in (await asked(measured, **{"from": start, "to": end}, maxPoints=most)).items():
            check(name, samples, start, end, most)


async def test_a_spike_never_disappears(measured: Inspector) -> None:
    for most in (1, 3, 50, 300):
        assert max(filter(None, (await asked(measured, maxPoints=most))["regular"]["maximums"])) == 1e6


async def test_a_range_that_ends_before_it_starts_has_one_empty_bucket(measured: Inspector) -> None:
    for given in ({"to": START - timedelta(days=1)}, {"from": END + timedelta(days=1)}, {"to": datetime.min.replace(tzinfo=UTC)}):
        for samples in (await asked(measured, **given)).values():
            assert (samples["counts"], samples["averages"], samples["maximums"]) == ([0], [None], [None])


async def test_the_whole_calendar_is_a_range(measured: Inspector) -> None:
    ends = {"from": datetime.min.replace(tzinfo=UTC), "to": datetime.max.replace(tzinfo=UTC)}
    for most in (1, 300):
        for name, samples in (await asked(measured, **ends, maxPoints=most)).items():
            assert sum(samples["counts"]) == len(TOLD[name])


async def test_buckets_are_no_shorter_than_the_sampling_interval(inspector: Inspector) -> None:
    times = [START.timestamp() * 1000 + 10_000 * number for number in range(7)]
    kind = {"metric": Metric.BITRATE, "media": Media.AUDIO, "direction": Direction.PUBLISH}
    values = [float(number) for number in range(7)]
    await inspector.tell([SamplesRecord(call_id="call", participant_id="a", times=times, values=values, **kind)])
    samples = (await asked(inspector, maxPoints=MAX_POINTS))["a"]
    assert samples["stepSeconds"] == 10
    assert samples["counts"] == [1] * 5 + [2]
    assert samples["averages"] == [0, 1, 2, 3, 4, 5.5]


async def test_three_hundred_points_are_the_most_unless_asked_otherwise(measured: Inspector) -> None:
    plain = await measured.query("{ metricSeries { nodes { samples { counts } } } }")
    for given in ("maxPoints: 300", "maxPoints: null", "from: null, to: null"):
        assert await measured.query(f"{{ metricSeries {{ nodes {{ samples({given}) {{ counts }} }} }} }}") == plain
    assert len(plain["metricSeries"]["nodes"][0]["samples"]["counts"]) == 300


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("maxPoints: 0", "'maxPoints'"),
        ("maxPoints: -1", "'maxPoints'"),
        (f"maxPoints: {MAX_POINTS + 1}", "'maxPoints'"),
        ('from: "2026-03-02T09:00:01Z", to: "2026-03-02T09:00:00Z"', "'from'"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_name(measured: Inspector, arguments: str, named: str) -> None:
    response = await measured.post(f"{{ metricSeries {{ nodes {{ samples({arguments}) {{ times }} }} }} }}")
    (error,) = response.json()["errors"]
    assert (response.status_code, error["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    assert named in error["message"]


async def test_a_range_is_checked_anew_for_each_request(measured: Inspector) -> None:
    early, late = START.isoformat(), END.isoformat()
    for start, end, status in ((early, late, 200), (late, early, 400), (early, early, 200), (early, None, 200)):
        assert (await measured.post(ASKED, **{"from": start, "to": end})).status_code == status
    for most, status in ((1, 200), (0, 400), (MAX_POINTS, 200), (MAX_POINTS + 1, 400)):
        assert (await measured.post(ASKED, maxPoints=most)).status_code == status


async def test_a_series_tells_what_its_samples_come_to(measured: Inspector) -> None:
    fields = "participant { participantId } sampleCount minimum maximum average p95 startedAt endedAt metric unit"
    for node in (await measured.query(f"{{ metricSeries {{ nodes {{ {fields} }} }} }}"))["metricSeries"]["nodes"]:
        samples = TOLD[node["participant"]["participantId"]]
        values = sorted(value for _, value in samples)
        place = 0.95 * (len(values) - 1)
        low, high = values[math.floor(place)], values[math.ceil(place)]
        assert node["sampleCount"] == len(values)
        assert (node["minimum"], node["maximum"]) == (values[0], values[-1])
        assert node["average"] == pytest.approx(sum(values) / len(values))
        assert node["p95"] == pytest.approx(low + (high - low) * (place - math.floor(place)))
        assert [datetime.fromisoformat(node[name]) for name in ("startedAt", "endedAt")] == [samples[0][0], samples[-1][0]]
        assert (node["metric"], node["unit"]) == ("BITRATE", "BITS_PER_SECOND")
