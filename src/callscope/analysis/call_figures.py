"""What a platform sums up of a stream over its whole call, held to the limits beyond which it calls a stream poor.

Azure's call diagnostics are such: an average and a maximum of each metric, for each stream of each endpoint, and no word of when.
So a finding lasts as long as its connection. Where a client's own series tell of the same, those are judged instead, because they
say when. A figure that is missing says nothing: it is not good. (Azure, voice and video log schemas and call diagnostics.)
"""

from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import Any, NamedTuple

from callscope.analysis.coverage import Seen
from callscope.analysis.detectors import unexplained
from callscope.analysis.diagnostics import EventRow
from callscope.analysis.findings import Finding
from callscope.analysis.presence import Presence
from callscope.analysis.rows import Catalog
from callscope.analysis.rule_book import AUDIO, NOTHING, PICTURE, RECEIVED, SENT, VIDEO
from callscope.analysis.rules import Rule, level
from callscope.analysis.tracks import SubjectKey, milliseconds
from callscope.sources.acs_diagnostics import EVENT, MEDIA
from callscope.sources.acs_values import first, number
from callscope.vocabulary import Direction, IssueKind, Media, Metric, Severity

NAMES = frozenset({EVENT.lower()})
"""In lower case, the events that are looked at."""
WHOLE_CALL = "whole_call_"
"""What the names of these rules begin with."""
FINAL = inf
"""The version of a row that says none: updates come before it."""


class Figure(NamedTuple):
    """A rule and the columns that it looks at, of which the worst counts; ``scale`` makes the rule's unit of theirs."""

    rule: Rule
    columns: tuple[str, ...]
    scale: float


class Of(NamedTuple):
    """Whose figures: the fields of a rule of these names."""

    media: frozenset[Media] = frozenset()
    directions: frozenset[Direction] = frozenset()
    screen: bool | None = None
    measure: str = ""


def _poor(
    kind: IssueKind,
    metric: Metric,
    limit: tuple[str, Severity, float],
    of: Of,
    *columns: str,
    scale: float = 1,
    low: bool = False,
) -> Figure:
    """``limit`` is the rule's name, how much it matters, and the value beyond which Azure calls a stream poor."""
    name, severity, on = limit
    column = " or ".join(columns)
    source = f"Azure (poor where {column} is {'below' if low else 'above'} {on / scale:.6g})"
    levels = (level(severity, on, on, 0, low=low),)
    return Figure(Rule(WHOLE_CALL + name, kind, source, levels, metric, *of, is_of_whole_call=True), columns, scale)


Kind, INFO, WARNING, ERROR = IssueKind, Severity.INFO, Severity.WARNING, Severity.ERROR
STILL = "share of the time in which the picture stood still, 0 to 1"
ANY, LISTENING, WATCHING = Of(), Of(AUDIO, RECEIVED), Of(directions=RECEIVED)
CAMERA, SCREEN = Of(VIDEO, screen=False), Of(PICTURE, screen=True)
CAMERA_SEEN, SCREEN_SEEN = CAMERA._replace(directions=RECEIVED), SCREEN._replace(directions=RECEIVED)
BUFFER, HEALED = ("jitterBufferSizeAvg", "jitterBufferSizeMax"), ("healedDataRatioAvg", "healedDataRatioMax")
RATE, HEIGHT, FROZEN = "videoFrameRateAvg", "recvResolutionHeight", "recvFreezeDurationPerMinuteInMs"
TRIP, PATH = ("roundTripTimeAvg",), ("packetLossRateAvg", "jitterAvg")
MINUTE = 1 / 60_000
FIGURES = (
    _poor(Kind.HIGH_LATENCY, Metric.ROUND_TRIP_TIME, ("round_trip", ERROR, 500), ANY, *TRIP),
    _poor(Kind.HIGH_JITTER, Metric.JITTER, ("jitter", WARNING, 30), ANY, "jitterAvg"),
    _poor(Kind.HIGH_PACKET_LOSS, Metric.PACKET_LOSS, ("packet_loss", ERROR, 10), ANY, "packetLossRateAvg", scale=100),
    _poor(Kind.JITTER_BUFFER_HIGH, Metric.JITTER_BUFFER_DELAY, ("jitter_buffer", WARNING, 200), WATCHING, *BUFFER),
    _poor(Kind.AUDIO_CONCEALMENT, Metric.CONCEALED_RATIO, ("concealment", ERROR, 0.1), LISTENING, *HEALED),
    _poor(Kind.LOW_FRAME_RATE, Metric.FRAME_RATE, ("frame_rate", WARNING, 7), CAMERA, RATE, low=True),
    _poor(Kind.LOW_FRAME_RATE, Metric.FRAME_RATE, ("frame_rate_screen", WARNING, 1), SCREEN, RATE, low=True),
    _poor(Kind.LOW_RESOLUTION, Metric.FRAME_HEIGHT, ("resolution", INFO, 240), CAMERA_SEEN, HEIGHT, low=True),
    _poor(Kind.LOW_RESOLUTION, Metric.FRAME_HEIGHT, ("resolution_screen", INFO, 768), SCREEN_SEEN, HEIGHT, low=True),
    *(
        _poor(Kind.VIDEO_FREEZE, Metric.FREEZE_DURATION, limit, of._replace(measure=STILL), FROZEN, scale=MINUTE)
        for limit, of in ((("freeze", ERROR, 0.1), CAMERA_SEEN), (("freeze_screen", ERROR, 25 / 60), SCREEN_SEEN))
    ),
    *(
        _poor(kind, Metric.BITRATE, (name, ERROR, NOTHING), Of(directions=directions), "packetUtilization", low=True)
        for name, kind, directions in (
            ("nothing_sent", Kind.NO_MEDIA_SENT, SENT),
            ("nothing_received", Kind.NO_MEDIA_RECEIVED, RECEIVED),
        )
    ),
)
RULES = tuple(figure.rule for figure in FIGURES)


