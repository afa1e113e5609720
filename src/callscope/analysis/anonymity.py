"""What stays of telemetry about someone who is erased: what the figures of a call are made of, and nothing that tells who it was.

Ids become new ones that nobody can lead back; one text becomes the same one wherever it stands. Of what the participant's own
records, events and payloads say in words, only such words stay as rules look at. In all others', its ids and names are replaced,
whatever their case and normal form, but for those that are words of the rules (``analysis.terms``): these tell of nobody.
"""

import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from callscope.analysis.merging import Body
from callscope.analysis.terms import FIELDS, FIGURES, KNOWN_VALUES, STREAM, TERMS, VALUES, is_term
from callscope.labels import folded
from callscope.sources.acs_values import number

ID_FIELDS = {"participantId": "participant", "connectionId": "connection", "streamId": "stream", "subscriberId": "subscriber"}
"""The fields of records that name something, by what they name."""
WORDS_OF_OTHERS = ("message", "name", "closeReason", "unpublishReason", "tags")
"""The fields of records that hold free text. Instants, numbers and closed vocabularies are none, whatever someone is called."""
LEAST_NAME, LEAST_UNSPACED_NAME = 3, 2
"""Shorter names and ids are replaced where they are all of a text, not inside of others."""
UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
"""What Unicode's names of letters begin with in scripts that put no space around a name; names are shorter in some."""
MAX_WORD = 60

_MEDIA_WORDS = ("audio", "microphone", "video", "camera")
_WORD = re.compile(rf"[A-Za-z][A-Za-z0-9_.-]{{0,{MAX_WORD}}}", re.ASCII)


class Identity:
    """The ids of someone and of what it connected, published and received, the names that it had, and what they all become."""

    def __init__(self) -> None:
        self._new: dict[str, str] = {}
        self._alike: dict[str, str] = {}
        self._aliases: dict[str, str] = {}
        self._ids: dict[str, set[str]] = {kind: set() for kind in ID_FIELDS.values()}
        self._pattern: re.Pattern[str] | None = None

    def own(self, kind: str, ids: Iterable[str]) -> None:
        """These are ids of its own of a kind."""
        for id_ in ids:
            self._ids[kind].add(id_)
            self._become(id_)

    def named(self, names: Iterable[str]) -> None:
        """It went by these names."""
        for name in names:
            self._become(name)

    def _become(self, text: str) -> None:
        new = self._new.setdefault(text, _token())
        if _may_tell(text):
            self._alike.setdefault(folded(text), new)
        self._pattern = None

    @property
    def texts(self) -> list[str]:
        """What is looked for inside of texts, in lower case and both normal forms, the longest first."""
        own = [text for text in self._new if _may_tell(text) and _is_long(text)]
        forms = (unicodedata.normalize(form, text) for text in own for form in ("NFC", "NFD"))
        return sorted({text.lower() for text in (*own, *forms)}, key=lambda text: (-len(text), text))

    def ids(self, kind: str) -> dict[str, str]:
        """What the ids of a kind become."""
        return {id_: self._new[id_] for id_ in sorted(self._ids[kind])}

    def is_own(self, body: Mapping[str, Any]) -> bool:
        """Whether a record is about it: by what it names, the most particular first."""
        for field in ("subscriberId", "streamId", "connectionId", "participantId"):
            if field in body:
                return body[field] in self._ids[ID_FIELDS[field]]
        return False

    def renamed(self, body: Body) -> Body:
        return {
            name: self._new[value] if name in ID_FIELDS and value in self._ids[ID_FIELDS[name]] else value
            for name, value in body.items()
        }

    def hidden(self, value: Any, field: str = "") -> Any:
        """A text, or whatever holds texts, with nothing in it that tells who it was. ``field`` is what it stands under."""
        if isinstance(value, str):
            return value if field.lower() in FIGURES and number(value) is not None else self._hidden(value)
        if isinstance(value, list):
            return [self.hidden(each, field) for each in value]
        if isinstance(value, dict):
            return {self.hidden(name): self.hidden(each, name) for name, each in value.items()}
        return value

    def _hidden(self, text: str) -> str:
        head, colon, rest = text.partition(":")
        if is_term(head):
            return head + colon + self._inside.sub(self._instead, rest)
        return self._alike.get(folded(text)) or self._inside.sub(self._instead, text)

    def _instead(self, found: re.Match[str]) -> str:
        return self._alike.get(folded(found[0]), "erased")

    def tells(self, text: str) -> bool:
        """Whether a text holds an id or a name, whatever the case."""
        if is_term(text):
            return False
        told = folded(text)
        return any(known in told if _is_long(known) else known == told for known in self._alike)

    def alias(self, text: str) -> str:
        """What a text becomes that names nothing here, but must stay another one than all others."""
        return self._new.get(text) or self._aliases.setdefault(text, _token())

    @property
    def _inside(self) -> re.Pattern[str]:
        if self._pattern is None:
            self._pattern = re.compile("|".join(map(_as_a_word, self.texts)) or r"(?!)", re.IGNORECASE)
        return self._pattern


