"""Logs of Azure Communication Services, as diagnostic settings or queries of Log Analytics export them (knowledge/acs.md).

How files hold rows is known to acs_rows, what columns hold to acs_columns, and what a row tells to one module for each table. A
row says itself which table it is of, so a file may mix them.

Calls and participants have the service's time. What clients tell has their own (CallClientTimeStamp), and stays as it is: no row
tells the service's time of the same moment, since TimeGenerated is when the row was written, often hours later.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import BinaryIO

from pydantic import ValidationError

from callscope.sources import Refusal, SourceError, acs_diagnostics, acs_operations, acs_summary, acs_survey, in_row
from callscope.sources.acs_columns import Row, RowError
from callscope.sources.acs_media import MediaStatistics
from callscope.sources.acs_rows import Told, first_row, rows
from callscope.sources.lines import unpacked_head
from callscope.telemetry import TYPES, CallRecord, EventRecord, Telemetry
from callscope.vocabulary import EventCategory, Platform

UNDOCUMENTED = "CallClientServiceRequestAndOutcome"
READ = (
    "CallSummary", "CallSummaryUpdates", "CallDiagnostics", "CallDiagnosticsUpdates", "CallClientOperations",
    "CallClientMediaStatsTimeSeries", "CallSurvey", UNDOCUMENTED,
)  # fmt: skip
NOT_OF_A_CALL = "CallingMetrics"
"""Figures of a day over all calls: there is no call to which they belong."""

MAX_FOREIGN = 100
"""Rows of something else at the beginning of a file, after which it is taken for no export."""
MAX_TOLD = 10_000

TABLE = "ACS"
"""What the names of all tables of the service begin with: a row of another one is no row of these, however alike."""

_NAMES = {name.lower(): name for name in (*READ, NOT_OF_A_CALL)} | {
    "calldiagnosticupdates": "CallDiagnosticsUpdates",
    "endofcallsurvey": "CallSurvey",
}
_MARKS = (
    ("CallSurvey", frozenset({"surveyid"})),
    ("CallClientMediaStatsTimeSeries", frozenset({"metricname", "mediastreamdirection"})),
    ("CallClientOperations", frozenset({"callclienttimestamp", "operationname"})),
    ("CallDiagnostics", frozenset({"mediatype", "streamid"})),
    ("CallSummary", frozenset({"participantstarttime"})),
    ("CallSummary", frozenset({"participantendreason"})),
    ("CallSummary", frozenset({"callstarttime"})),
    ("CallingMetrics", frozenset({"metricname", "timestampbin"})),
)
"""Columns by which a row is known that does not name its table."""
_CATEGORY = re.compile(r'"(?:type|category|operationname)"\s*:\s*"(?:acs)?([a-z]+)"', re.IGNORECASE)
_EXPECTED = (
    f"expected are logs of Azure Communication Services, as JSON or CSV rows of {', '.join(READ)}, exported by a diagnostic "
    "setting or from Log Analytics"
)


def recognises(head: bytes) -> bool:
    """Whether a file that begins so is an export of these logs. Some thousand bytes are enough."""
    text = unpacked_head(head).decode("utf-8", "replace")
    first = first_row(text)
    if first is not None:
        return _is_export(Row(first))
    # The first row is longer than what is there.
    told = {name.lower() for name in _CATEGORY.findall(text)}
    return bool(told & _NAMES.keys()) and not told & set(TYPES)


def read(file: BinaryIO, *, call_id: str | None = None) -> Iterator[Telemetry | Refusal]:
    """The telemetry of all rows; those that are not accepted as refusals. ``call_id`` stands in for the call that rows name."""
    reading = _Reading(call_id)
    for told in rows(file):
        yield from reading.take(told)
    yield from reading.rest()


class _Reading:
    def __init__(self, call_id: str | None) -> None:
        self._call_id = call_id
        self._media = MediaStatistics()
        self._tables: Mapping[str, Callable[[Row], Iterator[Telemetry]]] = {
            "CallSummary": partial(acs_summary.records, is_update=False),
            "CallSummaryUpdates": partial(acs_summary.records, is_update=True),
            "CallDiagnostics": partial(acs_diagnostics.records, is_update=False),
            "CallDiagnosticsUpdates": partial(acs_diagnostics.records, is_update=True),
            "CallClientOperations": acs_operations.records,
            "CallClientMediaStatsTimeSeries": self._media.records,
            "CallSurvey": acs_survey.records,
            UNDOCUMENTED: _raw,
        }
        self._is_export = False
        self._has_rows = False
        self._foreign: list[Refusal] = []
        self._told: set[str] = set()

    def take(self, told: Told | Refusal) -> Iterator[Telemetry | Refusal]:
        self._has_rows = True
        if isinstance(told, Refusal):
            yield from self._refuse(told)
            return
        try:
            row = Row(told.columns, self._call_id)
            if not self._is_export and _is_export(row):
                self._is_export = True
                yield from self._foreign
                self._foreign.clear()
            records = list(self._tables[_table(row)](row))
        except RowError as error:
            yield from self._refuse(_refusal(told, error.field, error.code, error.reason))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or None
            yield from self._refuse(_refusal(told, field, first["type"], first["msg"].removeprefix("Value error, ")))
        else:
            yield from self._known(records)
            yield from self._known(self._media.ready())

    def rest(self) -> Iterator[Telemetry | Refusal]:
        if not self._has_rows:
            raise SourceError(f"file holds no rows; {_EXPECTED}")
        if not self._is_export:
            raise self._not_ours()
        yield from self._known(self._media.rest())

    def _not_ours(self) -> SourceError:
        return SourceError(f"first row {self._foreign[0].reason}; {_EXPECTED}", self._foreign[0].line)

    def _refuse(self, refusal: Refusal) -> Iterator[Refusal]:
        if self._is_export:
            yield refusal
            return
        self._foreign.append(refusal)
        if len(self._foreign) >= MAX_FOREIGN:
            raise self._not_ours()

    def _known(self, records: Iterable[Telemetry]) -> Iterator[Telemetry]:
        """Records, and before the first of a call once in a while that it is one of ACS, which only summaries say themselves."""
        for record in records:
            if record.call_id not in self._told:
                if len(self._told) >= MAX_TOLD:
                    self._told.clear()
                self._told.add(record.call_id)
                if not isinstance(record, CallRecord):
                    yield CallRecord(call_id=record.call_id, platform=Platform.ACS)
            yield record


def _table(row: Row) -> str:
    told = _named(row)
    known = next((_NAMES[name] for name in map(_bare, told) if name in _NAMES), None)
    if known is None and not any(name.startswith(TABLE) for name in told):
        known = _marked(row)
    if known == NOT_OF_A_CALL:
        raise RowError("category", "category_unsupported", f"is of {known}, which tells of days and not of calls")
    if known is not None:
        return known
    if told:
        shown = told[0][:100].encode("ascii", "backslashreplace").decode()
        raise RowError("category", "category_unknown", f"is of the category '{shown}'; known are {', '.join(READ)}")
    raise RowError("category", "category_missing", f"should say which table it is of: {', '.join(READ)}")


def _named(row: Row) -> list[str]:
    """What a row says that it is: by its table in Log Analytics, or by its category in an envelope."""
    told = (row.envelope.get(name) or row.column(name) for name in ("type", "category", "operationname"))
    return [name.strip() for name in told if isinstance(name, str) and name.strip()]


def _bare(name: str) -> str:
    return name.lower().removeprefix("acs")


def _marked(row: Row) -> str | None:
    return next((table for table, columns in _MARKS if columns <= set(row)), None)


def _is_export(row: Row) -> bool:
    """Whether a row is one of these logs, be it of a category that is not read."""
    told = _named(row)
    if any(_bare(name) in _NAMES or name.startswith(TABLE) for name in told) or _marked(row):
        return True
    return bool(told) and "MICROSOFT.COMMUNICATION" in str(row.column("resourceid")).upper()


def _raw(row: Row) -> Iterator[Telemetry]:
    """A table that Azure does not document: its rows are kept as they are."""
    call_id, name, connection_id = row.call("callId", "correlationId"), row.text("operationName"), row.id("participantId")
    at = row.instant("CallClientTimeStamp") or row.logged_at()
    if at is None:
        raise row.error("TimeGenerated", "time_missing", "should tell when it happened")
    yield EventRecord(
        call_id=call_id,
        at=at,
        category=EventCategory.OTHER,
        name=name or UNDOCUMENTED,
        payload=row.rest(),
        connection_id=connection_id,
    )


def _refusal(told: Told, field: str | None, code: str, reason: str) -> Refusal:
    return Refusal(told.line, field, code, in_row(reason, told.number))
