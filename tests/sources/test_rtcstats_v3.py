"""Dumps made by hand in the form of rtcstats.com's version 3, read by way of the source ``rtcstats``."""

import gzip
import io
import json
from contextlib import suppress

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traces import START, every, only, received, sent

from callscope.sources import Refusal, SourceError, rtcstats, rtcstats_v3, rtcstats_v3_names, rtcstats_v3_trace, sample_blocks
from callscope.sources.registry import recognise
from callscope.telemetry import TELEMETRY
from callscope.vocabulary import (
    DataWarningKind,
    DeviceKind,
    Direction,
    EndpointKind,
    EventCategory,
    Media,
    Metric,
    Outcome,
    Platform,
    StreamSource,
)

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
METADATA = {"fileFormat": 3, "userAgent": CHROME, "clientProtocol": "rtcstats#5.0", "startTime": START}
NUMBERS = {name: int(key) for key, name in rtcstats_v3_names.METHODS.items() if key != "g"}
KEYS = {name: key for key, name in rtcstats_v3_names.PROPERTIES.items()}
KINDS = {name: int(key) for key, name in rtcstats_v3_names.TYPES.items()}
MEDIA = "navigator.mediaDevices."
SECRETS = ("192.168.1.154", "203.0.113.9", "2001:db8::7", "u5er", "pa55", "h0st.local", "ufrag77", "t0ken")


class Dump:
    """Lines with times relative to START; names, statistics and times are squeezed as the client does."""

    def __init__(self, **metadata):
        self.lines = [b"RTCStatsDump", orjson.dumps(METADATA | metadata)]
        self._last = 0.0
        self._reports = {}
        self._ids = {}
        self.add("create", None, {"userAgentData": {"brands": [{"brand": "Google Chrome", "version": "142.0.7426.5"}]}})

    def add(self, name, connection="PC_0", data=None, at=0.0, *extra, method=None):
        delta = START + at - self._last
        self._last = START + at
        self.lines.append(orjson.dumps([NUMBERS.get(name, name) if method is None else method, connection, data, *extra, delta]))
        return self

    def connect(self, at=0.0, connection="PC_0"):
        self.add("create", connection, {"iceServers": [{"urls": "turn:relay"}], "bundlePolicy": "max-bundle"}, at)
        return self.add("onconnectionstatechange", connection, '"connected"', at + 500)

    def stats(self, reports, at, connection="PC_0", method="g"):
        """Reports as a browser returns them; what comes by RTCP has a timestamp of its own, relative to START."""
        ids = self._ids.setdefault(connection, {})
        before = self._reports.get(connection, {})
        for key in reports:
            ids.setdefault(key, str(len(ids)))
        delta = {"t": START + at}
        for key, report in reports.items():
            full = dict(report)
            if "timestamp" in full:
                full["timestamp"] += START
            changed = {name: value for name, value in full.items() if before.get(key, {}).get(name) != value}
            if changed:
                delta[ids[key]] = {KEYS.get(name, name): self._told(name, value, ids) for name, value in changed.items()}
            before[key] = full
        for key in set(before) - set(reports):
            delta[ids[key]] = None
            del before[key]
        self._reports[connection] = before
        return self.add("getStats", connection, delta, at + 7, method=method)

    @staticmethod
    def _told(name, value, ids):
        return KINDS.get(value, value) if name == "type" else ids.get(value, value) if name.endswith("Id") else value

    def bytes(self):
        return b"\n".join(self.lines) + b"\n"

    def read(self, **options):
        return read(self.bytes(), **options)


def read(data, **options):
    return list(rtcstats.read(io.BytesIO(data), **options))


def times(record, *names):
    values = (getattr(record, name) for name in names)
    return tuple(None if value is None else round(value.timestamp() * 1000) - START for value in values)


def samples(records, metric, **fields):
    return [value for record in every(records, "samples", metric=metric, **fields) for value in record.values]


PATH = {
    "P": {"type": "candidate-pair", "currentRoundTripTime": 0.05, "localCandidateId": "L", "remoteCandidateId": "R"},
    "L": {"type": "local-candidate", "candidateType": "host", "protocol": "udp", "networkType": "wifi"},
    "R": {"type": "remote-candidate", "candidateType": "srflx"},
    "T": {"type": "transport", "selectedCandidatePairId": "P"},
    "C": {"type": "codec", "mimeType": "audio/opus"},
}


def call() -> Dump:
    """A client that sends a microphone and a camera and receives one track."""
    dump = Dump()
    dump.add(f"{MEDIA}getUserMedia", None, {"audio": True, "video": {"width": 640}}, 50, "60-0")
    tracks = [["audio", "mic", "Headset", "s"], ["video", "cam", "Webcam", "s"]]
    dump.add(f"{MEDIA}getUserMediaOnSuccess", None, tracks, 100, "60-0").connect(at=200)
    dump.add("addTrack", "PC_0", ["audio", "mic", "Headset", "s"], 250).add("addTrackOnSuccess", "PC_0", None, 250, "x")
    dump.add("addTransceiver", "PC_0", [["video", "cam", "Webcam"], {"direction": "sendonly"}], 260)
    dump.add("ontrack", "PC_0", ["audio", "track11", "track11", "theirs"], 300)
    for at, number in ((1000, 0), (3000, 100), (5000, 200)):
        judged = {"type": "remote-inbound-rtp", "localId": "OT01A21", "packetsLost": number / 100, "roundTripTime": 0.03}
        dump.stats(
            {
                **PATH,
                **received(packetsReceived=number, packetsLost=number / 100, bytesReceived=number * 100, codecId="C"),
                **sent(packetsSent=number, mediaSourceId="mic", bytesSent=number * 50, remoteId="J"),
                **sent(22, "video", packetsSent=number, mediaSourceId="cam", framesSent=number, framesPerSecond=25),
                "J": judged | {"timestamp": at - 9},
                "mic": {"type": "media-source", "trackIdentifier": "mic"},
                "cam": {"type": "media-source", "trackIdentifier": "cam"},
            },
            at,
        )
    return dump.add("close", "PC_0", None, 6000).add("close", None, 1001, 6100)


