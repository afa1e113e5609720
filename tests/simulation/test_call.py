"""The telemetry of simulated calls: alike everywhere, valid, in time, whole or as it happens."""

import hashlib
import tracemalloc
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from callscope.simulation import CallPlan, Fault, FaultKind, live, simulate_call
from callscope.simulation.call import POINTS
from callscope.telemetry import TELEMETRY, Telemetry
from callscope.vocabulary import EndpointKind, MediaMode, Platform
from tests.simulation.observed import STARTED_AT, Observed, plan

VARIED = (
    plan(),
    plan(participants=1, minutes=2),
    plan(participants=1, subscribers=12, platform=Platform.VONAGE),
    plan(participants=4, kinds=(EndpointKind.PSTN, EndpointKind.SIP), redacted=(1,), screen=0, tags=("one", "two")),
    plan(platform=Platform.WEBRTC, media_mode=MediaMode.RELAYED, has_video=False),
    plan(*(Fault(kind, 30 + 5 * n, 40, n % 3) for n, kind in enumerate(FaultKind)), participants=3, platform=Platform.JITSI),
    plan(*(Fault(kind, 0, 60, 1) for kind in FaultKind), platform=Platform.OTHER),
    plan(interval_seconds=60, minutes=1.5),
    plan(Fault(FaultKind.DEAD_RELAY, 0, 1000), participants=1),
)


def told(records: list[Telemetry]) -> str:
    digest = hashlib.sha256()
    for record in records:
        digest.update(record.model_dump_json(by_alias=True, exclude_none=True).encode())
    return digest.hexdigest()


def test_same_plan_gives_same_records() -> None:
    for each in VARIED:
        assert list(simulate_call(each)) == list(simulate_call(each))


def test_records_are_the_same_on_every_platform_and_python() -> None:
    # A change of the simulator changes this digest; another Python, machine or hash seed must not.
    digest = told([record for each in VARIED for record in simulate_call(each)])
    assert digest == "0f547be54162f433cbd52270e7c0be469052bc0f9ef830e8fa0421a3f9b07235"


@pytest.mark.parametrize("each", [*VARIED, plan(minutes=0.02)])
def test_shares_of_a_call_that_are_done_make_up_the_whole(each: CallPlan) -> None:
    shares: list[float] = []
    for _ in simulate_call(each, shares.append):
        assert sum(shares) < 1
    assert sum(shares) == pytest.approx(1)
    assert len(shares) > each.people or each.minutes < 0.1


def test_memory_does_not_grow_with_the_length_of_a_call() -> None:
    def peak(minutes: float) -> int:
        each = plan(participants=1, subscribers=30, interval_seconds=2, minutes=minutes)
        tracemalloc.start()
        try:
            for _ in simulate_call(each):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # loads what is cached
    assert peak(60) < 1.3 * peak(15)


def test_records_are_made_as_they_are_read() -> None:
    shares: list[float] = []
    next(simulate_call(plan(participants=1, subscribers=30), shares.append))
    assert shares == []


def test_another_seed_gives_other_people_and_samples() -> None:
    one, other = Observed(plan()), Observed(plan(seed=8))
    assert not {r.participant_id for r in one.of("participant")} & {r.participant_id for r in other.of("participant")}
    assert [r.values for r in one.of("samples")] != [r.values for r in other.of("samples")]


@pytest.mark.parametrize("each", VARIED)
def test_every_record_is_valid_telemetry(each: CallPlan) -> None:
    for record in simulate_call(each):
        assert TELEMETRY.validate_python(record.model_dump(by_alias=True)) == record
        assert TELEMETRY.validate_json(record.model_dump_json(by_alias=True)) == record


@pytest.mark.parametrize("each", VARIED)
def test_times_lie_in_the_span_of_the_call(each: CallPlan) -> None:
    ended_at = STARTED_AT + timedelta(minutes=each.minutes)
    for record in simulate_call(each):
        for name, value in record:
            if name == "at" or name.endswith("_at"):
                assert value is None or STARTED_AT <= value <= ended_at, (record, name)
        if record.type == "samples":
            assert each.start < record.times[0]
            assert record.times[-1] <= each.end
            assert record.times == sorted(set(record.times))
            assert len(record.times) <= POINTS


@pytest.mark.parametrize("each", VARIED)
def test_samples_lie_in_the_life_of_their_subject(each: CallPlan) -> None:
    began, ended = {}, {}
    observed = Observed(each)
    for kind, name, start, end in (
        ("connection", "connection_id", "connected_at", "closed_at"),
        ("stream", "stream_id", "published_at", "unpublished_at"),
        ("subscriber", "subscriber_id", "subscribed_at", "ended_at"),
    ):
        for record in observed.of(kind):
            if at := getattr(record, start):
                began[getattr(record, name)] = at.timestamp() * 1000
            if at := getattr(record, end):
                ended[getattr(record, name)] = at.timestamp() * 1000
    for record in observed.of("samples"):
        subject = record.subscriber_id or record.stream_id or record.connection_id
        assert began[subject] < record.times[0]
        assert record.times[-1] <= ended[subject]


