"""What participants thought of a call: the answers of ACS's surveys, and ratings that an application sends as telemetry.

A rating is an event of category SURVEY. Its payload has, for each of overall, audio, video and screenshare that was rated, the
score with the survey's bounds, cut-off and tags: ``{"audio": {"score": 2, "lowerBound": 1, "upperBound": 5, "threshold": 2,
"issues": ["Echo"]}}``. A score alone stands for its object, and a payload that is one, or has ``score`` or ``rating`` itself,
rates the call overall. Bounds are 1 to 5 where none are given. (Azure's end of call survey.)
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import fsum, isfinite
from typing import Any

from callscope.analysis.diagnostics import EventRow
from callscope.analysis.findings import Finding
from callscope.analysis.rules import Level, Rule, level
from callscope.sources.acs_values import first
from callscope.vocabulary import EventCategory, IssueKind, Severity

LOWER, UPPER = 1.0, 5.0
LOW_RATING = Rule(
    "rated_bad",
    IssueKind.LOW_RATING,
    "Azure (end of call survey, 2 on a scale from 1 to 5, or the survey's own cut-off)",
    (level(Severity.INFO, 0.25, 0.25, 0, low=True),),
    measure="score from the worst to the best of its scale, 0 to 1",
)
ASPECTS = {"overall": "overall", "audio": "audio", "video": "video", "screenshare": "screen share"}
"""What is rated, with its words."""
TAGS = {
    "callcannotjoin": "could not join",
    "callcannotinvite": "could not invite",
    "nolocalaudio": "was not heard",
    "noremoteaudio": "heard nothing",
    "novideoreceived": "saw no video",
    "novideosent": "was not seen",
    "nocontentlocal": "the own screen was not shown",
    "nocontentremote": "the shared screen was not shown",
    "audiovideooutofsync": "sound and picture were out of step",
}
"""Tags of ACS that do not speak for themselves; the others are told as the words that they are made of."""
MAX_TAGS = 20

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one aspect was given. ``score`` is None where there are only tags."""

    at: float
    score: float | None
    lower: float
    upper: float
    threshold: float | None
    tags: tuple[str, ...]
    connection_key: int | None

    @property
    def normalised(self) -> float | None:
        """0 for the worst score of the scale, 1 for the best."""
        return None if self.score is None else self._share(self.score)

    def cut_off(self, usual: float) -> float:
        """From 0 to 1, at or below which the score is a bad one: the survey's own, else the usual."""
        return usual if self.threshold is None else self._share(self.threshold)

    def is_low(self, usual: float) -> bool:
        return self.normalised is not None and self.normalised <= self.cut_off(usual)

    def _share(self, score: float) -> float:
        return round((score - self.lower) / (self.upper - self.lower), 6)


@dataclass(frozen=True, slots=True)
class Rating:
    """What a participant thought, by aspect: of each the last answer."""

    answers: Mapping[str, Answer]

    @property
    def value(self) -> float | None:
        """0 (worst) to 1 (best): the overall score, else the lowest of the others; None where there are only tags."""
        overall = self.answers.get("overall")
        return self.lowest if overall is None or overall.normalised is None else overall.normalised

    @property
    def lowest(self) -> float | None:
        return min((answer.normalised for answer in self.answers.values() if answer.normalised is not None), default=None)

    @property
    def words(self) -> str:
        return "; ".join(_words(name, self.answers[name]) for name in ASPECTS if name in self.answers)


@dataclass(frozen=True, slots=True)
class CallRating:
    """A call in ratings, each from 0 (worst) to 1 (best); both are None where nobody rated it."""

    count: int
    average: float | None
    lowest: float | None


def ratings(events: Iterable[EventRow]) -> dict[int | None, Rating]:
    """By participant. Of several answers the last one stands, and of those of one instant the worst."""
    answers: dict[int | None, dict[str, Answer]] = defaultdict(dict)
    for event in events:
        if event.category == EventCategory.SURVEY:
            own = answers[event.participant_key]
            for name, answer in _answers(event):
                own[name] = max(own.get(name, answer), answer, key=_precedence)
    return {participant: Rating(own) for participant, own in answers.items() if own}


