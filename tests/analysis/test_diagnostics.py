"""User facing diagnostics as intervals."""

from dataclasses import replace

import pytest
from happened import FIRST, C, P, event, later, raised, span
from hypothesis import given, settings
from hypothesis import strategies as st
from told import START, at, catalog, connection, stream

from callscope.analysis.diagnostic_names import MEANINGS, RULES
from callscope.analysis.diagnostics import diagnostic_findings
from callscope.simulation import CallPlan, Fault, FaultKind, simulate_call
from callscope.sources.acs_ufd import FLAGS, QUALITIES
from callscope.telemetry import EventRecord
from callscope.vocabulary import IssueKind, Platform, Severity

# p is connected by c from 0 to 10 minutes, and by d from 11 to 20.
CALL = catalog(
    connection=[
        connection("c", participantId="p", connectedAt=at(0), closedAt=at(10)),
        connection("d", participantId="p", connectedAt=at(11), closedAt=at(20)),
    ],
    stream=[
        stream("mic", connectionId="c", publishedAt=at(1), hasAudio=True, source="AUDIO_ONLY"),
        stream("cam", connectionId="c", publishedAt=at(1), unpublishedAt=at(5), hasVideo=True, source="CAMERA"),
        stream("screen", connectionId="c", publishedAt=at(1), hasVideo=True, source="SCREEN"),
        stream("two", connectionId="d", publishedAt=at(11), hasVideo=True),
        stream("three", connectionId="d", publishedAt=at(11), hasVideo=True),
    ],
)
D = "connection/d"


def found(*events, call=CALL):
    return diagnostic_findings(events, call)


def only(*events):
    (finding,) = found(*events)
    return finding


def test_every_diagnostic_that_is_known_means_something():
    assert {*FLAGS, *QUALITIES} < MEANINGS.keys()
    assert all(meaning.words and RULES[name].kind is meaning.kind is not IssueKind.OTHER for name, meaning in MEANINGS.items())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("noNetwork", "NO_NETWORK"),
        ("networkReconnect", "NO_NETWORK"),
        ("networkRelaysNotReachable", "RELAY_UNREACHABLE"),
        ("networkSendQuality", "POOR_NETWORK_SEND"),
        ("networkReceiveQuality", "POOR_NETWORK_RECEIVE"),
        ("noSpeakerDevicesEnumerated", "SPEAKER_NOT_FOUND"),
        ("noMicrophoneDevicesEnumerated", "MICROPHONE_NOT_FOUND"),
        ("speakerMuted", "SPEAKER_NOT_FUNCTIONING"),
        ("speakingWhileMicrophoneIsMuted", "SPEAKING_WHILE_MUTED"),
        ("cameraStartTimedOut", "CAMERA_START_FAILED"),
        ("screenshareRecordingDisabled", "SCREEN_SHARE_FAILED"),
        ("capturerStoppedUnexpectedly", "SCREEN_SHARE_FAILED"),
    ],
)
def test_kinds(name, kind):
    finding = only(raised(name, 60, True), raised(name, 90, False))
    assert (finding.kind, finding.rule.name, finding.rule.kind, finding.words.split(":")[0]) == (kind, name, kind, name)
    assert (finding.participant_key, finding.connection_key, span(finding)) == (P, C, (60, 90, None))


class TestSpellings:
    @pytest.mark.parametrize("value", [True, "true", "True", 2, 3, "Poor", "bad", "3", "Bad"])
    def test_that_raise(self, value):
        assert span(only(event("x", 60, {"diagnostic": "CameraFreeze", "value": value}, category="DIAGNOSTIC"))) == (
            60,
            None,
            600,
        )

    @pytest.mark.parametrize("value", [False, "false", 1, "Good", "good", "1"])
    def test_that_clear(self, value):
        cleared = event("x", 90, {"diagnostic": "CameraFreeze", "value": value}, category="DIAGNOSTIC")
        assert span(only(raised("cameraFreeze", 60, True), cleared)) == (60, 90, None)

    @pytest.mark.parametrize(
        ("name", "payload"),
        [
            ("CameraFreeze", {"value": True}),
            ("camerafreeze", {"value": 1, "valueType": "DiagnosticFlag"}),
            ("UserFacingDiagnostics", {"DiagnosticChanged": "CameraFreeze", "DiagnosticQuality": "Bad"}),
        ],
    )
    def test_of_names_and_payloads(self, name, payload):
        assert only(event(name, 60, payload, category="DIAGNOSTIC")).kind is IssueKind.CAMERA_FREEZE

    @pytest.mark.parametrize(("severity", "is_raised"), [("INFO", False), ("WARNING", True), ("ERROR", True), ("CRITICAL", True)])
    @pytest.mark.parametrize("payload", [None, [1], {"value": "perhaps"}, {"value": 7}, {"value": None}])
    def test_severity_speaks_where_the_value_does_not(self, severity, is_raised, payload):
        assert len(found(event("noNetwork", 60, payload, category="DIAGNOSTIC", severity=severity))) == is_raised

    def test_jitsis_own(self):
        told = [event("cpuRestricted", at, {"restricted": at == 60}, category="DIAGNOSTIC") for at in (60, 90)]
        finding = only(*told)
        assert (finding.kind, finding.severity, span(finding)) == ("CPU_LIMITED", "WARNING", (60, 90, None))

    def test_other_events_are_none(self):
        assert found(event("cameraFreeze", 60, {"diagnostic": "cameraFreeze", "value": True}, category="MEDIA")) == []


