"""Whoever is erased is found nowhere any more, and the calls that it was in are as they were."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from callscope import erasure
from callscope import saved as saving
from callscope.api.keys import Scope, create
from callscope.erasure import calls_of, erase
from callscope.export import export_call
from callscope.ingest import ingest_plans
from callscope.labels import labels
from callscope.settle import settle_call
from callscope.simulation import Fault, FaultKind, simulate_call
from callscope.storage.call_locks import WRITES
from callscope.storage.keys import key_of
from callscope.storage.ledger import Ledger
from callscope.storage.pool import connect
from callscope.storage.timeseries import Partitions
from callscope.telemetry import (
    TELEMETRY,
    ConnectionRecord,
    EventRecord,
    ParticipantRecord,
    SamplesRecord,
    StreamRecord,
    SubscriberRecord,
    WarningRecord,
)
from callscope.vocabulary import DataWarningKind, EventCategory
from tests.aging import LATER_ROOM, ROOM, mark_changed
from tests.inspector import Inspector
from tests.saving import change, codes, global_id, saved

FIGURES = """
    startedAt endedAt isLarge durationSeconds meanOpinionScore ratings { count average lowest }
    statistics {
        callType participantCount connectionCount streamCount subscriberCount sipParticipantCount maxConcurrentConnections
        publishedMinutes subscribedMinutes issueCount issueSeconds errorCount
        sdks { name version participantCount } endpoints { kind name version participantCount }
    }
    failureRates { connect { attempts failures } publish { attempts failures } subscribe { attempts failures } }
    issueSummary { kind severity count participantCount recoveredCount totalSeconds }
    freshness { missing warnings { kind } }
    events { totalCount } connections { totalCount } metricSeries { totalCount }
"""
CALL = f"""
{FIGURES} meetings {{ nodes {{ number {FIGURES.replace("ratings { count average lowest }", "")} }} }}
participants(first: 100) {{
    nodes {{
        participantId displayName kind location {{ city country }} userAgent devices {{ label }} issueCount errorCount rating
        meanOpinionScore connections {{ nodes {{ connectionId outcome durationSeconds disconnectReason error {{ message }} }} }}
        streams {{ nodes {{ streamId name totals {{ packets bytes }} }} }} subscribers {{ totalCount }}
        events(first: 200) {{ nodes {{ at name category message payload }} }}
        metricSeries(first: 200) {{ nodes {{ metric direction sampleCount average samples(maxPoints: 7) {{ averages }} }} }}
    }}
}}
"""


async def read(found: Inspector, call_id: str) -> dict[str, Any]:
    return (await found.query(f"query ($id: String) {{ call(callId: $id) {{ {CALL} }} }}", id=call_id))["call"]


async def read_saved(found: Inspector, call_id: str) -> dict[str, Any]:
    id_ = f"session_{key_of(call_id) % 2**64:x}"
    return (await found.query(f"query ($id: ID!) {{ savedSession(id: $id) {{ call {{ {CALL} }} }} }}", id=id_))["savedSession"][
        "call"
    ]


def figures(call: dict[str, Any]) -> dict[str, Any]:
    """All but who took part. Sums of numbers are taken in the order of ids."""
    kept = {name: value for name, value in call.items() if name != "participants"}
    return json.loads(json.dumps(kept), parse_float=lambda text: round(float(text), 9))


def people(call: dict[str, Any]) -> dict[str, Any]:
    """By their ids; what is ordered by ids of others is in another order."""
    found = {each["participantId"]: dict(each) for each in call["participants"]["nodes"]}
    for each in found.values():
        each["metricSeries"] = {"nodes": sorted(each["metricSeries"]["nodes"], key=json.dumps)}
    return found


async def traces(found: Inspector, *texts: str) -> list[tuple[str, str]]:
    """Where any of these texts stands in the database, in whichever table that holds a project's data."""
    tables = await found.connection.fetch(
        "select table_schema || '.' || table_name as name from information_schema.tables"
        " where table_schema in ('live', 'saved', 'callscope') and table_name !~ '_p[0-9]{8}$|code_explanation'"
    )
    left = []
    for table in sorted(row["name"] for row in tables):
        for text in texts:
            escaped = json.dumps(text, ensure_ascii=False)[1:-1]
            rows = await found.connection.fetchval(
                f"select count(*) from {table} t where strpos(t::text, $1) > 0 or strpos(t::text, $2) > 0", text, escaped
            )
            left += [(table, text)] * bool(rows)
    return left


