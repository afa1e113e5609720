"""What is exported of a call and imported elsewhere gives the same answers to every read."""

import io
import json
import tracemalloc
from collections import Counter
from contextlib import aclosing
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import uuid4

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callscope.api.keys import create
from callscope.export import count_rows, export_call, find_call
from callscope.simulation import CallPlan, Fault, FaultKind, simulate_call
from callscope.sources import Refusal, native
from callscope.sources.registry import HEAD_BYTES, recognise
from callscope.storage import telemetry_rows
from callscope.storage.pool import connect
from callscope.telemetry import EARLIEST, EPOCH, LATEST, TELEMETRY, TYPES
from callscope.vocabulary import EndpointKind, Platform
from tests.commands.dumps import GOOD
from tests.conftest import new_database
from tests.inspector import inspector as running
from tests.plans import sample_plans
from tests.reads import reads
from tests.test_geoip import ACS, JITSI, VONAGE
from tests.test_geoip import INTERNALS as HIDING
from tests.test_ingest import EXAMPLES, ODD, at, differences, rounded, tell
from tests.test_telemetry import COMPLETE

MICROSECOND = timedelta(microseconds=1)


@pytest.fixture(scope="module")
async def shared(servers, migrated):
    async with new_database(servers, template=migrated) as url, running(url) as found:
        yield found


async def anew(shared):
    """The same application with a new project, and a client of that one."""
    key, project_id = await create(shared.connection, uuid4().hex, "test")
    client = copy(shared.client)
    client.headers = {"authorization": f"Bearer {key}"}
    return replace(shared, client=client, project_id=project_id, key=key)


@pytest.fixture
async def inspector(shared):
    return await anew(shared)


async def exported(found, name="x"):
    call_key = await find_call(found.connection, found.project_id, name)
    assert call_key is not None
    return b"".join([piece async for piece in export_call(found.connection, found.project_id, call_key)])


def records(content):
    rows = list(native.read(io.BytesIO(content)))
    assert [row for row in rows if isinstance(row, Refusal)] == []
    return rows


async def kept(found):
    """All that is stored of what was told, but for when it arrived and what settling made of it."""
    own = "where project_id = $1 order by"
    # Settling deletes events that a higher version replaced, and keeps the note of them.
    lasting = """where project_id = $1 and (kind <> 'revision' or exists (
        select from live.event where event.project_id = $1 and event.call_key = record.call_key and event_key = record_key))"""
    told = "case when tells_participant then participant_key end, connection_key, stream_key, tells_participant"
    return [
        [tuple(row) for row in await found.connection.fetch(sql, found.project_id)]
        for sql in (
            f"select call_key, record_key, kind, body::text from live.record {lasting} order by 1, 2",
            "select call_key, at, event_key, category, name, severity, outcome, code, subcode, message, payload::text,"
            f" duration_ms, {told} from live.event {own} 1, 2, 3",
            f"select call_key, series_key, at, value from live.metric_sample {own} 1, 2, 3",
        )
    ]


async def assert_alike(here, there, change=lambda answers: answers):
    first, second = await reads(here), await reads(there)
    assert first.keys() == second.keys()
    assert differences(change(first), change(second)) == []
    return first


async def assert_the_same_elsewhere(shared, told, *, read=True):
    """Every answer about what was told, which is exported and imported into another project on the way."""
    here, there = await anew(shared), await anew(shared)
    await here.tell(told, settled=read)
    contents = {call_id: await exported(here, call_id) for call_id in sorted({record.call_id for record in told})}
    for content in contents.values():
        await there.tell(records(content), settled=read)
    assert await kept(here) == await kept(there)
    for call_id, content in contents.items():
        assert await exported(there, call_id) == content
    return await assert_alike(here, there) if read else {}


def tags(answers):
    return Counter(name.partition("_")[0] for name in answers if "_" in name)


# Whole calls


async def test_simulated_calls_of_every_kind(shared):
    told = [record for plan in sample_plans() for record in simulate_call(plan)]
    answers = await assert_the_same_elsewhere(shared, told)
    assert tags(answers).keys() >= {
        "call",
        "meeting",
        "participant",
        "connection",
        "stream",
        "subscriber",
        "event",
        "issue",
        "series",
    }
    assert tags(answers)["call"] == 5
    series = [answer for name, answer in answers.items() if name.startswith("series_")]
    assert all(sum(each["samples0"]["counts"]) == each["sampleCount"] > 0 for each in series)


