from datetime import UTC, datetime

import pytest
from test_acs_logs import CALL, ENDPOINT, LEG, LOGGED, PERSON, SUMMARY, envelope, every, one, only, read, refused

from callscope.analysis.merging import merged
from callscope.sources.acs_columns import FINAL_VERSION
from callscope.vocabulary import DataWarningKind, EndpointKind, EventCategory, MediaMode, Platform

JOINED = datetime(2024, 5, 1, 10, 0, 5, 100_000, UTC)
LEFT = datetime(2024, 5, 1, 10, 9, 55, 100_000, UTC)
BEGIN = datetime(2024, 5, 1, 10, tzinfo=UTC)
END = datetime(2024, 5, 1, 10, 10, tzinfo=UTC)


def summary(*without, **changes):
    return one("CallSummary", SUMMARY, without, **changes)


def test_call_participant_and_connection():
    records = summary()
    call = only(records, "call")
    assert (call.call_id, call.version, call.platform, call.media_mode) == (CALL, FINAL_VERSION, Platform.ACS, MediaMode.ROUTED)
    assert (call.started_at, call.ended_at) == (BEGIN, END)
    person = only(records, "participant")
    assert (person.participant_id, person.kind, person.system, person.is_redacted) == (PERSON, None, None, None)
    assert (person.sdk.name, person.sdk.version) == ("azure-communication-calling", "1.38.1.0")
    leg = only(records, "connection")
    assert (leg.connection_id, leg.participant_id, leg.version) == (LEG, PERSON, FINAL_VERSION)
    assert (leg.attempted_at, leg.connected_at, leg.closed_at) == (JOINED, JOINED, LEFT)
    assert leg.failed_at is leg.close_reason is leg.error is None


def test_all_else_that_a_row_says_stands_in_an_event_at_its_end():
    options = '{"appName": "a", "tags": ["vip", "", 7, "beta"]}'
    records = summary(
        teamsThreadId="19:x", TPE="true", diagnosticOptions=options, callDebuggingInfo='{"ip": "10.0.0.1"}', fresh=1
    )
    event = only(records, "event")
    assert (event.at, event.category, event.name, event.connection_id) == (LEFT, EventCategory.CONNECTION, "CallSummary", LEG)
    assert (event.outcome, event.severity, event.code) == ("SUCCEEDED", "INFO", 0)
    assert event.payload == {
        "callType": "Group",
        "endpointType": "VoIP",
        "endpointId": ENDPOINT,
        "diagnosticOptions": {"appName": "a", "tags": ["vip", "", 7, "beta"]},
        "teamsThreadId": "19:x",
        "tpe": "true",
        "callDebuggingInfo": '{"ip": "[address]"}',
        "fresh": 1,
    }
    assert only(records, "call").tags == ["vip", "beta"]
    assert only(summary(diagnosticOptions="text"), "call").tags is None


def test_peer_to_peer_has_no_participant_ids():
    records = summary(callType="P2P", participantId="null")
    assert only(records, "call").media_mode is MediaMode.RELAYED
    assert (only(records, "connection").connection_id, only(records, "connection").participant_id) == (ENDPOINT, PERSON)


def test_a_rejoin_is_another_connection_of_the_same_participant():
    for without in ((), ("identifier",)):
        records = [*summary(*without), *summary(*without, participantId=" leg-2")]
        assert [leg.connection_id for leg in every(records, "connection")] == [LEG, "leg-2"]
        assert {leg.participant_id for leg in every(records, "connection")} == {ENDPOINT if without else PERSON}


def test_ids_that_are_withheld_or_missing():
    records = summary(participantId="Redacted", identifier="Redacted")
    assert (only(records, "connection").connection_id, only(records, "connection").participant_id) == (ENDPOINT, ENDPOINT)
    records = summary("participantId", "endpointId")
    assert (only(records, "connection").connection_id, only(records, "connection").participant_id) == (PERSON, PERSON)
    # Whether such a row is the server's, nothing says: it is not, since it has no participant id either.
    assert refused(summary("participantId", "endpointId", "identifier")).code == "participant_missing"


def test_the_row_of_a_call_as_a_whole_is_no_participant():
    records = summary(participantId=CALL)
    assert [record.type for record in records] == ["call", "event"]
    assert records[1].connection_id is None


def test_a_row_of_the_server_tells_of_the_connection_alone():
    for changes in ({"endpointType": "Server"}, {"endpointType": "null", "identifier": None, "endpointId": None}):
        records = summary(**changes)
        assert not every(records, "participant")
        assert (only(records, "connection").connection_id, only(records, "connection").participant_id) == (LEG, None)


