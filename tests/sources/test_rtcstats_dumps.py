"""Real traces, compared with what the project that they come from computes of them (its results are the ``.expected.json``)."""

import gzip
import io
import ipaddress
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from traces import every, only, read

from callscope.sources import Refusal, rtcstats
from callscope.sources.webrtc_records import CUT_OFF
from callscope.vocabulary import DataWarningKind, Direction, Media, MediaMode, Metric, StreamSource

CLOCK_REPAIRED, TRUNCATED = DataWarningKind.CLOCK_REPAIRED, DataWarningKind.TRUNCATED

STANDARD = (
    "59c86272-03ea-42e9-a62d-1c8a272e8ab0",
    "chrome-standard-multiple-p2p",
    "chrome-standard-pc-failed",
    "chrome96-standard-stats-p2p-add-transceiver",
    "firefox97-standard-stats-sfu",
    "google-standard-stats-p2p",
    "safari-standard-stats",
)
ALL = (*STANDARD, "chrome-relay", "google-legacy-stats-p2p")

SENT, RECEIVED = "senderTracks", "receiverTracks"
FIREFOX, SAFARI, MULTIPLE = "firefox97-standard-stats-sfu", "safari-standard-stats", "chrome-standard-multiple-p2p"

# Where the results are wrong, or say 0 for "not told": (trace, tracks, SSRC, field) -> what is right.
DEVIATIONS: dict[tuple[str, str, int, str], Any] = (
    # Firefox: what is sent is counted by outbound-rtp, and not as received because a remote-inbound-rtp counts it, too.
    {(FIREFOX, SENT, ssrc, "packets"): packets for ssrc, packets in ((275935317, 4832), (420677523, 12093), (676202912, 2091))}
    | {(FIREFOX, RECEIVED, ssrc, "packets"): "missing" for ssrc in (275935317, 420677523, 676202912)}
    # Safari's reports of the other end do not say what was lost.
    | {(SAFARI, SENT, ssrc, "packetsLost"): None for ssrc in (1449778799, 2047229442)}
    # These are senders by remote-outbound-rtp: what the other end says that it has sent. It does not say what was lost of it.
    | {(MULTIPLE, SENT, ssrc, "packetsLost"): None for ssrc in (2889766682, 1047537249, 3890837313, 4223390196)}
    # The concealment of what was received under the same SSRC; it is told of the subscriber.
    | {(MULTIPLE, SENT, ssrc, "concealedPercentage"): None for ssrc in (1047537249, 3890837313, 4223390196)}
)  # fmt: skip


@pytest.fixture(scope="module")
def traces(shared_data: Path) -> dict[str, list[Any]]:
    folder = shared_data / "rtcstats"
    return {name: read((folder / name).read_bytes()) for name in ALL}


@pytest.fixture(scope="module")
def expected(shared_data: Path) -> dict[str, Any]:
    return {
        name: json.loads((shared_data / "rtcstats" / f"{name}.expected.json").read_text())[0]["features"] for name in STANDARD
    }


def connections(records: list[Any]) -> dict[str, Any]:
    return {record.connection_id.rpartition("/")[2]: record for record in every(records, "connection")}


def milliseconds(start: Any, end: Any) -> float:
    return (end - start).total_seconds() * 1000


@pytest.mark.parametrize("name", STANDARD)
def test_connections(traces, expected, name):
    """chrome-standard-pc-failed, PC_0: it failed for good after 14,211 ms, although statistics were polled for 45 s more."""
    found, wanted = connections(traces[name]), expected[name]["aggregates"]
    assert found.keys() == wanted.keys()
    for key, want in wanted.items():
        connection = found[key]
        if want["pcSessionDurationMs"]:
            assert milliseconds(connection.connected_at, connection.closed_at) == pytest.approx(
                want["pcSessionDurationMs"], abs=1
            )
        else:
            assert connection.connected_at is None
        assert (connection.error is not None) == want["connectionFailed"]
        assert (connection.failed_at is not None) == (want["connectionFailed"] and not want["pcSessionDurationMs"])


@pytest.mark.parametrize("name", STANDARD)
def test_paths(traces, expected, name):
    found = connections(traces[name])
    for key, want in expected[name]["aggregates"].items():
        pair, network = want["candidatePairData"], found[key].network
        if pair:
            assert (network.local_candidate_type, network.remote_candidate_type) == (
                pair["localCandidateType"],
                pair["remoteCandidateType"],
            )
            assert network.transport == pair["localProtocol"]
        elif not name.startswith("chrome96"):  # whose legacy pairs the results do not read
            assert network is None