async def test_a_call_with_many_faults_and_withheld_details(shared):
    faults = [
        Fault(FaultKind.CAMERA_FREEZE, 5, 10),
        Fault(FaultKind.SPEAKING_WHILE_MUTED, 20, 10, 1),
        Fault(FaultKind.SUBSCRIBE_FAILED, 0, 20, 2),
        Fault(FaultKind.PUBLISH_FAILED, 0, 20, 1),
        Fault(FaultKind.CONNECTION_DROP, 30, 10, 2),
    ]
    started_at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    kinds = (EndpointKind.PSTN, EndpointKind.BOT)
    plan = CallPlan(
        "x", Platform.ACS, started_at, 1, 3, 2, 10, tuple(faults), kinds=kinds, redacted=(1,), screen=0, tags=("a", "ü")
    )
    await assert_the_same_elsewhere(shared, list(simulate_call(plan)))


def read_as_imported(content, call_id=None):
    source = recognise(content[:HEAD_BYTES])
    return [row for row in source.read(io.BytesIO(content), call_id=call_id) if not isinstance(row, Refusal)]


DUMPS = [
    "rtcstats/59c86272-03ea-42e9-a62d-1c8a272e8ab0",
    "rtcstats/chrome-relay",
    "rtcstats/chrome-standard-pc-failed",
    "rtcstats/chrome96-standard-stats-p2p-add-transceiver",
    "rtcstats/firefox97-standard-stats-sfu",
    "rtcstats/google-legacy-stats-p2p",
    "rtcstats/safari-standard-stats",
    "acs/ACSCallClientMediaStatsTimeSeries.json",
    "acs/ACSCallClientOperations.json",
    "acs/ACSCallDiagnostics.json",
    "acs/ACSCallSummary.json",
    "acs/ACSCallSurvey.json",
    "vonage/session-monitoring.json",
]


@pytest.mark.parametrize("name", DUMPS)
async def test_real_telemetry(shared, shared_data, name):
    told = read_as_imported((shared_data / name).read_bytes())
    assert told
    await assert_the_same_elsewhere(shared, told)


@pytest.mark.parametrize("content", [JITSI, HIDING, VONAGE, ACS], ids=["rtcstats", "webrtc-internals", "vonage", "acs"])
async def test_what_was_hidden_is_told_as_it_is_kept(shared, content):
    """Addresses and secrets, of which marks are left: in ids, too."""
    await assert_the_same_elsewhere(shared, read_as_imported(content))


INTERNALS = {
    "getUserMedia": [],
    "UserAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "PeerConnections": {
        "92-1": {
            "pid": 6411,
            "url": "https://meet.example/room",
            "rtcConfiguration": "{}",
            "updateLog": [
                {"type": "onconnectionstatechange", "value": '"connected"', "timestamp": 1767603600500.25},
                {"type": "onconnectionstatechange", "value": '"closed"', "timestamp": 1767603609000},
            ],
            "stats": {
                f"OT1-{name}": {
                    "startTime": "2026-01-05T09:00:01.000Z",
                    "endTime": "2026-01-05T09:00:05.000Z",
                    "statsType": "outbound-rtp",
                    "values": json.dumps(values),
                }
                for name, values in {
                    "timestamp": [1767603601000.125 + 1000 * number for number in range(5)],
                    "ssrc": [11] * 5,
                    "kind": ["video"] * 5,
                    "packetsSent": [100, 250, 300, 480, 500],
                    "bytesSent": [10_000, 25_001, 30_002, 48_003, 50_004],
                }.items()
            },
        }
    },
}


@pytest.mark.parametrize("content", [GOOD, json.dumps(INTERNALS).encode()], ids=["rtcstats", "webrtc-internals"])
async def test_dumps_of_browsers(shared, content):
    answers = await assert_the_same_elsewhere(shared, read_as_imported(content))
    assert tags(answers).keys() >= {"event", "participant", "connection", "stream"}


# Whatever was told

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=6)
IDS = st.sampled_from(["a", "b", "ä", '"', " "])
NUMBERS = st.floats(-1e99, 1e99) | st.sampled_from([-0.0, 0.0, 1e16, 1.2345678901234568e17, 2.0**63, -(2.0**62), 5e-324, 0.1])
FIGURES = NUMBERS.map(abs)
COUNTS = st.floats(0, 2**62) | st.sampled_from([-0.0, 1e16])
PAYLOADS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | NUMBERS
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
INSTANTS = st.integers(0, 10**11).map(lambda microseconds: at(0) + microseconds * MICROSECOND)
MILLISECONDS = st.floats(0, 1e8).map(lambda milliseconds: at(0).timestamp() * 1000 + milliseconds)
SUBJECTS = st.dictionaries(st.sampled_from(["participant_id", "connection_id", "stream_id", "subscriber_id"]), IDS, min_size=1)


