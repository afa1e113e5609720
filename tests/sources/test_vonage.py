import gzip
import io
import json
import random
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traces import every, only

from callscope.analysis.attempts import attempt_findings
from callscope.analysis.catalog import build
from callscope.analysis.meetings import meetings
from callscope.sources import Refusal, SourceError, vonage
from callscope.sources.registry import recognise
from callscope.storage.keys import key_of
from callscope.telemetry import TELEMETRY, EventRecord, from_milliseconds
from callscope.vocabulary import EventCategory, IssueKind, Outcome, Platform, Severity, StreamSource

START = 1_700_000_000_000
SESSION = "2_MX4xMzExMjU3MX5-MTQ3MDI1NzY3OTkxOH45QXRr"


def callback(event, at=0, **fields):
    return {"sessionId": SESSION, "projectId": "123456", "event": event, "timestamp": START + at, **fields}


def connection(id_="c1", created=0, data=""):
    return {"id": id_, "createdAt": START + created, "data": data}


def stream(id_="s1", created=10_000, by="c1", video="camera", **fields):
    told = {"id": id_, "connection": connection(by), "createdAt": START + created, "name": "", "videoType": video, **fields}
    return {name: value for name, value in told.items() if value is not None}


CALL = [
    callback("connectionCreated", 150, connection=connection(data="ada")),
    callback("connectionCreated", 5150, connection=connection("c2", 5000, "bob")),
    callback("streamCreated", 25_000, stream=stream()),
    callback("streamDestroyed", 60_000, reason="mediaStopped", stream=stream()),
    callback("connectionDestroyed", 61_000, reason="clientDisconnected", connection=connection()),
    callback("connectionDestroyed", 62_000, reason="networkDisconnected", connection=connection("c2", 5000)),
]


def read(content, **options):
    data = content if isinstance(content, bytes) else orjson.dumps(content)
    return list(vonage.read(io.BytesIO(data), **options))


def times(record, *names):
    values = (getattr(record, name) for name in names)
    return tuple(None if value is None else round(value.timestamp() * 1000) - START for value in values)