def test_call_and_participant():
    records = call().read()
    told = only(records, "call")
    assert (told.platform, told.media_mode) == (Platform.WEBRTC, None)
    one = only(records, "participant")
    assert one.participant_id == told.call_id
    assert one.participant_id.startswith("rtcstats-")
    assert (one.kind, one.user_agent, one.sdk) == (EndpointKind.BROWSER, CHROME, None)
    assert (one.system.browser, one.system.browser_version, one.system.os) == ("Chrome", "142.0.7426.5", "Linux")
    assert [(device.kind, device.label, device.is_selected) for device in one.devices] == [
        (DeviceKind.MICROPHONE, "Headset", True),
        (DeviceKind.CAMERA, "Webcam", True),
    ]
    assert {record.call_id for record in call().read(call_id="mine")} == {"mine"}
    assert only(call().read(call_id="mine"), "participant").participant_id == one.participant_id


def test_connection():
    connection = only(call().read(), "connection")
    assert connection.connection_id == f"{connection.participant_id}/PC_0"
    assert times(connection, "attempted_at", "connected_at", "failed_at", "closed_at") == (200, 700, None, 6000)
    assert (connection.close_reason, connection.network.type, connection.network.local_candidate_type) == (
        "closed",
        "wifi",
        "host",
    )


def test_streams_and_subscribers():
    records = call().read()
    own = only(records, "participant").participant_id
    audio, video, other = (only(records, "stream", stream_id=name) for name in ("audio-21", "video-22", "audio-11"))
    assert (audio.participant_id, audio.connection_id, audio.source) == (own, f"{own}/PC_0", StreamSource.AUDIO_ONLY)
    assert (audio.version, video.version, other.version) == (1, 1, 0)
    assert times(audio, "attempted_at", "published_at", "unpublished_at") == (250, 3000, 6000)
    assert (video.source, times(video, "attempted_at")) == (StreamSource.CAMERA, (260,))
    assert (other.participant_id, other.connection_id, other.audio_codec) == (f"{own}/PC_0/theirs", None, "opus")
    subscriber = only(records, "subscriber")
    assert (subscriber.subscriber_id, subscriber.stream_id) == (f"{own}/PC_0/audio-11", "audio-11")
    assert times(subscriber, "attempted_at", "subscribed_at", "ended_at") == (300, 3000, 6000)
    assert {total.ssrc: (total.packets, total.packets_lost) for total in every(records, "totals")} == {
        21: (200, 2),
        22: (200, None),
        11: (200, 2),
    }


def test_samples():
    records = call().read()
    assert samples(records, Metric.ROUND_TRIP_TIME, media=Media.CONNECTION) == [50, 50, 50]
    received_bitrate = only(records, "samples", metric=Metric.BITRATE, direction=Direction.SUBSCRIBE)
    assert (received_bitrate.values, received_bitrate.times) == ([40_000, 40_000], [START + 3000, START + 5000])
    assert samples(records, Metric.PACKET_LOSS, direction=Direction.PUBLISH) == [1, 1]
    assert samples(records, Metric.FRAME_RATE) == [25, 25]


def test_events():
    records = call().read()
    names = [event.name for event in every(records, "event")]
    assert names == [
        f"{MEDIA}getUserMedia",
        f"{MEDIA}getUserMediaOnSuccess",
        "create",
        "onconnectionstatechange",
        "addTrack",
        "addTransceiver",
        "ontrack",
        "close",
    ]
    assert only(records, "event", name="create").payload == {"bundlePolicy": "max-bundle"}
    assert only(records, "event", name="onconnectionstatechange").payload == {"state": "connected"}
    offered = only(records, "event", name="ontrack")
    assert (offered.category, offered.payload) == (
        EventCategory.SUBSCRIBER,
        {"tracks": [{"kind": "audio", "id": "track11"}], "stream": "theirs"},
    )


def test_both_ends_of_a_direct_connection_name_streams_alike():
    def side(sends, receives, **metadata):
        reports = {**sent(sends, packetsSent=9), **received(receives, packetsReceived=9)}
        return Dump(**metadata).connect().stats(reports, 1000).read(call_id="both")

    ada, bob = side(1, 2, url="/ada"), side(2, 1, url="/bob")
    assert {stream.stream_id for stream in every(ada, "stream")} == {stream.stream_id for stream in every(bob, "stream")}
    for records, others in ((ada, bob), (bob, ada)):
        own = only(records, "stream", version=1)
        assert own.participant_id == only(records, "participant").participant_id
        assert only(others, "stream", version=0).stream_id == own.stream_id
        assert only(others, "stream", version=0).participant_id.endswith("/PC_0/peer")


