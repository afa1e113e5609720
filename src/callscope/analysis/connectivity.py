"""What the states of ICE say: the network gone for a while, and paths that change again and again (ObserveRTC)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import itemgetter

from callscope.analysis.diagnostics import EventRow
from callscope.analysis.findings import Finding
from callscope.analysis.presence import Presence, bursts
from callscope.analysis.rows import Catalog
from callscope.analysis.rules import Rule, level
from callscope.analysis.tracks import milliseconds
from callscope.sources.acs_values import first
from callscope.vocabulary import Direction, IssueKind, Media, Severity

NETWORK_LOST = Rule(
    "network_lost",
    IssueKind.NO_NETWORK,
    "ObserveRTC (5 s)",
    (level(Severity.ERROR, 5, 5, 0),),
    measure="seconds for which ICE was disconnected",
)
PATH_SWITCHES = Rule(
    "path_switches",
    IssueKind.PATH_SWITCHES,
    "ObserveRTC (3 in 30 s)",
    (level(Severity.WARNING, 3, 3, 0),),
    measure="changes of the selected candidate pair within 30 seconds",
)
RULES = (NETWORK_LOST, PATH_SWITCHES)
WINDOW_MILLISECONDS = 30_000.0

ICE_NAMES = frozenset({"oniceconnectionstatechange", "iceconnectionstatechange"})
STATE_NAMES = frozenset({"onconnectionstatechange", "connectionstatechange"})
PAIR_NAMES = frozenset(
    {
        "onselectedcandidatepairchange",
        "selectedcandidatepairchange",
        "selectedcandidatepairchanged",
        "icecandidatepairchanged",
        "candidatepairchanged",
    }
)
NAMES = ICE_NAMES | STATE_NAMES | PAIR_NAMES
"""In lower case, the events that are looked at."""

UP = frozenset({"connected", "completed"})
STATES = ("new", "checking", "connecting", "connected", "completed", "disconnected", "failed", "closed")
"""From better to worse: of two that are told for one instant, the later one in this list stands."""

Told = dict[int, dict[float, str]]


def connectivity_findings(
    events: Iterable[EventRow], catalog: Catalog, rules: Iterable[Rule] = RULES, *, heard_until: float | None = None
) -> list[Finding]:
    """Losses and changes of the path, in order of time. What still goes on is judged by the time until something was last
    ``heard`` of the call, ms."""
    presence = Presence(catalog)
    by_ice: Told = defaultdict(dict)
    by_state: Told = defaultdict(dict)
    changes: dict[int, set[float]] = defaultdict(set)
    for event in events:
        name = event.name.lower()
        connection = presence.connection(event.connection_key, event.participant_key, event.at) if name in NAMES else None
        if connection is None:
            continue
        key, state = connection.connection_key, first(event.payload, "state")
        if name in PAIR_NAMES:
            changes[key].add(event.at)
        elif isinstance(state, str) and state.lower() in STATES:
            states = (by_ice if name in ICE_NAMES else by_state)[key]
            states[event.at] = max(states.get(event.at, "new"), state.lower(), key=STATES.index)
    found: list[Finding] = []
    for rule in rules:
        for key in catalog.connections:
            end = presence.ended_at(key) or heard_until
            if rule.kind is IssueKind.NO_NETWORK:
                # Browsers tell the same twice: the states of ICE are the more exact.
                found += _losses(rule, catalog, key, by_ice.get(key) or by_state.get(key, {}), end)
            else:
                found += _switches(rule, catalog, key, changes.get(key, set()), end)
    return sorted(found, key=lambda one: (one.started_at, one.rule.name, str(one.connection_key)))


def _losses(rule: Rule, catalog: Catalog, key: int, states: Mapping[float, str], end: float | None) -> Iterable[Finding]:
    connected = catalog.connections[key].connected_at
    up_from = milliseconds(connected) if connected is not None else None
    limit = rule.levels[0].limit
    started: float | None = None
    last: float | None = None
    for at, state in sorted(states.items(), key=itemgetter(0)):
        last = at
        if state in UP or state == "closed":
            if started is not None and at - started >= limit.on * 1000:
                yield _finding(rule, catalog, key, (started, at), (at - started) / 1000, is_over=state in UP)
            started = None
            up_from = at if up_from is None and state in UP else up_from
        elif state == "disconnected" and started is None and up_from is not None and up_from <= at:
            # What never was up has failed to connect, and is told as such.
            started = at
    if started is not None and last is not None:
        until = max(last, end if end is not None else last)
        if until - started >= limit.on * 1000:
            yield _finding(rule, catalog, key, (started, until), (until - started) / 1000, is_over=False)


def _switches(rule: Rule, catalog: Catalog, key: int, changes: Iterable[float], end: float | None) -> Iterable[Finding]:
    count = round(rule.levels[0].limit.on)
    for start, last, number in bursts(sorted(changes), count, WINDOW_MILLISECONDS):
        is_over = end is not None and end - last >= WINDOW_MILLISECONDS
        yield _finding(rule, catalog, key, (start, last), number, is_over=is_over)


def _finding(rule: Rule, catalog: Catalog, key: int, span: tuple[float, float], observed: float, *, is_over: bool) -> Finding:
    start, end = span
    return Finding(
        kind=rule.kind,
        severity=rule.levels[0].severity,
        rule=rule,
        level=rule.levels[0],
        started_at=start,
        ended_at=end if is_over else None,
        observed=observed,
        participant_key=catalog.connections[key].participant_key,
        connection_key=key,
        media=Media.CONNECTION,
        direction=Direction.BOTH,
        lasted_until=None if is_over else end,
    )
