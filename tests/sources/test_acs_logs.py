"""Rows and files of ACS logs made by hand, for all tests of this source; and the samples of the documentation."""

import csv
import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from callscope.sources import Refusal, acs
from callscope.sources.acs_columns import FINAL_VERSION
from callscope.vocabulary import EndpointKind, EventCategory, MediaMode, Platform

SAMPLES = Path(os.environ.get("CALLSCOPE_TEST_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")) / "acs"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the documentation's samples are not here")

CALL, PERSON, LEG, ENDPOINT = "call-1", "acs:ada", "leg-ada", "endpoint-ada"
RESOURCE = "/SUBSCRIPTIONS/X/PROVIDERS/MICROSOFT.COMMUNICATION/COMMUNICATIONSERVICES/Y"
LOGGED = "2024-05-01T11:00:00.5Z"

SUMMARY = {
    "identifier": PERSON,
    "callStartTime": "2024-05-01T10:00:00Z",
    "callDuration": 600,
    "callType": "Group",
    "participantId": LEG,
    "participantStartTime": "2024-05-01T10:00:05.1Z",
    "participantDuration": "590",
    "participantEndReason": "0",
    "endpointId": ENDPOINT,
    "endpointType": "VoIP",
    "sdkVersion": "1.38.1.0",
    "osVersion": "null",
}
DIAGNOSTICS = {
    "identifier": PERSON,
    "participantId": LEG,
    "endpointId": ENDPOINT,
    "endpointType": "VoIP",
    "mediaType": "Audio",
    "streamId": "1000",
    "transportType": "UDP",
    "roundTripTimeAvg": "82",
    "packetLossRateAvg": "0.02",
    "jitterAvg": 31,
}
OPERATION = {
    "CallClientTimeStamp": "2024-05-01T10:01:00.066Z",
    "OperationName": "StopVideo",
    "CallId": CALL,
    "ParticipantId": LEG,
    "OperationType": "client-api-request",
    "OperationId": "operation-1",
    "DurationMs": "577",
    "ResultType": "Succeeded",
    "ResultSignature": "200",
    "UserAgent": "Mozilla/5.0 Chrome/120.0.0.0",
}
STATISTIC = {
    "CallId": CALL,
    "CallClientTimeStamp": "2024-05-01T10:02:00Z",
    "MetricName": "JitterInMs",
    "Count": "2",
    "Sum": "34",
    "Average": "17",
    "Minimum": "10",
    "Maximum": "25",
    "MediaStreamDirection": "recv",
    "MediaStreamType": "audio",
    "MediaStreamCodec": "OPUS",
    "ParticipantId": LEG,
    "AggregationIntervalSeconds": "10",
}
SURVEY = {
    "CallId": CALL,
    "SurveyId": "survey-1",
    "ParticipantId": LEG,
    "OverallRatingScore": 2,
    "OverallCallIssues": "HadToRejoin, OtherIssues",
}
ROWS = {
    "CallSummary": SUMMARY,
    "CallDiagnostics": DIAGNOSTICS,
    "CallClientOperations": OPERATION,
    "CallClientMediaStatsTimeSeries": STATISTIC,
    "CallSurvey": SURVEY,
}


def envelope(category: str, properties: dict[str, Any], **frame: Any) -> dict[str, Any]:
    """As a diagnostic setting exports a row."""
    told = {"time": LOGGED, "resourceId": RESOURCE, "correlationId": CALL, "operationName": category, "category": category}
    return told | frame | {"properties": properties}


def flat(category: str, columns: dict[str, Any], **frame: Any) -> dict[str, Any]:
    """The same row as Log Analytics has it."""
    told = {name[0].upper() + name[1:]: value for name, value in columns.items()}
    return {"TenantId": "w", "TimeGenerated": LOGGED, "CorrelationId": CALL, **told, **frame, "Type": f"ACS{category}"}