@pytest.mark.parametrize("name", STANDARD)
def test_round_trips(traces, expected, name):
    """The results are rounded to hundredths, of a second or, in legacy traces, of a millisecond."""
    for key, want in expected[name]["aggregates"].items():
        values = [
            value
            for record in every(traces[name], "samples", metric=Metric.ROUND_TRIP_TIME, media=Media.CONNECTION)
            if record.connection_id.endswith(f"/{key}")
            for value in record.values
        ]
        if mean := want["transportAggregates"]["meanRtt"]:
            unit = 1 if name.startswith("chrome96") else 1000
            assert round(sum(values) / len(values) / unit, 2) == mean


@pytest.mark.parametrize("name", STANDARD)
def test_totals(traces, expected, name):
    totals = defaultdict(list)
    for total in every(traces[name], "totals"):
        totals[RECEIVED if total.subscriber_id else SENT, total.ssrc].append(total)
    used = set()
    for want in expected[name]["aggregates"].values():
        for tracks in (SENT, RECEIVED):
            for track in want["tracks"][tracks]:
                ssrc = int(track["ssrc"])
                if DEVIATIONS.get((name, tracks, ssrc, "packets")) == "missing":
                    assert not totals[tracks, ssrc]
                    continue
                (total,) = totals[tracks, ssrc]
                used.add((tracks, ssrc))
                assert total.media is (Media.AUDIO if track["mediaType"] == "audio" else Media.VIDEO)
                assert total.packets == DEVIATIONS.get((name, tracks, ssrc, "packets"), track["packets"])
                assert total.packets_lost == DEVIATIONS.get((name, tracks, ssrc, "packetsLost"), track["packetsLost"])
                concealed = DEVIATIONS.get((name, tracks, ssrc, "concealedPercentage"), track["concealedPercentage"])
                assert (total.concealed_percent or 0) == pytest.approx(concealed or 0, abs=0.00501)
    left = {key for key, told in totals.items() if told} - used
    # Firefox: audio that nobody judged yet, and what the other end says that it has sent.
    assert left == ({(SENT, ssrc) for ssrc in (553482831, 2555995057, 3145113315)} if name == FIREFOX else set())


def test_the_legacy_trace_agrees_with_results_of_an_older_kind(traces, shared_data):
    records = traces["google-legacy-stats-p2p"]
    results = json.loads((shared_data / "rtcstats" / "google-legacy-stats-p2p.expected.json").read_text())
    found = connections(records)
    for result in results:
        want, connection = result["connectionFeatures"], found[result["connId"]]
        assert milliseconds(connection.attempted_at, connection.closed_at) == want["lifeTime"]
        (times,) = every(
            records, "samples", metric=Metric.ROUND_TRIP_TIME, connection_id=connection.connection_id, media=Media.CONNECTION
        )
        assert round(sum(times.values) / len(times.values) / 1000, 2) == want["statsMeanRoundTripTime"]
        streams = {stream.stream_id for stream in every(records, "stream", connection_id=connection.connection_id)}
        sent = {media: sum(total.packets for total in every(records, "totals", media=media) if total.stream_id in streams)
                for media in (Media.AUDIO, Media.VIDEO)}  # fmt: skip
        assert sent == {Media.AUDIO: want["statsAudioPacketsSentTotal"], Media.VIDEO: want["statsVideoPacketsSentTotal"]}


@pytest.mark.parametrize("name", STANDARD)
def test_browsers(traces, expected, name):
    system = only(traces[name], "participant", version=1).system
    assert (system.browser, system.browser_version) == (
        expected[name]["browserInfo"]["name"],
        expected[name]["browserInfo"]["version"],
    )


def test_inbound_video_experience(traces, expected):
    """Where one video was received at a time. Rates are counted here, and Chrome's own in the results."""
    want = expected["chrome-standard-multiple-p2p"]["aggregates"]["PC_4"]["inboundVideoExperience"]["upperBoundAggregates"]
    here = {"connection_id": "372c0a27/PC_4", "direction": Direction.SUBSCRIBE}
    (heights,) = every(traces["chrome-standard-multiple-p2p"], "samples", metric=Metric.FRAME_HEIGHT, **here)
    (rates,) = every(traces["chrome-standard-multiple-p2p"], "samples", metric=Metric.FRAME_RATE, **here)
    assert sum(heights.values) / len(heights.values) == want["meanFrameHeight"]
    assert sum(rates.values) / len(rates.values) == pytest.approx(want["meanFramesPerSecond"], abs=1.5)


