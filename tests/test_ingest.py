"""Telemetry is taken in whole or not at all, row by row, and in any order to the same effect."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from graphql import GraphQLObjectType, get_named_type, is_leaf_type, is_required_argument
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from callscope import ingest as module
from callscope.api.keys import create
from callscope.ingest import in_batches, ingest, ingest_plans
from callscope.schema.root import SCHEMA
from callscope.simulation import CallPlan, Fault, FaultKind, simulate_call
from callscope.sources import Refusal, SourceError
from callscope.storage.timeseries import Partitions
from callscope.telemetry import TELEMETRY
from callscope.vocabulary import EndpointKind, Platform
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.plans import STARTED_AT, sample_plans

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
async def shared(servers, migrated):
    async with new_database(servers, template=migrated) as url, running(url) as found:
        yield found


async def anew(shared: Inspector) -> Inspector:
    """The same application with a new project."""
    key, project_id = await create(shared.connection, uuid4().hex, "test")
    return replace(shared, project_id=project_id, key=key)


@pytest.fixture
async def inspector(shared):
    return await anew(shared)


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def tell(type_, call="x", **fields):
    return TELEMETRY.validate_python({"type": type_, "call_id": call, **fields})


def participant(id_="p", **fields):
    return tell("participant", participant_id=id_, **fields)


def refusal(line=1):
    return Refusal(line, None, "json_invalid", "should be JSON")


async def take(inspector, *batches):
    async def each():
        for batch in batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch

    return await ingest(inspector.connection, Partitions(inspector.database_url), inspector.project_id, each())


async def stored(inspector):
    counts = [
        await inspector.connection.fetchval(f"select count(*) from live.{table} where project_id = $1", inspector.project_id)
        for table in ("record", "event", "metric_sample", "call_change")
    ]
    return tuple(counts)


class TestReceipt:
    async def test_tells_what_was_accepted_and_of_which_calls(self, inspector):
        receipt = await take(inspector, [participant(), participant("q")], [], [tell("call", "b"), tell("call", "a")])
        assert receipt.as_json() == {"calls": ["a", "b", "x"], "accepted": 4, "refused": []}

    async def test_counts_what_was_known_already(self, inspector):
        await take(inspector, [participant()])
        assert (await take(inspector, [participant()])).accepted == 1

    async def test_of_nothing(self, inspector):
        assert (await take(inspector)).as_json() == {"calls": [], "accepted": 0, "refused": []}
        assert await stored(inspector) == (0, 0, 0, 0)

    async def test_good_rows_are_kept_beside_refused_ones(self, inspector):
        receipt = await take(inspector, [participant(), refusal(2)], [refusal(3), participant("q")])
        assert receipt.as_json()["refused"] == [
            {"line": line, "field": None, "code": "json_invalid", "reason": "should be JSON"} for line in (2, 3)
        ]
        assert receipt.accepted == 2
        assert await stored(inspector) == (3, 0, 0, 1)

    async def test_marks_no_call_where_all_rows_are_refused(self, inspector):
        assert (await take(inspector, [refusal()])).calls == []
        assert await stored(inspector) == (0, 0, 0, 0)


class TestWholeOrNothing:
    async def test_a_source_that_breaks_off_stores_nothing(self, inspector):
        told = list(simulate_call(sample_plans()[0]))
        with pytest.raises(SourceError, match="damaged"):
            await take(inspector, told, SourceError("damaged", 7))
        assert await stored(inspector) == (0, 0, 0, 0)

    async def test_nor_does_one_that_broke_off_after_flushes(self, inspector, monkeypatch):
        monkeypatch.setattr("callscope.storage.ledger.FLUSH_ROWS", 1)
        with pytest.raises(ZeroDivisionError):
            await take(inspector, [participant(str(number)) for number in range(20)], ZeroDivisionError())
        assert await stored(inspector) == (0, 0, 0, 0)

    async def test_what_was_accepted_is_there_for_everybody_at_once(self, inspector):
        await take(inspector, [participant()])
        other = await anew(inspector)
        async with running(inspector.database_url, project=uuid4().hex) as elsewhere:
            assert await stored(replace(elsewhere, project_id=inspector.project_id)) == (2, 0, 0, 1)
        assert await stored(other) == (0, 0, 0, 0)

    async def test_more_refused_rows_than_anybody_reads_break_it_off(self, inspector, monkeypatch):
        monkeypatch.setattr(module, "MAX_REFUSED", 5)
        assert len((await take(inspector, map(refusal, range(5)))).refused) == 5
        with pytest.raises(SourceError, match=r"more than 5 rows are refused; this one: should be JSON") as caught:
            await take(inspector, [participant()], map(refusal, range(1, 100)))
        assert caught.value.line == 6
        assert await stored(inspector) == (0, 0, 0, 0)


class TestBatches:
    async def test_hold_all_rows_in_order(self, monkeypatch):
        monkeypatch.setattr(module, "BATCH", 3)
        assert [batch async for batch in in_batches(iter(range(7)))] == [[0, 1, 2], [3, 4, 5], [6]]
        assert [batch async for batch in in_batches(iter(()))] == []

    async def test_pass_on_what_goes_wrong(self):
        def rows():
            yield 1
            raise SourceError("damaged")

        with pytest.raises(SourceError, match="damaged"):
            [batch async for batch in in_batches(rows())]


async def test_plans_are_simulated_into_the_tables(inspector):
    heard = []
    plans = sample_plans()[:2]
    receipt = await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, plans, heard.append)
    assert receipt.calls == ["multiparty", "one-to-one"]
    assert receipt.accepted == sum(len(list(simulate_call(plan))) for plan in plans)
    assert sum(heard) == pytest.approx(2)
    assert len(heard) > 20


# Everything that can be asked of a call, but for ids, and what depends on when it was derived.

UNALIKE = {"id", "derivedAt", "expiresAt", "call"}
NAMES = {
    "Call": "callId",
    "Meeting": "number",
    "Participant": "participantId",
    "ConnectionRecord": "connectionId",
    "Stream": "streamId",
    "Subscriber": "subscriberId",
}


def selection(type_: GraphQLObjectType, first: int = 0) -> str:
    """All leaves of a type and of what is embedded in it, the names of what it refers to, and so much of its lists."""
    parts = []
    for name, field in type_.fields.items():
        inner = get_named_type(field.type)
        if name in UNALIKE or any(map(is_required_argument, field.args.values())):
            continue
        if is_leaf_type(inner):
            parts.append(name)
        elif "nodes" in inner.fields:
            rows = selection(get_named_type(inner.fields["nodes"].type))
            parts.append(f"{name}(first: {first}) {{ totalCount nodes {{ {rows} }} }}" if first else "")
        elif inner.name not in NAMES:
            parts.append(f"{name} {{ {selection(inner)} }}")
        else:
            parts.append(f"{name} {{ {NAMES[inner.name]} }}")
    return " ".join(parts)


CALL, MEETING = (SCHEMA._schema.get_type(name) for name in ("Call", "Meeting"))
QUERIES = [
    f"query($call: String!) {{ call(callId: $call) {{ {selection(CALL, first=100)} }} }}",
    f"query($call: String!) {{ call(callId: $call) {{ meetings(first: 3) {{ nodes {{ {selection(MEETING, first=40)} }} }} }} }}",
]


def rounded(value):
    """Sums of floats depend on their order in the last digits."""
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def differences(one, other, path=""):
    """Where two answers differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [found for name in one for found in differences(one[name], other[name], f"{path}.{name}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for place, pair in pairs for found in differences(*pair, f"{path}[{place}]")]
    return [] if one == other else [f"{path}: {one!r} is not {other!r}"]


async def answers(inspector, *calls):
    headers = {"authorization": f"Bearer {inspector.key}", "accept": "application/json"}
    found = []
    for call in calls:
        for query in QUERIES:
            content = {"query": query, "variables": {"call": call}}
            answer = (await inspector.client.post("/graphql", json=content, headers=headers)).json()
            assert "errors" not in answer, answer["errors"]
            assert answer["data"]["call"] is not None
            found.append(rounded(answer["data"]))
    return found


async def told_in_order(shared, told, *calls):
    inspector = await anew(shared)
    await inspector.tell(told)
    return await answers(inspector, *calls)


async def told_in_pieces(shared, told, seed, *calls):
    """Shuffled, partly repeated, in several batches of any size, with and without settling in between."""
    chance = random.Random(seed)
    rest = chance.sample(told, len(told)) + chance.sample(told, len(told) // 3)
    chance.shuffle(rest)
    inspector = await anew(shared)
    while rest:
        size = chance.choice([1, len(rest) // 3 + 1, len(rest)])
        await inspector.tell(rest[:size], settled=chance.random() < 0.6)
        rest = rest[size:]
    await inspector.settle()
    return await answers(inspector, *calls)


EXAMPLES = {
    "deadline": None,
    "phases": [Phase.explicit, Phase.generate],
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


def small(call_id, platform, *faults, **rest):
    return CallPlan(call_id, platform, STARTED_AT, 1, faults=faults, interval_seconds=20, **rest)


SIMULATED = [
    record
    for plan in (
        small("acs", Platform.ACS, Fault(FaultKind.SUBSCRIBE_FAILED, 0, 20, 1), participants=2, kinds=(EndpointKind.SIP,)),
        small(
            "vonage", Platform.VONAGE, Fault(FaultKind.CONNECTION_DROP, 20, 10, 1), participants=2, subscribers=1, redacted=(1,)
        ),
        small("failed", Platform.JITSI, Fault(FaultKind.DEAD_RELAY, 0, 600), participants=1),
    )
    for record in simulate_call(plan)
]


@settings(max_examples=6, **EXAMPLES)
@given(seed=st.integers(0, 2**32))
async def test_simulated_calls_may_come_in_any_order_in_any_pieces(shared, seed):
    calls = ["acs", "vonage", "failed"]
    pieces, whole = await told_in_pieces(shared, SIMULATED, seed, *calls), await told_in_order(shared, SIMULATED, *calls)
    assert differences(pieces, whole) == []


IDS = st.sampled_from(["a", "b"])
MAYBE = st.none() | IDS
INSTANTS = st.none() | st.sampled_from([at(minute) for minute in (-30, 0, 0.005, 1, 2, 25)])
VERSIONS = st.sampled_from([0, 0, 0, 1])
FAILURES = st.none() | st.fixed_dictionaries({"code": st.sampled_from([None, 9, 10]), "message": st.sampled_from([None, "m"])})
PLACES = {"connection_id": MAYBE, "participant_id": MAYBE}


def odd(type_, **fields):
    return st.fixed_dictionaries({"version": VERSIONS, **fields}).map(lambda found: tell(type_, **found))


ODD = st.one_of(
    odd("call", started_at=INSTANTS, ended_at=INSTANTS, platform=st.sampled_from([None, "ACS", "VONAGE"])),
    odd(
        "participant",
        participant_id=IDS,
        display_name=st.sampled_from([None, "Ada", "Bob"]),
        sdk=st.none() | st.fixed_dictionaries({"name": MAYBE, "version": st.sampled_from(["1", "2"])}),
        devices=st.none() | st.lists(st.sampled_from([{"kind": "CAMERA"}, {"kind": "SPEAKER", "label": "l"}]), max_size=2),
    ),
    odd(
        "connection",
        connection_id=IDS,
        participant_id=MAYBE,
        attempted_at=INSTANTS,
        connected_at=INSTANTS,
        failed_at=INSTANTS,
        closed_at=INSTANTS,
        close_reason=st.sampled_from([None, "failed", "left"]),
        error=FAILURES,
    ),
    odd("stream", stream_id=IDS, **PLACES, published_at=INSTANTS, failed_at=INSTANTS, unpublished_at=INSTANTS, error=FAILURES),
    odd("subscriber", subscriber_id=IDS, stream_id=IDS, **PLACES, subscribed_at=INSTANTS, failed_at=INSTANTS, ended_at=INSTANTS),
    odd(
        "event",
        at=st.sampled_from([at(minute) for minute in (-20, 0, 1, 3)]),
        category=st.sampled_from(["OTHER", "CONNECTION"]),
        name=IDS,
        severity=st.sampled_from(["INFO", "ERROR"]),
        participant_id=st.sampled_from([None, None, None, "a"]),
        connection_id=MAYBE,
        stream_id=MAYBE,
    ),
    st.fixed_dictionaries(
        {
            "metric": st.sampled_from(["BITRATE", "JITTER"]),
            "direction": st.sampled_from(["PUBLISH", "SUBSCRIBE"]),
            "values": st.lists(st.integers(0, 3), min_size=1, max_size=3),
            "start": st.integers(-30, 30),
            "subject": st.dictionaries(
                st.sampled_from(["connection_id", "participant_id", "stream_id", "subscriber_id"]), IDS, min_size=1
            ),
        }
    ).map(
        lambda found: tell(
            "samples",
            metric=found["metric"],
            direction=found["direction"],
            media="AUDIO",
            times=[at(found["start"] + number).timestamp() * 1000 for number in range(len(found["values"]))],
            values=found["values"],
            **found["subject"],
        )
    ),
    st.tuples(st.sampled_from(["stream_id", "subscriber_id"]), IDS, INSTANTS, VERSIONS, st.integers(0, 9)).map(
        lambda found: tell("totals", **{found[0]: found[1]}, at=found[2], version=found[3], packets=found[4], media="AUDIO")
    ),
    odd("warning", kind=st.just("TRUNCATED"), message=IDS, participant_id=MAYBE),
)


@settings(max_examples=40, **EXAMPLES)
@given(told=st.lists(ODD, min_size=25, max_size=40), seed=st.integers(0, 2**32))
async def test_odd_telemetry_may_come_in_any_order_in_any_pieces(shared, told, seed):
    # Without any instant, a call is as old as its telemetry, which came to the two projects at different times.
    told = [*told, tell("event", at=at(0), category="OTHER", name="anchor")]
    pieces, whole = await told_in_pieces(shared, told, seed, "x"), await told_in_order(shared, told, "x")
    assert differences(pieces, whole) == []


def test_the_queries_ask_for_much():
    words = QUERIES[0].split()
    for field in ("participantId", "sdks", "endedAt", "averages", "p95", "recommendation", "warnings", "outcome", "packetsLost"):
        assert field in words
    assert len(words) > 250
