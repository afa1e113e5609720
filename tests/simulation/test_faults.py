"""A fault shows where it would show in reality, while it lasts, and nowhere else."""

import pytest

from callscope.simulation import Fault, FaultKind
from callscope.vocabulary import Media, MediaMode, Metric
from tests.simulation.observed import Key, Observed, changed, plan

AT, LASTS = 120.0, 60.0
EVERYONE = range(4)
SOUND, PICTURE, LINK = Media.AUDIO, Media.VIDEO, Media.CONNECTION

RECEIVED_LOSS = {
    *((SOUND, metric) for metric in (Metric.BITRATE, Metric.PACKETS_PER_SECOND, Metric.PACKET_LOSS)),
    *((SOUND, metric) for metric in (Metric.JITTER_BUFFER_DELAY, Metric.CONCEALED_RATIO)),
    *(
        (PICTURE, metric)
        for metric in (Metric.BITRATE, Metric.PACKETS_PER_SECOND, Metric.PACKET_LOSS, Metric.JITTER_BUFFER_DELAY)
    ),
    *((PICTURE, metric) for metric in (Metric.FRAME_RATE, Metric.FREEZE_DURATION, Metric.FRAMES_DROPPED)),
}
SENT_LOSS = {(SOUND, Metric.PACKET_LOSS), (PICTURE, Metric.PACKET_LOSS)}
LATENCY = {(SOUND, Metric.LATENCY), (PICTURE, Metric.LATENCY)}
JITTER = {(SOUND, Metric.JITTER), (PICTURE, Metric.JITTER)}
BUFFERED = JITTER | {(SOUND, Metric.JITTER_BUFFER_DELAY), (PICTURE, Metric.JITTER_BUFFER_DELAY)}
SMALLER = {
    (PICTURE, metric)
    for metric in (Metric.BITRATE, Metric.PACKETS_PER_SECOND, Metric.FRAME_RATE, Metric.FRAME_WIDTH, Metric.FRAME_HEIGHT)
}
STILL = {(PICTURE, metric) for metric in (Metric.BITRATE, Metric.PACKETS_PER_SECOND, Metric.FRAME_RATE)}
MUTED = {(SOUND, metric) for metric in (Metric.BITRATE, Metric.PACKETS_PER_SECOND, Metric.AUDIO_LEVEL)}


def sent(who: int, what: set[tuple[Media, Metric]]) -> set[Key]:
    return {Key(who, None, *each) for each in what}


def received(senders: list[int] | range, receivers: list[int] | range, what: set[tuple[Media, Metric]]) -> set[Key]:
    return {Key(a, b, *each) for a in senders for b in receivers if a != b for each in what}


EXPECTED = {
    FaultKind.UPLINK_LOSS: sent(1, SENT_LOSS) | received([1], EVERYONE, RECEIVED_LOSS),
    FaultKind.DOWNLINK_LOSS: received(EVERYONE, [1], RECEIVED_LOSS),
    FaultKind.SERVER_LOSS: received(EVERYONE, EVERYONE, RECEIVED_LOSS),
    FaultKind.HIGH_ROUND_TRIP: sent(1, LATENCY | {(LINK, Metric.ROUND_TRIP_TIME)})
    | received([1], EVERYONE, LATENCY)
    | received(EVERYONE, [1], LATENCY),
    FaultKind.HIGH_JITTER: sent(1, JITTER) | received([1], EVERYONE, BUFFERED) | received(EVERYONE, [1], BUFFERED),
    FaultKind.LOW_BANDWIDTH: sent(1, SMALLER | {(PICTURE, Metric.QUALITY_LIMITATION), (LINK, Metric.AVAILABLE_BITRATE)})
    | received([1], EVERYONE, SMALLER),
    FaultKind.CPU_LIMITED: sent(1, SMALLER | {(PICTURE, Metric.QUALITY_LIMITATION)}) | received([1], EVERYONE, SMALLER),
    FaultKind.CAMERA_FREEZE: sent(1, STILL) | received([1], EVERYONE, STILL | {(PICTURE, Metric.FREEZE_DURATION)}),
    FaultKind.MICROPHONE_SILENT: sent(1, {(SOUND, Metric.AUDIO_LEVEL)}) | received([1], EVERYONE, {(SOUND, Metric.AUDIO_LEVEL)}),
    FaultKind.MICROPHONE_MUTED: sent(1, MUTED) | received([1], EVERYONE, MUTED),
    FaultKind.SPEAKING_WHILE_MUTED: sent(1, MUTED) | received([1], EVERYONE, MUTED),
    FaultKind.SPEAKER_MUTED: set(),
    # Attempts are made on joining, so in the middle of a call these find none to fail.
    FaultKind.DEAD_RELAY: set(),
    FaultKind.PUBLISH_FAILED: set(),
    FaultKind.SUBSCRIBE_FAILED: set(),
}