async def identifiers(found: Inspector, call_id: str, participant_id: str) -> list[str]:
    """All that tells who somebody is, as it was told."""
    everybody = people(await read(found, call_id))
    person = everybody[participant_id]
    texts = {participant_id, person["displayName"]}
    texts |= {each["connectionId"] for each in person["connections"]["nodes"]}
    texts |= {each["streamId"] for each in person["streams"]["nodes"]}
    others = {device["label"] for id_, each in everybody.items() if id_ != participant_id for device in each["devices"]}
    texts |= {device["label"] for device in person["devices"]} - others
    rows = await found.connection.fetch(
        "select subscriber_id from live.subscriber where call_key = $1 and participant_key = $2",
        key_of(call_id),
        key_of("participant", participant_id),
    )
    return sorted({text for text in texts | {row["subscriber_id"] for row in rows} if text is not None})


async def erased(found: Inspector, call_id: str, participant_id: str) -> str:
    """The id that somebody has after being erased."""
    before = people(await read(found, call_id)).keys()
    for call_key in await calls_of(found.connection, found.project_id, participant_id):
        await erase(found.connection, found.project_id, participant_id, call_key)
    (new,) = people(await read(found, call_id)).keys() - before
    return new


FAULTS = (
    Fault(FaultKind.CAMERA_FREEZE, 5, 10),
    Fault(FaultKind.SPEAKING_WHILE_MUTED, 20, 10, 1),
    Fault(FaultKind.SUBSCRIBE_FAILED, 0, 20, 2),
    Fault(FaultKind.PUBLISH_FAILED, 0, 20, 1),
    Fault(FaultKind.CONNECTION_DROP, 30, 10, 2),
    Fault(FaultKind.UPLINK_LOSS, 30, 25, 0),
)


@pytest.mark.parametrize("platform", ["ACS", "VONAGE", "JITSI", "WEBRTC"])
async def test_whoever_is_erased_is_nowhere_and_all_figures_stay(inspector: Inspector, platform: str) -> None:
    plan = replace(ROOM, call_id="faulty", platform=platform, minutes=1, participants=3, subscribers=1, faults=FAULTS)
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, [plan])
    await inspector.tell(
        [
            EventRecord(
                call_id="faulty",
                at=ROOM.started_at,
                category=EventCategory.SURVEY,
                name="rated",
                participant_id=id_,
                payload={"score": score, "comment": "from me"},
            )
            for score, id_ in enumerate(sorted(people_of(plan)), 1)
        ]
    )
    await saved(inspector, "faulty")
    before, kept = await read(inspector, "faulty"), await read_saved(inspector, "faulty")
    ids = sorted(people(before))
    assert len(ids) > 3
    for number, id_ in enumerate(ids[:3]):
        texts = await identifiers(inspector, "faulty", id_)
        assert len(texts) > 3
        new = await erased(inspector, "faulty", id_)
        assert new.startswith("erased-")
        assert await traces(inspector, *texts) == []
        after = await read(inspector, "faulty")
        assert figures(after) == figures(before)
        assert figures(await read_saved(inspector, "faulty")) == figures(kept)
        assert people(await read_saved(inspector, "faulty")) == people(after)
        left = ids[number + 1 :]
        assert {each: people(after)[each] for each in left} == {each: people(before)[each] for each in left}
        was, now = people(before)[id_], people(after)[new]
        for same in ("kind", "issueCount", "errorCount", "rating", "meanOpinionScore"):
            assert now[same] == was[same]
        assert (now["displayName"], now["location"], now["userAgent"], now["devices"]) == (None, None, None, [])
        assert now["metricSeries"] == was["metricSeries"]
        assert [each["outcome"] for each in now["connections"]["nodes"]] == [
            each["outcome"] for each in was["connections"]["nodes"]
        ]
    assert (await inspector.query('{ call(callId: "faulty") { report } }'))["call"]["report"].count("erased-") >= 3


