"""Samples by the minute, whatever order they come in."""

from datetime import UTC, datetime, timedelta
from random import Random

from callscope.telemetry import SamplesRecord
from callscope.vocabulary import Direction, Media, Metric

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROLLUPS = """
select series_key, at, sample_count, first_at, last_at, minimum, maximum, total from live.metric_rollup where project_id = $1
order by series_key, at
"""
EXPECTED = """
select series_key, date_trunc('minute', at), count(*)::integer, min(at), max(at), min(value), max(value), sum(value order by at)
from live.metric_sample where project_id = $1 group by 1, 2 order by 1, 2
"""


def samples(points, who="p", metric=Metric.BITRATE):
    return SamplesRecord(
        call_id="call",
        metric=metric,
        media=Media.AUDIO,
        direction=Direction.PUBLISH,
        participant_id=who,
        times=[(NOON + timedelta(seconds=at)).timestamp() * 1000 for at, _ in points],
        values=[value for _, value in points],
    )


async def test_are_what_the_samples_come_to_after_any_pieces_and_corrections(inspector):
    random = Random(4)
    points = [(second * 7.3, random.uniform(-5, 100)) for second in range(200)]
    # Some come twice, with another value: the greater one stands.
    points += [(at, value + random.uniform(-1, 1)) for at, value in random.sample(points, 50)]
    random.shuffle(points)
    for piece in range(5):
        await inspector.tell([samples(sorted(points[piece::5])), samples(sorted(points[piece::7]), who="q")])
        rolled = [tuple(row) for row in await inspector.connection.fetch(ROLLUPS, inspector.project_id)]
        assert rolled == [tuple(row) for row in await inspector.connection.fetch(EXPECTED, inspector.project_id)]
    assert len(rolled) > 40


async def test_only_the_minutes_that_changed_are_written(inspector):
    await inspector.tell([samples([(at, 1.0) for at in range(0, 600, 5)])])
    before = {row["at"]: row["xmin"] for row in await inspector.connection.fetch("select at, xmin::text from live.metric_rollup")}
    await inspector.tell([samples([(302, 9.0)])])
    after = {row["at"]: row["xmin"] for row in await inspector.connection.fetch("select at, xmin::text from live.metric_rollup")}
    assert {at for at in after if after[at] != before[at]} == {NOON + timedelta(minutes=5)}