def _may_tell(text: str) -> bool:
    """Neither words of the rules tell of someone nor signs and spaces."""
    return not is_term(text) and any(unicodedata.category(one)[0] not in "PZC" for one in text)


def _is_unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(UNSPACED)


def _is_long(text: str) -> bool:
    return len(text) >= (LEAST_UNSPACED_NAME if any(map(_is_unspaced, text)) else LEAST_NAME)


def _as_a_word(text: str) -> str:
    """Not as a part of a longer word, where its writing tells words apart."""
    ends = [re.match(r"\w", end) is not None and not _is_unspaced(end) for end in (text[0], text[-1])]
    return (r"(?<!\w)" if ends[0] else "") + re.escape(text) + (r"(?!\w)" if ends[1] else "")


def _token() -> str:
    return f"erased-{secrets.token_hex(6)}"


def record(kind: str, body: Body, identity: Identity) -> Body:
    """What stays of a record. Others may have the same name: theirs stays."""
    if kind == "participant" and not identity.is_own(body):
        return body
    told = identity.renamed(body)
    if identity.tells(told.get("revisionOf", "")):
        told["revisionOf"] = identity.alias(told["revisionOf"])
    if not identity.is_own(body):
        told |= {name: identity.hidden(told[name]) for name in WORDS_OF_OTHERS if name in told}
        if "message" in told.get("error", {}):
            told["error"] = told["error"] | {"message": identity.hidden(told["error"]["message"])}
        return told
    if kind == "participant":
        return _participant(told)
    told.pop("name", None)
    for reason in ("closeReason", "unpublishReason"):
        if reason in told:
            told[reason] = _term(told[reason], identity) or "erased"
    if "error" in told:
        told["error"] = _failure(told["error"], identity)
    if "message" in told:
        told["message"] = identity.hidden(told["message"])
    return told


def _participant(body: Body) -> Body:
    """Of what it ran on stays what is counted: kind of endpoint, browser with its major version, system and SDK."""
    system = body.get("system", {})
    ran_on = {name: system[name] for name in ("browser", "os") if name in system}
    if "browserVersion" in system:
        ran_on["browserVersion"] = system["browserVersion"].partition(".")[0]
    kept = {name: body[name] for name in ("participantId", "kind", "sdk", "version", "revisionOf") if name in body}
    return kept | ({"system": ran_on} if ran_on else {}) | {"isRedacted": True}


def _failure(error: Body, identity: Identity) -> Body:
    said = {"message": message(error["message"], identity) or "erased"} if "message" in error else {}
    return {name: value for name, value in error.items() if name != "message"} | said


def message(text: str | None, identity: Identity) -> str | None:
    """Of a message stays the name of the error that it begins with, and which media it speaks of."""
    if text is None:
        return None
    head, _, rest = text.partition(":")
    kept = _term(head.strip(), identity)
    if kept is None:
        return None
    media = [word for word in _MEDIA_WORDS if word in rest.lower()]
    return f"{kept}: {' '.join(media)}" if media else kept


def payload(value: Any, identity: Identity, name: str = "") -> Any:
    """Of a payload stay figures and terms under the names that rules know; None where nothing does."""
    if isinstance(value, dict):
        told = {key: payload(each, identity, key.lower()) for key, each in value.items() if key.lower() in FIELDS}
        return {key: each for key, each in told.items() if each is not None} or None
    if isinstance(value, list):
        return [each for each in (payload(each, identity, name) for each in value) if each is not None]
    if isinstance(value, str):
        return _said(value, identity, name)
    return value


def _said(text: str, identity: Identity, name: str) -> str | None:
    if name in TERMS:
        return _term(text, identity)
    if name == STREAM:
        return identity.alias(text)
    is_figure = name in FIGURES and number(text) is not None
    return text if is_figure or (name in VALUES and text.strip().lower() in KNOWN_VALUES) else None


def _term(text: str, identity: Identity) -> str | None:
    """A single word, if it does not tell who it was."""
    return text if _WORD.fullmatch(text) and not identity.tells(text) else None