def people_of(plan: Any) -> set[str]:
    return {record.participant_id for record in simulate_call(plan) if isinstance(record, ParticipantRecord)}


@pytest.fixture
async def talk(inspector: Inspector) -> Inspector:
    """A call in which much is said in words about someone, whose ids are names."""
    at = ROOM.started_at
    own = {"call_id": "talk", "participant_id": "ann.lee@x.org"}
    event = {"call_id": "talk", "at": at + timedelta(seconds=3), "category": EventCategory.OTHER}
    await inspector.tell(
        [
            ParticipantRecord(
                **own,
                display_name='Ann "A" Lee',
                user_agent="Mozilla/5.0 (Ann)",
                location={"city": "Oslo", "region": "Viken", "country": "NO"},
                system={
                    "browser": "Chrome",
                    "browser_version": "141.0.7390.55",
                    "os": "Linux",
                    "os_version": "6.8",
                    "device": "Ann's laptop",
                },
                devices=[{"kind": "CAMERA", "label": "Ann's camera"}],
                sdk={"name": "sdk", "version": "1.2.3"},
            ),
            ParticipantRecord(call_id="talk", participant_id="bo", display_name="Bo"),
            ConnectionRecord(
                **own,
                connection_id="ann-1",
                connected_at=at,
                closed_at=at + timedelta(minutes=2),
                close_reason="networkDisconnected",
            ),
            ConnectionRecord(
                **own, connection_id="ann-2", attempted_at=at, failed_at=at, error={"code": 5, "message": "Ann Lee was refused"}
            ),
            ConnectionRecord(
                call_id="talk", connection_id="bo-1", participant_id="bo", connected_at=at, closed_at=at + timedelta(minutes=2)
            ),
            StreamRecord(call_id="talk", stream_id="ann-cam", connection_id="ann-1", name="Ann's face", published_at=at),
            WarningRecord(
                call_id="talk",
                kind=DataWarningKind.TRUNCATED,
                message="The dump of ann.lee@x.org broke off.",
                participant_id="ann.lee@x.org",
            ),
            EventRecord(
                **event,
                name="chat",
                message="I am Ann, call 47115512",
                payload={"text": "hello", "phone": 47115512},
                participant_id="ann.lee@x.org",
            ),
            EventRecord(
                **event,
                name="seen",
                message='Ann "A" Lee left',
                payload={"who": "ann.lee@x.org", 'Ann "A" Lee': [1], "annual": "Annapolis"},
                participant_id="bo",
            ),
            EventRecord(**event, name="by connection", payload={"state": "failed", "note": "mine"}, connection_id="ann-1"),
            EventRecord(
                **event,
                name="score",
                payload={"rating": 2, "comment": "bad", "tags": ["Echo", "my name is Ann"]},
                participant_id="ann.lee@x.org",
            ),
        ]
    )
    return inspector


WORDS = [
    "ann.lee@x.org",
    'Ann "A" Lee',
    "Mozilla/5.0",
    "Oslo",
    "Viken",
    "laptop",
    "camera",
    "ann-1",
    "ann-2",
    "ann-cam",
    "face",
    "refused",
    "hello",
    "47115512",
    "comment",
    "mine",
    "my name",
]


async def test_words_about_someone_go_and_words_of_others_stay(talk: Inspector) -> None:
    await saved(talk, "talk")
    before = await read(talk, "talk")
    new = await erased(talk, "talk", "ann.lee@x.org")
    assert await traces(talk, *WORDS) == []
    after = people(await read(talk, "talk"))
    assert figures(await read(talk, "talk")) == figures(before)
    (seen,) = after["bo"]["events"]["nodes"]
    hidden = seen["message"].removesuffix(" left")
    assert hidden.startswith("erased-")
    assert seen["payload"] == {"who": new, hidden: [1], "annual": "Annapolis"}
    told = {each["name"]: (each["message"], each["payload"]) for each in after[new]["events"]["nodes"]}
    assert told == {
        "chat": (None, None),
        "by connection": (None, {"state": "failed"}),
        "score": (None, {"rating": 2, "tags": ["Echo"]}),
    }
    assert {each["disconnectReason"] for each in after[new]["connections"]["nodes"]} == {None, "networkDisconnected"}
    assert {each["error"]["message"] for each in after[new]["connections"]["nodes"] if each["error"]} == {"erased"}
    row = await talk.connection.fetchrow(
        "select browser, browser_version, os, os_version, sdk_name, is_redacted from live.participant where participant_id = $1",
        new,
    )
    assert tuple(row) == ("Chrome", "141", "Linux", None, "sdk", True)


