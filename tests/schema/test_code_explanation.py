"""Codes explain themselves wherever they stand, by the same rule as in Python."""

from pathlib import Path
from typing import Any

from callscope.analysis.codes import Explanation, explain, explanations
from callscope.telemetry import TELEMETRY
from callscope.vocabulary import Platform
from tests.inspector import Inspector

AT = "2026-03-02T09:00:00Z"
EXPLANATION = "explanation { platform code subcode category meaning advice source }"
ASKED = f"""query($platform: Platform!, $code: Int, $subcode: Int) {{
    explainCode(platform: $platform, code: $code, subcode: $subcode) {{ {EXPLANATION.partition("{")[2]} }}"""


def shown(row: Explanation) -> dict[str, Any]:
    """A row as the API answers it."""
    names = ("platform", "code", "subcode", "category", "meaning", "advice", "source")
    return {name: getattr(row, name) for name in names}


def best(platform: Platform, code: int | None = None, subcode: int | None = None, *texts: str | None) -> dict[str, Any] | None:
    return next(map(shown, explain(platform, code, subcode, texts)), None)


async def asked(found: Inspector, platform: Platform, code: int | None, subcode: int | None) -> list[dict[str, Any]]:
    return (await found.query(ASKED, platform=platform, code=code, subcode=subcode))["explainCode"]


# explainCode


async def test_subcode_41048_explains_itself(filled: Inspector) -> None:
    (found,) = await asked(filled, Platform.ACS, None, 41048)
    assert (found["code"], found["subcode"]) == (410, 41048)
    assert "camera" in found["meaning"]
    assert "Developers: " in found["advice"]


async def test_codes_are_explained_as_in_python(filled: Inspector) -> None:
    numbers = {(row.platform, row.code, row.subcode) for row in explanations()}
    told = {(Platform.OTHER, 410, 41048), (Platform.ACS, -410, None), (Platform.ACS, -41, -1), (Platform.ACS, 2**31 - 1, 7)}
    told |= {(Platform.ACS, 490, 41048), (Platform.ACS, 410, 0), (Platform.ACS, 499, None), (Platform.ACS, 7, None)}
    for platform, code, subcode in numbers:
        told |= {(platform, code, subcode), (platform, code, None), (platform, None, subcode), (platform, 599, subcode)}
    answered = 0
    for platform, code, subcode in sorted(told, key=str):
        if code is not None or subcode is not None:
            found = await asked(filled, platform, code, subcode)
            assert found == [shown(row) for row in explain(platform, code, subcode)]
            answered += bool(found)
    assert answered > 150


async def test_what_nobody_knows_is_an_empty_list(filled: Inspector) -> None:
    assert await asked(filled, Platform.ACS, None, 1) == []
    assert await asked(filled, Platform.JITSI, 410, 41048) == []


async def test_a_code_or_a_subcode_must_be_given(filled: Inspector) -> None:
    for variables in ({}, {"code": None, "subcode": None}):
        response = await filled.post(ASKED, platform="ACS", **variables)
        (error,) = response.json()["errors"]
        assert response.status_code == 400
        assert error == {"message": "Give 'code', 'subcode' or both.", "extensions": {"code": "BAD_USER_INPUT"}}
    # The same statement again, with values that it must look at anew.
    assert (await filled.post(ASKED, platform="ACS", code=410)).status_code == 200
    assert (await filled.post(ASKED, platform="ACS", code=None)).status_code == 400


# Failures and events


async def test_failures_of_a_simulated_acs_call_are_explained(filled: Inspector) -> None:
    answer = await filled.query(
        f'{{ call(callId: "failed") {{ connections {{ nodes {{ error {{ code subcode {EXPLANATION} }} }} }} }} }}'
    )
    failures = [node["error"] for node in answer["call"]["connections"]["nodes"] if node["error"]]
    assert {(error["code"], error["subcode"]) for error in failures} == {(410, 301004)}
    for error in failures:
        assert error["explanation"] == best(Platform.ACS, 410, 301004)
        assert "relay" in error["explanation"]["meaning"]


