"""Dumps made by hand in the form that chrome://webrtc-internals writes."""

import gzip
import io
import json
import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traces import START, every, only, received, sent

from callscope.analysis.catalog import build
from callscope.sources import Refusal, SourceError, lines, sample_blocks, webrtc_internals, webrtc_internals_file
from callscope.sources.refusal_codes import RefusalCode
from callscope.sources.registry import recognise
from callscope.storage.keys import key_of
from callscope.telemetry import TELEMETRY, EventRecord, SamplesRecord, from_milliseconds
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
SECRETS = ("192.168.1.154", "203.0.113.9", "2001:db8::7", "u5er", "pa55", "h0st.local", "ufrag77", "t0ken")
PATH = {
    "CP1": {"type": "candidate-pair", "currentRoundTripTime": 0.05, "localCandidateId": "I1", "remoteCandidateId": "I2"},
    "I1": {"type": "local-candidate", "candidateType": "host", "protocol": "udp", "networkType*": "wifi"},
    "I2": {"type": "remote-candidate", "candidateType": "srflx"},
    "T01": {"type": "transport", "selectedCandidatePairId": "CP1"},
    "CIT01_111_minptime=10;useinbandfec=1": {"type": "codec", "mimeType": "audio/opus"},
}


def written(at):
    """The time of a series, cut to milliseconds as Chrome writes it."""
    return from_milliseconds(int(at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Dump:
    """Times are relative to START. What is measured becomes a series for each property."""

    def __init__(self, **top):
        self.top = {
            "getUserMedia": [],
            "PeerConnections": {},
            "UserAgent": CHROME,
            "UserAgentData": [{"brand": "Google Chrome", "version": "142.0.7426.0"}, {"brand": "Not_A", "version": "99.0"}],
        } | top

    def media(self, at=0.0, **fields):
        entry = {"rid": 92, "pid": 6411, "request_id": 0, "request_type": "getUserMedia", "timestamp": START + at, **fields}
        self.top["getUserMedia"].append(entry)
        return self

    def connection(self, key="92-1", **fields):
        fields = {"pid": 6411, "url": "https://meet.example/room?jwt=t0ken", "updateLog": [], "stats": {}, **fields}
        return self.top["PeerConnections"].setdefault(key, {"rtcConfiguration": '{"bundlePolicy":"max-bundle"}', **fields})

    def log(self, name, value="", at=0.0, key="92-1"):
        told = value if isinstance(value, str) else json.dumps(value)
        self.connection(key)["updateLog"].append({"type": name, "value": told, "timestamp": START + at})
        return self

    def connect(self, at=0.0, key="92-1"):
        self.log("onsignalingstatechange", '"stable"', at, key)
        return self.log("onconnectionstatechange", '"connected"', at + 500, key)

    def stats(self, *polls, key="92-1", has_times=True):
        """Polls are (time, reports); what comes by RTCP has a timestamp of its own, relative to START."""
        points = {}
        for at, reports in polls:
            for report, fields in reports.items():
                told = {name: value for name, value in fields.items() if name not in {"type", "timestamp"}}
                read_at = START + fields.get("timestamp", at)
                told |= {"timestamp": read_at} if has_times else {}
                for name, value in told.items():
                    points.setdefault(f"{report}-{name}", (fields["type"], []))[1].append((read_at, value))
        for name, (kind, series) in points.items():
            values = [value for _, value in series]
            self.connection(key)["stats"][name] = {
                "startTime": written(series[0][0]),
                "endTime": written(series[-1][0]),
                "statsType": kind,
                "values": json.dumps(values),
            }
        return self

    def bytes(self):
        return json.dumps(self.top, indent=1).encode()

    def read(self, **options):
        return read(self.bytes(), **options)


def read(data, **options):
    return list(webrtc_internals.read(io.BytesIO(data), **options))


def times(record, *names):
    values = (getattr(record, name) for name in names)
    return tuple(None if value is None else round(value.timestamp() * 1000) - START for value in values)


def samples(records, metric, **fields):
    return [value for record in every(records, "samples", metric=metric, **fields) for value in record.values]


def transceiver(track, **fields):
    ends = {"sender": {"track": track, "streams": ["ours"]}, "receiver": {"track": "track11", "streams": ["theirs"]}}
    return {"mid": "0", "kind": "audio", "direction": "sendrecv", "currentDirection": None, **ends, **fields}


def call() -> Dump:
    """A page that sends a microphone and a camera and receives one track."""
    dump = Dump().media(0, origin="https://meet.example", audio="", video="{}")
    mic, cam = json.dumps({"id": "mic", "label": "Headset"}), json.dumps({"id": "cam", "label": "Webcam"})
    dump.media(100, stream_id="ours", audio_track_info=mic, video_track_info=cam).connect(200)
    dump.log("transceiverAdded", transceiver("mic", reason="addTrack"), 250)
    dump.log("transceiverModified", transceiver("mic", reason="setRemoteDescription", currentDirection="sendrecv"), 300)
    polls = []
    for at, number in ((1000.25, 0), (3000.25, 100), (5000.25, 200)):
        judged = {"type": "remote-inbound-rtp", "localId": "OT01A21", "packetsLost": number / 100, "roundTripTime": 0.03}
        reports = {
            **PATH,
            **received(packetsReceived=number, packetsLost=number / 100, bytesReceived=number * 100, mid=0, codecId=[*PATH][-1]),
            **sent(packetsSent=number, mediaSourceId="SA1", bytesSent=number * 50, remoteId="RI21", mid=0),
            **sent(22, "video", packetsSent=number, mediaSourceId="SV2", framesSent=number, framesPerSecond=25, mid=1),
            "RI21": judged | {"timestamp": at - 9},
            "SA1": {"type": "media-source", "trackIdentifier": "mic"},
            "SV2": {"type": "media-source", "trackIdentifier": "cam"},
            "DC1": {"type": "data-channel", "label": "x"},
        }
        reports["IT01A11"] |= {"[bytesReceived_in_bits/s]": 5, "[a-b]": 7}
        polls.append((at, reports))
    return dump.stats(*polls).log("close", "", 6000)


def test_call_and_participant():
    records = call().read()
    told = only(records, "call")
    assert (told.platform, told.media_mode) == (Platform.WEBRTC, None)
    one = only(records, "participant")
    assert one.participant_id == told.call_id
    assert one.participant_id.startswith("webrtc-internals-")
    assert (one.kind, one.user_agent) == (EndpointKind.BROWSER, CHROME)
    assert (one.system.browser, one.system.browser_version, one.system.os) == ("Chrome", "142.0.7426.0", "Linux")
    assert [(device.kind, device.label) for device in one.devices] == [
        (DeviceKind.MICROPHONE, "Headset"),
        (DeviceKind.CAMERA, "Webcam"),
    ]
    assert {record.call_id for record in call().read(call_id="mine")} == {"mine"}
    assert every(records, "warning") == []


@pytest.mark.parametrize(
    ("hints", "version", "os"),
    [
        ({"brands": [{"brand": "Google Chrome", "version": "144"}]}, "142.0.0.0", "Linux"),
        (
            {
                "brands": [{"brand": "Google Chrome", "version": "144.0.1"}],
                "fullVersionList": [{"brand": "Google Chrome", "version": "144.0.2"}, {"brand": 5}, "odd"],
                "platform": "Windows",
            },
            "144.0.2",
            "Linux",
        ),
        (None, "142.0.0.0", "Linux"),
        ("odd", "142.0.0.0", "Linux"),
    ],
)
def test_client_hints(hints, version, os):
    system = only(Dump(UserAgentData=hints).media().read(), "participant").system
    assert (system.browser, system.browser_version, system.os) == ("Chrome", version, os)


def test_a_browser_that_does_not_tell_its_name():
    system = only(Dump(UserAgent=None, UserAgentData={"platform": "Linux"}).media().read(), "participant").system
    assert (system.browser, system.os) == (None, "Linux")
    assert only(Dump(UserAgent=None, UserAgentData=None).media().read(), "participant").system is None


def test_connection():
    connection = only(call().read(), "connection")
    assert connection.connection_id == f"{connection.participant_id}/92-1"
    assert times(connection, "attempted_at", "connected_at", "closed_at") == (200, 700, 6000)
    network = connection.network
    assert (network.type, network.transport, network.local_candidate_type) == ("wifi", "udp", "host")
    named = Dump()
    named.connection(timestamp=START + 50)
    assert times(only(named.connect(100).read(), "connection"), "attempted_at", "closed_at") == (50, 600)
    assert only(named.read(), "connection").close_reason == "dump ended"


def test_streams_and_subscribers():
    records = call().read()
    own = only(records, "participant").participant_id
    audio, video, other = (only(records, "stream", stream_id=name) for name in ("audio-21", "video-22", "audio-11"))
    assert (audio.participant_id, audio.connection_id, audio.version) == (own, f"{own}/92-1", 1)
    assert times(audio, "attempted_at", "published_at", "unpublished_at") == (250, 3000, 6000)
    assert (video.source, times(video, "attempted_at")) == (StreamSource.CAMERA, (1000,))
    assert (other.participant_id, other.version, other.audio_codec) == (f"{own}/92-1/theirs", 0, "opus")
    subscriber = only(records, "subscriber")
    assert (subscriber.subscriber_id, subscriber.stream_id) == (f"{own}/92-1/audio-11", "audio-11")
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
    assert (received_bitrate.values, received_bitrate.times) == ([40_000, 40_000], [START + 3000.25, START + 5000.25])
    assert samples(records, Metric.PACKET_LOSS, direction=Direction.PUBLISH) == [1, 1]
    assert samples(records, Metric.FRAME_RATE) == [25, 25]


def test_events():
    records = call().read()
    assert [(event.name, times(event, "at")[0]) for event in every(records, "event")] == [
        ("navigator.mediaDevices.getUserMedia", 0),
        ("navigator.mediaDevices.getUserMediaOnSuccess", 100),
        ("create", 200),
        ("onsignalingstatechange", 200),
        ("onconnectionstatechange", 700),
        ("transceiverAdded", 250),
        ("close", 6000),
    ]
    asked = only(records, "event", name="navigator.mediaDevices.getUserMedia")
    assert (asked.category, asked.payload, asked.connection_id) == (EventCategory.DEVICE, {"audio": True, "video": True}, None)
    assert only(records, "event", name="create").payload == {"bundlePolicy": "max-bundle"}
    logged = call().log("create", {"bundlePolicy": "balanced"}, 190)
    assert only(logged.read(), "event", name="create").payload == {"bundlePolicy": "balanced"}


def test_media_that_was_refused():
    records = Dump().media(5, error="NotAllowedError", error_message="Permission denied").read()
    told = only(records, "event")
    assert (told.name, told.outcome) == ("navigator.mediaDevices.getUserMediaOnFailure", Outcome.FAILED)
    assert told.message == "NotAllowedError: Permission denied"


def test_every_record_passes_through_ndjson():
    for record in call().read():
        assert TELEMETRY.validate_json(record.model_dump_json(by_alias=True, exclude_none=True)) == record


# Pages.


def test_pages_of_one_origin_are_one_call_and_pages_of_another_are_another():
    dump = Dump().media(0, rid=77, pid=1, origin="https://other.example").media(9, rid=77, pid=1, stream_id="s")
    dump.connect(key="92-1").connect(key="92-2").connect(key="93-1")
    dump.connection("94-1", url="https://other.example/x", pid=5)
    dump.connect(key="94-1")
    records = dump.read()
    callers = {record.participant_id: record.call_id for record in every(records, "participant")}
    connections = {record.connection_id.rpartition("/")[2]: record for record in every(records, "connection")}
    assert connections["92-1"].participant_id == connections["92-2"].participant_id != connections["93-1"].participant_id
    assert connections["92-1"].call_id == connections["93-1"].call_id != connections["94-1"].call_id
    assert len(callers) == 4
    assert len(set(callers.values())) == 2
    assert len({record.call_id for record in dump.read(call_id="one")}) == 1


def test_media_belongs_to_the_page_that_asked():
    def devices(**entry):
        dump = Dump().connect(key="92-1").connect(key="93-1")
        dump.connection("94-1", pid=7)
        info = json.dumps({"id": "m", "label": "Mic"})
        dump.media(0, stream_id="s", audio_track_info=info, **entry)
        names = {}
        for record in dump.read():
            if record.type == "connection":
                names.setdefault(record.participant_id, record.connection_id.rpartition("/")[2])
        with_devices = [record.participant_id for record in every(dump.read(), "participant") if record.devices]
        return [names.get(name) for name in with_devices]

    assert devices(rid=93) == ["93-1"]
    assert devices(rid=93, origin="https://meet.example") == ["93-1"]
    assert devices(rid=1, pid=7) == ["94-1"]
    assert devices(rid=1, pid=8) == [None]
    assert devices(rid=92, url="https://elsewhere.example/x") == [None]


def test_a_dump_made_again_later_goes_on_under_the_same_names():
    early, late = call(), call()
    early.connection()["updateLog"] = early.connection()["updateLog"][:-1]
    late.log("createOffer", "", 7000)
    for kind in ("participant", "connection", "stream", "subscriber"):
        name = f"{kind}_id"
        assert {getattr(one, name) for one in every(early.read(), kind)} == {
            getattr(one, name) for one in every(late.read(), kind)
        }
    ends = [
        (row.disconnect_reason, times(row, "disconnected_at"))
        for row in catalog_of(late.read() + early.read()).connections.values()
        if row.disconnect_reason
    ]
    assert ends == [("closed", (6000,))]


def test_the_first_thing_that_a_page_did_names_it():
    def name(dump):
        return only(dump.read(), "participant").participant_id

    assert name(Dump().connect(0)) != name(Dump().connect(1))
    polls = (1000, sent(packetsSent=1))
    assert name(Dump().stats(polls)) != name(Dump().stats((2000, sent(packetsSent=1))))
    bare = Dump()
    bare.connection(url="http://[bad", updateLog=None, stats=None)
    assert name(bare).startswith("webrtc-internals-")
    bare.connection()["url"] = None
    assert name(bare).startswith("webrtc-internals-")


def test_both_sides_of_a_named_call_come_together():
    def side(renderer, sends, receives):
        dump = Dump().connect(key=f"{renderer}-1")
        polls = [(at, {**sent(sends, packetsSent=at), **received(receives, packetsReceived=at)}) for at in (1000, 2000)]
        return dump.stats(*polls, key=f"{renderer}-1").read(call_id="both")

    ada, bob = side(1, 11, 12), side(2, 12, 11)
    catalog = catalog_of(ada + bob)
    own = {only(records, "participant").participant_id for records in (ada, bob)}
    assert {participant.participant_id for participant in catalog.participants.values()} == own
    assert {stream.stream_id for stream in catalog.streams.values()} == {"audio-11", "audio-12"}
    for subscriber in catalog.subscribers.values():
        assert subscriber.participant_key != catalog.streams[subscriber.stream_key].participant_key
    alone = catalog_of(ada)
    assert len(alone.participants) == 2
    assert catalog_of(bob + ada) == catalog


def catalog_of(records):
    """As the ledger keeps records and settling reads them."""
    bodies = {}
    for record in records:
        body = record.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"call_id", "type"})
        if isinstance(record, SamplesRecord):
            bodies.setdefault("series", []).append(
                {name: body[name] for name in body if name not in {"times", "values", "version"}}
            )
        elif isinstance(record, EventRecord):
            bodies.setdefault("mention", []).append({"participantId": record.participant_id})
        else:
            bodies.setdefault(record.type, []).append(body)
    return build(bodies, key_of, [], from_milliseconds(START))