async def test_nothing_that_is_done_again_brings_it_back(aging: Inspector) -> None:
    id_ = min(people(await read(aging, "room")))
    texts = await identifiers(aging, "room", id_)
    await erased(aging, "room", id_)
    after = await read(aging, "room")
    await mark_changed(aging, "room")
    await aging.settle()
    assert await read(aging, "room") == after
    plans = [replace(ROOM, participants=2), LATER_ROOM]
    await ingest_plans(aging.connection, aging.database_url, aging.project_id, plans)
    await aging.settle()
    assert await traces(aging, *texts) == []
    assert people(await read(aging, "room")) == people(after)
    pieces = [piece async for piece in export_call(aging.connection, aging.project_id, key_of("room"))]
    assert not any(text.encode() in b"".join(pieces) for text in texts)


async def test_what_is_told_later_in_other_words_is_new(talk: Inspector) -> None:
    new = await erased(talk, "talk", "ann.lee@x.org")
    await talk.tell(
        [ConnectionRecord(call_id="talk", connection_id="ann-3", participant_id="ann.lee@x.org", connected_at=ROOM.started_at)]
    )
    assert people(await read(talk, "talk")).keys() == {new, "bo", "ann.lee@x.org"}
    await erased(talk, "talk", "ann.lee@x.org")
    assert await traces(talk, *WORDS) == []


async def test_it_is_erased_from_all_calls_of_the_project_or_from_one(talk: Inspector) -> None:
    own = {"participant_id": "ann.lee@x.org", "connected_at": ROOM.started_at}
    await talk.tell([ConnectionRecord(call_id=call, connection_id=f"{call}-1", **own) for call in ("second", "third")])
    await talk.tell([ConnectionRecord(call_id="unsettled", connection_id="u-1", **own)], settled=False)
    await saved(talk, "third")
    for table in saving.CALL_TABLES:
        await talk.connection.execute(f"delete from live.{table} where call_key = $1", key_of("third"))
    assert await calls_of(talk.connection, talk.project_id, "nobody") == []
    found = await calls_of(talk.connection, talk.project_id, "ann.lee@x.org")
    assert set(found) == {key_of(call) for call in ("talk", "second", "third", "unsettled")}
    assert await calls_of(talk.connection, talk.project_id, "ann.lee@x.org", key_of("second")) == [key_of("second")]
    for call_key in found:
        await erase(talk.connection, talk.project_id, "ann.lee@x.org", call_key)
    assert await traces(talk, "ann.lee@x.org") == []
    # Nothing leads from one call to another.
    rows = await talk.connection.fetch("select participant_id from live.participant where participant_id like 'erased-%'")
    assert len({row["participant_id"] for row in rows}) == len(rows) == 3


async def test_whoever_goes_by_the_same_id_in_another_project_stays(talk: Inspector) -> None:
    key, project_id = await create(talk.connection, "other", "other")
    other = replace(talk, project_id=project_id, key=key)
    await other.tell(
        [ConnectionRecord(call_id="talk", connection_id="ann-1", participant_id="ann.lee@x.org", connected_at=ROOM.started_at)]
    )
    await erased(talk, "talk", "ann.lee@x.org")
    rows = await talk.connection.fetch("select project_id from live.participant where participant_id = 'ann.lee@x.org'")
    assert [row["project_id"] for row in rows] == [project_id]


