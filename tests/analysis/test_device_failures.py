"""Cameras, microphones and screens that were asked for and not given."""

from dataclasses import replace

import pytest
from happened import C, P, event, later, span
from hypothesis import given, settings
from hypothesis import strategies as st
from told import at, catalog, connection

from callscope.analysis.device_failures import device_findings
from callscope.sources.registry import recognise
from callscope.telemetry import EventRecord

GUM = "navigator.mediaDevices.getUserMedia"
GDM = "navigator.mediaDevices.getDisplayMedia"
CALL = catalog(connection=[connection("c", participantId="p", connectedAt=at(0), closedAt=at(10))])


def device(name, second, payload=None, **rest):
    return event(name, second, payload, **{"category": "DEVICE", "connection_key": None} | rest)


def asked(second, *, audio=True, video=True, name=GUM):
    return device(name, second, {"audio": audio, "video": video})


def refused(second, error, name=GUM, payload=None):
    return device(f"{name}OnFailure", second, payload, outcome="FAILED", message=error)


def given_(second, *kinds, name=GUM):
    tracks = [{"kind": kind, "label": "x"} for kind in kinds]
    return device(f"{name}OnSuccess", second, {"tracks": tracks}, outcome="SUCCEEDED")


def found(*events):
    return device_findings(events, CALL)


def kinds(*events):
    return [one.kind.name for one in found(*events)]


@pytest.mark.parametrize(
    ("error", "audio", "video"),
    [
        ("NotAllowedError", "MICROPHONE_PERMISSION_DENIED", "CAMERA_PERMISSION_DENIED"),
        ("NotAllowedError: Permission denied", "MICROPHONE_PERMISSION_DENIED", "CAMERA_PERMISSION_DENIED"),
        ("PermissionDeniedError", "MICROPHONE_PERMISSION_DENIED", "CAMERA_PERMISSION_DENIED"),
        ("gum.permission_denied", "MICROPHONE_PERMISSION_DENIED", "CAMERA_PERMISSION_DENIED"),
        ("NotFoundError: Requested device not found", "MICROPHONE_NOT_FOUND", "CAMERA_START_FAILED"),
        ("OverconstrainedError", "MICROPHONE_NOT_FOUND", "CAMERA_START_FAILED"),
        ("NotReadableError", "MICROPHONE_NOT_FUNCTIONING", "CAMERA_START_FAILED"),
        ("AbortError", "MICROPHONE_NOT_FUNCTIONING", "CAMERA_START_FAILED"),
        (None, "MICROPHONE_NOT_FUNCTIONING", "CAMERA_START_FAILED"),
    ],
)
def test_kinds_by_error_and_device(error, audio, video):
    assert kinds(asked(1, video=False), refused(2, error)) == [audio]
    (one,) = found(asked(1, audio=False), refused(2, error))
    assert (one.kind, one.severity, one.media, one.participant_key, one.connection_key) == (video, "ERROR", "VIDEO", P, None)
    assert (span(one), one.words) == ((2, None, 2), error or "")
    assert one.rule.name == ("permission_denied" if "PERMISSION" in video else "device_failure")


class TestScreen:
    @pytest.mark.parametrize(("error", "severity"), [("NotAllowedError", "INFO"), ("NotReadableError", "ERROR"), ("x", "ERROR")])
    def test_that_was_not_shared(self, error, severity):
        (one,) = found(asked(1, name=GDM), refused(2, error, GDM), given_(9, "video"))
        assert (one.kind, one.severity, span(one)) == ("SCREEN_SHARE_FAILED", severity, (2, None, 2))

    def test_that_was_shared_later(self):
        (one,) = found(refused(2, "AbortError", GDM), given_(9, "video", name=GDM))
        assert span(one) == (2, 9, None)

    def test_whose_choice_was_closed(self):
        assert found(refused(2, "gum.screensharing_user_canceled", GDM)) == []

    def test_asked_for_in_between_is_not_what_failed(self):
        told = [asked(1, video=False), asked(1.5, name=GDM), refused(2, "NotReadableError", GDM)]
        assert kinds(*told) == ["SCREEN_SHARE_FAILED"]
        told = [asked(1, video=False), asked(1.5, name=GDM), refused(2, "NotReadableError")]
        assert kinds(*told) == ["MICROPHONE_NOT_FUNCTIONING"]


