"""A call that is looked at window by window shows what it shows as a whole."""

from datetime import UTC, datetime

import pytest

from callscope.analysis import diagnosis, windows
from callscope.analysis.diagnosis import Diagnosis
from callscope.analysis.windows import WHOLE, Extent, Window
from callscope.simulation import CallPlan, simulate_call
from callscope.simulation.plan import Fault, FaultKind
from callscope.storage.keys import key_of
from callscope.vocabulary import Platform
from tests.simulation.remembered import Remembered, remembered

FAULTS = (
    Fault(FaultKind.DOWNLINK_LOSS, 290, 40, 1),
    Fault(FaultKind.UPLINK_LOSS, 600, 1200, 2),
    Fault(FaultKind.HIGH_JITTER, 2000, 30, 0),
    Fault(FaultKind.HIGH_ROUND_TRIP, 2400, 400, 1),
)
PLAN = CallPlan("long", Platform.VONAGE, datetime(2026, 5, 4, 9, tzinfo=UTC), 50, 3, faults=FAULTS, interval_seconds=5)


@pytest.fixture(scope="module")
def call() -> Remembered:
    return remembered(simulate_call(PLAN))


def found(call: Remembered, extents: dict[int, Extent]):
    made = Diagnosis(call.catalog, call.events, key_of)
    lasted, parts = call.lasted, 0
    for batch in made.batches(extents):
        parts += batch.window.is_part
        start, end = batch.window
        samples = {}
        for key in made.series_keys(batch.subjects):
            if key in call.tracks:
                track = call.tracks[key]
                kept = [
                    place for place, at in enumerate(track.times) if (start is None or at >= start) and (end is None or at <= end)
                ]
                if kept:
                    samples[key] = ([track.times[place] for place in kept], [track.values[place] for place in kept])
        for track in made.take(batch, samples):
            first, last = lasted.get(track.series.series_key, (track.times[0], track.times[-1]))
            lasted = lasted | {track.series.series_key: (min(first, track.times[0]), max(last, track.times[-1]))}
    figures = {
        (one.kind, one.severity, one.participant_key, one.started_at, one.ended_at, one.attribution)
        for one in made.findings(lasted)
    }
    return figures, parts


def extents_of(call: Remembered) -> dict[int, Extent]:
    return {key: Extent(len(track.times), track.times[0], track.times[-1]) for key, track in call.tracks.items()}


@pytest.mark.parametrize("size", [3_000, 8_000, 20_000])
def test_it_finds_the_same_whatever_the_windows(call, monkeypatch, size):
    whole, parts = found(call, {})
    assert parts == 0
    assert len({one[0] for one in whole}) >= 4
    monkeypatch.setattr(windows, "WINDOW_SAMPLES", size)
    monkeypatch.setattr(diagnosis, "WINDOW_SAMPLES", size)
    monkeypatch.setattr(windows, "OVERLAP", 60_000.0)
    by_window, parts = found(call, extents_of(call))
    assert parts > 3
    assert by_window == whole


def test_what_can_be_held_is_looked_at_as_a_whole():
    assert list(windows.windows([])) == [WHOLE]
    assert list(windows.windows([Extent(windows.WINDOW_SAMPLES, 0, 10)])) == [WHOLE]


def test_windows_cover_all_and_overlap(monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_SAMPLES", 100)
    monkeypatch.setattr(windows, "OVERLAP", 50.0)
    assert list(windows.windows([Extent(200, 0, 500), Extent(100, 300, 900)])) == [
        Window(None, 300),
        Window(250, 600),
        Window(550, None),
    ]
    # Where samples are dense, a window is no longer than its overlap.
    dense = list(windows.windows([Extent(1000, 0, 100)]))
    assert dense[1] == Window(0, 20)


def test_small_calls_are_handed_in_together_and_long_ones_alone(call, monkeypatch):
    made = Diagnosis(call.catalog, call.events, key_of)
    assert len(list(made.batches())) == 1
    extents = extents_of(call)
    count = sum(extent.samples for extent in extents.values())
    monkeypatch.setattr(diagnosis, "WINDOW_SAMPLES", count // 3)
    several = list(made.batches(extents))
    assert len(several) > 2
    together = [key for batch in made.batches() for key in batch.subjects]
    assert [key for batch in several for key in batch.subjects] == together