async def test_an_id_that_is_a_stream_of_others_too_stays_theirs(inspector: Inspector) -> None:
    """Some sources tell of what is received by the id of what is sent."""
    at = ROOM.started_at
    await inspector.tell(
        [
            ConnectionRecord(
                call_id="x", connection_id="a1", participant_id="a", connected_at=at, closed_at=at + timedelta(minutes=1)
            ),
            ConnectionRecord(
                call_id="x", connection_id="b1", participant_id="b", connected_at=at, closed_at=at + timedelta(minutes=1)
            ),
            StreamRecord(call_id="x", stream_id="shared", connection_id="a1", published_at=at),
        ]
    )
    await inspector.tell(
        [
            SubscriberRecord(
                call_id="x", subscriber_id="shared", stream_id="shared", connection_id="b1", participant_id="b", subscribed_at=at
            )
        ]
    )
    before = await read(inspector, "x")
    await erased(inspector, "x", "b")
    after = await read(inspector, "x")
    assert figures(after) == figures(before)
    assert people(after)["a"] == people(before)["a"]


HOSTILE = [
    "2026",
    "VIDEO",
    "BITRATE",
    "state",
    "failed",
    "score",
    "value",
    "networkReconnect",
    "changed",
    "NotAllowedError",
    "Art",
    "Net",
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_whoever_is_called_like_a_word_of_the_rules_takes_no_figure_along(inspector: Inspector, name: str) -> None:
    plan = replace(ROOM, call_id="faulty", platform="ACS", minutes=1, participants=2, subscribers=1, faults=FAULTS)
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, [plan])
    at, event = ROOM.started_at, {"call_id": "faulty", "at": ROOM.started_at + timedelta(seconds=9)}
    left = {"closed_at": at + timedelta(minutes=1), "close_reason": "networkDisconnected"}
    for id_, own in ((name, name), ("bo", "Bo")):
        way = {"participant_id": id_, "connection_id": f"{id_}-1"}
        muted = {"category": EventCategory.MEDIA, "name": "isMuted-changed", "payload": {"isMuted": True}}
        refused = {"category": EventCategory.DEVICE, "name": "getUserMediaFailure", "message": "NotAllowedError: camera"}
        rated = {"category": EventCategory.SURVEY, "name": "rated", "payload": {"score": "1", "audio": {"score": 1}}}
        frozen = {"category": EventCategory.DIAGNOSTIC, "name": "cameraStartFailed", "payload": {"value": True}}
        lost = {"category": EventCategory.CONNECTION, "name": "iceconnectionstatechange", "payload": {"state": "failed"}}
        await inspector.tell(
            [
                ParticipantRecord(call_id="faulty", participant_id=id_, display_name=own),
                ConnectionRecord(call_id="faulty", connected_at=at, **left, **way),
                *(EventRecord(**event, **told, **way) for told in (muted, refused, rated, frozen, lost)),
                EventRecord(**event, **summed_up("audio", "Outbound"), **way),
                EventRecord(**event, **summed_up("audio", "Inbound"), **way),
            ]
        )
    before = await read(inspector, "faulty")
    assert {"CAMERA_START_FAILED", "LOW_RATING", "NO_NETWORK", "HIGH_LATENCY"} <= {one["kind"] for one in before["issueSummary"]}
    new = await erased(inspector, "faulty", name)
    after = await read(inspector, "faulty")
    assert figures(after) == figures(before)
    others = people(before).keys() - {name}
    assert {each: people(after)[each] for each in others} == {each: people(before)[each] for each in others}
    assert people(after)[new]["issueCount"] == people(before)[name]["issueCount"] > 2


def summed_up(media: str, direction: str) -> dict[str, Any]:
    """What Azure sums up of a stream over its call."""
    told = {"mediaType": media, "direction": direction, "streamId": f"stream of {direction}", "roundTripTimeAvg": "900"}
    return {"category": EventCategory.MEDIA, "name": "CallDiagnostics", "payload": told | {"endpointId": "who"}}


