"""What the telemetry of one call tells: who took part, its meetings, what went wrong. Reads alone: settling stores it, and issues
that other thresholds would raise are evaluated by the same.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from callscope.analysis.catalog import build
from callscope.analysis.diagnosis import Diagnosis
from callscope.analysis.diagnostics import EventRow
from callscope.analysis.findings import Finding
from callscope.analysis.issues import Issue, issues_of
from callscope.analysis.meetings import SILENCE, Meeting, Span, life, meetings, reported_end, silences_between, stretches_of
from callscope.analysis.merging import Body
from callscope.analysis.rows import Catalog, DataWarning
from callscope.analysis.rows import instants as instants_of
from callscope.analysis.rules import Override
from callscope.analysis.series_figures import figures_of
from callscope.analysis.tracks import Track, milliseconds
from callscope.analysis.windows import Extent
from callscope.storage.derived import DerivedTables, Figures, Former
from callscope.storage.keys import key_of


class Examination:
    """Of one call. Each step leaves what the next ones need; none of them writes."""

    records: dict[str, list[Body]]
    catalog: Catalog
    measured: list[Finding]
    figures: dict[int, Figures]
    meetings: list[Meeting]
    warnings: list[DataWarning]
    issues: list[Issue]
    received_at: datetime
    started_at: datetime
    last_active_at: datetime
    live_until: datetime
    former: Former

    def __init__(self, tables: DerivedTables) -> None:
        self.tables = tables

    async def evaluate(self, overrides: Iterable[Override]) -> list[Issue]:
        """The issues of a call as it stands, had its rules other thresholds."""
        await self._read(set())
        await self._meet()
        await self._diagnose(await self.tables.diagnostic_events(), overrides)
        return self.issues

    async def _read(self, changed: Collection[int]) -> None:
        """What was told, folded into the catalog, and the call's span. ``changed`` are the series that have new samples."""
        self.settings = await self.tables.settings()
        self.records, self.received_at = await self.tables.records()
        self.event_span = await self.tables.event_span()
        self.figures = await self.tables.series_figures(changed)
        self.heard = [(figure["started_at"], figure["ended_at"]) for figure in self.figures.values()]
        instants = [instant for instant in self.event_span if instant is not None]
        instants += [instant for span in self.heard for instant in span]
        # In a thread, so that the server goes on answering meanwhile.
        self.catalog = await asyncio.to_thread(build, self.records, key_of, instants, self.received_at)
        instants += instants_in(self.catalog)
        self.heard = stretches_of([*self.heard, *((instant, instant) for instant in instants)])
        self.started_at = min(instants, default=self.received_at)
        self.last_active_at = max(instants, default=self.received_at)

    async def _meet(self) -> None:
        idle = timedelta(minutes=self.settings["meeting_idle_minutes"])
        connections = self.catalog.connections
        ended_at = self.catalog.call.get("endedAt")
        self.former = await self.tables.former()
        self.meetings = meetings(
            connections.values(),
            self.last_active_at,
            idle,
            call_ended_at=ended_at,
            silences=await self._silences(ended_at),
            removed=self.former.removed,
        )
        for stream in self.catalog.streams.values():
            stream.meeting_number = connections[stream.connection_key].meeting_number
        for subscriber in self.catalog.subscribers.values():
            subscriber.meeting_number = connections[subscriber.connection_key].meeting_number
        self.live_until, closed = life(
            self.meetings, connections.values(), self.last_active_at, idle=idle, call_ended_at=ended_at, key=key_of
        )
        self.warnings = [*self.catalog.warnings.values(), *closed]

    async def _silences(self, call_ended_at: datetime | None) -> list[Span]:
        """The silences of a call, where they matter: after somebody came whose end nobody reported."""
        unclosed = [
            connection.connected_at
            for connection in self.catalog.connections.values()
            if connection.connected_at is not None and reported_end(connection, call_ended_at) is None
        ]
        if not unclosed or max(end for _, end in self.heard) - min(unclosed) < SILENCE or not silences_between(self.heard):
            return []
        return silences_between([*self.heard, *await self.tables.event_spans()])

    async def _diagnose(self, events: Sequence[EventRow], overrides: Iterable[Override] = ()) -> None:
        """Reads the samples of the call, some subjects at a time, and finds its issues."""
        heard_until = milliseconds(self.last_active_at)
        diagnosis = await asyncio.to_thread(Diagnosis, self.catalog, events, key_of, overrides, heard_until=heard_until)
        extents = extents_of(self.figures)
        scores: set[int] = set()
        in_parts: set[int] = set()
        for batch in diagnosis.batches(extents):
            samples = await self.tables.samples(diagnosis.series_keys(batch.subjects), batch.window)
            derived = await asyncio.to_thread(diagnosis.take, batch, samples)
            self.catalog.series |= {track.series.series_key: track.series for track in derived}
            scores |= {track.series.series_key for track in derived}
            if batch.window.is_part:
                in_parts |= {track.series.series_key for track in derived}
                await self._keep(derived, are_parts=True)
            else:
                figures = {track.series.series_key: figures_of(track) for track in derived}
                changed = [track for track in derived if not self.tables.knows(track, figures)]
                await self._keep(changed, are_parts=False)
                self.figures |= figures
        self.figures |= await self._figures(in_parts)
        extents |= extents_of({key: self.figures[key] for key in scores if key in self.figures})
        await self._conclude(diagnosis, extents)

    async def _conclude(self, diagnosis: Diagnosis, extents: Mapping[int, Extent]) -> None:
        """From what was found in samples and told to the call's issues."""
        self.measured = diagnosis.measured
        lasted = {key: (one.first_at, one.last_at) for key, one in extents.items()}
        found = await asyncio.to_thread(diagnosis.findings, lasted)
        self.issues = await asyncio.to_thread(issues_of, found, self.catalog, key_of)
        ends = {meeting.number: meeting.live_until for meeting in self.meetings}
        for issue in self.issues:
            issue.open_until = ends.get(issue.meeting_number or 0, self.live_until)

    async def _keep(self, derived: Sequence[Track], *, are_parts: bool) -> None:
        """Handed the series that were derived from a batch's samples, whose samples are forgotten afterwards."""

    async def _figures(self, series_keys: Collection[int]) -> dict[int, Figures]:
        """Those of derived series that were kept in parts."""
        return {key: self.figures[key] for key in series_keys if key in self.figures}


def extents_of(figures: Mapping[int, Figures]) -> dict[int, Extent]:
    return {
        key: Extent(one["sample_count"], milliseconds(one["started_at"]), milliseconds(one["ended_at"]))
        for key, one in figures.items()
    }


def instants_in(catalog: Catalog) -> list[datetime]:
    """Every instant that the catalog tells of."""
    found = [value for value in catalog.call.values() if isinstance(value, datetime)]
    for table in (catalog.connections, catalog.streams, catalog.subscribers):
        for row in table.values():
            found += instants_of(row)
    return found
