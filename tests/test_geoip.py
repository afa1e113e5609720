"""Addresses become country and region, and are stored nowhere."""

import gzip
from ipaddress import ip_address
from uuid import uuid4

import httpx
import orjson
import pytest

from callscope.app import create_app
from callscope.geoip import GeoIP, located, locating
from callscope.settings import Settings, SettingsError
from callscope.sources import Refusal
from callscope.sources.registry import HEAD_BYTES, recognise
from callscope.telemetry import TELEMETRY, Location, ParticipantRecord
from tests import mmdb
from tests.conftest import new_database
from tests.inspector import inspector as running

# None of these may be stored. The public ones must be global, which addresses for documentation are not.
IPV4, RELAYED, IPV6, PRIVATE = "81.2.69.142", "81.2.70.7", "2a02:d5c0::7", "192.168.178.23"
TURN_USER, TURN_CREDENTIAL, TOKEN = "1700000000:turn-user-x", "turn-credential-x", "eyJhbGciOiJIUzI1NiJ9.secret-token-x"
SECRETS = (IPV4, RELAYED, IPV6, PRIVATE, TURN_USER, TURN_CREDENTIAL, "secret-token-x")

BRITAIN = {"country": {"iso_code": "GB"}, "subdivisions": [{"iso_code": "ENG", "names": {"en": "England", "de": "England"}}]}
NETWORKS = {
    "81.2.69.0/24": BRITAIN,
    "81.2.70.0/24": {"country": {"iso_code": "FR"}},
    "81.2.71.0/24": {"subdivisions": [{"iso_code": "BY"}]},
    "81.2.72.0/24": {"country": "GB", "subdivisions": {"names": 5}},
    "81.2.73.0/24": {"country": {"iso_code": 5}, "subdivisions": []},
    "2a02:d5c0::/29": {"country": {"iso_code": "CH"}, "subdivisions": [{"names": {"en": "Zurich"}}]},
    "192.168.0.0/16": BRITAIN,
}


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return mmdb.write(tmp_path_factory.mktemp("geoip") / "city.mmdb", NETWORKS)


class TestDatabase:
    @pytest.mark.parametrize(
        ("address", "location"),
        [
            (IPV4, Location(country="GB", region="England")),
            (f"::ffff:{IPV4}", Location(country="GB", region="England")),
            (RELAYED, Location(country="FR")),
            ("81.2.71.1", Location(region="BY")),
            (IPV6, Location(country="CH", region="Zurich")),
            ("81.2.72.1", None),
            ("81.2.73.1", None),
            ("8.8.8.8", None),
            (PRIVATE, None),
            ("::1", None),
            ("fe80::1", None),
            ("224.0.0.1", None),
        ],
    )
    def test_tells_country_and_region_of_public_addresses(self, database, address, location):
        assert GeoIP(database).locate(ip_address(address)) == location

    def test_of_ipv4_alone_knows_no_ipv6(self, tmp_path):
        old = GeoIP(mmdb.write(tmp_path / "old.mmdb", {"81.2.69.0/24": BRITAIN}, version=4))
        assert old.locate(ip_address(IPV4)) == Location(country="GB", region="England")
        assert old.locate(ip_address(IPV6)) is None

    def test_is_not_needed(self):
        assert locating(None) is None
        assert Settings.read({}).geoip_database is None

    @pytest.mark.parametrize("content", [None, b"", b"no database", b"cut"])
    def test_that_is_missing_or_broken_is_told_by_its_variable(self, database, tmp_path, content):
        path = tmp_path / "broken.mmdb"
        if content is not None:
            # Cut in the tree: what is left leads to where nothing is.
            path.write_bytes(database.read_bytes()[300:] if content == b"cut" else content)
        with pytest.raises(SettingsError, match=r"CALLSCOPE_GEOIP_DATABASE should name a .*broken\.mmdb"):
            locating(path)


class TestParticipant:
    def test_is_located_by_its_address_and_then_has_none(self, database):
        told = ParticipantRecord(call_id="x", participant_id="p", address=IPV4)
        found = located(told, GeoIP(database).locate)
        assert (found.location, found.address) == (Location(country="GB", region="England"), None)
        assert located(told, None).address is None
        assert located(told, None).location is None

    def test_stays_where_it_was_told_to_be(self, database):
        told = ParticipantRecord(call_id="x", participant_id="p", address=IPV4, location=Location(city="Oslo"))
        assert located(told, GeoIP(database).locate).location == Location(city="Oslo")
        assert located(told, None).address is None

    def test_does_not_show_its_address(self):
        told = ParticipantRecord(call_id="x", participant_id="p", address=IPV4)
        assert IPV4 not in repr(told) + str(told) + told.model_dump_json() + str(told.model_dump())
        with pytest.raises(ValueError, match="address") as caught:
            TELEMETRY.validate_python({"type": "participant", "callId": "x", "participantId": "p", "address": f"{IPV4}/99"})
        assert IPV4 not in str(caught.value.errors(include_input=False, include_url=False))


