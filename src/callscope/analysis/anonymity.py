"""What stays of telemetry about someone who is erased: what the figures of a call are made of, and nothing that tells who it was.

Ids become new ones that nobody can lead back; one text becomes the same one wherever it stands. Of what the participant's own
records, events and payloads say in words, only such words stay as rules look at. In all others', its ids and names are replaced.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from callscope.analysis.merging import Body

ID_FIELDS = {"participantId": "participant", "connectionId": "connection", "streamId": "stream", "subscriberId": "subscriber"}
"""The fields of records that name something, by what they name."""
LEAST_NAME = 3
"""Shorter names and ids are replaced where they are all of a text, not inside of others."""
MAX_WORD = 60

# By the name of a payload's field, in lower case: what rules and ratings read of it.
_FIGURES = {
    *("score", "rating", "stars", "lowerbound", "lower", "min", "upperbound", "upper", "max", "threshold", "cutoff"),
    *("audio", "video", "muted", "ismuted", "restricted"),
    *("overall", "screenshare", "overallrating", "audiorating", "videorating", "screensharerating"),
}
_TERMS = {
    *("state", "media", "mediatype", "kind", "type", "valuetype", "issues", "tags", "devices", "tracks", "operationpayload"),
    *("diagnostic", "diagnosticchanged", "diagnosticname"),
}
_VALUES = {"value", "newvalue", "diagnosticquality", "diagnosticflag", "reason"}
_KNOWN_VALUES = {"true", "false", "good", "poor", "bad", "1", "2", "3", "none", "other", "bandwidth", "cpu"}
_MEDIA_WORDS = ("audio", "microphone", "video", "camera")
_WORD = re.compile(rf"[A-Za-z][A-Za-z0-9_.-]{{0,{MAX_WORD}}}", re.ASCII)


class Identity:
    """The ids of someone and of what it connected, published and received, the names that it had, and what they all become."""

    def __init__(self) -> None:
        self._new: dict[str, str] = {}
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
        self._new.setdefault(text, f"erased-{secrets.token_hex(6)}")
        self._pattern = None

    @property
    def texts(self) -> list[str]:
        """All that tells who it was, the longest first."""
        return sorted(self._new, key=lambda text: (-len(text), text))

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

    def hidden(self, value: Any) -> Any:
        """A text, or whatever holds texts, with nothing in it that tells who it was."""
        if isinstance(value, str):
            return self._new.get(value) or self._inside.sub(lambda match: self._new[match[0]], value)
        if isinstance(value, list):
            return [self.hidden(each) for each in value]
        if isinstance(value, dict):
            return {self.hidden(name): self.hidden(each) for name, each in value.items()}
        return value

    def tells(self, text: str) -> bool:
        """Whether a text holds an id or a name, whatever the case."""
        lowered = text.lower()
        return any(known.lower() in lowered if len(known) >= LEAST_NAME else known == text for known in self._new)

    @property
    def _inside(self) -> re.Pattern[str]:
        if self._pattern is None:
            texts = "|".join(re.escape(text) for text in self.texts if len(text) >= LEAST_NAME)
            self._pattern = re.compile(rf"(?<!\w)(?:{texts})(?!\w)" if texts else r"(?!)")
        return self._pattern


def record(kind: str, body: Body, identity: Identity) -> Body:
    """What stays of a record. Others may have the same name: theirs stays."""
    if kind == "participant" and not identity.is_own(body):
        return body
    if not identity.is_own(body):
        return {name: value if name in ID_FIELDS else identity.hidden(value) for name, value in identity.renamed(body).items()}
    told = identity.renamed(body)
    if "revisionOf" in told:
        told["revisionOf"] = identity.hidden(told["revisionOf"])
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
        told = {key: payload(each, identity, key.lower()) for key, each in value.items() if key.lower() in _KNOWN}
        return {key: each for key, each in told.items() if each is not None} or None
    if isinstance(value, list):
        return [each for each in (payload(each, identity, name) for each in value) if each is not None]
    if isinstance(value, str):
        return _said(value, identity, name)
    return value


_KNOWN = _FIGURES | _TERMS | _VALUES


def _said(text: str, identity: Identity, name: str) -> str | None:
    if name in _TERMS:
        return _term(text, identity)
    return text if name in _VALUES and text.strip().lower() in _KNOWN_VALUES else None


def _term(text: str, identity: Identity) -> str | None:
    """A single word, if it does not tell who it was."""
    return text if _WORD.fullmatch(text) and not identity.tells(text) else None
