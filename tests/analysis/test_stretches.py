"""Where nothing is expected of media, and why their quality was lowered."""

from dataclasses import replace

import pytest
from happened import FIRST, P, event, raised
from hypothesis import given, settings
from hypothesis import strategies as st
from told import at, catalog, connection, stream

from callscope.analysis.stretches import Pauses, limitations
from callscope.analysis.tracks import Stretch, Subject
from callscope.vocabulary import Direction, Media, StreamSource

CALL = catalog(
    connection=[
        connection("c", participantId="p", connectedAt=at(0), closedAt=at(10)),
        connection("d", participantId="p", connectedAt=at(11)),
        connection("q", participantId="q", connectedAt=at(0)),
    ],
    stream=[
        stream("s", connectionId="c", publishedAt=at(0), unpublishedAt=at(5)),
        stream("t", connectionId="d", publishedAt=at(11)),
    ],
)
S, T = "stream/s", "stream/t"


def subject(media=Media.AUDIO, direction=Direction.PUBLISH, *, who=P, stream_key=S, source=StreamSource.UNKNOWN):
    return Subject(who, None, stream_key, None, media, direction, source, Stretch(0, None))


def quiet(of, *events):
    return [
        (round((start - FIRST) / 1000, 3), None if end is None else round((end - FIRST) / 1000, 3))
        for start, end in Pauses(events, CALL).of(of)
    ]


@pytest.mark.parametrize(
    ("off", "on", "media"),
    [
        (event("Mute", 60), event("Unmute", 90), Media.AUDIO),
        (event("mute", 60, {"media": "video"}), event("unmute", 90, {"media": "video"}), Media.VIDEO),
        (event("publishAudioDisabled", 60), event("publishAudioEnabled", 90), Media.AUDIO),
        (event("publishVideoDisabled", 60), event("publishVideoEnabled", 90), Media.VIDEO),
        (event("trackMuted", 60, {"media": "audio"}), event("trackUnmuted", 90, {"media": "audio"}), Media.AUDIO),
        (event("trackMuted", 60, {"mediaType": "desktop"}), event("trackUnmuted", 90, {"mediaType": "desktop"}), Media.SCREEN),
        (event("senderPaused", 60, {"media": "video"}), event("senderResumed", 90, {"media": "video"}), Media.VIDEO),
        (event("StopVideo", 60), event("StartVideo", 90), Media.VIDEO),
        (event("Hold", 60), event("Resume", 90), Media.SCREEN),
        (event("audioMutedChanged", 60, {"muted": True}), event("audioMutedChanged", 90, {"muted": False}), Media.AUDIO),
        (event("videoMutedChanged", 60, {"muted": True}), event("videoMutedChanged", 90, {"muted": False}), Media.VIDEO),
        (
            event("isMuted-changed", 60, {"operationPayload": {"isMuted": True}}),
            event("isMuted-changed", 90, {"operationPayload": {"isMuted": False}}),
            Media.AUDIO,
        ),
        (raised("microphoneMuteUnexpectedly", 60, True), raised("microphoneMuteUnexpectedly", 90, False), Media.AUDIO),
        (raised("speakingWhileMicrophoneIsMuted", 60, True), raised("speakingWhileMicrophoneIsMuted", 90, 1), Media.AUDIO),
    ],
)
class TestPauses:
    def test_from_off_to_on(self, off, on, media):
        assert quiet(subject(media), off, on) == quiet(subject(media), on, off, off) == [(60, 90)]

    def test_are_of_those_media_and_that_participant_alone(self, off, on, media):
        others = {Media.AUDIO, Media.VIDEO, Media.SCREEN} - {media} if off.name != "Hold" else set()
        assert [quiet(subject(other), off, on) for other in others] == [[] for _ in others]
        assert quiet(subject(media, who="participant/q", stream_key=None), off, on) == []

    def test_are_expected_of_those_who_receive_the_stream_as_well(self, off, on, media):
        assert quiet(subject(media, Direction.SUBSCRIBE, who="participant/q"), off, on) == [(60, 90)]

    def test_what_is_never_on_again_ends_with_its_connection(self, off, on, media):
        assert quiet(subject(media), off) == [(60, 600)]


