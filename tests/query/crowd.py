"""Telemetry in which everything happens at once, so that nothing but their keys orders the rows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from callscope.telemetry import (
    CallRecord,
    ConnectionRecord,
    EventRecord,
    Failure,
    ParticipantRecord,
    SamplesRecord,
    StreamRecord,
    SubscriberRecord,
    Telemetry,
)
from callscope.vocabulary import Direction, EventCategory, Media, Metric, Platform, Severity, StreamSource

AT = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
METRICS = (Metric.BITRATE, Metric.JITTER, Metric.PACKET_LOSS, Metric.ROUND_TRIP_TIME, Metric.LATENCY)


def crowd(calls: int = 5, people: int = 5) -> Iterator[Telemetry]:
    """Calls alike, with people alike who all publish, subscribe to the first stream, and fail to subscribe to the second."""
    for number in range(calls):
        call = f"crowd-{number}"
        yield CallRecord(call_id=call, platform=Platform.OTHER, started_at=AT, ended_at=LATER)
        for index in range(people):
            own = {"call_id": call, "connection_id": f"connection-{index}"}
            at = {"attempted_at": AT}
            yield ParticipantRecord(call_id=call, participant_id=f"person-{index}")
            yield ConnectionRecord(**own, **at, participant_id=f"person-{index}", connected_at=AT, closed_at=LATER)
            yield ConnectionRecord(
                **own | {"connection_id": f"failed-{index}"},
                **at,
                participant_id=f"person-{index}",
                failed_at=AT,
                error=Failure(code=1, message="refused"),
            )
            for stream in range(people if index == 0 else 1):
                yield StreamRecord(
                    **own,
                    **at,
                    stream_id=f"stream-{index}-{stream}",
                    source=StreamSource.CAMERA,
                    has_audio=True,
                    published_at=AT,
                    unpublished_at=LATER,
                )
            for stream in range(people):
                outcome = {"subscribed_at": AT, "ended_at": LATER} if stream else {"failed_at": AT}
                yield SubscriberRecord(**own, **at, subscriber_id=f"{index}-{stream}", stream_id=f"stream-0-{stream}", **outcome)
                yield SubscriberRecord(**own, **at, subscriber_id=f"{index}-{stream}-0", stream_id="stream-0-0", **outcome)
            for metric in METRICS:
                subjects = (
                    {"connection_id": f"connection-{index}"},
                    {"stream_id": f"stream-{index}-0"},
                    {"subscriber_id": f"{index}-1"},
                )
                for subject in subjects:
                    yield SamplesRecord(
                        call_id=call,
                        metric=metric,
                        media=Media.AUDIO,
                        direction=Direction.BOTH,
                        times=[AT.timestamp() * 1000],
                        values=[float(index)],
                        **subject,
                    )
            for name in ("a", "b", "c", "d", "e"):
                yield EventRecord(**own, at=AT, category=EventCategory.OTHER, name=name, severity=Severity.ERROR)
