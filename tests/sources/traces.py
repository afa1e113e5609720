"""Traces made by hand, in the form that Jitsi's rtcstats writes."""

import gzip
import io
from typing import Any

import orjson

from callscope.sources import rtcstats
from callscope.telemetry import Telemetry

START = 1_700_000_000_000
"""2023-11-14 22:13:20 UTC, in milliseconds."""

P2P = {"optional": [{"rtcStatsSFUP2P": True}]}
BRIDGE = {"optional": [{"rtcStatsSFUP2P": False}]}
IDENTITY = {"confName": "Standup", "confID": "meet.example/standup", "endpointId": "aaaaaaaa", "displayName": "Ada"}


class Trace:
    """Lines with times relative to START; statistics are written as differences, as the client does."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._reports: dict[str, dict[str, dict[str, Any]]] = {}

    def add(self, name: str, connection: str | None = None, data: Any = None, at: float | None = 0, *more: Any) -> "Trace":
        line = [name, connection, data] if at is None else [name, connection, data, START + at, *more]
        self.lines.append(orjson.dumps(line))
        return self

    def connect(self, connection: str = "PC_0", kind: Any = BRIDGE, at: float = 0) -> "Trace":
        self.add("create", connection, {"iceServers": [{"urls": "turn:relay", "username": "1700000000"}]}, at)
        self.add("constraints", connection, kind, at)
        return self.add("onconnectionstatechange", connection, "connected", at + 500)

    def stats(self, reports: dict[str, dict[str, Any]], at: float, connection: str = "PC_0") -> "Trace":
        before = self._reports.get(connection, {})
        delta: dict[str, Any] = {"timestamp": START + at}
        for key, report in reports.items():
            old = before.get(key, {})
            delta[key] = {"timestamp": 0} | {
                name: value for name, value in report.items() if name not in old or old[name] != value
            }
        self._reports[connection] = reports
        return self.add("getstats", connection, delta, at + 7)

    def bytes(self) -> bytes:
        return b"\n".join(self.lines) + b"\n"

    def read(self, **options: Any) -> list[Telemetry]:
        return read(self.bytes(), **options)


def read(data: bytes, **options: Any) -> list[Telemetry]:
    return list(rtcstats.read(io.BytesIO(data), **options))


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def only(records: list[Telemetry], kind: str, /, **fields: Any) -> Any:
    """The one record of a kind whose fields are as given."""
    found = every(records, kind, **fields)
    assert len(found) == 1, found
    return found[0]


def every(records: list[Telemetry], kind: str, /, **fields: Any) -> list[Any]:
    return [
        record
        for record in records
        if record.type == kind and all(getattr(record, name) == value for name, value in fields.items())
    ]


def received(ssrc: int = 11, kind: str = "audio", **fields: Any) -> dict[str, dict[str, Any]]:
    """An inbound-rtp report by its key, on a track ``track<ssrc>``."""
    report = {"type": "inbound-rtp", "ssrc": ssrc, "kind": kind, "trackIdentifier": f"track{ssrc}", **fields}
    return {f"IT01{kind[0].upper()}{ssrc}": report}


def sent(ssrc: int = 21, kind: str = "audio", **fields: Any) -> dict[str, dict[str, Any]]:
    return {f"OT01{kind[0].upper()}{ssrc}": {"type": "outbound-rtp", "ssrc": ssrc, "kind": kind, **fields}}
