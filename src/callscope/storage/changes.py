"""What changed of a call since it was settled last."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from callscope.telemetry import EPOCH

TAKE = """
delete from live.call_change where project_id = $1 and call_key = $2
returning series_keys, samples_from, samples_to, events_from, events_to, record_keys
"""
SAME_SECONDS = 60
"""Samples that lie no further apart are taken to be of one stretch."""
_FOREVER = datetime(2100, 1, 1, tzinfo=UTC)
"""Later than any telemetry."""


class Change(NamedTuple):
    """Series with new samples, and from when to when these are."""

    series_keys: frozenset[int]
    samples_from: datetime
    samples_to: datetime


@dataclass(frozen=True)
class Changes:
    """New samples, in order of time; from when to when there are new events, None without any; and which records are new, None
    where any may be."""

    samples: list[Change]
    events: tuple[datetime, datetime] | None
    record_keys: frozenset[int] | None

    @property
    def series_keys(self) -> frozenset[int]:
        return frozenset().union(*(change.series_keys for change in self.samples))

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> "Changes":
        """From rows of the table call_change."""
        samples, events = [], []
        new: set[int] | None = set()
        for row in rows:
            if row["series_keys"]:
                # One that was marked before changes told when they are.
                span = row["samples_from"] or EPOCH, row["samples_to"] or _FOREVER
                samples.append(Change(frozenset(row["series_keys"]), *span))
            if row["events_from"] is not None:
                events.append((row["events_from"], row["events_to"]))
            new = None if new is None or row["record_keys"] is None else new.union(row["record_keys"])
        told = (min(start for start, _ in events), max(end for _, end in events)) if events else None
        return cls(joined(samples), told, None if new is None else frozenset(new))


def joined(changes: Iterable[Change]) -> list[Change]:
    """Changes that share minutes as one, in order of time, so that no minute is looked at twice."""
    found: list[Change] = []
    for change in sorted(changes, key=lambda each: each.samples_from):
        before = found[-1] if found else None
        if before is not None and (change.samples_from - before.samples_to).total_seconds() <= SAME_SECONDS:
            until = max(before.samples_to, change.samples_to)
            found[-1] = Change(before.series_keys | change.series_keys, before.samples_from, until)
        else:
            found.append(change)
    return found