# What is lost or approximate.


def test_long_calls_have_lost_their_beginning():
    polls = [(1000 * number, sent(packetsSent=number)) for number in range(600, 1600)]
    dump = Dump().connect(0).log("transceiverAdded", transceiver("mic", reason="addTrack"), 100)
    dump.connect(0, key="92-2").stats(*polls[:-1], key="92-2")
    for at, reports in polls:
        reports["OT01A21"] |= {"mediaSourceId": "S"}
        reports["S"] = {"type": "media-source", "trackIdentifier": "mic"}
        assert at
    records = dump.stats(*polls).read()
    warning = only(records, "warning")
    assert (warning.kind, warning.participant_id) == (DataWarningKind.TRUNCATED, only(records, "participant").participant_id)
    assert "1 connections" in warning.message
    streams = {stream.connection_id[-4:]: stream for stream in every(records, "stream")}
    assert times(streams["92-1"], "published_at") == (500,)
    assert len(samples(records, Metric.PACKETS_PER_SECOND, connection_id=streams["92-1"].connection_id)) == 999


def test_truncated_statistics_without_a_connection_begin_when_they_do():
    polls = [(1000 * number, sent(packetsSent=number)) for number in range(600, 1600)]
    records = Dump().stats(*polls).read()
    assert times(only(records, "stream"), "published_at") == (600_000,)
    assert times(only(records, "connection"), "connected_at") == (600_000,)