def test_every_record_passes_through_ndjson():
    for record in call().read():
        assert TELEMETRY.validate_json(record.model_dump_json(by_alias=True, exclude_none=True)) == record


def test_names_and_types_may_be_written_out_and_methods_are_numbers_or_words():
    reports = {"a": {"type": "outbound-rtp", "ssrc": 5, "kind": "audio", "packetsSent": 3}}
    for method in (1, "g", "getStats"):
        dump = Dump().connect().add("getStats", "PC_0", {"timestamp": START + 900, **reports}, 1000, method=method)
        assert only(dump.read(), "totals").packets == 3


def test_the_tables_are_whole():
    assert (len(rtcstats_v3_names.PROPERTIES), len(rtcstats_v3_names.METHODS), len(rtcstats_v3_names.TYPES)) == (170, 55, 14)
    assert [rtcstats_v3_names.PROPERTIES[key] for key in ("t", "14", "15", "16", "20", "41", "79", "152", "176")] == [
        "timestamp",
        "packetsReceived",
        "packetsLost",
        "jitter",
        "framesDecoded",
        "bytesReceived",
        "packetsSent",
        "currentRoundTripTime",
        "ccfbMessagesReceived",
    ]
    assert rtcstats_v3_names.METHODS["65"] == f"{MEDIA}getUserMediaOnFailure"
    assert rtcstats_v3_names.METHODS["80"] == "HTMLMediaElement.resize"
    assert "62" not in rtcstats_v3_names.METHODS
    assert rtcstats_v3_names.TYPES["14"] == "codec"


def test_a_failed_connection():
    dump = Dump().add("create", "PC_0", None, 0).add("oniceconnectionstatechange", "PC_0", "failed", 100)
    connection = only(dump.add("onconnectionstatechange", "PC_0", '"failed"', 120).read(), "connection")
    assert (times(connection, "failed_at"), connection.error.message) == ((120,), "ICE failed")


def test_media_that_was_refused():
    dump = Dump().add(f"{MEDIA}getUserMediaOnFailure", None, "NotAllowedError: Permission denied", 10)
    told = only(dump.read(), "event")
    assert (told.category, told.outcome, told.message) == (
        EventCategory.DEVICE,
        Outcome.FAILED,
        "NotAllowedError: Permission denied",
    )


def test_devices_that_are_there_and_those_in_use():
    known = [
        {"kind": "audioinput", "label": "Headset", "deviceId": "1"},
        {"kind": "audioinput", "label": "Default - Headset", "deviceId": "default"},
        {"kind": "audiooutput", "label": "Speaker", "deviceId": "2"},
        {"kind": "videoinput", "label": "", "deviceId": "3"},
        {"kind": "lamp", "label": "x", "deviceId": "4"},
        "odd",
    ]
    dump = Dump().add(f"{MEDIA}enumerateDevices", None, known, 10).add(f"{MEDIA}ondevicechange", None, None, 11)
    dump.add(f"{MEDIA}getUserMediaOnSuccess", None, [["audio", "mic", "Headset", "s"], "odd", []], 20)
    dump.add(f"{MEDIA}getDisplayMediaOnSuccess", None, [["video", "scr", "screen:0:0", "s"]], 30)
    records = dump.connect(40).stats({**sent(5, "video", packetsSent=9, mediaSourceId="m"), "m": source("scr")}, 100).read()
    devices = only(records, "participant").devices
    assert [(device.kind, device.label, device.is_selected) for device in devices] == [
        (DeviceKind.MICROPHONE, "Headset", True),
        (DeviceKind.SPEAKER, "Speaker", None),
    ]
    assert only(records, "stream").source is StreamSource.SCREEN


def source(track):
    return {"type": "media-source", "trackIdentifier": track}


def test_a_shared_screen_may_say_what_it_is():
    dump = Dump().connect().stats(received(5, "video", packetsReceived=9, contentType="screenshare"), 1000)
    records = dump.read()
    assert (only(records, "stream").source, only(records, "totals").media) == (StreamSource.SCREEN, Media.SCREEN)


def test_what_happens_to_tracks():
    dump = Dump().connect()
    dump.add("MediaStreamTrack.onmute", "PC_0", "track11", 10).add("MediaStreamTrack.enabled", None, False, 20, "mic")
    dump.add("MediaStreamTrack.stop", None, [], 30, "mic", "60-0").add("removeTrack", "PC_0", "t", 35)
    dump.add("replaceTrack", "PC_0", [["video", "a", "l"], ["video", "b", "l"]], 40, "t").add(
        "replaceTrack", "PC_0", [None, None], 41
    )
    dump.add("addTransceiver", "PC_0", ["audio"], 42).add("addTransceiver", "PC_0", "odd", 43).add("ontrack", "PC_0", "odd", 44)
    dump.add("HTMLMediaElement.resize", "PC_0", {"width": 5, "videoWidth": 9, "more": 1}, 50, "track11")
    events = {(event.name, times(event, "at")[0]): event for event in every(dump.read(), "event")}
    assert events["MediaStreamTrack.onmute", 10].payload == {"track": "track11"}
    assert events["MediaStreamTrack.enabled", 20].payload == {"track": "mic", "enabled": False}
    assert events["MediaStreamTrack.stop", 30].payload == {"track": "mic"}
    assert events["MediaStreamTrack.stop", 30].category is EventCategory.MEDIA
    assert events["removeTrack", 35].payload == {"tracks": []}
    assert events["replaceTrack", 40].payload == {"tracks": [{"kind": "video", "id": "b"}]}
    assert events["replaceTrack", 41].payload == {"tracks": []}
    assert events["ontrack", 44].payload == {"tracks": []}
    assert events["HTMLMediaElement.resize", 50].payload == {"width": 5, "videoWidth": 9}


