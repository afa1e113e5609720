"""What settling does to one call: its catalog, meetings, issues, statistics and reports, derived from what its telemetry told.

It reads and writes by way of ``DerivedTables`` inside one transaction; what it decides, ``analysis`` decides.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import fsum
from typing import Any

from callscope.analysis.diagnostics import EventRow
from callscope.analysis.issues import burden, counts_by_participant
from callscope.analysis.meetings import Meeting
from callscope.analysis.ratings import call_rating, ratings
from callscope.analysis.report import report_rows
from callscope.analysis.rows import columns
from callscope.analysis.statistics import Stretch, statistics
from callscope.analysis.tracks import Track
from callscope.examination import Examination
from callscope.storage.derived import Figures
from callscope.storage.rollups import Change
from callscope.vocabulary import MediaMode, Metric, Platform, TelemetryKind

ErrorEvent = tuple[int | None, datetime]

PARTICIPANT, MEETING = "participant", "meeting"
EVERYONE = ("call", None)
"""Whose scores, beside those of one participant or one meeting."""
TOLD_BY = {
    TelemetryKind.PARTICIPANTS: "participant",
    TelemetryKind.CONNECTIONS: "connection",
    TelemetryKind.STREAMS: "stream",
    TelemetryKind.SUBSCRIBERS: "subscriber",
}


class Settlement(Examination):
    """Of one call. Each step leaves what the next ones need."""

    errors: list[ErrorEvent]

    async def derive(self, changes: Sequence[Change]) -> None:
        """``changes`` tell which series have new samples."""
        await self.tables.roll_up(changes)
        await self._read({key for change in changes for key in change.series_keys})
        await self._meet()
        await self._store_catalog()
        events = await self.tables.diagnostic_events()
        await self._diagnose(events)
        await self._store_issues()
        self._rate(events)
        await self._store_figures()

    async def _store_catalog(self) -> None:
        for name, rows in (
            ("connection", self.catalog.connections),
            ("stream", self.catalog.streams),
            ("subscriber", self.catalog.subscribers),
        ):
            await self.tables.store(name, [columns(row) for row in rows.values()])
        await self.tables.store("data_warning", [columns(row) for row in self.warnings])
        await self.tables.place_events()
        self.errors = await self.tables.error_events()

    async def _keep(self, derived: Sequence[Track], *, are_parts: bool) -> None:
        await self.tables.store_samples(derived, are_parts=are_parts)

    async def _figures(self, series_keys: Collection[int]) -> dict[int, Figures]:
        return await self.tables.figures_of(series_keys)

    async def _store_issues(self) -> None:
        await self.tables.store_series(self.catalog.series, self.figures)
        await self.tables.store_sketches(self.catalog.series, self.figures)
        await self.tables.store("issue", [columns(issue) for issue in self.issues])

    def _rate(self, events: list[EventRow]) -> None:
        rated = ratings(events)
        self.rating = call_rating(rated.values())
        failed, every = counts_by_participant(self.issues)
        errors = Counter(key for key, _ in self.errors)
        self.scores = scores = self._scores()
        for key, participant in self.catalog.participants.items():
            participant.error_count = failed[key] + errors[key]
            participant.issue_count = every[key]
            participant.rating = rated[key].value if key in rated else None
            participant.mean_opinion_score = scores.get((PARTICIPANT, key))

    def _scores(self) -> dict[tuple[str, int | None], float]:
        """The mean of all scores of received audio: of each participant, of each meeting, and of all."""
        told: dict[tuple[str, int | None], list[tuple[float, int]]] = defaultdict(list)
        for key, series in self.catalog.series.items():
            if series.metric == Metric.MEAN_OPINION_SCORE and (figure := self.figures.get(key)) is not None:
                connection = self.catalog.connections.get(series.connection_key or 0)
                meeting = connection.meeting_number if connection is not None else None
                for whose in ((PARTICIPANT, series.participant_key), (MEETING, meeting), EVERYONE):
                    told[whose].append((figure["average"] * figure["sample_count"], figure["sample_count"]))
        return {whose: fsum(total for total, _ in scores) / sum(count for _, count in scores) for whose, scores in told.items()}

    async def _store_figures(self) -> None:
        tables = self.tables
        await tables.store("participant", [columns(row) for row in self.catalog.participants.values()])
        shared = {"missing": self._missing(), "derived_at": datetime.now(UTC)}
        held = [
            {
                **meeting.columns(),
                **shared,
                "duration_seconds": (meeting.ended_at - meeting.started_at).total_seconds(),
                "last_telemetry_at": min(self.last_active_at, meeting.ended_at),
                "mean_opinion_score": self.scores.get((MEETING, meeting.number)),
                **burden(issue for issue in self.issues if issue.meeting_number == meeting.number),
                **self._statistics(self._of_meeting(meeting)),
            }
            for meeting in self.meetings
        ]
        await tables.store("meeting", held)
        ended_at = max((meeting.ended_at for meeting in self.meetings), default=self.last_active_at)
        told = self.catalog.call
        call = {
            "call_id": told["callId"],
            "platform": told.get("platform", Platform.OTHER),
            "media_mode": told.get("mediaMode", MediaMode.UNKNOWN),
            "tags": told.get("tags", []),
            "started_at": self.started_at,
            "ended_at": ended_at,
            "live_until": self.live_until,
            "duration_seconds": (ended_at - self.started_at).total_seconds(),
            "last_active_at": self.last_active_at,
            "received_at": self.received_at,
            "sampling_seconds": _sampling_seconds(self.figures.values()),
            "last_telemetry_at": self.last_active_at,
            "revision": await tables.revision() + 1,
            "mean_opinion_score": self.scores.get(EVERYONE),
            **burden(self.issues),
            "rating_count": self.rating.count,
            "rating_average": self.rating.average,
            "rating_lowest": self.rating.lowest,
            **shared,
            **self._statistics(self._whole(ended_at)),
        }
        rows = await asyncio.to_thread(report_rows, self.catalog, self.issues, self.warnings, call, held)
        await tables.store("report", rows)
        await tables.store("call", [call])

    def _missing(self) -> list[TelemetryKind]:
        missing = [kind for kind, record in TOLD_BY.items() if record not in self.catalog.told]
        missing += [TelemetryKind.EVENTS] * (self.event_span[1] is None)
        return missing + [TelemetryKind.SAMPLES] * (not self.figures)

    def _statistics(self, stretch: Stretch) -> dict[str, Any]:
        return statistics(stretch, self.settings["large_meeting_subscribers"]).columns()

    def _whole(self, ended_at: datetime) -> Stretch:
        return Stretch(
            list(self.catalog.participants.values()),
            list(self.catalog.connections.values()),
            list(self.catalog.streams.values()),
            list(self.catalog.subscribers.values()),
            ended_at,
            len(self.errors),
            sum(issue.is_problem for issue in self.issues),
            "subscriber" in self.catalog.told,
            {meeting.number: meeting.ended_at for meeting in self.meetings},
        )

    def _of_meeting(self, meeting: Meeting) -> Stretch:
        number = meeting.number
        connections = [row for row in self.catalog.connections.values() if row.meeting_number == number]
        present = {row.participant_key for row in connections}
        return Stretch(
            [row for row in self.catalog.participants.values() if row.participant_key in present],
            connections,
            [row for row in self.catalog.streams.values() if row.meeting_number == number],
            [row for row in self.catalog.subscribers.values() if row.meeting_number == number],
            meeting.ended_at,
            sum(meeting.started_at <= at <= meeting.ended_at for _, at in self.errors),
            sum(issue.is_problem and issue.meeting_number == number for issue in self.issues),
            "subscriber" in self.catalog.told,
        )


def _sampling_seconds(figures: Iterable[Mapping[str, Any]]) -> float | None:
    """The shortest mean interval between samples of any series, s."""
    intervals = [
        (figure["ended_at"] - figure["started_at"]).total_seconds() / (figure["sample_count"] - 1)
        for figure in figures
        if figure["sample_count"] > 1
    ]
    return round(min(intervals), 3) if intervals else None