def test_before_117_times_are_spread_evenly():
    polls = [(1000 * number, {**PATH, **sent(packetsSent=number * 10)}) for number in range(1, 6)]
    records = Dump().connect().stats(*polls, has_times=False).read()
    assert samples(records, Metric.PACKETS_PER_SECOND) == [10, 10, 10, 10]
    assert only(records, "samples", metric=Metric.PACKETS_PER_SECOND).times == [START + at for at in (2000, 3000, 4000, 5000)]
    warning = only(records, "warning", kind=DataWarningKind.CLOCK_REPAIRED)
    assert "spread evenly" in warning.message


def test_old_logs_tell_local_times():
    dump = Dump().stats(*[(1000 * number, sent(packetsSent=number)) for number in range(1, 6)], has_times=False)
    log = [
        ("signalingstatechange", "stable", "11/15/2023, 12:13:21 AM"),
        ("iceconnectionstatechange", "connected", "11/15/2023, 12:13:22 AM"),
    ]
    dump.connection()["updateLog"] = [{"type": name, "value": value, "time": at} for name, value, at in log]
    records = dump.read()
    assert [(event.name, times(event, "at")[0]) for event in every(records, "event")] == [
        ("create", 1000),
        ("onsignalingstatechange", 1000),
        ("oniceconnectionstatechange", 2000),
    ]
    messages = [warning.message for warning in every(records, "warning", kind=DataWarningKind.CLOCK_REPAIRED)]
    assert any("UTC+02:00" in message for message in messages)
    assert times(only(records, "connection"), "connected_at") == (2000,)