@pytest.fixture(scope="module")
def calm() -> Observed:
    return Observed(plan(participants=4))


@pytest.mark.parametrize("kind", EXPECTED)
def test_fault_touches_the_series_that_it_should_and_no_other(kind: FaultKind, calm: Observed) -> None:
    touched = changed(Observed(plan(Fault(kind, AT, LASTS, 1), participants=4)), calm)
    assert touched.keys() == EXPECTED[kind]
    for times in touched.values():
        assert times[0] > AT
        assert times[-1] <= AT + LASTS + 1


def test_every_kind_of_fault_is_tested() -> None:
    assert EXPECTED.keys() | {FaultKind.CONNECTION_DROP} == set(FaultKind)


@pytest.mark.parametrize("kind", [FaultKind.DEAD_RELAY, FaultKind.PUBLISH_FAILED, FaultKind.SUBSCRIBE_FAILED])
def test_failed_attempts_leave_the_others_alone(kind: FaultKind, calm: Observed) -> None:
    touched = changed(Observed(plan(Fault(kind, 0, 90, 1), participants=4)), calm)
    assert touched
    assert all(1 in {key.sender, key.receiver} for key in touched)


def test_loss_has_the_strength_asked_for() -> None:
    observed = Observed(plan(Fault(FaultKind.UPLINK_LOSS, AT, LASTS, 1, strength=20), participants=4))
    for receiver in (None, 0, 2, 3):
        losses = observed.values(1, receiver, Media.AUDIO, Metric.PACKET_LOSS, AT + 3, AT + LASTS)
        assert 16 < sum(losses) / len(losses) < 24
        assert min(losses) > 10


def test_losses_on_the_way_add_up_and_never_take_everything() -> None:
    faults = (Fault(FaultKind.UPLINK_LOSS, AT, LASTS, 0, 60), Fault(FaultKind.DOWNLINK_LOSS, AT, LASTS, 1, 60))
    observed = Observed(plan(*faults, participants=3))
    assert max(observed.values(0, 1, Media.VIDEO, Metric.PACKET_LOSS, AT, AT + LASTS)) == 95
    assert 50 < max(observed.values(0, 2, Media.VIDEO, Metric.PACKET_LOSS, AT, AT + LASTS)) < 80


def test_frozen_camera_stands_still_for_the_receiver_all_the_time() -> None:
    observed = Observed(plan(Fault(FaultKind.CAMERA_FREEZE, AT, LASTS)))
    frozen = observed.values(0, 1, Media.VIDEO, Metric.FREEZE_DURATION, AT + 3, AT + LASTS)
    assert set(frozen) == {2000.0}
    assert set(observed.values(0, None, Media.VIDEO, Metric.FRAME_RATE, AT + 3, AT + LASTS)) == {0.0}


