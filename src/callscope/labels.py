"""Names and tags that people give: cleaned the same way everywhere, and refused with a reason.

Text is kept in normal form C, trimmed, with each run of white space as one space. Characters are Unicode code points.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from callscope.vocabulary import UserErrorCode

MAX_NAME = 200
MAX_TAG = 50
MAX_TAGS = 3
MAX_NORMALIZED = 10 * MAX_NAME
INVISIBLE = frozenset(("Cf", "Zs", "Zl", "Zp"))
# Letters, marks and symbols that show nothing either (Unicode, Default_Ignorable_Code_Point; and the blank of Braille).
BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
# They reverse the text around them too, which makes one name look like another.
DIRECTION_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class UserError:
    """What was wrong with a mutation's input. ``field`` is the way to it from the field's arguments on."""

    code: UserErrorCode
    message: str
    field: tuple[str, ...] = ()


@dataclass(frozen=True)
class Labels:
    """A name and tags as they are to be kept, None where none were given, and all that was wrong with them."""

    name: str | None = None
    tags: list[str] | None = None
    errors: list[UserError] = field(default_factory=list)


def folded(text: str) -> str:
    """What texts that differ in case or normal form have in common."""
    return _normal(_normal(text).casefold())


def is_control(character: str) -> bool:
    """Whether it shows nothing of its own, but changes how others are shown, or where."""
    return unicodedata.category(character) == "Cc" or character in DIRECTION_CONTROLS


def labels(name: str | None, tags: Sequence[str] | None) -> Labels:
    """Name and tags as they are to be kept; a tag that is there already, in whatever case, is left out."""
    errors: list[UserError] = []
    own = None if name is None else _name(name, errors)
    return Labels(own, None if tags is None else _tags(tags, errors), errors)


def _name(given: str, errors: list[UserError]) -> str:
    text, path = _cleaned(given), ("input", "name")
    if not text:
        errors.append(UserError(UserErrorCode.NAME_REQUIRED, f"Give a name of 1 to {MAX_NAME} characters.", path))
    if len(text) > MAX_NAME:
        message = f"The name should have at most {MAX_NAME} characters, not {len(text)}."
        errors.append(UserError(UserErrorCode.NAME_TOO_LONG, message, path))
    errors.extend(_unprintable("name", text, path))
    return text


def _tags(given: Sequence[str], errors: list[UserError]) -> list[str]:
    kept: dict[str, str] = {}
    for position, each in enumerate(given):
        text, path = _cleaned(each), ("input", "tags", str(position))
        if not text:
            errors.append(UserError(UserErrorCode.TAG_REQUIRED, f"A tag should have 1 to {MAX_TAG} characters.", path))
            continue
        if len(text) > MAX_TAG:
            message = f"A tag should have at most {MAX_TAG} characters, not {len(text)}."
            errors.append(UserError(UserErrorCode.TAG_TOO_LONG, message, path))
        errors.extend(_unprintable("tag", text, path))
        kept.setdefault(folded(text), text)
    if len(kept) > MAX_TAGS:
        message = f"There should be at most {MAX_TAGS} tags, not {len(kept)}."
        errors.append(UserError(UserErrorCode.TOO_MANY_TAGS, message, ("input", "tags")))
    return list(kept.values())


def _cleaned(text: str) -> str:
    """Nothing at all where there is nothing to be seen."""
    text = _normal(" ".join(text.split()))
    return text if any(unicodedata.category(one) not in INVISIBLE and one not in BLANK for one in text) else ""


def _normal(text: str) -> str:
    # What is much too long either way is left as it is: of marks without end, normal form takes time without end.
    return unicodedata.normalize("NFC", text) if len(text) <= MAX_NORMALIZED else text


def _unprintable(what: str, text: str, path: tuple[str, ...]) -> list[UserError]:
    found = next((one for one in text if is_control(one)), None)
    if found is None:
        return []
    message = f"The {what} should have no control characters and none that turn the direction of text, unlike U+{ord(found):04X}."
    return [UserError(UserErrorCode.INVALID_CHARACTER, message, path)]