def call_rating(rated: Iterable[Rating]) -> CallRating:
    """Of all who rated a call."""
    told = list(rated)
    values = [one.value for one in told if one.value is not None]
    lowest = min((one.lowest for one in told if one.lowest is not None), default=None)
    return CallRating(len(values), fsum(values) / len(values) if values else None, lowest)


def rating_findings(events: Iterable[EventRow], rule: Rule = LOW_RATING) -> list[Finding]:
    """One for each participant who rated something badly, in order of time."""
    found = []
    usual = rule.levels[0].limit.on
    for participant, rating in ratings(events).items():
        low = [answer for answer in rating.answers.values() if answer.is_low(usual)]
        if low:
            worst = min(low, key=lambda answer: (answer.normalised or 0.0, answer.cut_off(usual), answer.at))
            cut_off = worst.cut_off(usual)
            at = max(answer.at for answer in low)
            found.append(
                Finding(
                    kind=IssueKind.LOW_RATING,
                    severity=Severity.INFO,
                    rule=rule,
                    level=_at(rule.levels[0], cut_off),
                    started_at=at,
                    ended_at=None,
                    observed=worst.normalised,
                    participant_key=participant,
                    connection_key=worst.connection_key,
                    words=rating.words,
                    lasted_until=at,
                )
            )
    return sorted(found, key=lambda one: (one.started_at, str(one.participant_key)))


def _at(usual: Level, cut_off: float) -> Level:
    return level(usual.severity, cut_off, cut_off, 0, low=True)


def _precedence(answer: Answer) -> tuple[Any, ...]:
    worse = 0.0 if answer.normalised is None else 1.0 - answer.normalised
    key = answer.connection_key
    scale = (answer.cut_off(0.0), answer.lower, answer.upper)
    return answer.score is not None, answer.at, worse, *scale, answer.tags, key is not None, str(key)


def _answers(event: EventRow) -> Iterable[tuple[str, Answer]]:
    told = event.payload if isinstance(event.payload, Mapping) else {"overall": event.payload}
    named = {name: first(dict(told), name, f"{name}Rating") for name in ASPECTS}
    if named["overall"] is None:
        named["overall"] = told
    for name, said in named.items():
        answer = _answer(said, event)
        if answer is not None:
            yield name, answer


def _answer(said: Any, event: EventRow) -> Answer | None:
    """None where nothing was rated that makes sense on its scale."""
    fields = dict(said) if isinstance(said, Mapping) else {"score": said}
    score = _number(first(fields, "score", "rating", "stars"))
    lower = _number(first(fields, "lowerBound", "lower", "min"))
    upper = _number(first(fields, "upperBound", "upper", "max"))
    low, high = LOWER if lower is None else lower, UPPER if upper is None else upper
    if high <= low or (score is not None and not low <= score <= high):
        score, low, high = None, LOWER, UPPER
    threshold = _number(first(fields, "threshold", "cutOff"))
    tags = _tags(first(fields, "issues", "tags"))
    if score is None and not tags:
        return None
    return Answer(event.at, score, low, high, threshold, tags, event.connection_key)


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return float(value) if is_number else None


def _tags(told: Any) -> tuple[str, ...]:
    tags = told.split(",") if isinstance(told, str) else told if isinstance(told, list) else []
    return tuple(tag.strip() for tag in tags[:MAX_TAGS] if isinstance(tag, str) and tag.strip())


def _words(name: str, answer: Answer) -> str:
    said = ASPECTS[name]
    if answer.score is not None:
        said += f" {answer.score:g} on a scale from {answer.lower:g} to {answer.upper:g}"
    return said + (f" ({', '.join(map(_tag_words, answer.tags))})" if answer.tags else "")


def _tag_words(tag: str) -> str:
    """``HadToRejoin`` as ``had to rejoin``; what has a space is words already."""
    known = TAGS.get(tag.lower())
    return known or (tag if " " in tag else " ".join(_WORDS.findall(tag)).lower() or tag)
