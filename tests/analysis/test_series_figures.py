"""Figures of a derived series are those that PostgreSQL gives of the same samples."""

from hypothesis import given
from hypothesis import strategies as st
from told import instant

from callscope.analysis.rows import MetricSeries
from callscope.analysis.series_figures import figures_of
from callscope.analysis.tracks import Track

SERIES = MetricSeries(1, 2, None, None, None, "MEAN_OPINION_SCORE", "SCORE", "AUDIO", "SUBSCRIBE")


def track(values):
    start = instant(0).timestamp() * 1000
    return Track(SERIES, [start + 1000 * number for number in range(len(values))], values)


def test_one_sample_is_all_there_is():
    figures = figures_of(track([3.5]))
    assert {figures[name] for name in ("minimum", "maximum", "average")} == {3.5}
    assert figures["started_at"] == figures["ended_at"] == instant(0)
    assert figures["sample_count"] == 1


@given(st.lists(st.floats(1, 5), min_size=1, max_size=50))
def test_they_lie_between_the_least_and_the_greatest(values):
    figures = figures_of(track(values))
    assert figures["minimum"] == min(values)
    assert figures["maximum"] == max(values)


async def test_they_are_postgresqls(inspector):
    values = [4.1, 1.0, 3.25, 2.5, 4.5, 3.9, 1.75]
    row = await inspector.connection.fetchrow(
        "select min(value) as minimum, max(value) as maximum, avg(value) as average from unnest($1::float8[]) as value",
        values,
    )
    figures = figures_of(track(values))
    for name in ("minimum", "maximum", "average"):
        assert abs(figures[name] - row[name]) < 1e-12
