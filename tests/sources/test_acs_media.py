from datetime import UTC, datetime

import pytest
from test_acs_logs import LEG, STATISTIC, envelope, every, one, only, read, refused

from callscope.sources import acs_media
from callscope.vocabulary import Direction, EventCategory, Media, Metric, StreamSource

AT = 1714557720_000.0


def statistics(*changes, without=()):
    rows = ({name: value for name, value in (STATISTIC | change).items() if name not in without} for change in changes)
    return read([envelope("CallClientMediaStatsTimeSeries", row) for row in rows])


def statistic(*without, **changes):
    return statistics(changes, without=without)


def sent(metric, average, media="video", **changes):
    return {"MetricName": metric, "Average": average, "MediaStreamDirection": "send", "MediaStreamType": media} | changes


def received(metric, average, **changes):
    return sent(metric, average) | {"MediaStreamDirection": "receive", "RemoteParticipantId": "leg-bob"} | changes


def test_a_row_is_a_sample_of_the_average():
    samples = only(statistic(), "samples")
    assert (samples.metric, samples.media, samples.direction) == (Metric.JITTER, Media.AUDIO, Direction.SUBSCRIBE)
    assert (samples.times, samples.values) == ([AT], [17])
    assert (samples.connection_id, samples.stream_id, samples.subscriber_id) == (LEG, None, None)


@pytest.mark.parametrize(
    ("name", "direction", "metric", "media", "way", "value"),
    [
        ("Bitrate", "send", Metric.BITRATE, Media.VIDEO, Direction.PUBLISH, 100),
        ("bitrate", "recv", Metric.BITRATE, Media.VIDEO, Direction.SUBSCRIBE, 100),
        ("JitterBufferInMs", "receive", Metric.JITTER_BUFFER_DELAY, Media.VIDEO, Direction.SUBSCRIBE, 100),
        ("RttInMs", "send", Metric.ROUND_TRIP_TIME, Media.VIDEO, Direction.BOTH, 100),
        ("RoundTripTimeInMs", "receive", Metric.ROUND_TRIP_TIME, Media.VIDEO, Direction.BOTH, 100),
        ("PairRttInMs", "send", Metric.ROUND_TRIP_TIME, Media.CONNECTION, Direction.BOTH, 100),
        ("AvailableBitrate", "send", Metric.AVAILABLE_BITRATE, Media.CONNECTION, Direction.PUBLISH, 100),
        ("AudioInputLevel", "send", Metric.AUDIO_LEVEL, Media.VIDEO, Direction.PUBLISH, 100 / 65536),
        ("HealedRatio", "recv", Metric.CONCEALED_RATIO, Media.VIDEO, Direction.SUBSCRIBE, 100),
        ("FrameRateSent", "send", Metric.FRAME_RATE, Media.VIDEO, Direction.PUBLISH, 100),
        ("FrameRateDecoded", "recv", Metric.FRAME_RATE, Media.VIDEO, Direction.SUBSCRIBE, 100),
        ("FrameHeightReceived", "recv", Metric.FRAME_HEIGHT, Media.VIDEO, Direction.SUBSCRIBE, 100),
        ("FrameWidth", "send", Metric.FRAME_WIDTH, Media.VIDEO, Direction.PUBLISH, 100),
        ("PacketsPerSecond", "send", Metric.PACKETS_PER_SECOND, Media.VIDEO, Direction.PUBLISH, 100),
    ],
)
def test_metrics(name, direction, metric, media, way, value):
    samples = only(statistic(MetricName=name, MediaStreamDirection=direction, MediaStreamType="video", Average="100"), "samples")
    assert (samples.metric, samples.media, samples.direction, samples.values) == (metric, media, way, [value])


def test_what_is_sent_proves_a_stream_for_as_long_as_it_was_measured():
    late = {"CallClientTimeStamp": "2024-05-01T10:02:10Z", "MediaStreamCodec": "VP8"}
    records = statistics(sent("Bitrate", 1), sent("Bitrate", 2, **late))
    stream = only(records, "stream")
    assert (stream.stream_id, stream.connection_id, stream.source) == (f"{LEG}/video", LEG, StreamSource.CAMERA)
    assert (stream.has_audio, stream.has_video, stream.video_codec, stream.audio_codec) == (False, True, "VP8", None)
    assert stream.published_at == datetime(2024, 5, 1, 10, 2, tzinfo=UTC)
    assert stream.unpublished_at == datetime(2024, 5, 1, 10, 2, 10, tzinfo=UTC)
    samples = only(records, "samples")
    assert (samples.times, samples.values, samples.stream_id) == ([AT, AT + 10_000], [1, 2], f"{LEG}/video")