def test_data_channels():
    dump = Dump().connect().add("createDataChannel", "PC_0", ["chat", {"ordered": False}], 10)
    dump.add("createDataChannel", "PC_0", [], 11).add("ondatachannel", "PC_0", [1, "files"], 20)
    told = [event.payload for event in every(dump.read(), "event") if "Channel" in event.name or "channel" in event.name]
    assert told == [{"label": "chat"}, {"label": None}, {"label": "files"}]


def test_an_applications_own_events_keep_their_figures():
    dump = Dump().add(":rating", None, {"stars": 4, "token": "t0ken", "again": True, "\x00": 1}, 10).add(":count", None, 5, 20)
    dump.add(":text", None, "t0ken", 30).add("websocket", None, {"connectionTime": 85}, 40)
    assert {event.name: event.payload for event in every(dump.read(), "event")} == {
        ":rating": {"stars": 4, "again": True},
        ":count": 5,
        ":text": None,
        "websocket": None,
    }


@pytest.mark.parametrize(("protocol", "tracks"), [("rtcstats#4.0", True), ("rtcstats#5.0", False), ("own", False), (None, False)])
def test_older_clients_write_tracks_without_labels(protocol, tracks):
    dump = Dump(clientProtocol=protocol).add(f"{MEDIA}getUserMediaOnSuccess", None, [["audio", "mic", "s"], "odd"], 5).connect(6)
    dump.add("ontrack", "PC_0", ["audio", "track11", "theirs"], 7).add("addTrack", "PC_0", ["audio", "mic", "s"], 8)
    dump.add("addTransceiver", "PC_0", [["video", "cam", "s"]], 9).add("replaceTrack", "PC_0", [None, ["video", "cam", "s"]], 9)
    records = dump.stats(received(packetsReceived=5), 1000).read()
    publisher = only(records, "stream").participant_id
    assert publisher.rpartition("/")[2] == ("theirs" if tracks else "peer")
    assert only(records, "participant").devices == (None if tracks else [device("s")])


def device(label):
    return {"kind": DeviceKind.MICROPHONE, "label": label, "is_selected": True} and only(
        Dump().add(f"{MEDIA}getUserMediaOnSuccess", None, [["audio", "mic", label, "s"]]).read(), "participant"
    ).devices[0]


def test_chromes_own_events_of_transceivers():
    """Chrome writes such dumps, too: states in quotes, connections like 18-4, tracks by transceiver."""

    def transceiver(**fields):
        ends = {"sender": {"track": "cam", "streams": ["ours"]}, "receiver": {"track": "track11", "streams": ["theirs"]}}
        return {"kind": "audio", "currentDirection": None, **ends, **fields}

    def publisher(*events):
        dump = Dump().connect(0, "18-4")
        for at, (name, data) in enumerate(events, 10):
            dump.add(name, "18-4", data, at)
        records = dump.stats(received(packetsReceived=5), 1000, "18-4").read()
        return only(records, "stream").participant_id.rpartition("/")[2], every(records, "event", name="transceiverAdded")

    added = ("transceiverAdded", transceiver(reason="addTrack"))
    name, events = publisher(added)
    assert (name, events[0].payload) == ("peer", {"tracks": [{"kind": "audio", "id": "cam"}], "stream": "ours"})
    negotiated = ("transceiverModified", transceiver(currentDirection="sendrecv"))
    assert publisher(added, negotiated, negotiated)[0] == "theirs"
    assert publisher(added, ("transceiverModified", transceiver(currentDirection="sendonly")))[0] == "peer"
    name, events = publisher(("transceiverAdded", transceiver(reason="setRemoteDescription", sender={"track": None})))
    assert (name, events[0].payload) == ("theirs", {"tracks": [{"kind": "audio", "id": "track11"}], "stream": "theirs"})
    late = ("ontrack", ["audio", "track11", "track11", "-"])
    assert publisher(late, ("transceiverModified", transceiver(currentDirection="recvonly")))[0] == "theirs"
    assert publisher(late, ("transceiverModified", transceiver(currentDirection="recvonly", receiver="odd")))[0] == "peer"
    assert publisher(late, ("transceiverAdded", "odd"))[0] == "peer"


def test_a_dump_that_begins_late_has_no_states():
    dump = (
        Dump().stats(sent(packetsSent=90), 1000).stats(sent(packetsSent=99), 2000).add("onsignalingstatechange", "PC_1", "x", 5)
    )
    connections = {connection.connection_id[-4:]: connection for connection in every(dump.read(), "connection")}
    assert times(connections["PC_0"], "connected_at") == (1000,)
    assert times(connections["PC_1"], "connected_at") == (None,)


