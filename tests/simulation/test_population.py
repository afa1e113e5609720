"""The population is broad, even and of modest size."""

from datetime import UTC, datetime, timedelta

from callscope.simulation import population, simulate_call
from callscope.vocabulary import Platform

NOW = datetime(2025, 6, 15, 14, tzinfo=UTC)


def test_population_is_broad_and_even() -> None:
    plans = list(population(60, NOW, seed=3))
    assert plans == list(population(60, NOW, seed=3))
    assert len({plan.call_id for plan in plans}) == 60
    assert {plan.platform for plan in plans} == {Platform.ACS, Platform.VONAGE, Platform.JITSI, Platform.WEBRTC}
    assert any(plan.subscribers for plan in plans)
    assert any(plan.faults for plan in plans)
    assert all(NOW - timedelta(days=14) <= plan.started_at for plan in plans)
    assert all(plan.started_at + timedelta(minutes=plan.minutes) <= NOW for plan in plans)
    assert len({plan.started_at.date() for plan in plans}) >= 13


def test_population_can_be_empty() -> None:
    assert list(population(0, NOW)) == []


def test_calls_are_of_modest_size() -> None:
    for plan in population(12, NOW):
        assert sum(len(r.times) for r in simulate_call(plan) if r.type == "samples") < 40_000
