"""The report of a call or of a meeting, as a support engineer would write it: who, when, what broke for whom, why, what next.

It depends on nothing but the rows that it is made of. However large the call, it lists the worst and says how many there are in
all, with the numbers that GraphQL gives.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice

from callscope.analysis.digest import digest
from callscope.analysis.issues import Issue
from callscope.analysis.plain_text import UNNAMED, code, counted, duration, figure, instant, name, prose, visible
from callscope.analysis.reported import Reported, Row, Tally, reported_call, reported_meeting
from callscope.analysis.rows import Catalog, DataWarning, Participant
from callscope.vocabulary import Attribution, EndpointKind, Metric, Platform, TelemetryKind, Unit

LISTED_PARTICIPANTS = 20
LISTED_KINDS = 12
LISTED_HITS = 5
LISTED_ADVICE = 10
LISTED_WARNINGS = 10
LISTED_MEETINGS = 10
NAME_CHARACTERS = 60
PROSE_CHARACTERS = 300

PLATFORMS = {
    Platform.ACS: "Azure Communication Services",
    Platform.VONAGE: "Vonage",
    Platform.JITSI: "Jitsi",
    Platform.WEBRTC: "WebRTC",
}
ENDPOINTS = {
    EndpointKind.BROWSER: "browser",
    EndpointKind.NATIVE: "app",
    EndpointKind.SIP: "SIP line",
    EndpointKind.PSTN: "telephone",
    EndpointKind.BOT: "bot",
    EndpointKind.SERVER: "media server",
    EndpointKind.UNKNOWN: "unknown endpoint",
}
SIGNS = {
    Unit.BITS_PER_SECOND: " bit/s",
    Unit.PERCENT: " %",
    Unit.MILLISECONDS: " ms",
    Unit.PER_SECOND: " per second",
    Unit.PIXELS: " pixels",
}
CAUSES = {one: one.description[0].lower() + one.description[1:].removesuffix(".") for one in Attribution}
WHOLE_CALL = 0
"""The number of a whole call's report, beside those of its meetings."""


def report_rows(
    catalog: Catalog, issues: Sequence[Issue], warnings: Sequence[DataWarning], call: Row, meetings: Sequence[Row]
) -> list[Row]:
    """Rows of the table report, of the rows of a call as they are stored.

    What lives ends without anything being heard of it: so what lives has a report for either time.
    """
    whole = partial(reported_call, catalog, issues, warnings, call, meetings)
    parts = [(one, partial(reported_meeting, catalog, issues, warnings, call, one)) for one in meetings]
    return [_row(row, call, reported) for row, reported in [(call, whole), *parts]]


def _row(row: Row, call: Row, reported: Callable[..., Reported]) -> Row:
    over = reported(live=False)
    told = {"number": row.get("number", WHOLE_CALL), "markdown": markdown(over), "digest": digest(over)}
    if row["live_until"] <= call["derived_at"]:
        return told | {"live_markdown": None, "live_digest": None}
    live = reported(live=True)
    return told | {"live_markdown": markdown(live), "live_digest": digest(live)}


def markdown(subject: Reported) -> str:
    """The report in Markdown (CommonMark, without tables or links)."""
    sections = [
        _heading(subject),
        _summary(subject),
        *_section("Meetings", _meetings(subject)),
        *_section("Who took part", _people(subject)),
        *_section("What broke", _broken(subject)),
        *_section("What to do next", _advice(subject)),
        *_section("What is not known", _gaps(subject)),
    ]
    return "\n\n".join(sections) + "\n"


def _heading(subject: Reported) -> str:
    call = code(visible(subject.call_id)[:NAME_CHARACTERS] or UNNAMED)
    return f"# Call {call}" if subject.number is None else f"# Meeting {subject.number} of call {call}"


def _section(title: str, blocks: Iterable[str]) -> list[str]:
    """Nothing where there is nothing to tell. Lines of a list stand together."""
    text = ""
    for block in blocks:
        text += ("\n" if block.startswith("- ") and text.rpartition("\n")[2].startswith("- ") else "\n\n") + block
    return [f"## {title}{text}"] if text else []


# How it went


