"""No table holds an address or a secret, whatever file they came in and wherever in it they stood."""

import gzip
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from callscope.app import create_app
from callscope.geoip import locating
from callscope.sources import Refusal, SourceError
from callscope.sources.registry import HEAD_BYTES, SOURCES, recognise
from callscope.telemetry import ParticipantRecord
from tests import mmdb
from tests.conftest import new_database
from tests.inspector import inspector as running
from tests.leaks import addresses, leaks
from tests.test_geoip import ACS, AT, INTERNALS, JITSI, NATIVE, NETWORKS, V3, VONAGE, ndjson

IPV4, IPV6, MAPPED = "81.2.69.142", "2a02:d5c0::7", "::ffff:81.2.69.143"
TOKEN, PASSWORD, UFRAG = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl", "pa55w0rd-x", "uFr4gX9z"
POISON = (
    f" turn:{IPV4}:3478, [{IPV6}]:9 {MAPPED} https://example.com/?jwt={TOKEN} password={PASSWORD}\r\na=ice-ufrag:{UFRAG}"
    f"\r\na=candidate:1 1 udp 1 {IPV4} 9 typ host raddr {IPV6} ufrag {UFRAG}"
)
SECRETS = {TOKEN, PASSWORD, UFRAG}

# What dumps tell of what opens a door: by SDP, candidates and the servers of ICE.
SECRETS_TOLD = re.compile(
    r'ice-(?:ufrag|pwd):([\w+/]+)|\bufrag ([\w+/]+)|"(?:usernameFragment|credential|username|jwt|token|accessToken)":"([^"]+)"'
)


def files(shared_data: Path) -> Iterator[tuple[str, bytes]]:
    """Everything real, with its source."""
    for path in sorted(shared_data.glob("*/*")):
        content = path.read_bytes()
        if (
            path.suffix in {"", ".json"}
            and not path.name.endswith(".expected.json")
            and (source := recognise(content[:HEAD_BYTES]))
        ):
            yield source.name, content


def secrets_in(content: bytes) -> set[str]:
    text = content.decode().replace('\\"', '"').replace('": "', '":"').replace("\\r", " ").replace("\\n", " ")
    return {next(filter(None, found)) for found in SECRETS_TOLD.findall(text)}


def test_leaks_are_found():
    for name, text in [
        ("message", f"at {IPV4}, and"),
        ("message", f"ip:{IPV6}."),
        ("message", f"[{MAPPED}]:80"),
        ("user_agent", f"Mozilla/5.0 (at {IPV4}) Chrome/120.0.0.0"),
        ("sdk_version", IPV6),
    ]:
        assert len(list(addresses({"payload": [{name: text}]}))) == 1
    assert len(list(addresses({"payload": {f"[{IPV6}]:80": {f"turn:{IPV4}": 1}}}))) == 2
    for name, text in [
        ("user_agent", "Mozilla/5.0 (X11) Chrome/120.0.0.0"),
        ("sdk_version", "120.0.0.0"),
        ("at", "2024-01-09T15:07:56.066+00:00"),
        ("note", "1.2.3 15:07:56 0.0.0.0 ::"),
    ]:
        assert list(addresses({name: text})) == []
    assert secrets_in(b'"v=0\\r\\na=ice-ufrag:Ab/+\\r\\na=ice-pwd:xyz\\r\\n" {"credential": "c"}') == {"Ab/+", "xyz", "c"}


@pytest.fixture(scope="module")
async def migrated_copy(servers, migrated):
    async with new_database(servers, template=migrated) as url:
        yield url


@pytest.fixture(scope="module")
def locate(tmp_path_factory):
    return locating(mmdb.write(tmp_path_factory.mktemp("geoip") / "city.mmdb", NETWORKS))


async def told(found, url: str, locate, contents: list[tuple[str, bytes]]) -> int:
    """Send each as a call of its own, settle, save and export them all; how many rows were accepted."""
    app = create_app(url, settling=False, maintaining=False, locate=locate)
    headers = {"authorization": f"Bearer {found.key}"}
    accepted = 0
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://callscope", headers=headers) as client,
    ):
        for number, (source, content) in enumerate(contents):
            answer = await client.post(f"/ingest/{source}?call=call-{number}", content=gzip.compress(content))
            assert answer.status_code in {200, 400}, answer.text
            accepted += answer.json()["accepted"]
    await found.settle()
    return accepted