def test_what_was_never_offered_and_never_came_is_passed_over():
    dump = Dump().connect().stats(received(packetsReceived=0), 1000)
    assert every(dump.read(), "stream") == []
    offered = dump.add("ontrack", "PC_0", ["audio", "track12", "x", "s"], 1500).stats(received(12, packetsReceived=0), 2000)
    subscriber = only(offered.read(), "subscriber")
    assert times(subscriber, "attempted_at", "subscribed_at") == (1500, None)


# Statistics.


def test_reports_stay_until_they_are_null():
    both = {**received(11, packetsReceived=5), **received(12, packetsReceived=5)}
    dump = Dump().connect().stats(both, 1000).stats(both, 2000)
    dump.stats(received(12, packetsReceived=5), 3000).stats(received(12, packetsReceived=5), 4000).add(
        "close", "PC_0", None, 5000
    )
    ended = {record.stream_id: times(record, "ended_at") for record in every(dump.read(), "subscriber")}
    assert ended == {"audio-11": (2000,), "audio-12": (5000,)}


def test_a_stream_without_change_has_values_all_the_same():
    dump = Dump().connect()
    for at in (1000, 2000, 3000):
        dump.stats(received(packetsReceived=5), at)
    assert samples(dump.read(), Metric.PACKETS_PER_SECOND) == [0, 0]


def test_what_comes_by_rtcp_is_news_only_when_it_comes():
    dump = Dump().connect()
    for at, number in ((1000, 10), (2000, 20), (3000, 30)):
        judged = {"type": "remote-inbound-rtp", "localId": "OT01A21", "jitter": 0.002, "timestamp": 900}
        dump.stats({**sent(packetsSent=number), "J": judged}, at)
    assert samples(dump.read(), Metric.JITTER) == []


def test_objects_inside_merge_and_lists_are_replaced():
    state = {}
    first = {"t": START, "0": {"type": 2, "96": {"cpu": 1, "none": 2}, "168": [1, 2], "x": {"a": 1}, "t": "odd"}}
    assert rtcstats_v3_trace.apply(state, first) == START
    rtcstats_v3_trace.apply(state, {"0": {"96": {"cpu": 3}, "168": [4], "x": 5}, "1": 7, "9": None})
    assert state == {
        "0": {
            "timestamp": START,
            "type": "outbound-rtp",
            "qualityLimitationDurations": {"cpu": 3, "none": 2},
            "psnrSum": [4],
            "x": 5,
        }
    }


def test_statistics_need_a_connection_and_an_object():
    dump = Dump().connect().add("getStats", None, {"t": START}, 10).add("getStats", "PC_0", "odd", 20)
    dump.add("getStats", "PC_0", {"0": {"type": 2, "10": 5, "11": "audio", "79": 3}}, 30)
    records = dump.read()
    assert times(only(records, "totals"), "at") == (30,)
    assert [event.name for event in every(records, "event")] == ["create", "onconnectionstatechange"]


# Time.


def test_times_are_differences_and_may_begin_anew():
    dump = Dump().add("create", "PC_0", None, 10.5).add("close", "PC_0", None, 20.25)
    dump.lines.append(orjson.dumps(["create", "PC_1", None, START + 90_000]))
    dump.lines.append(orjson.dumps(["close", "PC_1", None, 5]))
    records = dump.read()
    assert [event.at.timestamp() * 1000 - START for event in every(records, "event")] == pytest.approx(
        [10.5, 20.25, 90_000, 90_005]
    )


def test_without_an_absolute_time_nothing_can_be_placed():
    dump = Dump(startTime=None)
    dump.lines[2:] = [orjson.dumps(["create", "PC_0", None, 5]), orjson.dumps(["close", "PC_0", None, 5])]
    *records, refusal = dump.read()
    assert (refusal.line, refusal.code) == (0, "time_missing")
    assert refusal.reason == "2 events do not tell when they happened"
    assert every(records, "event") == []
    assert times(only(records, "connection"), "attempted_at", "closed_at") == (None, None)
    dump.lines.append(orjson.dumps(["close", "PC_0", None, START]))
    dump.lines.append(orjson.dumps(["close", "PC_0", None, 1e13]))
    # What lies centuries off alone is as old as what came before.
    kept = [record for record in dump.read() if not isinstance(record, Refusal)]
    assert [times(event, "at") for event in every(kept, "event")] == [(0,), (0,)]


