import contextlib
import gzip
import io
import json
import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traces import BRIDGE, IDENTITY, P2P, START, Trace, every, only, packed, read, received, sent

from callscope.sources import Refusal, SourceError, rtcstats, rtcstats_records, sample_blocks
from callscope.telemetry import TELEMETRY
from callscope.vocabulary import DataWarningKind, Direction, EndpointKind, Media, MediaMode, Metric, Platform, StreamSource

SECRETS = ("192.168.1.154", "203.0.113.9", "2001:db8::7", "u5er", "pa55", "h0st.local", "ufrag77", "t0ken")


def times(record, *names):
    """Instants relative to the trace's start, in ms."""
    values = (getattr(record, name) for name in names)
    return tuple(None if value is None else round(value.timestamp() * 1000) - START for value in values)


def samples(records, metric, **fields):
    return [value for record in every(records, "samples", metric=metric, **fields) for value in record.values]


def bridge_call() -> Trace:
    """A client that sends audio and simulcast video through the bridge and receives from one other."""
    trace = Trace().add(
        "connectionInfo", None, {"path": "/elsewhere", "userAgent": "Mozilla/5.0 (X11; Linux) Firefox/118.0"}, 9e8
    )
    trace.add("identity", None, IDENTITY | {"deploymentInfo": {"releaseNumber": "77"}}, -9e8)
    media = [{"id": "mic", "kind": "audio", "label": "Headset"}, {"id": "cam", "kind": "video", "label": "Webcam"}]
    trace.add("navigator.mediaDevices.getUserMediaOnSuccess", None, {"tracks": [*media, {"kind": "video"}]}, 100)
    trace.connect(at=200)
    trace.add("addTrack", "PC_0", "audio:mic -", 250).add("addTrack", "PC_0", "video:cam -", 250)
    trace.add("ontrack", "PC_0", "audio:mixedlabelaudio0 stream:mixedmslabel", 300)
    trace.add("ontrack", "PC_0", "audio:track11 stream:bbbbbbbb-audio-0-4", 300)
    for at, number in ((1000, 0), (3000, 100), (5000, 200)):
        judged = {
            "type": "remote-inbound-rtp",
            "localId": "OT01A21",
            "packetsLost": number / 100,
            "roundTripTime": 0.03,
            "timestamp": START + at - 9,
        }
        trace.stats(
            {
                **received(packetsReceived=number, packetsLost=number / 100, bytesReceived=number * 100, codecId="C"),
                **received(12, trackIdentifier="mixedlabelaudio0", packetsReceived=0),
                **sent(packetsSent=number, mediaSourceId="mic", bytesSent=number * 50),
                **sent(22, "video", packetsSent=number, mediaSourceId="cam", framesSent=number, framesPerSecond=25),
                **sent(23, "video", packetsSent=number, mediaSourceId="cam"),
                "R": judged,
                "C": {"type": "codec", "mimeType": "audio/opus"},
                "mic": {"type": "media-source", "trackIdentifier": "mic"},
                "cam": {"type": "media-source", "trackIdentifier": "cam"},
                "P": {
                    "type": "candidate-pair",
                    "currentRoundTripTime": 0.05,
                    "availableIncomingBitrate": 5e5,
                    "localCandidateId": "L",
                },
                "L": {"type": "local-candidate", "candidateType": "host", "protocol": "udp", "networkType": "wifi"},
                "T": {"type": "transport", "selectedCandidatePairId": "P"},
            },
            at,
        )
    return trace.add("close", "PC_0", {}, 6000)


def test_call_and_participant():
    records = bridge_call().read()
    call = only(records, "call")
    assert (call.call_id, call.platform, call.media_mode) == ("standup", Platform.JITSI, MediaMode.ROUTED)
    one = only(records, "participant", participant_id="aaaaaaaa")
    assert (one.display_name, one.kind, one.user_agent) == ("Ada", EndpointKind.BROWSER, "Mozilla/5.0 (X11; Linux) Firefox/118.0")
    assert (one.system.browser, one.system.os, one.sdk.name, one.sdk.version) == ("Firefox", "Linux", "Jitsi Meet", "77")
    assert [(device.kind.value, device.label) for device in one.devices] == [("MICROPHONE", "Headset"), ("CAMERA", "Webcam")]
    assert only(records, "participant", participant_id="bbbbbbbb").kind is None
    assert {record.call_id for record in records} == {"standup"}


def test_connection():
    connection = only(bridge_call().read(), "connection")
    assert (connection.connection_id, connection.participant_id) == ("aaaaaaaa/PC_0", "aaaaaaaa")
    assert times(connection, "attempted_at", "connected_at", "failed_at", "closed_at") == (200, 700, None, 6000)
    assert (connection.close_reason, connection.network.type, connection.network.transport) == ("closed", "wifi", "udp")


