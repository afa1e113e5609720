"""What options of the command may be, so that a wrong one is refused before any work."""

import argparse
from collections.abc import Callable
from typing import TypeVar

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
