"""What is found in real dumps, and what a person who reads them line by line agrees with.

Each table was written by reading the dump; what the reader would put otherwise stands beside it.
"""

from typing import Any, NamedTuple

import pytest

from callscope.analysis.plain_text import figure
from tests.conftest import new_database
from tests.inspector import Inspector, inspector
from tests.sources.traces import IDENTITY, Trace, received, sent
from tests.test_real_dumps import import_dumps

QUESTION = """
query ($call: String!) {
  call(callId: $call) {
    report
    meanOpinionScore
    issues(first: 100) {
      nodes {
        kind severity attribution isRecovered startedAt endedAt description
        connection { connectionId } participant { displayName participantId } rule { observed }
        events(first: 1) { totalCount } metricSeries(first: 1) { totalCount }
      }
    }
  }
}
"""


class Found(NamedTuple):
    """``at`` is the time of the day; ``where`` ends the connection's id; ``worst`` is as reports write it."""

    kind: str
    severity: str
    attribution: str
    at: str
    where: str | None
    worst: str = ""


SMALL = ("LOW_RESOLUTION", "INFO", "UNKNOWN")
DUMPS: dict[str, list[Found]] = {
    # Two cameras of others lose a sixth of their packets for one interval, and wait in the buffer; soon after, one reading of the
    # round trip and of jitter is bad. A relay over TLS carries it all. On which side of the server, one client cannot tell.
    "chrome-relay": [
        Found("TCP_USED", "INFO", "UNKNOWN", "08:55:22", "PC_0"),
        Found("RELAY_USED", "INFO", "UNKNOWN", "08:55:22", "PC_0"),
        Found("HIGH_PACKET_LOSS", "ERROR", "UNKNOWN", "08:56:42", "PC_0", "17.9"),
        Found("HIGH_PACKET_LOSS", "ERROR", "UNKNOWN", "08:56:42", "PC_0", "15.6"),
        Found("JITTER_BUFFER_HIGH", "WARNING", "UNKNOWN", "08:56:42", "PC_0", "362"),
        Found("JITTER_BUFFER_HIGH", "WARNING", "UNKNOWN", "08:56:42", "PC_0", "224"),
        Found("HIGH_JITTER", "WARNING", "UNKNOWN", "08:57:02", "PC_0", "92"),
        Found("HIGH_JITTER", "WARNING", "UNKNOWN", "08:57:02", "PC_0", "50"),
        Found("HIGH_LATENCY", "WARNING", "UNKNOWN", "08:57:02", "PC_0", "425"),
    ],
    # The camera cannot be opened, so she joins with the microphone alone. Her connection to the bridge is up for 14 s and then
    # said to have failed (although its statistics go on). PC_1 and PC_2 are a library's test of the network, between themselves.
    "chrome-standard-pc-failed": [
        Found("CAMERA_START_FAILED", "ERROR", "SENDER", "13:39:25", None),
        Found("CONNECT_FAILED", "WARNING", "UNKNOWN", "13:40:11", "PC_1"),
        Found("CONNECT_FAILED", "WARNING", "UNKNOWN", "13:40:11", "PC_2"),
        Found("UNEXPECTED_DISCONNECT", "ERROR", "UNKNOWN", "13:40:27", "PC_0"),
    ],
    # The same test of the network, twice, and a quiet room with a noise gate: it may be that nobody spoke.
    "chrome-standard-multiple-p2p": [
        Found("CONNECT_FAILED", "WARNING", "UNKNOWN", "09:48:11", "PC_1"),
        Found("CONNECT_FAILED", "WARNING", "UNKNOWN", "09:48:11", "PC_2"),
        Found("SILENT_MICROPHONE", "WARNING", "SENDER", "09:48:31", "PC_0", "0.0000633"),
        Found("SILENT_MICROPHONE", "WARNING", "SENDER", "09:51:52", "PC_3", "0.0000708"),
        Found("CONNECT_FAILED", "WARNING", "UNKNOWN", "09:52:54", "PC_5"),
        Found("CONNECT_FAILED", "WARNING", "UNKNOWN", "09:52:54", "PC_6"),
    ],
    # framesDecoded stands at 688 while 1.5 Mbit/s arrive.
    "firefox97-standard-stats-sfu": [Found("DECODER_STUCK", "ERROR", "UNKNOWN", "00:31:01", "PC_0", "0")],
    # Pictures of others in tiles of 180 lines, which is small but as the bridge forwards it: a reader would leave that out. Few
    # frames are sent at first. That no sound is sent in the last 20 s looks like a mute, of which this client says nothing.
    "safari-standard-stats": [
        *(Found(*SMALL, "16:43:07", "PC_0", "180") for _ in range(3)),
        Found("LOW_VIDEO_BITRATE", "WARNING", "UNKNOWN", "16:43:07", "PC_0", "57234"),
        Found("LOW_FRAME_RATE", "WARNING", "SENDER", "16:43:11", "PC_0", "2.33"),
        Found("LOW_VIDEO_BITRATE", "WARNING", "UNKNOWN", "16:43:43", "PC_0", "91553"),
        Found("NO_MEDIA_SENT", "ERROR", "SENDER", "16:46:26", "PC_0", "0"),
    ],
    # Two sources of sound run nearly a second late after an interruption; nobody can talk like that, whatever the losses (none).
    "google-legacy-stats-p2p": [
        Found(*SMALL, "16:42:42", "PC_0", "180"),
        Found("JITTER_BUFFER_HIGH", "WARNING", "UNKNOWN", "16:42:52", "PC_0", "901"),
        Found("JITTER_BUFFER_HIGH", "WARNING", "UNKNOWN", "16:42:52", "PC_0", "979"),
        Found("LOW_MEAN_OPINION_SCORE", "ERROR", "UNKNOWN", "16:42:52", "PC_0", "1"),
        Found("LOW_VIDEO_BITRATE", "WARNING", "UNKNOWN", "16:43:06", "PC_0", "33997"),
    ],
    # The microphone is quiet, but someone speaks now and then, between the moments at which its level was read.
    "google-standard-stats-p2p": [Found(*SMALL, "16:14:23", "PC_1", "180")],
    # Short, and well.
    "chrome96-standard-stats-p2p-add-transceiver": [],
    "59c86272-03ea-42e9-a62d-1c8a272e8ab0": [],
}
RATED = "1237f7f-ce69-ffff-b73f-b036051f6666"
OTHERS: dict[str, list[Found]] = {
    # All figures are good; seven of ten with a cut-off of five is no bad rating, and two with one of three is.
    "aaaa0000-bb11-2222-33cc-444444dddddd": [],
    "bbbb1111-cc22-3333-44dd-555555eeeeee": [],
    "92d800c4-abde-40be-91e9-3814ee786b19": [],
    "fcc1234f-ce69-ZZZZ-b73f-b036051test4": [],
    RATED: [Found("LOW_RATING", "INFO", "UNKNOWN", "14:21:35", None, "0.2")],
    "2_MX4xMzExMjU3MX5-MTQ3MDI1NzY3OTkxOH45QXRr": [],
}