def test_a_clock_that_was_set_back_goes_on():
    def dump(change):
        polls = [(1000 * n + (change if n > 5 else 0), sent(packetsSent=n * 10)) for n in range(1, 11)]
        made = Dump().connect().stats(*polls)
        made.log("signalingstatechange", "have-local-offer", 5500).log("signalingstatechange", "closed", 8200 + change)
        made.connection()["updateLog"].insert(1, {"type": "negotiationneeded", "value": ""})
        made.connect(20_000, key="92-2").log("close", "", 30_000, key="92-2")
        return made.read()

    right, wrong = dump(0), dump(-3_600_000)
    assert every(wrong, "samples") == every(right, "samples")
    assert every(wrong, "connection") == every(right, "connection")
    events = [(event.name, event.at) for event in every(wrong, "event")]
    assert events == [(event.name, event.at) for event in every(right, "event")]
    moved = [event.payload for event in every(wrong, "event") if "clientTime" in (event.payload or {})]
    assert moved == [{"state": "closed", "clientTime": START + 8200 - 3_600_000}]
    assert "set back by 60.0 minutes" in only(wrong, "warning").message
    assert every(right, "warning") == []


@pytest.mark.parametrize("change", [2 * 365 * 86_400_000, -2 * 365 * 86_400_000])
def test_a_clock_that_was_set_by_years_goes_on(change):
    def dump(change):
        polls = [(1000 * n + (change if n > 5 else 0), sent(packetsSent=n * 10)) for n in range(1, 11)]
        made = Dump().connect().stats(*polls)
        return (
            made.log("signalingstatechange", "closed", 8200 + change)
            .connect(100, key="92-2")
            .log("close", "", 300 + change, "92-2")
        )

    right, wrong = dump(0).read(), dump(change).read()
    assert every(wrong, "samples") == every(right, "samples")
    (one, other), (first, second) = every(wrong, "connection"), every(right, "connection")
    assert one == first
    assert abs(times(other, "closed_at")[0] - times(second, "closed_at")[0]) < 1000
    assert "was set" in only(wrong, "warning").message


