"""What was told is found where it is about someone or names it, and rewritten; live and saved alike."""

from datetime import timedelta

import pytest

from callscope.storage.elsewhere import Elsewhere
from callscope.storage.erasure_rows import ErasureRows
from callscope.storage.keys import key_of
from callscope.telemetry import ConnectionRecord, EventRecord, ParticipantRecord, StreamRecord, SubscriberRecord
from callscope.vocabulary import EventCategory
from tests.aging import ROOM
from tests.inspector import Inspector
from tests.saving import saved

CALL = key_of("talk")


@pytest.fixture(params=["live", "saved"])
async def rows(request: pytest.FixtureRequest, inspector: Inspector) -> ErasureRows:
    at = ROOM.started_at
    event = {"call_id": "talk", "at": at + timedelta(seconds=1), "category": EventCategory.OTHER}
    await inspector.tell(
        [
            ParticipantRecord(call_id="talk", participant_id="ann", display_name='Ann "A" L\u00e9e'),
            ParticipantRecord(call_id="talk", participant_id="bo", display_name="Bo"),
            ConnectionRecord(call_id="talk", connection_id="a1", participant_id="ann", connected_at=at),
            ConnectionRecord(call_id="talk", connection_id="b1", participant_id="bo", connected_at=at, close_reason="for ANN"),
            StreamRecord(call_id="talk", stream_id="s1", connection_id="a1", published_at=at),
            SubscriberRecord(call_id="talk", subscriber_id="s1", stream_id="s1", connection_id="b1", subscribed_at=at),
            EventRecord(**event, name="own", participant_id="ann"),
            EventRecord(**event, name="by way", connection_id="a1"),
            EventRecord(**event, name="said", participant_id="bo", message='Ann "A" L\u00e9e left'),
            EventRecord(**event, name="held", participant_id="bo", payload={"who": ['ann "a" l\u00e9e']}),
            EventRecord(**event, name="else", participant_id="bo", message="An apple"),
        ]
    )
    if request.param == "saved":
        await saved(inspector, "talk")
    return ErasureRows(Elsewhere(inspector.connection, request.param), inspector.project_id, CALL)


async def test_ids_and_names_are_those_that_were_told_and_those_that_follow(rows: ErasureRows) -> None:
    assert await rows.exist()
    assert await rows.names("ann") == {'Ann "A" L\u00e9e'}
    assert [await rows.ids(kind, "ann") for kind in ("connection", "stream", "subscriber")] == [{"a1"}, {"s1"}, set()]
    # What another one's stream is called, too, is not its own.
    assert await rows.ids("subscriber", "bo") == set()
    assert await rows.names("nobody") == set()


async def test_records_are_found_by_ids_and_by_words(rows: ErasureRows) -> None:
    told = await rows.records([["ann"], ["a1"], ["s1"], []], ["ann"])
    assert sorted(each.kind for each in told) == [
        "connection",
        "connection",
        "mention",
        "mention",
        "participant",
        "stream",
        "subscriber",
    ]
    assert await rows.records([[], [], [], []], []) == []
    assert [each.body["displayName"] for each in await rows.records([[], [], [], []], ['"a" l\u00e9e'])] == ['Ann "A" L\u00e9e']


async def test_events_are_found_by_whom_they_name_and_by_words(rows: ErasureRows) -> None:
    keys = [[key_of("participant", "ann")], [key_of("connection", "a1")], []]
    told = await rows.events(keys, ['ann "a" l\u00e9e'])
    assert sorted(each.name for each in told) == ["by way", "held", "own", "said"]
    await rows.rewrite_events([each._replace(name="new", payload={"n": 1}, participant_key=5) for each in told])
    again = await rows.events([[5], [], []], [])
    assert [(each.name, each.payload) for each in again] == [("new", {"n": 1})] * 4
    assert [each.name for each in await rows.events([[], [], []], ["an apple"])] == ["else"]


async def test_records_take_the_place_of_others_and_arrive_with_them(rows: ErasureRows, inspector: Inspector) -> None:
    (one,) = await rows.records([[], [], [], []], ['"a" l\u00e9e'])
    await rows.add_records([(one._replace(record_key=77, body={"participantId": "x"}), one.record_key)])
    await rows.rewrite_records([one._replace(kind="erased", body={})])
    assert await rows.names("ann") == set()
    table = f"{rows._connection._schema}.record"
    text = f"select record_key, kind, received_at from {table} where record_key = any($1) order by kind"
    erased, added = await inspector.connection.fetch(text, [77, one.record_key])
    assert (erased["kind"], added["kind"], added["record_key"]) == ("erased", "participant", 77)
    assert erased["received_at"] == added["received_at"]