def test_narrow_uplink_holds_what_is_sent() -> None:
    observed = Observed(plan(Fault(FaultKind.LOW_BANDWIDTH, AT, LASTS, strength=200_000)))
    media = observed.values(0, None, Media.VIDEO, Metric.BITRATE, AT + 3, AT + LASTS)
    assert 100_000 < max(media) < 170_000
    assert max(observed.values(0, None, LINK, Metric.AVAILABLE_BITRATE, AT + 3, AT + LASTS)) < 210_000


def test_shared_screen_is_spared_of_camera_faults() -> None:
    faults = tuple(Fault(kind, AT, LASTS) for kind in (FaultKind.CAMERA_FREEZE, FaultKind.CPU_LIMITED, FaultKind.LOW_BANDWIDTH))
    touched = changed(Observed(plan(*faults, screen=0)), Observed(plan(screen=0)))
    assert touched
    assert Media.SCREEN not in {key.media for key in touched}
    assert Media.SCREEN in {key.media for key in Observed(plan(screen=0)).series}


class TestRelayed:
    """Between two clients there is but one path each way, and the sender hears of all of it."""

    def test_downlink_loss_shows_in_what_the_other_sends(self) -> None:
        relayed = {"media_mode": MediaMode.RELAYED}
        touched = changed(Observed(plan(Fault(FaultKind.DOWNLINK_LOSS, AT, LASTS, 1), **relayed)), Observed(plan(**relayed)))
        assert touched.keys() == sent(0, SENT_LOSS) | received([0], [1], RECEIVED_LOSS)

    @pytest.mark.parametrize(
        ("kind", "there", "here"),
        [
            (FaultKind.HIGH_ROUND_TRIP, LATENCY | {(LINK, Metric.ROUND_TRIP_TIME)}, LATENCY),
            (FaultKind.HIGH_JITTER, JITTER, BUFFERED),
        ],
    )
    def test_slow_and_uneven_paths_are_so_for_both(self, kind: FaultKind, there: set, here: set) -> None:
        relayed = {"media_mode": MediaMode.RELAYED}
        touched = changed(Observed(plan(Fault(kind, AT, LASTS, 1), **relayed)), Observed(plan(**relayed)))
        assert touched.keys() == sent(0, there) | sent(1, there) | received([0, 1], [0, 1], here)

    def test_no_server_can_lose_anything(self) -> None:
        relayed = {"media_mode": MediaMode.RELAYED}
        assert not changed(Observed(plan(Fault(FaultKind.SERVER_LOSS, AT, LASTS), **relayed)), Observed(plan(**relayed)))


@pytest.fixture(scope="module")
def dropped() -> Observed:
    return Observed(plan(Fault(FaultKind.CONNECTION_DROP, AT, 20, 1), participants=3))


class TestConnectionDrop:
    def test_only_what_the_participant_sends_and_receives_changes(self, dropped: Observed) -> None:
        touched = changed(dropped, Observed(plan(participants=3)))
        assert touched
        for key, times in touched.items():
            assert 1 in {key.sender, key.receiver}
            assert times[0] > AT

    def test_nothing_is_measured_while_it_is_away(self, dropped: Observed) -> None:
        assert not dropped.values(1, None, LINK, Metric.ROUND_TRIP_TIME, AT, AT + 20)
        assert not dropped.values(1, 0, SOUND, Metric.BITRATE, AT, AT + 20)
        assert dropped.values(1, 0, SOUND, Metric.BITRATE, AT + 20, 290)

    def test_it_comes_back_as_the_same_participant_with_another_connection(self, dropped: Observed) -> None:
        connections = {r.connection_id for r in dropped.of("connection") if dropped.indexes[r.participant_id] == 1}
        assert len(connections) == 2
        assert len([r for r in dropped.of("participant") if dropped.indexes[r.participant_id] == 1]) == 1

    def test_it_stays_away_when_the_call_ends_first(self) -> None:
        observed = Observed(plan(Fault(FaultKind.CONNECTION_DROP, AT, 1000, 1)))
        assert len({r.connection_id for r in observed.of("connection")}) == 2
