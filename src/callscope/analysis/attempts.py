"""What attempts show: those that failed, connections that ended although nobody wished them to, were long in coming, came again
and again, or took a detour."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from callscope.analysis.findings import Finding
from callscope.analysis.presence import bursts
from callscope.analysis.rows import Attempt, Catalog, Connection
from callscope.analysis.rules import Rule, level
from callscope.analysis.tracks import milliseconds
from callscope.vocabulary import Direction, IssueKind, Media, Outcome, Severity

STATED = "stated by the telemetry"
REJOIN_MILLISECONDS = 600_000.0

Kind = IssueKind
SPARE = Rule("spare_connect_failed", Kind.CONNECT_FAILED, STATED, ())
"""Of one who was connected otherwise: a direct path beside the server's, or a library's own test of the network."""
RULES = (
    Rule("connect_failed", Kind.CONNECT_FAILED, STATED, ()),
    Rule("publish_failed", Kind.PUBLISH_FAILED, STATED, ()),
    Rule("subscribe_failed", Kind.SUBSCRIBE_FAILED, STATED, ()),
    Rule("unexpected_disconnect", Kind.UNEXPECTED_DISCONNECT, STATED, ()),
    Rule(
        "slow_setup",
        Kind.SLOW_SETUP,
        "ObserveRTC (5 s)",
        (level(Severity.WARNING, 5, 5, 0),),
        measure="seconds from the attempt to the connection",
    ),
    Rule(
        "frequent_rejoins",
        Kind.FREQUENT_REJOINS,
        "peermetrics (3 in 10 min)",
        (level(Severity.WARNING, 3, 3, 0),),
        measure="connections, one after the other, within ten minutes",
    ),
    Rule("relay_used", Kind.RELAY_USED, "peermetrics", ()),
    Rule("tcp_used", Kind.TCP_USED, "peermetrics", ()),
)

FAILED_ATTEMPTS = frozenset({Kind.CONNECT_FAILED, Kind.PUBLISH_FAILED, Kind.SUBSCRIBE_FAILED})
"""Kinds of issue that are errors of the participant, too."""
UNEXPECTED_REASONS = frozenset({"networkDisconnected", "failed", "UnexpectedClientError", "UnexpectedServerError"})
"""Reasons that name an end nobody wished for: Vonage's, WebRTC's connection state, ACS's result categories."""
TCP = frozenset({"tcp", "tls", "ssltcp"})


def attempt_findings(catalog: Catalog, rules: Iterable[Rule] = RULES) -> list[Finding]:
    """In order of time. A failure has recovered when the same participant later succeeded at the same thing, or never went
    without: who was connected when another attempt of theirs failed."""
    found = [finding for rule in rules if rule.kind in _WATCHES for finding in _WATCHES[rule.kind](rule, catalog)]
    return sorted(found, key=lambda one: (one.started_at, one.kind, _order(one)))


def is_unexpected_disconnect(connection: Connection) -> bool:
    """Established, and ended by an error or for a reason that nobody wished for."""
    if connection.connected_at is None or connection.disconnected_at is None:
        return False
    return _has_error(connection) or connection.disconnect_reason in UNEXPECTED_REASONS


def _connect_failures(rule: Rule, catalog: Catalog) -> Iterator[Finding]:
    own = _established(catalog)
    for finding in _failures(rule, Severity.CRITICAL, catalog, catalog.connections):
        failed_at = catalog.failed_at[finding.connection_key or 0]
        if own[finding.participant_key or 0].is_up(failed_at):
            finding.rule, finding.severity = SPARE, Severity.WARNING
            finding.ended_at, finding.lasted_until = max(milliseconds(failed_at), finding.started_at), None
        yield finding


