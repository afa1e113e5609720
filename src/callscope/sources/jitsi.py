"""How Jitsi Meet names conferences, endpoints and streams.

Both ends of a stream come to one name for it, so that the traces of several participants make one picture: see ``stream_id``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from callscope.sources.webrtc_counters import storable, text
from callscope.telemetry import Sdk

MIXED = "mixedmslabel"
"""The stream that a bridge offers for itself; nobody's media, though it may carry probing packets."""
NOBODY = "unknown"
"""The participant whose streams are of whoever a dump does not name."""

_LABEL = re.compile(r"(?P<endpoint>.+)-(?P<kind>audio|video)-(?:(?P<index>\d{1,4})-)?(?P<counter>\d{1,9})")
_TRACK = re.compile(r"(audio|video):([^\s,]+)")


@dataclass(frozen=True, slots=True)
class Label:
    """A stream's msid: ``<endpoint>-audio-0-1``, in older clients ``<endpoint>-audio-1``.

    The last number is the publisher's peer connection, counted on its page from 1; the one before it, the publisher's source
    of that kind, from 0.
    """

    endpoint: str
    kind: str
    index: int
    counter: int

    @classmethod
    def of(cls, stream: str) -> "Label | None":
        match = _LABEL.fullmatch(stream)
        if match is None:
            return None
        return cls(match["endpoint"], match["kind"], int(match["index"] or 0), int(match["counter"]))

    def __str__(self) -> str:
        return f"{self.endpoint}-{self.kind}-{self.index}-{self.counter}"


@dataclass(frozen=True, slots=True)
class Tracks:
    """What a track event tells: a stream, if any, and its tracks as (kind, id)."""

    stream: str | None
    tracks: list[tuple[str, str]]

    @classmethod
    def of(cls, told: Any) -> "Tracks":
        """Read ``audio:<track> stream:<stream>``, ``<stream> audio:<track>,video:<track>`` or ``audio:<track> -``."""
        if not isinstance(told, str):
            return cls(None, [])
        tracks = _TRACK.findall(told[:2000])
        first, _, rest = told[:2000].partition(" ")
        if first.startswith(("audio:", "video:")):
            word = rest.partition(" ")[0]
            stream = word.removeprefix("stream:") if word.startswith("stream:") else ""
        else:
            stream = first
        return cls(stream or None, tracks)


@dataclass(slots=True)
class Identity:
    """What a dump says of its client and conference, in ``identity`` and ``connectionInfo``, piece by piece."""

    facts: dict[str, Any] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def conference(self) -> str | None:
        """The room's name, with its tenant if told, in lower case as Jitsi compares names.

        The name is in ``confName``, and with host and tenant before it in ``confID``. Only if neither is there the address of
        the page counts: the server writes it, and has been seen to write another meeting's when it processed a trace again.
        """
        name = _room(self.facts.get("confName"))
        path = _room((text(self.facts.get("confID")) or "").rpartition("://")[2].partition("/")[2])
        if name and path and path.endswith(f"/{name}"):
            return path
        return name or path or _room(self.info.get("path"))

    @property
    def endpoint(self) -> str | None:
        return text(self.facts.get("endpointId")) or text(self.facts.get("statsSessionId"))

    @property
    def sdk(self) -> Sdk:
        deployment = self.facts.get("deploymentInfo")
        release = deployment.get("releaseNumber") if isinstance(deployment, Mapping) else None
        return Sdk(name=storable(text(self.facts.get("applicationName"))) or "Jitsi Meet", version=storable(text(release)))


def _room(value: Any) -> str | None:
    """Of an address only the path: what comes behind it may be a token."""
    path = re.split("[?#]", value, maxsplit=1)[0] if isinstance(value, str) else ""
    return unquote(path).strip("/ ").lower() or None


def stream_id(endpoint: str | None, kind: str, index: int, counter: int | None, track: str | None) -> str | None:
    """The name that a publisher can work out for its own stream, and a receiver can read from its msid.

    Without endpoint ids (before 2021) the track's id serves: the receiver sees it with the publisher's counter behind it.
    None where there is neither, or no counter.
    """
    if counter is None:
        return None
    if endpoint is not None:
        return str(Label(endpoint, kind, index, counter))
    return f"{track}-{counter}" if track else None