# Dumps that tell all of it.

CANDIDATE = {"candidate": f"candidate:8 1 udp 1677729535 {IPV4} 46154 typ srflx raddr {PRIVATE} rport 9", "sdpMid": "0"}
SDP = {"type": "offer", "sdp": f"v=0\r\no=- 1 2 IN IP4 {IPV4}\r\nc=IN IP4 {IPV4}\r\na={CANDIDATE['candidate']}\r\n"}
SERVERS = {"iceServers": [{"urls": f"turn:{RELAYED}:443", "username": TURN_USER, "credential": TURN_CREDENTIAL}]}
REPORTS = {
    "P": {"type": "candidate-pair", "selected": True, "localCandidateId": "L", "remoteCandidateId": "R"},
    "L": {"type": "local-candidate", "candidateType": "srflx", "address": IPV4, "ip": IPV4, "relatedAddress": PRIVATE},
    "R": {"type": "remote-candidate", "candidateType": "relay", "address": RELAYED, "ip": RELAYED},
}
AT = 1_700_000_000_000


def ndjson(*rows):
    return b"\n".join(map(orjson.dumps, rows)) + b"\n"


JITSI = ndjson(
    [
        "connectionInfo",
        None,
        {
            "path": f"/standup?jwt={TOKEN}",
            "origin": f"https://{IPV4}",
            "url": f"wss://x/?jwt={TOKEN}",
            "userAgent": "Firefox/118.0",
        },
        AT,
    ],
    ["identity", None, {"confName": "standup", "endpointId": "aaaaaaaa", "displayName": "Ada", "jwt": TOKEN}, AT],
    ["create", "PC_0", SERVERS, AT],
    ["setConfiguration", "PC_0", SERVERS, AT],
    ["setLocalDescription", "PC_0", SDP, AT],
    ["onicecandidate", "PC_0", CANDIDATE, AT + 1],
    ["addIceCandidate", "PC_0", CANDIDATE, AT + 1],
    [
        "onicecandidateerror",
        "PC_0",
        {"errorCode": 701, "errorText": f"{RELAYED} is away", "address": IPV4, "url": f"turn:{RELAYED}"},
        AT,
    ],
    ["setRemoteDescriptionOnFailure", "PC_0", f"OperationError: {SDP['sdp']}", AT + 2],
    ["onconnectionstatechange", "PC_0", "connected", AT + 500],
    ["getstats", "PC_0", REPORTS, AT + 1000],
    ["close", "PC_0", {}, AT + 60_000],
)
NAMELESS = (
    ndjson(["connectionInfo", None, {"path": f"/standup?jwt={TOKEN}", "userAgent": "Firefox/118.0"}, AT])
    + JITSI.split(b"\n", 2)[2]
)
INTERNALS = orjson.dumps(
    {
        "getUserMedia": [],
        "UserAgent": "Mozilla/5.0 Chrome/120.0.0.0",
        "PeerConnections": {
            "1-1": {
                "pid": 1,
                "rid": 1,
                "url": f"https://meet.example/room?jwt={TOKEN}",
                "rtcConfiguration": f"{{ iceServers: [turn:{RELAYED}:443], iceTransportPolicy: all, username: {TURN_USER} }}",
                "updateLog": [
                    {"time": "2023-11-14T22:13:20.000Z", "type": "setLocalDescription", "value": orjson.dumps(SDP).decode()},
                    {
                        "time": "2023-11-14T22:13:21.000Z",
                        "type": "icecandidate",
                        "value": f"sdpMid: 0, sdpMLineIndex: 0, candidate: {CANDIDATE['candidate']}, url: turn:{RELAYED}",
                    },
                    {"time": "2023-11-14T22:13:22.000Z", "type": "connectionstatechange", "value": '"connected"'},
                ],
                "stats": {},
            }
        },
    }
)
V3 = b"RTCStatsDump\n" + ndjson(
    {"fileFormat": 3, "startTime": AT, "userAgent": "Chrome/120.0.0.0", "origin": f"https://{IPV4}", "url": f"/x?token={TOKEN}"},
    ["create", "PC_0", SERVERS, 0],
    ["onicecandidate", "PC_0", CANDIDATE, 1],
    ["onconnectionstatechange", "PC_0", "connected", 1],
    ["getstats", "PC_0", REPORTS, 1000],
)
VONAGE = ndjson(
    {
        "sessionId": "s",
        "projectId": "123",
        "event": "connectionCreated",
        "timestamp": AT,
        "clientIp": IPV4,
        "connection": {"id": "c1", "createdAt": AT, "data": f"name=Ada;ip={IPV4}", "remote": [{"address": PRIVATE, "v6": IPV6}]},
    }
)
WHEN = "2024-01-09T15:07:56.066Z"
ACS = ndjson(
    {
        "category": "CallClientOperations",
        "time": WHEN,
        "callerIpAddress": IPV4,
        "properties": {
            "callId": "c",
            "participantId": "p",
            "operationName": "JoinCall",
            "callClientTimeStamp": WHEN,
            "operationPayload": orjson.dumps(
                {"candidate": CANDIDATE["candidate"], "turn": f"{RELAYED}:3478", "v6": f"[{IPV6}]:9"}
            ).decode(),
        },
    },
    {
        "category": "CallSummary",
        "time": WHEN,
        "callerIpAddress": f"{IPV4}:443",
        "properties": {
            "callId": "c",
            "participantId": "p",
            "endpointType": "VoIP",
            "endpointId": "e",
            "participantStartTime": WHEN,
        },
    },
)
NATIVE = ndjson({"type": "participant", "callId": "n", "participantId": "p", "address": IPV4})
DUMPS = {
    "rtcstats": [JITSI, NAMELESS, V3],
    "webrtc-internals": [INTERNALS],
    "vonage": [VONAGE],
    "acs": [ACS],
    "callscope": [NATIVE],
}

