"""What can be found at all, and what holds of whole diagnoses."""

from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callscope.analysis.device_failures import RULES as OF_DEVICES
from callscope.analysis.diagnosis import TOLD_RULES
from callscope.analysis.diagnostic_names import MEANINGS, unknown
from callscope.analysis.diagnostic_names import RULES as OF_DIAGNOSTICS
from callscope.analysis.rule_book import rules_for
from callscope.simulation import CallPlan, Fault, FaultKind, simulate_call
from callscope.telemetry import (
    CallRecord,
    ConnectionRecord,
    EventRecord,
    ParticipantRecord,
    SamplesRecord,
    StreamRecord,
    SubscriberRecord,
)
from callscope.vocabulary import Direction, EventCategory, IssueKind, Media, Metric, Platform, Severity
from tests.simulation.remembered import diagnosed, remembered

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
BY_WHAT_IS_TOLD_ALONE = {
    *("POOR_NETWORK_SEND", "POOR_NETWORK_RECEIVE", "RELAY_UNREACHABLE", "SPEAKER_NOT_FUNCTIONING", "SPEAKER_NOT_FOUND"),
    *("MICROPHONE_MUTED_UNEXPECTEDLY", "CAMERA_STOPPED_UNEXPECTEDLY"),
}


@pytest.mark.parametrize("platform", Platform)
def test_every_kind_of_issue_can_be_raised_by_a_rule_that_says_where_it_comes_from(platform: Platform) -> None:
    rules = [*rules_for(platform), *TOLD_RULES, *OF_DEVICES.values(), *OF_DIAGNOSTICS.values()]
    other = unknown(Severity.ERROR)
    assert {rule.kind for rule in rules} | {other.kind} == set(IssueKind)
    assert all(rule.name and rule.source and rule.version for rule in rules)


def test_what_sdks_alone_tell_has_no_rule_of_its_own() -> None:
    measured = {rule.kind.name for rule in chain(*map(rules_for, Platform), TOLD_RULES, OF_DEVICES.values())}
    assert {meaning.kind.name for meaning in MEANINGS.values()} - measured == BY_WHAT_IS_TOLD_ALONE


def told(findings):
    return sorted(
        (one.kind, one.severity, one.attribution, str(one.participant_key), one.started_at, one.ended_at or 0, one.rule.name)
        for one in findings
    )


PLANS = [
    CallPlan(f"{platform}", platform, START, 4, 3, faults=(Fault(kind, 90.0, 50.0, 1),), interval_seconds=2)
    for platform, kind in (
        (Platform.ACS, FaultKind.UPLINK_LOSS),
        (Platform.VONAGE, FaultKind.CAMERA_FREEZE),
        (Platform.JITSI, FaultKind.SERVER_LOSS),
        (Platform.WEBRTC, FaultKind.CONNECTION_DROP),
    )
]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.call_id)
def test_records_in_any_order_and_twice_are_diagnosed_alike(plan: CallPlan) -> None:
    telemetry = list(simulate_call(plan))
    expected = told(diagnosed(remembered(telemetry)))
    assert expected
    assert told(diagnosed(remembered([*reversed(telemetry), *telemetry]))) == expected


# Bad input.

SUBJECT = {"call_id": "x", "stream_id": "s"}
PEOPLE = [
    CallRecord(call_id="x", platform=Platform.WEBRTC),
    ParticipantRecord(call_id="x", participant_id="ann"),
    ConnectionRecord(call_id="x", connection_id="a", participant_id="ann", connected_at=START),
    StreamRecord(call_id="x", stream_id="s", connection_id="a", has_audio=True, has_video=True, published_at=START),
    SubscriberRecord(call_id="x", subscriber_id="r", stream_id="s", participant_id="bob", connection_id="b"),
]
VALUES = st.sampled_from([-1e99, -5.0, -0.0, 0.0, 0.5, 1.0, 30.0, 200.0, 1e6, 1e99])
STEPS = st.sampled_from([0.001, 1.0, 2.0, 10.0, 3_600.0, 90_000.0])


@st.composite
def nonsense(draw):
    """Samples of anything at odd times, and events that contradict each other."""
    records = []
    for _ in range(draw(st.integers(1, 4))):
        steps = draw(st.lists(STEPS, min_size=1, max_size=30))
        at, times = START.timestamp() * 1000, []
        for step in steps:
            at += step * 1000
            times.append(at)
        direction = draw(st.sampled_from(Direction))
        whose = {"subscriber_id": "r"} if direction is Direction.SUBSCRIBE else {}
        records.append(
            SamplesRecord(
                **SUBJECT,
                **whose,
                metric=draw(st.sampled_from(Metric)),
                media=draw(st.sampled_from(Media)),
                direction=direction,
                times=times,
                values=draw(st.lists(VALUES, min_size=len(times), max_size=len(times))),
            )
        )
    names = ["mute", "unmute", "cameraFreeze", "oniceconnectionstatechange", "getUserMediaOnFailure", "qualityLimitationReason"]
    payloads = [None, {"value": True}, {"value": False}, {"state": "failed"}, {"state": "connected"}, {"reason": "cpu"}, [1], "x"]
    records += [
        EventRecord(
            call_id="x",
            at=START + timedelta(seconds=second),
            category=draw(st.sampled_from(EventCategory)),
            name=draw(st.sampled_from(names)),
            payload=draw(st.sampled_from(payloads)),
            participant_id="ann",
            connection_id="a",
            stream_id="s",
        )
        for second in draw(st.lists(st.integers(0, 90), max_size=12))
    ]
    return records


@settings(max_examples=150, deadline=None)
@given(nonsense(), st.booleans())
def test_whatever_is_told_has_a_defined_diagnosis(records, has_people) -> None:
    telemetry = [*(PEOPLE if has_people else ()), *records]
    found = diagnosed(remembered(telemetry))
    for one in found:
        end = one.ended_at if one.ended_at is not None else one.lasted_until
        assert end is None or end >= one.started_at
        assert one.severity in Severity
    assert told(found) == told(diagnosed(remembered(reversed(telemetry))))


def test_of_nothing_nothing_is_found() -> None:
    assert diagnosed(remembered([])) == []
    assert diagnosed(remembered(PEOPLE)) == []