def test_a_relayed_path(traces):
    records = traces["chrome-relay"]
    network = only(records, "connection").network
    assert (network.local_candidate_type, network.remote_candidate_type, network.transport, network.type) == (
        "relay",
        "srflx",
        "tls",
        "wifi",
    )
    assert only(records, "call").media_mode is MediaMode.ROUTED
    assert {stream.source for stream in every(records, "stream") if stream.participant_id in {"0671662c", "f423d7b5"}} == {
        StreamSource.CAMERA
    }


def test_failed_devices(traces):
    failed = every(traces["chrome-standard-pc-failed"], "event", name="navigator.mediaDevices.getUserMediaOnFailure")
    assert [(event.message, event.severity.value) for event in failed] == [("NotReadableError", "ERROR")]


def test_the_simulcast_layers_of_a_camera_are_one_stream(traces):
    records = traces["google-standard-stats-p2p"]
    simulcast = only(records, "stream", version=1, has_video=True, is_scalable=True)
    assert {total.ssrc for total in every(records, "totals", stream_id=simulcast.stream_id)} == {
        1191903134,
        1409401962,
        3077306155,
    }
    assert len(every(records, "stream", version=1)) == 4


def test_two_traces_of_one_conference_agree(traces):
    one, two = traces["google-legacy-stats-p2p"], traces["safari-standard-stats"]
    assert one[0].call_id == two[0].call_id == "closeoutfitsusefast"
    modes = {(call.version, call.media_mode) for call in every(one + two, "call")}
    assert modes == {(0, MediaMode.RELAYED), (1, MediaMode.ROUTED)}
    for sender, receiver in ((one, two), (two, one)):
        own = {stream.stream_id for stream in every(sender, "stream", version=1)}
        assert len(own & {stream.stream_id for stream in every(receiver, "stream", version=0)}) == 2


def test_participants_of_a_conference_whose_endpoints_have_ids(traces):
    records = traces["chrome-standard-multiple-p2p"]
    assert {one.participant_id for one in every(records, "participant")} == {"372c0a27", "83a77c14", "594b859a"}
    assert {stream.stream_id for stream in every(records, "stream", participant_id="83a77c14")} == {
        f"83a77c14-{kind}-0-{counter}" for kind in ("audio", "video") for counter in (1, 2, 3)
    }


@pytest.mark.parametrize("name", ALL)
def test_nothing_lies_outside_the_lines_of_the_client(traces, shared_data, name):
    lines = [json.loads(line) for line in (shared_data / "rtcstats" / name).read_text().splitlines()]
    at = [line[3] for line in lines if len(line) > 3 and line[0] not in {"connectionInfo", "identity"}]
    for record in traces[name]:
        for moment in _moments(record):
            assert min(at) - 1000 <= moment <= max(at) + 1000


def _moments(record: Any) -> Iterator[float]:
    if record.type == "samples":
        yield from record.times
    for name in type(record).model_fields:
        value = getattr(record, name)
        if name == "at" or (name.endswith("_at") and value is not None):
            yield value.timestamp() * 1000