async def test_names_go_in_whichever_case_and_normal_form_they_are_written(inspector: Inspector) -> None:
    at, event = ROOM.started_at, {"call_id": "talk", "category": EventCategory.OTHER, "participant_id": "bo"}
    said = ["JOS\u00c9 LE\u00d3N left", "jose\u0301 leo\u0301n is back", "Jos\u00e9 Le\u00f3n\u2019s screen", "JL@X.ORG is muted"]
    await inspector.tell(
        [
            ParticipantRecord(call_id="talk", participant_id="jl@x.org", display_name="Jos\u00e9 Le\u00f3n"),
            *(EventRecord(**event, at=at + timedelta(seconds=n), name="said", message=text) for n, text in enumerate(said)),
            EventRecord(**event, at=at, name="kept", message="Jos\u00e9 stays"),
        ]
    )
    await erased(inspector, "talk", "jl@x.org")
    assert await traces(inspector, "LE\u00d3N", "leo\u0301n", "Le\u00f3n", "JL@X.ORG", "jl@x.org") == []
    assert await traces(inspector, "Jos\u00e9 stays") == [("live.event", "Jos\u00e9 stays")]


async def test_what_is_exported_after_it_was_told_again_can_be_imported(aging: Inspector) -> None:
    """Its samples stand under other series by then."""
    await erased(aging, "room", min(people(await read(aging, "room"))))
    exported, after, kept = await export(aging, "room"), await read(aging, "room"), await counts(aging)
    await ingest_plans(aging.connection, aging.database_url, aging.project_id, [replace(ROOM, participants=2), LATER_ROOM])
    await aging.settle()
    assert await counts(aging) == kept
    assert await export(aging, "room") == exported
    assert await read(aging, "room") == after
    _, other = await create(aging.connection, "other", "other")
    answer = await replace(aging, project_id=other).tell(TELEMETRY.validate_json(line) for line in exported.splitlines())
    assert answer.accepted == len(exported.splitlines())


async def export(found: Inspector, call_id: str) -> bytes:
    return b"".join([piece async for piece in export_call(found.connection, found.project_id, key_of(call_id))])


async def counts(found: Inspector) -> list[int]:
    tables = ("record", "event", "metric_sample", "metric_rollup", "metric_series")
    return [await found.connection.fetchval(f"select count(*) from live.{table}") for table in tables]


async def test_samples_that_go_on_are_left_out_and_new_events_are_new(talk: Inspector) -> None:
    """The participant that a new event names is there by its id, and can be erased again."""
    at = ROOM.started_at
    samples = {
        "call_id": "talk",
        "participant_id": "ann.lee@x.org",
        "metric": "BITRATE",
        "media": "AUDIO",
        "direction": "PUBLISH",
        "times": [at.timestamp() * 1000],
        "values": [1.0],
    }
    await talk.tell([SamplesRecord(**samples)])
    new = await erased(talk, "talk", "ann.lee@x.org")
    before = await read(talk, "talk")
    later = samples | {"times": [at.timestamp() * 1000 + 5000]}
    own = {"call_id": "talk", "at": at, "category": EventCategory.OTHER, "participant_id": "ann.lee@x.org"}
    assert (await talk.tell([SamplesRecord(**later)])).accepted == 1
    assert await read(talk, "talk") == before
    assert await calls_of(talk.connection, talk.project_id, "ann.lee@x.org") == []
    await talk.tell([SamplesRecord(**later), EventRecord(**own, name="again", message="my secret")])
    back = people(await read(talk, "talk"))
    assert back.keys() == {"bo", new, "ann.lee@x.org"}
    assert [event["name"] for event in back["ann.lee@x.org"]["events"]["nodes"]] == ["again"]
    await erased(talk, "talk", "ann.lee@x.org")
    assert await traces(talk, *WORDS, "secret") == []


# ---------------------------------------------------------------------------------------------------- revisions, the record of it


async def revisions(found: Inspector, call_id: str) -> list[int | None]:
    return [
        await found.connection.fetchval(f"select revision from {place}.call where call_key = $1", key_of(call_id))
        for place in ("live", "saved")
    ]