class TestSeverity:
    def test_from_poor_to_bad_is_the_same_interval(self):
        told = [raised("networkSendQuality", second, value) for second, value in ((60, 2), (70, 3), (80, 2), (90, 1))]
        finding = only(*told)
        assert (finding.severity, span(finding)) == (Severity.ERROR, (60, 90, None))

    @pytest.mark.parametrize(("value", "severity"), [(2, "WARNING"), (3, "ERROR")])
    def test_of_qualities(self, value, severity):
        assert only(raised("networkReceiveQuality", 60, value)).severity == severity

    @pytest.mark.parametrize(
        ("name", "severity"), [("noNetwork", "ERROR"), ("speakerMuted", "WARNING"), ("speakingWhileMicrophoneIsMuted", "INFO")]
    )
    def test_of_flags(self, name, severity):
        assert only(raised(name, 60, True)).severity == severity


class TestIntervals:
    def test_raised_again_is_the_same(self):
        assert span(only(*(raised("cameraFreeze", second, second < 90) for second in (60, 70, 80, 90)))) == (60, 90, None)

    def test_raised_after_it_was_cleared_is_another(self):
        told = [raised("cameraFreeze", second, second in (60, 80)) for second in (60, 70, 80, 90)]
        assert [span(finding) for finding in found(*told)] == [(60, 70, None), (80, 90, None)]

    def test_never_cleared_lasts_until_its_connection_ended(self):
        assert span(only(raised("cameraFreeze", 60, True))) == (60, None, 600)

    def test_never_cleared_while_the_connection_goes_on_was_last_seen_when_it_was_told(self):
        live = catalog(connection=[connection("c", participantId="p", connectedAt=at(0))])
        told = [raised("cameraFreeze", 60, True), raised("cameraFreeze", 75, True)]
        assert [span(finding) for finding in found(*told, call=live)] == [(60, None, 75)]

    def test_raised_after_the_end_of_its_connection(self):
        assert span(only(raised("cameraFreeze", 630, True))) == (630, None, 630)

    def test_cleared_without_being_raised_is_nothing(self):
        assert found(raised("cameraFreeze", 60, False), raised("networkSendQuality", 70, 1)) == []

    def test_cleared_on_the_next_connection_is_nothing(self):
        told = [raised("cameraFreeze", 60, True), raised("cameraFreeze", 700, False, connection_key=D)]
        assert span(only(*told)) == (60, None, 600)

    @pytest.mark.parametrize("name", ["networkReconnect", "noNetwork"])
    def test_a_lost_network_is_back_with_the_next_connection(self, name):
        told = [raised(name, 600, 3), raised(name, 660, 1, connection_key=D)]
        finding = only(*told)
        assert (span(finding), finding.connection_key) == ((600, 660, None), C)

    def test_participants_are_apart(self):
        told = [raised("noNetwork", 60, True), raised("noNetwork", 90, False, participant_key="participant/q")]
        assert [(one.participant_key, span(one)) for one in found(*told)] == [(P, (60, None, 600))]

    def test_what_names_no_connection_is_of_the_last_one(self):
        told = [raised("cameraFreeze", second, second == 700, connection_key=None) for second in (700, 720)]
        finding = only(*told)
        assert (finding.connection_key, span(finding)) == (D, (700, 720, None))

    def test_what_names_its_connection_alone_is_of_its_participant(self):
        assert only(raised("noNetwork", 60, True, participant_key=None)).participant_key == P

    def test_what_names_nothing_that_is_known_stays_so(self):
        told = [raised("noNetwork", 60, True, participant_key=None, connection_key=key) for key in (None, "connection/x")]
        found_here = found(*told)
        assert [(one.participant_key, one.connection_key) for one in found_here] == [(None, None), (None, "connection/x")]


