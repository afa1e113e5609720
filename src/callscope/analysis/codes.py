"""What the platforms' codes mean and what to do about them: a table, and how what was told of a failure finds its rows.

Each row of ``codes.csv`` stands under one or more keys, and what was told is turned into the keys to look under, the most
specific first. Both are written here as templates, so that SQL (schema/code_explanation.py) looks up by the same rule.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from callscope.vocabulary import Platform

NUMBERS = ("{platform} {code}/{subcode}", "{platform} /{subcode}", "{platform} {code}/")
"""Code and subcode, then the subcode alone, which says more than the code alone."""
WORDS = ("{platform} ~{text}", "WEBRTC ~{text}")
"""A reason or the name of an error, for each text in turn. Those of WebRTC itself hold on every platform."""
BROAD = ("{platform} {code}/{any_subcode}", "{platform} {any_code}/{subcode}", "{platform} {hundreds}xx")
"""All that a code or a subcode alone can stand for; then the class of the code, by its hundreds."""
NAME = re.compile(r"\{(\w+)\}")
ANY = "*"

_CLASS = re.compile(r"(\d)xx")


@dataclass(frozen=True, slots=True)
class Explanation:
    """One row. ``reasons`` are texts that mean the same: error names, states, end reasons. ``hundreds`` is that of a class."""

    position: int
    platform: Platform
    code: int | None
    subcode: int | None
    hundreds: int | None
    reasons: tuple[str, ...]
    category: str
    meaning: str
    advice: str
    source: str

    @property
    def keys(self) -> list[str]:
        """The keys that it stands under."""
        keys = [f"{self.platform} ~{plain(reason)}" for reason in self.reasons]
        if self.hundreds is not None:
            keys.append(f"{self.platform} {self.hundreds}xx")
        if self.code is not None and self.subcode is None:
            keys.append(f"{self.platform} {self.code}/")
        if self.subcode is not None:
            # Subcode 0 says nothing by itself: without a code it stands for all, with an unknown code for none.
            alone = f"{self.platform} /{self.subcode}" if self.subcode else f"{self.platform} {ANY}/0"
            keys += [f"{self.platform} {self.code}/{self.subcode}", f"{self.platform} {self.code}/{ANY}", alone]
        return list(dict.fromkeys(keys))


def plain(text: str) -> str:
    """A text as keys have it: what stands before the first colon, in lower case (``NotReadableError: Could not start …``)."""
    return text.partition(":")[0].strip(" ").lower()


@cache
def explanations() -> tuple[Explanation, ...]:
    """The table, in its order."""
    lines = files("callscope.analysis").joinpath("codes.csv").read_text("utf-8").splitlines()
    return tuple(_explanation(position, row) for position, row in enumerate(csv.DictReader(lines)))


def _explanation(position: int, row: Mapping[str, str]) -> Explanation:
    of_class = _CLASS.fullmatch(row["code"])
    return Explanation(
        position,
        Platform[row["platform"]],
        None if of_class or not row["code"] else int(row["code"]),
        int(row["subcode"]) if row["subcode"] else None,
        int(of_class[1]) if of_class else None,
        tuple(filter(None, row["reasons"].split(";"))),
        row["category"],
        row["meaning"],
        row["advice"],
        row["source"],
    )


def keys_of(platform: Platform, code: int | None, subcode: int | None, texts: Iterable[str | None] = ()) -> Iterator[str]:
    """The keys under which to look, the most specific first."""
    told: dict[str, object] = {
        "platform": platform,
        "code": code,
        "subcode": subcode,
        "any_code": ANY if code is None else None,
        "any_subcode": ANY if subcode is None else None,
        "hundreds": None if code is None else int(code / 100),
    }
    yield from _filled(NUMBERS, told)
    for text in texts:
        yield from _filled(WORDS, told | {"text": None if text is None else plain(text)})
    yield from _filled(BROAD, told)


def _filled(templates: Iterable[str], told: Mapping[str, object]) -> Iterator[str]:
    """A template stays out where something that it names was not told."""
    for template in templates:
        if all(told[name] is not None for name in NAME.findall(template)):
            yield template.format_map(told)


def explain(
    platform: Platform, code: int | None = None, subcode: int | None = None, texts: Iterable[str | None] = ()
) -> list[Explanation]:
    """What explains a code, a subcode or a reason in words: the most specific first, each once; empty where nothing does."""
    table = _by_key()
    found = (explanation for key in keys_of(platform, code, subcode, texts) for explanation in table.get(key, ()))
    return list(dict.fromkeys(found))


@cache
def _by_key() -> dict[str, list[Explanation]]:
    table: dict[str, list[Explanation]] = {}
    for explanation in explanations():
        for key in explanation.keys:
            table.setdefault(key, []).append(explanation)
    return table