def test_streams_and_subscribers():
    records = bridge_call().read()
    audio = only(records, "stream", stream_id="aaaaaaaa-audio-0-1")
    assert (audio.connection_id, audio.source, audio.has_audio, audio.has_video) == (
        "aaaaaaaa/PC_0",
        StreamSource.AUDIO_ONLY,
        True,
        False,
    )
    assert times(audio, "attempted_at", "published_at", "unpublished_at") == (250, 3000, 6000)
    video = only(records, "stream", stream_id="aaaaaaaa-video-0-1")
    assert (video.source, video.is_scalable, video.participant_id) == (StreamSource.CAMERA, True, "aaaaaaaa")
    other = only(records, "stream", stream_id="bbbbbbbb-audio-0-4")
    assert (other.participant_id, other.connection_id, other.audio_codec) == ("bbbbbbbb", None, "opus")
    assert times(other, "published_at", "unpublished_at") == (300, 6000)
    subscriber = only(records, "subscriber")
    assert (subscriber.subscriber_id, subscriber.stream_id) == ("aaaaaaaa/PC_0/bbbbbbbb-audio-0-4", other.stream_id)
    assert (subscriber.participant_id, subscriber.connection_id) == ("aaaaaaaa", "aaaaaaaa/PC_0")
    assert times(subscriber, "attempted_at", "subscribed_at", "ended_at") == (300, 3000, 6000)


def test_totals():
    records = bridge_call().read()
    assert {(total.stream_id or total.subscriber_id, total.ssrc, total.packets) for total in every(records, "totals")} == {
        ("aaaaaaaa-audio-0-1", 21, 200),
        ("aaaaaaaa-video-0-1", 22, 200),
        ("aaaaaaaa-video-0-1", 23, 200),
        ("aaaaaaaa/PC_0/bbbbbbbb-audio-0-4", 11, 200),
    }
    audio = only(records, "totals", ssrc=21)
    assert (audio.packets_lost, audio.packet_loss_percent, audio.round_trip_time_ms) == (2, 1, 30)


def test_samples():
    records = bridge_call().read()
    assert samples(records, Metric.ROUND_TRIP_TIME, media=Media.CONNECTION, direction=Direction.BOTH) == [50, 50, 50]
    assert samples(records, Metric.AVAILABLE_BITRATE, direction=Direction.SUBSCRIBE) == [500_000] * 3
    received_bitrate = only(records, "samples", metric=Metric.BITRATE, direction=Direction.SUBSCRIBE)
    assert (received_bitrate.values, received_bitrate.times) == ([40_000, 40_000], [START + 3000, START + 5000])
    assert (received_bitrate.subscriber_id, received_bitrate.stream_id) == (
        "aaaaaaaa/PC_0/bbbbbbbb-audio-0-4",
        "bbbbbbbb-audio-0-4",
    )
    assert samples(records, Metric.PACKETS_PER_SECOND, stream_id="aaaaaaaa-video-0-1") == [100, 100]
    assert samples(records, Metric.PACKET_LOSS, stream_id="aaaaaaaa-audio-0-1") == [1, 1]
    assert samples(records, Metric.ROUND_TRIP_TIME, media=Media.AUDIO, direction=Direction.BOTH) == [30, 30]
    assert samples(records, Metric.FRAME_RATE) == [25, 25]


def test_events():
    records = bridge_call().read()
    connected = only(records, "event", name="onconnectionstatechange")
    assert (times(connected, "at"), connected.connection_id, connected.participant_id) == ((700,), "aaaaaaaa/PC_0", "aaaaaaaa")
    names = [event.name for event in every(records, "event")]
    assert "getstats" not in names
    assert names.count("ontrack") == 1


def test_every_record_passes_through_ndjson():
    for record in bridge_call().read():
        text = record.model_dump_json(by_alias=True, exclude_none=True)
        assert TELEMETRY.validate_json(text) == record


def test_reading_twice_tells_the_same():
    data = bridge_call().bytes()
    assert read(data) == read(packed(data))


def test_the_caller_may_name_the_call():
    assert {record.call_id for record in bridge_call().read(call_id="mine")} == {"mine"}