class Established:
    """The connections of one participant that came about."""

    def __init__(self, connections: Sequence[Connection] = ()) -> None:
        self.connections = connections
        self.starts = sorted(one.connected_at for one in connections if one.connected_at is not None)
        self._ends = sorted(
            max(one.disconnected_at, one.connected_at) for one in connections if one.connected_at and one.disconnected_at
        )

    def is_up(self, at: datetime) -> bool:
        """Whether any was up at a time, if only until then."""
        return bisect_right(self.starts, at) > bisect_left(self._ends, at)

    def goes_on(self, at: datetime) -> bool:
        """Whether any was up at a time and after it."""
        return bisect_right(self.starts, at) > bisect_right(self._ends, at)

    def next(self, at: datetime) -> datetime | None:
        return _next(self.starts, at)


def _established(catalog: Catalog) -> Mapping[int, Established]:
    """By participant."""
    own: dict[int, list[Connection]] = defaultdict(list)
    for connection in catalog.connections.values():
        if connection.connected_at is not None:
            own[connection.participant_key].append(connection)
    return defaultdict(Established, {key: Established(connections) for key, connections in own.items()})


def _publish_failures(rule: Rule, catalog: Catalog) -> Iterator[Finding]:
    return _failures(rule, Severity.ERROR, catalog, catalog.streams)


def _subscribe_failures(rule: Rule, catalog: Catalog) -> Iterator[Finding]:
    return _failures(rule, Severity.ERROR, catalog, catalog.subscribers)


def _failures(rule: Rule, severity: Severity, catalog: Catalog, of: Mapping[int, Any]) -> Iterator[Finding]:
    """``of`` are connections, streams or subscribers by key. What never recovered was seen until it had failed."""
    successes: dict[Any, list[datetime]] = defaultdict(list)
    for attempt in of.values():
        if attempt.outcome == Outcome.SUCCEEDED:
            successes[_what(rule, attempt)].append(attempt.attempted_at)
    for times in successes.values():
        times.sort()
    for key, attempt in of.items():
        if attempt.outcome == Outcome.FAILED:
            recovered = _next(successes.get(_what(rule, attempt), ()), attempt.attempted_at)
            finding = _finding(rule, severity, attempt, (attempt.attempted_at, recovered), words=_reason(attempt))
            finding.lasted_until = None if recovered else max(milliseconds(catalog.failed_at[key]), finding.started_at)
            yield finding


def _what(rule: Rule, attempt: Any) -> Any:
    """What a later success must be at, to count as recovery."""
    return (attempt.participant_key, attempt.stream_key if rule.kind is Kind.SUBSCRIBE_FAILED else None)


def _disconnects(rule: Rule, catalog: Catalog) -> Iterator[Finding]:
    for own in _established(catalog).values():
        for connection in filter(is_unexpected_disconnect, own.connections):
            lost_at = connection.disconnected_at
            assert lost_at is not None  # noqa: S101 - or it is none
            if own.goes_on(lost_at):
                words = "; ".join(filter(None, [_reason(connection), "another connection of the participant was up"]))
                yield _finding(rule, Severity.WARNING, connection, (lost_at, lost_at), words=words)
            else:
                yield _finding(rule, Severity.ERROR, connection, (lost_at, own.next(lost_at)), words=_reason(connection))


def _slow_setups(rule: Rule, catalog: Catalog) -> Iterator[Finding]:
    (watched,) = rule.levels
    for connection in catalog.connections.values():
        if connection.connected_at is None or connection.is_implied:
            continue
        seconds = (connection.connected_at - connection.attempted_at).total_seconds()
        if seconds > watched.limit.on:
            span = (connection.attempted_at, connection.connected_at)
            yield _finding(rule, watched.severity, connection, span, observed=seconds)


def _rejoins(rule: Rule, catalog: Catalog) -> Iterator[Finding]:
    """A client may have several connections at once: it joins again only when it had none left."""
    (watched,) = rule.levels
    for own in _established(catalog).values():
        joins = _joins(own.connections)
        for first, last, count in bursts(sorted(joins), round(watched.limit.on), REJOIN_MILLISECONDS):
            yield Finding(
                kind=rule.kind,
                severity=watched.severity,
                rule=rule,
                level=watched,
                started_at=first,
                ended_at=last,
                observed=count,
                participant_key=joins[last].participant_key,
                connection_key=joins[last].connection_key,
            )


