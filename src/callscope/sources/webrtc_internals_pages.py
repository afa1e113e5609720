"""The pages of a webrtc-internals dump: which peer connections and requests for media belong together.

Peer connections are listed by ``<renderer>-<number>``; the renderer and the origin of the address tell pages apart. Names come
from what stays the same when the page is dumped again: browser, renderer, origin, and the time of the first thing it did.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from callscope.sources import Refusal
from callscope.sources.webrtc_events import clean


@dataclass(slots=True)
class Page:
    renderer: str
    pid: Any
    origin: str
    connections: dict[str, dict[str, Any]] = field(default_factory=dict)
    media: list[dict[str, Any]] = field(default_factory=list)
    """Requests for microphone, camera and screen, and their results."""
    name: str = ""
    call_id: str = ""

    @property
    def beginning(self) -> str:
        """The first time that it names, as it is written."""
        logs = [told.get("updateLog") for told in self.connections.values()]
        firsts = [*self.media[:1], *(log[0] for log in logs if isinstance(log, list) and log)]
        series = [told.get("stats") for told in self.connections.values()]
        firsts += [one for told in series if isinstance(told, dict) for one in list(told.values())[:1]]
        entries = [first for first in firsts if isinstance(first, dict)]
        return next((str(entry[name]) for entry in entries for name in ("timestamp", "time", "startTime") if name in entry), "")


def pages(dump: Mapping[str, Any]) -> tuple[list[Page], list[Refusal]]:
    """The pages in order of the dump, and what is not what it should be."""
    found: dict[tuple[str, str, str], Page] = {}
    refused: list[Refusal] = []
    for key, told in _items(dump.get("PeerConnections"), refused):
        renderer, pid, origin = key.rpartition("-")[0] or key, told.get("pid"), _origin(told.get("url"))
        page = found.setdefault((renderer, str(pid), origin), Page(renderer, pid, origin))
        page.connections[key] = told
        _check_log(key, told, refused)
    media = dump.get("getUserMedia")
    for number, entry in enumerate(media if isinstance(media, list) else []):
        if isinstance(entry, dict):
            _page_of(entry, found).media.append(entry)
        else:
            refused.append(Refusal(0, f"getUserMedia.{number}", "row_invalid", "should be an object"))
    calls: dict[str, str] = {}
    for page in found.values():
        parts = (dump.get("UserAgent"), page.renderer, page.pid, page.origin, page.beginning)
        page.name = f"webrtc-internals-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"
        page.call_id = calls.setdefault(page.origin, page.name)
    return list(found.values()), refused


def entries(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The update log of a peer connection, as far as it is one."""
    log = told.get("updateLog")
    return [entry for entry in (log if isinstance(log, list) else []) if _is_entry(entry)]


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("type"), str)


def _items(told: Any, refused: list[Refusal]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in told.items() if isinstance(told, dict) else ():
        if isinstance(value, dict):
            yield key, value
        else:
            refused.append(Refusal(0, f"PeerConnections.{clean(key)}", "row_invalid", "should be an object"))


def _check_log(key: str, told: dict[str, Any], refused: list[Refusal]) -> None:
    log = told.get("updateLog")
    for number, entry in enumerate(log if isinstance(log, list) else []):
        if not _is_entry(entry):
            path = f"PeerConnections.{clean(key)}.updateLog.{number}"
            refused.append(Refusal(0, path, "row_invalid", "should be an object with a type"))


def _page_of(entry: dict[str, Any], found: dict[tuple[str, str, str], Page]) -> Page:
    """The page that asked for media. Results do not name its origin, and old dumps not its renderer."""
    renderer, pid, origin = str(entry.get("rid")), entry.get("pid"), _origin(entry.get("url") or entry.get("origin"))
    akin = [page for page in found.values() if page.pid == pid and origin in {"", page.origin}]
    same = [page for page in akin if page.renderer == renderer] or akin
    return same[0] if same else found.setdefault((renderer, str(pid), origin), Page(renderer, pid, origin))


def _origin(url: Any) -> str:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return str(url)
    return f"{parts.scheme}://{parts.netloc}" if parts and parts.netloc else ""
