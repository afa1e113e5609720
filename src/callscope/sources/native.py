"""Our own format: NDJSON, one telemetry record a line (``telemetry.py``). Good rows are kept beside refused ones."""

from collections.abc import Iterator
from typing import BinaryIO

import orjson
from pydantic import ValidationError

from callscope.sources import Refusal
from callscope.sources.lines import lines, unpacked_head
from callscope.telemetry import TELEMETRY, Telemetry


def recognises(head: bytes) -> bool:
    """Whether a file begins like NDJSON of ours."""
    return unpacked_head(head).startswith(b"{")


def read(file: BinaryIO, *, call_id: str | None = None) -> Iterator[Telemetry | Refusal]:
    """The rows of a file; those that are no telemetry as refusals. ``call_id`` stands in for the call that rows name."""
    for number, line in lines(file):
        row = read_line(line, number)
        yield row.model_copy(update={"call_id": call_id}) if call_id and not isinstance(row, Refusal) else row


def read_line(line: bytes, number: int) -> Telemetry | Refusal:
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Refusal(number, None, "json_invalid", f"should be one JSON object in UTF-8: {error.msg}")
    try:
        return TELEMETRY.validate_python(content)
    except ValidationError as error:
        return _refusal(error, number)


def _refusal(error: ValidationError, number: int) -> Refusal:
    first, *others = error.errors(include_url=False, include_context=False, include_input=False)
    path = [str(part) for part in first["loc"][1:]]
    if first["type"].startswith("union_tag"):
        path = ["type"]
    reason = first["msg"].removeprefix("Value error, ")
    more = f" ({len(others)} more)" if others else ""
    return Refusal(number, ".".join(path) or None, first["type"], reason + more)
