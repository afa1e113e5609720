"""What a detector found: an issue before it is worded, attributed and stored. Times are milliseconds since the Unix epoch."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from callscope.analysis.rules import Level, Rule
from callscope.vocabulary import Attribution, Direction, IssueKind, Media, Severity


@dataclass(slots=True)
class Finding:
    """Something that went wrong for a while. ``ended_at`` is None where it was not over when its subject was; ``level`` is None
    for a rule that measures nothing. ``words`` names it for the description, for example a device."""

    kind: IssueKind
    severity: Severity
    rule: Rule
    level: Level | None
    started_at: float
    ended_at: float | None
    observed: float | None
    participant_key: int | None
    connection_key: int | None = None
    stream_key: int | None = None
    subscriber_key: int | None = None
    media: Media | None = None
    direction: Direction | None = None
    series_keys: Sequence[int] = ()
    words: str = ""
    attribution: Attribution = Attribution.UNKNOWN
    lasted_until: float | None = field(default=None)
    """Of one that was not over: the last time at which it was seen."""


def seen_until(finding: Finding) -> float:
    """When it ended, or was seen last."""
    if finding.ended_at is not None:
        return finding.ended_at
    return finding.started_at if finding.lasted_until is None else finding.lasted_until
