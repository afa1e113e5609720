"""Issues: what telemetry states outright, with what leads to it."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from callscope.telemetry import CallRecord, ConnectionRecord, EventRecord, Failure, SamplesRecord, StreamRecord, SubscriberRecord
from callscope.vocabulary import Direction, EventCategory, Media, Metric
from tests.conftest import new_database
from tests.inspector import inspector as running

START = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def connection(number: int, participant: str, **told) -> ConnectionRecord:
    return ConnectionRecord(call_id="call", connection_id=f"c{number}", participant_id=participant, **told)


TELEMETRY = [
    CallRecord(call_id="call"),
    # ann is there all the time; bob fails, then connects, is lost, and comes back; eve never gets in.
    connection(1, "ann", attempted_at=at(0), connected_at=at(1), closed_at=at(600)),
    connection(2, "bob", attempted_at=at(5), failed_at=at(8), error=Failure(code=408, subcode=4506, message="Timed out")),
    connection(3, "bob", attempted_at=at(20), connected_at=at(21), closed_at=at(100), close_reason="networkDisconnected"),
    connection(4, "bob", attempted_at=at(130), connected_at=at(131), closed_at=at(600)),
    connection(5, "eve", attempted_at=at(50), failed_at=at(60)),
    StreamRecord(call_id="call", stream_id="s1", connection_id="c1", attempted_at=at(2), published_at=at(3)),
    StreamRecord(call_id="call", stream_id="s2", connection_id="c3", attempted_at=at(22), failed_at=at(23)),
    SubscriberRecord(
        call_id="call", subscriber_id="u1", stream_id="s1", connection_id="c3", attempted_at=at(23), failed_at=at(24)
    ),
    SubscriberRecord(call_id="call", subscriber_id="u2", stream_id="s1", connection_id="c4", subscribed_at=at(132)),
    EventRecord(call_id="call", at=at(98), category=EventCategory.NETWORK, name="bad", connection_id="c3"),
    EventRecord(call_id="call", at=at(400), category=EventCategory.NETWORK, name="later", connection_id="c3"),
    EventRecord(call_id="call", at=at(99), category=EventCategory.NETWORK, name="other", connection_id="c1"),
    SamplesRecord(
        call_id="call",
        metric=Metric.PACKET_LOSS,
        media=Media.CONNECTION,
        direction=Direction.BOTH,
        connection_id="c3",
        times=[at(90).timestamp() * 1000],
        values=[70.0],
    ),
]
FIELDS = "kind severity isRecovered startedAt endedAt description participant { participantId }"


@pytest.fixture(scope="module")
async def told(servers, migrated):
    async with new_database(servers, template=migrated) as url, running(url) as found:
        await found.tell(TELEMETRY)
        yield found


async def issues(told, filter_: str = "") -> list[dict]:
    given = f"(filter: {{{filter_}}})" if filter_ else ""
    return (await told.query(f"{{ issues{given} {{ nodes {{ id {FIELDS} }} }} }}"))["issues"]["nodes"]


async def test_failures_and_lost_connections_are_issues_in_order_of_time(told):
    found = [(issue["kind"], issue["participant"]["participantId"], issue["isRecovered"]) for issue in await issues(told)]
    assert found == [
        ("CONNECT_FAILED", "bob", True),
        ("PUBLISH_FAILED", "bob", False),
        ("SUBSCRIBE_FAILED", "bob", True),
        ("CONNECT_FAILED", "eve", False),
        ("UNEXPECTED_DISCONNECT", "bob", True),
    ]


async def test_an_issue_ends_when_its_participant_succeeds(told):
    first, *_, last = await issues(told)
    assert (first["startedAt"], first["endedAt"]) == ("2026-05-04T10:00:05+00:00", "2026-05-04T10:00:20+00:00")
    assert (last["startedAt"], last["endedAt"]) == ("2026-05-04T10:01:40+00:00", "2026-05-04T10:02:11+00:00")
    assert "4506/408" in first["description"]
    assert "networkDisconnected" in last["description"]


@pytest.mark.parametrize(
    ("filter_", "count"),
    [
        ("kinds: [CONNECT_FAILED]", 2),
        ("kinds: []", 0),
        ("severities: [CRITICAL]", 2),
        ("isRecovered: true", 3),
        ("isRecovered: false", 2),
        ('to: "2026-05-04T10:00:23Z"', 3),
        ('from: "2026-05-04T10:02:00Z"', 2),
        ("attributions: [UNKNOWN]", 5),
        ("attributions: [SERVER]", 0),
        ("isRecovered: true, kinds: [CONNECT_FAILED]", 1),
    ],
)
async def test_filters_narrow(told, filter_, count):
    assert len(await issues(told, filter_)) == count


async def test_the_evidence_is_what_happened_to_what_the_issue_concerns_around_it(told):
    query = """{ issues(filter: {kinds: [UNEXPECTED_DISCONNECT]}) { nodes {
        events { nodes { name } } metricSeries { nodes { metric maximum } } connection { connectionId }
        rule { name source threshold } meeting { number } call { callId } } } }"""
    (issue,) = (await told.query(query))["issues"]["nodes"]
    assert [event["name"] for event in issue["events"]["nodes"]] == ["bad"]
    assert issue["metricSeries"]["nodes"] == [{"metric": "PACKET_LOSS", "maximum": 70}]
    assert issue["connection"] == {"connectionId": "c3"}
    assert issue["rule"] == {"name": "unexpected_disconnect", "source": "stated by the telemetry", "threshold": None}
    assert (issue["meeting"], issue["call"]) == ({"number": 1}, {"callId": "call"})


async def test_the_evidence_of_a_stream_is_also_what_befell_the_connection_and_the_participant(inspector):
    def event(name: str, **subject) -> EventRecord:
        return EventRecord(call_id="call", at=at(23), category=EventCategory.NETWORK, name=name, **subject)

    told = [
        event("stream", stream_id="s2", connection_id="c3"),
        event("connection", connection_id="c3"),
        event("participant", participant_id="bob"),
        event("other stream", stream_id="s1", connection_id="c3"),
        event("other connection", connection_id="c4", participant_id="bob"),
        event("other participant", participant_id="ann"),
    ]
    await inspector.tell([*TELEMETRY, *told])
    query = "{ issues(filter: {kinds: [PUBLISH_FAILED, CONNECT_FAILED]}) { nodes { kind events { nodes { name } } } } }"
    found = {
        issue["kind"]: {each["name"] for each in issue["events"]["nodes"]}
        for issue in (await inspector.query(query))["issues"]["nodes"][:2]
    }
    assert found == {"PUBLISH_FAILED": {"stream", "connection", "participant"}, "CONNECT_FAILED": {"participant"}}


async def test_the_summary_counts_by_kind_worst_first(told):
    query = """{ call(callId: "call") { statistics { issueCount errorCount } issues { totalCount }
        issueSummary { kind severity count participantCount recoveredCount totalSeconds }
        meeting(number: 1) { issueSummary { kind count } statistics { issueCount } } } }"""
    call = (await told.query(query))["call"]
    summary = call["issueSummary"]
    assert summary[0] == {
        "kind": "CONNECT_FAILED",
        "severity": "CRITICAL",
        "count": 2,
        "participantCount": 2,
        "recoveredCount": 1,
        # Bob's until he tried again, eve's until hers had failed.
        "totalSeconds": 15 + 10,
    }
    assert sorted(entry["kind"] for entry in summary[1:]) == ["PUBLISH_FAILED", "SUBSCRIBE_FAILED", "UNEXPECTED_DISCONNECT"]
    assert call["statistics"] == {"issueCount": 5, "errorCount": 4}
    assert call["issues"]["totalCount"] == 5
    assert sum(entry["count"] for entry in call["meeting"]["issueSummary"]) == call["meeting"]["statistics"]["issueCount"] == 5


async def test_a_participant_has_its_own(told):
    query = '{ call(callId: "call") { participant(participantId: "eve") { issueCount errorCount issues { nodes { kind } } } } }'
    eve = (await told.query(query))["call"]["participant"]
    assert eve == {"issueCount": 1, "errorCount": 1, "issues": {"nodes": [{"kind": "CONNECT_FAILED"}]}}


@pytest.mark.parametrize(
    ("kinds", "calls"), [("[SUBSCRIBE_FAILED]", 1), ("[CAMERA_FREEZE]", 0), ("[CAMERA_FREEZE, PUBLISH_FAILED]", 1)]
)
async def test_calls_are_found_by_the_kinds_of_their_issues(told, kinds, calls):
    data = await told.query(f"{{ calls(filter: {{issueKinds: {kinds}}}) {{ totalCount }} }}")
    assert data["calls"]["totalCount"] == calls


async def test_a_call_without_any_has_none(inspector):
    await inspector.tell(TELEMETRY[:2])
    data = await inspector.query('{ call(callId: "call") { issues { nodes { id } } issueSummary { kind } } }')
    assert data["call"] == {"issues": {"nodes": []}, "issueSummary": []}


def azure(category: str, **properties) -> dict:
    envelope = {"time": "2026-05-04T11:30:00Z", "correlationId": "azure", "operationName": category, "category": category}
    who = {"identifier": f"acs:{properties['participantId']}", "endpointType": "VoIP"}
    return envelope | {"properties": who | properties}


async def test_figures_of_a_whole_call_lead_to_where_they_were_told(inspector):
    """Azure writes them down an hour later, and calls the first of these streams poor."""
    summary = {"callStartTime": "2026-05-04T10:00:00Z", "callDuration": 60, "callType": "Group", "participantDuration": 60}
    told = {"mediaType": "Audio", "streamId": "7", "roundTripTimeAvg": "90", "streamDirection": "Outbound"}
    rows = [
        azure("CallSummary", participantId=who, participantStartTime="2026-05-04T10:00:00Z", participantEndReason="0", **summary)
        for who in ("ann", "bob")
    ]
    rows += [azure("CallDiagnostics", participantId="ann", packetLossRateAvg="0.2", jitterAvg="31", **told)]
    rows += [azure("CallDiagnostics", participantId="bob", packetLossRateAvg="0.1", jitterAvg=None, **told)]
    assert (await inspector.client.post("/ingest/acs", content=orjson.dumps(rows))).status_code == 200
    await inspector.settle()
    issues = """issues { nodes { kind severity attribution isRecovered startedAt endedAt description
        connection { connectionId } stream { streamId } rule { name threshold observed source }
        events { nodes { name at payload } } } }"""
    call = (await inspector.query(f'{{ call(callId: "azure") {{ durationSeconds {issues} report }} }}'))["call"]
    found = {issue["kind"]: issue for issue in call["issues"]["nodes"]}
    assert {kind: one["severity"] for kind, one in found.items()} == {"HIGH_PACKET_LOSS": "ERROR", "HIGH_JITTER": "WARNING"}
    loss = found["HIGH_PACKET_LOSS"]
    assert loss["rule"] == {
        "name": "whole_call_packet_loss",
        "threshold": 10,
        "observed": 20,
        "source": "Azure (poor where packetLossRateAvg is above 0.1)",
    }
    assert (loss["attribution"], loss["isRecovered"]) == ("SENDER_NETWORK", False)
    assert (loss["startedAt"], loss["endedAt"]) == ("2026-05-04T10:00:00+00:00", "2026-05-04T10:01:00+00:00")
    assert loss["connection"] == {"connectionId": "ann"}
    assert loss["description"].endswith("were lost. Over the whole call it was 20 %, and 10 % is the threshold.")
    *around, event = loss["events"]["nodes"]
    assert {each["name"] for each in around} == {"CallSummary"}
    assert (event["name"], event["at"], event["payload"]["packetLossRateAvg"]) == (
        "CallDiagnostics",
        "2026-05-04T11:30:00+00:00",
        0.2,
    )
    assert "Packets lost" in call["report"]
    what_if = "{kind: HIGH_PACKET_LOSS, threshold: 5}, {kind: HIGH_JITTER, threshold: 50}"
    id_ = (await inspector.query('{ call(callId: "azure") { id } }'))["call"]["id"]
    text = f'{{ evaluateIssues(callId: "{id_}", rules: [{what_if}]) {{ kind participant {{ participantId }} }} }}'
    assert [issue["kind"] for issue in (await inspector.query(text))["evaluateIssues"]] == ["HIGH_PACKET_LOSS"] * 2
