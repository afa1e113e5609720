"""A large call that goes on: derived as a whole once, then followed change by change.

What is small against the change is brought up to date with each: who came and went, samples and their figures, statistics. What
looks at the call as a whole (its issues, scores and reports) follows as often as a bounded share of the time allows. The call is
provisional until it rests, and is then derived as a whole again: that has the last word.
"""

import asyncio
import time
from collections.abc import Collection
from datetime import UTC, datetime

from callscope.analysis.meetings import Span, stretches_of
from callscope.analysis.ongoing import Ongoing, found_by
from callscope.analysis.report import report_rows
from callscope.analysis.rows import Catalog, columns
from callscope.analysis.standing import Standing
from callscope.analysis.tracks import milliseconds
from callscope.examination import extents_of, instants_in
from callscope.settlement import Settlement, sampling_seconds
from callscope.storage.changes import Changes
from callscope.storage.keys import key_of

FOLLOWED_ABOVE = 1_000
"""Series of a call that is worth following: of a smaller one all is derived anew in less than a second."""
JUDGED_SHARE = 0.2
"""Of the time, what looking at the call as a whole may take."""
TABLES = ("connection", "stream", "subscriber", "participant")


def is_live(until: datetime) -> bool:
    return until > datetime.now(UTC)


class Following(Settlement):
    """Of one call, kept between its changes; its tables are those of one connection."""

    async def begin(self, changes: Changes) -> None:
        """Derive the call as a whole. It can be followed if it is large enough and lives."""
        await self.derive(changes)
        self.is_worth_it = len(self.catalog.series) > FOLLOWED_ABOVE and is_live(self.live_until)
        if self.is_worth_it:
            self._standing = Standing(self.records, self.catalog, key_of)
            self._found = found_by(self.measured)
            self._diagnosed = {event.event_key: event for event in await self.tables.diagnostic_events()}
            self._looked_until = milliseconds(self.last_active_at)
            self._unjudged: set[int] = set()
            self._judge_after = 0.0
        self.records = {}

    async def follow(self, changes: Changes) -> bool:
        """Bring up to date what a change concerns; False where the call must be derived as a whole, and nothing was written."""
        if changes.record_keys is None or await self.tables.revision() != self.revision:
            return False
        told = await self.tables.new_records(changes.record_keys)
        if any("revisionOf" in body for _, body in told):
            return False
        touched = await asyncio.to_thread(self._standing.add, told)
        self.settings = await self.tables.settings()
        await self._renew(changes)
        await self._catalog(touched)
        await self._events(changes)
        await self._judge_if_due()
        await self._store_stretches(is_provisional=True)
        return True

    async def _renew(self, changes: Changes) -> None:
        """Rollups and figures of the series that have new samples, and when something was heard."""
        await self.tables.roll_up(changes.samples)
        self._changed = await self.tables.figures_of(changes.series_keys)
        self.figures |= self._changed
        intervals = (self.sampling_seconds, sampling_seconds(self._changed.values()))
        self.sampling_seconds = min((one for one in intervals if one is not None), default=None)
        spans = [(one["started_at"], one["ended_at"]) for one in self._changed.values()]
        if changes.events is not None:
            self.event_span = changes.events
            spans.append(changes.events)
        self._hear(spans)

    def _hear(self, spans: Collection[Span]) -> None:
        if spans:
            self.started_at = min(self.started_at, *(start for start, _ in spans))
            self.last_active_at = max(self.last_active_at, *(end for _, end in spans))
            self.heard = stretches_of([*self.heard, *spans])

    async def _catalog(self, touched: set[str] | None) -> None:
        """The rows of those who may have changed, and of everybody where anybody may."""
        before = {key: row.meeting_number for key, row in self.catalog.connections.items()}
        if touched is None:
            self.catalog = await asyncio.to_thread(self._standing.rebuild, self.received_at)
            part = self.catalog
        else:
            part = await asyncio.to_thread(self._standing.part, touched) if touched else Catalog()
            await self._replace(part, {key_of("participant", one) for one in touched})
        self._hear([(at, at) for at in instants_in(part)])
        await self._meet()
        moved = {key for key, row in self.catalog.connections.items() if row.meeting_number != before.get(key)}
        self._count(part.participants.values())
        for name in TABLES[:3]:
            rows = {**getattr(part, f"{name}s")}
            if moved:
                of_moved = {key: row for key, row in getattr(self.catalog, f"{name}s").items() if row.connection_key in moved}
                rows |= of_moved
            stored = [columns(row) for row in rows.values()]
            await (self.tables.store(name, stored) if touched is None else self.tables.write(name, stored))
        people = [columns(row) for row in part.participants.values()]
        await (self.tables.store("participant", people) if touched is None else self.tables.write("participant", people))
        await self.tables.store("data_warning", [columns(row) for row in self.warnings])
        await self._store_series(part)

    async def _replace(self, part: Catalog, participants: set[int]) -> None:
        """Put a part of the catalog in the place of what was known of some participants."""
        for name in TABLES:
            known, new = getattr(self.catalog, f"{name}s"), getattr(part, f"{name}s")
            gone = [key for key, row in known.items() if row.participant_key in participants and key not in new]
            if name != "stream" and gone:
                await self.tables.remove(name, gone)
                for key in gone:
                    del known[key]
            known.update(new)
            for key in (*gone, *new):
                self.catalog.failed_at.pop(key, None)
        self.catalog.series.update(part.series)
        self.catalog.failed_at.update(part.failed_at)

    async def _store_series(self, part: Catalog) -> None:
        keys = {*self._changed, *part.series} & self.figures.keys()
        changed = {key: self.catalog.series[key] for key in keys if key in self.catalog.series}
        await self.tables.store_some_series(changed, self.figures)
        await self.tables.renew_sketches(self.catalog.series)
        self._unjudged |= {row.participant_key for row in changed.values()}

    async def _events(self, changes: Changes) -> None:
        if changes.events is not None:
            await self.tables.place_events(changes.events)
            self.errors |= await self.tables.error_events(changes.events)
            self._diagnosed |= {event.event_key: event for event in await self.tables.diagnostic_events(changes.events)}

    async def _judge_if_due(self) -> None:
        """Issues, scores and reports, unless they were looked at a moment ago."""
        if time.monotonic() < self._judge_after:
            if any(meeting.number not in self.burdens for meeting in self.meetings):
                self._weigh()
            return
        started = time.monotonic()
        await self._judge()
        taken = time.monotonic() - started
        self._judge_after = time.monotonic() + taken * (1 / JUDGED_SHARE - 1)

    async def _judge(self) -> None:
        events = sorted(self._diagnosed.values(), key=lambda event: (event.at, event.event_key))
        until = milliseconds(self.last_active_at)
        looking = await asyncio.to_thread(Ongoing, self.catalog, events, key_of, self._found, heard_until=until)
        scored: set[int] = set()
        for batch in looking.looks(self._unjudged, self._looked_until):
            samples = await self.tables.samples(looking.series_keys(batch.subjects), batch.window)
            derived = await asyncio.to_thread(looking.look, batch, samples, self._looked_until)
            self.catalog.series |= {track.series.series_key: track.series for track in derived}
            await self.tables.store_samples(derived, are_parts=True)
            scored |= {track.series.series_key for track in derived}
        self.figures |= await self.tables.figures_of(scored)
        await self._conclude(looking, extents_of(self.figures))
        await self.tables.store_some_series({key: self.catalog.series[key] for key in scored}, self.figures)
        await self.tables.store_sketches(self.catalog.series, self.figures)
        await self.tables.store("issue", [columns(issue) for issue in self.issues])
        self._rate(events)
        self._weigh()
        await self.tables.store("participant", [columns(row) for row in self.catalog.participants.values()])
        self._looked_until, self._unjudged = until, set()
        call, held = await self._store_stretches(is_provisional=True)
        rows = await asyncio.to_thread(report_rows, self.catalog, self.issues, self.warnings, call, held)
        await self.tables.store("report", rows)
