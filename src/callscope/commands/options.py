"""What options of the command may be, so that a wrong one is refused before any work."""

import argparse
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from callscope.simulation import MEASURED
from callscope.telemetry import Instant
from callscope.vocabulary import Media, Metric

Number = TypeVar("Number", int, float)


def number(kind: type[Number], least: Number, most: Number) -> Callable[[str], Number]:
    """A number in these bounds."""

    def read(word: str) -> Number:
        try:
            value = kind(word)
        except ValueError:
            value = None
        # NaN lies in no bounds.
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"should be a {_NAMES[kind]} from {least} to {most}, not {word!r}")
        return value

    return read


_NAMES = {int: "whole number", float: "number"}


def text(word: str) -> str:
    """A name of something, in as many characters as telemetry may use for one. Arguments can hold bytes that are no text."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"should be text in UTF-8, not {word!r}") from None
    if not 1 <= len(word) <= 512:
        raise argparse.ArgumentTypeError(f"should have 1 to 512 characters, not {len(word)}")
    return word


def instant(word: str) -> datetime:
    """RFC 3339 with an offset."""
    try:
        return _INSTANT.validate_python(word)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"{error.errors()[0]['ctx']['error']}, not {word!r}") from None


_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)

_METRICS = {f"{media}/{metric}": (media, metric) for media, measured in MEASURED.items() for metric in sorted(measured)}


def metrics(words: str) -> frozenset[tuple[Media, Metric]]:
    """What clients report, as MEDIA/METRIC with commas between, or all that they can measure."""
    if words == "all":
        return frozenset(_METRICS.values())
    try:
        return frozenset(_METRICS[word] for word in words.split(","))
    except KeyError as error:
        raise argparse.ArgumentTypeError(f"should be 'all', or some of {','.join(_METRICS)}; not {error}") from None
