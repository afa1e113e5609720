"""Settling: for each call whose telemetry changed, derive its catalog, meetings and statistics anew and bump its revision.

Safe in several processes at once: a call is settled by whoever takes its lock, and what arrives meanwhile stays marked.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from callscope.analysis.catalog import build
from callscope.analysis.issues import Issue, counts_by_participant, stated_issues
from callscope.analysis.meetings import SILENCE, Meeting, Span, life, meetings, reported_end, silences_between
from callscope.analysis.rows import Catalog, columns
from callscope.analysis.rows import instants as instants_of
from callscope.analysis.statistics import Stretch, statistics
from callscope.storage.derived import PENDING_CALLS, TRY_LOCK, DerivedTables
from callscope.storage.keys import key_of
from callscope.storage.pool import connect
from callscope.vocabulary import MediaMode, Platform, TelemetryKind

log = logging.getLogger(__name__)

ErrorEvent = tuple[int | None, datetime]

BATCH = 100
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    # On a connection that ends in the middle of a statement.
    asyncpg.InternalClientError,
    OSError,
)
"""What settling survives without much ado: the database restarts, or ends the connection."""
TOLD_BY = {
    TelemetryKind.PARTICIPANTS: "participant",
    TelemetryKind.CONNECTIONS: "connection",
    TelemetryKind.STREAMS: "stream",
    TelemetryKind.SUBSCRIBERS: "subscriber",
}


async def settle_pending(
    connection: asyncpg.Connection,
    *,
    project_id: int | None = None,
    call_keys: Sequence[int] | None = None,
    settled: Callable[[], object] = lambda: None,
) -> int:
    """Settle every call that is marked as changed, or those of a project, or some of them; returns how many.

    ``settled`` is called after each.

    A call that cannot be settled stays marked and keeps no other from it; its error is raised in the end.
    """
    count = 0
    failures: dict[tuple[int, int], Exception] = {}
    while True:
        rows = await connection.fetch(PENDING_CALLS, project_id, BATCH + len(failures), call_keys)
        pending = [tuple(row) for row in rows]
        done, known = 0, len(failures)
        for call in pending:
            if call in failures:
                continue
            try:
                done += await settle_call(connection, *call)
            except Exception as error:
                if connection.is_closed():
                    raise
                error.add_note(f"while settling call {call[1]} of project {call[0]}")
                failures[call] = error
            settled()
        count += done
        if not done and len(failures) == known:
            if failures:
                raise next(iter(failures.values()))
            return count


async def settle_call(connection: asyncpg.Connection, project_id: int, call_key: int) -> bool:
    """Settle one call; False where nothing changed or another process is at it."""
    async with connection.transaction():
        if not await connection.fetchval(TRY_LOCK, call_key ^ project_id):
            return False
        tables = DerivedTables(connection, project_id, call_key)
        changed = await tables.take_changes()
        if changed is None:
            return False
        await _Settlement(tables).derive(changed)
        return True


class _Settlement:
    def __init__(self, tables: DerivedTables) -> None:
        self.tables = tables

    async def derive(self, changed: set[int]) -> None:
        tables = self.tables
        records, received_at = await tables.records()
        first_event, last_event = await tables.event_span()
        figures = await tables.series_figures(changed)
        instants = [instant for instant in (first_event, last_event) if instant is not None]
        instants += [instant for figure in figures.values() for instant in (figure["started_at"], figure["ended_at"])]
        # In a thread, so that the server goes on answering meanwhile.
        catalog = await asyncio.to_thread(build, records, key_of, instants, received_at)
        instants += list(_instants(catalog))
        started_at = min(instants, default=received_at)
        last_active_at = max(instants, default=received_at)
        settings = await tables.settings()
        idle = timedelta(minutes=settings["meeting_idle_minutes"])
        call_ended_at = catalog.call.get("endedAt")
        heard = [(instant, instant) for instant in instants]
        heard += [(figure["started_at"], figure["ended_at"]) for figure in figures.values()]
        silences = await self._silences(catalog, call_ended_at, heard)
        attempts = catalog.connections.values()
        found = meetings(attempts, last_active_at, idle, call_ended_at=call_ended_at, silences=silences)
        for stream in catalog.streams.values():
            stream.meeting_number = catalog.connections[stream.connection_key].meeting_number
        for subscriber in catalog.subscribers.values():
            subscriber.meeting_number = catalog.connections[subscriber.connection_key].meeting_number
        await tables.store("connection", [columns(row) for row in catalog.connections.values()])
        await tables.store("stream", [columns(row) for row in catalog.streams.values()])
        await tables.store("subscriber", [columns(row) for row in catalog.subscribers.values()])
        await tables.place_events()
        errors = await tables.error_events()
        issues = stated_issues(catalog, key_of)
        await tables.store("issue", [columns(issue) for issue in issues])
        self._count_errors(catalog, errors, issues)
        await tables.store("participant", [columns(row) for row in catalog.participants.values()])
        live_until, closed = life(found, attempts, last_active_at, idle=idle, call_ended_at=call_ended_at, key=key_of)
        await tables.store("data_warning", [columns(row) for row in (*catalog.warnings.values(), *closed)])
        await tables.store_series(catalog.series, figures)
        missing = [kind for kind, record in TOLD_BY.items() if record not in catalog.told]
        missing += [TelemetryKind.EVENTS] * (last_event is None) + [TelemetryKind.SAMPLES] * (not figures)
        now = datetime.now(UTC)
        shared = {"missing": missing, "derived_at": now}
        large_above = settings["large_meeting_subscribers"]
        await tables.store(
            "meeting",
            [
                {
                    **meeting.columns(),
                    **shared,
                    "duration_seconds": (meeting.ended_at - meeting.started_at).total_seconds(),
                    "last_telemetry_at": min(last_active_at, meeting.ended_at),
                    **statistics(
                        _stretch(catalog, errors, issues, meeting.ended_at, meeting=meeting), large_above, catalog.implied
                    ).columns(),
                }
                for meeting in found
            ],
        )
        ended_at = max((meeting.ended_at for meeting in found), default=last_active_at)
        call = {
            "call_id": catalog.call["callId"],
            "platform": catalog.call.get("platform", Platform.OTHER),
            "media_mode": catalog.call.get("mediaMode", MediaMode.UNKNOWN),
            "tags": catalog.call.get("tags", []),
            "started_at": started_at,
            "ended_at": ended_at,
            "live_until": live_until,
            "duration_seconds": (ended_at - started_at).total_seconds(),
            "last_active_at": last_active_at,
            "received_at": received_at,
            "sampling_seconds": _sampling_seconds(figures.values()),
            "last_telemetry_at": last_active_at,
            "revision": await tables.revision() + 1,
            **shared,
            **statistics(
                _stretch(catalog, errors, issues, ended_at, ends={meeting.number: meeting.ended_at for meeting in found}),
                large_above,
                catalog.implied,
            ).columns(),
        }
        await tables.store("call", [call])

    async def _silences(self, catalog: Catalog, call_ended_at: datetime | None, heard: list[Span]) -> list[Span]:
        """The silences of a call, where they matter: after somebody came whose end nobody reported."""
        unclosed = [
            connection.connected_at
            for connection in catalog.connections.values()
            if connection.connected_at is not None and reported_end(connection, call_ended_at) is None
        ]
        if not unclosed or max(end for _, end in heard) - min(unclosed) < SILENCE or not silences_between(heard):
            return []
        return silences_between([*heard, *await self.tables.event_spans()])

    @staticmethod
    def _count_errors(catalog: Catalog, errors: list[ErrorEvent], issues: list[Issue]) -> None:
        failed, every = counts_by_participant(issues)
        events = Counter(key for key, _ in errors)
        for key, participant in catalog.participants.items():
            participant.error_count = failed[key] + events[key]
            participant.issue_count = every[key]


def _stretch(
    catalog: Catalog,
    errors: list[ErrorEvent],
    issues: list[Issue],
    ended_at: datetime,
    *,
    meeting: Meeting | None = None,
    ends: Mapping[int, datetime] | None = None,
) -> Stretch:
    connections = list(catalog.connections.values())
    streams = list(catalog.streams.values())
    subscribers = list(catalog.subscribers.values())
    participants = list(catalog.participants.values())
    if meeting is not None:
        number = meeting.number
        connections = [row for row in connections if row.meeting_number == number]
        streams = [row for row in streams if row.meeting_number == number]
        subscribers = [row for row in subscribers if row.meeting_number == number]
        present = {row.participant_key for row in connections}
        participants = [row for row in participants if row.participant_key in present]
        errors = [error for error in errors if meeting.started_at <= error[1] <= meeting.ended_at]
        issues = [issue for issue in issues if issue.meeting_number == number]
    tells_subscribers = "subscriber" in catalog.told
    counts = (len(errors), len(issues))
    return Stretch(participants, connections, streams, subscribers, ended_at, *counts, tells_subscribers, ends or {})


def _instants(catalog: Catalog) -> Iterable[datetime]:
    """Every instant that the catalog tells of."""
    yield from (value for value in catalog.call.values() if isinstance(value, datetime))
    for table in (catalog.connections, catalog.streams, catalog.subscribers):
        for row in table.values():
            yield from instants_of(row)


def _sampling_seconds(figures: Iterable[Mapping[str, Any]]) -> float | None:
    """The shortest mean interval between samples of any series, s."""
    intervals = [
        (figure["ended_at"] - figure["started_at"]).total_seconds() / (figure["sample_count"] - 1)
        for figure in figures
        if figure["sample_count"] > 1
    ]
    return round(min(intervals), 3) if intervals else None


class Settler:
    """Settles in the background of a server: at once when told of a change, and every few seconds for what others wrote."""

    INTERVAL_SECONDS = 1.0

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled. A failing database is tried again after the interval."""
        while True:
            try:
                connection = await connect(self._database_url)
                try:
                    while True:
                        await settle_pending(connection)
                        await self._wait()
                finally:
                    await connection.close(timeout=1)
            except LOST as error:
                log.warning("settling is interrupted and goes on in a moment: %r", error)
            except Exception:
                log.exception("settling failed and is tried again")
            await asyncio.sleep(self.INTERVAL_SECONDS)

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.INTERVAL_SECONDS):
                await self._changed.wait()
        self._changed.clear()