@pytest.mark.parametrize("name", ALL)
def test_no_address_and_no_sdp_comes_out(traces, shared_data, name):
    raw = (shared_data / "rtcstats" / name).read_text()
    text = "\n".join(record.model_dump_json(exclude={"user_agent"}) for record in traces[name])
    user_agents = {record.user_agent for record in every(traces[name], "participant")} | {""}
    versions = "\n".join(filter(None, user_agents))
    addresses = {word for word in re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", raw) if _is_address(word)}
    assert [address for address in addresses if address in text and address not in versions] == []
    usernames = set(re.findall(r'"username":"(\w+)"', raw)) | set(re.findall(r"ufrag[: ](\S{4,8}?)[ \\]", raw))
    assert [word for word in usernames if word in text] == []
    assert "candidate:" not in text
    assert "a=" not in text


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def test_a_packed_trace_is_the_same(traces, shared_data):
    data = (shared_data / "rtcstats" / "chrome-relay").read_bytes()
    assert read(gzip.compress(data)) == traces["chrome-relay"]


@pytest.mark.parametrize("name", ALL)
def test_a_trace_cut_in_a_line_is_read_up_to_that_line(shared_data, name):
    data = (shared_data / "rtcstats" / name).read_bytes()
    for part in range(1, 6):
        cut = data[: len(data) * part // 6].rstrip(b"\n")[:-1]
        rows = list(rtcstats.read(io.BytesIO(cut)))
        (refusal,) = [row for row in rows if isinstance(row, Refusal)]
        assert (refusal.line, refusal.code) == (cut.count(b"\n") + 1, "truncated")
        kept = [row for row in rows if row is not refusal]
        told = [row for row in kept if row.type != "warning"]
        assert told == [row for row in read(cut[: cut.rindex(b"\n") + 1]) if row.type != "warning"]
        assert [row.message for row in kept if row.type == "warning" and row.kind == "TRUNCATED"] == [CUT_OFF]
        assert all(value >= 0 for row in told if row.type == "samples" for value in row.values)


def test_a_packed_trace_cut_anywhere_is_read_up_to_there(shared_data):
    packed = gzip.compress((shared_data / "rtcstats" / FIREFOX).read_bytes())
    for part in range(2, 6):
        rows = list(rtcstats.read(io.BytesIO(packed[: len(packed) * part // 6])))
        assert [(row.line, row.code) for row in rows if isinstance(row, Refusal)] == [(0, "truncated")]
        assert any(row.type == "warning" and row.message == CUT_OFF for row in rows if not isinstance(row, Refusal))


# Clocks. All of these clients' are right within a minute, by the TURN credentials that the server gave them.

FED_AGAIN = {
    "chrome96-standard-stats-p2p-add-transceiver": "2022-03-14T09:48:12.157000+00:00, 83.4 days later",
    FIREFOX: "2023-10-19T08:59:15.011000+00:00, 646.4 days later",
    "google-standard-stats-p2p": "2022-03-14T09:48:12.157000+00:00, 486.7 days later",
    SAFARI: "2023-10-19T09:01:16.232000+00:00, 1070.7 days later",
}
CUT = {
    "59c86272-03ea-42e9-a62d-1c8a272e8ab0": "PC_1",
    "chrome-relay": "PC_0",
    MULTIPLE: "PC_3",
    "chrome96-standard-stats-p2p-add-transceiver": "PC_0, PC_1",
    "google-legacy-stats-p2p": "PC_0",
    "google-standard-stats-p2p": "PC_1",
    SAFARI: "PC_0",
}
MINUTE, YEAR = 60_000, 365 * 86_400_000


@pytest.mark.parametrize("name", ALL)
def test_known_faults(traces, name):
    told = {warning.kind: warning.message for warning in every(traces[name], "warning")}
    assert told.keys() == {kind for kind, names in ((CLOCK_REPAIRED, FED_AGAIN), (TRUNCATED, CUT)) if name in names}
    if name in FED_AGAIN:
        assert FED_AGAIN[name] in told[CLOCK_REPAIRED]
        assert told[CLOCK_REPAIRED].endswith("The client's times stand, as its TURN credentials confirm.")
    if name in CUT:
        assert f"({CUT[name]})" in told[TRUNCATED]


def shifted(data: bytes, offset: int) -> bytes:
    """The same trace of a client whose clock is ahead by so much. The server's stays."""
    lines = [json.loads(line) for line in data.splitlines()]
    for line in lines:
        if line[0] != "connectionInfo" and len(line) > 3:
            line[3] += offset
        if line[0] == "getstats":
            line[2]["timestamp"] += offset
            for report in line[2].values():
                if isinstance(report, dict) and report.get("timestamp"):
                    report["timestamp"] += offset
    return b"\n".join(json.dumps(line).encode() for line in lines)


# The server's word for the time is lost, and credentials tell it roughly.
ROUGHLY = {*FED_AGAIN, "google-legacy-stats-p2p"}
OFFSETS = [
    (name, offset)
    for name in ALL
    for offset in (10 * MINUTE, -10 * MINUTE, 3 * YEAR, -3 * YEAR)
    if name not in ROUGHLY or abs(offset) >= YEAR
]


@pytest.mark.parametrize(("name", "offset"), OFFSETS)
def test_a_clock_that_is_wrong_is_set_where_the_server_tells(traces, shared_data, name, offset):
    is_roughly = name in ROUGHLY
    found = read(shifted((shared_data / "rtcstats" / name).read_bytes(), offset))
    (before, after) = ([moment for record in records for moment in _moments(record)] for records in (traces[name], found))
    moves = {round(new - old) for old, new in zip(before, after, strict=True)}
    assert max(moves) - min(moves) <= 1
    assert abs(min(moves)) < (MINUTE if is_roughly else 1000)
    assert values(found) == values(traces[name])
    assert all("clientTime" in event.payload for event in every(found, "event"))
    assert [is_roughly is ("about" in warning.message) for warning in every(found, "warning", kind=CLOCK_REPAIRED)] == [True]


def values(records: list[Any]) -> list[Any]:
    return [(record.metric, record.media, record.direction, record.values) for record in every(records, "samples")]
