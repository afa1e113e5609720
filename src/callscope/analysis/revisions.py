"""Which records still count, where a source tells something again under a higher version, and all of the older one is void.

A record says so by ``revisionOf``: a name for what it tells, the same in each version. Whatever other versions told under that
name, of whichever subjects, counts only until a higher one is there. Events are found by what was noted of them (``revision``).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from callscope.analysis.merging import Body

KIND = "revision"
"""Of the records that note which event is of which version, and whom it names."""

Records = Mapping[str, list[Body]]


def current(records: Records) -> tuple[Records, list[tuple[datetime, int]]]:
    """The records that count, by kind; and the events that do not, by time and key."""
    if KIND not in records and not any("revisionOf" in body for bodies in records.values() for body in bodies):
        return records, []
    highest: dict[str, int] = {}
    for body in _revised(records):
        name, version = body["revisionOf"], body.get("version", 0)
        highest[name] = max(highest.get(name, 0), version)

    def is_void(body: Body) -> bool:
        return "revisionOf" in body and body.get("version", 0) < highest[body["revisionOf"]]

    void = [(datetime.fromisoformat(body["at"]), body["eventKey"]) for body in records.get(KIND, ()) if is_void(body)]
    return {kind: kept for kind, bodies in records.items() if (kept := [body for body in bodies if not is_void(body)])}, void


def _revised(records: Records) -> Iterable[Body]:
    return (body for bodies in records.values() for body in bodies if "revisionOf" in body)
