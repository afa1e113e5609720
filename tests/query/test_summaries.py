"""Summaries of large rows: kept by revision, of one revision with all else, and byte by byte what they are without being kept."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import strawberry
from graphql import get_named_type, is_composite_type
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from callscope.ingest import ingest_plans
from callscope.query import plan as plans
from callscope.query.bindings import Argument, Items, Many, One, Revised, binding_of, column, one, refetch, table_of
from callscope.query.operation import Engine
from callscope.query.parameters import Reader
from callscope.query.plan import BoundPlan
from callscope.query.summaries import MARK, Compute, SummaryKey
from callscope.schema.node import table
from callscope.schema.root import CORE_SCHEMA, LIVE_TABLES, SETTLED_TABLES, engine
from callscope.storage.pool import Pool
from callscope.telemetry import ConnectionRecord, ParticipantRecord
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.plans import STARTED_AT, sample_plans
from tests.query.documents import GIVEN
from tests.query.operations import NODES, Material, material, operations
from tests.query.statements import compiled, tables, unnarrowed, unused
from tests.saving import saved

ENGINE = engine()
TYPES = [type_ for type_, of in ENGINE.nodes.values() if of.revised is not None]
FIELDS = [
    (type_, name)
    for type_ in TYPES
    for name, definition in type_.fields.items()
    if isinstance(binding := binding_of(definition), Items | One | Many) and binding.summary
]
"""Every summary of the schema."""
ISSUES = "issueSummary { kind severity count participantCount recoveredCount totalSeconds }"
WHOLE = f"{{ callId isLarge {ISSUES} meetings {{ nodes {{ number isLarge {ISSUES} }} }} }}"


@pytest.fixture(scope="module")
async def large(servers, migrated) -> AsyncIterator[Inspector]:
    """Calls of which most are large, one of them saved: tests only read."""
    async with new_database(servers, template=migrated) as url, running(url) as found:
        await found.connection.execute("update callscope.project set large_meeting_subscribers = 1")
        await ingest_plans(found.connection, url, found.project_id, sample_plans())
        await found.settle()
        await saved(found, "room", "The room")
        yield found


@pytest.fixture(scope="module")
async def stored(large: Inspector) -> Material:
    return await material(large)


@pytest.fixture
async def pool(large: Inspector) -> AsyncIterator[Pool]:
    async with Pool(large.database_url, size=4) as made:
        yield made


class Kept:
    """Keeps all, and tells what it was asked for."""

    def __init__(self, before: Callable[[], Any] | None = None) -> None:
        self.values: dict[SummaryKey, bytes] = {}
        self.computed: list[tuple[SummaryKey, bytes | None]] = []
        self.before = before
        self.turn = asyncio.Lock()

    def known(self, key: SummaryKey) -> bytes | None:
        return self.values.get(key)

    async def get(self, key: SummaryKey, compute: Compute) -> bytes | None:
        if self.before is not None:
            async with self.turn:
                await self.before()
        value = await compute()
        self.computed.append((key, value))
        if value is not None:
            self.values[key] = value
        return value


def bound(found: Inspector, text: str, variables: dict[str, Any] | None = None) -> BoundPlan:
    operation = ENGINE.operation(text, None)
    coerced = operation.variables(variables or {})
    return ENGINE.plan(operation, coerced).bound(Reader(found.project_id), coerced)


async def plainly(found: Inspector, text: str, variables: dict[str, Any] | None = None) -> bytes:
    """The data of an answer in which no summary was looked for."""
    return (await bound(found, text, variables).run(found.connection)).data


def selection(type_: Any, name: str) -> str:
    """A summary with all that lies in its own rows."""
    definition = type_.fields[name]
    given = [f"{argument}: {GIVEN[argument]}" for argument in definition.args if argument in GIVEN]
    inside = " ".join(_leaves(get_named_type(definition.type)))
    arguments = f"({', '.join(given)})" if given else ""
    return f"{name}{arguments} {{ {inside} }}"


def _leaves(type_: Any) -> list[str]:
    plain = [name for name, definition in type_.fields.items() if not definition.args]
    named = {name: get_named_type(type_.fields[name].type) for name in plain}
    return [
        name if not is_composite_type(of) else f"{name} {{ {' '.join(_leaves(of))} }}"
        for name, of in named.items()
        if not (is_composite_type(of) and table_of(of))
    ]


def test_calls_and_their_meetings_have_summaries() -> None:
    names = ("issueSummary", "connectionSummary", "subscriberSummary", "metricBands", "worstSeries")
    assert {(type_.name, name) for type_, name in FIELDS} == {(of, name) for of in ("Call", "Meeting") for name in names}


@pytest.mark.parametrize(("type_", "name"), FIELDS, ids=str)
def test_every_summary_can_be_kept_and_is_narrowed_to_its_project(type_: Any, name: str) -> None:
    (tag,) = (tag for tag, known in NODES.items() if known == type_.name)
    for prefix in ("", "saved"):
        ids = "_".join([prefix + tag, *"1" * len(ENGINE.nodes[tag][1].keys)])
        (statement,) = compiled(ENGINE, f'{{ node(id: "{ids}") {{ ... on {type_.name} {{ {selection(type_, name)} }} }} }}', {})
        (summary,) = statement.summaries
        for part in (statement, statement.places, summary):
            assert tables(part.sql)
            assert unnarrowed(part.sql) == []
            assert unused(part) == set()
        assert summary.place == f"{prefix or 'live'}.{table_of(type_).name}"


async def test_a_summary_is_read_once_for_each_revision(large: Inspector, pool: Pool) -> None:
    text = f'{{ call(callId: "broadcast") {WHOLE} }}'
    plan, kept = bound(large, text), Kept()
    answers = [(await plan.read(pool.read, kept)).data for _ in range(3)]
    assert set(answers) == {await plainly(large, text)}
    assert {key.project_id for key, _ in kept.computed} == {large.project_id}
    assert [(key.place, key.keys.count("_")) for key, _ in kept.computed] == [("live.call", 0), ("live.meeting", 1)]
    assert MARK.encode() not in answers[0]


async def test_what_is_selected_and_the_arguments_tell_summaries_apart(large: Inspector, pool: Pool) -> None:
    kept = Kept()
    for inside in ("kind", "kind: count", "kind count", "kind"):
        text = f'{{ call(callId: "broadcast") {{ issueSummary {{ {inside} }} }} }}'
        assert (await bound(large, text).read(pool.read, kept)).data == await plainly(large, text)
    assert len(kept.values) == 3


async def test_small_rows_are_read_as_ever(large: Inspector, pool: Pool) -> None:
    await large.connection.execute("update live.meeting set is_large = false where number = 1")
    text, kept = f'{{ call(callId: "room") {WHOLE} }}', Kept()
    assert (await bound(large, text).read(pool.read, kept)).data == await plainly(large, text)
    assert [key.place for key, _ in kept.computed] == ["live.call", "live.meeting"]
    await large.connection.execute("update live.meeting set is_large = true where number = 1")


async def test_the_statement_of_large_rows_has_no_summaries_in_it(large: Inspector, pool: Pool) -> None:
    """Once all rows were large, and not where some are small; a row may become either."""
    plan, kept = bound(large, f'{{ calls(filter: {{callIds: ["room", "broadcast"]}}) {{ nodes {{ {ISSUES} }} }} }}'), Kept()
    (statement,) = [part.statement for part in plan.parts]
    assert len(statement.places.sql) < len(statement.sql)

    async def ran() -> list[bool]:
        """Whether each statement was the short one."""
        seen = []

        async def logged(run: Any) -> Any:
            async def watched(connection: Any) -> Any:
                with connection.query_logger(lambda record: seen.append(record.query)):
                    answer = await run(connection)
                    await asyncio.sleep(0)  # asyncpg tells its loggers from the event loop
                    return answer

            return await pool.read(watched)

        answer = (await plan.read(logged, kept)).data
        assert answer == (await plan.run(large.connection)).data
        assert MARK.encode() not in answer
        return [query == statement.places.sql for query in seen if query in (statement.sql, statement.places.sql)]

    async def make(is_large: bool, call_id: str) -> None:
        await large.connection.execute("update live.call set is_large = $1 where call_id = $2", is_large, call_id)

    try:
        await make(False, "room")
        await make(False, "broadcast")
        assert [await ran() for _ in range(2)] == [[False], [False]]
        await make(True, "room")
        await make(True, "broadcast")
        assert [await ran() for _ in range(3)] == [[False], [True], [True]]
        await make(False, "room")
        assert [await ran() for _ in range(3)] == [[True, False], [False], [False]]
    finally:
        await make(True, "room")


async def test_saved_calls_and_live_ones_are_kept_apart(large: Inspector, pool: Pool) -> None:
    text = f'{{ savedSessions {{ nodes {{ call {WHOLE} }} }} live: call(callId: "room") {WHOLE} }}'
    kept = Kept()
    assert (await bound(large, text).read(pool.read, kept)).data == await plainly(large, text)
    assert {key.place for key, _ in kept.computed} == {"saved.call", "saved.meeting", "live.call", "live.meeting"}


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
async def test_whatever_is_asked_kept_answers_are_the_same_bytes(large: Inspector, stored: Material, data: st.DataObject) -> None:
    written = data.draw(operations(stored))
    first, second = [(await large.post(written.text, **written.variables)).content for _ in range(2)]
    if b'"errors"' in first or b"recentlyInspected" in written.text.encode():
        return
    assert first == second
    plain = await plainly(large, written.text, written.variables)
    assert first.startswith(b'{"data":' + plain + b',"extensions"')


async def test_more_places_than_are_worth_it_are_read_at_once(
    large: Inspector, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, kept = f"{{ calls {{ nodes {WHOLE} }} }}", Kept()
    assert (await bound(large, text).read(pool.read, kept)).data == await plainly(large, text)
    places = len(kept.computed)
    assert places > 4
    for most, computed in ((places, places), (places - 1, 0)):
        monkeypatch.setattr(plans, "MAX_PLACES", most)
        kept = Kept()
        assert (await bound(large, text).read(pool.read, kept)).data == await plainly(large, text)
        assert len(kept.computed) == computed


class TestRevisions:
    """On a call of its own, which changes while it is read."""

    @pytest.fixture
    async def busy(self, inspector: Inspector) -> Inspector:
        await inspector.connection.execute("update callscope.project set large_meeting_subscribers = 1")
        await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, sample_plans()[2:3])
        await inspector.settle()
        return inspector

    @staticmethod
    def change(found: Inspector, times: int) -> Callable[[], Any]:
        """Settles a failure more, so many times."""
        left = iter(range(times))

        async def happens() -> None:
            number = next(left, None)
            if number is not None:
                at = STARTED_AT.replace(hour=11, second=number + 1)
                own = {"participant_id": f"late-{number}", "connection_id": f"late-{number}"}
                await found.tell([ConnectionRecord(call_id="broadcast", **own, attempted_at=at, failed_at=at)])

        return happens

    TEXT = '{ call(callId: "broadcast") { freshness { derivedAt } issueSummary { kind count } again: issueSummary { count } } }'

    @pytest.mark.parametrize("times", [1, 2, plans.ATTEMPTS - 1, plans.ATTEMPTS, plans.ATTEMPTS + 9])
    async def test_answers_are_of_one_revision_whatever_happens(self, busy: Inspector, times: int) -> None:
        """Each time that a summary is looked for, the call has another revision by then."""
        async with Pool(busy.database_url, size=2) as pool:
            kept = Kept(before=self.change(busy, times))
            answer = (await bound(busy, self.TEXT).read(pool.read, kept)).data
        assert answer == await plainly(busy, self.TEXT)
        assert MARK.encode() not in answer
        computed = [key for key, value in kept.computed if value is not None]
        assert len(set(computed)) == len(computed)
        found = json.loads(answer)["call"]
        assert [kind["count"] for kind in found["issueSummary"]] == [kind["count"] for kind in found["again"]]

    async def test_a_call_that_goes_meanwhile_is_gone(self, busy: Inspector) -> None:
        async def goes() -> None:
            await busy.connection.execute("delete from live.call")

        async with Pool(busy.database_url, size=2) as pool:
            answer = await bound(busy, self.TEXT).read(pool.read, Kept(before=goes))
        assert (answer.data, answer.found) == (b'{"call":null}', [])

    async def test_a_call_that_comes_again_has_other_revisions(self, busy: Inspector) -> None:
        kept = Kept()
        async with Pool(busy.database_url, size=2) as pool:
            for _ in range(2):
                await bound(busy, self.TEXT).read(pool.read, kept)
                for name in ("call", "record", "issue", "meeting"):
                    await busy.connection.execute(f"delete from live.{name}")
                await ingest_plans(busy.connection, busy.database_url, busy.project_id, sample_plans()[2:3])
                await busy.settle()
        revisions = {key.revision for key, _ in kept.computed}
        assert len(revisions) == 2
        assert {revision.partition(".")[0] for revision in revisions} == {"1"}

    async def test_an_answer_may_hold_what_looks_like_a_place(self, busy: Inspector) -> None:
        """Nobody outside can know the mark."""
        name = f"{'0' * len(MARK)}~0~1~1.1"
        await busy.tell([ParticipantRecord(call_id="broadcast", participant_id="forger", display_name=name)])
        text = f'{{ call(callId: "broadcast") {{ participant(participantId: "forger") {{ displayName }} {ISSUES} }} }}'
        async with Pool(busy.database_url, size=2) as pool:
            kept = Kept()
            answer = (await bound(busy, text).read(pool.read, kept)).data
        assert len(kept.computed) == 1
        assert json.loads(answer)["call"]["participant"]["displayName"] == name
        assert answer == await plainly(busy, text)

    async def test_an_error_of_one_summary_is_that_of_the_answer(self, busy: Inspector) -> None:
        async def fails() -> None:
            raise TimeoutError

        async with Pool(busy.database_url, size=2) as pool:
            with pytest.raises(TimeoutError):
                await bound(busy, self.TEXT).read(pool.read, Kept(before=fails))
            await asyncio.sleep(0)


@pytest.fixture(scope="module")
def sums() -> Engine:
    """A schema of summaries of which some cannot be kept."""

    @strawberry.type
    class Other:
        count: int = column("(select count(*) from {event} own)", "Of a table that others than settling write.")

    @strawberry.type
    class Sum:
        plain: int = column("(select count(*) from {issue} own where own.call_key = {row}.call_key)", "Of settled tables.")
        late: str = column("now()::text", "Of the time.")
        mine: int = column("{key}", "Of who asks.")
        explained: int = column("(select count(*) from {code_explanation} own)", "Of what comes with the package.")
        other: Other = one("Inside.", source="select {parent}.call_key")

    @strawberry.type
    @table("call", "call_key", tag="call", revised=Revised("{row}.revision::text", "true"))
    class Row:
        sum: Sum = one("Summary.", source="select {parent}.call_key", summary=True)
        unkept: Sum = one("None.", source="select {parent}.call_key")

    @strawberry.type
    class Query:
        node: Row | None = refetch("Any.", (Argument("id", strawberry.ID, "Id."),))

    schema = strawberry.Schema(Query)._schema
    return Engine(schema, LIVE_TABLES, {"code_explanation": "callscope.code_explanation"}, settled=SETTLED_TABLES)


@pytest.mark.parametrize(
    ("inside", "is_kept"),
    [
        ("sum { plain }", True),
        ("sum { plain __typename }", True),
        ("sum { late }", False),
        ("sum { mine }", False),
        ("sum { explained }", False),
        ("sum { other { count } }", False),
        ("sum { plain other { __typename } }", True),
        ("unkept { plain }", False),
        ("__typename", False),
    ],
)
def test_what_hangs_on_more_than_the_revision_is_not_kept(sums: Engine, inside: str, is_kept: bool) -> None:
    (statement,) = compiled(sums, f'{{ node(id: "call_1") {{ ... on Row {{ {inside} }} }} }}', {})
    assert len(statement.summaries) == is_kept
    assert unused(statement) == set()
    assert (statement.parameters.marker_at is not None) == is_kept


def test_no_statement_hangs_on_a_time_that_the_compiler_does_not_see() -> None:
    for type_ in CORE_SCHEMA.type_map.values():
        for definition in getattr(type_, "fields", {}).values():
            text = repr(binding_of(definition)) if hasattr(definition, "extensions") else ""
            assert not any(other in text for other in ("current_time", "current_date", "_timestamp()", "random()", "timeofday"))
