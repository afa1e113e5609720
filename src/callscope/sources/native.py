"""Our own format: NDJSON, one telemetry record a line (``telemetry.py``). Good rows are kept beside refused ones.

Times are taken as they are told: a row has one clock, and nothing to set it by. Who writes rows from clients' clocks sets them.
"""

from collections.abc import Iterator
from typing import BinaryIO

import orjson
from pydantic import ValidationError

from callscope.sources import Refusal
from callscope.sources.lines import lines, unpacked_head
from callscope.telemetry import TELEMETRY, TYPES, SamplesRecord, Telemetry

REASONS = {
    "model_attributes_type": "should be one JSON object",
    "model_type": "should be a JSON object",
    "union_tag_not_found": "should say what the row is: one of " + ", ".join(TYPES),
    "extra_forbidden": "is no field of such a row; 'callscope schema --telemetry' prints those that are",
}
"""Where our words say more than the validator's."""


def recognises(head: bytes) -> bool:
    """Whether a file begins like NDJSON of ours."""
    return unpacked_head(head).startswith(b"{")


def read(file: BinaryIO, *, call_id: str | None = None) -> Iterator[Telemetry | Refusal]:
    """The rows of a file; those that are no telemetry as refusals. ``call_id`` stands in for the call that rows name."""
    for number, line in lines(file):
        yield _record(line, number, call_id)


def _record(line: bytes, number: int, call_id: str | None) -> Telemetry | Refusal:
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Refusal(number, None, "json_invalid", f"should be one JSON object in UTF-8: {error.msg}")
    if call_id and isinstance(content, dict):
        content["callId"] = call_id
    try:
        record = TELEMETRY.validate_python(content, by_name=False)
    except ValidationError as error:
        return _refusal(error, number)
    return _impossible(record, number) or record


def _impossible(record: Telemetry, number: int) -> Refusal | None:
    """What no metric can be is a mistake of who sent it, most often the difference of a counter that began again."""
    if not isinstance(record, SamplesRecord) or min(record.values) >= 0:
        return None
    field = f"values.{next(place for place, value in enumerate(record.values) if value < 0)}"
    return Refusal(
        number, field, "greater_than_equal", "should not be negative: leave out an interval in which a counter restarts"
    )


def _refusal(error: ValidationError, number: int) -> Refusal:
    first, *others = error.errors(include_url=False, include_context=False, include_input=False)
    path = [str(part) for part in first["loc"][1:]]
    if first["type"].startswith("union_tag"):
        path = ["type"]
    reason = REASONS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    more = f" ({len(others)} more)" if others else ""
    return Refusal(number, ".".join(path) or None, first["type"], reason + more)