class TestWhichOfBoth:
    def test_the_one_that_the_next_try_leaves_out(self):
        told = [asked(1), refused(2, "NotReadableError"), asked(2.1, video=False), given_(2.2, "audio")]
        (one,) = found(*told)
        assert (one.kind, span(one)) == ("CAMERA_START_FAILED", (2, None, 2))
        assert one.words == (
            "NotReadableError; microphone and camera were asked for together; the microphone alone was given at the next try"
        )

    @pytest.mark.parametrize(
        ("seconds", "expected"), [(10, ["CAMERA_START_FAILED"]), (10.001, ["CAMERA_START_FAILED", "MICROPHONE_NOT_FUNCTIONING"])]
    )
    def test_if_the_next_try_comes_at_once(self, seconds, expected):
        assert kinds(asked(1), refused(2, "NotReadableError"), given_(2 + seconds, "audio")) == expected

    def test_the_one_that_the_error_names(self):
        assert kinds(asked(1), refused(2, "NotReadableError: Could not start video source")) == ["CAMERA_START_FAILED"]
        assert kinds(asked(1), refused(2, "NotReadableError: Could not start audio source")) == ["MICROPHONE_NOT_FUNCTIONING"]

    def test_the_one_that_jitsi_names(self):
        payload = {"devices": ["video"], "constraint": None}
        told = device("getUserMediaError", 2, payload, outcome="FAILED", message="gum.not_found")
        assert kinds(asked(1), told) == ["CAMERA_START_FAILED"]

    def test_both_where_nothing_tells(self):
        microphone, camera = sorted(found(asked(1), refused(2, "NotReadableError")), key=lambda one: one.media)
        assert (microphone.kind, camera.kind) == ("MICROPHONE_NOT_FUNCTIONING", "CAMERA_START_FAILED")
        assert "does not say which" in microphone.words

    def test_both_where_nothing_was_asked(self):
        assert kinds(refused(2, "NotAllowedError")) == ["CAMERA_PERMISSION_DENIED", "MICROPHONE_PERMISSION_DENIED"]

    def test_both_recovered_when_both_are_given(self):
        told = found(asked(1), refused(2, "NotReadableError"), given_(5, "audio", "video"))
        assert [span(one) for one in told] == [(2, 5, None), (2, 5, None)]

    def test_is_settled_by_a_failure_of_one(self):
        told = [
            asked(1),
            refused(2, "NotReadableError"),
            asked(3, video=False),
            refused(4, "NotReadableError"),
            given_(5, "audio"),
        ]
        assert [(one.kind, span(one)) for one in found(*told)] == [
            ("CAMERA_START_FAILED", (2, None, 2)),
            ("MICROPHONE_NOT_FUNCTIONING", (2, 5, None)),
        ]


class TestIntervals:
    def test_refused_again_is_the_same(self):
        told = [asked(1, video=False), refused(2, "NotFoundError"), refused(5, "NotFoundError"), given_(60, "audio")]
        assert [span(one) for one in found(*told)] == [(2, 60, None)]
        assert [span(one) for one in found(*told[:3])] == [(2, None, 5)]

    def test_of_others_stay_theirs(self):
        others = replace(given_(5, "audio"), participant_key="participant/q")
        assert [span(one) for one in found(asked(1, video=False), refused(2, "x"), others)] == [(2, None, 2)]

    def test_a_grant_alone_is_nothing(self):
        assert found(asked(1), given_(2, "audio", "video")) == []

    @pytest.mark.parametrize("order", [1, -1])
    def test_granted_and_refused_at_once_is_refused(self, order):
        told = [asked(1, video=False), given_(2, "audio"), refused(2, "NotAllowedError")]
        assert [span(one) for one in found(*told[::order])] == [(2, None, 2)]

    def test_of_a_connection_is_its_participants(self):
        one = replace(refused(2, "x"), participant_key=None, connection_key=C)
        assert {finding.participant_key for finding in found(one)} == {P}


class TestOtherSources:
    def test_azure_asks_for_permission(self):
        payload = {"operationPayload": {"audio": True, "video": False}}
        told = device("AskDevicePermission", 2, payload, outcome="FAILED", message="x")
        assert kinds(told) == ["MICROPHONE_PERMISSION_DENIED"]
        again = device("AskDevicePermission", 5, payload, outcome="SUCCEEDED")
        assert [span(one) for one in found(told, again)] == [(2, 5, None)]

    def test_vonage_is_denied_access(self):
        assert kinds(device("accessDenied", 2)) == ["CAMERA_PERMISSION_DENIED", "MICROPHONE_PERMISSION_DENIED"]
        assert [
            span(one) for one in found(device("accessDenied", 2), device("accessAllowed", 5, {"audio": True, "video": True}))
        ] == [
            (2, 5, None),
            (2, 5, None),
        ]

    def test_other_events_of_devices_are_nothing(self):
        assert found(device("ondevicechange", 2, outcome="FAILED"), event(f"{GUM}OnFailure", 2, category="MEDIA")) == []


STEPS = st.lists(
    st.builds(
        lambda second, step: step(second),
        st.integers(0, 60),
        st.sampled_from(
            [
                asked,
                lambda second: asked(second, video=False),
                lambda second: refused(second, "NotReadableError"),
                lambda second: refused(second, "NotAllowedError: video"),
                lambda second: refused(second, "NotAllowedError", GDM),
                lambda second: given_(second, "audio"),
                lambda second: given_(second, "audio", "video"),
            ]
        ),
    ),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(STEPS, st.randoms(use_true_random=False), st.integers(1, 10**9))
def test_any_order_gives_the_same_and_time_shifts_them_alone(told, chance, by):
    expected = found(*told)
    shuffled = list(told)
    chance.shuffle(shuffled)
    assert found(*shuffled) == expected
    assert found(*(replace(one, at=one.at + by) for one in told)) == [later(one, by) for one in expected]


def test_a_thousand_failures_of_one_call():
    told = [
        one for n in range(1000) for one in (asked(n * 60, video=False), refused(n * 60 + 1, "x"), given_(n * 60 + 30, "audio"))
    ]
    assert len(found(*told)) == 1000


def test_a_real_dump_whose_camera_was_in_use(shared_data):
    """As a person reads it: microphone and camera were refused together, and the microphone alone was given at once."""
    with (shared_data / "rtcstats" / "chrome-standard-pc-failed").open("rb") as file:
        source = recognise(file.read(4096))
        file.seek(0)
        records = [one for one in source.read(file) if isinstance(one, EventRecord)]
    told = [
        replace(
            device(one.name, 0, one.payload, category=one.category, outcome=one.outcome, message=one.message),
            at=one.at.timestamp() * 1000,
        )
        for one in records
    ]
    assert kinds(*told) == ["CAMERA_START_FAILED"]
