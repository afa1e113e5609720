"""A call before a large audience: three series for each who watches, people who come and go, and faults of every reach."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from statistics import mean

import pytest

from callscope.simulation import CallPlan, FaultKind, broadcast, simulate_call
from callscope.simulation.broadcast import CHURN, REPORTED
from callscope.simulation.timeline import Timeline
from callscope.telemetry import SamplesRecord
from callscope.vocabulary import Direction, Media, Metric
from tests.simulation.observed import STARTED_AT
from tests.simulation.test_call import told

SIZE = 400
MINUTES = 30.0


def large(**rest: object) -> CallPlan:
    return broadcast("broadcast", STARTED_AT, MINUTES, SIZE, **rest)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def plan() -> CallPlan:
    return large()


@pytest.fixture(scope="module")
def timeline(plan: CallPlan) -> Timeline:
    return Timeline(plan)


@pytest.fixture(scope="module")
def samples(plan: CallPlan) -> list[SamplesRecord]:
    return [record for record in simulate_call(plan) if record.type == "samples"]


def minute(time: float) -> float:
    return (time - STARTED_AT.timestamp() * 1000) / 60_000


def test_is_the_same_for_the_same_seed_on_every_platform_and_python() -> None:
    small = broadcast("broadcast", STARTED_AT, 12, 40, participants=2, seed=3)
    assert small == broadcast("broadcast", STARTED_AT, 12, 40, participants=2, seed=3)
    assert told(list(simulate_call(small))) == "57ebe68358b213ebb559ad6d245db0f71bdc8d718d7cecce038973b78ac02244"
    assert broadcast("broadcast", STARTED_AT, 12, 40, participants=2, seed=4).faults != small.faults


def test_each_who_watches_reports_three_series_every_ten_seconds(timeline: Timeline, samples: list[SamplesRecord]) -> None:
    times: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for record in samples:
        assert (record.media, record.metric) in REPORTED
        times[record.subscriber_id or record.connection_id, record.media, record.metric] += record.times
    watched = {each.subscriber_id for each in timeline.subscriptions if each.subscribed and each.ended - each.subscribed > 10_000}
    assert {key[0] for key in times if key[2] == Metric.PACKET_LOSS} >= watched
    for each in times.values():
        assert {later - sooner for sooner, later in pairwise(each)} <= {10_000.0}


def test_clients_report_in_steps_of_their_own(samples: list[SamplesRecord]) -> None:
    seconds = Counter(record.times[0] // 1000 % 10 for record in samples if record.metric == Metric.ROUND_TRIP_TIME)
    assert len(seconds) == 10
    assert max(seconds.values()) < 2 * min(seconds.values())


def test_people_come_late_leave_early_drop_and_come_back(timeline: Timeline, plan: CallPlan) -> None:
    length = plan.end - plan.start
    spans = [span for person, span in zip(timeline.people, timeline.spans, strict=True) if not person.publishes]
    late = sum(comes > plan.start + 180_000 for comes, _ in spans)
    early = sum(leaves < plan.end - length // 20 for _, leaves in spans)
    assert 0.5 * CHURN < late / SIZE < 2 * CHURN
    assert CHURN < early / SIZE < 4 * CHURN
    assert timeline.spans[0] == (plan.start, plan.end)
    visits = Counter(visit.person.index for visit in timeline.visits)
    assert len(visits) == SIZE + 1
    assert 0.02 < sum(count > 1 for count in visits.values()) / SIZE < 0.15
    assert any(visit.is_lost for visit in timeline.visits)
    assert any(visit.is_return for visit in timeline.visits)


def test_some_never_get_in(timeline: Timeline) -> None:
    connected = {visit.person.index for visit in timeline.visits if visit.connected is not None}
    subscribed = {each.visit.person.index for each in timeline.subscriptions if each.subscribed is not None}
    assert 0 < SIZE + 1 - len(connected) < 0.03 * SIZE
    assert 0 < len(connected) - 1 - len(subscribed) < 0.03 * SIZE
    assert any(visit.connected is None and visit.person.index in connected for visit in timeline.visits)


def losses(samples: list[SamplesRecord], first: float, last: float, among: Iterable[str] | None = None) -> list[float]:
    """Percent, of those who watch, between minutes of the call."""
    return [
        value
        for record in samples
        if record.metric == Metric.PACKET_LOSS and record.direction is Direction.SUBSCRIBE
        if among is None or record.participant_id in among
        for time, value in zip(record.times, record.values, strict=True)
        if first < minute(time) <= last
    ]


def test_faults_of_the_sender_and_the_server_reach_all(plan: CallPlan, samples: list[SamplesRecord]) -> None:
    for kind in (FaultKind.UPLINK_LOSS, FaultKind.SERVER_LOSS):
        (fault,) = [fault for fault in plan.faults if fault.kind is kind]
        first, last = fault.at / 60 + 0.4, (fault.at + fault.duration) / 60
        assert min(losses(samples, first, last)) > 5
        assert mean(losses(samples, last + 0.5, last + 2)) < 2


def test_a_city_loses_packets_while_the_others_do_not(plan: CallPlan, timeline: Timeline, samples: list[SamplesRecord]) -> None:
    windows = Counter((f.kind, f.at, f.duration) for f in plan.faults)
    (kind, at, duration), count = max(windows.items(), key=lambda item: item[1] * (item[0][0] is FaultKind.DOWNLINK_LOSS))
    assert kind is FaultKind.DOWNLINK_LOSS
    hit = {f.participant for f in plan.faults if (f.kind, f.at) == (kind, at)}
    assert 1 < count == len(hit) < SIZE / 5
    assert len({timeline.people[index].location.city for index in hit}) == 1
    here = {timeline.people[index].participant_id for index in hit}
    there = {person.participant_id for person in timeline.people} - here
    first, last = at / 60 + 0.4, (at + duration) / 60
    assert min(losses(samples, first, last, here)) > 5
    assert mean(losses(samples, first, last, there)) < 3


def test_several_may_publish_and_report_more() -> None:
    plan = broadcast("x", datetime(2026, 3, 2, tzinfo=UTC), 3, 110, participants=2, reported=None)
    metrics = {(r.media, r.metric) for r in simulate_call(plan) if r.type == "samples" and r.subscriber_id}
    assert (Media.AUDIO, Metric.JITTER) in metrics
    assert len({each.publication.stream_id for each in Timeline(plan).subscriptions}) == 2


def test_nobody_has_to_watch() -> None:
    assert list(simulate_call(broadcast("x", STARTED_AT, 1, 0)))