async def test_no_revision_stands_for_two_contents(aging: Inspector) -> None:
    await mark_changed(aging, "room")
    await aging.settle()
    await saved(aging, "room")
    seen = [await revisions(aging, "room")]
    assert seen[0][0] == seen[0][1]
    for id_ in sorted(people(await read(aging, "room")))[:2]:
        await erased(aging, "room", id_)
        seen.append(await revisions(aging, "room"))
    live, kept = zip(*seen, strict=True)
    assert len({*live, *kept}) == 5
    assert list(live) == sorted(live)
    await saved(aging, "room", "again")
    assert (await revisions(aging, "room"))[1] not in kept


async def test_it_is_recorded_and_not_whom(talk: Inspector) -> None:
    rewritten = await erase(talk.connection, talk.project_id, "ann.lee@x.org", key_of("talk"), 7)
    (row,) = await talk.connection.fetch("select * from callscope.erasure")
    assert (row["project_id"], row["key_id"], row["call_key"], row["row_count"]) == (
        talk.project_id,
        7,
        key_of("talk"),
        rewritten.rows,
    )
    assert rewritten.rows > 8
    assert "ann" not in str(dict(row)).lower()


# ---------------------------------------------------------------------------------------------------- at the same time


@asynccontextmanager
async def at_work(found: Inspector) -> AsyncIterator[asyncpg.Connection]:
    """Someone in a transaction."""
    connection = await connect(found.database_url)
    begun = connection.transaction()
    await begun.start()
    try:
        yield connection
    finally:
        await begun.commit()
        await connection.close()


async def erasing(found: Inspector) -> "asyncio.Task[Any]":
    """Somebody who begins to erase, and has to wait."""

    async def run() -> None:
        async with at_work(found) as connection:
            await erase(connection, found.project_id, "ann.lee@x.org", key_of("talk"))

    task = asyncio.create_task(run())
    await asyncio.sleep(0.4)
    assert not task.done()
    return task


async def test_who_saves_meanwhile_saves_nothing_of_it(talk: Inspector) -> None:
    async with at_work(talk) as connection:
        outcome = await saving.save(connection, talk.project_id, key_of("talk"), labels("halfway", None))
        assert outcome.errors == []
        task = await erasing(talk)
    await task
    assert await traces(talk, *WORDS) == []
    assert len(await read_saved(talk, "talk")) > 0


async def test_who_settles_meanwhile_is_waited_for(talk: Inspector) -> None:
    await mark_changed(talk, "talk")
    async with at_work(talk) as connection:
        assert await settle_call(connection, talk.project_id, key_of("talk"))
        task = await erasing(talk)
    await task
    assert await traces(talk, *WORDS) == []


async def test_who_writes_meanwhile_is_waited_for(talk: Inspector) -> None:
    async with at_work(talk) as connection:
        ledger = Ledger(connection, Partitions(talk.database_url), talk.project_id)
        await ledger.add(
            ConnectionRecord(call_id="talk", connection_id="ann-9", participant_id="ann.lee@x.org", connected_at=ROOM.started_at)
        )
        await ledger.finish()
        task = await erasing(talk)
    await task
    assert await traces(talk, *WORDS, "ann-9") == []


# ---------------------------------------------------------------------------------------------------- the mutation


@pytest.fixture
async def eraser(talk: Inspector) -> AsyncIterator[Inspector]:
    """With a key that may erase, and do nothing else but read."""
    key, _ = await create(talk.connection, "test", "eraser", frozenset({Scope.READ, Scope.ERASE}))
    transport = talk.client._transport
    async with httpx.AsyncClient(
        transport=transport, base_url="http://callscope", headers={"authorization": f"Bearer {key}"}
    ) as client:
        yield replace(talk, client=client, key=key)


async def test_only_a_key_for_it_may_erase(talk: Inspector, eraser: Inspector) -> None:
    payload = await change(talk, "eraseParticipant", participantId="ann.lee@x.org")
    assert (payload["erasure"], codes(payload)) == (None, [("FORBIDDEN", ())])
    assert "'erase'" in payload["errors"][0]["message"]
    assert await traces(talk, "ann.lee@x.org") != []
    assert codes(await change(eraser, "saveSession", callId="call_1", name="x")) == [("FORBIDDEN", ())]
    payload = await change(eraser, "eraseParticipant", participantId="ann.lee@x.org")
    assert payload["errors"] == []
    assert payload["erasure"]["callCount"] == 1
    assert payload["erasure"]["rowCount"] > 8
    assert await traces(talk, *WORDS) == []
    assert await talk.connection.fetchval("select key_id from callscope.erasure") == 2