def test_both_sides_of_a_conference_agree():
    def side(own, other, first):
        trace = Trace().add("identity", None, IDENTITY | {"endpointId": own, "confName": first})
        trace.connect("PC_0", BRIDGE).connect("PC_7", None).connect("PC_1", P2P)
        trace.add("ontrack", "PC_1", f"audio:track11 stream:{other}-audio-2", 900)
        reports = {**received(packetsReceived=5), **sent(packetsSent=9)}
        return trace.stats(reports, 1000, "PC_1").read()

    ada, bob = side("aaaaaaaa", "bbbbbbbb", "Standup"), side("bbbbbbbb", "aaaaaaaa", "STANDUP")
    assert {record.call_id for record in ada + bob} == {"standup"}
    for records in (ada, bob):
        assert {(stream.stream_id, stream.participant_id) for stream in every(records, "stream")} == {
            ("aaaaaaaa-audio-0-2", "aaaaaaaa"),
            ("bbbbbbbb-audio-0-2", "bbbbbbbb"),
        }
    assert {record.version for record in every(ada, "stream", participant_id="aaaaaaaa")} == {1}
    assert {record.version for record in every(bob, "stream", participant_id="aaaaaaaa")} == {0}
    assert {record.connection_id for record in every(ada + bob, "connection")} == {
        f"{participant}/{connection}" for participant in ("aaaaaaaa", "bbbbbbbb") for connection in ("PC_0", "PC_1", "PC_7")
    }


def test_what_the_sender_says_by_rtcp_is_told_of_its_stream():
    told = {"O": {"type": "remote-outbound-rtp", "kind": "audio", "ssrc": 11, "packetsSent": 60, "timestamp": START + 900}}
    lost = {"X": {"type": "remote-outbound-rtp", "kind": "audio", "ssrc": 99, "packetsSent": 60}}
    trace = Trace().add("identity", None, IDENTITY).connect().add("ontrack", "PC_0", "audio:track11 stream:bbbbbbbb-audio-0-1")
    records = trace.stats({**received(packetsReceived=50, packetsLost=3), **told, **lost}, 1000).read()
    total = only(records, "totals", stream_id="bbbbbbbb-audio-0-1")
    assert (total.version, total.packets, total.packets_lost, times(total, "at")) == (0, 60, None, (900,))
    assert only(records, "totals", version=1).packets == 50


def test_peer_to_peer_is_relayed():
    trace = Trace().add("identity", None, IDENTITY).connect("PC_0", BRIDGE).connect("PC_1", P2P)
    trace.stats(sent(packetsSent=9, bytesSent=100), 1000, "PC_0").stats(sent(packetsSent=9, bytesSent=900), 1000, "PC_1")
    assert only(trace.read(), "call").media_mode is MediaMode.RELAYED
    assert only(Trace().connect(kind=P2P).read(), "call").media_mode is MediaMode.RELAYED
    assert only(Trace().connect(kind=BRIDGE).read(), "call").media_mode is MediaMode.ROUTED
    assert only(Trace().connect(kind=None).read(), "call").media_mode is None


def test_the_bridge_is_not_blamed_for_silence_while_two_talk_directly():
    trace = Trace().add("identity", None, IDENTITY).connect("PC_0", BRIDGE).connect("PC_1", P2P, 2000)
    for at, number in ((1000, 10), (2000, 20), (3000, 20), (4000, 20), (5000, 20), (6000, 20)):
        trace.stats(sent(packetsSent=number), at)
        if at == 4000:
            trace.add("close", "PC_1", {}, 4500)
    record = only(trace.read(), "samples", metric=Metric.PACKETS_PER_SECOND)
    assert [(time - START, value) for time, value in zip(record.times, record.values, strict=True)] == [
        (2000, 10),
        (5000, 0),
        (6000, 0),
    ]


def test_screens_are_told_from_cameras():
    trace = Trace().add("identity", None, IDENTITY).connect()
    trace.add(
        "navigator.mediaDevices.getDisplayMediaOnSuccess", None, {"tracks": [{"id": "s", "kind": "video", "label": "screen:0"}]}
    )
    trace.add("setVideoType", None, {"ssrc": 31, "videoType": "camera", "ownerEndpointId": "cccccccc"})
    trace.add("setVideoType", None, "odd")
    for at, number in ((1000, 5), (2000, 9), (3000, 12)):
        source = {"S": {"type": "media-source", "trackIdentifier": "s"}}
        trace.stats(
            {
                **received(31, "video", packetsReceived=number),
                **sent(41, "video", packetsSent=number, mediaSourceId="S"),
                **source,
            },
            at,
        )
        if at == 2000:
            trace.add("setVideoType", None, {"ssrc": 31, "videoType": "desktop"}, 2500)
    records = trace.read()
    assert only(records, "stream", participant_id="aaaaaaaa").source is StreamSource.SCREEN
    shared = only(records, "stream", participant_id="cccccccc")
    assert (shared.stream_id, shared.source) == ("aaaaaaaa/PC_0/video-31", StreamSource.SCREEN)
    assert [(total.media, total.packets) for total in every(records, "totals", ssrc=31)] == [(Media.VIDEO, 9), (Media.SCREEN, 12)]
    rates = every(records, "samples", metric=Metric.PACKETS_PER_SECOND, direction=Direction.SUBSCRIBE)
    assert [(record.media, record.values) for record in rates] == [(Media.VIDEO, [4]), (Media.SCREEN, [3])]
    assert only(records, "participant", participant_id="aaaaaaaa").devices is None