def test_readings_that_repeat_are_no_silence():
    polls = [(1000 * number, sent(packetsSent=number * 10)) for number in (1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 11, 12)]
    records = Dump().connect().stats(*polls).read()
    assert samples(records, Metric.PACKETS_PER_SECOND) == [10, 10, 10, 10]
    assert "For 7.0 s" in only(records, "warning", kind=DataWarningKind.CLOCK_REPAIRED).message


def test_blocks_come_as_they_fill(monkeypatch):
    monkeypatch.setattr(sample_blocks, "BLOCK_SIZE", 10)
    records = Dump().connect().stats(*[(1000 * number, sent(packetsSent=number)) for number in range(1, 30)]).read()
    assert records[0].type == "samples"
    assert len(samples(records, Metric.PACKETS_PER_SECOND)) == 28


def test_counters_that_begin_again_are_a_fault_of_the_data():
    polls = [(1000 * number, sent(packetsSent=packets)) for number, packets in enumerate((5, 9, 1, 4), 1)]
    assert only(Dump().connect().stats(*polls).read(), "warning").kind is DataWarningKind.COUNTER_RESET


def test_the_old_statistics_of_chrome():
    report = {"type": "ssrc", "ssrc": 5, "mediaType": "audio", "googTrackId": 77, "packetsSent": 9, "googCodecName": "opus"}
    pair = {"type": "googCandidatePair", "googActiveConnection": "true", "googRtt": 30, "googTransportType": "udp"}
    polls = [(at, {"ssrc_5_send": report, "Conn-audio-1-0": pair}) for at in (1000, 2000)]
    records = Dump().connect().stats(*polls).read()
    assert samples(records, Metric.ROUND_TRIP_TIME) == [30, 30]
    assert only(records, "stream").audio_codec == "opus"


