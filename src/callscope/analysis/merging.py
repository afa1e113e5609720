"""Many records of one subject become one, whatever their order and however often they are repeated.

For each field the records of the highest version that gives it count. Among these, starts take the earliest and ends the
latest instant, lists add up, and anything else takes the greatest value, so that the order of arrival decides nothing.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

Body = dict[str, Any]

STARTS = frozenset({"startedAt", "attemptedAt", "connectedAt", "publishedAt", "subscribedAt", "failedAt"})
ENDS = frozenset({"endedAt", "closedAt", "unpublishedAt", "at"})


def merged(bodies: Iterable[Body]) -> Body:
    """One body with every field that any record gives. Instants come out as datetime."""
    fields: dict[str, tuple[int, list[Any]]] = {}
    for body in bodies:
        version = body.get("version", 0)
        for name, value in body.items():
            if value is None or name == "version":
                continue
            highest, values = fields.get(name, (-1, []))
            if version > highest:
                fields[name] = (version, [value])
            elif version == highest:
                values.append(value)
    return {name: _chosen(name, values) for name, (_, values) in fields.items()}


def _chosen(name: str, values: list[Any]) -> Any:
    if name in STARTS:
        return min(map(datetime.fromisoformat, values))
    if name in ENDS:
        return max(map(datetime.fromisoformat, values))
    first = values[0]
    if all(value == first for value in values):
        return first
    if isinstance(first, dict):
        # Of one version all: what is called "version" inside is a field like any other.
        names = {name for value in values for name in value}
        return {name: _chosen(name, [value[name] for value in values if name in value]) for name in names}
    if isinstance(first, list):
        distinct = {_text(item): item for value in values for item in value}
        return [distinct[key] for key in sorted(distinct)]
    return max(values)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