async def test_what_real_dumps_and_callbacks_tell_is_explained(inspector: Inspector, shared_data: Path) -> None:
    for source, name in (("rtcstats", "chrome-standard-pc-failed"), ("vonage", "session-monitoring.json")):
        content = (shared_data / source / name).read_bytes()
        assert (await inspector.client.post(f"/ingest/{source}", content=content)).status_code == 200
    await inspector.settle()
    text = f"{{ connections {{ nodes {{ error {{ message {EXPLANATION} }} }} }}"
    text += f" events(first: 1000) {{ nodes {{ outcome severity message {EXPLANATION} }} }} }}"
    answer = await inspector.query(text)
    failures = [node["error"] for node in answer["connections"]["nodes"] if node["error"]]
    assert failures
    assert all(error["explanation"] == best(Platform.WEBRTC, None, None, error["message"]) for error in failures)
    assert {error["explanation"]["category"] for error in failures} == {"Network"}
    failed = [node for node in answer["events"]["nodes"] if node["outcome"] == "FAILED"]
    assert failed
    assert all(node["explanation"] for node in failed)
    explained = {node["message"]: node["explanation"] for node in answer["events"]["nodes"]}
    for platform, message in ((Platform.WEBRTC, "NotReadableError"), (Platform.VONAGE, "clientDisconnected")):
        assert explained[message] == best(platform, None, None, message)


def told(platform: Platform, *records: dict[str, Any]) -> list[Any]:
    """Telemetry of a call on a platform."""
    call = {"type": "call", "platform": platform}
    return [TELEMETRY.validate_python({"callId": platform, **record}) for record in (call, *records)]


def connection(number: int, **rest: Any) -> dict[str, Any]:
    return {"type": "connection", "connectionId": f"c{number}", "attemptedAt": AT, "failedAt": AT, **rest}


FAILURES = [
    (Platform.ACS, {"code": 410, "subcode": 41048}, None, (410, 41048)),
    (Platform.ACS, {"subcode": 3101}, "UnexpectedClientError", (None, 3101, "UnexpectedClientError")),
    (Platform.ACS, {"message": "Gone"}, "UnexpectedServerError", (None, None, "UnexpectedServerError")),
    (Platform.ACS, {"code": 477, "message": "Gone"}, None, (477,)),
    (Platform.ACS, {"message": "Gone"}, None, None),
    (Platform.VONAGE, {"message": "Lost"}, "networkDisconnected", (None, None, "networkDisconnected")),
    (Platform.VONAGE, {"code": 1006, "message": "Connect Failed"}, "networkDisconnected", (1006,)),
    (Platform.WEBRTC, {"message": "ICE failed: no candidate pair answered"}, "failed", (None, None, "ICE failed")),
    (Platform.WEBRTC, {"message": "DTLS failed"}, "failed", (None, None, "DTLS failed")),
    (Platform.OTHER, {"message": "NotReadableError: Could not start"}, None, (None, None, "NotReadableError")),
    (Platform.OTHER, {"code": 410, "subcode": 41048}, None, None),
]
"""A failure as telemetry tells it, with the reason of the end, and what should explain it."""


async def test_a_failure_is_explained_by_its_codes_or_its_words(inspector: Inspector) -> None:
    for platform in Platform:
        records = [
            connection(number, error=error, closeReason=reason)
            for number, (of, error, reason, _) in enumerate(FAILURES)
            if of is platform
        ]
        await inspector.tell(told(platform, *records))
    nodes = (await inspector.query(f"{{ connections {{ nodes {{ connectionId error {{ {EXPLANATION} }} }} }} }}"))["connections"][
        "nodes"
    ]
    explained = {node["connectionId"]: node["error"]["explanation"] for node in nodes}
    assert len(explained) == len(FAILURES)
    for number, (platform, _, _, by) in enumerate(FAILURES):
        assert explained[f"c{number}"] == (by and best(platform, *by)), FAILURES[number]
        assert by is None or explained[f"c{number}"] is not None


