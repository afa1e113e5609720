"""Real dumps, imported as a user imports them and asked about in GraphQL, against what their origin project computed of them.

What ``*.expected.json`` means is told in ``tests/sources/test_rtcstats_dumps.py``, which compares the records; here the same
figures must come out at the other end.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callscope.cli import parser
from callscope.settings import Settings
from tests.conftest import new_database
from tests.inspector import Inspector, inspector

SENT, RECEIVED = "senderTracks", "receiverTracks"
FIREFOX, SAFARI, MULTIPLE = "firefox97-standard-stats-sfu", "safari-standard-stats", "chrome-standard-multiple-p2p"
LEGACY, LEGACY_INSIDE, RELAY = "google-legacy-stats-p2p", "chrome96-standard-stats-p2p-add-transceiver", "chrome-relay"
STANDARD = (
    "59c86272-03ea-42e9-a62d-1c8a272e8ab0",
    MULTIPLE,
    "chrome-standard-pc-failed",
    LEGACY_INSIDE,
    FIREFOX,
    "google-standard-stats-p2p",
    SAFARI,
)
ALL = (*STANDARD, LEGACY, RELAY)

# Where the expected files are wrong: (dump, tracks, SSRC, field) -> what is right; None where the dump does not tell.
DEVIATIONS: dict[tuple[str, str, int, str], Any] = {
    # The results look for what was sent in remote-inbound-rtp, which does not say it in Firefox: outbound-rtp does.
    (FIREFOX, SENT, 275935317, "packets"): 4832,
    (FIREFOX, SENT, 420677523, "packets"): 12093,
    (FIREFOX, SENT, 676202912, "packets"): 2091,
    # A remote-inbound-rtp that counts packetsReceived is what the other end received: we sent these.
    (FIREFOX, RECEIVED, 275935317, "packets"): "sent, not received",
    (FIREFOX, RECEIVED, 420677523, "packets"): "sent, not received",
    (FIREFOX, RECEIVED, 676202912, "packets"): "sent, not received",
    # Safari's reports of the other end do not say what was lost; the results make that 0.
    (SAFARI, SENT, 1449778799, "packetsLost"): None,
    (SAFARI, SENT, 2047229442, "packetsLost"): None,
    # Senders by remote-outbound-rtp: the other end tells what it sent, and cannot know what was lost of it ...
    (MULTIPLE, SENT, 2889766682, "packetsLost"): None,
    (MULTIPLE, SENT, 1047537249, "packetsLost"): None,
    (MULTIPLE, SENT, 3890837313, "packetsLost"): None,
    (MULTIPLE, SENT, 4223390196, "packetsLost"): None,
    # ... nor what we concealed, which belongs to our reception of the same SSRC and is told there.
    (MULTIPLE, SENT, 1047537249, "concealedPercentage"): None,
    (MULTIPLE, SENT, 3890837313, "concealedPercentage"): None,
    (MULTIPLE, SENT, 4223390196, "concealedPercentage"): None,
}

QUESTION = """
query ($call: String!) {
  call(callId: $call) {
    mediaMode
    participants { nodes { participantId displayName connections { nodes { connectionId } } } }
    connections {
      nodes {
        connectionId durationSeconds outcome
        network { localCandidateType remoteCandidateType isRelayed transport }
        metricSeries(filter: { metrics: [ROUND_TRIP_TIME], media: [CONNECTION] }) { nodes { average sampleCount } }
      }
    }
    streams {
      nodes {
        streamId
        publisher { participantId }
        connection { connectionId }
        totals { ...Counted }
        subscribers { nodes { participant { participantId } connection { connectionId } totals { ...Counted } } }
      }
    }
  }
}
fragment Counted on MediaTotals { ssrc media packets packetsLost concealedPercent }
"""


async def import_dumps(app: Inspector, *words: str) -> int:
    """``callscope import``, on the database of a running inspector."""
    given = parser().parse_args(["import", "--project", "test", *words])
    return await given.run(Settings(Path("not used"), app.database_url, "redis://not-used"), given)


@pytest.fixture(scope="module")
async def calls(servers, migrated, shared_data) -> dict[str, Any]:
    """What GraphQL says of each dump, imported as a call of its own."""
    async with new_database(servers, template=migrated) as url, inspector(url) as app:
        for name in ALL:
            assert await import_dumps(app, "--source", "rtcstats", "--call", name, str(shared_data / "rtcstats" / name)) == 0
        return {name: (await app.query(QUESTION, call=name))["call"] for name in ALL}


@pytest.fixture(scope="module")
def expected(shared_data) -> dict[str, Any]:
    return {name: json.loads((shared_data / "rtcstats" / f"{name}.expected.json").read_text()) for name in (*STANDARD, LEGACY)}


def peer_connections(call: dict[str, Any]) -> dict[str, Any]:
    """The connections that the dump itself is of, by the dump's names for them."""
    found = {node["connectionId"].rpartition("/")[2]: node for node in call["connections"]["nodes"]}
    return {name: node for name, node in found.items() if name.startswith("PC_")}


