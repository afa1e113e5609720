"""Words that figures are made of: names of events and of fields of their payloads, and what these say, as rules look at them.

They tell of nobody, although someone may go by the same word.
"""

from collections.abc import Iterator
from functools import cache

from callscope import vocabulary
from callscope.analysis import attempts, connectivity, device_failures, diagnostic_names, ratings, stretches
from callscope.analysis.codes import explanations, plain
from callscope.analysis.diagnosis import EVENT_NAMES
from callscope.sources.acs_diagnostics import MEASURES, MEDIA

FIGURES = frozenset(
    {
        *("score", "rating", "stars", "lowerbound", "lower", "min", "upperbound", "upper", "max", "threshold", "cutoff"),
        *("audio", "video", "muted", "ismuted", "restricted"),
        *("overall", "screenshare", "overallrating", "audiorating", "videorating", "screensharerating"),
        *(name.lower() for name in (*MEASURES, "callUpdatesVersion")),
    }
)
"""Fields of payloads that hold figures or flags, in lower case."""
TERMS = frozenset(
    {
        *("state", "media", "mediatype", "kind", "type", "valuetype", "issues", "tags", "devices", "tracks", "operationpayload"),
        *("diagnostic", "diagnosticchanged", "diagnosticname", "direction"),
    }
)
"""Those that hold words, one or a list."""
VALUES = frozenset({"value", "newvalue", "diagnosticquality", "diagnosticflag", "reason"})
"""Those that hold one of ``KNOWN_VALUES``."""
KNOWN_VALUES = frozenset({"true", "false", "good", "poor", "bad", "1", "2", "3", *stretches.REASONS})
STREAM = "streamid"
"""That which tells the figures of one stream from those of another."""
FIELDS = FIGURES | TERMS | VALUES | {STREAM}
REQUESTS = ("getusermedia", "getdisplaymedia")
"""What the names of requests for devices begin with."""


def is_term(text: str) -> bool:
    """Whether a text is such a word, whatever its case."""
    word = plain(text)
    return word == text.strip().lower() and (word in _words() or word.rpartition(".")[2].startswith(REQUESTS))


@cache
def _words() -> frozenset[str]:
    return frozenset(word.lower() for word in _all())


def _all() -> Iterator[str]:
    yield from (*FIELDS, *KNOWN_VALUES, *EVENT_NAMES, *diagnostic_names.MEANINGS)
    yield from (*connectivity.STATES, *MEDIA, "inbound", "outbound", *ratings.ASPECTS, *ratings.TAGS)
    yield from attempts.UNEXPECTED_REASONS
    yield from (*device_failures.REASONS, *device_failures.CANCELLED, *device_failures.PERMISSION_NAMES)
    yield from (word for words in device_failures.WORDS.values() for word in words)
    yield from (reason for one in explanations() for reason in map(plain, one.reasons))
    for own in vars(vocabulary).values():
        if isinstance(own, type) and issubclass(own, vocabulary.Term):
            yield from own
