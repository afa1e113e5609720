"""What settling does to one call: its catalog, meetings, issues, statistics and reports, derived from what its telemetry told.

It reads and writes by way of ``DerivedTables`` inside one transaction; what it decides, ``analysis`` decides.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import fsum
from typing import Any

from callscope.analysis.diagnostics import EventRow
from callscope.analysis.expiry import expiries
from callscope.analysis.issues import burden, counts_by_participant
from callscope.analysis.meetings import Meeting
from callscope.analysis.ratings import call_rating, ratings
from callscope.analysis.report import report_rows
from callscope.analysis.rows import Participant, columns
from callscope.analysis.statistics import Stretch, statistics
from callscope.analysis.tracks import Track
from callscope.examination import Examination
from callscope.storage.changes import Changes
from callscope.storage.derived import Figures
from callscope.vocabulary import MediaMode, Metric, Platform, TelemetryKind

ErrorEvent = tuple[int | None, datetime]
Row = dict[str, Any]

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

    errors: dict[int, ErrorEvent]
    revision: int

    async def derive(self, changes: Changes) -> None:
        """All of it anew; of ``changes``, the series that have new samples count."""
        await self.tables.roll_up(changes.samples)
        await self._read(changes.series_keys)
        if self.catalog.superseded and await self.tables.forget_events(self.catalog.superseded):
            await self._read(changes.series_keys)
        self.sampling_seconds = sampling_seconds(self.figures.values())
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

    def _rate(self, events: Iterable[EventRow]) -> None:
        self.rated = ratings(events)
        self.rating = call_rating(self.rated.values())
        self.failed, self.every = counts_by_participant(self.issues)
        self.scores = self._scores()
        self._count(self.catalog.participants.values())

    def _count(self, participants: Iterable[Participant]) -> None:
        """What of issues, errors and ratings is each participant's."""
        errors = Counter(key for key, _ in self.errors.values())
        for participant in participants:
            key = participant.participant_key
            participant.error_count = self.failed[key] + errors[key]
            participant.issue_count = self.every[key]
            participant.rating = self.rated[key].value if key in self.rated else None
            participant.mean_opinion_score = self.scores.get((PARTICIPANT, key))

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
        await self.tables.store("participant", [columns(row) for row in self.catalog.participants.values()])
        self._weigh()
        call, held = await self._store_stretches()
        rows = await asyncio.to_thread(report_rows, self.catalog, self.issues, self.warnings, call, held)
        await self.tables.store("report", rows)

    def _weigh(self) -> None:
        """The burden of issues on the call and on each meeting."""
        self.burdens: dict[int | None, Row] = {None: burden(self.issues)}
        for meeting in self.meetings:
            self.burdens[meeting.number] = burden(issue for issue in self.issues if issue.meeting_number == meeting.number)

    async def _store_stretches(self, *, is_provisional: bool = False) -> tuple[Row, list[Row]]:
        """Write the rows of the call and of its meetings."""
        self.revision = await self.tables.revision() + 1
        now = datetime.now(UTC)
        shared = {"missing": self._missing(), "derived_at": now}
        retention = timedelta(days=self.settings["retention_days"])
        arrived_at = now if self.former.is_known else self.received_at
        ages = expiries(self.meetings, self.former.arrivals, arrived_at, retention)
        ended_at = max((meeting.ended_at for meeting in self.meetings), default=self.last_active_at)
        whole, each = await asyncio.to_thread(self._counted, ended_at)
        held = [
            {
                **meeting.columns(),
                **ages[meeting.number].columns(),
                **shared,
                "duration_seconds": (meeting.ended_at - meeting.started_at).total_seconds(),
                "last_telemetry_at": min(self.last_active_at, meeting.ended_at),
                "mean_opinion_score": self.scores.get((MEETING, meeting.number)),
                **self.burdens[meeting.number],
                **each[meeting.number],
            }
            for meeting in self.meetings
        ]
        await self.tables.store("meeting", held)
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
            "expires_at": max((one.expires_at for one in ages.values()), default=self.received_at + retention),
            "sampling_seconds": self.sampling_seconds,
            "last_telemetry_at": self.last_active_at,
            "revision": self.revision,
            "is_provisional": is_provisional,
            "mean_opinion_score": self.scores.get(EVERYONE),
            **self.burdens[None],
            "rating_count": self.rating.count,
            "rating_average": self.rating.average,
            "rating_lowest": self.rating.lowest,
            **shared,
            **whole,
        }
        await self.tables.store("call", [call])
        return call, held

    def _counted(self, ended_at: datetime) -> tuple[Row, dict[int, Row]]:
        """Statistics of the call, and of each meeting by its number."""
        each = {meeting.number: self._statistics(self._of_meeting(meeting)) for meeting in self.meetings}
        return self._statistics(self._whole(ended_at)), each

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
            sum(meeting.started_at <= at <= meeting.ended_at for _, at in self.errors.values()),
            sum(issue.is_problem and issue.meeting_number == number for issue in self.issues),
            "subscriber" in self.catalog.told,
        )


def sampling_seconds(figures: Iterable[Mapping[str, Any]]) -> float | None:
    """The shortest mean interval between samples of any series, s."""
    intervals = [
        (figure["ended_at"] - figure["started_at"]).total_seconds() / (figure["sample_count"] - 1)
        for figure in figures
        if figure["sample_count"] > 1
    ]
    return round(min(intervals), 3) if intervals else None
