import pytest

from callscope.sources.webrtc_stats import snapshot

AT = 1_700_000_000_000.0


def one(reports, at=AT):
    (rtp,) = snapshot(reports, at).rtps
    return rtp


def test_received_audio_in_todays_chrome():
    rtp = one(
        {
            "IT01A7": {
                "type": "inbound-rtp",
                "kind": "audio",
                "ssrc": 7,
                "mid": "0",
                "trackIdentifier": "t",
                "codecId": "C",
                "timestamp": AT - 3,
                "packetsReceived": 100,
                "packetsLost": -2,
                "bytesReceived": 5000,
                "jitter": 0.004,
                "jitterBufferDelay": 12.5,
                "jitterBufferEmittedCount": 48000,
                "concealedSamples": 480,
                "totalSamplesReceived": 96000,
                "audioLevel": 0.25,
            },
            "C": {"type": "codec", "mimeType": "audio/opus"},
        }
    )
    assert (rtp.kind, rtp.ssrc, rtp.is_sent, rtp.at, rtp.judged_at) == ("audio", 7, False, AT - 3, AT - 3)
    assert (rtp.track, rtp.section, rtp.codec) == ("t", "0", "opus")
    assert (rtp.packets, rtp.lost, rtp.bytes, rtp.jitter_ms) == (100, -2, 5000, 4)
    assert (rtp.buffer_seconds, rtp.buffered, rtp.concealed, rtp.samples, rtp.audio_level) == (12.5, 48000, 480, 96000, 0.25)


@pytest.mark.parametrize(
    ("parameters", "has_dtx", "has_fec"),
    [
        ("minptime=10;useinbandfec=1", False, True),
        ("minptime=10; useinbandfec=0; UseDTX=1", True, False),
        ("", None, None),
        (None, None, None),
        ("useinbandfec=10", False, False),
    ],
)
def test_what_was_agreed_of_the_codec(parameters, has_dtx, has_fec):
    codec = {"type": "codec", "mimeType": "audio/opus", "sdpFmtpLine": parameters}
    for type_ in ("inbound-rtp", "outbound-rtp"):
        rtp = one({"a": {"type": type_, "kind": "audio", "ssrc": 1, "codecId": "C"}, "C": codec})
        assert (rtp.has_dtx, rtp.has_fec) == (has_dtx, has_fec)


def test_received_video_whose_decoding_is_told_of_the_track():
    rtp = one(
        {
            "in": {"type": "inbound-rtp", "mediaType": "video", "ssrc": 8, "trackId": "T", "packetsReceived": 9},
            "T": {
                "type": "track",
                "trackIdentifier": "t",
                "frameWidth": 640,
                "frameHeight": 360,
                "framesDecoded": 30,
                "framesDropped": 1,
                "totalFreezesDuration": 0.5,
                "freezeCount": 3,
                "framesPerSecond": 15,
            },
        }
    )
    assert (rtp.track, rtp.width, rtp.height, rtp.frames, rtp.frame_rate) == ("t", 640, 360, 30, 15)
    assert (rtp.frames_dropped, rtp.freeze_seconds, rtp.freezes, rtp.at) == (1, 0.5, 3, AT)


def test_received_video_tells_what_decoding_took_and_asked_for():
    report = {"type": "inbound-rtp", "kind": "video", "ssrc": 8, "totalDecodeTime": 1.5, "pliCount": 3}
    assert (one({"in": report}).decode_seconds, one({"in": report}).key_frame_requests) == (1.5, 3)
    assert one({"in": report | {"firCount": 2}}).key_frame_requests == 5
    assert one({"in": {"type": "inbound-rtp", "kind": "video", "ssrc": 8}}).key_frame_requests is None


def test_received_audio_tells_how_much_was_stretched():
    report = {"type": "inbound-rtp", "kind": "audio", "ssrc": 8, "insertedSamplesForDeceleration": 30}
    assert one({"in": report}).stretched == 30
    assert one({"in": report | {"removedSamplesForAcceleration": 12}}).stretched == 42


def test_sent_video_is_judged_by_the_report_that_it_names():
    rtp = one(
        {
            "out": {
                "type": "outbound-rtp",
                "kind": "video",
                "ssrc": 9,
                "remoteId": "R",
                "mediaSourceId": "S",
                "packetsSent": 50,
                "framesSent": 25,
                "framesEncoded": 26,
                "qualityLimitationReason": "cpu",
                "scalabilityMode": "L3T3_KEY",
            },
            "R": {
                "type": "remote-inbound-rtp",
                "ssrc": 9,
                "packetsLost": 3,
                "jitter": 0.01,
                "roundTripTime": 0.2,
                "timestamp": AT - 900,
            },
            "S": {"type": "media-source", "trackIdentifier": "camera"},
        }
    )
    assert (rtp.packets, rtp.lost, rtp.judged_at, rtp.jitter_ms, rtp.round_trip_ms) == (50, 3, AT - 900, 10, 200)
    assert (rtp.track, rtp.frames, rtp.limitation, rtp.is_scalable) == ("camera", 25, "cpu", True)