def counted(call: dict[str, Any]) -> dict[tuple[str, int], list[tuple[str, Any]]]:
    """The counters by direction and SSRC, each with the connection that it was counted on."""
    found = defaultdict(list)
    for stream in call["streams"]["nodes"]:
        for total in stream["totals"]:
            found[SENT, total["ssrc"]].append((stream["connection"]["connectionId"], total))
        for subscriber in stream["subscribers"]["nodes"]:
            for total in subscriber["totals"]:
                found[RECEIVED, total["ssrc"]].append((subscriber["connection"]["connectionId"], total))
    return dict(found)


@pytest.mark.parametrize("name", STANDARD)
def test_packets_losses_and_concealment(calls, expected, name):
    totals, used = counted(calls[name]), set()
    for pc, want in expected[name][0]["features"]["aggregates"].items():
        for tracks in (SENT, RECEIVED):
            for track in want["tracks"][tracks]:
                key = tracks, int(track["ssrc"])
                if DEVIATIONS.get((name, *key, "packets")) == "sent, not received":
                    assert key not in totals
                    continue
                ((connection, total),) = totals[key]
                used.add(key)
                is_hearsay = (name, *key, "packetsLost") in DEVIATIONS and name == MULTIPLE
                assert connection.endswith(f"/{pc}") is not is_hearsay
                assert total["media"] == ("AUDIO" if track["mediaType"] == "audio" else "VIDEO")
                assert total["packets"] == DEVIATIONS.get((name, *key, "packets"), track["packets"])
                assert total["packetsLost"] == DEVIATIONS.get((name, *key, "packetsLost"), track["packetsLost"])
                concealed = DEVIATIONS.get((name, *key, "concealedPercentage"), track["concealedPercentage"])
                # A source that does not tell is null in Callscope and 0 in the results.
                assert (total["concealedPercent"] or 0) == pytest.approx(concealed or 0, abs=0.01)
    # Firefox: audio that the other end had not judged yet, and what the other end says that it has sent.
    more = {553482831, 2555995057, 3145113315} if name == FIREFOX else set()
    assert totals.keys() - used == {(SENT, ssrc) for ssrc in more}


@pytest.mark.parametrize("name", STANDARD)
def test_durations(calls, expected, name):
    found = peer_connections(calls[name])
    wanted = {pc: want["pcSessionDurationMs"] / 1000 for pc, want in expected[name][0]["features"]["aggregates"].items()}
    assert found.keys() == wanted.keys()
    for pc, seconds in wanted.items():
        if seconds:
            assert found[pc]["durationSeconds"] == pytest.approx(seconds, abs=1)
        else:
            assert (found[pc]["durationSeconds"], found[pc]["outcome"]) == (None, "FAILED")


@pytest.mark.parametrize("name", STANDARD)
def test_candidate_types(calls, expected, name):
    for pc, want in expected[name][0]["features"]["aggregates"].items():
        network, pair = peer_connections(calls[name])[pc]["network"], want["candidatePairData"]
        if pair:
            assert network["localCandidateType"] == pair["localCandidateType"]
            assert network["remoteCandidateType"] == pair["remoteCandidateType"]
            assert network["isRelayed"] is want["usesRelay"] is False
        elif name == LEGACY_INSIDE:
            # The results cannot read the pairs of legacy statistics; both ways are direct there.
            assert (network["localCandidateType"], network["remoteCandidateType"]) == ("host", "host")
        else:
            assert network is None


@pytest.mark.parametrize("name", STANDARD)
def test_mean_round_trips(calls, expected, shared_data, name):
    """The results are rounded to 10 ms (hundredths of a second): so we must agree when rounded, and within 1 ms before that."""
    exact = mean_round_trips(shared_data / "rtcstats" / name)
    compared = 0
    for pc, want in expected[name][0]["features"]["aggregates"].items():
        mean = want["transportAggregates"]["meanRtt"]
        if not mean:
            continue
        ((series),) = peer_connections(calls[name])[pc]["metricSeries"]["nodes"]
        unit = 1 if name == LEGACY_INSIDE else 1000
        assert exact[pc] / unit == pytest.approx(mean, abs=0.00501)
        assert series["average"] / unit == pytest.approx(mean, abs=0.00501)
        assert series["average"] == pytest.approx(exact[pc], abs=1)
        compared += 1
    assert compared > 0


def mean_round_trips(dump: Path) -> dict[str, float]:
    """The mean of all round trips that are not zero, ms: the results' definition, straight from the dump."""
    reports, told = defaultdict(dict), defaultdict(list)
    for line in dump.read_text().splitlines():
        event, pc, data = json.loads(line)[:3]
        if event == "getstats":
            delta = {key: fields for key, fields in data.items() if isinstance(fields, dict)}
            reports[pc] = {key: reports[pc].get(key, {}) | fields for key, fields in delta.items()}
            told[pc] += [value for value in _round_trips(reports[pc]) if value]
    return {pc: sum(values) / len(values) for pc, values in told.items() if values}