def test_firefox_does_not_say_whose_tracks_it_receives():
    def trace(*offers):
        trace = Trace().add("identity", None, IDENTITY).connect()
        trace.add("ontrack", "PC_0", "audio:{0} stream:mixedmslabel")
        for number, stream in enumerate(offers):
            trace.add("ontrack", "PC_0", f"audio:{{{number + 1}}} stream:{stream}", 400)
        return trace.stats({**received(11, trackIdentifier=None, packetsReceived=5), **received(12, trackIdentifier=None)}, 1000)

    told = only(trace("bbbbbbbb-audio-0-1").read(), "stream")
    assert (told.stream_id, times(told, "attempted_at")) == ("bbbbbbbb-audio-0-1", (400,))
    ambiguous = trace("bbbbbbbb-audio-0-1", "cccccccc-audio-0-1")
    assert only(ambiguous.read(), "stream").participant_id == "unknown"
    ambiguous = trace("bbbbbbbb-audio-0-1", "cccccccc-audio-0-1")
    ambiguous.add("onremovestream", "PC_0", "cccccccc-audio-0-1 ").stats(
        received(13, trackIdentifier=None, packetsReceived=5), 2000
    )
    assert {stream.participant_id for stream in every(ambiguous.read(), "stream")} == {"unknown", "bbbbbbbb"}


def test_a_peer_whom_one_stream_names_sent_the_others_too():
    trace = Trace().add("identity", None, IDENTITY).connect(kind=P2P).add("ontrack", "PC_0", "video:v stream:bbbbbbbb-video-0-2")
    assert only(trace.stats(received(packetsReceived=5), 1000).read(), "stream").participant_id == "bbbbbbbb"
    trace = Trace().add("identity", None, IDENTITY).connect(kind=P2P)
    assert only(trace.stats(received(packetsReceived=5), 1000).read(), "stream").participant_id == "aaaaaaaa/PC_0/peer"


def test_without_endpoint_ids_tracks_name_the_streams():
    trace = Trace().connect().add("ontrack", "PC_0", "audio:track11 stream:1234-1")
    trace.stats(
        {**received(packetsReceived=5), **sent(packetsSent=5, trackId="T"), "T": {"type": "track", "trackIdentifier": "own"}},
        1000,
    )
    records = trace.read()
    assert {stream.stream_id for stream in every(records, "stream")} == {"track11", "own-1"}
    own = only(records, "participant", kind=EndpointKind.BROWSER).participant_id
    assert own.startswith("rtcstats-")
    assert records[0].call_id == own
    assert trace.add("identity", None, IDENTITY | {"endpointId": None}).read()[0].call_id == "standup"


def test_a_connection_of_no_conference_names_its_own_streams():
    trace = Trace().add("identity", None, IDENTITY).add("create", "PC_0", {})
    assert only(trace.stats(sent(packetsSent=5), 1000).read(), "stream").stream_id == "aaaaaaaa/PC_0/audio-0"


def test_what_the_bridge_itself_sends_is_counted_but_not_measured():
    trace = Trace().add("identity", None, IDENTITY).connect().add("ontrack", "PC_0", "video:track11 stream:mixedmslabel")
    for at, number in ((1000, 5), (2000, 9)):
        trace.stats(received(11, "video", packetsReceived=number), at)
    records = trace.read()
    assert only(records, "participant", kind=EndpointKind.SERVER).participant_id == "bridge"
    assert only(records, "totals").packets == 9
    assert every(records, "samples") == []


def test_legacy_reports_count_even_when_empty():
    reports = {"ssrc_5_recv": {"type": "ssrc", "ssrc": "5", "mediaType": "audio", "googTrackId": "m", "packetsReceived": "0"}}
    trace = Trace().connect().add("ontrack", "PC_0", "audio:m stream:mixedmslabel").stats(reports, 1000)
    assert only(trace.read(), "totals").packets == 0


def test_a_change_of_what_limits_quality_is_an_event():
    trace = Trace().add("identity", None, IDENTITY).connect()
    for number, reason in enumerate(["none", "none", "cpu", "cpu", "none"]):
        trace.stats(sent(21, "video", packetsSent=number * 9, qualityLimitationReason=reason), 1000 * (number + 1))
    told = every(trace.read(), "event", name="qualityLimitationReason")
    assert [(times(event, "at"), event.payload, event.stream_id) for event in told] == [
        ((3000,), {"reason": "cpu"}, "aaaaaaaa-video-0-1"),
        ((5000,), {"reason": "none"}, "aaaaaaaa-video-0-1"),
    ]


