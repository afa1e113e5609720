"""A call that is too long to be looked at as a whole: its samples come window by window, and findings go on across their borders.

Each window begins a while before the last one ends. What is seen in both is told once, and what was not over at the end of one
window goes on in the next; if nothing is seen of it there, it was over when it was last seen.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import ceil
from typing import NamedTuple

from callscope.analysis.findings import Finding, seen_until
from callscope.analysis.joining import worse_of

WINDOW_SAMPLES = 300_000
"""Samples that are held at a time, some 64 bytes each."""
OVERLAP = 600_000.0
"""Milliseconds: far longer than any rule's minimum duration."""


class Extent(NamedTuple):
    """A series: how many samples, and when the first and the last one, ms since the Unix epoch."""

    samples: int
    first_at: float
    last_at: float


class Window(NamedTuple):
    """From when to when, ms since the Unix epoch; None for an open end."""

    start: float | None = None
    end: float | None = None

    @property
    def is_part(self) -> bool:
        return self != WHOLE


WHOLE = Window()


def windows(extents: Iterable[Extent]) -> Iterator[Window]:
    """Windows over some series, each of about as many samples as may be held."""
    known = list(extents)
    count = sum(extent.samples for extent in known)
    parts = ceil(count / WINDOW_SAMPLES)
    if parts <= 1:
        yield WHOLE
        return
    first, last = min(extent.first_at for extent in known), max(extent.last_at for extent in known)
    length = (last - first) / parts
    for part in range(parts):
        border = first + part * length
        yield Window(None if part == 0 else border - min(OVERLAP, length), None if part == parts - 1 else border + length)


def carried_on(before: Iterable[Finding], found: Iterable[Finding], window: Window, last_end: float) -> list[Finding]:
    """The findings of all windows so far and of the next one, which begins before ``last_end``, the end of the last one."""
    start = last_end if window.start is None else window.start
    told = list(before)
    going_on = {_identity(one): one for one in told if one.ended_at is None and seen_until(one) >= start}
    joined: list[Finding] = [one for one in told if _identity(one) not in going_on or one is not going_on[_identity(one)]]
    for finding in sorted(found, key=lambda one: one.started_at):
        earlier = going_on.get(_identity(finding))
        if earlier is not None and finding.started_at <= seen_until(earlier):
            del going_on[_identity(finding)]
            joined.append(
                replace(
                    worse_of(earlier, finding),
                    started_at=earlier.started_at,
                    ended_at=finding.ended_at,
                    lasted_until=finding.lasted_until,
                )
            )
        elif finding.ended_at is None or finding.ended_at > last_end:
            joined.append(finding)
    return joined + [replace(one, ended_at=seen_until(one), lasted_until=None) for one in going_on.values()]


def _identity(finding: Finding) -> tuple[object, ...]:
    return (
        finding.rule.name,
        finding.participant_key,
        finding.connection_key,
        finding.stream_key,
        finding.subscriber_key,
        finding.media,
        finding.direction,
    )