@pytest.fixture(scope="module")
async def calls(servers, migrated, shared_data) -> dict[str, Any]:
    """What GraphQL says of each dump, imported as a call of its own, and of the calls of logs and callbacks."""
    async with new_database(servers, template=migrated) as url, inspector(url) as app:
        for name in DUMPS:
            assert await import_dumps(app, "--call", name, str(shared_data / "rtcstats" / name)) == 0
        for source in ("acs", "vonage"):
            assert await import_dumps(app, *map(str, sorted((shared_data / source).glob("*.json")))) == 0
        return {name: (await app.query(QUESTION, call=name))["call"] for name in (*DUMPS, *OTHERS)}


def found(issue: dict[str, Any]) -> Found:
    connection, observed = issue["connection"], issue["rule"]["observed"]
    return Found(
        issue["kind"],
        issue["severity"],
        issue["attribution"],
        issue["startedAt"][11:19],
        connection and connection["connectionId"].rpartition("/")[2],
        "" if observed is None else figure(observed),
    )


@pytest.mark.parametrize("name", [*DUMPS, *OTHERS])
def test_what_is_found(calls, name):
    assert sorted(map(found, calls[name]["issues"]["nodes"])) == sorted((DUMPS | OTHERS)[name])


def test_nobody_is_told_that_anyone_measured_what_nobody_did(calls):
    scored = {name for name, call in calls.items() if call["meanOpinionScore"] is not None}
    assert scored == {
        "chrome-standard-multiple-p2p",
        "firefox97-standard-stats-sfu",
        "chrome96-standard-stats-p2p-add-transceiver",
        "safari-standard-stats",
        "google-legacy-stats-p2p",
        "google-standard-stats-p2p",
    }


