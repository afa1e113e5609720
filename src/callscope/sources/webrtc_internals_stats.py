"""Statistics of a webrtc-internals dump: a series for each property of each report, put together again to getStats results.

A series is ``{startTime, endTime, statsType, values}`` under ``<report>-<property>``, its values JSON inside JSON. Since Chrome
117 the series ``<report>-timestamp`` tells when its report was read. A property that was not always there is put where its first
and last times say, or else at the end of its report, which may be wrong. Before, times are spread evenly between the first and
the last, which is approximate. Times are milliseconds since the Unix epoch.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

import orjson

from callscope.sources.client_clock import STEP, continuous, is_set
from callscope.sources.webrtc_counters import clock_time

MAX_SERIES = 1000
"""Values that Chrome keeps of a series; of longer calls the beginning is lost."""
MAX_TICKS = 100_000
TYPES = frozenset(
    {"inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "remote-outbound-rtp", "candidate-pair", "transport", "codec", "track"}
    | {"local-candidate", "remote-candidate", "localcandidate", "remotecandidate", "media-source"}
    | {"ssrc", "googCandidatePair", "VideoBwe"}
)
"""Types of reports that say something of media or its path."""
WORDS = frozenset({"mid", "trackIdentifier", "googTrackId"})
"""Words that Chrome writes as numbers where they look like ones."""


class Series(NamedTuple):
    values: list[Any]
    started_at: float | None
    ended_at: float | None


@dataclass(slots=True)
class Report:
    """One report over time. ``positions`` says which of its readings belongs to a tick."""

    type: str
    properties: dict[str, Series] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)
    """By how many readings a property came later than its report."""
    positions: dict[int, int] = field(default_factory=dict)

    @property
    def is_by_rtcp(self) -> bool:
        """Whether its times are those of the other end's reports, not of the reading."""
        return self.type.startswith("remote-")

    @property
    def longest(self) -> Series:
        return max(self.properties.values(), key=lambda series: len(series.values))


class Tick(NamedTuple):
    at: float
    reports: dict[str, dict[str, Any]]


@dataclass(slots=True)
class Statistics:
    """The statistics of one peer connection."""

    reports: dict[str, Report] = field(default_factory=dict)
    ticks: list[float] = field(default_factory=list)
    is_truncated: bool = False
    """Whether the beginning is lost."""
    is_spread: bool = False
    """Whether times are approximate, because none were written."""
    set_back: float = 0
    """By how much the clock was set back between readings, less than nothing if ahead; their times go on as before."""
    stood_still: int = 0
    """How many readings in a row repeated the time of the one before, at most."""
    damaged: list[str] = field(default_factory=list)
    """The names of series that cannot be read, and of reports that can be placed nowhere."""

    @classmethod
    def of(cls, told: Any) -> "Statistics":
        statistics = cls()
        for name, series in told.items() if isinstance(told, dict) else ():
            statistics._take(name, series)
        timed = [report for report in statistics.reports.values() if _set_times(report)]
        statistics._continue(timed)
        statistics._place([report for report in timed if not report.is_by_rtcp])
        return statistics

    @property
    def span(self) -> tuple[float, float] | None:
        return (self.ticks[0], self.ticks[-1]) if self.ticks else None

    def results(self) -> Iterator[Tick]:
        """What each getStats call told, in order of time."""
        for number, at in enumerate(self.ticks):
            reports = {}
            for key, report in self.reports.items():
                position = _position(report, number, at)
                if position is not None:
                    reports[key] = _reading(report, position, at)
            yield Tick(at, reports)

    def _take(self, name: str, told: Any) -> None:
        # Brackets are rates and sums that the page itself works out.
        report, dash, prop = name.rpartition("-")
        if "-[" in name or not dash or not report or prop in {"type", "id"}:
            return
        kind = told.get("statsType") if isinstance(told, Mapping) else None
        values = _values(told.get("values")) if isinstance(told, Mapping) else None
        if values is None:
            self.damaged.append(name)
        elif kind in TYPES and values:
            self.is_truncated = self.is_truncated or len(values) >= MAX_SERIES
            # Chrome marked what is no standard with an asterisk.
            word = prop.rstrip("*")
            values = [str(value) if isinstance(value, int | float) else value for value in values] if word in WORDS else values
            series = Series(values, _instant(told.get("startTime")), _instant(told.get("endTime")))
            self.reports.setdefault(report, Report(kind)).properties[word] = series

    def _continue(self, timed: list[Report]) -> None:
        """Let times go on where the clock was set, as the report with the most readings tells."""
        longest = max((report.times for report in timed if not report.is_by_rtcp), key=len, default=[])
        self.stood_still = _repetitions(longest)
        times, self.set_back = continuous(longest)
        if self.set_back:
            cut = _set_at(longest)
            moves = dict(zip(longest[cut:], times[cut:], strict=True))
            for report in timed:
                # One whose times go on may have ended before the clock was set, or begun after.
                first = _set_at(report.times)
                if first == len(report.times) and not longest[0] - STEP <= report.times[0] <= longest[cut - 1] + STEP:
                    first = 0
                report.times[first:] = [moves.get(time, time + self.set_back) for time in report.times[first:]]

    def _place(self, timed: list[Report]) -> None:
        self.ticks = _distinct(sorted(time for report in timed for time in report.times))
        untimed = {key: report for key, report in self.reports.items() if not report.times and report.properties}
        spread = [report for report in untimed.values() if report.longest.ended_at is not None]
        self.damaged += [key for key, report in untimed.items() if report.longest.ended_at is None]
        if not self.ticks and spread:
            self.ticks = _evenly([report.longest for report in spread])
        self.is_spread = bool(spread)
        numbers = {round(at): number for number, at in enumerate(self.ticks)}
        for report in timed:
            report.positions = {numbers[round(time)]: position for position, time in enumerate(report.times)}
        for report in spread:
            self._spread(report)

    def _spread(self, report: Report) -> None:
        """Give a report without times as many ticks as it has readings, up to the tick nearest to its last."""
        longest = report.longest
        length, ended_at = len(longest.values), longest.ended_at or 0
        after = bisect_left(self.ticks, ended_at)
        last = min(range(max(after - 1, 0), min(after + 1, len(self.ticks))), key=lambda tick: abs(self.ticks[tick] - ended_at))
        report.offsets = {name: length - len(series.values) for name, series in report.properties.items()}
        report.positions = {last - length + 1 + position: position for position in range(length)}


