"""What was told of some meetings of a call goes; what was told of the call and of its other meetings stays."""

import json
from datetime import timedelta
from typing import Any

from callscope.storage.keys import key_of
from callscope.storage.meeting_removal import aged, remove_meetings
from callscope.storage.removal import ENDLESS, remove_times
from callscope.telemetry import CallRecord, ConnectionRecord, ParticipantRecord, WarningRecord
from callscope.vocabulary import DataWarningKind, Platform
from tests.aging import LATER_ROOM, ROOM, age
from tests.inspector import Inspector

CALL = key_of("room")


async def bodies(found: Inspector, kind: str) -> list[dict[str, Any]]:
    text = "select body::text from live.record where project_id = $1 and call_key = $2 and kind = $3 order by record_key"
    return [json.loads(row["body"]) for row in await found.connection.fetch(text, found.project_id, CALL, kind)]


async def remove(found: Inspector) -> set[int]:
    """What has passed its time, in one transaction; the series that must be looked at."""
    async with found.connection.transaction():
        gone = await aged(found.connection, found.project_id, CALL)
        await remove_times(found.connection, found.project_id, CALL, gone, ENDLESS)
        return await remove_meetings(found.connection, found.project_id, CALL, gone)


async def test_meetings_are_told_with_what_lies_around_them(aging: Inspector) -> None:
    assert await aged(aging.connection, aging.project_id, CALL) == []
    await age(aging, "room", 2)
    (second,) = await aged(aging.connection, aging.project_id, CALL)
    await age(aging, "room", 1, 2)
    both = await aged(aging.connection, aging.project_id, CALL)
    assert both == [both[0], second]
    assert [each.number for each in both] == [1, 2]
    # The first stretch has no beginning, and each begins where the one before it ended.
    assert both[0].after.year == 1
    assert both[0].until == second.after < both[0].next_at
    assert second.next_at.year == 9999
    assert await aged(aging.connection, aging.project_id + 1, CALL) == []


async def test_records_go_with_what_they_tell_of(aging: Inspector) -> None:
    last, day = LATER_ROOM.started_at, timedelta(days=1)
    await aging.tell(
        [
            CallRecord(call_id="room", platform=Platform.OTHER, tags=["kept"], started_at=ROOM.started_at, ended_at=last + day),
            ParticipantRecord(call_id="room", participant_id="early", display_name="Early"),
            WarningRecord(call_id="room", kind=DataWarningKind.TRUNCATED, message="early", participant_id="early"),
            WarningRecord(call_id="room", kind=DataWarningKind.TRUNCATED, message="of nobody"),
        ]
    )
    before = {
        kind: await bodies(aging, kind) for kind in ("connection", "participant", "stream", "subscriber", "series", "mention")
    }
    await age(aging, "room", 1)
    await remove(aging)
    after = {kind: await bodies(aging, kind) for kind in before}
    for kind, told in after.items():
        assert 0 < len(told) < len(before[kind]) or kind in ("participant", "mention"), kind
        assert all(body in before[kind] for body in told)
    assert "early" not in json.dumps(after)
    assert [body["message"] for body in await bodies(aging, "warning")] == ["of nobody"]
    (told,) = [body for body in await bodies(aging, "call") if body.get("tags") == ["kept"]]
    assert told.keys() == {"platform", "tags", "endedAt"}


async def test_numbers_are_remembered_and_series_without_samples_go(aging: Inspector) -> None:
    await age(aging, "room", 1)
    changed = await remove(aging)
    assert await aging.connection.fetchval("select removed_meetings from live.call where call_id = 'room'") == [1]
    assert await aging.connection.fetchval("select array_agg(number) from live.meeting where call_key = $1", CALL) == [2]
    text = "select series_key, exists (select from live.metric_sample own where own.series_key = series.series_key)"
    rows = await aging.connection.fetch(f"{text} from live.metric_series series where call_key = $1", CALL)
    assert all(has_samples for _, has_samples in rows)
    # What was measured in the removed meeting, too, has other figures now.
    assert changed < {key for key, _ in rows}


async def test_someone_who_comes_again_stays(aging: Inspector) -> None:
    start = LATER_ROOM.started_at + timedelta(seconds=1)
    await aging.tell([ConnectionRecord(call_id="room", connection_id="back", participant_id="early", connected_at=start)])
    await age(aging, "room", 1)
    await remove(aging)
    told = [body["connectionId"] for body in await bodies(aging, "connection") if body["participantId"] == "early"]
    assert told == ["back"]