def _summary(subject: Reported) -> str:
    figures = subject.statistics
    sentences = [_time(subject)]
    if figures.connection_count == 0:
        sentences.append(f"Nobody got connected; {counted(figures.participant_count, 'participant')} tried, or should have.")
    else:
        sentences.append(
            f"{counted(figures.participant_count, 'participant')} took part, with at most"
            f" {counted(figures.max_concurrent_connections, 'connection')} at once;"
            f" {counted(figures.stream_count, 'stream')} had {counted(figures.subscriber_count, 'subscriber')}."
        )
    sentences += [
        f"Of {counted(attempts, 'attempt')} to {what}, {failures} failed."
        for what, attempts, failures in (
            ("connect", figures.connect_attempts, figures.connect_failures),
            ("publish", figures.publish_attempts, figures.publish_failures),
            ("subscribe", figures.subscribe_attempts, figures.subscribe_failures),
        )
        if failures
    ]
    sentences += _verdict(subject)
    if subject.mean_opinion_score is not None:
        sentences.append(f"The mean opinion score of received audio was {figure(subject.mean_opinion_score)}.")
    if TelemetryKind.SAMPLES in subject.missing:
        sentences.append("Nothing was measured, so nobody can say how it looked and sounded.")
    return " ".join(sentences)


def _time(subject: Reported) -> str:
    platform = PLATFORMS.get(Platform[subject.platform])
    what = "meeting" if subject.number is not None else "call"
    start, length = instant(subject.started_at), duration(subject.duration_seconds)
    called = f"The {platform} {what}" if platform else f"The {what}"
    if subject.ended_at is None:
        return f"{called} goes on: it began at {start} and has lasted {length} so far, to {instant(subject.last_telemetry_at)}."
    return f"{called} lasted {length}, from {start} to {instant(subject.ended_at)}."


def _verdict(subject: Reported) -> Iterable[str]:
    if not subject.problems:
        yield "No issues were found."
        return
    worst = subject.kinds[0]
    recovered = sum(issue.is_recovered for issue in subject.problems)
    was = "was" if len(subject.problems) == 1 else "were"
    yield f"{counted(len(subject.problems), 'issue')} {was} found, of which {recovered or 'none'} recovered."
    hit = f", which hit {counted(worst.participant_count, 'participant')}" if worst.participant_count else ""
    yield f"The worst: {prose(worst.worst.title, NAME_CHARACTERS)} ({worst.severity}){hit}."
    attributed = subject.attributed()
    if attributed is not None:
        yield f"Likely cause of most, where the telemetry can tell: {CAUSES[attributed[0]]} ({counted(attributed[1], 'issue')})."


def _meetings(subject: Reported) -> Iterable[str]:
    if len(subject.meetings) < 2:
        return
    for one in subject.meetings[:LISTED_MEETINGS]:
        span = f"from {instant(one.started_at)} " + ("on" if one.ended_at is None else f"to {instant(one.ended_at)}")
        yield (
            f"- Meeting {one.number}: {span}, {duration(one.duration_seconds)},"
            f" {counted(one.participant_count, 'participant')}, {counted(one.issue_count, 'issue')}"
        )
    if len(subject.meetings) > LISTED_MEETINGS:
        yield f"- and more, to meeting {subject.meetings[-1].number}"


# Who took part


def _people(subject: Reported) -> Iterable[str]:
    people = subject.participants_by_harm
    issues = subject.issues_by_participant
    if len(people) > LISTED_PARTICIPANTS:
        yield f"Of {counted(len(people), 'participant')}, those with most issues:"
    for one in people[:LISTED_PARTICIPANTS]:
        told = [_presence(subject, one), counted(issues.get(one.participant_key, 0), "issue")]
        if subject.number is None:
            # They are counted and estimated for the whole call, not for a meeting of it.
            told.append(counted(one.error_count, "error"))
            if one.mean_opinion_score is not None:
                told.append(f"mean opinion score {figure(one.mean_opinion_score)}")
        yield f"- {person(one)} ({_endpoint(one)}): {', '.join(told)}"
    if len(people) > LISTED_PARTICIPANTS:
        yield f"- and more: {len(people)} in all"


def person(one: Participant | None, limit: int = NAME_CHARACTERS) -> str:
    """By the name, else by the platform's id; nobody in particular where there is none."""
    if one is None:
        return "the call as a whole"
    return f"**{name(visible(one.display_name or '') or one.participant_id, limit)}**"


