"""Which findings are one: the same thing, seen in sound and picture, on several streams of a connection, or told and measured."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf

from callscope.analysis.findings import Finding, seen_until
from callscope.vocabulary import Metric, Severity

SEVERITIES = list(Severity)


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Overlapping findings of one kind about one stream and receiver as one, whatever the media: the worst of them, over the
    widest span. Round trips are of the connection, whichever of its streams measured them. What a client told and what was
    measured of the same is one, too; what clients told is otherwise left as it is."""
    told: list[Finding] = []
    groups: dict[object, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.rule.metric is None:
            told.append(finding)
            continue
        is_path = finding.rule.metric is Metric.ROUND_TRIP_TIME and finding.connection_key is not None
        of_what = None if is_path else (finding.stream_key, finding.subscriber_key, finding.direction)
        groups[finding.kind, finding.participant_key, finding.connection_key, of_what].append(finding)
    measured: dict[object, list[Finding]] = defaultdict(list)
    for group in groups.values():
        measured[group[0].kind, group[0].participant_key] += _joined(group)
    alone = [finding for finding in told if not _is_measured(finding, measured.get((finding.kind, finding.participant_key), []))]
    return sorted([*alone, *(one for several in measured.values() for one in several)], key=lambda finding: finding.started_at)


def _joined(group: Sequence[Finding]) -> list[Finding]:
    joined: list[Finding] = []
    for finding in sorted(group, key=lambda each: each.started_at):
        before = joined[-1] if joined else None
        if before is None or (before.ended_at is not None and before.ended_at <= finding.started_at):
            joined.append(finding)
        else:
            joined[-1] = _join(before, finding)
    return joined


def _join(one: Finding, other: Finding) -> Finding:
    worst = worse_of(one, other)
    lasts = one.ended_at is None or other.ended_at is None
    return replace(
        worst,
        started_at=min(one.started_at, other.started_at),
        ended_at=None if one.ended_at is None or other.ended_at is None else max(one.ended_at, other.ended_at),
        media=one.media if one.media is other.media else None,
        direction=one.direction if one.direction is other.direction else None,
        stream_key=one.stream_key if one.stream_key == other.stream_key else None,
        subscriber_key=one.subscriber_key if one.subscriber_key == other.subscriber_key else None,
        series_keys=list(dict.fromkeys([*one.series_keys, *other.series_keys])),
        lasted_until=max(seen_until(one), seen_until(other)) if lasts else None,
    )


def worse_of(one: Finding, other: Finding) -> Finding:
    return max(one, other, key=lambda each: (SEVERITIES.index(each.severity), _excess(each)))


def _is_measured(told: Finding, measured: list[Finding]) -> bool:
    """Whether what a client told was measured as well; that then spans both, and ends when the values say that it did."""
    for place, one in enumerate(measured):
        is_same = told.stream_key in {None, one.stream_key} and told.connection_key in {None, one.connection_key}
        if is_same and told.started_at <= _last(one) and one.started_at <= _last(told):
            ends = [end for end in (one.ended_at, told.ended_at) if end is not None]
            measured[place] = replace(
                one,
                severity=max(one.severity, told.severity, key=SEVERITIES.index),
                started_at=min(one.started_at, told.started_at),
                ended_at=max(ends, default=None),
                lasted_until=None if ends else max(seen_until(one), seen_until(told)),
                words=one.words or told.words,
            )
            return True
    return False


def _last(finding: Finding) -> float:
    """Until when it may have gone on."""
    return inf if finding.ended_at is None else finding.ended_at


def _excess(finding: Finding) -> float:
    """How bad it was, to be compared with findings of the same rule."""
    observed = finding.observed or 0.0
    return -observed if finding.level is not None and finding.level.limit.low else observed