def strange(type_, **fields):
    return st.fixed_dictionaries({"type_": st.just(type_)}, optional=fields).map(lambda found: tell(**found))


STRANGE = st.one_of(
    st.fixed_dictionaries(
        {"at": INSTANTS, "name": IDS, "category": st.just("OTHER")},
        optional={
            "payload": PAYLOADS,
            "duration_ms": FIGURES,
            "message": TEXT,
            "code": st.integers(-(2**31), 2**31 - 1),
            "subcode": st.just(0),
            "outcome": st.sampled_from(["FAILED", "PENDING"]),
            "severity": st.sampled_from(["INFO", "CRITICAL"]),
            "participant_id": IDS,
            "connection_id": IDS,
            "stream_id": IDS,
            "version": st.sampled_from([0, 3]),
            "revision_of": IDS,
        },
    ).map(lambda found: tell("event", **found)),
    st.tuples(SUBJECTS, st.lists(st.tuples(MILLISECONDS, FIGURES), min_size=1, max_size=9)).map(
        lambda found: tell(
            "samples",
            metric="JITTER",
            media="AUDIO",
            direction="BOTH",
            times=[time for time, _ in found[1]],
            values=[value for _, value in found[1]],
            **found[0],
        )
    ),
    st.tuples(IDS, COUNTS, NUMBERS, INSTANTS).map(
        lambda found: tell("totals", stream_id=found[0], media="VIDEO", bytes=found[1], packets_lost=found[2], at=found[3])
    ),
    strange("call", tags=st.lists(IDS, max_size=3), started_at=INSTANTS, version=st.integers(0, 2**31 - 1), revision_of=IDS),
    st.tuples(IDS, TEXT).map(lambda found: tell("participant", participant_id=found[0], display_name=found[1], location={})),
    st.tuples(IDS, TEXT).map(lambda found: tell("warning", kind="COUNTER_RESET", message=found[1], participant_id=found[0])),
    ODD,
)
# Without any instant, a call is as old as its telemetry, which came to the two projects at different times.
ANCHOR = tell("event", at=at(0), category="OTHER", name="anchor")


@settings(max_examples=100, **EXAMPLES)
@given(told=st.lists(STRANGE, min_size=1, max_size=30))
async def test_whatever_was_told_is_kept_again(shared, told):
    await assert_the_same_elsewhere(shared, [*told, ANCHOR], read=False)


@settings(max_examples=15, **EXAMPLES)
@given(told=st.lists(STRANGE, min_size=15, max_size=30))
async def test_whatever_was_told_gives_the_same_answers(shared, told):
    await assert_the_same_elsewhere(shared, [*told, ANCHOR])


async def test_every_field_of_every_record(shared):
    told = [tell(type_, **{"version": 2, "revision_of": "row", **fields}) for type_, fields in COMPLETE.items()]
    assert {record.type for record in told} == set(TYPES)
    await assert_the_same_elsewhere(shared, told)


async def test_answers_survive_what_came_in_pieces_and_was_settled_in_between(shared):
    """As they stand after many a revision, and not only as they come of one import."""
    here, there = await anew(shared), await anew(shared)
    told = list(simulate_call(sample_plans()[1]))
    for number in range(5):
        await here.tell(told[number::5])
    await there.tell(records(await exported(here, "multiparty")))
    await assert_alike(here, there, rounded)


async def test_what_only_events_name_is_kept(inspector):
    told = [tell("event", at=at(0), category="OTHER", name="n", connection_id="c", stream_id="s", participant_id="p")]
    await inspector.tell(told)
    (line,) = map(orjson.loads, (await exported(inspector)).splitlines())
    assert line == {
        "type": "event", "callId": "x", "at": "2026-03-02T12:00:00Z", "category": "OTHER", "name": "n", "severity": "INFO",
        "participantId": "p", "connectionId": "c", "streamId": "s",
    }  # fmt: skip