def _joins(own: Iterable[Connection]) -> dict[float, Connection]:
    """When a participant came without being there already, and by which connection."""
    spans = sorted(
        ((row.connected_at, row.connection_key, row) for row in own if row.connected_at is not None), key=lambda span: span[:2]
    )
    joins: dict[float, Connection] = {}
    left: datetime | None = datetime.min.replace(tzinfo=UTC)
    for connected_at, _, connection in spans:
        if left is not None and left <= connected_at:
            joins.setdefault(milliseconds(connected_at), connection)
        ended = connection.disconnected_at
        left = None if left is None or ended is None else max(left, ended)
    return joins


def _relays(rule: Rule, catalog: Catalog) -> Iterator[Finding]:
    for connection in catalog.connections.values():
        if connection.is_relayed:
            types = (connection.local_candidate_type, connection.remote_candidate_type)
            yield from _path(rule, connection, f"local {types[0] or 'unknown'}, remote {types[1] or 'unknown'}")


def _tcp(rule: Rule, catalog: Catalog) -> Iterator[Finding]:
    for connection in catalog.connections.values():
        if (connection.transport or "").lower() in TCP:
            yield from _path(rule, connection, (connection.transport or "").upper())


def _path(rule: Rule, connection: Connection, words: str) -> Iterator[Finding]:
    """It lasts as long as the connection."""
    if connection.connected_at is not None:
        finding = _finding(rule, Severity.INFO, connection, (connection.connected_at, None), words=words)
        ended = connection.disconnected_at
        finding.lasted_until = milliseconds(max(ended, connection.connected_at)) if ended is not None else None
        finding.media, finding.direction = Media.CONNECTION, Direction.BOTH
        yield finding


_WATCHES: dict[IssueKind, Callable[[Rule, Catalog], Iterator[Finding]]] = {
    Kind.CONNECT_FAILED: _connect_failures,
    Kind.PUBLISH_FAILED: _publish_failures,
    Kind.SUBSCRIBE_FAILED: _subscribe_failures,
    Kind.UNEXPECTED_DISCONNECT: _disconnects,
    Kind.SLOW_SETUP: _slow_setups,
    Kind.FREQUENT_REJOINS: _rejoins,
    Kind.RELAY_USED: _relays,
    Kind.TCP_USED: _tcp,
}


def _finding(
    rule: Rule,
    severity: Severity,
    attempt: Any,
    span: tuple[datetime, datetime | None],
    *,
    words: str = "",
    observed: float | None = None,
) -> Finding:
    """``span`` is from when it began to when it had recovered."""
    started_at, recovered_at = span
    return Finding(
        kind=rule.kind,
        severity=severity,
        rule=rule,
        level=rule.levels[0] if rule.levels else None,
        started_at=milliseconds(started_at),
        ended_at=milliseconds(recovered_at) if recovered_at is not None else None,
        observed=observed,
        participant_key=attempt.participant_key,
        connection_key=attempt.connection_key,
        stream_key=getattr(attempt, "stream_key", None),
        subscriber_key=getattr(attempt, "subscriber_key", None),
        words=words,
    )


def _next(times: Sequence[datetime], at: datetime) -> datetime | None:
    place = bisect_left(times, at)
    return times[place] if place < len(times) else None


def _order(finding: Finding) -> tuple[str, ...]:
    return tuple(
        str(key) for key in (finding.participant_key, finding.connection_key, finding.stream_key, finding.subscriber_key)
    )


def _reason(attempt: Any) -> str:
    code = "/".join(str(part) for part in (attempt.error_subcode, attempt.error_code) if part is not None)
    said = [f"code {code}" if code else None, attempt.error_message, getattr(attempt, "disconnect_reason", None)]
    return "; ".join(part for part in said if part)


def _has_error(attempt: Attempt) -> bool:
    return attempt.error_code is not None or attempt.error_subcode is not None or attempt.error_message is not None