async def test_of_real_telemetry(migrated_copy, locate, shared_data):
    contents = list(files(shared_data))
    secrets = {secret for _, content in contents for secret in secrets_in(content)}
    assert len(contents) > 12
    assert len(secrets) > 20
    async with running(migrated_copy, project=uuid4().hex) as found:
        assert await told(found, migrated_copy, locate, contents) > 1000
        assert await leaks(found.connection, secrets) == []


def variants(content: Any, poison: str = POISON) -> Iterator[Any]:
    """The same with poison at one place each: behind a text, in place of a figure, or as one more key."""
    match content:
        case dict():
            for key, value in content.items():
                yield from ({**content, key: other} for other in variants(value, poison))
            yield {**content, poison: 1}
            yield content | {"clientIp": IPV4, "token": PASSWORD, "iceServers": [{"urls": [], "username": UFRAG}]}
        case list():
            for number, value in enumerate(content):
                yield from ([*content[:number], other, *content[number + 1 :]] for other in variants(value, poison))
        case str():
            try:
                inside = json.loads(content) if content.startswith(("{", "[")) else None
            except ValueError:
                inside = None
            if inside is not None:
                yield from (json.dumps(other) for other in variants(inside, poison))
            yield content + poison
            yield poison
        case _:
            yield poison


def poisoned(source: str, content: bytes, poison: str = POISON) -> Iterator[bytes]:
    """A file for each place."""
    try:
        whole = [json.loads(content)]
    except ValueError:
        whole = []
    if source == "webrtc-internals" or (whole and isinstance(whole[0], list)):
        yield from map(_dumped, variants(whole[0], poison))
        return
    lines = content.splitlines()
    for number, line in enumerate(lines):
        for other in variants(json.loads(line), poison) if line.startswith((b"{", b"[")) else ():
            yield b"\n".join([*lines[:number], _dumped(other), *lines[number + 1 :]])


def _dumped(content: Any) -> bytes:
    # Lone surrogates, too.
    return json.dumps(content).encode()


TRACKS = {"id": "s", "tracks": [{"id": "t", "kind": "audio", "label": "Microphone", "enabled": True}]}
JITSI_APP = {
    "applicationName": "Jitsi Meet",
    "deploymentInfo": {"releaseNumber": "1.2.3"},
    "displayName": "Ada",
    "endpointId": "a",
}
JITSI_MORE = ndjson(
    ["identity", None, JITSI_APP, AT],
    ["navigator.mediaDevices.getUserMediaOnSuccess", None, TRACKS, AT],
    ["getUserMediaError", None, {"name": "x", "constraint": "y", "devices": ["audio"]}, AT],
    ["createDataChannel", "PC_0", {"0": "label"}, AT],
    ["onicecandidateerror", "PC_0", {"errorCode": 701, "errorText": "x"}, AT],
    ["e2eRtt", None, {"remoteEndpointId": "b", "remoteRegion": "eu", "rtt": 5}, AT],
)
HINTS = {"fullVersionList": [{"brand": "Google Chrome", "version": "120.0.1.2"}], "brands": [], "platform": "Linux"}
TRACK_INFO = '{"id": "t", "label": "Microphone"}'
MEDIA = [
    {"rid": 1, "pid": 1, "request_type": "getUserMedia", "audio": "", "timestamp": AT},
    {"rid": 1, "pid": 1, "request_type": "getUserMedia", "audio_track_info": TRACK_INFO, "stream_id": "s", "timestamp": AT},
    {"rid": 1, "pid": 1, "request_type": "getUserMedia", "error": "NotAllowedError", "error_message": "no", "timestamp": AT},
]
INTERNALS_MORE = orjson.dumps(orjson.loads(INTERNALS) | {"UserAgentData": HINTS, "getUserMedia": MEDIA})
SAMPLES = [
    ("rtcstats", JITSI),
    ("rtcstats", JITSI_MORE),
    ("rtcstats", V3),
    ("webrtc-internals", INTERNALS),
    ("webrtc-internals", INTERNALS_MORE),
    ("vonage", VONAGE),
    ("acs", ACS),
]
NAMES = ["jitsi", "jitsi2", "rtcstats3", "internals", "internals2", "vonage", "acs"]