def test_sent_streams_may_be_named_by_their_judge_and_their_track():
    rtp = one(
        {
            "out": {"type": "outbound-rtp", "kind": "video", "ssrc": 9, "trackId": "T", "packetsSent": 50, "framesEncoded": 26},
            "R": {"type": "remote-inbound-rtp", "kind": "", "localId": "out", "packetsLost": 3, "roundTripTime": 0},
            "T": {"type": "track", "trackIdentifier": "camera", "framesSent": 24, "frameHeight": 720},
        }
    )
    assert (rtp.lost, rtp.round_trip_ms, rtp.track, rtp.frames, rtp.height) == (3, None, "camera", 26, 720)
    assert rtp.is_scalable is False


def test_what_nobody_judged_is_unknown():
    rtp = one({"out": {"type": "outbound-rtp", "kind": "audio", "ssrc": 9, "packetsSent": 50}})
    assert (rtp.lost, rtp.jitter_ms, rtp.round_trip_ms, rtp.judged_at) == (None, None, None, 0)


def test_old_reports_of_the_other_end_are_not_streams():
    reports = {
        "a": {"type": "inbound-rtp", "isRemote": True, "kind": "audio", "ssrc": 1, "packetsReceived": 5},
        "b": {"type": "outbound-rtp", "isRemote": True, "kind": "audio", "ssrc": 2, "packetsSent": 6},
    }
    seen = snapshot(reports, AT)
    assert seen.rtps == []
    assert [(rtp.ssrc, rtp.packets) for rtp in seen.told_by_sender] == [(2, 6)]


def test_kind_from_the_codec_and_nothing_without():
    codec = {"c": {"type": "codec", "mimeType": "video/VP8"}}
    assert one({"a": {"type": "inbound-rtp", "ssrc": 1, "codecId": "c"}} | codec).kind == "video"
    assert snapshot({"a": {"type": "inbound-rtp", "ssrc": 1}, "b": {"type": "inbound-rtp", "kind": "audio"}}, AT).rtps == []


@pytest.mark.parametrize("value", [True, None, [], "x", float("inf"), float("nan"), 2**32, -1])
def test_odd_ssrcs_are_no_streams(value):
    assert snapshot({"a": {"type": "inbound-rtp", "kind": "audio", "ssrc": value}}, AT).rtps == []


def test_impossible_values_are_unknown():
    report = {"packetsReceived": 2**32 - 5, "bytesReceived": -1, "jitter": 10**400, "audioLevel": -1, "timestamp": 275706.2}
    rtp = one({"a": {"type": "inbound-rtp", "kind": "audio", "ssrc": 1, **report}})
    assert (rtp.packets, rtp.bytes, rtp.jitter_ms, rtp.audio_level, rtp.at) == (None, None, None, None, AT)


def test_the_level_of_the_track_is_better_than_old_chromes_integer():
    report = {"type": "inbound-rtp", "kind": "audio", "ssrc": 1, "audioLevel": 26}
    assert one({"a": report}).audio_level == pytest.approx(26 / 32767)
    assert one({"a": report | {"audioLevel": 40000}}).audio_level == 1
    track = {"t": {"type": "track", "audioLevel": 0.5, "totalAudioEnergy": 0.25, "totalSamplesDuration": 4}}
    heard = one({"a": report | {"trackId": "t"}} | track)
    assert (heard.energy, heard.energy_seconds) == (0.25, 4)
    heard = one({"a": report | {"totalAudioEnergy": 1, "totalSamplesDuration": -1, "trackId": "t"}} | track)
    assert (heard.energy, heard.energy_seconds) == (1, None)
    assert one({"a": report | {"trackId": "t"}} | track).audio_level == 0.5


PAIR = {"localCandidateId": "l", "remoteCandidateId": "r", "currentRoundTripTime": 0.05, "availableOutgoingBitrate": 1e6}
ENDS = {
    "l": {"type": "local-candidate", "candidateType": "relay", "protocol": "udp", "relayProtocol": "tls", "networkType": "wifi"},
    "r": {"type": "remote-candidate", "candidateType": "srflx"},
}


def test_path_of_chrome_and_safari():
    reports = {
        "other": {"type": "transport"},
        "t": {"type": "transport", "selectedCandidatePairId": "p"},
        "p": {"type": "candidate-pair", **PAIR},
        **ENDS,
    }
    path = snapshot(reports, AT).path
    assert (path.round_trip_ms, path.available_sent, path.available_received) == (50, 1e6, None)
    assert (path.transport, path.local_type, path.remote_type, path.network) == ("tls", "relay", "srflx", "wifi")


def test_path_of_firefox():
    reports = {
        "other": {"type": "candidate-pair", "selected": False},
        "p": {"type": "candidate-pair", "selected": True, "localCandidateId": "l"},
        "l": {
            "type": "local-candidate",
            "candidateType": "host",
            "protocol": "udp",
            "relayProtocol": "tls",
            "networkType": "unknown",
        },
    }
    path = snapshot(reports, AT).path
    assert (path.round_trip_ms, path.transport, path.local_type, path.remote_type, path.network) == (
        None,
        "udp",
        "host",
        None,
        None,
    )


def test_no_path_before_one_is_selected():
    reports = {"t": {"type": "transport", "selectedCandidatePairId": "p"}, "g": {"type": "googCandidatePair"}}
    assert snapshot(reports, AT).path is None