@pytest.mark.parametrize("each", VARIED)
def test_totals_agree_with_the_samples(each: CallPlan) -> None:
    observed = Observed(each)
    measured: dict[tuple[str, str], dict[str, list[float]]] = {}
    for record in observed.of("samples"):
        if subject := record.subscriber_id or record.stream_id:
            series = measured.setdefault((subject, record.media), {})
            series.setdefault(record.metric, []).extend(record.values)
    totals = {(record.stream_id or record.subscriber_id, record.media): record for record in observed.of("totals")}
    assert totals.keys() == measured.keys()
    interval = each.interval / 1000
    for key, record in totals.items():
        series = measured[key]
        packets, loss = series["PACKETS_PER_SECOND"], series["PACKET_LOSS"]
        assert record.packets == pytest.approx(sum(packets) * interval, abs=1)
        assert record.bytes == pytest.approx(sum(series["BITRATE"]) * interval / 8, abs=1)
        if record.stream_id:
            lost = sum(count * percent / 100 for count, percent in zip(packets, loss, strict=True)) * interval
            assert record.round_trip_time_ms > 0
            assert record.freeze_seconds is None
        else:
            lost = sum(count * percent / (100 - percent) for count, percent in zip(packets, loss, strict=True)) * interval
            assert record.round_trip_time_ms is None
            if "FREEZE_DURATION" in series:
                assert record.freeze_seconds == pytest.approx(sum(series["FREEZE_DURATION"]) / 1000, abs=0.001)
                assert record.frames_dropped == sum(series["FRAMES_DROPPED"])
            else:
                ratios = series["CONCEALED_RATIO"]
                assert record.concealed_percent == pytest.approx(100 * sum(ratios) / len(ratios), abs=0.001)
        assert record.packets_lost == pytest.approx(lost, abs=1)
        assert 0 <= record.packet_loss_percent <= 100


def test_values_are_plausible() -> None:
    for key, samples in Observed(VARIED[5]).series.items():
        assert all(value >= 0 for value in samples.values()), key
        if key.metric in {"CONCEALED_RATIO", "AUDIO_LEVEL", "QUALITY_LIMITATION"}:
            assert max(samples.values()) <= 1
        if key.metric == "PACKET_LOSS":
            assert max(samples.values()) <= 95


def test_video_ramps_up() -> None:
    rates = Observed(plan()).values(0, None, "VIDEO", "BITRATE", 0, 30)
    assert rates[0] < 0.6 * rates[-1]


def test_undisturbed_calls_stay_under_the_thresholds_of_detectors() -> None:
    limits = {"PACKET_LOSS": 3, "JITTER": 30, "JITTER_BUFFER_DELAY": 200, "LATENCY": 250, "ROUND_TRIP_TIME": 250}
    for key, samples in Observed(plan(participants=4)).series.items():
        settled = [value for time, value in samples.items() if time > plan().start + 40_000]
        assert max(settled) < limits.get(key.metric, float("inf")), key
        if key.metric == "CONCEALED_RATIO":
            assert max(settled) < 0.03
        if key.metric == "FRAME_RATE":
            assert min(settled) > 20


class TestLive:
    def test_batches_come_in_time(self) -> None:
        each = plan(Fault(FaultKind.CONNECTION_DROP, 100, 20, 1))
        instants = []
        for at, records in live(each, every=timedelta(seconds=7)):
            instants.append(at)
            assert records
            for record in records:
                if record.type == "samples":
                    assert at - timedelta(seconds=7) < STARTED_AT + timedelta(milliseconds=record.times[0] - each.start)
                    assert STARTED_AT + timedelta(milliseconds=record.times[-1] - each.start) <= at
                elif record.type == "event":
                    assert at - timedelta(seconds=8) <= record.at <= at
        assert instants == sorted(instants)
        assert instants[-1] == STARTED_AT + timedelta(minutes=each.minutes)
        assert len(instants) > 40

    def test_batches_tell_what_the_whole_tells(self) -> None:
        each = plan(Fault(FaultKind.UPLINK_LOSS, 60, 60), Fault(FaultKind.CAMERA_FREEZE, 90, 60), participants=3)
        batches = [record for _, records in live(each, every=timedelta(seconds=5)) for record in records]
        assert Observed(each, batches).series == Observed(each).series
        assert Counter(map(str, Observed(each, batches).of("totals"))) == Counter(map(str, Observed(each).of("totals")))

    @pytest.mark.parametrize("every", [0.7, 3, 11, 50])
    def test_totals_do_not_depend_on_the_batches(self, every: float) -> None:
        # Tenths of packets times three seconds often end on a half, where float sums of other parts round the other way.
        each = plan(participants=5, subscribers=3, interval_seconds=3, minutes=2.65)
        batches = [record for _, records in live(each, timedelta(seconds=every)) for record in records]
        assert Counter(map(str, Observed(each, batches).of("totals"))) == Counter(map(str, Observed(each).of("totals")))

    def test_call_cut_off_at_an_instant_goes_on_from_it(self) -> None:
        whole = plan(Fault(FaultKind.DOWNLINK_LOSS, 60, 120, 1))
        now = STARTED_AT + timedelta(seconds=123.4)
        cut = list(simulate_call(replace(whole, until=now)))
        assert not [record for record in cut if record.type == "totals" or (record.type == "call" and record.ended_at)]
        rest = [record for _, records in live(whole, timedelta(seconds=1), now) for record in records]
        both = [*cut, *rest]
        assert Observed(whole, both).series == Observed(whole).series
        others = [str(record) for record in both if record.type != "samples"]
        assert Counter(others) == Counter(str(record) for record in simulate_call(whole) if record.type != "samples")
        times = [time for record in rest if record.type == "samples" for time in record.times]
        assert min(times) > now.timestamp() * 1000

    def test_nothing_comes_after_the_end(self) -> None:
        assert list(live(plan(), after=STARTED_AT + timedelta(hours=1))) == []

    def test_batches_need_time_between_them(self) -> None:
        with pytest.raises(ValueError, match="millisecond"):
            next(live(plan(), every=timedelta(microseconds=1)))