def camera(packets, *, source=True, **fields):
    reports = sent(21, "video", packetsSent=packets, bytesSent=1000 * packets, mediaSourceId="SV1", **fields)
    return reports | ({"SV1": {"type": "media-source", "kind": "video", "trackIdentifier": "cam"}} if source else {})


def pauses(*reports):
    trace = Trace().add("identity", None, IDENTITY).connect()
    for number, each in enumerate(reports):
        trace.stats(each, 1000 * (number + 1))
    told = [event for event in every(trace.read(), "event") if event.name.startswith("sender")]
    assert all((event.payload, event.stream_id) == ({"media": "video"}, "aaaaaaaa-video-0-1") for event in told)
    return [(event.name, *times(event, "at")) for event in told]


def test_a_sender_without_a_track_is_paused_since_it_was_last_seen_with_one():
    told = pauses(camera(9), camera(18), camera(20, source=False), camera(20, source=False), camera(29))
    assert told == [("senderPaused", 2000), ("senderResumed", 5000)]


def test_so_is_one_that_is_not_active_or_that_never_had_one():
    assert pauses(camera(9, active=True), camera(9, active=False), camera(18, active=True)) == [
        ("senderPaused", 1000),
        ("senderResumed", 3000),
    ]
    assert pauses(sent(21, "video", packetsSent=0), sent(21, "video", packetsSent=5)) == [
        ("senderPaused", 1000),
        ("senderResumed", 2000),
    ]


def test_but_not_one_whose_sources_nobody_tells_or_whose_track_is_silent():
    assert pauses(*(sent(21, "video", packetsSent=9, mediaSourceId="SV1") for _ in range(3))) == []
    assert pauses(camera(9), camera(9), camera(9)) == []
    layers = [camera(9) | sent(22, "video", packetsSent=number, mediaSourceId="SV1", active=False) for number in (3, 3)]
    assert pauses(*layers) == []


def test_how_audio_is_coded_is_told_of_its_stream():
    codec = {"C": {"type": "codec", "mimeType": "audio/opus", "sdpFmtpLine": "minptime=10;useinbandfec=1"}}
    trace = Trace().add("identity", None, IDENTITY).connect()
    trace.stats(sent(21, packetsSent=5, codecId="C") | sent(22, "video", packetsSent=5, codecId="C") | codec, 1000)
    told = {(stream.has_audio, stream.audio_dtx, stream.audio_fec) for stream in every(trace.read(), "stream")}
    assert told == {(True, False, True), (False, None, None)}


def test_reports_absent_from_a_difference_are_gone():
    trace = Trace().add("identity", None, IDENTITY).connect()
    trace.stats({**received(packetsReceived=5), **received(13, packetsReceived=5)}, 1000).stats(received(packetsReceived=8), 3000)
    trace.stats(received(packetsReceived=9), 5000).add("close", "PC_0", {}, 7000)
    ended = {subscriber.subscriber_id: times(subscriber, "ended_at") for subscriber in every(trace.read(), "subscriber")}
    assert ended == {"aaaaaaaa/PC_0/aaaaaaaa/PC_0/audio-11": (7000,), "aaaaaaaa/PC_0/aaaaaaaa/PC_0/audio-13": (1000,)}


def test_reports_without_times_of_their_own_are_as_old_as_what_tells_them():
    trace = Trace().add("identity", None, IDENTITY).connect()
    for number in range(1, 5):
        told = {"timestamp": START + 1000 * number, "OT": {"packetsSent": 10 * number}}
        told["OT"] |= {"type": "outbound-rtp", "kind": "audio", "ssrc": 5} if number == 1 else {}
        trace.add("getstats", "PC_0", told, 1000 * number)
    records = trace.read()
    assert samples(records, Metric.PACKETS_PER_SECOND) == [10, 10, 10]
    assert every(records, "warning", kind=DataWarningKind.CLOCK_REPAIRED) == []


def test_what_comes_before_any_time_is_told_to_have_none():
    trace = Trace().add("onmute", None, None, None).add("create", "PC_0", {})
    (refusal,) = [record for record in trace.read() if isinstance(record, Refusal)]
    assert (refusal.code, refusal.reason) == ("time_missing", "1 events do not tell when they happened")