async def test_a_key_has_no_right_to_it_unless_it_is_named(inspector: Inspector) -> None:
    await create(inspector.connection, "test", "usual")
    rows = await inspector.connection.fetch("select scopes from callscope.api_key")
    assert all(set(row["scopes"]) == {"read", "write", "ingest"} for row in rows)


async def test_ids_of_the_api_name_it_too(eraser: Inspector) -> None:
    text = '{ call(callId: "talk") { id participant(participantId: "ann.lee@x.org") { id } } }'
    call = (await eraser.query(text))["call"]
    other = await global_id(eraser, "talk")
    assert codes(await change(eraser, "eraseParticipant", participantId=call["participant"]["id"], callId="call_1")) == [
        ("NOT_FOUND", ("participantId",))
    ]
    payload = await change(
        eraser, "eraseParticipant", participantId=call["participant"]["id"], callId=other, clientMutationId="1"
    )
    assert payload["errors"] == []
    assert (await eraser.query(text))["call"]["participant"] is None
    # Sent again, it tells what was done.
    again = await change(eraser, "eraseParticipant", participantId=call["participant"]["id"], callId=other, clientMutationId="1")
    assert again == payload
    assert await eraser.connection.fetchval("select count(*) from callscope.erasure") == 1


@pytest.mark.parametrize("id_", ["", "nobody", "participant_1_1", "x" * 9999, "' or true --", "ANN.LEE@X.ORG"])
async def test_nobody_else_is_erased(eraser: Inspector, id_: str) -> None:
    before = await read(eraser, "talk")
    payload = await change(eraser, "eraseParticipant", participantId=id_)
    assert (payload["erasure"], codes(payload)) == (None, [("NOT_FOUND", ("participantId",))])
    assert codes(await change(eraser, "eraseParticipant", participantId="bo", callId=id_)) == [("NOT_FOUND", ("callId",))]
    assert codes(await change(eraser, "eraseParticipant", participantId=id_, callId=id_)) == [
        ("NOT_FOUND", ("callId",)),
        ("NOT_FOUND", ("participantId",)),
    ]
    response = await eraser.post('mutation { eraseParticipant(input: {participantId: "a\\u0000"}) { errors { code } } }')
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await read(eraser, "talk") == before


async def test_a_fault_half_way_leaves_all_as_it_was(eraser: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await read(eraser, "talk")
    monkeypatch.setattr(
        erasure,
        "RECORD",
        "select 1 / 0 where $1::int is not null and $2::bigint is null and $3::bigint is null and $4::bigint is null or true",
    )
    response = await eraser.post('mutation { eraseParticipant(input: {participantId: "ann.lee@x.org"}) { errors { code } } }')
    assert response.status_code == 500
    assert await read(eraser, "talk") == before


async def test_who_writes_to_the_same_calls_the_other_way_round_makes_it_one_to_try_again(eraser: Inspector) -> None:
    await eraser.tell([ParticipantRecord(call_id="second", participant_id="ann.lee@x.org")])
    first, last = await calls_of(eraser.connection, eraser.project_id, "ann.lee@x.org")
    writes = f"select {WRITES.format(call_key='$1::bigint')}"
    text = 'mutation { eraseParticipant(input: {participantId: "ann.lee@x.org"}) { erasure { callCount } errors { code } } }'
    async with at_work(eraser) as connection:
        await connection.execute("set local deadlock_timeout = '1min'")
        await connection.execute(writes, last)
        task = asyncio.create_task(eraser.post(text))
        await asyncio.sleep(0.3)
        # PostgreSQL ends the one that has waited for longer.
        await connection.execute(writes, first)
        response = await task
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (503, "OVERLOADED")
    assert await eraser.connection.fetchval("select count(*) from callscope.erasure") == 0
    assert (await eraser.post(text)).json()["data"]["eraseParticipant"] == {"erasure": {"callCount": 2}, "errors": []}
