"""What clients tell about faults on their side."""

from typing import Any

import pytest

from callscope.simulation import Fault, FaultKind
from callscope.vocabulary import EndpointKind, EventCategory, Platform
from tests.simulation.observed import Observed, plan, seconds


def raised(name: str, *faults: Fault, **rest: Any) -> list[tuple[int, float, Any]]:
    observed = Observed(plan(*faults, **rest))
    return [(observed.indexes[e.participant_id], seconds(e), e.payload["value"]) for e in observed.events(name)]


@pytest.mark.parametrize(
    ("kind", "name", "delay", "media_type"),
    [
        (FaultKind.CAMERA_FREEZE, "cameraFreeze", 5, "Video"),
        (FaultKind.MICROPHONE_SILENT, "microphoneNotFunctioning", 10, "Audio"),
        (FaultKind.MICROPHONE_MUTED, "microphoneMuteUnexpectedly", 0.2, "Audio"),
        (FaultKind.SPEAKING_WHILE_MUTED, "speakingWhileMicrophoneIsMuted", 2, "Audio"),
        (FaultKind.SPEAKER_MUTED, "speakerMuted", 0.2, "Audio"),
    ],
)
@pytest.mark.parametrize("platform", [Platform.ACS, Platform.JITSI])
def test_faults_of_devices_are_flagged_on_all_platforms(
    kind: FaultKind, name: str, delay: float, media_type: str, platform: Platform
) -> None:
    observed = Observed(plan(Fault(kind, 60, 30, 1), platform=platform))
    [on, off] = observed.events(name)
    assert (on.category, on.severity in {"WARNING", "ERROR"}, off.severity) == (EventCategory.DIAGNOSTIC, True, "INFO")
    assert on.payload == {"diagnostic": name, "value": True, "valueType": "DiagnosticFlag", "mediaType": media_type}
    assert (seconds(on), off.payload["value"], seconds(off)) == (60 + delay, False, 90)


def test_quality_is_rated_by_how_bad_it_is() -> None:
    assert raised("networkSendQuality", Fault(FaultKind.UPLINK_LOSS, 60, 30)) == [(0, 64, 2), (0, 90, 1)]
    assert raised("networkSendQuality", Fault(FaultKind.UPLINK_LOSS, 60, 30, 0, 40)) == [(0, 64, 3), (0, 90, 1)]
    assert raised("networkSendQuality", Fault(FaultKind.LOW_BANDWIDTH, 60, 30, 0, 40_000)) == [(0, 64, 3), (0, 90, 1)]


def test_servers_losses_are_felt_by_all() -> None:
    losses = raised("networkReceiveQuality", Fault(FaultKind.SERVER_LOSS, 60, 30), participants=3)
    assert sorted(losses) == [(0, 64, 2), (0, 90, 1), (1, 64, 2), (1, 90, 1), (2, 64, 2), (2, 90, 1)]


def test_only_acs_rates_the_network() -> None:
    assert not raised("networkReceiveQuality", Fault(FaultKind.DOWNLINK_LOSS, 60, 30, 1), platform=Platform.VONAGE)
    assert not raised("networkReceiveQuality", Fault(FaultKind.DOWNLINK_LOSS, 60, 30, 1), kinds=(EndpointKind.PSTN,))


def test_nobody_rates_a_way_that_carries_nothing() -> None:
    broadcast = {"participants": 1, "subscribers": 3}
    both = (FaultKind.HIGH_ROUND_TRIP, FaultKind.HIGH_JITTER)
    for name, who, others in (("networkSendQuality", 0, 2), ("networkReceiveQuality", 2, 0)):
        assert len(raised(name, *(Fault(kind, 200, 30, who) for kind in both), **broadcast)) == 2
        assert not raised(name, *(Fault(kind, 200, 30, others) for kind in both), **broadcast)


def test_short_faults_are_not_noticed_and_lasting_ones_not_cleared() -> None:
    assert not raised("cameraFreeze", Fault(FaultKind.CAMERA_FREEZE, 60, 4))
    assert raised("cameraFreeze", Fault(FaultKind.CAMERA_FREEZE, 60, 1000)) == [(0, 65, True)]


def test_devices_that_are_not_there_raise_nothing() -> None:
    assert not raised("cameraFreeze", Fault(FaultKind.CAMERA_FREEZE, 60, 30), has_video=False)
    viewer = {"participants": 1, "subscribers": 3}
    assert not raised("microphoneNotFunctioning", Fault(FaultKind.MICROPHONE_SILENT, 60, 30, 2), **viewer)
    assert len(raised("speakerMuted", Fault(FaultKind.SPEAKER_MUTED, 200, 30, 2), **viewer)) == 2


@pytest.mark.parametrize(("kind", "reason"), [(FaultKind.CPU_LIMITED, "cpu"), (FaultKind.LOW_BANDWIDTH, "bandwidth")])
def test_sender_says_why_it_lowers_quality(kind: FaultKind, reason: str) -> None:
    observed = Observed(plan(Fault(kind, 60, 30), Fault(kind, 250, 1000)))
    told = [(seconds(e), e.payload["reason"], e.category) for e in observed.events("qualityLimitationReason")]
    assert told == [(60, reason, "MEDIA"), (90, "none", "MEDIA"), (250, reason, "MEDIA")]
    assert not Observed(plan(Fault(kind, 60, 30), has_video=False)).events("qualityLimitationReason")


class TestMutes:
    def test_mute_by_hand_is_told_with_its_stream(self) -> None:
        observed = Observed(plan(Fault(FaultKind.SPEAKING_WHILE_MUTED, 60, 30), platform=Platform.WEBRTC))
        [mute], [unmute] = observed.events("mute"), observed.events("unmute")
        assert (seconds(mute), seconds(unmute), mute.payload) == (60, 90, {"media": "audio"})
        assert mute.category is EventCategory.USER_ACTION
        assert mute.stream_id in {r.stream_id for r in observed.of("stream")}

    def test_system_mutes_without_a_hand(self) -> None:
        observed = Observed(plan(Fault(FaultKind.MICROPHONE_MUTED, 60, 30), platform=Platform.WEBRTC))
        assert not observed.events("mute")

    def test_mute_that_lasts_is_never_taken_back(self) -> None:
        observed = Observed(plan(Fault(FaultKind.SPEAKING_WHILE_MUTED, 60, 1000), platform=Platform.WEBRTC))
        assert len(observed.events("mute")) == 1
        assert not observed.events("unmute")

    def test_people_in_larger_calls_mute_now_and_then(self) -> None:
        observed = Observed(plan(participants=8, platform=Platform.WEBRTC, minutes=10))
        mutes, unmutes = observed.events("mute"), observed.events("unmute")
        assert len(mutes) >= len(unmutes) > 0
        muted = observed.indexes[mutes[0].participant_id]
        assert muted != 0
        level = observed.values(muted, None, "AUDIO", "AUDIO_LEVEL", seconds(mutes[0]) + 1, seconds(mutes[0]) + 21)
        assert set(level) == {0.0}