def test_counters_that_begin_again_are_a_fault_of_the_data():
    trace = Trace().add("identity", None, IDENTITY).connect()
    for at, number in ((1000, 5), (2000, 9), (3000, 1), (4000, 4)):
        trace.stats(sent(packetsSent=number), at)
    records = trace.read()
    warning = only(records, "warning", kind=DataWarningKind.COUNTER_RESET)
    assert (warning.participant_id, "once" in warning.message) == ("aaaaaaaa", True)
    assert samples(records, Metric.PACKETS_PER_SECOND) == [4, 3]


def test_odd_statistics_are_passed_over():
    trace = (
        Trace()
        .connect()
        .add("getstats", "PC_0", None)
        .add("getstats", None, {"timestamp": START})
        .add("getstats", "PC_0", "{cut")
    )
    trace.add("getstats", "PC_0", {"a": 5, "b": {"type": "inbound-rtp", "kind": "audio", "ssrc": 1}}, None)
    trace.stats(received(packetsReceived=5), 1000).stats(received(packetsReceived=9), 1000)
    assert every(trace.read(), "samples") == []


def test_odd_events_are_passed_over():
    trace = (
        Trace().connect().add("constraints", "PC_1", {"optional": "odd"}).add("constraints", "PC_1", {"optional": ["odd", {}]})
    )
    trace.add("ontrack", "PC_0", None).add("getUserMediaOnSuccess", None, {"tracks": [5, {"kind": ["odd"], "label": "x"}]}).add(
        "identity", None, "odd"
    )
    trace.add("setVideoType", None, {"ssrc": "x", "ownerEndpointId": "e"}).add("e2eRtt", None, {"rtt": 5}, None)
    trace.add("addTrack", "PC_0", "audio:x -", None).add("ontrack", "PC_2", "audio:x stream:s", None).add(
        "dominantSpeaker", None, {}, 1e15
    )
    records = trace.read()
    assert {connection.connection_id[-4:] for connection in every(records, "connection")} == {"PC_0", "PC_1", "PC_2"}
    names = {event.name for event in every(records, "event")}
    # Those without a time are as old as what was written before them.
    untimed = {"e2eRtt", "addTrack", "dominantSpeaker"}
    assert names == untimed | {"create", "onconnectionstatechange", "ontrack", "getUserMediaOnSuccess", "setVideoType"}


def test_old_clients_write_objects_as_text_and_quote_states_twice():
    trace = Trace().add("identity", None, json.dumps(IDENTITY)).add("create", "PC_0", {})
    records = trace.add("onconnectionstatechange", "PC_0", '"connected"', 500).read()
    assert times(only(records, "connection"), "connected_at") == (500,)
    assert records[0].call_id == "standup"


def test_a_fifth_element_is_no_time():
    trace = Trace().add("create", "PC_0", {}, 0, 1).add("close", "PC_0", {}, 900, 2)
    assert times(only(trace.read(), "connection"), "attempted_at", "closed_at") == (0, 900)


def test_long_and_odd_names_become_ids():
    trace = Trace().add("identity", None, {"endpointId": "e\x00" * 600, "confName": "r" * 600, "displayName": "n" * 9999})
    records = trace.connect("P" * 300).stats(sent(packetsSent=5), 1000, "P" * 300).read()
    assert max(len(getattr(record, "connection_id", None) or "") for record in records) == 512
    assert "\x00" not in only(records, "participant").participant_id
    assert Trace().add("identity", None, IDENTITY | {"endpointId": "\x00"}).read()[1].participant_id == "unnamed"


def long_call(identity_at: int) -> Trace:
    trace = Trace().connect()
    for number in range(40):
        if number == identity_at:
            trace.add("identity", None, IDENTITY)
        trace.stats(
            {"P": {"type": "candidate-pair", "selected": True, "currentRoundTripTime": number / 1000}}, 1000 * (number + 1)
        )
    return trace


@pytest.mark.parametrize(("identity_at", "limit", "blocks"), [(0, 9999, 4), (25, 9999, 4), (99, 9999, 4), (99, 12, 4)])
def test_blocks_come_as_they_fill_under_one_name(monkeypatch, identity_at, limit, blocks):
    monkeypatch.setattr(sample_blocks, "BLOCK_SIZE", 10)
    monkeypatch.setattr(rtcstats_records, "MAX_HELD_POINTS", limit)
    records = long_call(identity_at).read()
    assert len(every(records, "samples")) == blocks
    assert samples(records, Metric.ROUND_TRIP_TIME) == pytest.approx(range(40))
    assert len({record.call_id for record in records}) == 1
    assert (records[0].type == "samples") is (identity_at < 99 or limit < 99)


def test_memory_does_not_grow_with_statistics():
    trace = long_call(0)
    dump = rtcstats.Dump()
    for number, line in enumerate(trace.lines):
        dump.take(rtcstats._line(line, number + 1))
    assert len(dump.happenings) == 2
    assert len(dump.connections["PC_0"].reports) == 1