def _round_trips(reports: dict[str, Any]) -> Iterator[float]:
    has_transport = any(report["type"] == "transport" for report in reports.values())
    for report in reports.values():
        if report["type"] == "transport" and (pair := reports.get(report.get("selectedCandidatePairId"))):
            yield pair.get("currentRoundTripTime", 0) * 1000
        elif report["type"] == "googCandidatePair" and report["googActiveConnection"] == "true":
            yield float(report["googRtt"])
        elif report["type"] == "remote-inbound-rtp" and not has_transport:
            yield report.get("roundTripTime", 0) * 1000


def test_the_legacy_dump_agrees_with_results_of_an_older_kind(calls, expected):
    found, totals = peer_connections(calls[LEGACY]), counted(calls[LEGACY])
    names = {"peerreflexive": "prflx", "serverreflexive": "srflx", "host": "host"}
    for result in expected[LEGACY]:
        want, pc = result["connectionFeatures"], result["connId"]
        assert found[pc]["durationSeconds"] == pytest.approx(want["sessionDuration"] / 1000, abs=1)
        assert found[pc]["network"]["localCandidateType"] == names[want["firstCandidatePairLocalType"]]
        assert found[pc]["network"]["remoteCandidateType"] == names[want["firstCandidatePairRemoteType"]]
        (series,) = found[pc]["metricSeries"]["nodes"]
        assert series["average"] == pytest.approx(want["statsMeanRoundTripTime"] * 1000, abs=5.01)
        for media in ("AUDIO", "VIDEO"):
            sent = [total for (tracks, _), pairs in totals.items() for connection, total in pairs
                    if tracks == SENT and connection.endswith(f"/{pc}") and total["media"] == media]  # fmt: skip
            assert sum(total["packets"] for total in sent) == want[f"stats{media.capitalize()}PacketsSentTotal"]
            assert sum(total["packetsLost"] for total in sent) == want[f"stats{media.capitalize()}PacketsLostTotal"]


def test_a_relay_is_seen(calls):
    network = peer_connections(calls[RELAY])["PC_0"]["network"]
    assert network == {"localCandidateType": "relay", "remoteCandidateType": "srflx", "isRelayed": True, "transport": "tls"}
    assert calls[RELAY]["mediaMode"] == "ROUTED"


@pytest.fixture
def dumps_of_one_conference(shared_data, tmp_path) -> tuple[Path, Path, str]:
    """A dump, the same as if another client had made it, and the conference of both."""
    dump = shared_data / "rtcstats" / RELAY
    lines = [json.loads(line) for line in dump.read_text().splitlines()]
    identity = next(line[2] for line in lines if line[0] == "identity" and "endpointId" in line[2])
    other = tmp_path / "other"
    text = "\n".join(json.dumps(line) for line in lines)
    other.write_text(text.replace(identity["endpointId"], "ada1ada1").replace(identity["displayName"], "Ada"))
    return dump, other, identity["confName"].lower()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_several_dumps_of_one_conference_become_one_call(inspector, dumps_of_one_conference, order):
    *dumps, conference = dumps_of_one_conference
    assert await import_dumps(inspector, *(str(dumps[number]) for number in order)) == 0
    ids = await inspector.query("{ calls { totalCount nodes { callId } } }")
    assert ids["calls"]["totalCount"] == 1
    call_id = ids["calls"]["nodes"][0]["callId"]
    assert call_id.endswith(conference)
    call = (await inspector.query(QUESTION, call=call_id))["call"]
    own = {one["participantId"]: one for one in call["participants"]["nodes"] if one["displayName"]}
    assert len(own) == 2
    for id_, participant in own.items():
        assert [one["connectionId"] for one in participant["connections"]["nodes"]] == [f"{id_}/PC_0"]


async def test_both_ends_of_a_stream_meet_in_one_call(inspector, shared_data):
    """Two of the dumps happen to be of one conference: what one client published, the other received."""
    assert await import_dumps(inspector, *(str(shared_data / "rtcstats" / name) for name in (LEGACY, SAFARI))) == 0
    call = (await inspector.query(QUESTION, call="closeoutfitsusefast"))["call"]
    own = {one["participantId"] for one in call["participants"]["nodes"] if one["participantId"].count("/") == 0}
    exchanged = [
        (stream["publisher"]["participantId"], subscriber["participant"]["participantId"])
        for stream in call["streams"]["nodes"]
        for subscriber in stream["subscribers"]["nodes"]
        if {stream["publisher"]["participantId"], subscriber["participant"]["participantId"]} <= own - {"unknown", "bridge"}
    ]
    assert len(set(exchanged)) == 2
    assert len(exchanged) == 4


async def test_a_dump_imported_again_changes_nothing(inspector, dumps_of_one_conference):
    dump, _, _ = dumps_of_one_conference
    answers = []
    for _ in range(2):
        assert await import_dumps(inspector, "--call", "once", str(dump)) == 0
        answers.append(await inspector.query(QUESTION, call="once"))
    assert answers[0] == answers[1]
    tables = await inspector.connection.fetch("select count(*) from live.record union all select count(*) from live.event")
    assert await import_dumps(inspector, "--call", "once", str(dump)) == 0
    assert tables == await inspector.connection.fetch(
        "select count(*) from live.record union all select count(*) from live.event"
    )
