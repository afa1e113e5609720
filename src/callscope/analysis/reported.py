"""What a report tells of: a call or one of its meetings, and its issues as a person counts them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property
from math import fsum
from typing import Any

from callscope.analysis.issues import Issue
from callscope.analysis.rows import Catalog, DataWarning, Participant
from callscope.analysis.statistics import Statistics
from callscope.vocabulary import MORE_IS_BETTER, Attribution, IssueKind, Severity

RANKS = {severity.value: rank for rank, severity in enumerate(reversed(Severity))}
"""Of severities, the worst first."""

Presence = tuple[datetime | None, datetime | None]


@dataclass(frozen=True, slots=True)
class Held:
    """A meeting of a call. ``ended_at`` is None while it is live."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    duration_seconds: float
    participant_count: int
    issue_count: int


@dataclass(frozen=True)
class Reported:
    """All that is told in a report: rows as they are stored, so that its numbers are those that GraphQL gives.

    ``ended_at`` is None while it is live; ``number`` is that of a meeting, None for a whole call. ``presence`` is when each
    participant was there, by key.
    """

    call_id: str
    platform: str
    number: int | None
    started_at: datetime
    ended_at: datetime | None
    last_telemetry_at: datetime
    duration_seconds: float
    statistics: Statistics
    participants: Sequence[Participant]
    presence: Mapping[int, Presence]
    issues: Sequence[Issue]
    warnings: Sequence[DataWarning] = ()
    missing: Sequence[str] = ()
    meetings: Sequence[Held] = ()
    mean_opinion_score: float | None = None
    names: Mapping[int, Participant] = field(default_factory=dict)
    """Everyone in the call, by key."""
    _hits: dict[IssueKind, list["Tally"]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def problems(self) -> list[Issue]:
        """The issues that count: what is only worth knowing is no harm."""
        return [issue for issue in self.issues if issue.severity != Severity.INFO]

    @cached_property
    def participants_by_harm(self) -> list[Participant]:
        """Who suffered most first; else in order of appearance."""
        issues = self.issues_by_participant
        return sorted(
            self.participants,
            key=lambda one: (-issues.get(one.participant_key, 0), -one.error_count, one.appeared_at, one.participant_id),
        )

    @cached_property
    def issues_by_participant(self) -> Mapping[int | None, int]:
        counts: dict[int | None, int] = defaultdict(int)
        for issue in self.problems:
            counts[issue.participant_key] += 1
        return counts

    @cached_property
    def kinds(self) -> list["Tally"]:
        """The issues by kind, the worst first: in the order of GraphQL's ``issueSummary``."""
        tallies = self._tallies(lambda issue: issue.kind)
        return sorted(tallies, key=lambda one: (RANKS[one.severity], -len(one.issues), one.kind))

    def hits(self, kind: "Tally") -> list["Tally"]:
        """The issues of one kind by whom they hit, the worst first."""
        if kind.kind not in self._hits:
            tallies = self._tallies(lambda issue: issue.participant_key, kind.issues)
            self._hits[kind.kind] = sorted(tallies, key=self._badness)
        return self._hits[kind.kind]

    @cached_property
    def advice(self) -> list[tuple[str, "Tally"]]:
        """Recommendations, each once, with the issues that it is for: what helps most participants first."""
        tallies = self._tallies(lambda issue: issue.recommendation)
        ordered = sorted(
            tallies, key=lambda one: (one.is_harmless, -one.participant_count, RANKS[one.severity], -len(one.issues), one.kind)
        )
        return [(one.worst.recommendation, one) for one in ordered]

    def attributed(self) -> tuple[Attribution, int] | None:
        """Where most faults lie, as far as the telemetry can tell, and how many issues that is said of."""
        counts = [(attribution, sum(issue.attribution == attribution for issue in self.problems)) for attribution in Attribution]
        told = [one for one in counts if one[1] and one[0] is not Attribution.UNKNOWN]
        return max(told, key=lambda one: one[1], default=None)

    def who(self, key: int | None) -> Participant | None:
        return None if key is None else self.names.get(key)

    def _tallies(self, by: Callable[[Issue], Any], issues: Iterable[Issue] | None = None) -> list["Tally"]:
        found: dict[Any, list[Issue]] = defaultdict(list)
        for issue in self.issues if issues is None else issues:
            found[by(issue)].append(issue)
        return [Tally(issues) for issues in found.values()]

    def _badness(self, one: "Tally") -> tuple[Any, ...]:
        who = self.who(one.worst.participant_key)
        is_over = len(one.issues) == one.recovered_count
        identity = "" if who is None else who.participant_id
        return (RANKS[one.severity], is_over, -one.total_seconds, one.issues[0].started_at, identity)


class Tally:
    """Some issues in figures, counted as GraphQL's ``issueSummary`` counts: one that lasts is as long as it was seen."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues = sorted(issues, key=lambda issue: (issue.started_at, issue.issue_key))
        self.worst = min(
            self.issues,
            key=lambda issue: (
                RANKS[issue.severity],
                -self._seconds(issue),
                issue.started_at,
                issue.issue_key,
            ),
        )
        self.kind = IssueKind[self.worst.kind]
        self.severity = Severity[self.worst.severity]
        self.is_harmless = self.severity is Severity.INFO
        self.recovered_count = sum(issue.is_recovered for issue in self.issues)
        self.participant_count = len({issue.participant_key for issue in self.issues} - {None})
        self.total_seconds = fsum(self._seconds(issue) for issue in self.issues)

    @property
    def started_at(self) -> datetime:
        return self.issues[0].started_at

    @property
    def ended_at(self) -> datetime | None:
        """When the last of them was over; None while one lasts."""
        ends = [issue.ended_at for issue in self.issues]
        return None if None in ends else max(end for end in ends if end is not None)

    @property
    def attribution(self) -> Attribution:
        """That of most of them."""
        counts = [(sum(issue.attribution == one for issue in self.issues), one) for one in Attribution]
        return max(counts, key=lambda one: one[0])[1]

    @property
    def peak(self) -> Issue | None:
        """Of the worst issue's rule, the issue with the worst value; None where nothing was measured."""
        measured = [one for one in self.issues if one.rule_name == self.worst.rule_name and one.rule_observed is not None]
        sign = -1 if self.worst.rule_metric in MORE_IS_BETTER else 1
        return max(measured, key=lambda one: sign * (one.rule_observed or 0), default=None)

    def _seconds(self, issue: Issue) -> float:
        end = issue.last_seen_at if issue.ended_at is None else issue.ended_at
        return max((end - issue.started_at).total_seconds(), 0)


Row = Mapping[str, Any]


def reported_call(
    catalog: Catalog, issues: Sequence[Issue], warnings: Sequence[DataWarning], call: Row, meetings: Sequence[Row], *, live: bool
) -> Reported:
    """A call from its rows; ``live`` as it is read while it lives, else as it is read from then on."""
    presence = {key: (one.first_joined_at, one.last_left_at) for key, one in catalog.participants.items()}
    held = [
        Held(
            row["number"],
            row["started_at"],
            None if live and row["live_until"] == call["live_until"] else row["ended_at"],
            row["duration_seconds"],
            row["participant_count"],
            row["issue_count"],
        )
        for row in sorted(meetings, key=lambda row: row["number"])
    ]
    return _reported(catalog, call, call, warnings, live=live, issues=issues, presence=presence, held=held)


def reported_meeting(
    catalog: Catalog, issues: Sequence[Issue], warnings: Sequence[DataWarning], call: Row, meeting: Row, *, live: bool
) -> Reported:
    """A meeting from its rows: with who was connected in it, and what happened in it."""
    number = meeting["number"]
    presence: dict[int, Presence] = {}
    for connection in catalog.connections.values():
        if connection.meeting_number == number:
            key = connection.participant_key
            presence[key] = _joined(presence.get(key), (connection.connected_at, connection.disconnected_at))
    own = [issue for issue in issues if issue.meeting_number == number]
    return _reported(catalog, call, meeting, warnings, live=live, issues=own, presence=presence)


def _reported(
    catalog: Catalog,
    call: Row,
    row: Row,
    warnings: Iterable[DataWarning],
    *,
    live: bool,
    issues: Sequence[Issue],
    presence: Mapping[int, Presence],
    held: Sequence[Held] = (),
) -> Reported:
    return Reported(
        call_id=call["call_id"],
        platform=call["platform"],
        number=row.get("number"),
        started_at=row["started_at"],
        ended_at=None if live else row["ended_at"],
        last_telemetry_at=row["last_telemetry_at"],
        duration_seconds=row["duration_seconds"],
        statistics=Statistics(**{column.name: row[column.name] for column in fields(Statistics)}),
        participants=[one for key, one in catalog.participants.items() if key in presence],
        presence=presence,
        issues=[_as_read(issue, row["live_until"], call["derived_at"] if live else row["live_until"]) for issue in issues],
        # As GraphQL's freshness has them: a stretch that policy closed is told of once it is over.
        warnings=[one for one in warnings if one.closed_at is None or (not live and one.closed_at == row["live_until"])],
        missing=row["missing"],
        meetings=held,
        mean_opinion_score=row.get("mean_opinion_score"),
        names=catalog.participants,
    )


def _as_read(issue: Issue, live_until: datetime, at: datetime) -> Issue:
    """As GraphQL gives it at a time: what was not over when all was ended when it was last seen."""
    is_open = issue.ended_at is None and (issue.open_until or live_until) > at
    return issue if is_open or issue.ended_at is not None else replace(issue, ended_at=issue.last_seen_at)


def _joined(one: Presence | None, other: Presence) -> Presence:
    """From the first coming to the last leaving; without an end where someone who came is not told to have left."""
    if one is None or one[0] is None:
        return other
    if other[0] is None:
        return one
    starts, ends = zip(one, other, strict=True)
    return min(start for start in starts if start is not None), None if None in ends else max(
        end for end in ends if end is not None
    )
