"""Samples by the minute: what charts of long stretches read, and what a series in figures is made of.

A minute is always rolled up from all of its samples, in their order, so that nothing depends on when each of them arrived.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import asyncpg

from callscope.storage.changes import Change

ROLLUP_SECONDS = 60

FIGURES = ("started_at", "ended_at", "sample_count", "minimum", "maximum", "average")
"""A series in figures: columns of the table metric_series."""

ROLL_UP = f"""
insert into live.metric_rollup as stored
    (project_id, call_key, series_key, at, sample_count, first_at, last_at, minimum, maximum, total)
select project_id, call_key, series_key, date_bin('{ROLLUP_SECONDS} s', at, 'epoch'), count(*), min(at), max(at), min(value),
    max(value), sum(value order by at)
from live.metric_sample
where project_id = $1 and call_key = $2 and series_key = any($3::bigint[])
    and at >= date_bin('{ROLLUP_SECONDS} s', $4::timestamptz, 'epoch')
    and at < date_bin('{ROLLUP_SECONDS} s', $5::timestamptz, 'epoch') + interval '{ROLLUP_SECONDS} s'
group by 1, 2, 3, 4
on conflict (project_id, call_key, series_key, at) do update set sample_count = excluded.sample_count,
    first_at = excluded.first_at, last_at = excluded.last_at, minimum = excluded.minimum, maximum = excluded.maximum,
    total = excluded.total
where (stored.sample_count, stored.first_at, stored.last_at, stored.minimum, stored.maximum, stored.total)
    is distinct from (
        excluded.sample_count, excluded.first_at, excluded.last_at, excluded.minimum, excluded.maximum, excluded.total
    )
"""
FORGET = "delete from live.metric_rollup where project_id = $1 and call_key = $2 and series_key = any($3::bigint[])"
SERIES_FIGURES = """
select series_key, min(first_at) as started_at, max(last_at) as ended_at, sum(sample_count)::integer as sample_count,
    min(minimum) as minimum, max(maximum) as maximum, sum(total order by at) / sum(sample_count) as average
from live.metric_rollup where project_id = $1 and call_key = $2 and series_key = any($3::bigint[])
group by series_key
"""


class Rollups:
    """Those of one call, on a connection inside a transaction."""

    def __init__(self, connection: asyncpg.Connection, project_id: int, call_key: int) -> None:
        self._connection = connection
        self._call = (project_id, call_key)

    async def renew(self, changes: Iterable[Change]) -> None:
        """Roll up the minutes that changed."""
        for change in changes:
            await self._connection.execute(
                ROLL_UP, *self._call, sorted(change.series_keys), change.samples_from, change.samples_to
            )

    async def forget(self, series_keys: Collection[int]) -> None:
        await self._connection.execute(FORGET, *self._call, sorted(series_keys))

    async def figures(self, series_keys: Collection[int]) -> dict[int, Mapping[str, Any]]:
        """Some series in figures, by key; those without samples are left out."""
        rows = await self._connection.fetch(SERIES_FIGURES, *self._call, sorted(series_keys)) if series_keys else []
        return {row["series_key"]: row for row in rows}
