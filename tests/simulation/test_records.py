"""Who took part, what was tried, and what became of it."""

import pytest

from callscope.simulation import Fault, FaultKind
from callscope.vocabulary import EndpointKind, EventCategory, Outcome, Platform, Severity, StreamSource
from tests.simulation.observed import Observed, plan, seconds


def test_steps_are_told_in_order() -> None:
    observed = Observed(plan())
    mine = [r for r in observed.of("event") if observed.indexes[r.participant_id] == 1]
    first = {name: next(r.at for r in mine if r.category == name) for name in ("CONNECTION", "STREAM", "SUBSCRIBER", "DEVICE")}
    assert first["CONNECTION"] < first["DEVICE"] <= first["STREAM"]
    assert first["CONNECTION"] < first["SUBSCRIBER"]
    times = [r.at for r in observed.of("event")]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("platform", "code", "subcode", "reason"),
    [
        (Platform.ACS, 410, 301005, "UnexpectedClientError"),
        (Platform.VONAGE, None, None, "networkDisconnected"),
        (Platform.JITSI, None, None, "ice.failed"),
        (Platform.WEBRTC, None, None, "iceFailed"),
    ],
)
def test_lost_connection_is_told_as_the_platform_does(platform: Platform, code: int, subcode: int, reason: str) -> None:
    observed = Observed(plan(Fault(FaultKind.CONNECTION_DROP, 60, 20, 1), platform=platform))
    [lost] = [r for r in observed.of("connection") if r.close_reason == reason]
    told = (lost.error.code, lost.error.subcode) if lost.error else (None, None)
    assert told == (code, subcode)
    assert [r.unpublish_reason for r in observed.of("stream") if r.unpublished_at == lost.closed_at] == [reason]
    [bad, good] = observed.events("networkReconnect")
    assert (bad.payload["value"], good.payload["value"]) == (3, 1)
    assert seconds(bad) == 60
    assert seconds(good) > 80


@pytest.mark.parametrize(
    ("kind", "record", "name", "code", "subcode"),
    [
        (FaultKind.DEAD_RELAY, "connection", "Join", 410, 301004),
        (FaultKind.PUBLISH_FAILED, "stream", "StartVideo", 410, 41048),
        (FaultKind.SUBSCRIBE_FAILED, "subscriber", "CreateView", 500, 43204),
    ],
)
def test_failed_attempts_of_acs_carry_its_codes(kind: FaultKind, record: str, name: str, code: int, subcode: int) -> None:
    observed = Observed(plan(Fault(kind, 0, 60, 1)))
    failed = [r for r in observed.of(record) if r.failed_at]
    assert failed
    assert {(r.error.code, r.error.subcode) for r in failed} == {(code, subcode)}
    events = [r for r in observed.events(name) if r.outcome is Outcome.FAILED]
    assert [(r.at, r.code, r.subcode, r.severity) for r in events] == [
        (r.failed_at, code, subcode, Severity.ERROR) for r in failed
    ]
    retried = [r for r in observed.of(record) if observed.indexes[r.participant_id] == 1 and r.attempted_at]
    assert max((r.attempted_at.timestamp() * 1000 - observed.plan.start) / 1000 for r in retried) >= 60


def test_nobody_tries_to_subscribe_again_once_the_call_ends() -> None:
    observed = Observed(plan(Fault(FaultKind.SUBSCRIBE_FAILED, 0, 1000, 1)))
    mine = [r for r in observed.of("subscriber") if observed.indexes[r.participant_id] == 1]
    assert [bool(r.failed_at) for r in mine] == [False, True]


def test_dead_relay_is_told_of() -> None:
    observed = Observed(plan(Fault(FaultKind.DEAD_RELAY, 0, 1000, 1), platform=Platform.VONAGE))
    [event] = observed.events("networkRelaysNotReachable")
    assert event.payload == {"diagnostic": "networkRelaysNotReachable", "value": True, "valueType": "DiagnosticFlag"}
    assert observed.indexes[event.participant_id] == 1
    assert not observed.of("subscriber")


def test_telephones_send_and_receive_audio_alone() -> None:
    observed = Observed(plan(participants=3, kinds=(EndpointKind.SIP, EndpointKind.PSTN), screen=0))
    phones = {r.participant_id for r in observed.of("participant") if r.kind in {EndpointKind.SIP, EndpointKind.PSTN}}
    assert len(phones) == 2
    assert {r.source for r in observed.of("stream") if r.participant_id in phones and r.source} == {StreamSource.AUDIO_ONLY}
    assert {r.media for r in observed.of("samples") if r.participant_id in phones} == {"AUDIO", "CONNECTION"}
    assert {r.audio_codec for r in observed.of("stream") if r.participant_id in phones and r.audio_codec} == {"PCMU"}


def test_redacted_participant_keeps_its_details_to_itself() -> None:
    observed = Observed(plan(redacted=(1,)))
    [redacted] = [r for r in observed.of("participant") if r.is_redacted]
    assert redacted.model_dump(exclude_none=True).keys() == {
        "type",
        "call_id",
        "version",
        "participant_id",
        "kind",
        "is_redacted",
    }
    assert [r.participant_id for r in observed.of("warning")] == [redacted.participant_id]
    assert not [r for r in observed.of("connection") if r.participant_id == redacted.participant_id and r.network]


def test_shared_screen_is_a_stream_of_its_own() -> None:
    observed = Observed(plan(screen=1))
    [screen] = [r for r in observed.of("stream") if r.source is StreamSource.SCREEN]
    assert (screen.has_audio, screen.has_video, screen.is_scalable, screen.name) == (False, True, False, "screen")
    [ended] = [r for r in observed.of("stream") if r.stream_id == screen.stream_id and r.unpublished_at]
    assert ended.unpublish_reason == "Success"
    assert not [r for r in observed.events("AskDevicePermission") if r.stream_id == screen.stream_id]


def test_cameras_send_layers_only_where_several_receive() -> None:
    for people, is_scalable in ((2, False), (3, True)):
        streams = Observed(plan(participants=people)).of("stream")
        assert {r.is_scalable for r in streams if r.source is StreamSource.CAMERA} == {is_scalable}


def test_same_call_id_gathers_the_same_people_in_other_connections() -> None:
    one, other = Observed(plan()), Observed(plan(started_at=plan().started_at.replace(day=3)))
    assert [r.participant_id for r in one.of("participant")] == [r.participant_id for r in other.of("participant")]
    assert not {r.connection_id for r in one.of("connection")} & {r.connection_id for r in other.of("connection")}


def test_people_of_a_large_call_have_names_of_their_own() -> None:
    people = Observed(plan(participants=1, subscribers=300, minutes=1, interval_seconds=60)).of("participant")
    assert len({r.display_name for r in people}) == len({r.participant_id for r in people}) == len(people) > 290
    browsers = {(r.system.browser, r.system.browser_version) for r in people if r.kind is EndpointKind.BROWSER}
    assert len(browsers) > 5
    assert all(r.user_agent for r in people if r.kind is EndpointKind.BROWSER)


def test_events_carry_their_subjects() -> None:
    for event in Observed(plan(participants=3)).of("event"):
        assert event.participant_id
        assert event.connection_id
        assert event.stream_id or event.category not in {EventCategory.STREAM, EventCategory.SUBSCRIBER}
