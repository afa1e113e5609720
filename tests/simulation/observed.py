"""What tests read from the telemetry of a simulated call."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from callscope.simulation import CallPlan, Fault, simulate_call
from callscope.simulation.people import people
from callscope.telemetry import EventRecord, Telemetry
from callscope.vocabulary import Direction, Media, Metric, Platform

STARTED_AT = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)


def plan(*faults: Fault, **rest: Any) -> CallPlan:
    settings: dict[str, Any] = {"call_id": "call", "platform": Platform.ACS, "started_at": STARTED_AT, "minutes": 5.0, "seed": 7}
    return CallPlan(faults=faults, **(settings | rest))


class Key(NamedTuple):
    sender: int | None
    receiver: int | None
    media: Media
    metric: Metric


class Observed:
    """Samples by who sent and who received, each with its time; participants are counted as the plan counts them."""

    def __init__(self, plan: CallPlan, records: Iterable[Telemetry] | None = None) -> None:
        self.plan = plan
        self.records = list(simulate_call(plan) if records is None else records)
        self.indexes: dict[str | None, int] = {person.participant_id: person.index for person in people(plan)}
        self.series: dict[Key, dict[float, float]] = defaultdict(dict)
        publishers = {
            r.stream_id: self.indexes[r.participant_id] for r in self.records if r.type == "stream" and r.participant_id
        }
        for record in self.records:
            if record.type == "samples":
                who = self.indexes[record.participant_id]
                is_received = record.direction is Direction.SUBSCRIBE
                sender = publishers[record.stream_id] if is_received else who
                key = Key(sender, who if is_received else None, record.media, record.metric)
                self.series[key].update(zip(record.times, record.values, strict=True))

    def events(self, name: str) -> list[EventRecord]:
        return [record for record in self.records if record.type == "event" and record.name == name]

    def of(self, kind: str) -> list[Any]:
        return [record for record in self.records if record.type == kind]

    def values(
        self, sender: int | None, receiver: int | None, media: Media, metric: Metric, at: float, until: float
    ) -> list[float]:
        """Between seconds of the call."""
        low, high = self.plan.start + at * 1000, self.plan.start + until * 1000
        return [value for time, value in self.series[Key(sender, receiver, media, metric)].items() if low < time <= high]


def changed(with_fault: Observed, without: Observed) -> dict[Key, list[float]]:
    """The series that differ, and the seconds of the call at which they do."""
    found: dict[Key, list[float]] = {}
    for key in with_fault.series.keys() | without.series.keys():
        one, other = with_fault.series[key], without.series[key]
        times = sorted(time for time in one.keys() | other.keys() if one.get(time) != other.get(time))
        if times:
            found[key] = [(time - with_fault.plan.start) / 1000 for time in times]
    return found


def seconds(record: EventRecord) -> float:
    return (record.at - STARTED_AT) / timedelta(seconds=1)
