"""Records as the ledger keeps them, with times in minutes, and keys that can be read."""

from datetime import UTC, datetime, timedelta
from typing import Any

from callscope.analysis.catalog import build
from callscope.analysis.rows import Catalog

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RECEIVED = datetime(2026, 11, 20, tzinfo=UTC)


def instant(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def at(minutes: float) -> str:
    """The text that telemetry makes of an instant."""
    return instant(minutes).isoformat().replace("+00:00", "Z")


def key(*parts: str) -> Any:
    return "/".join(parts)


def catalog(*, heard_at: Any = (), received_at: datetime = RECEIVED, **records: list[dict[str, Any]]) -> Catalog:
    return build(records, key, heard_at, received_at)


def connection(id_: str = "c", **fields: Any) -> dict[str, Any]:
    return {"connectionId": id_, **fields}


def stream(id_: str = "s", **fields: Any) -> dict[str, Any]:
    return {"streamId": id_, **fields}


def subscriber(id_: str = "r", stream_id: str = "s", **fields: Any) -> dict[str, Any]:
    return {"subscriberId": id_, "streamId": stream_id, **fields}


def series(metric: str = "BITRATE", media: str = "AUDIO", direction: str = "PUBLISH", **subject: str) -> dict[str, Any]:
    return {"metric": metric, "media": media, "direction": direction, **subject}
