import pytest

from callscope.sources.webrtc_internals_log import configuration, decoded, event, request

MODIFIED = """Caused by: setRemoteDescription

getTransceivers()[0]:{
  mid:'0',
  kind:'audio',
  sender:{
    track:null,
    streams:[],
  },
  receiver:{
    track:'cd34',
    streams:['theirs','more'],
  },
  direction:'sendrecv',
  currentDirection:'recvonly',
}"""
ADDED = """Caused by: addTransceiver

getTransceivers()[1]:{
  mid:null,
  kind:'video',
  sender:{
    track:'ab12',
    streams:['ours'],
        encodings: [
        {active: true, maxBitrate: 500000, },
      ],
    },
  receiver:{
    track:'ef56',
    streams:[],
  },
  direction:'sendrecv',
  currentDirection:null,
}"""


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("iceconnectionstatechange", "connected", ("oniceconnectionstatechange", "connected")),
        ("iceConnectionStateChange", "connected", ("oniceconnectionstatechange", "connected")),
        ("onconnectionstatechange", '"failed"', ("onconnectionstatechange", "failed")),
        ("negotiationneeded", "", ("onnegotiationneeded", "")),
        ("close", "", ("close", "")),
        ("icecandidate", "sdpMid: 0, candidate: candidate:1 x", ("onicecandidate", {"candidate": "candidate:1 x"})),
        ("onicecandidate", '{"candidate":"candidate:1 x"}', ("onicecandidate", {"candidate": "candidate:1 x"})),
        ("addIceCandidateFailed", '{"candidate":"x"}', ("addIceCandidateOnFailure", None)),
        (
            "icecandidateerror",
            "url: turn:x\naddress: 1.2.3.x\nport: 5\nhost_candidate: x\nerror_text: timed out\nerror_code: 701",
            ("onicecandidateerror", {"errorText": "timed out", "errorCode": "701"}),
        ),
        (
            "onicecandidateerror",
            '{"url":"turn:x","error_text":"timed out","error_code":701}',
            ("onicecandidateerror", {"errorText": "timed out", "errorCode": 701}),
        ),
        ("onicecandidateerror", "[]", ("onicecandidateerror", None)),
        ("createDataChannel", '{"label":"chat","ordered":true}', ("createDataChannel", {"0": "chat"})),
        ("createDataChannel", "label: a, b, reliable: true", ("createDataChannel", {"0": "a, b"})),
        ("datachannel", "label: chat", ("ondatachannel", {"0": "chat"})),
        ("ondatachannel", "odd", ("ondatachannel", {"0": None})),
        ("ondatachannel", "5", ("ondatachannel", {"0": None})),
        ("createDataChannel", None, ("createDataChannel", {"0": None})),
        ("create", "{ iceServers: [], bundlePolicy: max-bundle }", ("create", {"bundlePolicy": "max-bundle"})),
        ("setLocalDescription", '{"type":', ("setLocalDescription", '{"type":')),
        (
            "transceiverModified",
            MODIFIED,
            (
                "transceiverModified",
                {
                    "sender": {"track": None, "streams": [""]},
                    "receiver": {"track": "cd34", "streams": ["theirs"]},
                    "reason": "setRemoteDescription",
                    "currentDirection": "recvonly",
                    "kind": "audio",
                },
            ),
        ),
        (
            "transceiverAdded",
            ADDED,
            (
                "transceiverAdded",
                {
                    "sender": {"track": "ab12", "streams": ["ours"]},
                    "receiver": {"track": "ef56", "streams": [""]},
                    "reason": "addTransceiver",
                    "kind": "video",
                },
            ),
        ),
        ("transceiverAdded", '{"kind":"audio"}', ("transceiverAdded", {"kind": "audio"})),
    ],
)
def test_entries_of_all_versions(name, value, expected):
    assert event(name, value) == expected


def test_configurations():
    assert configuration('{"iceTransportPolicy":"relay"}') == {"iceTransportPolicy": "relay"}
    assert configuration(
        "{ iceServers: [turn:x], iceTransportPolicy: all, rtcpMuxPolicy: require, iceCandidatePoolSize: 0 }"
    ) == {
        "iceTransportPolicy": "all",
        "rtcpMuxPolicy": "require",
    }
    assert configuration(None) is None


@pytest.mark.parametrize(
    ("entry", "name", "data"),
    [
        ({"audio": "", "video": "{}"}, "getUserMedia", {"audio": True, "video": True}),
        ({"audio": False, "video": "false"}, "getUserMedia", {"audio": False, "video": False}),
        ({"video": {"width": 5}, "request_type": "getDisplayMedia"}, "getDisplayMedia", {"audio": False, "video": True}),
        ({"request_type": "192.168.1.1"}, "getUserMedia", {"audio": False, "video": False}),
        ({"error": "NotFoundError", "error_message": ""}, "getUserMediaOnFailure", "NotFoundError"),
        ({"error": 5, "error_message": None}, "getUserMediaOnFailure", ""),
        ({"stream_id": "s", "audio_track_info": "null"}, "getUserMediaOnSuccess", []),
        (
            {"stream_id": "s", "audio_track_info": "", "video_track_info": '{"id":"v","label":"Cam"}'},
            "getUserMediaOnSuccess",
            [["video", "v", "Cam", "s"]],
        ),
        (
            {"stream_id": "s", "audio_track_info": "id:a label:My Mic", "video_track_info": "id:v"},
            "getUserMediaOnSuccess",
            [["audio", "a", "My Mic", "s"], ["video", "v", None, "s"]],
        ),
    ],
)
def test_requests_for_media(entry, name, data):
    assert request(entry) == (f"navigator.mediaDevices.{name}", data)


def test_json_inside_json():
    assert decoded('"connected"') == "connected"
    assert decoded("[1]") == [1]
    assert decoded("{cut") == "{cut"
    assert decoded(5) == 5