@pytest.mark.parametrize(
    ("ahead", "repaired"),
    [
        (3600.0, "60.0 minutes ahead of"),
        (-86_400.0 * 1000, "1000.0 days behind"),
        (61.0, "61.0 s ahead of"),
        (59.0, ""),
        (0.0, ""),
    ],
)
def test_a_wrong_clock_is_set_by_the_servers(ahead, repaired):
    dump = Dump(startTime=START - ahead * 1000).add("ontrack", "PC_0", ["audio", "x", "y"], 100).connect(200)
    for at, number in ((1000, 5), (2000, 9)):
        told = {"type": "remote-outbound-rtp", "ssrc": 11, "kind": "audio", "packetsSent": 7, "timestamp": at - 50}
        dump.stats({**received(packetsReceived=number), "O": told}, at)
    records = dump.read()
    moved = -ahead * 1000 if repaired else 0
    assert times(only(records, "connection"), "attempted_at", "connected_at") == (200 + moved, 700 + moved)
    assert only(records, "samples", metric=Metric.PACKETS_PER_SECOND).times == [START + 2000 + moved]
    assert [times(total, "at") for total in every(records, "totals")] == [(2000 + moved,), (1950 + moved,)]
    messages = [warning.message for warning in every(records, "warning", kind=DataWarningKind.CLOCK_REPAIRED)]
    assert [repaired in message for message in messages] == ([True] if repaired else [])
    said = [(event.payload or {}).get("clientTime") for event in every(records, "event", name="create")]
    assert said == ([START + 200] if repaired else [None])


def test_rows_before_the_page_told_of_itself_are_moved_with_the_rest():
    first = Dump(startTime=START + 3_600_000)
    first.lines.pop()
    early = [orjson.dumps(["create", "PC_0", None, START]), orjson.dumps(["close", "PC_0", None, 50])]
    first.lines += [*early, orjson.dumps([39, None, {}, 100])]
    assert times(only(first.read(), "connection"), "attempted_at") == (3_599_850,)


def test_a_clock_is_compared_before_anything_is_told(monkeypatch):
    monkeypatch.setattr(sample_blocks, "BLOCK_SIZE", 2)
    dump = Dump(startTime=START + 3_600_000)
    dump.lines[2:] = [orjson.dumps(["create", "PC_0", None, START])]
    for at in range(1000, 4000, 1000):
        dump.stats(PATH, at)
    records = dump.add("create", None, {}, 5000).read()
    assert records[0].times == [START + 1000, START + 2000]
    assert times(only(records, "connection"), "attempted_at") == (0,)
    assert every(records, "warning", kind=DataWarningKind.CLOCK_REPAIRED) == []


def test_statistics_after_sleep_are_placed_by_the_page():
    dump = Dump().connect()
    for number in range(1, 7):
        dump.stats(received(packetsReceived=50 * number), 1000 * number)
    slept = [orjson.loads(line) for line in dump.lines[5:]]
    # From the third result on, three hours have passed on the page's clock, and none on that of its statistics.
    slept[2][-1] += 3 * 3_600_000
    dump.lines[5:] = map(orjson.dumps, slept)
    records = dump.read()
    (rates,) = every(records, "samples", metric=Metric.PACKETS_PER_SECOND)
    assert rates.times == [START + 2000, START + 5000 + 3 * 3_600_000, START + 6000 + 3 * 3_600_000]
    assert rates.values == [50, 50, 50]
    assert "jumped once" in every(records, "warning")[0].message


@pytest.mark.parametrize("change", [-3 * 3_600_000, 400 * 86_400_000])
@pytest.mark.parametrize("since", [3, 6, 9])
def test_all_goes_on_wherever_the_clock_is_set(change, since):
    def dump():
        made = Dump(startTime=START).connect()
        for number in range(1, 6):
            made.stats(received(packetsReceived=50 * number), 1000 * number)
        return made.add("close", "PC_0", None, 6000)

    wrong = dump()
    row = orjson.loads(wrong.lines[since])
    row[-1] += change
    wrong.lines[since] = orjson.dumps(row)
    ends = [times(only(each.read(), "connection"), "attempted_at", "closed_at") for each in (dump(), wrong)]
    assert ends[0] == pytest.approx(ends[1], abs=2000)
    assert any("was set" in warning.message for warning in every(wrong.read(), "warning"))


@pytest.mark.parametrize("uptime", [90_000, 5 * 86_400_000])
def test_a_clock_that_begins_in_1970_is_set_by_the_servers(uptime):
    dump = Dump(startTime=START).add("create", "PC_0", {}, 500)
    right = dump.read()
    first = orjson.loads(dump.lines[2])
    dump.lines[2] = orjson.dumps([*first[:-1], uptime])
    records = dump.read()
    assert times(only(records, "connection"), "attempted_at") == times(only(right, "connection"), "attempted_at")
    assert "behind the server's" in only(records, "warning", kind=DataWarningKind.CLOCK_REPAIRED).message


def test_a_clock_without_comparison_stands():
    dump = Dump(startTime=START + 3_600_000)
    dump.lines[2:] = [orjson.dumps(["create", None, None, 5]), orjson.dumps(["create", "PC_0", None, START])]
    assert times(only(dump.read(), "connection"), "attempted_at") == (0,)


# The file.


def test_recognises():
    data = call().bytes()
    for head in (data[:100], gzip.compress(data)[:2000], b"\xef\xbb\xbfRTCStatsDump\n", b"RTCStatsDump\n{}"):
        assert recognise(head).name == "rtcstats"
        assert rtcstats_v3.recognises(head)
    assert not rtcstats_v3.recognises(b'["create","PC_0",{}')


