"""The grid of a chart: buckets of equal length over a stretch of a call, as SQL templates.

Words in capitals are filled in by ``template``. A grid has ``started_at``, ``ended_at``, ``step`` (s), ``width`` (the same as an
interval), ``buckets`` (their number), ``last`` (the start of the last one), and where its buckets consist of stretches that were
prepared, ``unit``: the length of these, s. ``until`` is the last instant that belongs to it.
"""

from collections.abc import Sequence

from callscope.query.bindings import Argument

MAX_BUCKETS = 1_000

# It is the call's, so that all its series share it: whole milliseconds, so that buckets are exact. Where buckets are long enough,
# they consist of whole stretches that were prepared, and the grid starts where one of them does.
_GRID = """
    select span.*, make_interval(secs => span.step) as width,
        span.started_at + make_interval(secs => span.step) * (span.buckets - 1) as last
    from (
        select placed.*,
            least(greatest(ceil(date_part('epoch', placed.ended_at - placed.started_at) / placed.step), 1), MOST)::integer
                as buckets
        from (
            select stepped.unit, stepped.ended_at,
                case when stepped.unit is null then stepped.started_at
                    else date_bin(make_interval(secs => stepped.unit), stepped.started_at, 'epoch') end as started_at,
                case when stepped.unit is null then stepped.ended_at
                    else date_bin(make_interval(secs => stepped.unit), stepped.ended_at, 'epoch')
                        + make_interval(secs => stepped.unit) - interval '1 microsecond' end as until,
                case when stepped.unit is null then ceil(stepped.seconds * 1000) / 1000
                    else ceil(stepped.seconds / stepped.unit) * stepped.unit end as step
            from (
                select bounds.*, case UNITS end as unit
                from {call} own,
                lateral (
                    select STARTED_AT as started_at, ENDED_AT as ended_at,
                        greatest(date_part('epoch', ENDED_AT - STARTED_AT) / MOST, own.sampling_seconds, 0.001) as seconds
                ) bounds
                where own.call_key = {parent}.call_key
            ) stepped
        ) placed
    ) span
    offset 0  -- computed once, not again for each sample
"""
STARTS = "generate_series(grid.started_at, grid.last, grid.width)"
TIMES = """
    array(select date_part('epoch', grid.started_at) * 1000 + round(number * grid.step * 1000)
        from generate_series(0, grid.buckets - 1) as number)
"""


def template(sql: str, **parts: str) -> str:
    """Fills in parts, each of which may have words of the later ones."""
    for name, part in parts.items():
        sql = sql.replace(name, part)
    return sql


def grid(*, most: str, units: Sequence[int] = (), started_at: str, ended_at: str) -> str:
    """At most so many buckets from start to end, both included; ``own`` is the call's row.

    ``units`` are the lengths of what was prepared, s: a bucket that is as long as one of them consists of the longest such.
    """
    cases = " ".join(f"when bounds.seconds >= {unit} then {unit}" for unit in sorted(units, reverse=True)) or "when false then 0"
    return template(_GRID, MOST=most, UNITS=cases, STARTED_AT=started_at, ENDED_AT=ended_at)


def bucket(at: str) -> str:
    """The start of an instant's bucket. The end of the stretch belongs to its last bucket."""
    return f"least(date_bin(grid.width, {at}, grid.started_at), grid.last)"


BUCKETS_ARGUMENT = Argument(
    "buckets",
    int | None,
    f"Most buckets, 1 to {MAX_BUCKETS}.",
    sql="integer",
    default=60,
    minimum=1,
    maximum=MAX_BUCKETS,
    weight=0.1,
)
