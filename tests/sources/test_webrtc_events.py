import pytest

from callscope.sources.webrtc_events import clean, meaning
from callscope.vocabulary import EventCategory, Outcome, Severity


def of(name, data=None, *, is_of_page=False):
    return meaning(name, data, is_of_page=is_of_page)


@pytest.mark.parametrize(
    ("name", "state", "category", "severity", "outcome"),
    [
        ("onconnectionstatechange", "connected", EventCategory.CONNECTION, Severity.INFO, Outcome.SUCCEEDED),
        ("onconnectionstatechange", "failed", EventCategory.CONNECTION, Severity.ERROR, Outcome.FAILED),
        ("oniceconnectionstatechange", "disconnected", EventCategory.NETWORK, Severity.WARNING, None),
        ("oniceconnectionstatechange", "completed", EventCategory.NETWORK, Severity.INFO, Outcome.SUCCEEDED),
        ("onsignalingstatechange", "stable", EventCategory.SIGNALING, Severity.INFO, None),
    ],
)
def test_states(name, state, category, severity, outcome):
    told = of(name, state)
    assert (told.category, told.severity, told.outcome, told.payload) == (category, severity, outcome, {"state": state})


@pytest.mark.parametrize(
    ("name", "data", "category", "severity", "message"),
    [
        (
            "navigator.mediaDevices.getUserMediaOnFailure",
            "NotReadableError",
            EventCategory.DEVICE,
            Severity.ERROR,
            "NotReadableError",
        ),
        (
            "navigator.mediaDevices.getDisplayMediaOnFailure",
            {"name": "NotAllowedError"},
            EventCategory.DEVICE,
            Severity.ERROR,
            "NotAllowedError",
        ),
        ("addIceCandidateOnFailure", "x", EventCategory.NETWORK, Severity.WARNING, "x"),
        (
            "setRemoteDescriptionOnFailure",
            "OperationError: Failed to parse a=ice-pwd:secret",
            EventCategory.SIGNALING,
            Severity.ERROR,
            "OperationError: Failed to parse [sdp]",
        ),
        ("createOfferOnFailure", None, EventCategory.SIGNALING, Severity.ERROR, None),
    ],
)
def test_failures(name, data, category, severity, message):
    told = of(name, data, is_of_page=True)
    assert (told.category, told.severity, told.outcome, told.message) == (category, severity, Outcome.FAILED, message)


def test_media_devices():
    asked = of("navigator.mediaDevices.getUserMedia", {"audio": {"deviceId": "x"}, "video": False}, is_of_page=True)
    assert (asked.category, asked.payload) == (EventCategory.DEVICE, {"audio": True, "video": False})
    assert of("getUserMedia", None).payload == {"audio": False, "video": False}
    given = of("getUserMediaOnSuccess", {"tracks": [{"id": "t", "kind": "audio", "label": "Mic"}, "odd"]})
    assert (given.outcome, given.payload) == (Outcome.SUCCEEDED, {"tracks": [{"kind": "audio", "label": "Mic"}]})
    assert of("getUserMediaOnSuccess", {}).payload == {"tracks": []}
    refused = of("getUserMediaError", {"name": "NotFoundError", "devices": ["audio"], "message": "x"})
    assert (refused.message, refused.payload["devices"]) == ("NotFoundError", ["audio"])
    assert of("getUserMediaError", "odd").message is None


def test_candidates_are_told_without_their_address():
    told = of("onicecandidate", {"candidate": "candidate:1 1 UDP 2122260223 192.168.1.154 61887 typ relay raddr 10.0.0.1"})
    assert told.payload == {"type": "relay", "protocol": "udp"}
    assert of("onicecandidate", {"candidate": ""}) is None
    assert of("onicecandidate", {"candidate": "odd"}) is None
    assert of("onicecandidate", None) is None


def test_candidate_errors():
    told = of(
        "onicecandidateerror",
        {"address": "10.0.0.1", "url": "turn:user@host", "errorCode": 701, "errorText": "no answer of 10.0.0.1"},
    )
    assert (told.severity, told.code, told.message, told.payload) == (Severity.WARNING, 701, "no answer of [address]", None)
    assert of("onicecandidateerror", {"errorCode": 1e12}).code is None
    assert of("onicecandidateerror", "odd").code is None


def test_tracks():
    told = of("ontrack", "audio:t stream:e-audio-0-1")
    assert (told.category, told.payload) == (
        EventCategory.SUBSCRIBER,
        {"stream": "e-audio-0-1", "tracks": [{"kind": "audio", "id": "t"}]},
    )
    assert of("addTrack", "audio:t -").payload == {"tracks": [{"kind": "audio", "id": "t"}]}
    assert of("ontrack", "audio:t stream:mixedmslabel") is None


def test_create_tells_nothing_of_its_servers():
    told = of("create", {"iceServers": [{"urls": "turn:x", "username": "u", "credential": "p"}], "bundlePolicy": "max-bundle"})
    assert told.payload == {"bundlePolicy": "max-bundle"}
    assert of("create", None).payload is None


def test_data_channels():
    assert of("createDataChannel", {"0": "JVB data channel", "1": {}}).payload == {"label": "JVB data channel"}
    assert of("ondatachannel", [1, "chat"]).payload == {"label": "chat"}
    assert of("ondatachannel", [1]).payload == {"label": None}


def test_what_jitsi_tells():
    speaker = of("dominantSpeaker", {"dominantSpeakerEndpoint": None, "previousSpeakers": ["a", 5, None, ["x"]]}, is_of_page=True)
    assert speaker.payload == {"previousSpeakers": ["a", 5]}
    assert of("audioMutedChanged", True).payload == {"muted": True}
    assert of("cpuRestricted", True).severity is Severity.WARNING
    assert of("cpuRestricted", False).severity is Severity.INFO
    assert of("ondtlserror", "bad").outcome is Outcome.FAILED
    assert of("conferenceStartTimestamp", "1700000000000").payload == {"timestamp": 1_700_000_000_000}
    assert of("conferenceStartTimestamp", 0) is None


def test_unknown_events_tell_no_more_than_numbers():
    assert of("somethingNew", 5).payload == 5
    assert of("somethingNew", False).payload is False
    assert of("somethingNew", "secret").payload is None
    assert of("somethingNew", {"token": "secret"}).category is EventCategory.OTHER


@pytest.mark.parametrize("name", ["getstats", "logs", "setLocalDescription", "addIceCandidate", "faceLandmarks"])
def test_noise(name):
    assert of(name, "x") is None


def test_a_connection_without_a_number_is_none():
    assert of("close", {}, is_of_page=True) is None
    assert of("close", {}) is not None


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("via 192.168.1.154:9", "via [address]:9"),
        ("via [2001:db8::7]!", "via [[address]]!"),
        ("::ffff:10.0.0.1", "[address]"),
        ("4f2a-9c.local", "[address]"),
        ("Chrome 99.0.4844.51, Microphone (2516:0113)", "Chrome 99.0.4844.51, Microphone (2516:0113)"),
        ("a\x00b", "ab"),
        ("candidate:1 1 udp 1 10.0.0.1 9 typ host", "[sdp]"),
        ("", None),
        (7, None),
    ],
)
def test_clean(told, kept):
    assert clean(told) == kept
    assert clean("x" * 1000, 10) == "x" * 10
