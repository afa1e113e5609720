"""Issues that telemetry states outright: failed attempts, and connections that ended although nobody wished them to."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from callscope.analysis.rows import Attempt, Catalog, Connection
from callscope.vocabulary import Attribution, IssueKind, Outcome, Severity

Key = Callable[..., int]
SOURCE = "stated by the telemetry"

UNEXPECTED_REASONS = frozenset({"networkDisconnected", "failed", "UnexpectedClientError", "UnexpectedServerError"})
"""Reasons that name an end nobody wished for: Vonage's, WebRTC's connection state, ACS's result categories."""


@dataclass(frozen=True)
class Wording:
    """What a person reads. ``failed`` starts the description; the platform's own words follow."""

    title: str
    failed: str
    recommendation: str


WORDINGS = {
    IssueKind.CONNECT_FAILED: Wording(
        "Could not connect",
        "An attempt to connect failed",
        "Join again from another network. Developers: look at the error's code and at the connection's events.",
    ),
    IssueKind.PUBLISH_FAILED: Wording(
        "Could not publish",
        "An attempt to publish failed",
        "Check that camera and microphone are free and allowed, then publish again. Developers: look at the error's code.",
    ),
    IssueKind.SUBSCRIBE_FAILED: Wording(
        "Could not receive a stream",
        "An attempt to subscribe failed",
        "Reload to subscribe again. Developers: look at the error's code and whether the stream was still published.",
    ),
    IssueKind.UNEXPECTED_DISCONNECT: Wording(
        "Connection lost",
        "The connection ended although nobody wished it to",
        "Check the network and join again. Developers: look at what the connection's series show before the end.",
    ),
}


@dataclass(slots=True)
class Issue:
    """A row of the table issue."""

    issue_key: int
    kind: str
    severity: str
    title: str
    description: str
    recommendation: str
    started_at: datetime
    ended_at: datetime | None
    is_recovered: bool
    attribution: str
    meeting_number: int | None
    participant_key: int | None
    connection_key: int | None
    stream_key: int | None
    rule_name: str
    rule_version: int = 1
    rule_metric: str | None = None
    rule_threshold: float | None = None
    rule_clear_threshold: float | None = None
    rule_minimum_seconds: float | None = None
    rule_observed: float | None = None
    rule_source: str = SOURCE


def stated_issues(catalog: Catalog, key: Key) -> list[Issue]:
    """The issues of a call in order of time. One has recovered when the same participant later succeeded at the same thing."""
    found = [
        *_failures(IssueKind.CONNECT_FAILED, list(catalog.connections.values()), key, Severity.CRITICAL),
        *_failures(IssueKind.PUBLISH_FAILED, list(catalog.streams.values()), key, Severity.ERROR),
        *_failures(IssueKind.SUBSCRIBE_FAILED, list(catalog.subscribers.values()), key, Severity.ERROR),
        *_disconnects(list(catalog.connections.values()), key),
    ]
    return sorted(found, key=lambda issue: (issue.started_at, issue.issue_key))


def counts_by_participant(issues: Iterable[Issue]) -> tuple[Counter[int], Counter[int]]:
    """Failed attempts, and all issues, of each participant."""
    failed: Counter[int] = Counter()
    every: Counter[int] = Counter()
    for issue in issues:
        if issue.participant_key is not None:
            every[issue.participant_key] += 1
            failed[issue.participant_key] += issue.kind != IssueKind.UNEXPECTED_DISCONNECT
    return failed, every


def is_unexpected_disconnect(connection: Connection) -> bool:
    """Established, and ended by an error or for a reason that nobody wished for."""
    if connection.connected_at is None or connection.disconnected_at is None:
        return False
    return _has_error(connection) or connection.disconnect_reason in UNEXPECTED_REASONS


def _failures(kind: IssueKind, attempts: Sequence[Any], key: Key, severity: Severity) -> Iterable[Issue]:
    """``attempts`` are connections, streams or subscribers."""
    successes: dict[Any, list[datetime]] = defaultdict(list)
    for attempt in attempts:
        if attempt.outcome == Outcome.SUCCEEDED:
            successes[_subject(kind, attempt)].append(attempt.attempted_at)
    for attempt in attempts:
        if attempt.outcome == Outcome.FAILED:
            later = [at for at in successes[_subject(kind, attempt)] if at >= attempt.attempted_at]
            yield _issue(kind, severity, attempt, key, (attempt.attempted_at, min(later, default=None)))


def _disconnects(connections: Sequence[Connection], key: Key) -> Iterable[Issue]:
    returns: dict[int, list[datetime]] = defaultdict(list)
    for connection in connections:
        if connection.connected_at is not None:
            returns[connection.participant_key].append(connection.connected_at)
    for connection in connections:
        if is_unexpected_disconnect(connection) and connection.disconnected_at is not None:
            ended = connection.disconnected_at
            later = [at for at in returns[connection.participant_key] if at >= ended]
            span = (ended, min(later, default=None))
            yield _issue(IssueKind.UNEXPECTED_DISCONNECT, Severity.ERROR, connection, key, span)


def _subject(kind: IssueKind, attempt: Any) -> Any:
    """What a later success must be at, to count as recovery."""
    return (attempt.participant_key, attempt.stream_key if kind is IssueKind.SUBSCRIBE_FAILED else None)


def _issue(kind: IssueKind, severity: Severity, attempt: Any, key: Key, span: tuple[datetime, datetime | None]) -> Issue:
    """``span`` is from when it began to when it had recovered."""
    started_at, recovered_at = span
    wording = WORDINGS[kind]
    subject = next(
        getattr(attempt, name) for name in ("subscriber_key", "stream_key", "connection_key") if getattr(attempt, name, None)
    )
    return Issue(
        issue_key=key("issue", kind, str(subject)),
        kind=kind,
        severity=severity,
        title=wording.title,
        description=f"{wording.failed}{_reason(attempt)}.",
        recommendation=wording.recommendation,
        started_at=started_at,
        ended_at=recovered_at,
        is_recovered=recovered_at is not None,
        attribution=Attribution.UNKNOWN,
        meeting_number=attempt.meeting_number,
        participant_key=attempt.participant_key,
        connection_key=attempt.connection_key,
        stream_key=getattr(attempt, "stream_key", None),
        rule_name=kind,
    )


def _reason(attempt: Any) -> str:
    code = "/".join(str(part) for part in (attempt.error_subcode, attempt.error_code) if part is not None)
    said = [f"code {code}" if code else None, attempt.error_message, getattr(attempt, "disconnect_reason", None)]
    words = "; ".join(part for part in said if part)
    return f" ({words})" if words else ""


def _has_error(attempt: Attempt) -> bool:
    return attempt.error_code is not None or attempt.error_subcode is not None or attempt.error_message is not None
