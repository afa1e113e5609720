import pytest

from callscope.sources.webrtc_stats import snapshot

AT = 1_700_000_000_000.0


def one(key, **report):
    (rtp,) = snapshot({key: {"type": "ssrc", "timestamp": AT, **report}}, AT + 5).rtps
    return rtp


def test_sent_video():
    rtp = one(
        "ssrc_5_send",
        ssrc="5",
        mediaType="video",
        googTrackId="t",
        googCodecName="VP8",
        packetsSent="65",
        bytesSent="52021",
        packetsLost="1",
        googRtt="53",
        googFrameWidthSent="640",
        googFrameHeightSent="360",
        googFrameRateSent="30",
        framesEncoded="28",
        googCpuLimitedResolution="false",
        googBandwidthLimitedResolution="true",
    )
    assert (rtp.is_sent, rtp.is_legacy, rtp.ssrc, rtp.track, rtp.codec, rtp.at) == (True, True, 5, "t", "VP8", AT)
    assert (rtp.packets, rtp.bytes, rtp.lost, rtp.judged_at, rtp.round_trip_ms) == (65, 52021, 1, AT, 53)
    assert (rtp.width, rtp.height, rtp.frame_rate, rtp.frames, rtp.limitation) == (640, 360, 30, 28, "bandwidth")


def test_received_audio():
    rtp = one(
        "ssrc_6_recv",
        ssrc="6",
        mediaType="audio",
        packetsReceived="0",
        googJitterReceived="6",
        googCurrentDelayMs="78",
        audioOutputLevel="16383.5",
    )
    assert (rtp.is_sent, rtp.packets, rtp.jitter_ms, rtp.buffer_ms, rtp.audio_level) == (False, 0, 6, 78, 0.5)


def test_key_frames_that_a_receiver_asked_for():
    told = {"ssrc": "6", "mediaType": "video", "googPlisSent": "3", "googFirsSent": "1"}
    assert (one("ssrc_6_recv", **told).key_frame_requests, one("ssrc_6_send", **told).key_frame_requests) == (4, None)


def test_what_is_not_told_is_unknown():
    rtp = one("ssrc_6_send", ssrc="6", mediaType="audio", googRtt="0")
    assert (rtp.packets, rtp.round_trip_ms, rtp.audio_level) == (None, None, None)
    assert one("ssrc_6_recv", ssrc="6", mediaType="audio", googJitterBufferMs="9").buffer_ms == 9


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({}, None),
        ({"googCpuLimitedResolution": "false"}, "none"),
        ({"googCpuLimitedResolution": "true", "googBandwidthLimitedResolution": "true"}, "cpu"),
    ],
)
def test_limitation(flags, reason):
    assert one("ssrc_5_send", ssrc="5", mediaType="video", **flags).limitation == reason


def test_reports_without_medium_or_ssrc_are_none():
    reports = {"ssrc_1_recv": {"type": "ssrc", "ssrc": "1"}, "ssrc_x_recv": {"type": "ssrc", "mediaType": "audio"}}
    assert snapshot(reports, AT).rtps == []


def test_path():
    reports = {
        "idle": {"type": "googCandidatePair", "googActiveConnection": "false", "googRtt": "3000"},
        "pair": {
            "type": "googCandidatePair",
            "googActiveConnection": "true",
            "googRtt": "40",
            "googTransportType": "udp",
            "localCandidateId": "l",
            "googLocalCandidateType": "local",
            "googRemoteCandidateType": "stun",
        },
        "l": {"type": "localcandidate", "candidateType": "peerreflexive", "networkType": "wlan"},
        "bweforvideo": {"type": "VideoBwe", "googAvailableSendBandwidth": "2816835", "googAvailableReceiveBandwidth": "0"},
    }
    path = snapshot(reports, AT).path
    assert (path.round_trip_ms, path.available_sent, path.available_received) == (40, 2816835, None)
    assert (path.transport, path.local_type, path.remote_type, path.network) == ("udp", "prflx", "srflx", "wifi")


def test_path_that_says_little():
    path = snapshot({"pair": {"type": "googCandidatePair", "googActiveConnection": "true"}}, AT).path
    assert (path.local_type, path.network, path.available_sent) == (None, None, None)
