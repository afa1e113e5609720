"""Issues: findings as they are stored, in words and with whom they concern."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import fsum
from typing import Any

from callscope.analysis.attempts import FAILED_ATTEMPTS
from callscope.analysis.findings import Finding
from callscope.analysis.rows import Catalog
from callscope.analysis.wordings import describe, wording_of
from callscope.sources.jitsi import NOBODY
from callscope.telemetry import from_milliseconds
from callscope.vocabulary import IssueKind, Severity

SEVERITIES = [str(severity) for severity in Severity]
STATED = FAILED_ATTEMPTS | {IssueKind.UNEXPECTED_DISCONNECT}
"""Over only by a later success, whatever becomes of the connection."""


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
    last_seen_at: datetime
    """The end of one that was not over when its call was."""
    is_recovered: bool
    attribution: str
    meeting_number: int | None
    participant_key: int | None
    connection_key: int | None
    stream_key: int | None
    rule_name: str
    rule_version: int
    rule_metric: str | None
    rule_threshold: float | None
    rule_clear_threshold: float | None
    rule_minimum_seconds: float | None
    rule_observed: float | None
    rule_source: str
    series_keys: list[int] = field(default_factory=list)
    open_until: datetime | None = None
    """When what has not ended counts as ended; None for the call's own end."""

    @property
    def seconds(self) -> float:
        """How long it lasted, or was seen."""
        return max(((self.ended_at or self.last_seen_at) - self.started_at).total_seconds(), 0.0)

    @property
    def is_problem(self) -> bool:
        """Whether it counts: facts that are good to know do not."""
        return self.severity != Severity.INFO


def issues_of(findings: Iterable[Finding], catalog: Catalog, key: Callable[..., int]) -> list[Issue]:
    """The issues of a call, in the findings' order."""
    names = {one.participant_key: one.display_name or one.participant_id for one in catalog.participants.values()}
    issues: dict[int, Issue] = {}
    for finding in findings:
        issue = _issue(finding, catalog, names, key)
        issues.setdefault(issue.issue_key, issue)
    return list(issues.values())


def burden(issues: Iterable[Issue]) -> dict[str, Any]:
    """How bad it was, as columns of a call or a meeting: problems, the place of the worst severity in its scale, and seconds."""
    problems = [issue for issue in issues if issue.is_problem]
    return {
        "worst_severity": max((SEVERITIES.index(issue.severity) for issue in problems), default=0),
        "issue_seconds": fsum(issue.seconds for issue in problems),
    }


def counts_by_participant(issues: Iterable[Issue]) -> tuple[Counter[int], Counter[int]]:
    """Failed attempts, and all problems, of each participant."""
    failed: Counter[int] = Counter()
    every: Counter[int] = Counter()
    for issue in issues:
        if issue.participant_key is not None and issue.is_problem:
            every[issue.participant_key] += 1
            failed[issue.participant_key] += issue.kind in FAILED_ATTEMPTS
    return failed, every


def _issue(finding: Finding, catalog: Catalog, names: Mapping[int, str], key: Callable[..., int]) -> Issue:
    wording = wording_of(finding)
    limit = finding.level.limit if finding.level is not None else None
    started_at = from_milliseconds(finding.started_at)
    seen = finding.ended_at if finding.ended_at is not None else finding.lasted_until
    last_seen_at = max(started_at, started_at if seen is None else from_milliseconds(seen))
    is_gone = finding.kind not in STATED and _has_left(finding, catalog)
    concerned = (finding.participant_key, finding.connection_key, finding.stream_key, finding.subscriber_key, finding.direction)
    return Issue(
        issue_key=key("issue", finding.kind, *(str(one or "") for one in concerned), str(round(finding.started_at))),
        kind=finding.kind,
        severity=finding.severity,
        title=wording.title,
        description=describe(finding, names, _publisher(finding, catalog)),
        recommendation=wording.recommendation,
        started_at=started_at,
        ended_at=last_seen_at if finding.ended_at is not None or is_gone else None,
        last_seen_at=last_seen_at,
        is_recovered=finding.ended_at is not None,
        attribution=finding.attribution,
        meeting_number=_meeting(finding, catalog),
        participant_key=finding.participant_key,
        connection_key=finding.connection_key,
        stream_key=finding.stream_key,
        rule_name=finding.rule.name,
        rule_version=finding.rule.version,
        rule_metric=finding.rule.metric,
        rule_threshold=None if limit is None else limit.on,
        rule_clear_threshold=None if limit is None else limit.off,
        rule_minimum_seconds=None if limit is None else limit.minimum_seconds,
        rule_observed=finding.observed,
        rule_source=finding.rule.source,
        series_keys=sorted(finding.series_keys),
    )


def _publisher(finding: Finding, catalog: Catalog) -> int | None:
    """Whose stream it is about, if that has a name."""
    stream = catalog.streams.get(finding.stream_key) if finding.stream_key is not None else None
    publisher = catalog.participants.get(stream.participant_key) if stream is not None else None
    return publisher.participant_key if publisher is not None and publisher.participant_id != NOBODY else None


def _has_left(finding: Finding, catalog: Catalog) -> bool:
    connection = catalog.connections.get(finding.connection_key) if finding.connection_key is not None else None
    return connection is not None and connection.disconnected_at is not None


def _meeting(finding: Finding, catalog: Catalog) -> int | None:
    """That of the connection, else of the participant's last connection before it began."""
    connection = catalog.connections.get(finding.connection_key) if finding.connection_key is not None else None
    if connection is not None:
        return connection.meeting_number
    started_at = from_milliseconds(finding.started_at)
    own = [row for row in catalog.connections.values() if row.participant_key == finding.participant_key]
    own = own or list(catalog.connections.values())
    own.sort(key=lambda row: (row.attempted_at, row.connection_key))
    before = [row for row in own if row.attempted_at <= started_at]
    return (before[-1:] or own[:1])[0].meeting_number if own else None