def _endpoint(one: Participant) -> str:
    system = [
        " ".join(name(part, NAME_CHARACTERS) for part in parts if part)
        for parts in (
            (one.browser, one.browser_version),
            (one.sdk_name, one.sdk_version),
            (one.os, one.os_version),
            (one.country,),
        )
        if parts[0]
    ]
    return ", ".join([ENDPOINTS[EndpointKind[one.kind]], *system])


def _presence(subject: Reported, one: Participant) -> str:
    joined, left = subject.presence.get(one.participant_key, (None, None))
    if joined is None:
        return "never connected"
    if left is not None:
        return f"from {instant(joined)} to {instant(left)}"
    return f"since {instant(joined)}" if subject.ended_at is None else f"from {instant(joined)}, no end told"


# What broke


def _broken(subject: Reported) -> Iterable[str]:
    kinds = subject.kinds
    if not subject.problems:
        yield "No issues were found in what was delivered."
    for kind in kinds[:LISTED_KINDS]:
        whom = f" of {counted(kind.participant_count, 'participant')}" if kind.participant_count else ""
        yield f"### {prose(kind.worst.title, NAME_CHARACTERS)}"
        yield (
            f"{kind.kind}, {kind.severity}: {counted(len(kind.issues), 'issue')}{whom}, {kind.recovered_count} recovered,"
            f" {duration(kind.total_seconds)} in all."
        )
        hits = subject.hits(kind)
        for hit in hits[:LISTED_HITS]:
            yield f"- {person(subject.who(hit.worst.participant_key))}: {_hit(hit)}"
        if len(hits) > LISTED_HITS:
            yield f"- and more: {counted(kind.participant_count, 'participant')} in all"
    if len(kinds) > LISTED_KINDS:
        yield f"There are more kinds, less grave: {counted(len(subject.problems), 'issue')} in all."


def _hit(hit: Tally) -> str:
    told = [f"{_span(hit)}, {_recovery(hit)}."]
    peak = hit.peak
    # Where the description does not tell it.
    if peak is not None and peak.rule_observed is not None and figure(peak.rule_observed) not in hit.worst.description:
        sign = SIGNS.get(Metric[peak.rule_metric].unit, "") if peak.rule_metric else ""
        against = f", where {figure(peak.rule_threshold)}{sign} is the threshold" if peak.rule_threshold is not None else ""
        told.append(f"Worst value {figure(peak.rule_observed)}{sign}{against}.")
    told.append(f"Likely cause: {CAUSES[hit.attribution]}." if hit.attribution is not Attribution.UNKNOWN else "Cause not known.")
    told.append(prose(hit.worst.description, PROSE_CHARACTERS))
    return " ".join(told)


def _span(hit: Tally) -> str:
    start, end = instant(hit.started_at), hit.ended_at
    times, in_all = ("", "") if len(hit.issues) == 1 else (f"{len(hit.issues)} times ", " in all")
    if end is None:
        return f"{times}from {start} on, {duration(hit.total_seconds)}{in_all} so far"
    if end == hit.started_at:
        return f"{times}at {start}"
    return f"{times}from {start} to {instant(end)}, {duration(hit.total_seconds)}{in_all}"


def _recovery(hit: Tally) -> str:
    if hit.recovered_count in (0, len(hit.issues)):
        return "recovered" if hit.recovered_count else "not recovered"
    return f"{hit.recovered_count} recovered"


# What next


def _advice(subject: Reported) -> Iterable[str]:
    for recommendation, tally in islice(subject.advice, LISTED_ADVICE):
        whom = counted(tally.participant_count, "participant") if tally.participant_count else "the call as a whole"
        yield f"- For {whom}: {prose(recommendation, PROSE_CHARACTERS)}"


def _gaps(subject: Reported) -> Iterable[str]:
    if subject.missing:
        yield f"- No source told of: {', '.join(kind.lower() for kind in subject.missing)}."
    warnings = sorted(subject.warnings, key=lambda one: (one.kind, one.message, str(one.warning_key)))
    for one in warnings[:LISTED_WARNINGS]:
        whose = f" ({person(subject.who(one.participant_key))})" if one.participant_key is not None else ""
        yield f"- {one.kind}{whose}: {prose(one.message, PROSE_CHARACTERS)}"
    if len(warnings) > LISTED_WARNINGS:
        yield f"- and more: {counted(len(warnings), 'warning')} in all"
