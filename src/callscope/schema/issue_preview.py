"""Which issues a call would have if its rules had other thresholds: worked out when asked, stored nowhere."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import strawberry

from callscope.analysis import issues
from callscope.examination import Examination
from callscope.query.bindings import Argument, column, computed, embedded, one
from callscope.query.errors import ErrorCode, RequestError, bad_input
from callscope.query.ids import decode_id
from callscope.query.parameters import Reader
from callscope.retention import aged_meetings
from callscope.schema.issue import ENDED_AT, Rule
from callscope.schema.references import MetricSeriesRef, ParticipantRef, StreamRef
from callscope.schema.rule_override import RuleOverride, check_against_rules, check_overrides, overrides_of
from callscope.schema.saved_session import SCOPE
from callscope.storage.derived import DerivedTables
from callscope.vocabulary import IssueKind, Severity

Row = dict[str, Any]

MAX_SAMPLES = 5_000_000
DEFAULT_ISSUES, MAX_ISSUES = 1_000, 5_000
COST = 100_000
"""In values: as long as PostgreSQL takes to answer with so many, diagnosing one to two million samples takes. It leaves room for
four evaluations in a request.
"""
AT_ONCE, WAITING = 2, 2
"""Evaluations of a process, each of which keeps a core busy and holds a connection; those that wait hold one too."""

PLACES = {"call": "live", f"{SCOPE}call": "saved"}
"""Where the calls with such ids are."""
COLUMNS = {
    "call_key": "bigint",
    "series_key": "bigint",
    "participant_key": "bigint",
    "stream_key": "bigint",
    "kind": "text",
    "severity": "text",
    "started_at": "timestamptz",
    "ended_at": "timestamptz",
    "last_seen_at": "timestamptz",
    "open_until": "timestamptz",
    "rule_name": "text",
    "rule_version": "integer",
    "rule_metric": "text",
    "rule_threshold": "double precision",
    "rule_clear_threshold": "double precision",
    "rule_minimum_seconds": "double precision",
    "rule_observed": "double precision",
    "rule_source": "text",
}


@strawberry.type(description="An issue that a call would have.")
class IssuePreview:
    kind: IssueKind = column("kind", "Kind of the problem.")
    severity: Severity = column("severity", "How much it matters.")
    started_at: datetime = column("started_at", "When it began.")
    ended_at: datetime | None = column(ENDED_AT, "When it was over, or last seen before all ended. Null while it lasts.")
    participant: ParticipantRef | None = one("Whom it hit; null where it hit nobody in particular.")
    stream: StreamRef | None = one("The stream that it concerns.")
    metric_series: MetricSeriesRef | None = one("The series that shows it; null where it was told and not measured.")
    rule: Rule = embedded("Why it would be flagged, with the thresholds that were given.")


class Turns:
    """Lets some in at once and some more wait; refuses others."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._count = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        if self._count == self._most:
            raise RequestError(ErrorCode.OVERLOADED, "Enough calls are being evaluated just now: try again in a moment.")
        self._count += 1
        try:
            async with self._free:
                yield
        finally:
            self._count -= 1


_turns = Turns(AT_ONCE, WAITING)


async def _previews(connection: Any, reader: Reader, values: Row) -> list[Row]:
    tag, keys = decode_id(values["callId"]) or ("", [])
    if tag not in PLACES or len(keys) != 1:
        return []
    aged = await aged_meetings(connection, reader.project_id, keys[0], schema=PLACES[tag])
    if aged is None:
        return []
    tables = DerivedTables(connection, reader.project_id, keys[0], schema=PLACES[tag])
    async with _turns.turn():
        return await evaluated(tables, values["rules"], aged)


async def evaluated(tables: DerivedTables, rules: list[Row], aged: Collection[int] = ()) -> list[Row]:
    """The issues of a call in order of time, as rows with ``COLUMNS``; none where there is no such call.

    Left out are those of the meetings with ``aged`` numbers.
    """
    size = await tables.size()
    if size is None:
        return []
    platform, samples = size
    check_against_rules(rules, platform)
    if samples > MAX_SAMPLES:
        raise bad_input(
            f"callId: a call with {samples:,} samples is too large to be evaluated again; the limit is {MAX_SAMPLES:,} samples."
        )
    examination = Examination(tables)
    found = await examination.evaluate(overrides_of(rules))
    return [_row(issue, tables.call[1], examination) for issue in found if issue.meeting_number not in aged]


def _row(issue: issues.Issue, call_key: int, examination: Examination) -> Row:
    series = examination.catalog.series
    watched = [key for key in issue.series_keys if series[key].metric == issue.rule_metric]
    own = {"call_key": call_key, "series_key": next(iter([*watched, *issue.series_keys]), None)}
    return {name: own[name] if name in own else getattr(issue, name) for name in COLUMNS}


def _check(values: Row) -> None:
    check_overrides(values["rules"])


EVALUATE_ISSUES = computed(
    "The issues that a call would have if its rules had other thresholds, in order of time. Nothing is stored: the call's own"
    " issues stay as they are. Without overrides they are the same as these, unless telemetry came that is not settled yet: it"
    " counts already, and leads to what is derived of it a moment later. Empty for a call that is not there. Of a saved"
    f" call, give the id that begins with `{SCOPE}`. A call of more than {MAX_SAMPLES:,} samples is refused.",
    _previews,
    ", ".join(f"{name} {sql}" for name, sql in COLUMNS.items()),
    (
        Argument("callId", strawberry.ID, "Global id of the call."),
        Argument("rules", list[RuleOverride], "Other thresholds, for each kind at most once; the rules of all others stay."),
        Argument(
            "first",
            int | None,
            f"How many from the start, 0 to {MAX_ISSUES}.",
            sql="integer",
            default=DEFAULT_ISSUES,
            minimum=0,
            maximum=MAX_ISSUES,
            weight=1,
        ),
    ),
    within="callId",
    cost=COST,
    check=_check,
)