class TestContradictions:
    @pytest.mark.parametrize("order", [1, -1])
    def test_the_worst_of_an_instant_stands(self, order):
        told = [raised("networkSendQuality", 60, value) for value in (1, 3, 2)] + [raised("networkSendQuality", 90, 1)]
        finding = only(*told[::order])
        assert (finding.severity, span(finding)) == ("ERROR", (60, 90, None))

    def test_raised_and_cleared_at_once_while_it_lasts_goes_on(self):
        told = [raised("cameraFreeze", 60, True), *(raised("cameraFreeze", 70, value) for value in (True, False))]
        assert span(only(*told)) == (60, None, 600)


class TestUnknown:
    @pytest.mark.parametrize(("value", "severity", "expected"), [(True, "ERROR", "ERROR"), (3, "INFO", "WARNING")])
    def test_bad_ones_are_other_issues(self, value, severity, expected):
        finding = only(raised("batteryOnFire", 60, value, severity=severity), raised("batteryOnFire", 90, 1))
        assert (finding.kind, finding.severity, finding.words, finding.rule.name) == (
            "OTHER",
            expected,
            "batteryOnFire",
            "batteryOnFire",
        )
        assert span(finding) == (60, 90, None)

    @pytest.mark.parametrize("value", [2, 1, False])
    def test_others_are_not(self, value):
        assert found(raised("batteryOnFire", 60, value, severity="WARNING")) == []


class TestStream:
    @pytest.mark.parametrize(
        ("name", "second", "stream_key"),
        [
            ("cameraFreeze", 90, "stream/cam"),
            ("cameraFreeze", 30, None),
            ("cameraFreeze", 301, None),
            ("microphoneNotFunctioning", 90, "stream/mic"),
            ("capturerStoppedUnexpectedly", 90, "stream/screen"),
            ("speakerNotFunctioning", 90, None),
            ("noNetwork", 90, None),
        ],
    )
    def test_is_the_one_that_carries_such_media(self, name, second, stream_key):
        assert only(raised(name, second, True)).stream_key == stream_key

    def test_is_none_where_there_are_two(self):
        assert only(raised("cameraFreeze", 700, True, connection_key=D)).stream_key is None

    def test_is_the_one_that_is_named(self):
        assert only(raised("cameraFreeze", 700, True, connection_key=D, stream_key="stream/two")).stream_key == "stream/two"


def test_a_thousand_intervals_of_one_call():
    told = [raised("cameraFreeze", second / 10, second % 2 == 0) for second in range(2000)]
    assert len(found(*reversed(told))) == 1000


STATES = st.tuples(
    st.integers(0, 1300),
    st.sampled_from(["cameraFreeze", "networkReconnect", "networkSendQuality", "batteryOnFire"]),
    st.sampled_from([True, False, 1, 2, 3, None]),
    st.sampled_from([C, D, None]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(STATES, max_size=20), st.randoms(use_true_random=False), st.integers(1, 10**9))
def test_any_order_gives_the_same_and_time_shifts_them_alone(states, chance, by):
    told = [raised(name, second, value, connection_key=key) for second, name, value, key in states]
    expected = found(*told)
    shuffled = list(told)
    chance.shuffle(shuffled)
    assert found(*shuffled, *shuffled[:3]) == expected
    for finding in expected:
        assert finding.started_at <= (finding.ended_at or finding.lasted_until)
    # Where nothing of the catalog bounds them, they move with their events.
    moved = found(*(replace(one, at=one.at + by) for one in told), call=catalog())
    assert moved == [later(finding, by) for finding in found(*told, call=catalog())]


def test_a_simulated_fault_is_found_as_it_was_placed():
    fault = Fault(FaultKind.CAMERA_FREEZE, at=60, duration=30, participant=1)
    plan = CallPlan("call", Platform.ACS, START, 5, participants=3, faults=(fault,))
    told = [
        event(
            one.name,
            (one.at.timestamp() * 1000 - FIRST) / 1000,
            one.payload,
            category=one.category,
            severity=one.severity,
            participant_key=one.participant_id,
            connection_key=one.connection_id,
        )
        for one in simulate_call(plan)
        if isinstance(one, EventRecord)
    ]
    (finding,) = diagnostic_findings(told, catalog())
    assert (finding.kind, span(finding)) == ("CAMERA_FREEZE", (65, 90, None))
