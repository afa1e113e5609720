"""The records of a call that goes on, by whom they concern, so that its catalog can be brought up to date in part.

What is told of someone who only watches changes nobody else's rows. Of a publisher, or of the call as a whole, it may change all
of them: then the catalog is built anew.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from callscope.analysis.catalog import Key, build
from callscope.analysis.merging import ENDS, STARTS, Body
from callscope.analysis.rows import Catalog

Records = dict[str, list[Body]]
OWNED = {"connection": "connectionId", "subscriber": "subscriberId"}
"""Kinds of record that say whose something is, and what names it."""
IRRELEVANT = frozenset({"connectionId", "streamId"})
"""What a mention may name without changing any row."""


class Standing:
    """All records of a call by kind, and its catalog as they make it."""

    def __init__(self, records: Mapping[str, Iterable[Body]], catalog: Catalog, key: Key) -> None:
        self.catalog = catalog
        self._key = key
        self._records: Records = {kind: list(bodies) for kind, bodies in records.items()}
        self._index()

    def _index(self) -> None:
        self._own: dict[str, Records] = defaultdict(lambda: defaultdict(list))
        self._shared: Records = defaultdict(list)
        ids = {one.participant_key: one.participant_id for one in self.catalog.participants.values()}
        streams = self.catalog.streams.values()
        self._publishers = {ids[stream.participant_key] for stream in streams}
        self._published_on = {self.catalog.connections[stream.connection_key].connection_id for stream in streams}
        self._streams = {body["streamId"] for body in self._records.get("stream", ())}
        self._owners: dict[tuple[str, str], str] = {}
        self._unclear: set[tuple[str, str]] = set()
        for kind in ("connection", "subscriber"):
            for body in self._records.get(kind, ()):
                self._learn(kind, body)
        for kind, bodies in self._records.items():
            for body in bodies:
                self._place(kind, body)

    def _place(self, kind: str, body: Body) -> str | None:
        """Keep a record with whom it concerns, and say who that is; None where it is all."""
        whose = self._whose(kind, body)
        (self._shared if whose is None else self._own[whose])[kind].append(body)
        if whose is None:
            self._unclear |= {(name, body[name]) for name in OWNED.values() if name in body}
        return whose

    def _whose(self, kind: str, body: Body) -> str | None:
        if kind in {"call", "stream", "warning"}:
            return None
        # A stream that nobody told of is made of what is said of it by all.
        if "streamId" in body and body["streamId"] not in self._streams:
            return None
        things = [(name, body[name]) for name in OWNED.values() if name in body]
        if body.get("connectionId") in self._published_on or not self._unclear.isdisjoint(things):
            return None
        named = {body["participantId"]} if "participantId" in body else set()
        named |= {self._owners[thing] for thing in things if thing in self._owners}
        return next(iter(named)) if len(named) == 1 and not named & self._publishers else None

    def add(self, told: Iterable[tuple[str, Body]]) -> set[str] | None:
        """Take new records in; returns the participants whose rows may change, None where anybody's may."""
        touched: set[str] | None = set()
        for kind, body in told:
            self._records.setdefault(kind, []).append(body)
            if kind == "mention" and not body.keys() - IRRELEVANT:
                continue
            whose = self._place(kind, body)
            if whose is None or _is_early(body, self.catalog.fallback):
                touched = None
            elif touched is not None:
                touched.add(whose)
                self._learn(kind, body)
        return touched

    def _learn(self, kind: str, body: Body) -> None:
        """Whose a connection or a subscriber is, where its own records say so."""
        owner = body.get("participantId") or self._owners.get(("connectionId", body.get("connectionId", "")))
        if owner is not None and kind in OWNED:
            self._owners.setdefault((OWNED[kind], body[OWNED[kind]]), owner)

    def rebuild(self, received_at: datetime) -> Catalog:
        """The catalog anew, of all records."""
        series = self.catalog.series
        self.catalog = build(self._records, self._key, [self.catalog.fallback], received_at)
        self.catalog.series |= {key: row for key, row in series.items() if row.is_derived}
        self._index()
        return self.catalog

    def part(self, participants: Collection[str]) -> Catalog:
        """The catalog of some participants, who publish nothing, and of what they refer to."""
        records: Records = defaultdict(list)
        for own in (self._shared, *(self._own[one] for one in sorted(participants))):
            for kind, bodies in own.items():
                records[kind] += bodies
        found = build(records, self._key, [self.catalog.fallback], self.catalog.fallback)
        keys = {self._key("participant", one) for one in participants}
        part = Catalog(found.call, told=set(self._records), fallback=self.catalog.fallback)
        part.participants = {key: row for key, row in found.participants.items() if key in keys}
        part.connections = {key: row for key, row in found.connections.items() if row.participant_key in keys}
        part.subscribers = {key: row for key, row in found.subscribers.items() if row.participant_key in keys}
        part.series = {key: row for key, row in found.series.items() if row.participant_key in keys}
        part.failed_at = {key: at for key, at in found.failed_at.items() if key in part.connections or key in part.subscribers}
        return part


def _is_early(body: Body, fallback: datetime) -> bool:
    """Whether a record tells of an instant before all others."""
    return any(datetime.fromisoformat(body[name]) < fallback for name in STARTS | ENDS if body.get(name))
