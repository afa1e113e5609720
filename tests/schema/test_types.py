"""What telemetry told of each thing is what its fields answer."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callscope.telemetry import TELEMETRY
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running

AT = datetime(2026, 3, 2, 9, 0, 0, 123_000, tzinfo=UTC)


def at(seconds: float) -> str:
    return (AT + timedelta(seconds=seconds)).isoformat()


FAILURE = {"code": 490, "subcode": 41048, "message": "No relay"}
LOCATION = {"city": "Bern", "region": "BE", "country": "CH"}
SYSTEM = {"browser": "Firefox", "browserVersion": "140.1", "os": "Linux", "osVersion": "6.1", "device": "Desktop"}
DEVICES = [
    {"kind": "MICROPHONE", "label": "Built-in", "isSelected": True},
    {"kind": "CAMERA", "label": None, "isSelected": None},
    {"kind": "SPEAKER", "label": "Dock", "isSelected": False},
]
NETWORK = {"type": "wifi", "transport": "udp", "localCandidateType": "host", "remoteCandidateType": "relay", "region": "eu"}
TOTALS = {
    "media": "AUDIO",
    "ssrc": 4_294_967_295,
    "codec": "opus",
    "packets": 2.0**53,
    "packetsLost": -3,
    "packetLossPercent": 1.25,
    "bytes": 9e15,
    "concealedPercent": 0.5,
    "framesDropped": 7,
    "freezeSeconds": 2.5,
    "roundTripTimeMs": 81,
}
PARTICIPANT = {"participantId": "p", "displayName": 'Zoë "Z" Novak', "kind": "NATIVE", "userAgent": "Agent/1", "isRedacted": True}
CONNECTION = {"connectionId": "c", "attemptedAt": at(0), "connectedAt": at(1), "network": NETWORK}
STREAM = {
    "streamId": "s",
    "name": "front",
    "source": "CUSTOM",
    "hasAudio": True,
    "hasVideo": False,
    "isScalable": True,
    "audioCodec": "opus",
    "videoCodec": "vp9",
    "attemptedAt": at(2),
    "publishedAt": at(3),
    "unpublishedAt": at(33),
    "unpublishReason": "left",
}
SUBSCRIBER = {"subscriberId": "r", "attemptedAt": at(4), "subscribedAt": at(5.5), "endedAt": at(25.5)}
EVENT = {
    "at": at(6),
    "category": "DIAGNOSTIC",
    "name": "noNetwork",
    "severity": "WARNING",
    "outcome": "FAILED",
    "code": -1,
    "subcode": 2_147_483_647,
    "message": '\u2028\\ "',
    "payload": {"b": [1, 2.5, None, True, "é\U0001f600"], "a": {}},
    "durationMs": 12.5,
}
WARNING = {"kind": "TRUNCATED", "message": "cut"}

TOLD: list[dict[str, Any]] = [
    {"type": "call", "platform": "VONAGE", "mediaMode": "RELAYED", "tags": ["b", "a"]},
    {
        "type": "participant",
        **PARTICIPANT,
        "location": LOCATION,
        "system": SYSTEM,
        "sdk": {"name": "sdk", "version": "2"},
        "devices": DEVICES,
    },
    {"type": "connection", **CONNECTION, "participantId": "p", "closedAt": at(61), "closeReason": "bye", "error": FAILURE},
    {"type": "connection", "connectionId": "f", "participantId": "p", "attemptedAt": at(70), "failedAt": at(70)},
    {"type": "stream", **STREAM, "connectionId": "c", "error": {"code": 3}},
    {"type": "subscriber", **SUBSCRIBER, "streamId": "s", "connectionId": "c", "error": {"message": "m"}},
    {"type": "event", **EVENT, "participantId": "p", "connectionId": "c", "streamId": "s"},
    {"type": "totals", "streamId": "s", **TOTALS},
    {"type": "totals", "subscriberId": "r", "media": "VIDEO"},
    {"type": "warning", **WARNING, "participantId": "p"},
]
NO_TOTALS = dict.fromkeys(TOTALS) | {"media": "VIDEO"}


@pytest.fixture(scope="module")
async def told(servers, migrated) -> AsyncIterator[Inspector]:
    async with new_database(servers, template=migrated) as url, running(url) as found:
        await found.tell([TELEMETRY.validate_python({"callId": "call", **record}) for record in TOLD])
        yield found


def selection(value: dict[str, Any]) -> str:
    """What asks for an object of this form."""
    parts = []
    for name, item in value.items():
        inside = item[0] if isinstance(item, list) and item else item
        nested = isinstance(inside, dict) and name != "payload"
        parts.append(f"{name} {{ {selection(inside)} }}" if nested else name)
    return " ".join(parts)


def instants(value: Any) -> Any:
    """With instants as such: however many digits their text has."""
    if isinstance(value, dict):
        return {key: instants(item) for key, item in value.items()}
    if isinstance(value, list):
        return [instants(item) for item in value]
    return datetime.fromisoformat(value) if isinstance(value, str) and value.startswith("2026-03-02T") else value


async def check(found: Inspector, field: str, expected: dict[str, Any]) -> None:
    answer = await found.query(f"{{ {field} {{ nodes {{ {selection(expected)} }} }} }}")
    assert instants(answer[field.partition("(")[0]]["nodes"]) == [instants(expected)]


async def test_a_call(told: Inspector) -> None:
    first, last = at(0), at(70)
    expected = {
        "callId": "call",
        "platform": "VONAGE",
        "mediaMode": "RELAYED",
        "state": "ENDED",
        "tags": ["b", "a"],
        "startedAt": first,
        "lastActiveAt": last,
        "participant": None,
        "freshness": {
            "isSettled": True,
            "lastTelemetryAt": last,
            "warnings": [WARNING | {"participant": {"participantId": "p"}}],
        },
    }
    answer = await told.query(
        "{ calls { nodes { callId platform mediaMode state tags startedAt lastActiveAt"
        ' participant(participantId: "nobody") { id }'
        " freshness { isSettled lastTelemetryAt warnings { kind message participant { participantId } } } } } }"
    )
    assert instants(answer["calls"]["nodes"]) == [instants(expected)]


async def test_a_participant(told: Inspector) -> None:
    expected = {
        **PARTICIPANT,
        "location": LOCATION,
        "system": SYSTEM,
        "sdk": {"name": "sdk", "version": "2"},
        "devices": DEVICES,
        "firstJoinedAt": at(1),
        "lastLeftAt": at(61),
        "meanOpinionScore": None,
        "call": {"callId": "call"},
    }
    await check(told, "participants", expected)


async def test_a_connection(told: Inspector) -> None:
    expected = {
        **CONNECTION,
        "network": {**NETWORK, "isRelayed": True},
        "disconnectedAt": at(61),
        "durationSeconds": 60,
        "outcome": "SUCCEEDED",
        "disconnectReason": "bye",
        "error": FAILURE,
        "participant": {"participantId": "p"},
        "meeting": {"number": 1},
    }
    await check(told, 'connections(filter: {connectionIds: "c"})', expected)


async def test_a_connection_that_failed(told: Inspector) -> None:
    expected = {
        "connectedAt": None,
        "disconnectedAt": None,
        "durationSeconds": None,
        "outcome": "FAILED",
        "network": None,
        "error": None,
    }
    answer = await told.query(
        '{ connections(filter: {connectionIds: "f"}) { nodes { connectedAt disconnectedAt durationSeconds outcome'
        " network { type } error { code } } } }"
    )
    assert answer["connections"]["nodes"] == [expected]


async def test_a_stream(told: Inspector) -> None:
    expected = {
        **STREAM,
        "durationSeconds": 30,
        "outcome": "SUCCEEDED",
        "error": {"code": 3, "subcode": None, "message": None},
        "totals": [TOTALS],
        "publisher": {"participantId": "p"},
        "connection": {"connectionId": "c"},
        "meeting": {"number": 1},
    }
    await check(told, "streams", expected)


async def test_a_subscriber(told: Inspector) -> None:
    expected = {
        **SUBSCRIBER,
        "durationSeconds": 20,
        "outcome": "SUCCEEDED",
        "error": {"code": None, "subcode": None, "message": "m"},
        "totals": [NO_TOTALS],
        "stream": {"streamId": "s"},
        "participant": {"participantId": "p"},
        "connection": {"connectionId": "c"},
    }
    answer = await told.query(f"{{ streams {{ nodes {{ subscribers {{ nodes {{ {selection(expected)} }} }} }} }} }}")
    assert instants(answer["streams"]["nodes"][0]["subscribers"]["nodes"]) == [instants(expected)]


async def test_an_event(told: Inspector) -> None:
    expected = {
        **EVENT,
        "call": {"callId": "call"},
        "meeting": {"number": 1},
        "participant": {"participantId": "p"},
        "connection": {"connectionId": "c"},
        "stream": {"streamId": "s"},
    }
    await check(told, "events", expected)


async def test_a_meeting(told: Inspector) -> None:
    expected = {"number": 1, "startedAt": at(0), "endedAt": at(61), "call": {"callId": "call"}}
    await check(told, "meetings", expected)


async def test_what_nobody_told_is_null_and_not_zero(inspector: Inspector) -> None:
    records = [{"type": "connection", "connectionId": "c"}, {"type": "stream", "streamId": "s", "connectionId": "c"}]
    await inspector.tell(
        [TELEMETRY.validate_python({"callId": "call", "attemptedAt": at(0), **record}) for record in records]
        + [TELEMETRY.validate_python({"callId": "call", "type": "participant", "participantId": "p"})]
    )
    answer = await inspector.query(
        """{ participants(filter: {participantIds: "p"}) { nodes {
            displayName kind location { city } system { os } sdk { name } userAgent devices { kind } meanOpinionScore
            firstJoinedAt
        } } streams { nodes { name audioCodec totals { bytes } error { code } publishedAt durationSeconds outcome } } }"""
    )
    (person,) = answer["participants"]["nodes"]
    assert person.pop("devices") == []
    assert person.pop("kind") == "UNKNOWN"
    assert set(person.values()) == {None}
    (stream,) = answer["streams"]["nodes"]
    assert (stream.pop("totals"), stream.pop("outcome")) == ([], "PENDING")
    assert set(stream.values()) == {None}