def test_plain_and_packed_tell_the_same():
    data = call().bytes()
    assert read(data) == read(gzip.compress(data)) == list(rtcstats_v3.read(io.BytesIO(data)))


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"RTCStatsDump", 1, "second line"),
        (b"RTCStatsDump\nabc\n", 2, "second line"),
        (b"RTCStatsDump\n[]\n", 2, "second line"),
        (b"RTCStatsDump\n{}\n", 2, "does not tell its version"),
        (b'RTCStatsDump\n{"fileFormat":2}\n', 2, "is of version 2; only version 3 can be read"),
        (b'RTCStatsDump\n{"fileFormat":1}\n', 2, "is of version 1"),
        (b'RTCStatsDump\n{"fileFormat":4}\n', 2, "is of version 4"),
        (b'RTCStatsDump\n{"fileFormat":[]}\n', 2, "does not tell its version"),
    ],
)
def test_other_versions_are_refused_by_name(data, line, reason):
    with pytest.raises(SourceError) as caught:
        read(data)
    assert caught.value.line == line
    assert reason in caught.value.reason


def test_another_file_is_refused():
    for data in (b"", b"hello\n"):
        with pytest.raises(SourceError) as caught:
            list(rtcstats_v3.read(io.BytesIO(data)))
        assert "first line should be RTCStatsDump" in caught.value.reason


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'["create","PC_0",{', "json_invalid"),
        (b'["create","PC_0","\x00",1]', "json_invalid"),
        (b'["create","PC_0","\xff",1]', "json_invalid"),
        (b"[]", "row_invalid"),
        (b'["create"]', "row_invalid"),
        (b'["create",{},{},1]', "row_invalid"),
        (b'["create","PC_0",{},"1"]', "row_invalid"),
        (b'[null,"PC_0",{},1]', "row_invalid"),
    ],
)
def test_a_damaged_line_is_refused_and_the_others_are_kept(line, code):
    whole, damaged = call(), call()
    damaged.lines.insert(8, line)
    records = damaged.read()
    refusal = next(record for record in records if isinstance(record, Refusal))
    assert (refusal.line, refusal.field, refusal.code) == (9, None, code)
    kept = [record for record in records if not isinstance(record, Refusal)]
    assert [record.type for record in kept] == [record.type for record in whole.read()]
    assert every(kept, "warning") == []


def test_a_dump_that_is_cut_off_says_so():
    data = call().bytes()[:-10]
    records = read(data)
    (refusal,) = [record for record in records if isinstance(record, Refusal)]
    assert (refusal.line, refusal.code) == (data.count(b"\n") + 1, "truncated")
    kept = [record for record in records if record is not refusal]
    assert [warning.kind for warning in kept if warning.type == "warning"] == [DataWarningKind.TRUNCATED]


@pytest.mark.parametrize(
    ("more", "cut"), [([], True), ([("close", "PC_0", None, 2000)], False), ([("close", None, None, 2000, 1001)], False)]
)
def test_a_dump_without_its_end_says_so(more, cut):
    dump = Dump().connect().add("create", "PC_1", {}, 600)
    for row in more:
        dump.add(*row)
    assert [warning.kind for warning in every(dump.read(), "warning")] == [DataWarningKind.TRUNCATED] * cut


def test_what_is_no_array_is_ignored():
    whole, more = call(), call()
    more.lines[5:5] = [b'"abc"', b"{}", b"", b"5"]
    assert more.read() == whole.read()


def test_connections_of_no_name_and_by_number():
    dump = Dump().add("setLocalDescription", "undefined-undefined", {"sdp": "v="}, 5).add("create", 7, None, 6)
    assert [connection.connection_id[-2:] for connection in every(dump.read(), "connection")] == ["/7"]


def test_blocks_come_as_they_fill(monkeypatch):
    monkeypatch.setattr(sample_blocks, "BLOCK_SIZE", 10)
    dump = Dump().connect()
    for number in range(25):
        dump.stats({**PATH, "P": PATH["P"] | {"currentRoundTripTime": number / 1000}}, 1000 * (number + 1))
    records = dump.read()
    assert [record.type for record in records[:3]] == ["samples", "samples", "call"]
    assert samples(records, Metric.ROUND_TRIP_TIME) == pytest.approx(range(25))
    assert len({record.call_id for record in records}) == 1


LOOKED_UP = {
    "country": {"iso_code": "AT", "names": {}},
    "subdivisions": [{"names": {"en": "Vienna"}}],
    "city": {"names": {"en": "W"}},
}


@pytest.mark.parametrize(
    ("locations", "expected"),
    [
        ([LOOKED_UP], ("AT", "Vienna", None)),
        ([LOOKED_UP | {"subdivisions": []}], ("AT", None, None)),
        ([None], None),
        ("odd", None),
    ],
)
def test_where_the_server_looked_the_client_up(locations, expected):
    location = only(Dump(locations=locations).read(), "participant").location
    assert (location and (location.country, location.region, location.city)) == expected