def ndjson(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def table(*rows: dict[str, Any], delimiter: str = ",") -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def read(data: Any, **options: Any) -> list[Any]:
    """Of bytes as they are, or of rows as NDJSON."""
    return list(acs.read(io.BytesIO(data if isinstance(data, bytes) else ndjson(*data)), **options))


def one(category: str, columns: dict[str, Any], /, without: tuple[str, ...] = (), **changes: Any) -> list[Any]:
    """The records of one row."""
    return read([envelope(category, {name: value for name, value in (columns | changes).items() if name not in without})])


def every(records: list[Any], kind: str, /, **fields: Any) -> list[Any]:
    found = [record for record in records if not isinstance(record, Refusal) and record.type == kind]
    return [record for record in found if all(getattr(record, name) == value for name, value in fields.items())]


def only(records: list[Any], kind: str, /, **fields: Any) -> Any:
    found = every(records, kind, **fields)
    assert len(found) == 1, found
    return found[0]


def refused(records: list[Any]) -> Refusal:
    assert len(records) == 1, records
    assert isinstance(records[0], Refusal)
    return records[0]


def sample(table: str, pack: Any = bytes) -> list[Any]:
    data = (SAMPLES / f"ACS{table}.json").read_bytes()
    assert acs.recognises(pack(data)[:4096])
    records = read(pack(data))
    assert not any(isinstance(record, Refusal) for record in records)
    return records


@needs_samples
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_summaries_of_the_documentation(pack):
    records = sample("CallSummary", pack)
    p2p = [record for record in records if record.call_id.startswith("aaaa")]
    first, second = every(p2p, "call", version=FINAL_VERSION)
    assert (first.platform, first.media_mode) == (Platform.ACS, MediaMode.RELAYED)
    assert (second.started_at - first.started_at).total_seconds() == 0.222
    assert {record.connection_id for record in every(p2p, "connection")} == {
        "570ea078-74e9-4430-9c67-464ba1fa5859",
        "a5bd82f9-ac38-4f4a-a0fa-bb3467cdcc64",
    }
    group = [record for record in records if record.call_id.startswith("bbbb")]
    people = every(group, "participant")
    assert [person.kind for person in people] == [
        EndpointKind.NATIVE,
        EndpointKind.NATIVE,
        EndpointKind.PSTN,
        None,
        EndpointKind.BOT,
    ]
    assert [person.is_redacted for person in people] == [None, None, None, True, True]
    assert (people[1].system.os, people[1].system.os_version, people[1].system.device) == ("Android", "11.0", "Pixel 5")
    # Without an identifier, the endpoint is the participant.
    assert people[2].participant_id == "46387150-692a-47be-8c9d-1237efe6c48b"
    assert len(every(group, "warning")) == 2
    connections = every(group, "connection")
    assert all((leg.closed_at - leg.connected_at).total_seconds() > 0 for leg in connections)
    assert [event.outcome for event in every(records, "event")] == ["SUCCEEDED"] * 7


@needs_samples
def test_diagnostics_of_the_documentation():
    records = sample("CallDiagnostics")
    assert [record.stream_id.partition("/")[2] for record in every(records, "stream")] == [
        "audio",
        "audio",
        "video",
        "audio",
        "audio",
    ]
    video = only(records, "totals", media="VIDEO")
    assert (video.ssrc, video.packet_loss_percent, video.round_trip_time_ms) == (2804, 0.003146336, 103)
    received = [event for event in every(records, "event") if event.payload["direction"] == "Inbound"]
    assert [event.connection_id[:8] for event in received] == ["04cc26f5", "1a9cb3d1"]
    assert [event.payload.get("packetLossRateMax") for event in received] == [0, None]


@needs_samples
def test_client_logs_of_the_documentation():
    operation = only(sample("CallClientOperations"), "event")
    assert (operation.name, operation.category, operation.outcome) == ("CreateView", EventCategory.SUBSCRIBER, "SUCCEEDED")
    assert (operation.duration_ms, operation.code) == (577, 200)
    assert operation.payload["operationPayload"]["StreamType"] == "Video"
    samples = only(sample("CallClientMediaStatsTimeSeries"), "samples")
    assert (samples.metric, samples.direction, samples.values) == ("JITTER", "SUBSCRIBE", [17])
    first, second = every(sample("CallSurvey"), "event")
    assert (first.call_id, first.payload["overall"]["normalised"]) == ("fcc1234f-ce69-ZZZZ-b73f-b036051test4", 0.7)
    assert second.payload["screenshare"]["issues"] == ["StoppedUnexpectedly", "CannotPresent"]
