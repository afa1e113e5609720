from datetime import UTC, datetime

import pytest
from test_acs_logs import LEG, OPERATION, every, flat, one, only, read, refused

from callscope.vocabulary import EventCategory, StreamSource

AT = datetime(2024, 5, 1, 10, 1, 0, 66_000, UTC)
DONE = datetime(2024, 5, 1, 10, 1, 0, 643_000, UTC)


def operation(name, *without, **changes):
    return one("CallClientOperations", OPERATION, without, OperationName=name, **changes)


def test_an_operation_is_an_event():
    payload = '{"StreamType": "Video", "Peer": "10.0.0.1"}'
    records = operation("Novel-thing", OperationPayload=payload, EndpointId="e", Fresh="x")
    event = only(records, "event")
    assert [record.type for record in records] == ["call", "event"]
    assert (event.at, event.category, event.name, event.connection_id) == (AT, EventCategory.OTHER, "Novel-thing", LEG)
    assert (event.outcome, event.severity, event.code, event.duration_ms) == ("SUCCEEDED", "INFO", 200, 577)
    assert event.payload == {
        "resultType": "Succeeded",
        "resultSignature": "200",
        "endpointId": "e",
        "operationId": "operation-1",
        "operationType": "client-api-request",
        "operationPayload": {"StreamType": "Video", "Peer": "[address]"},
        "userAgent": "Mozilla/5.0 Chrome/120.0.0.0",
        "fresh": "x",
    }


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("Join", "CONNECTION"),
        ("Hangup", "CONNECTION"),
        ("StartScreenShare", "STREAM"),
        ("CreateView", "SUBSCRIBER"),
        ("AskDevicePermission", "DEVICE"),
        ("MuteMicrophone", "USER_ACTION"),
        ("isMuted-changed", "MEDIA"),
        ("SomethingElse", "OTHER"),
    ],
)
def test_categories(name, category):
    assert only(operation(name), "event").category == category


@pytest.mark.parametrize(
    ("result", "outcome", "severity"),
    [
        ("Success", "SUCCEEDED", "INFO"),
        ("ExpectedError", "FAILED", "WARNING"),
        ("ExpectedClientError", "FAILED", "WARNING"),
        ("Failed", "FAILED", "ERROR"),
        ("UnexpectedServerError", "FAILED", "ERROR"),
        (None, None, "INFO"),
    ],
)
def test_results(result, outcome, severity):
    event = only(operation("Novel", ResultType=result), "event")
    assert (event.outcome, event.severity) == (outcome, severity)


def test_joining_and_leaving():
    for name in ("Join", "StartCall", "EnterCall", "AcceptIncomingCall"):
        leg = only(operation(name), "connection")
        assert (leg.connection_id, leg.attempted_at, leg.connected_at, leg.failed_at, leg.version) == (LEG, AT, DONE, None, 0)
    left = only(operation("Hangup", DurationMs=None), "connection")
    assert (left.closed_at, left.attempted_at) == (AT, None)
    assert not every(operation("Hangup", ResultType="Failed"), "connection")
    assert not every(operation("Join", "ResultType"), "connection")


def test_an_attempt_to_join_that_fails():
    failure = '{"subCode": 301004, "FailureReason": "No media"}'
    records = operation("Join", ResultType="Failed", ResultSignature="410", OperationPayload=failure)
    leg = only(records, "connection")
    assert (leg.attempted_at, leg.connected_at, leg.failed_at) == (AT, None, DONE)
    assert (leg.error.code, leg.error.subcode, leg.error.message) == (410, 301004, "No media")
    event = only(records, "event")
    assert (event.category, event.code, event.subcode, event.message) == (EventCategory.CONNECTION, 410, 301004, "No media")
    assert not every(operation("Join", ResultType="ExpectedError"), "connection")


def test_who_fails_to_join_goes_by_the_client_where_there_is_no_id():
    failed = operation("Join", "ParticipantId", ResultType="Failed", ClientInstanceId="client-1")
    assert only(failed, "connection").connection_id == only(failed, "event").connection_id == "client-1"
    assert only(failed, "event").payload["clientInstanceId"] == "client-1"
    joined = operation("Join", "ParticipantId", ClientInstanceId="client-1")
    assert not every(joined, "connection")
    assert only(operation("Join", "ParticipantId", EndpointId="e"), "connection").connection_id == "e"


@pytest.mark.parametrize(("name", "media"), [("StartVideo", "video"), ("StartScreenShare", "screen")])
def test_starting_to_publish(name, media):
    stream = only(operation(name), "stream")
    assert (stream.stream_id, stream.connection_id) == (f"{LEG}/{media}", LEG)
    assert (stream.attempted_at, stream.published_at, stream.has_video) == (AT, DONE, True)
    assert stream.source == (StreamSource.CAMERA if media == "video" else StreamSource.SCREEN)


def test_a_failed_start_is_a_stream_of_its_own():
    for result in ("Failed", "ExpectedError"):
        stream = only(operation("StartVideo", ResultType=result, ResultSignature="412"), "stream")
        assert (stream.stream_id, stream.published_at, stream.failed_at) == (f"{LEG}/video/operation-1", None, DONE)
        assert stream.error.code == 412
    nameless = only(operation("StartVideo", "OperationId", ResultType="Failed"), "stream")
    assert nameless.stream_id == f"{LEG}/video/2024-05-01T10:01:00.066000+00:00"


def test_an_error_counts_even_where_no_attempt_does():
    for name, without in (("CreateView", ()), ("Hold", ()), ("StartVideo", ("ParticipantId",))):
        assert only(operation(name, *without, ResultType="Failed"), "event").category is EventCategory.OTHER
    assert only(operation("StartVideo", ResultType="Failed"), "event").category is EventCategory.STREAM


@pytest.mark.parametrize(
    ("signature", "payload", "code", "subcode"),
    [
        ("500", '{"code": 1}', 500, None),
        ("Aborted", '{"errorCode": "412", "errorSubCode": "43000"}', 412, 43000),
        (None, '{"resultCode": true, "subcode": "x"}', None, None),
        ("99999999999", None, None, None),
    ],
)
def test_codes_of_failures(signature, payload, code, subcode):
    event = only(operation("Hold", ResultType="Failed", ResultSignature=signature, OperationPayload=payload), "event")
    assert (event.code, event.subcode) == (code, subcode)
    assert event.payload.get("resultSignature") == signature


def test_rows_that_are_refused():
    nameless = {name: value for name, value in OPERATION.items() if name != "OperationName"}
    assert refused(read([flat("CallClientOperations", nameless)])).code == "name_missing"
    assert refused(operation("Join", "CallClientTimeStamp")).code == "time_missing"
    assert refused(operation("Join", DurationMs="1e60")).code == "number_invalid"
    assert refused(operation("x" * 600)).field == "name"
