"""What subscribers experienced of a publisher, against the series of its stream."""

from typing import Any

import pytest

from callscope.vocabulary import MORE_IS_BETTER, Metric
from tests.inspector import Inspector

CASES = [("BITRATE", "AUDIO"), ("JITTER", "AUDIO"), ("BITRATE", "VIDEO"), ("PACKET_LOSS", "VIDEO"), ("FRAME_RATE", "VIDEO")]
STREAMS = """query($metric: Metric!, $media: Media!, $most: Int) { streams { nodes {
    isScalable
    quality: publisherQuality(metric: $metric, media: $media, maxPoints: $most) { startedAt stepSeconds times averages counts }
    metricSeries(filter: {metrics: [$metric], media: [$media]}) { nodes {
        direction samples(maxPoints: $most) { startedAt stepSeconds times averages counts }
    } }
} } }"""


def worst(metric: str, series: list[dict[str, Any]], bucket: int) -> tuple[float, set[int]] | None:
    """The average of the series that is worst off, and the counts of those that are."""
    told = [(one["averages"][bucket], one["counts"][bucket]) for one in series if one["averages"][bucket] is not None]
    if not told:
        return None
    average = (min if Metric(metric) in MORE_IS_BETTER else max)(average for average, _ in told)
    return average, {count for found, count in told if found == average}


@pytest.mark.parametrize(("metric", "media"), CASES)
@pytest.mark.parametrize("most", [1, 4, 300])
async def test_in_each_bucket_it_is_as_the_worst_off_tells(filled: Inspector, metric: str, media: str, most: int) -> None:
    compared = 0
    for stream in (await filled.query(STREAMS, metric=metric, media=media, most=most))["streams"]["nodes"]:
        direction = "PUBLISH" if stream["isScalable"] and media != "AUDIO" else "SUBSCRIBE"
        series = [one["samples"] for one in stream["metricSeries"]["nodes"] if one["direction"] == direction]
        quality = stream["quality"]
        for one in series:
            assert [one[name] for name in ("startedAt", "stepSeconds", "times")] == [
                quality[name] for name in ("startedAt", "stepSeconds", "times")
            ]
        assert len(quality["times"]) == len(quality["averages"]) == len(quality["counts"]) <= most
        for bucket, average in enumerate(quality["averages"]):
            expected = worst(metric, series, bucket)
            assert average == (expected and expected[0])
            assert quality["counts"][bucket] in (expected[1] if expected else {0})
            compared += average is not None
    assert compared


async def test_what_nobody_measured_is_null(filled: Inspector) -> None:
    text = "{ streams { nodes { publisherQuality(metric: AUDIO_LEVEL, media: CONNECTION) { averages counts } } } }"
    for stream in (await filled.query(text))["streams"]["nodes"]:
        assert set(stream["publisherQuality"]["averages"]) == {None}
        assert set(stream["publisherQuality"]["counts"]) == {0}
