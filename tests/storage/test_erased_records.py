"""Records that are there for their keys alone."""

from callscope.storage.erased_records import ERASED, erased, named, revive
from callscope.storage.keys import key_of
from callscope.telemetry import ParticipantRecord
from tests.inspector import Inspector


async def kinds(found: Inspector) -> dict[int, str]:
    rows = await found.connection.fetch("select record_key, kind from live.record where project_id = $1", found.project_id)
    return dict(rows)


async def test_they_are_found_by_their_keys_and_come_back_alone(inspector: Inspector) -> None:
    await inspector.tell(ParticipantRecord(call_id="one", participant_id=name) for name in ("a", "b", "c"))
    call = key_of("one")
    keys = sorted((call, key) for key, kind in (await kinds(inspector)).items() if kind == "participant")
    assert await erased(inspector.connection, inspector.project_id, []) == set()
    assert await erased(inspector.connection, inspector.project_id, keys) == set()
    gone = "update live.record set kind = $1, body = '{}' where record_key = any($2)"
    await inspector.connection.execute(gone, ERASED, [key for _, key in keys[:2]])
    assert await erased(inspector.connection, inspector.project_id, [*keys, (call, 7), (7, keys[0][1])]) == set(keys[:2])
    assert await erased(inspector.connection, inspector.project_id + 1, keys) == set()
    back = ("mention", b'{"participantId": "a"}')
    await revive(inspector.connection, inspector.project_id, {keys[0]: back, keys[2]: back})
    assert [(await kinds(inspector))[key] for _, key in keys] == ["mention", ERASED, "participant"]


def test_events_name_whom_they_have_a_key_of() -> None:
    event = {"call_key": 1, "participant_key": 2, "connection_key": None, "stream_key": 3}
    assert named([event, event | {"participant_key": 4}]) == {(1, 2), (1, 3), (1, 4)}