def check(source: str, content: bytes) -> None:
    try:
        records = list(SOURCES[source].read(io.BytesIO(content)))
    except SourceError:
        return
    for record in records:
        if isinstance(record, Refusal):
            continue
        shown = json.loads(record.model_dump_json())
        assert list(addresses(shown)) == []
        text = json.dumps(shown)
        assert [poison for poison in (*SECRETS, IPV4, IPV6, MAPPED) if poison in text] == [], record


@pytest.mark.parametrize(("source", "content"), SAMPLES, ids=NAMES)
def test_of_poison_at_every_place(source, content):
    contents = list(poisoned(source, content))
    assert len(contents) > 20
    for other in contents:
        check(source, other)


@pytest.mark.parametrize("name", ["acs/ACSCallSummary.json", "acs/ACSCallDiagnostics.json", "acs/ACSCallClientOperations.json"])
def test_of_poison_at_every_place_of_real_logs(shared_data, name):
    rows = json.loads((shared_data / name).read_bytes())
    for row in rows:
        for other in variants(row):
            check("acs", json.dumps([other]).encode())


@pytest.mark.parametrize("poison", ["\x00", "\ud800", "\U0001f4a9" * 6000, "[" * 6000, " 1e400", " " + "9" * 400], ids=range(6))
@pytest.mark.parametrize(("source", "content"), SAMPLES, ids=NAMES)
def test_odd_text_at_any_place_is_taken_or_refused(source, content, poison):
    for other in poisoned(source, content, poison):
        check(source, other)


async def test_of_poison_in_tables(migrated_copy, locate):
    """As written by ingest, whatever the source; our own rows, too."""
    rows = [
        {"type": "participant", "callId": "a", "participantId": POISON[:400], "displayName": POISON, "userAgent": POISON},
        {"type": "participant", "callId": "a", "participantId": "p", "address": IPV4, "location": {"city": POISON}},
        {"type": "connection", "callId": "a", "connectionId": IPV4, "participantId": POISON[:400], "closeReason": POISON},
        {"type": "stream", "callId": "a", "streamId": f"s {IPV6}", "connectionId": IPV4, "name": POISON, "revisionOf": IPV4},
        {"type": "event", "callId": "a", "at": 1_700_000_000_000, "category": "OTHER", "name": f"at {IPV4}", "message": POISON}
        | {"payload": {POISON: POISON, "list": [POISON, {"credential": PASSWORD}], "data": json.dumps({"token": TOKEN})}},
        {"type": "warning", "callId": "a", "kind": "TRUNCATED", "message": POISON},
        {"type": "call", "callId": "a", "tags": [f"{IPV4}"]},
    ]
    contents = [("callscope", b"\n".join(map(orjson.dumps, rows))), ("callscope", NATIVE)]
    contents += [(source, other) for source, content in SAMPLES for other in list(poisoned(source, content))[::7]]
    async with running(migrated_copy, project=uuid4().hex) as found:
        assert await told(found, migrated_copy, locate, contents) > 200
        assert await leaks(found.connection, SECRETS) == []
        # What belonged together does so still.
        data = await found.query(
            '{ call(callId: "call-0") { participants { nodes { participantId connections { totalCount } } } } }'
        )
        people = {node["participantId"]: node["connections"]["totalCount"] for node in data["call"]["participants"]["nodes"]}
        assert sorted(people.values()) == [0, 1]
        assert "p" in people


def test_addresses_are_still_found_where_they_locate(shared_data):
    known = set()
    for source, content in files(shared_data):
        for row in SOURCES[source].read(io.BytesIO(content)):
            if isinstance(row, ParticipantRecord) and row.address is not None:
                known.add(row.address)
    assert len(known) > 1
