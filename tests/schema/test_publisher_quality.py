"""What subscribers experienced of a publisher: the worst-off among them, or the publisher's own link where video scales."""

from datetime import UTC, datetime, timedelta

import pytest

from callscope.telemetry import ConnectionRecord, SamplesRecord, StreamRecord, SubscriberRecord
from callscope.vocabulary import Direction, Media, Metric

START = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
TIMES = [(START.timestamp() + second) * 1000 for second in (0, 10, 20, 30)]


def samples(values, *, subscriber=None, metric=Metric.PACKET_LOSS, media=Media.VIDEO):
    subject = {"subscriber_id": subscriber} if subscriber else {"stream_id": "s"}
    direction = Direction.SUBSCRIBE if subscriber else Direction.PUBLISH
    return SamplesRecord(
        call_id="call", metric=metric, media=media, direction=direction, times=TIMES[: len(values)], values=values, **subject
    )


def telemetry(*, scalable):
    end = START + timedelta(seconds=40)
    yield from (
        ConnectionRecord(call_id="call", connection_id=name, participant_id=name, connected_at=START, closed_at=end)
        for name in ("p", "a", "b")
    )
    yield StreamRecord(call_id="call", stream_id="s", connection_id="p", published_at=START, is_scalable=scalable)
    for name in ("a", "b"):
        yield SubscriberRecord(call_id="call", subscriber_id=name, stream_id="s", connection_id=name, subscribed_at=START)
    for media in (Media.VIDEO, Media.AUDIO):
        yield samples([0.5, 0.5, 0.5, 0.5], media=media)
        yield samples([1, 9, 1, 1], subscriber="a", media=media)
        yield samples([2, 2, 2], subscriber="b", media=media)
    yield samples([800, 700, 900, 900], subscriber="a", metric=Metric.BITRATE)
    yield samples([900, 900, 100], subscriber="b", metric=Metric.BITRATE)


async def quality(inspector, metric="PACKET_LOSS", media="VIDEO", **arguments):
    given = "".join(f", {name}: {value}" for name, value in arguments.items())
    field = f"publisherQuality(metric: {metric}, media: {media}{given}) {{ averages counts stepSeconds }}"
    query = f"{{ streams {{ nodes {{ {field} }} }} }}"
    return (await inspector.query(query))["streams"]["nodes"][0]["publisherQuality"]


async def test_each_bucket_is_the_worst_off_subscribers(inspector):
    await inspector.tell(telemetry(scalable=False))
    assert (await quality(inspector))["averages"] == [2, 9, 2, 1]
    assert (await quality(inspector, "BITRATE"))["averages"] == [800, 700, 100, 900]


async def test_video_that_scales_is_the_publishers_own_link_and_audio_never_is(inspector):
    await inspector.tell(telemetry(scalable=True))
    assert (await quality(inspector))["averages"] == [0.5, 0.5, 0.5, 0.5]
    assert (await quality(inspector, media="AUDIO"))["averages"] == [2, 9, 2, 1]


async def test_what_nobody_measured_is_null_and_not_zero(inspector):
    await inspector.tell(telemetry(scalable=False))
    assert await quality(inspector, "JITTER") == {"averages": [None] * 4, "counts": [0] * 4, "stepSeconds": 10}


async def test_it_has_at_most_so_many_points(inspector):
    await inspector.tell(telemetry(scalable=False))
    assert await quality(inspector, maxPoints=2) == {"averages": [5, 2], "counts": [2, 1], "stepSeconds": 20}


@pytest.mark.parametrize("points", [0, -1, 5001])
async def test_points_out_of_bounds_are_refused_by_name(inspector, points):
    await inspector.tell(telemetry(scalable=False))
    query = f"{{ streams {{ nodes {{ publisherQuality(metric: JITTER, media: AUDIO, maxPoints: {points}) {{ averages }} }} }} }}"
    answer = await inspector.post(query)
    assert answer.status_code == 400
    assert "'maxPoints'" in answer.json()["errors"][0]["message"]