# The file.


def test_recognises():
    data = call().bytes()
    newest = {"cpuPerformance": 4, "deviceMemory": 32, "UserAgent": "x", "PeerConnections": {}}
    for head in (data[:100], gzip.compress(data)[:2000], orjson.dumps(newest), b'{ "PeerConnections" : {}}'):
        assert recognise(head).name == "webrtc-internals"
    for other in (b"", b"{}", b"[1]", b'{"type":"call"}', b'{"sessionId":"x","event":"y","timestamp":1}'):
        assert not webrtc_internals.recognises(other)


def test_plain_and_packed_tell_the_same():
    data = call().bytes()
    assert read(data) == read(gzip.compress(data)) == read(orjson.dumps(orjson.loads(data)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "file is empty"),
        (b"hello", "should be one JSON object"),
        (b"[]", "with PeerConnections or getUserMedia"),
        (b"{}", "with PeerConnections or getUserMedia"),
        (b'{"PeerConnections":{]', "should be one JSON object"),
        (b'{"PeerConnections":{},,', "should be one JSON object"),
        (b'{"PeerConn', "with PeerConnections or getUserMedia"),
        (b"[" * 100_000, "should be one JSON object"),
    ],
)
def test_another_file_is_refused(data, reason):
    with pytest.raises(SourceError) as caught:
        read(data)
    assert reason in caught.value.reason


def test_a_dump_beyond_the_bound_is_refused(monkeypatch):
    monkeypatch.setattr(webrtc_internals_file, "MAX_BYTES", 500)
    with pytest.raises(SourceError, match="larger than"):
        call().read()


