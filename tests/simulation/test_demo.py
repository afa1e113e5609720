"""The demo shows everything once."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callscope.simulation import CallPlan, FaultKind, demo_calls, live
from callscope.vocabulary import EndpointKind, MediaMode, Platform
from tests.simulation.observed import Observed

NOW = datetime(2025, 6, 15, 14, 3, 7, 250_400, tzinfo=UTC)


@pytest.fixture(scope="module")
def plans() -> list[CallPlan]:
    return demo_calls(NOW)


@pytest.fixture(scope="module")
def observed(plans: list[CallPlan]) -> list[Observed]:
    return [Observed(plan) for plan in plans]


def test_demo_is_alike_for_a_seed(plans: list[CallPlan]) -> None:
    assert demo_calls(NOW) == plans
    assert demo_calls(NOW, seed=2) != plans


def test_calls_lie_in_the_last_14_days(plans: list[CallPlan]) -> None:
    assert 24 <= len(plans) <= 40
    assert plans == sorted(plans, key=lambda plan: plan.started_at)
    for plan in plans:
        assert NOW - timedelta(days=14) <= plan.started_at < NOW
        assert plan.until is not None or plan.started_at + timedelta(minutes=plan.minutes) <= NOW


def test_only_the_room_is_used_again(plans: list[CallPlan]) -> None:
    [(room, meetings)] = [(call_id, count) for call_id, count in Counter(plan.call_id for plan in plans).items() if count > 1]
    days = [plan.started_at.date() for plan in plans if plan.call_id == room]
    assert meetings == len(set(days)) >= 3


def test_demo_has_all_platforms_shapes_and_endpoints(plans: list[CallPlan]) -> None:
    assert {plan.platform for plan in plans} == {Platform.ACS, Platform.VONAGE, Platform.JITSI, Platform.WEBRTC}
    sizes = {(plan.participants, plan.subscribers) for plan in plans}
    assert {(1, 0), (2, 0), (3, 0), (10, 0), (1, 30)} <= sizes
    assert max(subscribers for _, subscribers in sizes) > 100
    kinds = {kind for plan in plans for kind in plan.kinds}
    assert kinds >= {EndpointKind.SIP, EndpointKind.PSTN}
    assert any(plan.redacted for plan in plans)
    assert any(plan.screen is not None for plan in plans)
    assert any(plan.media_mode is MediaMode.RELAYED for plan in plans)


def test_every_kind_of_fault_happens(plans: list[CallPlan]) -> None:
    assert {fault.kind for plan in plans for fault in plan.faults} == set(FaultKind)


def test_failures_happen_at_every_step(observed: list[Observed]) -> None:
    for kind in ("connection", "stream", "subscriber"):
        assert any(record.failed_at for each in observed for record in each.of(kind)), kind
    assert any(not [r for r in each.of("connection") if r.connected_at] for each in observed)


def test_someone_reconnects_often(observed: list[Observed]) -> None:
    connections = [Counter(r.participant_id for r in each.of("connection") if r.attempted_at) for each in observed]
    assert max(max(counts.values()) for counts in connections) >= 3


def test_last_call_goes_on_and_can_be_followed(plans: list[CallPlan], observed: list[Observed]) -> None:
    open_calls = [each for each in observed if not any(r.ended_at for r in each.of("call"))]
    assert [each.plan for each in open_calls] == [plans[-1]]
    latest = max(time for each in open_calls[0].of("samples") for time in each.times)
    assert timedelta() <= NOW - datetime.fromtimestamp(latest / 1000, UTC) < timedelta(seconds=15)
    at, records = next(live(replace(plans[-1], until=None), every=timedelta(seconds=10), after=NOW))
    assert NOW < at <= NOW + timedelta(seconds=10)
    assert records


def test_demo_is_quick_to_fill(observed: list[Observed]) -> None:
    samples = sum(len(record.times) for each in observed for record in each.of("samples"))
    assert 300_000 <= samples <= 600_000
