"""Attempts and what became of them, over time."""

from typing import Any

import strawberry

from callscope.query.bindings import column, one
from callscope.schema.grid import BUCKETS_ARGUMENT, STARTS, TIMES, bucket, grid, template


@strawberry.type(
    description="Parallel lists. An attempt counts in the bucket in which it was made, with what has become of it by now: it"
    " succeeded, it failed, or neither is known. Together the buckets have all attempts that `failureRates` counts."
)
class AttemptTimeline:
    step_seconds: float = column("step_seconds", "Length of a bucket, s.")
    times: list[float] = column("times", "Start of each bucket, milliseconds since the Unix epoch; the other lists run parallel.")
    attempts: list[int] = column("attempts", "Attempts.")
    successes: list[int] = column("successes", "Those that succeeded.")
    failures: list[int] = column("failures", "Those that failed.")


# What belongs to a meeting may have been tried somewhat before it or after it: that counts at its ends.
_SUMMARY = template(
    """
    select grid.step as step_seconds, TIMES as times, counted.*
    from (GRID) grid,
    lateral (
        select array_agg(coalesce(filled.attempts, 0) order by place.bucket) as attempts,
            array_agg(coalesce(filled.successes, 0) order by place.bucket) as successes,
            array_agg(coalesce(filled.failures, 0) order by place.bucket) as failures
        from STARTS as place(bucket)
        left join (
            select BUCKET as bucket, count(*)::integer as attempts,
                (count(*) filter (where attempt.outcome = 'SUCCEEDED'))::integer as successes,
                (count(*) filter (where attempt.outcome = 'FAILED'))::integer as failures
            from {TABLE} attempt where attempt.call_key = {parent}.call_key and OWN
            group by 1
        ) filled using (bucket)
    ) counted
    """,
    STARTS=STARTS,
    TIMES=TIMES,
    BUCKET=bucket("greatest(attempt.attempted_at, grid.started_at)"),
)


def attempt_timeline(description: str, table: str, own: str, *, started_at: str, ended_at: str) -> Any:
    """Of the attempts in a table for which ``own`` holds; templates of the stretch's bounds."""
    of_stretch = grid(most="{args.buckets}", started_at=started_at, ended_at=ended_at)
    source = template(_SUMMARY, GRID=of_stretch, TABLE=table, OWN=own)
    return one(description, source=source, arguments=(BUCKETS_ARGUMENT,), summary=True)


def connection_summary(own: str = "true", **bounds: str) -> Any:
    return attempt_timeline(
        "Attempts to connect, successes and failures over time.", "connection", f"not attempt.is_implied and {own}", **bounds
    )


def subscriber_summary(own: str = "true", **bounds: str) -> Any:
    return attempt_timeline("Attempts to subscribe, successes and failures over time.", "subscriber", own, **bounds)