def personal() -> Trace:
    """A trace with every kind of secret in every place where one is known to be."""
    trace = Trace().add(
        "connectionInfo", None, {"path": "/r?jwt=t0ken", "clientIp": "203.0.113.9", "url": "https://203.0.113.9/?jwt=t0ken"}
    )
    trace.add("identity", None, {"confName": "r", "confID": "192.168.1.154:8080/r", "jwt": "t0ken", "callStatsSecret": "pa55"})
    server = {"urls": "turn:203.0.113.9", "username": "u5er", "credential": "pa55"}
    trace.add("create", "PC_0", {"iceServers": [server]}).add("setConfiguration", "PC_0", {"iceServers": [server]})
    candidate = {"candidate": "candidate:1 1 udp 1 192.168.1.154 9 typ srflx raddr 203.0.113.9 rport 9 ufrag ufrag77"}
    sdp = {"type": "offer", "sdp": "v=0\r\nc=IN IP4 192.168.1.154\r\na=ice-ufrag:ufrag77\r\na=ice-pwd:pa55"}
    for name in ("createOfferOnSuccess", "setLocalDescription", "setRemoteDescription"):
        trace.add(name, "PC_0", sdp)
    trace.add("setRemoteDescriptionOnFailure", "PC_0", "Failed to parse a=ice-ufrag:ufrag77 at 192.168.1.154")
    trace.add("addIceCandidateOnFailure", "PC_0", f"OperationError {candidate['candidate']} on h0st.local, 2001:db8::7")
    trace.add("onicecandidate", "PC_0", candidate).add("addIceCandidate", "PC_0", candidate)
    trace.add(
        "onicecandidateerror",
        "PC_0",
        {"address": "192.168.1.x", "url": "turn:u5er@203.0.113.9", "errorCode": 701, "errorText": "203.0.113.9"},
    )
    trace.add("publicIP", None, ["203.0.113.9"]).add("logs", None, [{"text": "t0ken"}]).add(
        "some 192.168.1.154", None, {"token": "t0ken"}
    )
    trace.add("ondtlserror", "PC_0", "from 192.168.1.154")
    ends = {
        "address": "192.168.1.154",
        "ip": "192.168.1.154",
        "relatedAddress": "203.0.113.9",
        "url": "turn:203.0.113.9",
        "usernameFragment": "ufrag77",
    }
    pair = {
        "googLocalAddress": "192.168.1.154:9",
        "googRemoteAddress": "203.0.113.9:9",
        "type": "googCandidatePair",
        "googActiveConnection": "true",
    }
    for at in (1000, 2000):
        trace.stats(
            {
                "T": {"type": "transport", "selectedCandidatePairId": "P", "iceLocalUsernameFragment": "ufrag77"},
                "P": {"type": "candidate-pair", "localCandidateId": "L", "remoteCandidateId": "R", "currentRoundTripTime": 0.1},
                "L": {"type": "local-candidate", "candidateType": "relay", "relayProtocol": "udp", **ends},
                "R": {"type": "remote-candidate", "candidateType": "host", **ends},
                "G": pair,
                **sent(packetsSent=at),
            },
            at,
        )
    return trace


def test_no_address_and_no_credential_comes_out():
    records = personal().read()
    text = "\n".join(record.model_dump_json() for record in records)
    assert [secret for secret in SECRETS if secret in text] == []
    assert "sdp" not in text.replace("[sdp]", "")
    assert only(records, "connection").network.local_candidate_type == "relay"
    assert len(every(records, "event")) > 5


def test_recognises():
    head = bridge_call().bytes()[:120]
    assert rtcstats.recognises(head)
    assert rtcstats.recognises(packed(bridge_call().bytes())[:2000])
    assert rtcstats.recognises(b'\xef\xbb\xbf ["create" , "PC_0", {}')
    for other in (
        b"",
        b'{"PeerConnections":',
        b"[1,2]",
        b'[{"a":1}]',
        b'["a"',
        b"\x1f\x8bx",
        b'["a", 5, 6]',
    ):
        assert not rtcstats.recognises(other)