@pytest.mark.parametrize(
    ("endpoint_type", "os_version", "kind", "system"),
    [
        ("PSTN", "null", EndpointKind.PSTN, None),
        ("BOT", None, EndpointKind.BOT, None),
        ("Unknown", "", None, None),
        (None, "Linux", None, ("Linux", None, None)),
        ("VOIP", "Windows 10.0.17763 Arch: x64", EndpointKind.NATIVE, ("Windows", "10", None)),
        ("VoIP", "Darwin Kernel Version 18.7.0: Mon Nov 9", EndpointKind.NATIVE, ("Darwin", "18.7.0", None)),
        (
            "VoIP",
            "Android 11.0; Manufacturer: Google; Model: Pixel 5; Hardware: x",
            EndpointKind.NATIVE,
            ("Android", "11.0", "Pixel 5"),
        ),
        ("VoIP", "Android 9;", None, ("Android", "9", None)),
    ],
)
def test_kinds_and_systems(endpoint_type, os_version, kind, system):
    person = only(summary(endpointType=endpoint_type, osVersion=os_version), "participant")
    assert person.kind == kind
    assert (person.system and (person.system.os, person.system.os_version, person.system.device)) == system


def test_a_participant_whose_details_are_withheld():
    records = summary(sdkVersion="Redacted", osVersion="redacted")
    person = only(records, "participant")
    assert (person.is_redacted, person.sdk, person.system) == (True, None, None)
    warning = only(records, "warning")
    assert (warning.kind, warning.participant_id) == (DataWarningKind.REDACTED, PERSON)


def test_times_that_are_not_told():
    leg = only(summary("participantStartTime"), "connection")
    assert (leg.attempted_at, leg.closed_at) == (BEGIN, datetime(2024, 5, 1, 10, 9, 50, tzinfo=UTC))
    assert only(summary("participantDuration"), "connection").closed_at == END
    late = only(summary("participantDuration", participantStartTime="2024-05-01T11:00:00Z"), "connection")
    assert late.closed_at == late.connected_at
    times = ("callStartTime", "callDuration", "participantStartTime", "participantDuration")
    records = summary(*times)
    assert only(records, "connection").attempted_at is None
    assert only(records, "event").at == datetime(2024, 5, 1, 11, 0, 0, 500_000, UTC)
    row = envelope("CallSummary", {name: value for name, value in SUMMARY.items() if name not in times}, time=None)
    assert not every(read([row]), "event")


@pytest.mark.parametrize(
    ("changes", "outcome", "error", "event"),
    [
        ({"resultCategory": "Success"}, ("connected", "Success"), None, ("INFO", "SUCCEEDED")),
        (
            {"participantEndReason": "496", "ParticipantEndSubCode": 7, "ResultCategory": "ExpectedError"},
            ("connected", "ExpectedError"),
            None,
            ("WARNING", "FAILED"),
        ),
        (
            {"participantEndReason": "410", "ParticipantEndSubCode": "3101", "ResultCategory": "UnxpectedClientError"},
            ("connected", "UnexpectedClientError"),
            (410, 3101),
            ("ERROR", "FAILED"),
        ),
        (
            {"participantEndReason": "410", "ParticipantEndSubCode": "301004", "ResultCategory": "UnexpectedClientError"},
            ("failed", "UnexpectedClientError"),
            (410, 301004),
            ("ERROR", "FAILED"),
        ),
        (
            {"participantEndReason": "487", "ParticipantEndSubCode": "0", "ResultCategory": "Success"},
            ("neither", "Success"),
            None,
            ("INFO", "SUCCEEDED"),
        ),
        ({"participantEndReason": "410"}, ("connected", None), (410, None), ("ERROR", "FAILED")),
        ({"participantEndReason": None}, ("connected", None), None, ("INFO", None)),
    ],
)
def test_ends(changes, outcome, error, event):
    records = summary(**changes)
    leg = only(records, "connection")
    told = "connected" if leg.connected_at else "failed" if leg.failed_at else "neither"
    assert (told, leg.close_reason) == outcome
    assert (leg.closed_at is None) == (told == "failed")
    assert (leg.error and (leg.error.code, leg.error.subcode)) == error
    assert (only(records, "event").severity, only(records, "event").outcome) == event


def test_the_highest_version_wins_and_the_plain_table_is_the_last():
    first = one("CallSummary", SUMMARY, callupdatesversion="1", participantDuration="null", sdkVersion=None, callDuration=100)
    second = one("CallSummaryUpdates", SUMMARY, CallUpdatesVersion=2, participantDuration=300)
    last = summary()
    assert [only(records, "connection").version for records in (first, second, last)] == [1, 2, FINAL_VERSION]
    told = [
        record.model_dump(mode="json", by_alias=True)
        for records in (last, first, second)
        for record in every(records, "connection")
    ]
    assert merged(told)["closedAt"] == LEFT
    assert only(first, "event").payload["callUpdatesVersion"] == 1
    assert only(one("CallSummaryUpdates", SUMMARY), "call").version == 0


def test_times_of_the_log_are_no_times_of_the_call():
    assert LOGGED not in str(summary())