def test_what_is_received_of_a_remote_participant_is_a_subscriber_of_its_stream():
    records = statistics(received("Bitrate", 1, MediaStreamType="screen"), received("Bitrate", 2, RemoteParticipantId="leg-cy"))
    assert [stream.connection_id for stream in every(records, "stream")] == ["leg-bob", "leg-cy"]
    subscriber, _ = every(records, "subscriber")
    assert (subscriber.subscriber_id, subscriber.stream_id, subscriber.connection_id) == (
        f"{LEG}/leg-bob/screen",
        "leg-bob/screen",
        LEG,
    )
    assert subscriber.subscribed_at == subscriber.ended_at == datetime(2024, 5, 1, 10, 2, tzinfo=UTC)
    samples, _ = every(records, "samples")
    assert (samples.stream_id, samples.subscriber_id, samples.media) == ("leg-bob/screen", f"{LEG}/leg-bob/screen", Media.SCREEN)


def test_packets_lost_are_a_metric_of_their_own():
    """Packet loss is put together by settling, whichever row or file comes first."""
    records = statistics(received("PacketsPerSecond", 30), received("PacketsLostPerSecond", 10))
    assert only(records, "samples", metric=Metric.PACKETS_LOST_PER_SECOND).values == [10]
    assert only(records, "samples", metric=Metric.PACKETS_PER_SECOND).values == [30]
    assert not every(records, "event")


def test_packets_that_came_after_all_are_no_negative_loss():
    assert only(statistics(sent("PacketsLostPerSecond", "-1")), "samples").values == [0]


@pytest.mark.parametrize("name", ["JitterInMs", "RttInMs", "Bitrate", "AudioInputLevel"])
def test_what_is_less_than_nothing_is_no_sample(name):
    records = statistics(sent(name, "-1", media="audio"))
    assert not every(records, "samples")
    assert only(records, "event").payload["average"] == -1


def test_a_level_is_at_most_full_scale():
    assert only(statistics(sent("AudioInputLevel", 70_000, media="audio")), "samples").values == [1]


def test_columns_that_nobody_knows_are_kept_beside_the_sample():
    records = statistic(Novel="new", MediaStreamId="7")
    assert only(records, "samples").values == [17]
    event = only(records, "event")
    assert (event.name, event.payload["novel"], event.connection_id) == ("JitterInMs", "new", LEG)
    assert not every(statistic(MediaStreamId="7"), "event")


@pytest.mark.parametrize(
    "changes",
    [
        {"MetricName": "TotalFreezeDurationInMs"},
        {"MetricName": "Novel"},
        {"MetricName": "FrameRateSent"},
        {"MediaStreamType": "hologram"},
        {"MetricName": "CodecName", "Average": "null"},
    ],
)
def test_a_row_without_counterpart_is_kept_whole(changes):
    records = statistic(MediaStreamId="7", RemoteParticipantId="leg-bob", **changes)
    event = only(records, "event")
    assert not every(records, "samples")
    assert (event.category, event.connection_id, event.severity) == (EventCategory.MEDIA, LEG, "INFO")
    assert event.name == (STATISTIC | changes)["MetricName"]
    assert event.payload["maximum"] == 25
    assert event.payload["mediaStreamId"] == "7"
    assert event.payload["aggregationIntervalSeconds"] == "10"
    assert event.payload["remoteParticipantId"] == "leg-bob"


def test_an_average_that_is_missing_is_sum_by_count():
    assert only(statistic("Average"), "samples").values == [17]
    assert refused(statistic("Average", "Sum")).code == "number_missing"
    assert refused(statistic("Average", Count=0)).code == "number_missing"


def test_samples_are_given_in_blocks(monkeypatch):
    rows = [sent("Bitrate", n, CallClientTimeStamp=f"2024-05-01T10:{n // 60:02}:{n % 60:02}Z") for n in range(1001)]
    assert [len(samples.times) for samples in every(statistics(*rows), "samples")] == [1000, 1]
    monkeypatch.setattr(acs_media, "MAX_HELD_POINTS", 2)
    records = statistics(*rows[:4])
    assert [len(samples.times) for samples in every(records, "samples")] == [3, 1]
    assert [stream.video_codec for stream in every(records, "stream")] == ["OPUS", "OPUS"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"MetricName": None}, "metric_missing"),
        ({"MediaStreamDirection": "sideways"}, "direction_invalid"),
        ({"MediaStreamDirection": None}, "direction_invalid"),
        ({"ParticipantId": None}, "participant_missing"),
        ({"ParticipantId": "x" * 300}, "id_invalid"),
        ({"CallClientTimeStamp": None}, "time_missing"),
        ({"Average": "many"}, "number_invalid"),
    ],
)
def test_rows_that_are_refused(changes, code):
    assert refused(statistic(**changes)).code == code


def test_a_codec_need_not_be_told():
    assert only(statistics(sent("Bitrate", 1), without=("MediaStreamCodec",)), "stream").video_codec is None


def test_the_endpoint_stands_in_for_the_participant():
    assert only(statistic("ParticipantId", EndpointId="e"), "samples").connection_id == "e"


def test_records_are_of_the_call_that_is_given():
    assert only(one("CallClientMediaStatsTimeSeries", STATISTIC), "samples").call_id == "call-1"