def personal() -> Dump:
    """A dump with every kind of secret in every place where one may be."""
    dump = Dump(
        url="/r?jwt=t0ken", remoteAddresses=["203.0.113.9"], origin="https://203.0.113.9", locations=[{"ip": "203.0.113.9"}]
    )
    server = {"urls": "turn:203.0.113.9", "username": "u5er", "credential": "pa55"}
    dump.add("create", "PC_0", {"iceServers": [server]}).add("setConfiguration", "PC_0", {"iceServers": [server]})
    candidate = {
        "candidate": "candidate:1 1 udp 1 192.168.1.154 9 typ srflx raddr 203.0.113.9 ufrag ufrag77",
        "url": "turn:u5er@203.0.113.9",
    }
    sdp = {"type": "offer", "sdp": "v=0\r\nc=IN IP4 192.168.1.154\r\na=ice-ufrag:ufrag77\r\na=ice-pwd:pa55"}
    for name in ("createOfferOnSuccess", "setLocalDescription", "setRemoteDescription", "setLocalDescriptionOnSuccess"):
        dump.add(name, "PC_0", sdp, 0, "2-0")
    dump.add("setRemoteDescriptionOnFailure", "PC_0", "Failed to parse a=ice-ufrag:ufrag77 at 192.168.1.154")
    dump.add("addIceCandidateOnFailure", "PC_0", f"OperationError {candidate['candidate']} on h0st.local, 2001:db8::7")
    dump.add("onicecandidate", "PC_0", candidate).add("addIceCandidate", "PC_0", candidate, 0, {"rtcstatsLocation": "x"})
    error = {"address": "192.168.1.154", "url": "turn:u5er@203.0.113.9", "errorCode": 701, "errorText": "203.0.113.9"}
    dump.add("onicecandidateerror", "PC_0", error).add("publicIP", None, ["203.0.113.9"]).add(":own", None, {"token": "t0ken"})
    dump.add("some 192.168.1.154", None, {"token": "t0ken"}).add("MediaStreamTrack.stop", None, ["t0ken"], 0)
    ends = {"address": "192.168.1.154", "relatedAddress": "203.0.113.9", "url": "turn:203.0.113.9", "usernameFragment": "ufrag77"}
    for at in (1000, 2000):
        dump.stats(
            {
                "T": {"type": "transport", "selectedCandidatePairId": "P", "iceLocalUsernameFragment": "ufrag77"},
                "P": {"type": "candidate-pair", "localCandidateId": "L", "remoteCandidateId": "R", "currentRoundTripTime": 0.1},
                "L": {"type": "local-candidate", "candidateType": "relay", "relayProtocol": "tls", **ends},
                "R": {"type": "remote-candidate", "candidateType": "host", **ends},
                **sent(packetsSent=at),
            },
            at,
        )
    return dump


def test_no_address_and_no_credential_comes_out():
    records = personal().read()
    told = "\n".join(record.model_dump_json() for record in records)
    assert [secret for secret in SECRETS if secret in told] == []
    assert "sdp" not in told.replace("[sdp]", "")
    network = only(records, "connection").network
    assert (network.local_candidate_type, network.transport) == ("relay", "tls")
    assert len(every(records, "event")) > 5


def survives(data):
    """Whatever a file holds, it is telemetry, refusals, or a source error."""
    try:
        for record in read(data):
            assert isinstance(record, Refusal) or record.model_dump_json()
    except SourceError:
        pass


@settings(max_examples=50, deadline=None)
@given(
    cut=st.integers(0, 9000),
    flips=st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_damage_of_any_kind_raises_nothing_else(cut, flips, order):
    lines = personal().lines + call().lines[2:]
    rest = lines[2:]
    order.shuffle(rest)
    data = bytearray(b"\n".join([*lines[:2], *rest]))
    for position, byte in flips:
        data[position % len(data)] = byte
    survives(bytes(data[: len(data) - cut % len(data)]))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_else(data):
    survives(data)
    survives(b"RTCStatsDump\n" + data)
    survives(b'RTCStatsDump\n{"fileFormat":3}\n' + data)


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from([START, "audio", "video", "a", "\x00", "audio/\x00", "x" * 5000]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["type", "timestamp", "t", *map(str, range(1, 177))])


@settings(max_examples=60, deadline=None)
@given(
    metadata=st.dictionaries(st.sampled_from(["userAgent", "startTime", "clientProtocol", "locations"]), ODD),
    events=st.lists(
        st.tuples(
            st.integers(0, 81) | st.sampled_from(["transceiverAdded", "transceiverModified", ":x", "close"]),
            st.sampled_from([None, "PC_0", 5]),
            ODD,
            ODD,
            st.floats(-1e15, 1e15) | st.integers(-(2**62), 2**62),
        ),
        max_size=8,
    ),
    deltas=st.lists(
        st.dictionaries(
            st.sampled_from(["t", "timestamp", "0", "1", "2"]),
            ODD | st.dictionaries(FIELDS, ODD | st.integers(0, 15), max_size=9),
        ),
        max_size=5,
    ),
)
def test_odd_contents_raise_nothing(metadata, events, deltas):
    lines = [
        b"RTCStatsDump",
        orjson.dumps({**metadata, "fileFormat": 3}),
        orjson.dumps(["create", None, {"userAgentData": 5}, START]),
    ]
    lines += [orjson.dumps(list(event)) for event in events]
    lines += [orjson.dumps(["g", "PC_0", {"t": START + number, **delta}, 1000]) for number, delta in enumerate(deltas)]
    with suppress(SourceError):
        for record in read(b"\n".join(lines)):
            assert isinstance(record, Refusal) or record.model_dump_json()


def test_the_order_of_metadata_does_not_name_the_dump():
    dump = call()
    first = dump.read()
    dump.lines[1] = json.dumps(dict(reversed(list(json.loads(dump.lines[1]).items())))).encode()
    assert dump.read() == first