def test_every_issue_leads_to_evidence(calls):
    for call in calls.values():
        for issue in call["issues"]["nodes"]:
            is_known = issue["events"]["totalCount"] + issue["metricSeries"]["totalCount"] > 0
            assert is_known, issue


def test_the_failed_peer_connection_is_told_as_what_it_is(calls):
    call = calls["chrome-standard-pc-failed"]
    by_kind = {issue["kind"]: issue for issue in call["issues"]["nodes"]}
    lost, camera, spare = (by_kind[kind] for kind in ("UNEXPECTED_DISCONNECT", "CAMERA_START_FAILED", "CONNECT_FAILED"))
    assert lost["description"] == "Lesly-U1W's connection ended although nobody wished it to (Connection failed; failed)."
    assert camera["description"].endswith("the microphone alone was given at the next try).")
    assert spare["description"].startswith("Lesly-U1W was connected, and an attempt to connect in another way")
    assert (lost["isRecovered"], camera["isRecovered"], spare["isRecovered"]) == (False, False, True)
    worst = call["report"].partition("The worst: ")[2].partition(",")[0]
    assert worst in {"Connection lost (ERROR)", "Camera did not start (ERROR)"}
    assert "CRITICAL" not in call["report"]


# Traces made by hand: what one should not be told of, and what one should.


def video(packets: int, *, source: bool = True) -> dict[str, Any]:
    reports = sent(21, "video", packetsSent=packets, bytesSent=1000 * packets, mediaSourceId="SV1")
    return reports | ({"SV1": {"type": "media-source", "kind": "video", "trackIdentifier": "cam"}} if source else {})


async def kinds(app: Inspector, trace: Trace) -> list[str]:
    assert (await app.client.post("/ingest/rtcstats", content=trace.bytes())).status_code == 200
    await app.settle()
    issues = (await app.query("{ issues { nodes { kind startedAt } } }"))["issues"]["nodes"]
    return [issue["kind"] for issue in issues]


def publishing() -> Trace:
    trace = Trace().add("identity", None, IDENTITY).connect()
    for number in range(10):
        trace.stats(video(100 * number), 2000 * (number + 1))
    return trace


async def test_a_camera_that_was_switched_off_is_no_fault(inspector: Inspector) -> None:
    trace = publishing()
    for number in range(10, 30):
        trace.stats(video(900, source=False), 2000 * (number + 1))
    for number in range(30, 40):
        trace.stats(video(900 + 100 * (number - 29)), 2000 * (number + 1))
    assert await kinds(inspector, trace) == []


async def test_a_camera_that_is_on_and_sends_nothing_is(inspector: Inspector) -> None:
    trace = publishing()
    for number in range(10, 30):
        trace.stats(video(900), 2000 * (number + 1))
    assert await kinds(inspector, trace) == ["NO_MEDIA_SENT"]


async def test_sound_is_scored_by_what_its_codec_bears(inspector: Inspector) -> None:
    pair = {"T": {"type": "transport", "selectedCandidatePairId": "P"}}
    pair |= {"P": {"type": "candidate-pair", "currentRoundTripTime": 0.1}}
    scores = []
    for fec in (0, 1):
        trace = Trace().add("identity", None, IDENTITY | {"confName": f"fec {fec}"}).connect()
        trace.add("ontrack", "PC_0", "audio:track11 stream:bbbbbbbb-audio-0-1")
        codec = {"C": {"type": "codec", "mimeType": "audio/opus", "sdpFmtpLine": f"minptime=10;useinbandfec={fec}"}}
        for number in range(10):
            counted = {"packetsReceived": 95 * number, "packetsLost": 5 * number, "bytesReceived": 8000 * number}
            trace.stats(received(11, codecId="C", **counted) | codec | pair, 2000 * (number + 1))
        assert (await inspector.client.post("/ingest/rtcstats", content=trace.bytes())).status_code == 200
        await inspector.settle()
        text = "query ($call: String!) { call(callId: $call) { meanOpinionScore } }"
        scores.append((await inspector.query(text, call=f"fec {fec}"))["call"]["meanOpinionScore"])
    # By hand, with 100 ms there and back, 5 % of the packets lost, 32 kbit/s and no buffer: R is 55.0, and 66.7 with correction.
    assert scores == [pytest.approx(2.84, abs=0.005), pytest.approx(3.44, abs=0.005)]