class Summary(NamedTuple):
    """Of one stream at one endpoint: the row of the highest version."""

    event: EventRow
    media: Media
    direction: Direction
    connection_key: int | None
    participant_key: int | None
    start: float
    end: float


def summaries(events: Iterable[EventRow], catalog: Catalog) -> list[Summary]:
    """What was summed up, whichever order it is told in."""
    presence = Presence(catalog)
    best: dict[tuple[Any, ...], tuple[tuple[Any, ...], Summary]] = {}
    for event in events:
        media = MEDIA.get(str(first(event.payload, "mediaType")).lower())
        if event.name.lower() in NAMES and media is not None:
            summary = _summary(event, media, presence)
            version = number(first(event.payload, "callUpdatesVersion"))
            rank = (FINAL if version is None else version, event.at, event.event_key)
            key = (summary.connection_key, media, summary.direction, str(first(event.payload, "streamId")))
            best[key] = max(best.get(key, (rank, summary)), (rank, summary), key=lambda told: told[0])
    return [summary for _, summary in best.values()]


def _summary(event: EventRow, media: Media, presence: Presence) -> Summary:
    connection = presence.connection(event.connection_key, event.participant_key, event.at)
    is_sent = str(first(event.payload, "direction")).lower() == "outbound"
    start = end = event.at
    if connection is not None and connection.connected_at is not None:
        start = milliseconds(connection.connected_at)
        end = max(start, presence.ended_at(connection.connection_key) or event.at)
    return Summary(
        event,
        media,
        Direction.PUBLISH if is_sent else Direction.SUBSCRIBE,
        event.connection_key if connection is None else connection.connection_key,
        event.participant_key if connection is None else connection.participant_key,
        start,
        end,
    )


def subjects(told: Iterable[Summary]) -> dict[SubjectKey, Seen]:
    """Of what there were figures, as evidence for comparing."""
    found: dict[SubjectKey, Seen] = {}
    for one in told:
        if one.participant_key is not None:
            way = (one.participant_key, one.connection_key)
            is_path = _tells(one, PATH)
            found[*way, one.event.stream_key, None, one.media, one.direction] = Seen(one.start, one.end, is_path)
            if _tells(one, TRIP):
                found[*way, None, None, Media.CONNECTION, Direction.BOTH] = Seen(one.start, one.end)
    return found


def _tells(one: Summary, columns: Iterable[str]) -> bool:
    return any(number(first(one.event.payload, column)) is not None for column in columns)


def summary_findings(told: Iterable[Summary], catalog: Catalog, rules: Iterable[Rule] = RULES) -> Iterator[Finding]:
    """Of those figures that no series tells better. ``rules`` are those of ``FIGURES``, in their order."""
    figures = [figure._replace(rule=rule) for figure, rule in zip(FIGURES, rules, strict=True)]
    measured = {(row.connection_key, row.metric, row.media, row.direction) for row in catalog.series.values()}
    for one in told:
        watched = [figure for figure in figures if _watches(figure.rule, one) and not _is_measured(figure.rule, one, measured)]
        yield from unexplained([finding for figure in watched for finding in _finding(figure, one)])


def _watches(rule: Rule, one: Summary) -> bool:
    is_media = not rule.media or one.media in rule.media
    is_direction = not rule.directions or one.direction in rule.directions
    return is_media and is_direction and (rule.screen is None or rule.screen is (one.media is Media.SCREEN))


def _way(rule: Rule, one: Summary) -> Direction:
    return Direction.BOTH if rule.metric is Metric.ROUND_TRIP_TIME else one.direction


def _is_measured(rule: Rule, one: Summary, measured: set[tuple[Any, ...]]) -> bool:
    return (one.connection_key, rule.metric, one.media, _way(rule, one)) in measured


def _finding(figure: Figure, one: Summary) -> Iterator[Finding]:
    payload: Mapping[str, Any] = one.event.payload
    told = [value for column in figure.columns if (value := number(first(payload, column))) is not None]
    (watched,) = figure.rule.levels
    # What there cannot be less than nothing of is no figure where it is less.
    beyond = [value * figure.scale for value in told if value >= 0 and watched.limit.is_beyond(value * figure.scale)]
    if beyond:
        yield Finding(
            kind=figure.rule.kind,
            severity=watched.severity,
            rule=figure.rule,
            level=watched,
            started_at=one.start,
            ended_at=None,
            observed=min(beyond) if watched.limit.low else max(beyond),
            participant_key=one.participant_key,
            connection_key=one.connection_key,
            stream_key=one.event.stream_key,
            media=one.media,
            direction=_way(figure.rule, one),
            lasted_until=one.end,
        )