async def test_streams_and_subscribers_explain_their_failures(inspector: Inspector) -> None:
    stream = {"type": "stream", "connectionId": "c", "attemptedAt": AT, "failedAt": AT}
    await inspector.tell(
        told(
            Platform.VONAGE,
            {"type": "connection", "connectionId": "c", "attemptedAt": AT, "connectedAt": AT},
            stream | {"streamId": "s", "error": {"message": "Stopped"}, "unpublishReason": "mediaStopped"},
            {
                "type": "subscriber",
                "subscriberId": "r",
                "streamId": "s",
                "attemptedAt": AT,
                "failedAt": AT,
                "error": {"code": 1600},
            },
            stream | {"streamId": "t", "error": None},
        )
    )
    text = f"{{ streams {{ nodes {{ error {{ {EXPLANATION} }} subscribers {{ nodes {{ error {{ {EXPLANATION} }} }} }} }} }} }}"
    nodes = (await inspector.query(text))["streams"]["nodes"]
    assert [node["error"] and node["error"]["explanation"] for node in nodes] == [
        best(Platform.VONAGE, None, None, "mediaStopped"),
        None,
    ]
    (received,) = nodes[0]["subscribers"]["nodes"]
    assert received["error"]["explanation"] == best(Platform.VONAGE, 1600)


EVENTS = [
    (Platform.ACS, {"name": "StartVideo", "code": 410, "subcode": 41048}, (410, 41048)),
    (Platform.ACS, {"name": "Join", "code": 200}, (200,)),
    (Platform.ACS, {"name": "Mute"}, None),
    (Platform.VONAGE, {"name": "connectionDestroyed", "message": "networkDisconnected"}, (None, None, "networkDisconnected")),
    (Platform.VONAGE, {"name": "streamDestroyed", "payload": {"reason": "mediaStopped"}}, (None, None, "mediaStopped")),
    (Platform.VONAGE, {"name": "other", "payload": ["reason"]}, None),
    (Platform.WEBRTC, {"name": "oniceconnectionstatechange", "payload": {"state": "failed"}}, (None, None, "ICE failed")),
    (Platform.WEBRTC, {"name": "oniceconnectionstatechange", "payload": {"state": "connected"}}, None),
    (Platform.WEBRTC, {"name": "getUserMediaOnFailure", "message": "NotAllowedError"}, (None, None, "NotAllowedError")),
    (Platform.WEBRTC, {"name": "onicecandidateerror", "code": 701, "message": "TURN timed out"}, (701,)),
    (Platform.JITSI, {"name": "onicecandidateerror", "code": 401}, (None, None, "onicecandidateerror 401")),
    (Platform.JITSI, {"name": "ondtlserror", "message": "bad record"}, (None, None, "DTLS failed")),
]
"""An event as telemetry tells it, and what should explain it."""


async def test_an_event_is_explained_by_its_codes_or_its_words(inspector: Inspector) -> None:
    for platform in Platform:
        records = [
            {"type": "event", "at": f"2026-03-02T09:00:{number:02}Z", "category": "OTHER", **event}
            for number, (of, event, _) in enumerate(EVENTS)
            if of is platform
        ]
        await inspector.tell(told(platform, *records))
    nodes = (await inspector.query(f"{{ events {{ nodes {{ name {EXPLANATION} }} }} }}"))["events"]["nodes"]
    assert [node["name"] for node in nodes] == [event["name"] for _, event, _ in EVENTS]
    for node, (platform, event, by) in zip(nodes, EVENTS, strict=True):
        assert node["explanation"] == (by and best(platform, *by)), event
        assert by is None or node["explanation"] is not None


async def test_every_reason_is_found_as_in_python(inspector: Inspector) -> None:
    reasons = sorted({reason for row in explanations() for reason in row.reasons})
    messages = [text for reason in reasons for text in (reason, f" {reason.upper()} : and more: of it")]
    for platform in Platform:
        event = {"type": "event", "at": AT, "category": "OTHER"}
        events = [event | {"name": str(number), "message": message} for number, message in enumerate(messages)]
        await inspector.tell(told(platform, *events))
    nodes = f"nodes {{ name call {{ platform }} {EXPLANATION} }} pageInfo {{ endCursor hasNextPage }}"
    text = f"query($after: String) {{ events(first: 1000, after: $after) {{ {nodes} }} }}"
    page, seen = (await inspector.query(text))["events"], 0
    while True:
        for node in page["nodes"]:
            platform, message = Platform[node["call"]["platform"]], messages[int(node["name"])]
            assert node["explanation"] == best(platform, None, None, message), (platform, message)
            seen += 1
        if not page["pageInfo"]["hasNextPage"]:
            break
        page = (await inspector.query(text, after=page["pageInfo"]["endCursor"]))["events"]
    assert seen == len(messages) * len(Platform)
