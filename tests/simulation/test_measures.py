"""Clients report all that they can measure, or what a plan says; what is left out changes nothing of the rest."""

import pytest

from callscope.simulation import MEASURED
from callscope.simulation.broadcast import REPORTED
from callscope.vocabulary import Media, Metric
from tests.simulation.observed import Observed, plan

COUNTERS = {
    "packets",
    "packets_lost",
    "packet_loss_percent",
    "bytes",
    "concealed_percent",
    "frames_dropped",
    "freeze_seconds",
    "round_trip_time_ms",
}


@pytest.fixture(scope="module")
def whole() -> Observed:
    return Observed(plan(participants=3, screen=0))


def test_clients_report_all_that_they_can_measure(whole: Observed) -> None:
    told = {media: {key.metric for key in whole.series if key.media is media} for media in Media}
    assert told == MEASURED


def test_to_report_all_is_to_leave_nothing_out(whole: Observed) -> None:
    everything = frozenset((media, metric) for media, metrics in MEASURED.items() for metric in metrics)
    assert Observed(plan(participants=3, screen=0, reported=everything)).records == whole.records


@pytest.mark.parametrize("reported", [REPORTED, *({(media, m)} for media, metrics in MEASURED.items() for m in metrics)])
def test_what_is_reported_is_as_it_would_be_among_all(whole: Observed, reported: set[tuple[Media, Metric]]) -> None:
    part = Observed(plan(participants=3, screen=0, reported=frozenset(reported)))
    assert part.series == {key: samples for key, samples in whole.series.items() if (key.media, key.metric) in reported}
    rest = [[r for r in observed.records if r.type not in {"samples", "totals"}] for observed in (part, whole)]
    assert rest[0] == rest[1]


def test_totals_count_what_is_reported_and_no_more(whole: Observed) -> None:
    part = Observed(plan(participants=3, screen=0, reported=REPORTED))
    known = {(r.stream_id, r.subscriber_id, r.media): r for r in whole.of("totals")}
    assert {r.media for r in part.of("totals")} == {Media.VIDEO}
    for totals in part.of("totals"):
        counted = {name for name in COUNTERS if getattr(totals, name) is not None}
        assert counted == {"bytes"}
        assert totals.bytes == known[totals.stream_id, totals.subscriber_id, totals.media].bytes
