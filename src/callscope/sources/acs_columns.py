"""The columns of one row of an ACS log, by name whatever its case, with their values as knowledge/acs.md (2, 3) describes them.

The envelope of a diagnostic setting and its ``properties`` are one row; where both tell a column, ``properties`` is right.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from callscope.sources.acs_values import camel, check_depth, from_json, is_missing, is_withheld, number, time
from callscope.sources.addresses import Address, in_text
from callscope.telemetry import EARLIEST, LATEST

FINAL_VERSION = 1_000_000_000
"""The plain tables are the last word on a call, whatever number of updates came before."""
MAX_TEXT = 4096
MAX_ID = 240
"""So that ids put together of two are short enough, too; those of Azure have at most some hundred characters."""

FRAME = frozenset(
    {
        "time", "timegenerated", "resourceid", "tenantid", "type", "category", "operationversion", "sourcesystem",
        "tablename", "_resourceid", "_subscriptionid", "_billedsize", "_isbillable", "_itemid",
    }
)  # fmt: skip
"""Columns that tell of the log, not of the call."""

CLIENT_ADDRESSES = ("calleripaddress", "clientipaddress", "clientip", "participantipaddress", "endpointipaddress", "ipaddress")
"""Of these, the first is of the envelope that all logs of Azure have."""

_UNFIT = re.compile("[\x00\ud800-\udfff]")


class RowError(Exception):
    """Why a row is refused."""

    def __init__(self, field: str | None, code: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.code = code
        self.reason = reason


class Row:
    """One row. What is asked for counts as told on; ``rest`` is everything else that the row says."""

    def __init__(self, told: Mapping[str, Any], call_id: str | None = None) -> None:
        self._given_call_id = call_id
        self._columns: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._asked: set[str] = set()
        self._add(told)
        properties = from_json(self._columns.pop("properties", None))
        self.envelope: Mapping[str, Any] = self._columns
        """The columns beside ``properties``, which say what the row is."""
        if isinstance(properties, dict):
            self.envelope = dict(self._columns)
            self._add(properties)

    def _add(self, told: Mapping[str, Any]) -> None:
        for name, value in told.items():
            if not is_missing(value):
                self._columns[name.lower()] = value
                self._names[name.lower()] = name

    def __iter__(self) -> Iterator[str]:
        """The columns that tell anything, in lower case."""
        return iter(self._columns)

    def column(self, name: str) -> Any:
        return self._columns.get(name.lower())

    def error(self, column: str, code: str, reason: str) -> RowError:
        return RowError(self._names.get(column.lower(), column), code, reason)

    # Values.

    def _value(self, column: str) -> Any:
        name = column.lower()
        self._asked.add(name)
        return self._columns.get(name)

    def text(self, column: str) -> str | None:
        value = self._value(column)
        if isinstance(value, str):
            if _UNFIT.search(value):
                raise self.error(column, "text_invalid", "should contain no NUL characters and no broken UTF-8")
            if len(value) > MAX_TEXT:
                raise self.error(column, "text_invalid", f"should have at most {MAX_TEXT} characters")
            return value.strip()
        if value is not None and (plain := number(value)) is None:
            raise self.error(column, "text_invalid", "should be text")
        return None if value is None else str(plain)

    def told(self, column: str) -> str | None:
        """Text that the platform did not withhold."""
        value = self.text(column)
        return None if is_withheld(value) else value

    def id(self, column: str) -> str | None:
        value = self.told(column)
        if value is not None and len(value) > MAX_ID:
            raise self.error(column, "id_invalid", f"should have at most {MAX_ID} characters")
        return value

    def number(self, column: str) -> float | None:
        value = self._value(column)
        if value is None or (isinstance(value, str) and is_withheld(value)):
            return None
        if (plain := number(value)) is None:
            raise self.error(column, "number_invalid", "should be a number")
        return plain

    def amount(self, column: str) -> float | None:
        """A number of something that there cannot be less than nothing of."""
        value = self.number(column)
        if value is not None and value < 0:
            raise self.error(column, "number_invalid", "should not be negative")
        return value

    def whole(self, column: str, low: int = -(2**31), high: int = 2**31 - 1) -> int | None:
        value = self.number(column)
        if value is None or (isinstance(value, int) and low <= value <= high):
            return value
        raise self.error(column, "number_invalid", f"should be a whole number from {low} to {high}")

    def instant(self, column: str) -> datetime | None:
        value = self.told(column)
        if value is None:
            return None
        try:
            return self._within(time(value), column)
        except ValueError:
            raise self.error(column, "time_invalid", "should be a time such as 2024-01-09T15:07:56.066Z") from None

    def after(self, start: datetime | None, column: str) -> datetime | None:
        """The instant that lies as many seconds after another as a column says."""
        seconds = self.amount(column)
        if start is None or seconds is None:
            return None
        try:
            return self._within(start + timedelta(seconds=seconds), column)
        except OverflowError:
            raise self.error(column, "number_invalid", "should be a number of seconds") from None

    def _within(self, instant: datetime, column: str) -> datetime:
        if not EARLIEST <= instant < LATEST:
            raise self.error(column, "time_invalid", "should lie in the years 2000 to 2099")
        return instant.astimezone(UTC)

    def json(self, column: str) -> Any:
        """A value that may be JSON inside of a string."""
        return self._fit(from_json(self._value(column)), column)

    def _fit(self, value: Any, column: str) -> Any:
        try:
            check_depth(value)
        except ValueError as error:
            raise self.error(column, "payload_invalid", str(error)) from None
        return value

    def pass_over(self, *columns: str) -> None:
        """Count columns as told, whatever they hold."""
        self._asked.update(column.lower() for column in columns)

    def rest(self) -> dict[str, Any]:
        """What nobody asked for, under the names of the diagnostic settings' shape (camelCase)."""
        known = self._asked | FRAME
        told = ((name, value) for name, value in self._columns.items() if name not in known)
        return {camel(self._names[name]): self._fit(value, name) for name, value in told}

    # What all tables have.

    def call(self, *columns: str) -> str:
        """The call, by the first of the columns that tells."""
        told = [self.id(column) for column in columns]
        call_id = self._given_call_id or next((value for value in told if value), None)
        if call_id is None:
            raise self.error(columns[0], "call_missing", f"should tell the call in {' or '.join(columns)}")
        return call_id

    def address(self) -> Address | None:
        """The client's own on the public network, if a column tells it; none of those that Azure documents does."""
        told = (self._columns.get(name) for name in CLIENT_ADDRESSES)
        return next((found for value in told if isinstance(value, str) and (found := in_text(value[:MAX_TEXT]))), None)

    def logged_at(self) -> datetime | None:
        """When the service wrote the row, which may be days after what it tells."""
        return self.instant("time") or self.instant("TimeGenerated")

    def version(self, *, is_update: bool) -> int:
        """Updates are known by this column: their category may be that of the plain table."""
        told = self.whole("CallUpdatesVersion", 0, FINAL_VERSION - 1)
        return told if told is not None else 0 if is_update else FINAL_VERSION

    def event_time(self) -> datetime:
        """When a client did something."""
        at = self.instant("CallClientTimeStamp")
        if at is None:
            raise self.error("CallClientTimeStamp", "time_missing", "should tell when it happened")
        return at
