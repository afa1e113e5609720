"""Numbers, times and foreign words as reports write them: the same everywhere, whatever the place or the language.

Rules: a number is written without separators, with as many decimals as make three digits (12.3, 0.0333), whole numbers in full. A
duration below a minute is such a number of seconds; longer ones are rounded to seconds and told in h, min and s. An instant is
written as GraphQL answers it.

What others wrote (names, messages) is data: a word that Markdown, a mail reader or a terminal could take for anything but
letters stands in a code span, where nothing is interpreted.
"""

import re
import unicodedata
from datetime import UTC, datetime
from math import floor, isfinite, log10

SIGNIFICANT_DIGITS = 3
UNNAMED = "unnamed"

# The Unicode categories (their first letters) of what is only ever a letter, a mark or a digit.
_LETTERS = "LMN"
# Not shown at all, or able to reorder what is: controls, format characters, surrogates, what is not assigned.
_INVISIBLE = ("Cc", "Cf", "Cs", "Cn", "Co")
# A word of prose: what may open it, its core, what may close it, with the typographic quotation marks, dashes and ellipsis.
_WORD = re.compile("([(\"'\u201c\u2018\u00ab]*)(.*?)([.,;:!?)\"'\u201d\u2019\u00bb%\u2026\u2013\u2014]*)", re.DOTALL)
_JOINTS = re.compile("(?<=[^\\W_])['\u2019/-](?=[^\\W_])|(?<=\\d)\\.(?=\\d)")


def figure(value: float) -> str:
    """A number by the rule; empty for what is none."""
    if not isfinite(value):
        return ""
    if value == int(value):
        return str(int(value))
    decimals = max(SIGNIFICANT_DIGITS - 1 - floor(log10(abs(value))), 0)
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """Seconds by the rule: ``12.3 s``, ``2 min 5 s``, ``1 h 30 min``."""
    if seconds < 60:
        return f"{figure(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def instant(at: datetime) -> str:
    """As PostgreSQL writes it in JSON: in UTC, and the fraction of a second without zeros at its end."""
    text = at.astimezone(UTC).isoformat()
    seconds, _, offset = text.partition("+")
    return f"{seconds.rstrip('0') if '.' in seconds else seconds}+{offset}"


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def name(text: str | None, limit: int) -> str:
    """A name on one line, of at most ``limit`` characters: as it is, or in a code span if there is more than letters to it."""
    shown = _cut(visible(text or ""), limit) or UNNAMED
    return shown if all(_is_harmless(word) for word in shown.split()) else code(shown)


def prose(text: str, limit: int) -> str:
    """A text on one line; each of its words as it is, or in a code span."""
    return " ".join(_word(word) for word in _cut(visible(text), limit).split())


def code(text: str) -> str:
    """A code span that nothing inside can end (CommonMark 6.1): its fence is longer than any inside."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    pad = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def visible(text: str) -> str:
    """Without what is not seen; any white space, line ends too, as one space."""
    shown = "".join(
        " " if character.isspace() else character for character in text if _is_visible(character) or character.isspace()
    )
    return " ".join(shown.split())


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in _INVISIBLE


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _word(word: str) -> str:
    before, core, after = _WORD.fullmatch(word).groups()  # type: ignore[union-attr]
    return f"{before}{core if not core or _is_harmless(core) else code(core)}{after}"


def _is_harmless(word: str) -> bool:
    """Letters, marks, digits and symbols such as emoji, with what joins them inside: no domain, address, tag or markup."""
    bare = _JOINTS.sub("", word.removesuffix("…"))
    # An abbreviation or an initial: what ends in a dot is no domain.
    bare = bare.removesuffix(".").removesuffix(",")
    categories = [unicodedata.category(character) for character in bare]
    return all(category[0] in _LETTERS or category == "So" for category in categories)