def _set_times(report: Report) -> bool:
    told = report.properties.pop("timestamp", None)
    times = [clock_time(value) for value in told.values] if told else []
    report.times = [time for time in times if time is not None]
    if not report.times or len(report.times) < len(times):
        report.times = []
        return False
    report.offsets = {name: _offset(report.times, series) for name, series in report.properties.items()}
    return True


def _set_at(times: list[float]) -> int:
    """The first reading whose clock had been set; their number if none."""
    return next((number for number, (before, time) in enumerate(pairwise(times), 1) if is_set(before, time)), len(times))


def _repetitions(times: list[float]) -> int:
    longest = run = 0
    for before, time in pairwise(times):
        run = run + 1 if time == before else 0
        longest = max(longest, run)
    return longest


def _offset(times: list[float], series: Series) -> int:
    """The number of readings before the first of a property. The times of a series are cut to whole milliseconds."""
    count = len(series.values)
    if series.started_at is not None and series.ended_at is not None and count < len(times):
        first = bisect_left(times, series.started_at)
        last = first + count - 1
        if last < len(times) and 0 <= times[first] - series.started_at < 1 and 0 <= times[last] - series.ended_at < 1:
            return first
    return len(times) - count


def _position(report: Report, number: int, at: float) -> int | None:
    if not report.times or not report.is_by_rtcp:
        return report.positions.get(number)
    last = bisect_right(report.times, at) - 1
    return last if last >= 0 else None


def _reading(report: Report, position: int, at: float) -> dict[str, Any]:
    reading = {"type": report.type, "timestamp": report.times[position] if report.times else at}
    for name, series in report.properties.items():
        index = position - report.offsets[name]
        if 0 <= index < len(series.values):
            reading[name] = series.values[index]
    return reading


def _distinct(times: list[float]) -> list[float]:
    """All reports of one call have its time, give or take a rounding error."""
    return list({round(time): time for time in times}.values())


def _evenly(series: list[Series]) -> list[float]:
    """As many times as the longest series has values, so far apart as its own, from the first start to the last end."""
    longest = max(series, key=lambda one: len(one.values))
    starts = [one.started_at for one in series if one.started_at is not None]
    ends = [one.ended_at for one in series if one.ended_at is not None]
    start, end = min(starts, default=min(ends)), max(ends)
    began, ended = longest.started_at or start, longest.ended_at or end
    step = (ended - began) / (len(longest.values) - 1) if len(longest.values) > 1 else 0
    count = min(round((end - start) / step), MAX_TICKS) if step > 0 else 0
    return [end - step * (count - number) for number in range(count + 1)]


def _values(told: Any) -> list[Any] | None:
    if isinstance(told, str):
        try:
            told = orjson.loads(told)
        except orjson.JSONDecodeError:
            return None
    return told if isinstance(told, list) else None


def _instant(told: Any) -> float | None:
    """``2025-09-22T18:35:23.065Z``"""
    if isinstance(told, str):
        try:
            at = datetime.fromisoformat(told)
        except ValueError:
            return None
        return clock_time(at.timestamp() * 1000) if at.tzinfo else None
    return clock_time(told)
