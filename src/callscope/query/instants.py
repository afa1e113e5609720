"""Instants as integers, which is how ids and cursors hold them: microseconds since the Unix epoch."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds_sql(expression: str) -> str:
    return f"(extract(epoch from {expression}) * 1000000)::bigint"


def instant(microseconds: int) -> datetime:
    """Raises OverflowError outside of the years 1 to 9999."""
    return EPOCH + timedelta(microseconds=microseconds)
