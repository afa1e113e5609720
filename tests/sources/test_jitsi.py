import pytest

from callscope.sources.jitsi import Identity, Label, Tracks, stream_id


@pytest.mark.parametrize(
    ("stream", "name"),
    [
        ("59e48073-audio-0-1", "59e48073-audio-0-1"),
        ("59e48073-video-1-3", "59e48073-video-1-3"),
        ("83a77c14-audio-2", "83a77c14-audio-0-2"),
        ("a-b-video-2", "a-b-video-0-2"),
        ("c24e6b49-83ee-42c2-abff-2a29bd7f26ad-2", "None"),
        ("mixedmslabel", "None"),
        ("", "None"),
    ],
)
def test_labels(stream, name):
    assert str(Label.of(stream)) == name


def test_both_ends_of_a_stream_come_to_one_name():
    assert stream_id("59e48073", "video", 1, 3, "track") == str(Label.of("59e48073-video-1-3"))
    assert stream_id("59e48073", "audio", 0, 2, None) == str(Label.of("59e48073-audio-2"))
    assert stream_id(None, "audio", 0, 2, "track") == "track-2"
    assert stream_id(None, "audio", 0, 2, None) is None
    assert stream_id("59e48073", "audio", 0, None, "track") is None


@pytest.mark.parametrize(
    ("told", "stream", "tracks"),
    [
        ("audio:t stream:s", "s", [("audio", "t")]),
        ("s audio:t,video:u", "s", [("audio", "t"), ("video", "u")]),
        ("s ", "s", []),
        ("audio:t -", None, [("audio", "t")]),
        ('audio:t {"direction":"sendrecv"}', None, [("audio", "t")]),
        ("video:{1-2} stream:{3}", "{3}", [("video", "{1-2}")]),
        ("", None, []),
        (None, None, []),
        ({"0": 1}, None, []),
    ],
)
def test_tracks(told, stream, tracks):
    assert Tracks.of(told) == Tracks(stream, tracks)


@pytest.mark.parametrize(
    ("facts", "info", "name"),
    [
        ({"confName": "BigRoom"}, {"path": "/other"}, "bigroom"),
        ({"confName": "BigRoom", "confID": "meet.example/bigroom"}, {}, "bigroom"),
        ({"confName": "BigRoom", "confID": "meet.example/tenant/bigroom"}, {}, "tenant/bigroom"),
        ({"confName": "BigRoom", "confID": "meet.example/other"}, {}, "bigroom"),
        ({"confID": "192.168.1.2:8080/room%20one"}, {"path": "/other"}, "room one"),
        ({"confID": "https://meet.example/room"}, {}, "room"),
        ({"confName": "", "confID": 7}, {"path": "//Room/"}, "room"),
        ({}, {"path": "/"}, None),
        ({}, {}, None),
    ],
)
def test_the_conference_is_the_room(facts, info, name):
    assert Identity(facts, info).conference == name


def test_endpoint_and_sdk():
    assert Identity().endpoint is None
    assert Identity({"statsSessionId": "s"}).endpoint == "s"
    assert Identity({"statsSessionId": "s", "endpointId": "e"}).endpoint == "e"
    assert (Identity().sdk.name, Identity().sdk.version) == ("Jitsi Meet", None)
    sdk = Identity({"applicationName": "Meet", "deploymentInfo": {"releaseNumber": "4384"}}).sdk
    assert (sdk.name, sdk.version) == ("Meet", "4384")