def catalog_of(records):
    """As the ledger keeps records and settling reads them; events by what they say."""
    bodies, events = {"call": [{"callId": SESSION}]}, set()
    for record in records:
        body = record.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"call_id", "type"})
        if isinstance(record, EventRecord):
            events.add(orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
        else:
            bodies.setdefault(record.type, []).append(body)
    heard = [record.at for record in records if isinstance(record, EventRecord)]
    return build(bodies, key_of, heard, from_milliseconds(START)), events


# What callbacks tell.


def test_call():
    call = only(read(CALL), "call")
    assert (call.call_id, call.platform, call.media_mode) == (SESSION, Platform.VONAGE, None)
    assert {record.call_id for record in read(CALL, call_id="mine")} == {"mine"}


def test_connections():
    joined, *_, left = every(read(CALL), "connection", connection_id="c1")
    assert (joined.participant_id, left.participant_id) == ("ada", None)
    assert times(joined, "attempted_at", "connected_at", "closed_at") == (0, 0, None)
    assert times(left, "attempted_at", "connected_at", "closed_at") == (0, 0, 61_000)
    assert left.close_reason == "clientDisconnected"


def test_streams():
    made, gone = every(read(CALL), "stream")
    assert (made.stream_id, made.connection_id, made.participant_id, made.name) == ("s1", "c1", None, None)
    assert (made.source, made.has_video, made.has_audio) == (StreamSource.CAMERA, True, None)
    assert times(made, "attempted_at", "published_at", "unpublished_at") == (10_000, 10_000, None)
    assert times(gone, "published_at", "unpublished_at") == (10_000, 60_000)
    assert gone.unpublish_reason == "mediaStopped"
    assert only(read(callback("streamCreated", stream=stream(name="My screen"))), "stream").name == "My screen"


@pytest.mark.parametrize(
    ("video", "source", "has_video", "has_audio"),
    [
        ("camera", StreamSource.CAMERA, True, None),
        ("screen", StreamSource.SCREEN, True, None),
        ("custom", StreamSource.CUSTOM, True, None),
        ("hologram", None, True, None),
        (None, StreamSource.AUDIO_ONLY, False, True),
    ],
)
def test_types_of_video(video, source, has_video, has_audio):
    told = only(read(callback("streamCreated", stream=stream(video=video))), "stream")
    assert (told.source, told.has_video, told.has_audio) == (source, has_video, has_audio)


def test_every_callback_becomes_an_event():
    events = every(read(CALL), "event")
    assert [(event.name, times(event, "at")[0]) for event in events] == [
        (told["event"], told["timestamp"] - START) for told in CALL
    ]
    assert [event.category for event in events[:3]] == [EventCategory.CONNECTION, EventCategory.CONNECTION, EventCategory.STREAM]
    assert [event.outcome for event in events[2:4]] == [Outcome.SUCCEEDED, None]
    assert [event.severity for event in events[4:]] == [Severity.INFO, Severity.WARNING]
    assert events[3].message == "mediaStopped"
    assert (events[3].stream_id, events[3].connection_id) == ("s1", "c1")
    assert {event.participant_id for event in events} == {None}
    assert events[2].payload == {"projectId": "123456", "stream": {"videoType": "camera"}}


def test_sessions_and_unknown_events_and_reasons_and_fields_are_kept():
    rows = [
        callback("sessionCreated", 1),
        callback("sessionDestroyed", 2, reason="quiet"),
        callback("sessionNotification", 3, severity="low"),
        callback("connectionMoved", 4, connection=connection() | {"region": "eu"}),
        callback("connectionDestroyed", 5, reason="struckByLightning", connection=connection() | {"region": "eu"}),
        callback("streamChanged", 6, stream=stream(quality={"mos": 4}), group="a"),
    ]
    records = read(rows)
    assert [times(call, "started_at", "ended_at") for call in every(records, "call")] == [(None, None), (1, None), (None, 2)]
    events = {event.name: event for event in every(records, "event")}
    assert list(events) == [row["event"] for row in rows]
    assert events["sessionNotification"].category is EventCategory.OTHER
    assert events["sessionNotification"].payload == {"projectId": "123456", "severity": "low"}
    assert events["connectionMoved"].payload == {"projectId": "123456", "connection": {"region": "eu"}}
    assert events["streamChanged"].payload["stream"] == {"videoType": "camera", "quality": {"mos": 4}}
    assert only(records, "connection").close_reason == "struckByLightning"
    assert every(records, "stream") == []


@pytest.mark.parametrize(
    ("data", "id_", "name"),
    [
        ("Ada", "Ada", "Ada"),
        ("name=Ada Lovelace&level=3", None, "Ada Lovelace"),
        ("username=ada,userLevel=4", None, "ada"),
        ('{"id": 7, "displayName": "Ada"}', None, "Ada"),
        ('{"user_name":" "}', None, None),
        ('{"id": 7}', None, None),
        ("x" * 600, "x" * 495 + "-1a5ddc8ddb2e0a8d", "x" * 200),
    ],
)
def test_participants_are_who_the_token_says(data, id_, name):
    told = only(read(callback("connectionCreated", connection=connection(data=data))), "participant")
    assert told.display_name == name
    if id_ is None or len(data) <= 512:
        assert told.participant_id == data
    else:
        assert told.participant_id[:496] == f"{id_[:495]}-"
        assert len(told.participant_id) == 512


def test_every_record_passes_through_ndjson():
    for record in read(CALL):
        assert TELEMETRY.validate_json(record.model_dump_json(by_alias=True, exclude_none=True)) == record


# What they come to.


def test_a_call():
    catalog, events = catalog_of(read(CALL))
    by_id = {row.connection_id: row for row in catalog.connections.values()}
    people = {key: row.participant_id for key, row in catalog.participants.items()}
    assert {people[row.participant_key] for row in by_id.values()} == {"ada", "bob"}
    assert by_id["c1"].duration_seconds == 61
    told = next(iter(catalog.streams.values()))
    assert (people[told.participant_key], told.duration_seconds, told.unpublish_reason) == ("ada", 50, "mediaStopped")
    issue, *others = attempt_findings(catalog)
    assert (issue.kind, people[issue.participant_key], others) == (IssueKind.UNEXPECTED_DISCONNECT, "bob", [])
    assert len(events) == 6


def test_the_empty_data_of_streams_and_ends_gainsays_nothing():
    for order in permutations(CALL[:1] + CALL[2:5]):
        catalog, _ = catalog_of(read(list(order)))
        assert {row.participant_id for row in catalog.participants.values()} == {"ada"}


def test_without_data_a_connection_is_its_own_participant():
    catalog, _ = catalog_of(read([callback("connectionCreated", connection=connection())]))
    assert [row.participant_id for row in catalog.participants.values()] == ["c1"]


def test_someone_who_comes_back_is_one_participant():
    again = callback("connectionCreated", 90_000, connection=connection("c9", 90_000, "ada"))
    catalog, _ = catalog_of(read([*CALL, again]))
    assert len(catalog.participants) == 2
    assert len(catalog.connections) == 3


def test_streams_of_connections_that_were_never_announced():
    catalog, _ = catalog_of(read([CALL[2]]))
    only_one = next(iter(catalog.connections.values()))
    assert (only_one.connection_id, only_one.outcome, times(only_one, "connected_at")) == ("c1", Outcome.SUCCEEDED, (0,))
    timeless = stream()
    timeless["connection"] = {"id": "c1"}
    catalog, _ = catalog_of(read([callback("streamCreated", 25_000, stream=timeless)]))
    proved = next(iter(catalog.connections.values()))
    assert (proved.outcome, times(proved, "connected_at")) == (Outcome.SUCCEEDED, (10_000,))
    del timeless["connection"]
    catalog, _ = catalog_of(read([callback("streamCreated", 25_000, stream=timeless)]))
    assert len(catalog.streams) == 1


def test_the_end_may_come_first_or_alone():
    catalog, _ = catalog_of(read([CALL[3], CALL[4]]))
    told = next(iter(catalog.streams.values()))
    assert times(told, "published_at", "unpublished_at") == (10_000, 60_000)
    bare = callback("connectionDestroyed", 5, connection={"id": "c1"})
    catalog, _ = catalog_of(read([bare, callback("connectionCreated", 2, connection={"id": "c1"})]))
    told = next(iter(catalog.connections.values()))
    assert times(told, "connected_at", "disconnected_at") == (2, 5)


def test_a_destroyed_connection_ends_its_streams():
    catalog, _ = catalog_of(read([CALL[0], CALL[2], CALL[4]]))
    assert times(next(iter(catalog.streams.values())), "unpublished_at") == (61_000,)


def test_a_type_of_video_left_out_later_gainsays_nothing():
    rows = [CALL[2], callback("streamDestroyed", 60_000, stream=stream(video=None))]
    for order in (rows, rows[::-1]):
        told = next(iter(catalog_of(read(order))[0].streams.values()))
        assert (told.source, told.has_video, times(told, "unpublished_at")) == (StreamSource.CAMERA, True, (60_000,))


def test_a_session_used_again_has_another_meeting():
    day = 86_400_000
    later = [
        callback(
            row["event"], row["timestamp"] - START + day, connection=row["connection"] | {"id": "d1", "createdAt": START + day}
        )
        for row in (CALL[0], CALL[4])
    ]
    catalog, _ = catalog_of(read([*CALL, *later]))
    found = meetings(catalog.connections.values(), from_milliseconds(START + 2 * day), timedelta(minutes=10))
    assert [meeting.number for meeting in found] == [1, 2]


PEOPLE = st.sampled_from(["c1", "c2", "c3"])


@st.composite
def histories(draw):
    """Callbacks of a few connections and streams, of which some are lost and some lack what they may lack."""
    rows = []
    for id_ in draw(st.sets(PEOPLE, min_size=1)):
        began = draw(st.integers(0, 1000))
        told = connection(id_, began, draw(st.sampled_from(["", "ada", "bob"])))
        if draw(st.booleans()):
            del told["createdAt"]
        rows.append(callback("connectionCreated", began + 150, connection=told))
        rows.append(callback("connectionDestroyed", began + 9000, reason="forceDisconnected", connection=connection(id_, began)))
    for id_ in draw(st.sets(st.sampled_from(["s1", "s2"]))):
        video = draw(st.sampled_from(["camera", "screen", None]))
        told = stream(id_, draw(st.integers(1000, 2000)), draw(PEOPLE), video)
        rows.append(callback("streamCreated", 2500, stream=told))
        rows.append(callback("streamDestroyed", 5000, reason="forceUnpublished", stream=told | {"name": "late"}))
    rows += [callback("sessionCreated", 0), callback("sessionDestroyed", 9999), callback("roomLocked", 7)]
    return [row for row in rows if draw(st.integers(0, 4))] or rows[:1]


@settings(max_examples=80, deadline=None)
@given(rows=histories(), seed=st.integers(0, 2**32), again=st.integers(0, 6))
def test_order_and_repetition_decide_nothing(rows, seed, again):
    chance = random.Random(seed)
    shuffled = [*rows, *chance.choices(rows, k=again)]
    chance.shuffle(shuffled)
    batches = [shuffled[: len(shuffled) // 2], shuffled[len(shuffled) // 2 :]]
    apart = [record for batch in batches if batch for record in read(batch)]
    assert catalog_of(read(rows)) == catalog_of(read(shuffled)) == catalog_of(apart)


# The file.


def test_one_an_array_and_one_a_line_tell_the_same():
    expected = read(CALL)
    lines = [orjson.dumps(row) for row in CALL]
    printed = [json.dumps(row, indent=2).encode() for row in CALL]
    forms = [
        b"\n".join(lines),
        b"\n\n".join(lines) + b"\n",
        b"\xef\xbb\xbf" + b"\r\n".join(lines),
        b"\n".join(printed),
        json.dumps(CALL, indent=1).encode(),
        b"[\n" + b",\n".join(lines) + b"\n]\n",
        b"[" + b",\n".join(printed) + b"]",
        b" ".join(lines),
        gzip.compress(orjson.dumps(CALL)),
    ]
    for form in forms:
        assert read(form) == expected
    for row in CALL:
        assert read(orjson.dumps(row)) == read(json.dumps(row, indent=4).encode()) == read([row])
    assert read(b"[]") == []


def test_recognises():
    for head in (
        orjson.dumps(CALL)[:500],
        orjson.dumps(CALL[0]),
        json.dumps(CALL, indent=1).encode()[:300],
        b'[\n {"timestamp" : 1, "event":"", "sessionId":""',
    ):
        assert recognise(head).name == "vonage"
    assert recognise(gzip.compress(orjson.dumps(CALL))).name == "vonage"
    for other in (
        b"",
        b"[]",
        b'{"type":"call","callId":"x"}',
        b'{"sessionId":"x"}',
        b'[["connectionCreated",null]]',
        b"sessionId,event,timestamp",
    ):
        assert not vonage.recognises(other)


GOOD = orjson.dumps(CALL[0])
LAST = orjson.dumps(CALL[1])


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        ({"event": "x", "timestamp": START}, "sessionId", "missing"),
        (callback("x") | {"sessionId": ""}, "sessionId", "string_too_short"),
        (callback("x") | {"event": 5}, "event", "string_type"),
        (callback("x") | {"timestamp": None}, "timestamp", "value_error"),
        (callback("x") | {"timestamp": "soon"}, "timestamp", "value_error"),
        (callback("x") | {"timestamp": START // 1000}, "timestamp", "value_error"),
        (callback("x") | {"reason": 5}, "reason", "string_type"),
        (callback("connectionCreated"), "connection", "missing"),
        (callback("streamDestroyed", connection=connection()), "stream", "missing"),
        (callback("connectionCreated", connection="c1"), "connection", "model_type"),
        (callback("connectionCreated", connection={"createdAt": START}), "connection.id", "missing"),
        (callback("connectionCreated", connection=connection() | {"createdAt": "x"}), "connection.createdAt", "value_error"),
        (callback("connectionCreated", connection=connection(data="a\x00")), "connection.data", "value_error"),
        (callback("connectionCreated", connection=connection(data="a" * 5000)), "connection.data", "string_too_long"),
        (callback("streamCreated", stream=stream(connection={"id": 5})), "stream.connection.id", "string_type"),
        (callback("x", more={"a\x00": 1}), "payload", "value_error"),
        (b'{"sessionId":"s","event":"x","timestamp":1700000000000,"more":' + b"9" * 400 + b"}", "payload", "value_error"),
        (b'{"sessionId":"s","event":"x","timestamp":1700000000000,"more":"\\ud800"}', "payload", "value_error"),
        (b"5", None, "model_type"),
        (b'"text"', None, "model_type"),
        (b"[1]", None, "model_type"),
        (b"nonsense", None, "json_invalid"),
        (b'{"sessionId":', None, "json_invalid"),
        (b'{"sessionId":NaN}', None, "json_invalid"),
        (b'{"sessionId":"\xff"}', None, "json_invalid"),
        (b'{"sessionId":"\x00"}', None, "json_invalid"),
        (b'{"a":' * 100_000, None, "json_invalid"),
    ],
)
def test_bad_rows_are_refused_and_the_others_are_kept(row, field, code):
    line = row if isinstance(row, bytes) else orjson.dumps(row)
    for records in (read(GOOD + b"\n" + line + b"\n" + LAST), read(b"[" + GOOD + b",\n" + line + b",\n" + LAST + b"]")):
        refusal, *others = [record for record in records if isinstance(record, Refusal)]
        assert (refusal.line, refusal.field, refusal.code, others) == (2, field, code, [])
        assert refusal.reason
        kept = [record for record in records if not isinstance(record, Refusal)]
        assert [event.connection_id for event in every(kept, "event")] == ["c1", "c2"]


def test_several_bad_rows_are_several_refusals():
    records = read(b"\n".join([GOOD, b'{"a":', b'{"b":', b"{}", LAST, b'{"c":']))
    assert [(record.line, record.code) for record in records if isinstance(record, Refusal)] == [
        (2, "json_invalid"),
        (3, "json_invalid"),
        (4, "missing"),
        (6, "json_invalid"),
    ]
    assert "(2 more)" in records[5].reason or any(
        "(2 more)" in record.reason for record in records if isinstance(record, Refusal)
    )


def test_braces_in_texts_cut_no_row_in_two():
    odd = callback("connectionCreated", connection=connection(data="}{ ] }}"))
    for rows in ([odd, *CALL], [callback("connectionCreated", connection=connection(data="{{{")), *CALL]):
        assert read(json.dumps(rows, indent=1).encode()) == read(rows)


def test_an_array_that_is_cut_off_keeps_what_is_whole():
    data = json.dumps(CALL, indent=1).encode()
    records = read(data[: data.rindex(b"}")])
    assert [record.code for record in records if isinstance(record, Refusal)] == ["json_invalid", "truncated"]
    assert len([record for record in records if not isinstance(record, Refusal) and record.type == "event"]) == 5
    assert read(b"[" + GOOD)[-1].code == "truncated"


def test_an_empty_file_is_refused():
    for data in (b"", b"\n \n"):
        with pytest.raises(SourceError, match="empty"):
            read(data)


def test_a_row_without_end_is_not_held():
    data = b'{"a":"b",\n' + b'"c":"d",\n' * 20_000 + GOOD
    refusal, *kept = read(data)
    assert (refusal.line, refusal.code) == (1, "json_invalid")
    assert [record.type for record in kept] == ["call", "event", "connection", "participant"]


@settings(max_examples=60, deadline=None)
@given(
    cut=st.integers(0, 3000),
    flips=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=4),
    form=st.integers(0, 2),
)
def test_damage_of_any_kind_raises_nothing_else(cut, flips, form):
    data = bytearray([orjson.dumps(CALL), json.dumps(CALL, indent=1).encode(), b"\n".join(map(orjson.dumps, CALL))][form])
    for position, byte in flips:
        data[position % len(data)] = byte
    survives(bytes(data[: len(data) - cut % len(data)]))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\ \n5aN', max_size=60).map(str.encode))
def test_random_bytes_raise_nothing_else(data):
    survives(data)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(START),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["sessionId", "event", "timestamp", "reason", "connection", "stream", "id", "createdAt", "data", "videoType"]
)
TOLD = st.dictionaries(FIELDS, ODD | st.dictionaries(FIELDS, ODD, max_size=4), max_size=6)


@settings(max_examples=80, deadline=None)
@given(st.lists(TOLD, max_size=3), st.sampled_from(["connectionCreated", "streamDestroyed", "x"]))
def test_odd_contents_raise_nothing(rows, event):
    survives(json.dumps([callback(event) | row for row in rows]).encode())


def survives(data):
    """Whatever a file holds, it is telemetry, refusals, or a source error."""
    try:
        for record in read(data):
            assert isinstance(record, Refusal) or orjson.dumps(record.model_dump(mode="json"))
    except SourceError:
        pass


def test_the_documentations_own_callbacks(shared_data: Path):
    records = read((shared_data / "vonage" / "session-monitoring.json").read_bytes())
    assert not any(isinstance(record, Refusal) for record in records)
    catalog, events = catalog_of(records)
    assert [row.participant_id for row in catalog.participants.values()] == ["TOKENDATA"]
    told = next(iter(catalog.streams.values()))
    assert (told.source, told.duration_seconds, told.unpublish_reason) == (StreamSource.CAMERA, 51.537, "clientDisconnected")
    assert next(iter(catalog.connections.values())).duration_seconds == 1208.81
    assert len(events) == 4


# Addresses, in whatever an application or a later version writes.


def test_addresses_are_taken_out_and_passed_on_apart():
    data = "name=Ada;ip=81.2.69.142;was=192.168.1.7"
    first = callback("connectionCreated", connection=connection(data=data) | {"remote": ["81.2.69.142"]}, ip="2a02:d5c0::7")
    records = read([first, callback("connectionCreated", 9, connection=connection("c2", 9, data.replace("142", "143")))])
    one, two = every(records, "participant")
    assert [str(person.address) for person in (one, two)] == ["81.2.69.142", "81.2.69.143"]
    assert one.display_name == two.display_name == "Ada"
    # They stay two, though what is shown of them is the same.
    assert one.participant_id.startswith("name=Ada;ip=[address];was=[address]-")
    assert one.participant_id != two.participant_id
    assert [joined.participant_id for joined in every(records, "connection")] == [one.participant_id, two.participant_id]
    shown = "".join(record.model_dump_json() for record in records)
    assert not any(address in shown for address in ("81.2.69", "192.168", "2a02"))
    assert every(records, "event")[0].payload == {
        "projectId": "123456",
        "ip": "[address]",
        "connection": {"remote": ["[address]"]},
    }


def test_what_is_nested_too_deeply_costs_its_callback_alone():
    deep = current = {}
    for _ in range(40):
        current["a"] = current = {}
    records = read([callback("sessionCreated", extra=deep), callback("sessionCreated", 1)])
    (refused,) = [record for record in records if isinstance(record, Refusal)]
    assert (refused.code, refused.reason) == ("payload_invalid", "should not be nested deeper than 32 levels (row 1)")
    assert [record.name for record in records if isinstance(record, EventRecord)] == ["sessionCreated"]


def test_rows_that_share_a_line_are_told_apart():
    good, bad = CALL[0], {"event": "x"}
    refused = [record for record in read(orjson.dumps([good, bad, good, bad])) if isinstance(record, Refusal)]
    assert [(refusal.line, refusal.reason) for refusal in refused] == [
        (1, "Field required (1 more) (row 2)"),
        (1, "Field required (1 more) (row 4)"),
    ]