class TestOfPauses:
    def test_of_a_stream_end_with_it(self):
        assert quiet(subject(), event("mute", 60, stream_key=S)) == [(60, 300)]

    def test_of_one_stream_are_not_of_another(self):
        assert quiet(subject(stream_key=T), event("mute", 60, stream_key=S)) == []

    def test_that_go_on_have_no_end(self):
        assert quiet(subject(stream_key=T), event("mute", 700, connection_key="connection/d")) == [(700, None)]

    def test_without_a_connection_are_of_the_one_at_that_time(self):
        assert quiet(subject(), event("mute", 60, connection_key=None)) == [(60, 600)]
        assert quiet(subject(), event("mute", -60, connection_key=None)) == [(-60, None)]

    def test_do_not_reach_into_the_next_connection(self):
        told = [
            event("mute", 60),
            event("mute", 700, connection_key="connection/d"),
            event("unmute", 720, connection_key="connection/d"),
        ]
        assert quiet(subject(), *told) == [(60, 600), (700, 720)]

    def test_on_without_off_is_nothing(self):
        assert quiet(subject(), event("unmute", 60)) == []

    def test_what_failed_did_not_happen(self):
        assert quiet(subject(), event("Mute", 60, outcome="FAILED")) == []

    @pytest.mark.parametrize("payload", [None, {"muted": "perhaps"}, {}])
    def test_flags_that_say_nothing(self, payload):
        assert quiet(subject(), event("audioMutedChanged", 60, payload)) == []

    def test_other_events_and_diagnostics_are_none(self):
        assert quiet(subject(), event("join", 60), raised("cameraFreeze", 60, True)) == []

    def test_several_causes_do_not_undo_each_other(self):
        told = [event("mute", 60), raised("microphoneMuteUnexpectedly", 70, True), event("unmute", 80), event("hold", 90)]
        told += [raised("microphoneMuteUnexpectedly", 100, False), event("resume", 110)]
        assert quiet(subject(), *told) == [(60, 80), (70, 100), (90, 110)]

    def test_who_is_on_hold_receives_nothing(self):
        told = [event("hold", 60), event("resume", 90)]
        received = subject(Media.VIDEO, Direction.SUBSCRIBE, stream_key=None)
        assert quiet(received, *told) == [(60, 90)]
        assert quiet(received, event("mute", 60), event("stopVideo", 60)) == []

    def test_the_microphone_is_muted_by_hand_and_by_the_system_but_not_by_holding(self):
        told = [event("mute", 60), event("unmute", 80), event("hold", 90), event("resume", 110), event("stopVideo", 1)]
        told += [raised("microphoneMuteUnexpectedly", 200, True), raised("microphoneMuteUnexpectedly", 210, False)]
        told += [event("mute", 220, stream_key=S), event("unmute", 230, stream_key=S)]
        pauses = Pauses(told, CALL)
        muted = [((one.start - FIRST) / 1000, (one.end - FIRST) / 1000) for one in pauses.muted(subject())]
        assert sorted(muted) == [(60, 80), (200, 210), (220, 230)]
        for other in (
            subject(Media.VIDEO),
            subject(direction=Direction.SUBSCRIBE),
            subject(who="participant/q", stream_key=None),
        ):
            assert pauses.muted(other) == []
        assert len(pauses.muted(subject(stream_key=T))) == 2

    def test_a_screen_that_is_measured_as_video_is_a_screen(self):
        told = event("screenshareToggled", 60, {"muted": True})
        assert quiet(subject(Media.VIDEO, source=StreamSource.SCREEN), told) == [(60, 600)]
        assert quiet(subject(Media.VIDEO), told) == []

    @pytest.mark.parametrize("order", [1, -1])
    def test_of_both_at_once_the_mute_stands(self, order):
        told = [event("mute", 60), event("unmute", 60), event("unmute", 90)]
        assert quiet(subject(), *told[::order]) == [(60, 90)]

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 900), st.booleans(), st.sampled_from([S, None]))), st.randoms(use_true_random=False))
    def test_any_order_gives_the_same(self, told, chance):
        events = [event("mute" if off else "unmute", second, stream_key=key) for second, off, key in told]
        expected = quiet(subject(), *events)
        shuffled = list(events)
        chance.shuffle(shuffled)
        assert quiet(subject(), *shuffled) == expected
        assert all(end is None or start <= end for start, end in expected)


def limited(second, reason, **rest):
    return event("qualityLimitationReason", second, {"reason": reason}, category="MEDIA", **{"stream_key": S} | rest)


def reasons(*events):
    return {
        key: [
            (one.reason, (one.stretch.start - FIRST) / 1000, one.stretch.end and (one.stretch.end - FIRST) / 1000)
            for one in found
        ]
        for key, found in limitations(events, CALL).items()
    }


class TestLimitations:
    def test_follow_each_other(self):
        told = [limited(60, "cpu"), limited(70, "cpu"), limited(80, "bandwidth"), limited(90, "none"), limited(95, "OTHER")]
        expected = {S: [("cpu", 60, 80), ("bandwidth", 80, 90), ("other", 95, 300)]}
        assert reasons(*told) == reasons(*reversed(told)) == expected

    def test_none_at_all(self):
        assert (
            reasons(limited(60, "none"), limited(70, 7), event("mute", 60, stream_key=S), limited(80, "cpu", stream_key=None))
            == {}
        )

    def test_that_go_on_have_no_end(self):
        assert reasons(limited(700, "cpu", stream_key=T)) == {T: [("cpu", 700, None)]}
        assert reasons(limited(700, "cpu", stream_key="stream/x")) == {"stream/x": [("cpu", 700, None)]}

    def test_after_the_end_of_the_stream_last_no_time(self):
        assert reasons(limited(400, "cpu")) == {S: [("cpu", 400, 400)]}

    @pytest.mark.parametrize("order", [1, -1])
    def test_of_several_at_once_one_stands(self, order):
        told = [limited(60, reason) for reason in ("none", "cpu", "bandwidth")]
        assert reasons(*told[::order]) == {S: [("cpu", 60, 300)]}

    def test_move_with_their_events(self):
        told = [limited(60, "cpu"), limited(90, "none")]
        moved = [replace(one, at=one.at + 1000) for one in told]
        assert reasons(*moved) == {S: [("cpu", 61, 91)]}
