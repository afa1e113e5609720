"""User facing diagnostics as intervals: what the SDK of a participant raised, and when it cleared it.

An interval opens at true, Poor or Bad and closes at false or Good; from Poor to Bad it only grows more severe, and what is raised
again is the same. Without a closing event it has not recovered, and lasted until the connection ended. A closing event without
an opening one says nothing. Of what is told for one instant, the worst stands. (Azure's user facing diagnostics.)
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from callscope.analysis.diagnostic_names import MEANINGS, RULES, Meaning, unknown
from callscope.analysis.findings import Finding
from callscope.analysis.presence import Presence
from callscope.analysis.rows import Catalog
from callscope.analysis.rules import Rule
from callscope.sources.acs_ufd import diagnostic
from callscope.sources.acs_values import first
from callscope.vocabulary import Direction, EventCategory, IssueKind, Severity

SEVERITIES = tuple(Severity)
GOOD, POOR, BAD = 0, 1, 2


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event, as far as diagnosis looks at it; ``at`` is milliseconds since the Unix epoch."""

    event_key: int
    at: float
    name: str
    category: str
    severity: str = Severity.INFO
    payload: Any = None
    participant_key: int | None = None
    connection_key: int | None = None
    stream_key: int | None = None
    outcome: str | None = None
    message: str | None = None


class Scope(NamedTuple):
    """What is one diagnostic: what is raised in it is cleared in it."""

    name: str
    participant_key: int | None
    connection_key: int | None


class State(NamedTuple):
    """What a diagnostic said at an instant."""

    badness: int
    meaning: Meaning
    connection_key: int | None
    stream_key: int | None

    @property
    def severity(self) -> Severity:
        is_mild = self.badness < BAD and rank(self.meaning.severity) > rank(Severity.WARNING)
        return Severity.WARNING if is_mild else self.meaning.severity

    @property
    def order(self) -> tuple[Any, ...]:
        keys = (self.connection_key, self.stream_key)
        return (self.badness, rank(self.severity), *((key is not None, key) for key in keys))

    @property
    def opens(self) -> bool:
        """What nobody knows the meaning of counts only when it is bad."""
        return self.badness == BAD or (self.badness == POOR and self.meaning.kind is not IssueKind.OTHER)


def rank(severity: Severity) -> int:
    return SEVERITIES.index(severity)


def diagnostic_findings(events: Iterable[EventRow], catalog: Catalog) -> list[Finding]:
    """The diagnostics of a call in order of time, whichever order the events come in."""
    presence = Presence(catalog)
    told: dict[Scope, dict[float, State]] = defaultdict(dict)
    for event in events:
        if event.category == EventCategory.DIAGNOSTIC:
            scope, state = _read(event, presence)
            states = told[scope]
            states[event.at] = max(states.get(event.at, state), state, key=lambda one: one.order)
    found = [finding for scope, states in told.items() for finding in _intervals(scope, states, presence)]
    return sorted(found, key=lambda one: (one.started_at, one.rule.name, str(one.participant_key), str(one.connection_key)))


def _read(event: EventRow, presence: Presence) -> tuple[Scope, State]:
    name, badness = noticed(event)
    meaning = MEANINGS.get(name) or unknown(Severity[event.severity])
    connection = presence.connection(event.connection_key, event.participant_key, event.at)
    connection_key = connection.connection_key if connection is not None else event.connection_key
    participant_key = event.participant_key
    if participant_key is None and connection is not None:
        participant_key = connection.participant_key
    is_of_all = meaning.outlasts and participant_key is not None
    scope = Scope(name, participant_key, None if is_of_all else connection_key)
    return scope, State(badness, meaning, connection_key, event.stream_key)


def noticed(event: EventRow) -> tuple[str, int]:
    """The name of a diagnostic and how bad it is, in whichever of their spellings: ``GOOD``, ``POOR`` or ``BAD``.

    Where nothing is said that can be understood, the event's severity says it.
    """
    told = diagnostic(event.name, event.payload)
    if told is None:
        payload = event.payload if isinstance(event.payload, Mapping) else {}
        told = diagnostic(event.name, {"value": first(event.payload, "restricted"), **payload, "diagnostic": event.name})
    assert told is not None  # noqa: S101
    if isinstance(told.value, bool):
        return told.name, BAD if told.value else GOOD
    if told.value in (1, 2, 3):
        return told.name, int(told.value) - 1
    return told.name, min(rank(Severity[event.severity]), BAD)


def _intervals(scope: Scope, states: Mapping[float, State], presence: Presence) -> Iterable[Finding]:
    found: Finding | None = None
    for at, state in sorted(states.items(), key=itemgetter(0)):
        if found is None and state.opens:
            found = _opened(scope, at, state, presence)
        if found is None:
            continue
        if state.badness == GOOD:
            found.ended_at, found.lasted_until = at, None
            yield found
            found = None
            continue
        if rank(state.severity) > rank(found.severity):
            found.severity = state.severity
        # Where its connection ended before, it was still seen now.
        found.lasted_until = max(presence.ended_at(state.connection_key) or at, at)
    if found is not None:
        yield found


def _opened(scope: Scope, at: float, state: State, presence: Presence) -> Finding:
    meaning = state.meaning
    stream_key = state.stream_key
    if stream_key is None and meaning.direction is Direction.PUBLISH:
        stream_key = presence.stream(state.connection_key, meaning.media, at)
    return Finding(
        kind=meaning.kind,
        severity=state.severity,
        rule=RULES.get(scope.name) or Rule(scope.name, meaning.kind, "user facing diagnostics", ()),
        level=None,
        started_at=at,
        ended_at=None,
        observed=None,
        participant_key=scope.participant_key,
        connection_key=state.connection_key,
        stream_key=stream_key,
        media=meaning.media,
        direction=meaning.direction,
        words=f"{scope.name}: {meaning.words}" if meaning.words else scope.name,
    )