async def test_a_participant_that_settling_found_is_not_told(inspector):
    """Although it is known by other events: it may be another one when more is told of the connection."""
    event, other = ({"at": at(number), "category": "OTHER", "name": "n"} for number in range(2))
    joined = tell("connection", connection_id="c", participant_id="p", connected_at=at(0))
    await inspector.tell([tell("event", connection_id="c", **event), tell("event", participant_id="p", **other), joined])
    placed = "select count(*) from live.event where project_id = $1 and participant_key is not null"
    assert await inspector.connection.fetchval(placed, inspector.project_id) == 2
    events = [record for record in records(await exported(inspector)) if record.type == "event"]
    assert [(record.connection_id, record.participant_id) for record in events] == [("c", None), (None, "p")]


@settings(max_examples=500, **EXAMPLES)
@given(microseconds=st.integers((EARLIEST - EPOCH) // MICROSECOND, (LATEST - EPOCH) // MICROSECOND - 1))
def test_a_time_in_milliseconds_names_its_microsecond(microseconds):
    """In decimals, as the export writes it, for every time that telemetry can have."""
    text = f"{microseconds // 1000}.{microseconds % 1000:03}".rstrip("0").rstrip(".")
    told = {"type": "samples", "callId": "x", "metric": "JITTER", "media": "AUDIO", "direction": "BOTH", "streamId": "s"}
    line = orjson.dumps(told | {"values": [1], "times": orjson.Fragment(f"[{text}]")})
    (time,) = TELEMETRY.validate_python(orjson.loads(line)).times
    assert round(time * 1000) == microseconds


# Lines and pieces


async def test_lines_go_by_kind_then_time_then_series(inspector):
    told = list(simulate_call(sample_plans()[1]))
    await inspector.tell(told)
    lines = [orjson.loads(line) for line in (await exported(inspector, "multiparty")).splitlines()]
    types = [line["type"] for line in lines]
    assert list(dict.fromkeys(types)) == [type_ for type_ in (*TYPES[:5], *TYPES[7:], *TYPES[5:7]) if type_ in types]
    instants = [datetime.fromisoformat(line["at"]) for line in lines if line["type"] == "event"]
    assert instants == sorted(instants)
    assert {line["callId"] for line in lines} == {"multiparty"}
    assert types.count("call") == len([record for record in told if record.type == "call"])


async def test_a_line_holds_some_thousands_of_samples(inspector):
    start = at(0).timestamp() * 1000
    subject = {"metric": "JITTER", "media": "AUDIO", "direction": "BOTH", "stream_id": "s"}
    await inspector.tell([tell("samples", times=[start + number for number in range(12_000)], values=range(12_000), **subject)])
    found = [record for record in records(await exported(inspector)) if record.type == "samples"]
    assert [len(record.times) for record in found] == [5_000, 5_000, 2_000]
    assert [value for record in found for value in record.values] == list(range(12_000))


@pytest.mark.parametrize("sizes", [{"ROWS": 1, "SAMPLES": 1}, {"ROWS": 3, "SAMPLES": 7}, {"BYTES": 1}])
async def test_nothing_is_lost_between_pieces(inspector, monkeypatch, sizes):
    started_at = datetime(2026, 3, 1, 23, 59, 30, tzinfo=UTC)  # and over the end of a week, which is a partition's
    told = list(simulate_call(CallPlan("x", Platform.JITSI, started_at, 1, 2, interval_seconds=5)))
    await inspector.tell([*told, *simulate_call(CallPlan("y", Platform.JITSI, started_at, 1, 1))])
    whole = await exported(inspector)
    for name, size in sizes.items():
        monkeypatch.setattr(telemetry_rows, name, size)
    pieced = await exported(inspector)
    one, other = ([line for line in content.splitlines() if b'"samples"' not in line] for content in (whole, pieced))
    assert one == other

    def points(content):
        return [
            (record.metric, record.stream_id, record.subscriber_id, record.connection_id, *point)
            for record in records(content)
            if record.type == "samples"
            for point in zip(record.times, record.values, strict=True)
        ]

    assert points(whole) == points(pieced)


@pytest.mark.parametrize("text", ["0123456789abcdef" * 60_000, Random(1).randbytes(480_000).hex()], ids=["dull", "random"])
async def test_large_payloads_come_in_small_pieces(inspector, text):
    """However well PostgreSQL could pack them."""
    await inspector.tell([tell("event", at=at(number), category="OTHER", name="n", payload=text) for number in range(12)])
    call_key = await find_call(inspector.connection, inspector.project_id, "x")
    sizes = [len(piece) async for piece in export_call(inspector.connection, inspector.project_id, call_key)]
    assert max(sizes) < 6 * 2**20
    assert sum(sizes) > 12 * 960_000
    assert len(records(await exported(inspector))) == 12


async def test_memory_does_not_grow_with_the_call(inspector):
    start = at(0).timestamp() * 1000
    subject = {"metric": "JITTER", "media": "AUDIO", "direction": "BOTH", "stream_id": "s"}

    async def peak():
        call_key = await find_call(inspector.connection, inspector.project_id, "x")
        tracemalloc.start()
        try:
            async for _ in export_call(inspector.connection, inspector.project_id, call_key):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peaks = []
    for part in range(3):
        times = [start + 1e5 * part + number for number in range(100_000 if part else 10_000)]
        await inspector.tell([tell("samples", times=times, values=times, **subject)])
        peaks.append(await peak())
    assert peaks[2] < 1.5 * peaks[0] < 8 * 2**20


async def test_it_shows_one_state_of_the_call(inspector, monkeypatch):
    """What is told or settled while it is read comes too late for it."""
    monkeypatch.setattr(telemetry_rows, "ROWS", 2)
    await inspector.tell(simulate_call(sample_plans()[0]))
    whole = await exported(inspector, "one-to-one")
    reader = await connect(inspector.database_url)
    call_key = await find_call(reader, inspector.project_id, "one-to-one")
    found = []
    async for piece in export_call(reader, inspector.project_id, call_key):
        if len(found) in (1, 20):
            await inspector.tell([tell("event", "one-to-one", at=at(9), category="OTHER", name=f"late{len(found)}")])
            await inspector.tell([tell("participant", "one-to-one", participant_id=f"late{len(found)}")])
        found.append(piece)
    await reader.close()
    assert b"".join(found) == whole
    assert b"late20" in await exported(inspector, "one-to-one")


async def test_one_that_is_given_up_leaves_the_connection_free(inspector):
    await inspector.tell(simulate_call(sample_plans()[0]))
    call_key = await find_call(inspector.connection, inspector.project_id, "one-to-one")
    async with aclosing(export_call(inspector.connection, inspector.project_id, call_key)) as pieces:
        await anext(pieces)
        assert inspector.connection.is_in_transaction()
    assert not inspector.connection.is_in_transaction()


async def test_it_counts_what_it_exports(inspector):
    await inspector.tell(simulate_call(sample_plans()[0]))
    call_key = await find_call(inspector.connection, inspector.project_id, "one-to-one")
    heard = []
    pieces = export_call(inspector.connection, inspector.project_id, call_key, heard.append)
    lines = [orjson.loads(line) async for piece in pieces for line in piece.splitlines()]
    count = sum(len(line["times"]) if line["type"] == "samples" else 1 for line in lines)
    assert await count_rows(inspector.connection, inspector.project_id, call_key) == count == sum(heard)


# Which call


async def test_a_call_is_found_by_either_id(inspector):
    await inspector.tell([tell("call", "room")])
    id_ = (await inspector.query('{ call(callId: "room") { id } }'))["call"]["id"]
    found = [await find_call(inspector.connection, inspector.project_id, name) for name in ("room", id_)]
    assert found[0] == found[1] is not None
    assert await exported(inspector, id_) == b'{"type":"call","callId":"room"}\n'


async def test_the_platforms_id_comes_first(inspector):
    await inspector.tell([tell("call", "room")])
    id_ = (await inspector.query('{ call(callId: "room") { id } }'))["call"]["id"]
    await inspector.tell([tell("call", id_)])
    assert orjson.loads(await exported(inspector, id_))["callId"] == id_


@pytest.mark.parametrize("name", ["other", "", "call_1", "call_1_2", "participant_1", "é"])
async def test_an_unknown_call_is_none(inspector, name):
    await inspector.tell([tell("call", "room")])
    assert await find_call(inspector.connection, inspector.project_id, name) is None


async def test_a_foreign_call_is_unknown(shared):
    here, there = await anew(shared), await anew(shared)
    await here.tell(simulate_call(sample_plans()[0]))
    id_ = (await here.query('{ call(callId: "one-to-one") { id } }'))["call"]["id"]
    call_key = await find_call(here.connection, here.project_id, "one-to-one")
    for name in ("one-to-one", id_):
        assert await find_call(there.connection, there.project_id, name) is None
    assert [piece async for piece in export_call(there.connection, there.project_id, call_key)] == []
    await there.tell([tell("call", "one-to-one")])
    assert await exported(there, "one-to-one") == b'{"type":"call","callId":"one-to-one"}\n'
