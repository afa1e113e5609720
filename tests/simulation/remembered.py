"""A call's telemetry as settling reads it, without a database."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from callscope.analysis.catalog import build, series_key
from callscope.analysis.diagnosis import Diagnosis
from callscope.analysis.diagnostics import EventRow
from callscope.analysis.findings import Finding
from callscope.analysis.rows import Catalog
from callscope.analysis.tracks import Track, milliseconds
from callscope.storage.keys import key_of
from callscope.telemetry import EventRecord, SamplesRecord, Telemetry


@dataclass(frozen=True)
class Remembered:
    """One call: its catalog, its samples by series, its events in order of time."""

    catalog: Catalog
    tracks: dict[int, Track]
    events: list[EventRow]

    @property
    def lasted(self) -> dict[int, tuple[float, float]]:
        """The first and the last sample's time of each series, ms."""
        return {key: (track.times[0], track.times[-1]) for key, track in self.tracks.items()}


def remembered(telemetry: Iterable[Telemetry]) -> Remembered:
    """What ledger and tables would keep of a call's records."""
    bodies: dict[str, list[dict[str, Any]]] = defaultdict(list)
    samples: dict[int, dict[float, float]] = defaultdict(dict)
    series: dict[int, dict[str, Any]] = {}
    events: list[EventRow] = []
    call_id = ""
    for record in telemetry:
        call_id = record.call_id
        if isinstance(record, SamplesRecord):
            given = record.model_dump(mode="json", by_alias=True, exclude_none=True)
            body = {name: value for name, value in given.items() if name in SERIES}
            key = series_key(body, key_of)
            series[key] = body
            samples[key].update(zip(record.times, record.values, strict=True))
        elif isinstance(record, EventRecord):
            events.append(_event(record, len(events)))
        else:
            bodies[record.type].append(
                record.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"call_id", "type"})
            )
    bodies["call"].append({"callId": call_id})
    bodies["series"] = list(series.values())
    heard = [datetime.fromtimestamp(min(times) / 1000, UTC) for times in samples.values()]
    catalog = build(bodies, key_of, heard, datetime.now(UTC))
    tracks = {}
    for key, told in samples.items():
        times = sorted(told)
        tracks[key] = Track(catalog.series[key], times, [told[time] for time in times])
    return Remembered(catalog, tracks, sorted(events, key=lambda event: event.at))


SERIES = {"metric", "media", "direction", "participantId", "connectionId", "streamId", "subscriberId"}


def _event(record: EventRecord, number: int) -> EventRow:
    def key(kind: str, id_: str | None) -> int | None:
        return None if id_ is None else key_of(kind, id_)

    return EventRow(
        event_key=number,
        at=milliseconds(record.at),
        name=record.name,
        category=record.category,
        severity=record.severity,
        payload=record.payload,
        participant_key=key("participant", record.participant_id),
        connection_key=key("connection", record.connection_id),
        stream_key=key("stream", record.stream_id),
        outcome=record.outcome,
        message=record.message,
    )


def diagnosed(call: Remembered) -> list[Finding]:
    """The diagnosis of a call, as settling makes it."""
    diagnosis = Diagnosis(call.catalog, call.events, key_of)
    lasted = call.lasted
    for batch in diagnosis.batches():
        keys = [key for key in diagnosis.series_keys(batch.subjects) if key in call.tracks]
        derived = diagnosis.take(batch, {key: (call.tracks[key].times, call.tracks[key].values) for key in keys})
        lasted |= {track.series.series_key: (track.times[0], track.times[-1]) for track in derived}
    return diagnosis.findings(lasted)