TABLES = "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('callscope', 'live', 'public')"


async def traces(connection, secrets):
    """Where any column of any table holds one of these texts."""
    holds = "select exists (select from {} kept where strpos(kept::text, $1) > 0)"
    pairs = [(table, secret) for (table,) in await connection.fetch(TABLES) for secret in secrets]
    return [(table, secret) for table, secret in pairs if await connection.fetchval(holds.format(table), secret)]


@pytest.fixture(scope="module")
async def migrated_copy(servers, migrated):
    async with new_database(servers, template=migrated) as url:
        yield url


@pytest.mark.parametrize("source", DUMPS)
@pytest.mark.parametrize("is_located", [True, False])
async def test_no_table_holds_what_should_be_forgotten(migrated_copy, database, source, is_located):
    async with running(migrated_copy, project=uuid4().hex) as inspector:
        app = create_app(migrated_copy, settling=False, locate=locating(database) if is_located else None)
        headers = {"authorization": f"Bearer {inspector.key}"}
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://callscope", headers=headers) as client,
        ):
            for dump in DUMPS[source]:
                answer = await client.post(f"/ingest/{source}", content=gzip.compress(dump))
                # Traces that tell no times make no events, and say so.
                refused = {refusal["code"] for refusal in answer.json()["refused"]}
                assert (answer.status_code, refused - {"time_missing"}) == (200, set()), answer.text
        await inspector.settle()
        assert await traces(inspector.connection, ["participantId"])
        assert await traces(inspector.connection, SECRETS) == []
        data = await inspector.query("{ calls { nodes { participants { nodes { location { country region city } } } } } }")
        places = [person["location"] for call in data["calls"]["nodes"] for person in call["participants"]["nodes"]]
        here = {"country": "GB", "region": "England", "city": None}
        assert (here in places) == is_located
        assert all(place in (here, None) for place in places)


def test_real_dumps_tell_addresses_that_no_record_shows(shared_data):
    known = set()
    for file in sorted((shared_data / "rtcstats").iterdir()):
        source = recognise(file.read_bytes()[:HEAD_BYTES])
        if source is None or file.suffix:
            continue
        with file.open("rb") as opened:
            rows = [row for row in source.read(opened) if not isinstance(row, Refusal)]
        told = {str(row.address) for row in rows if isinstance(row, ParticipantRecord) and row.address is not None}
        shown = "\n".join(row.model_dump_json() for row in rows)
        assert not any(address in shown for address in told)
        known |= told
    assert len(known) > 1