GOOD = b'["create","PC_0",{},1700000000000]\n'


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", None, "file is empty"),
        (b"\n \r\n", None, "file is empty"),
        (b"hello\n", 1, "its first line is not JSON"),
        (b"RTCStatsDump\n{}\n", 2, "only version 3 can be read"),
        (b'{"PeerConnections":{}}\n', 1, "its first line is not of the form"),
        (b"[1,2,3]\n", 1, "its first line is not of the form"),
        (b'["a"]\n', 1, "its first line is not of the form"),
        (b'["","PC_0",{},1]\n', 1, "its first line is not of the form"),
        (b'{"statsSessionId":"x","type":"stats-entry","data":"{}"}\n', 1, "dumps of browsers are wanted"),
        (GOOD + b'["getstats","PC_0",{"timest\n' + GOOD, 2, "line is not JSON"),
        (b'["getstats","PC_0",{"timest', 1, "its first line is not JSON"),
        (GOOD + b'{"a":1}\n', 2, "line is not of the form"),
        (GOOD + b'["close",7,{},1700000000000]\n', 2, "line is not of the form"),
        (GOOD + b'["close","PC_0","\xff",1700000000000]\n', 2, "line is not JSON"),
        (GOOD + b'["close","PC_0","\x00",1700000000000]\n', 2, "NUL"),
        (GOOD + b"[" * 100_000 + b"\n" + GOOD, 2, "line is not JSON"),
        (gzip.compress(GOOD, mtime=0)[:15], None, "ends in the middle"),
        (b"\x1f\x8b\x08 nonsense", None, "cannot be unpacked"),
    ],
)
def test_faults(data, line, reason):
    with pytest.raises(SourceError) as caught:
        read(data)
    assert caught.value.line == line
    assert reason in caught.value.reason


@pytest.mark.parametrize("end", [b'["getstats","PC_0",{"timest', b"[", b'["close","PC_0",\x00\x00\x00\x00', b'["close"\n\n'])
def test_a_dump_that_is_cut_off_says_so(end):
    whole, cut = read(GOOD * 3), list(rtcstats.read(io.BytesIO(GOOD * 3 + end)))
    (refusal,) = [row for row in cut if isinstance(row, Refusal)]
    assert (refusal.line, refusal.code) == (4, "truncated")
    (warning,) = [row for row in cut if not isinstance(row, Refusal) and row.type == "warning"]
    assert (warning.kind, warning.participant_id) == ("TRUNCATED", whole[1].participant_id)
    assert [row for row in cut if row not in (refusal, warning)] == whole


def test_reads_a_stream_that_cannot_seek():
    class Pipe(io.RawIOBase):
        def __init__(self, data):
            self.rest = data

        def read(self, size=-1):
            piece, self.rest = self.rest[:size], self.rest[size:]
            return piece

    assert list(rtcstats.read(Pipe(bridge_call().bytes()))) == bridge_call().read()


def survives(data: bytes) -> None:
    with contextlib.suppress(SourceError):
        read(data)


@settings(max_examples=60, deadline=None)
@given(
    cut=st.integers(0, 20_000),
    seed=st.integers(0, 2**32),
    flips=st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=3),
)
def test_damage_of_any_kind_raises_nothing_but_source_errors(cut, seed, flips):
    trace = personal()
    lines = trace.lines + bridge_call().lines
    random.Random(seed).shuffle(lines)
    data = bytearray(b"\n".join(lines))
    for position, byte in flips:
        data[position % len(data)] = byte
    survives(bytes(data[: len(data) - cut % len(data)]))
    survives(packed(bytes(data))[: -1 - cut % 300])


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        "identity",
        "connectionInfo",
        "create",
        "constraints",
        "ontrack",
        "setVideoType",
        "onicecandidate",
        "close",
        "e2eRtt",
        "onconnectionstatechange",
        "getUserMediaOnSuccess",
        "getUserMediaError",
        "onicecandidateerror",
        "ondatachannel",
    ]
)
FIELDS = st.sampled_from(
    [
        "type",
        "kind",
        "ssrc",
        "mediaType",
        "packetsReceived",
        "packetsSent",
        "bytesSent",
        "jitter",
        "trackId",
        "mid",
        "remoteId",
        "timestamp",
        "codecId",
        "mediaSourceId",
        "framesDecoded",
        "localId",
        "selectedCandidatePairId",
        "isRemote",
    ]
)
VALUES = ODD | st.sampled_from(
    ["inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "ssrc", "transport", "track", "audio", "video", "a", 5]
)


@settings(max_examples=150, deadline=None)
@given(
    events=st.lists(st.tuples(NAMES, ODD), max_size=6),
    reports=st.lists(
        st.dictionaries(st.sampled_from("abc"), st.dictionaries(FIELDS, VALUES, max_size=9)), min_size=2, max_size=4
    ),
)
def test_odd_contents_raise_nothing(events, reports):
    lines = [
        orjson.dumps([name, "PC_0" if number % 2 else None, data, START + number]) for number, (name, data) in enumerate(events)
    ]
    lines += [
        orjson.dumps(["getstats", "PC_0", {"timestamp": START + 1000 * number, **delta}, START + 1000 * number])
        for number, delta in enumerate(reports, 1)
    ]
    for record in read(b"\n".join(lines)):
        record.model_dump_json()
