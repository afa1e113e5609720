"""What has passed its time is gone for readers at once, although it is on the disk still."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callscope.api.keys import Keyring
from callscope.schema.root import CORE_SCHEMA, engine
from callscope.telemetry import CallRecord, ConnectionRecord
from callscope.vocabulary import Platform
from tests.aging import LATER_ROOM, ROOM, SECOND, age, expire, read
from tests.inspector import Inspector
from tests.reads import ids_in, is_page, reached, reads
from tests.saving import change, codes, global_id, saved
from tests.test_ingest import differences

LISTS = [name for name, definition in CORE_SCHEMA.query_type.fields.items() if is_page(definition)]


@pytest.fixture
def filled(aging: Inspector) -> Inspector:
    return aging


async def everything_of(found: Inspector, call_id: str) -> dict[str, Any]:
    return await reached(found, {await global_id(found, call_id)})


# Whole calls


async def test_an_expired_call_is_gone_everywhere_and_nothing_else_changed(filled: Inspector) -> None:
    await global_id(filled, "room")  # which makes it one that was inspected
    gone = set(await everything_of(filled, "room"))
    assert {id_.partition("_")[0] for id_ in gone} >= {
        "call",
        "meeting",
        "participant",
        "connection",
        "stream",
        "event",
        "series",
    }
    beside = await everything_of(filled, "one-to-one")
    await expire(filled, "room")
    for id_ in sorted(gone):
        assert await filled.query("query ($id: ID!) { node(id: $id) { id } }", id=id_) == {"node": None}
    assert (await filled.query("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=sorted(gone)))["nodes"] == [None] * len(
        gone
    )
    answers = await reads(filled)
    assert ids_in(answers).isdisjoint(gone)
    assert {name: answers[name] for name in beside} == beside
    for name in LISTS:
        page = (await filled.query(f"{{ page: {name}(first: 1000) {{ totalCount nodes {{ id }} }} }}"))["page"]
        assert page["totalCount"] == len(page["nodes"])
    assert await filled.query('{ call(callId: "room") { id } recentlyInspectedCalls { callId } }') == {
        "call": None,
        "recentlyInspectedCalls": [{"callId": "one-to-one"}],
    }
    call = next(id_ for id_ in gone if id_.startswith("call_"))
    for text in (
        "query ($id: ID!) { page: participants(filter: {calls: [$id]}) { totalCount } }",
        "query ($id: ID!) { page: events(filter: {calls: [$id]}) { totalCount } }",
        "query ($id: ID!) { page: meetings(filter: {calls: [$id]}) { totalCount } }",
    ):
        assert (await filled.query(text, id=call))["page"]["totalCount"] == 0
    evaluate = "query ($id: ID!) { evaluateIssues(callId: $id, rules: []) { kind } }"
    assert (await filled.query(evaluate, id=call))["evaluateIssues"] == []


async def test_a_call_can_be_read_until_then(filled: Inspector) -> None:
    before = await read(filled, "room")
    await expire(filled, "room", timedelta(seconds=60))
    assert await read(filled, "room") == before


async def test_a_shorter_retention_holds_at_once_and_a_longer_one_too(filled: Inspector) -> None:
    await filled.connection.execute("update live.record set received_at = received_at - interval '30 hours'")
    await filled.connection.execute("truncate live.meeting, live.call")
    await filled.connection.execute(
        "insert into live.call_change (project_id, call_key) select distinct project_id, call_key from live.record"
    )
    await filled.settle()
    text = "{ calls { nodes { callId expiresAt } } }"
    before = {node["callId"]: datetime.fromisoformat(node["expiresAt"]) for node in (await filled.query(text))["calls"]["nodes"]}
    for days, kept in ((1, False), (2, True), (3, True)):
        await filled.connection.execute("update callscope.project set retention_days = $1", days)
        nodes = (await filled.query(text))["calls"]["nodes"]
        expected = {name: end - timedelta(days=20 - days) for name, end in before.items()} if kept else {}
        assert {node["callId"]: datetime.fromisoformat(node["expiresAt"]) for node in nodes} == expected


async def test_retention_counts_from_the_last_meetings_start_or_from_arrival(inspector: Inspector) -> None:
    now = datetime.now(UTC)
    own = {"call_id": "soon", "participant_id": "a"}
    start = now + timedelta(hours=3)
    await inspector.tell(
        [
            ConnectionRecord(**own, connection_id="1", connected_at=now - timedelta(days=1), closed_at=now - timedelta(hours=20)),
            ConnectionRecord(**own, connection_id="2", connected_at=start, closed_at=start + timedelta(minutes=5)),
            CallRecord(call_id="old", platform=Platform.OTHER, started_at=now - timedelta(days=400)),
        ]
    )
    ends = {
        node["callId"]: datetime.fromisoformat(node["expiresAt"])
        for node in (await inspector.query("{ calls { nodes { callId expiresAt } } }"))["calls"]["nodes"]
    }
    assert ends["soon"] == start + timedelta(days=20)
    assert abs(ends["old"] - now - timedelta(days=20)) < timedelta(minutes=1)
    rows = await inspector.connection.fetch(
        "select number, is_outlived, expires_at - received_at as lasts from live.meeting order by 1"
    )
    assert [(row["number"], row["is_outlived"]) for row in rows] == [(1, True), (2, False)]
    assert rows[0]["lasts"] == timedelta(days=20)


async def test_an_old_meeting_that_is_imported_later_counts_from_then(filled: Inspector) -> None:
    await filled.connection.execute("update live.meeting set received_at = received_at - interval '5 days'")
    older = ROOM.started_at - timedelta(days=30)
    await filled.tell(
        [
            ConnectionRecord(
                call_id="room", connection_id="older", participant_id="a", connected_at=older, closed_at=older + 9 * SECOND
            )
        ]
    )
    rows = await filled.connection.fetch(
        "select number, now() - received_at < interval '1 day' as is_new, is_outlived, expires_at - received_at as lasts"
        " from live.meeting where call_key = (select call_key from live.call where call_id = 'room') order by 1"
    )
    assert [tuple(row)[:3] for row in rows] == [(1, True, False), (2, False, True), (3, False, True)]
    assert {row["lasts"] for row in rows} == {timedelta(days=20)}


# Meetings inside of a reused call


def at(answer: dict[str, Any]) -> datetime:
    names = ("attemptedAt", "at", "startedAt", "firstJoinedAt")
    return datetime.fromisoformat(next(answer[name] for name in names if answer.get(name) is not None))


async def test_a_meeting_goes_alone(filled: Inspector) -> None:
    before = await everything_of(filled, "room")
    middle = LATER_ROOM.started_at - timedelta(minutes=5)
    own = {id_: answer for id_, answer in before.items() if not id_.startswith(("call_", "participant_"))}
    early = {id_ for id_, answer in own.items() if at(answer) < ROOM.started_at + timedelta(hours=1)}
    late = {id_ for id_, answer in own.items() if at(answer) > middle}
    between = own.keys() - early - late
    assert [own[id_].get("name") for id_ in between] == ["between"]
    people = {answer["participantId"]: id_ for id_, answer in before.items() if id_.startswith("participant_")}
    in_early, in_late = [
        {own[id_]["participant"]["id"] for id_ in part if id_.startswith("connection_")} for part in (early, late)
    ]
    assert people["early"] in in_early - in_late
    assert in_early & in_late
    assert in_late - in_early
    await age(filled, "room", 1)
    after = await everything_of(filled, "room")
    assert after.keys() == late | between | in_late | {id_ for id_ in before if id_.startswith("call_")}
    for id_ in late | between:
        assert differences({id_: own[id_]}, {id_: after[id_]}) == []
    gone = sorted((early | in_early) - in_late)
    assert (await filled.query("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=gone))["nodes"] == [None] * len(gone)
    answers = await reads(filled)
    assert ids_in(answers).isdisjoint(gone)
    text = """{ call(callId: "room") {
        report meeting(number: 1) { id } meetings { totalCount nodes { number report } }
        participant(participantId: "early") { id } events(filter: {include: ["early-event"]}) { totalCount }
        issueSummary { count }
    } calls(filter: {participant: "early"}) { totalCount } }"""
    answer = await filled.query(text)
    assert answer["calls"]["totalCount"] == 0
    call = answer["call"]
    assert (call["meeting"], call["participant"], call["events"]) == (None, None, {"totalCount": 0})
    assert [node["number"] for node in call["meetings"]["nodes"]] == [2]
    # Its words are those of both, until it is written anew.
    assert "being settled" in call["report"]
    assert "early" not in call["meetings"]["nodes"][0]["report"]
    id_ = next(id_ for id_ in before if id_.startswith("call_"))
    evaluate = "query ($id: ID!) { evaluateIssues(callId: $id, rules: []) { startedAt } }"
    found = (await filled.query(evaluate, id=id_))["evaluateIssues"]
    assert all(datetime.fromisoformat(one["startedAt"]) > middle for one in found)


async def test_the_last_meeting_may_go_before_the_first(filled: Inspector) -> None:
    await age(filled, "room", 2)
    after = await read(filled, "room")
    (kept,) = after["meetings"]["nodes"]
    assert kept["number"] == 1
    assert after["connections"]["nodes"]
    assert {each["meeting"]["id"] for each in after["connections"]["nodes"]} == {kept["id"]}


async def test_that_a_meeting_is_about_to_go_is_told_with_the_key(filled: Inspector) -> None:
    keyring = Keyring(filled_pool(filled))
    header = f"Bearer {filled.key}"
    assert (await keyring.grant(header)).reader.aging is False
    await filled.connection.execute("update live.meeting set expires_at = now() + interval '1 hour', is_outlived = number = 1")
    assert (await keyring.grant(header)).reader.aging is False
    await filled.connection.execute("update live.meeting set expires_at = now() + interval '5 seconds' where is_outlived")
    assert (await keyring.grant(header)).reader.aging is True


def filled_pool(found: Inspector) -> Any:
    class Alone:
        async def read(self, run: Any) -> Any:
            return await run(found.connection)

    return Alone()


async def test_what_ages_costs_nothing_while_nothing_does(filled: Inspector) -> None:
    made = engine()
    text = "{ calls { nodes { participants { nodes { connections { nodes { id } } streams { nodes { id } } } } } } }"
    operation = made.operation(text, None)
    usual, careful = [made.plan(operation, operation.variables({}), aging=aging).fields[0][1].sql for aging in (False, True)]
    assert "meeting" not in usual
    assert usual.count("expires_at") == 1
    assert careful.count("live.meeting") >= 4


# Saved sessions


async def test_an_expired_session_is_gone_everywhere(filled: Inspector) -> None:
    session = await saved(filled, "room", "mine", tags=["a"])
    await saved(filled, "one-to-one", "other")
    kept = set(await reached(filled, {session["call"]["id"]})) - {session["id"]}
    kept = {id_ for id_ in kept if id_.startswith("saved")}
    assert len(kept) > 50
    await filled.connection.execute("update callscope.saved_session set expires_at = now() where call_id = 'room'")
    ids = sorted(kept | {session["id"]})
    assert (await filled.query("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids))["nodes"] == [None] * len(ids)
    answer = await filled.query(
        """query ($id: ID!) {
            savedSession(id: $id) { id } savedSessions { totalCount nodes { name } } project { savedSessionCount }
            call(callId: "room") { savedSession { id } } calls(filter: {isSaved: true}) { nodes { callId } }
        }""",
        id=session["id"],
    )
    assert answer == {
        "savedSession": None,
        "savedSessions": {"totalCount": 1, "nodes": [{"name": "other"}]},
        "project": {"savedSessionCount": 1},
        "call": {"savedSession": None},
        "calls": {"nodes": [{"callId": "one-to-one"}]},
    }
    assert (
        await filled.query("query ($id: ID!) { evaluateIssues(callId: $id, rules: []) { kind } }", id=session["call"]["id"])
    ) == {"evaluateIssues": []}
    assert codes(await change(filled, "updateSavedSession", id=session["id"], name="b")) == [("NOT_FOUND", ("id",))]
    assert codes(await change(filled, "tagSession", id=session["id"], tags=[""])) == [
        ("NOT_FOUND", ("id",)),
        ("TAG_REQUIRED", ("tags", "0")),
    ]
    assert codes(await change(filled, "deleteSavedSessions", ids=[session["id"]])) == [("NOT_FOUND", ("ids", "0"))]


async def test_a_call_whose_session_expired_is_saved_as_if_it_never_was(filled: Inspector) -> None:
    await saved(filled, "room", "mine", tags=["a"])
    await filled.connection.execute("update callscope.project set saved_session_limit = 1")
    await filled.connection.execute(
        "update callscope.saved_session set expires_at = now() - interval '1 second', saved_at = saved_at - interval '2 years'"
    )
    session = await saved(filled, "one-to-one", "fills the place")
    payload = await change(filled, "saveSession", callId=await global_id(filled, "room"), name="again")
    assert codes(payload) == [("SAVED_SESSION_LIMIT", ("callId",))]
    await change(filled, "deleteSavedSessions", ids=[session["id"]])
    again = await saved(filled, "room", "again")
    assert (again["tags"], again["savedAt"]) == ([], again["updatedAt"])
    counts = [
        await filled.connection.fetchval(
            f"select count(*) from {place}.event join live.call using (call_key) where call_id = 'room'"
        )
        for place in ("saved", "live")
    ]
    assert counts[0] == counts[1] > 0