def test_a_dump_without_line_breaks_may_be_longer_than_a_line(monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 100)
    assert read(orjson.dumps(call().top)) == call().read()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_dump_that_is_cut_off_is_read_up_to_there(pack):
    whole = pack(call().bytes())
    records = read(whole[: len(whole) * 3 // 4])
    refusal, *others = [record for record in records if isinstance(record, Refusal)]
    assert (refusal.line, refusal.field, refusal.code) == (0, None, "truncated")
    assert {other.code for other in others} <= {"series_invalid"}
    kept = [record for record in records if not isinstance(record, Refusal)]
    (warning,) = every(kept, "warning", kind=DataWarningKind.TRUNCATED)
    known = call().read()
    assert warning.participant_id == only(kept, "participant").participant_id
    assert only(kept, "connection").attempted_at == only(known, "connection").attempted_at
    # What is told by how readings go on, at their end, is told otherwise where they are cut off.
    derived = {"senderPaused", "senderResumed"}
    assert {(event.at, event.name) for event in every(kept, "event") if event.name not in derived} <= {
        (event.at, event.name) for event in every(known, "event")
    }
    assert 0 < len(every(kept, "samples")) < len(every(known, "samples"))


def test_damaged_parts_are_refused_and_the_others_are_kept():
    dump = call()
    dump.top["PeerConnections"]["93-1"] = "odd"
    dump.top["getUserMedia"].insert(1, "odd")
    log, stats = dump.connection()["updateLog"], dump.connection()["stats"]
    log[1:1] = ["odd", {"type": 5}]
    stats["IT01A11-jitter"] = {"statsType": "inbound-rtp", "values": "[1,"}
    stats["IT01A11-mid"] = "odd"
    stats["X-y"] = {"statsType": "inbound-rtp", "values": [1, 2]}
    stats["nodash"] = {"statsType": "inbound-rtp", "values": [1, 2]}
    records = dump.read()
    assert [(record.line, record.field, record.code) for record in records if isinstance(record, Refusal)] == [
        (0, "PeerConnections.92-1.updateLog.1", "row_invalid"),
        (0, "PeerConnections.92-1.updateLog.2", "row_invalid"),
        (0, "PeerConnections.93-1", "row_invalid"),
        (0, "getUserMedia.1", "row_invalid"),
        (0, "PeerConnections.92-1.stats.IT01A11-mid", "series_invalid"),
        (0, "PeerConnections.92-1.stats.IT01A11-jitter", "series_invalid"),
        (0, "PeerConnections.92-1.stats.X", "series_invalid"),
    ]
    kept = [record for record in records if not isinstance(record, Refusal)]
    assert [record.type for record in kept] == [record.type for record in call().read()]


def test_parts_may_be_missing():
    assert read(b'{"PeerConnections":null,"getUserMedia":null}') == []
    assert [record.type for record in read(b'{"PeerConnections":{"1":{}}}')] == ["call", "participant", "connection"]
    *kept, refusal = read(b'{"getUserMedia":[{}]}')
    assert [record.type for record in kept] == ["call", "participant"]
    assert (refusal.code, refusal.reason) == ("time_missing", "1 events do not tell when they happened")


# Privacy.


def personal() -> Dump:
    """A dump with every kind of secret in every place where one may be."""
    server = '{"iceServers":[{"urls":["turn:203.0.113.9"],"username":"u5er","credential":"pa55"}]}'
    dump = Dump().media(0, url="https://203.0.113.9/?jwt=t0ken", audio='{"deviceId":"t0ken"}')
    dump.connection(rtcConfiguration=server, url="https://203.0.113.9/?jwt=t0ken", constraints="u5er")
    dump.connection(
        "92-2", rtcConfiguration="{ iceServers: [turn:203.0.113.9], iceTransportPolicy: relay, bundlePolicy: balanced }"
    )
    dump.log("signalingstatechange", "stable", key="92-2")
    candidate = {
        "sdpMid": "0",
        "candidate": "candidate:1 1 udp 1 192.168.1.154 9 typ srflx raddr 203.0.113.9 ufrag ufrag77",
        "url": "turn:u5er@203.0.113.9",
    }
    sdp = {"type": "offer", "sdp": "v=0\r\nc=IN IP4 192.168.1.154\r\na=ice-ufrag:ufrag77\r\na=ice-pwd:pa55"}
    text = f"type: offer, sdp: {sdp['sdp']}"
    for name in ("createOfferOnSuccess", "setLocalDescription", "setRemoteDescription", "setLocalDescriptionOnSuccess"):
        dump.log(name, sdp).log(name, text)
    dump.log("setRemoteDescriptionOnFailure", "Failed to parse a=ice-ufrag:ufrag77 at 192.168.1.154").log(
        "setConfiguration", server
    )
    old = f"sdpMid: 0, sdpMLineIndex: 0, {'candidate: ' + candidate['candidate']}, url: turn:u5er@203.0.113.9"
    for name in ("onicecandidate", "icecandidate", "addIceCandidate", "addIceCandidateFailed"):
        dump.log(name, candidate).log(name, old)
    errors = {
        "url": "turn:u5er@203.0.113.9",
        "address": "192.168.1.154",
        "error_text": "203.0.113.9 h0st.local",
        "error_code": 701,
    }
    dump.log("onicecandidateerror", errors).log(
        "icecandidateerror", "\n".join(f"{name}: {value}" for name, value in errors.items())
    )
    dump.log("some 192.168.1.154", "t0ken").log("other", {"token": "t0ken"}).log("signalingstatechange", "at 2001:db8::7")
    ends = {"address": "192.168.1.154", "ip": "192.168.1.154", "relatedAddress": "203.0.113.9", "url": "turn:203.0.113.9"}
    ends["usernameFragment"] = "ufrag77"
    reports = {
        "T": {"type": "transport", "selectedCandidatePairId": "P", "iceLocalUsernameFragment": "ufrag77"},
        "P": {"type": "candidate-pair", "localCandidateId": "L", "remoteCandidateId": "R", "currentRoundTripTime": 0.1},
        "L": {"type": "local-candidate", "candidateType": "relay", "relayProtocol": "tls", **ends},
        "R": {"type": "remote-candidate", "candidateType": "host", **ends},
        **sent(packetsSent=5),
    }
    return dump.stats((1000, reports), (2000, reports))


def test_no_address_and_no_credential_comes_out():
    records = personal().read()
    told = "\n".join(record.model_dump_json() for record in records)
    assert [secret for secret in SECRETS if secret in told] == []
    assert "sdp" not in told.replace("[sdp]", "")
    networks = [connection.network for connection in every(records, "connection") if connection.network]
    assert [(network.local_candidate_type, network.transport) for network in networks] == [("relay", "tls")]
    assert {"type": "srflx", "protocol": "udp"} in [event.payload for event in every(records, "event")]
    assert [event.code for event in every(records, "event", name="onicecandidateerror")] == [701, 701]
    assert {"iceTransportPolicy": "relay", "bundlePolicy": "balanced"} in [event.payload for event in every(records, "event")]


# Anything at all.


def survives(data):
    """Whatever a file holds, it is telemetry, refusals, or a source error."""
    try:
        for record in read(data):
            assert isinstance(record, Refusal) or record.model_dump_json()
    except SourceError:
        pass


@settings(max_examples=50, deadline=None)
@given(cut=st.integers(0, 9000), seed=st.integers(0, 2**32), flips=st.integers(0, 6))
def test_damage_of_any_kind_raises_nothing_else(cut, seed, flips):
    data = bytearray(random.Random(seed).choice(WHOLE))
    chance = random.Random(seed)
    for _ in range(flips):
        data[chance.randrange(len(data))] = chance.choice(b'0123456789"[]{},:-tfnx')
    survives(bytes(data))
    survives(bytes(data[: len(data) - cut % len(data)]))


WHOLE = (call().bytes(), personal().bytes())

ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(
        [START, "[1,2]", f"[{START},{START + 1000}]", written(START), '"audio"', "inbound-rtp", "\x00", "a" * 5000]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
SERIES = st.fixed_dictionaries(
    {"values": st.lists(ODD | st.sampled_from([START, START + 1000, 5, "audio"]), max_size=4).map(json.dumps)},
    optional={
        "statsType": st.sampled_from(
            ["inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "candidate-pair", "transport", "codec"]
        ),
        "startTime": st.sampled_from([written(START), written(START + 1000), "2023-11-14", 5, START]),
        "endTime": st.sampled_from([written(START), written(START + 2000), "x", None, START + 1000]),
    },
)
NAMES = st.sampled_from(
    [
        "a-timestamp",
        "a-ssrc",
        "a-kind",
        "a-packetsSent",
        "b-timestamp",
        "b-packetsReceived",
        "b-ssrc",
        "b-kind",
        "b-mid",
        "c-x",
        "-",
        "",
    ]
)
ENTRY = st.dictionaries(
    st.sampled_from(["type", "value", "timestamp", "time"]),
    ODD | st.sampled_from(["transceiverAdded", "onicecandidateerror", "createDataChannel", "create", "11/15/2023, 12:13:21 AM"]),
)


@settings(max_examples=80, deadline=None)
@given(
    media=ODD
    | st.lists(st.dictionaries(st.sampled_from(["rid", "pid", "error", "audio", "video", "audio_track_info"]), ODD), max_size=2),
    connections=st.dictionaries(
        st.sampled_from(["1-1", "1-2", "x"]),
        ODD
        | st.fixed_dictionaries(
            {},
            optional={
                "url": ODD,
                "rtcConfiguration": ODD,
                "updateLog": ODD | st.lists(ENTRY, max_size=4),
                "stats": ODD | st.dictionaries(NAMES, ODD | SERIES, max_size=6),
            },
        ),
    ),
    hints=ODD,
)
def test_odd_contents_raise_nothing_but_that_no_time_is_right(media, connections, hints):
    try:
        records = read(orjson.dumps({"getUserMedia": media, "PeerConnections": connections, "UserAgentData": hints}))
    except SourceError as error:
        assert error.code is RefusalCode.TIME_INVALID  # noqa: PT017
        return
    for record in records:
        assert isinstance(record, Refusal) or record.model_dump_json()
