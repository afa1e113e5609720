import pytest

from callscope.sources.webrtc_counters import Path, Rtp, Snapshot
from callscope.sources.webrtc_series import Meter, interval, limitation
from callscope.vocabulary import Metric

AT = 1_700_000_000_000.0


def rtp(at=0.0, *, ssrc=1, kind="video", is_sent=False, **fields):
    fields.setdefault("judged_at", AT + at if not is_sent else 0)
    return Rtp(ssrc=ssrc, kind=kind, is_sent=is_sent, at=AT + at, **fields)


def seen(at, *rtps, path=None):
    return Snapshot(AT + at, list(rtps), [], path)


def changes(*snapshots):
    meter = Meter()
    for snapshot in snapshots:
        told = meter.advance(snapshot)
    return list(told.values())


def values(first, second):
    """What one SSRC's counters say of the two seconds between."""
    return interval(changes(seen(0, rtp(0, **first)), seen(2000, rtp(2000, **second))))


def test_received_video():
    before = {
        "packets": 10,
        "bytes": 0,
        "lost": 0,
        "frames": 0,
        "frames_dropped": 0,
        "freeze_seconds": 0,
        "freezes": 3,
        "buffer_seconds": 1,
        "buffered": 5,
    }
    after = {
        "packets": 100,
        "bytes": 25_000,
        "lost": 10,
        "frames": 30,
        "frames_dropped": 2,
        "freeze_seconds": 0.5,
        "freezes": 5,
        "buffer_seconds": 4,
        "buffered": 35,
        "width": 640,
        "height": 360,
        "jitter_ms": 7,
        "frame_rate": 99,
    }
    assert values(before, after) == {
        Metric.BITRATE: 100_000,
        Metric.PACKETS_PER_SECOND: 45,
        Metric.PACKET_LOSS: 10,
        Metric.FRAMES_DROPPED: 2,
        Metric.FREEZE_DURATION: 500,
        Metric.FREEZE_COUNT: 2,
        Metric.JITTER_BUFFER_DELAY: 100,
        Metric.FRAME_RATE: 15,
        Metric.FRAME_WIDTH: 640,
        Metric.FRAME_HEIGHT: 360,
        Metric.JITTER: 7,
    }


@pytest.mark.parametrize(
    ("before", "after", "level"),
    [
        # One second of speech at a tenth of full scale, then a pause in which the moment was read.
        ({"energy": 1.0, "energy_seconds": 10}, {"energy": 1.01, "energy_seconds": 12}, 0.0707),
        ({"energy": 1.0, "energy_seconds": 10}, {"energy": 1.0, "energy_seconds": 12}, 0),
        ({"energy": 1.0, "energy_seconds": 10}, {"energy": 9.0, "energy_seconds": 12}, 1),
        ({"energy": 1.0, "energy_seconds": 10}, {"energy": 1.0, "energy_seconds": 10}, 0.3),
        ({"energy": 1.0, "energy_seconds": 10}, {"energy": 0.1, "energy_seconds": 2}, 0.3),
        ({}, {"energy": 0.1, "energy_seconds": 2}, 0.3),
        ({}, {}, 0.3),
    ],
)
def test_loudness_is_that_of_all_of_the_interval_where_it_is_added_up(before, after, level):
    told = {"kind": "audio", "packets": 10}
    found = values(told | before, told | {"packets": 20, "audio_level": 0.3} | after)
    assert found[Metric.AUDIO_LEVEL] == pytest.approx(level, abs=1e-4)


def test_received_audio():
    before = {"kind": "audio", "packets": 0, "concealed": 0, "samples": 0}
    after = {"kind": "audio", "packets": 100, "concealed": 9_600, "samples": 96_000, "audio_level": 0.3, "buffer_ms": 60}
    told = values(before, after)
    assert told[Metric.CONCEALED_RATIO] == 0.1
    assert told[Metric.AUDIO_LEVEL] == 0.3
    assert told[Metric.JITTER_BUFFER_DELAY] == 60
    assert Metric.PACKET_LOSS not in told


def test_samples_put_in_or_taken_out():
    before = {"kind": "audio", "packets": 0, "stretched": 100, "samples": 0}
    after = {"kind": "audio", "packets": 100, "stretched": 9_700, "samples": 96_000}
    assert values(before, after)[Metric.STRETCHED_RATIO] == 0.1
    assert Metric.STRETCHED_RATIO not in values(before | {"stretched": None}, after)


def test_what_decoding_took_and_asked_for():
    before = {"packets": 0, "frames": 30, "decode_seconds": 1, "key_frame_requests": 3}
    told = values(before, {"packets": 9, "frames": 60, "decode_seconds": 1.6, "key_frame_requests": 4})
    assert told[Metric.DECODE_TIME] == pytest.approx(20)
    assert told[Metric.KEY_FRAME_REQUESTS] == 0.5


def test_decoding_nothing_took_no_time_that_could_be_told():
    before = {"packets": 0, "frames": 30, "decode_seconds": 1}
    assert Metric.DECODE_TIME not in values(before, before | {"packets": 9})
    assert Metric.DECODE_TIME not in values(before | {"decode_seconds": None}, before | {"packets": 9, "frames": 60})


def test_silence_without_packets_says_nothing_but_that():
    still = {"packets": 9, "bytes": 9, "frames": 3, "concealed": 0, "samples": 0}
    told = values(still, still | {"concealed": 96_000, "samples": 96_000, "height": 360, "audio_level": 0, "jitter_ms": 4})
    assert told == {Metric.BITRATE: 0, Metric.PACKETS_PER_SECOND: 0}


def test_the_size_of_a_picture_that_stands_still_is_old():
    told = values({"packets": 0, "frames": 3}, {"packets": 9, "frames": 3, "height": 360, "frame_rate": 30})
    assert Metric.FRAME_HEIGHT not in told
    assert told[Metric.FRAME_RATE] == 0


def test_rate_and_size_without_a_counter_of_frames():
    told = values({"packets": 0}, {"packets": 9, "height": 360, "frame_rate": 24})
    assert (told[Metric.FRAME_RATE], told[Metric.FRAME_HEIGHT]) == (24, 360)


def test_simulcast_layers_add_up():
    def layers(at, packets, **fields):
        return [
            rtp(
                at,
                ssrc=ssrc,
                is_sent=True,
                packets=packets * ssrc,
                bytes=1000 * packets * ssrc,
                frames=packets,
                height=180 * ssrc,
                frame_rate=30 / ssrc,
                **fields,
            )
            for ssrc in (1, 2, 4)
        ]

    told = interval(changes(seen(0, *layers(0, 0)), seen(2000, *layers(2000, 10, limitation="bandwidth"))))
    assert told[Metric.PACKETS_PER_SECOND] == 35
    assert told[Metric.BITRATE] == 280_000
    assert told[Metric.FRAME_HEIGHT] == 720
    assert told[Metric.FRAME_RATE] == 30
    assert told[Metric.QUALITY_LIMITATION] == 1


def test_the_weightiest_limitation_of_the_layers_that_flow():
    def layers(at, packets):
        reasons = ("none", "bandwidth", "cpu", "tired")
        return [rtp(at, ssrc=ssrc, is_sent=True, packets=packets * (ssrc != 2), limitation=reasons[ssrc]) for ssrc in range(4)]

    told = changes(seen(0, *layers(0, 0)), seen(2000, *layers(2000, 5)))
    assert limitation(told) == "bandwidth"
    assert limitation(told[:1]) == "none"
    assert interval(told[:1])[Metric.QUALITY_LIMITATION] == 0
    assert limitation(told[3:]) is None


def test_what_is_sent_is_judged_when_the_other_end_speaks():
    def at(time, judged, packets, lost):
        return seen(
            time, rtp(time, is_sent=True, packets=packets, lost=lost, judged_at=AT + judged, jitter_ms=3, round_trip_ms=40)
        )

    meter = Meter()
    meter.advance(at(0, -100, 100, 0))
    (stale,) = meter.advance(at(1000, -100, 150, 0)).values()
    assert not stale.is_judged
    assert Metric.JITTER not in interval([stale])
    (fresh,) = meter.advance(at(2000, 1900, 200, 10)).values()
    told = interval([fresh])
    assert (told[Metric.PACKET_LOSS], told[Metric.JITTER], told[Metric.ROUND_TRIP_TIME]) == (10, 3, 40)


def test_losses_taken_back_are_no_losses():
    assert values({"packets": 0, "lost": 5}, {"packets": 50, "lost": 3})[Metric.PACKET_LOSS] == 0


def test_losses_without_packets_are_no_share():
    assert Metric.PACKET_LOSS not in values({"lost": 5}, {"lost": 6})
    assert Metric.PACKET_LOSS not in values({"packets": 5}, {"packets": 6})


@pytest.mark.parametrize("counter", ["packets", "bytes", "frames"])
def test_a_counter_that_falls_has_restarted(counter):
    before, after = {"packets": 5, "bytes": 5, "frames": 5}, {"packets": 9, "bytes": 9, "frames": 9, counter: 1}
    first, second, third = (rtp(time, **fields) for time, fields in ((0, before), (1000, after), (2000, after)))
    meter = Meter()
    meter.advance(seen(0, first))
    assert meter.advance(seen(1000, second)) == {}
    assert meter.restarts == 1
    assert len(meter.advance(seen(2000, third))) == 1


def test_what_has_restarted_or_is_stale_is_told_of_the_last_snapshot():
    meter = Meter()
    news = []
    for time, first, second in (
        (0, (0, 5), (0, 5)),
        (1000, (1000, 1), (1000, 9)),
        (2000, (1000, 1), (1000, 9)),
        (3000, (1000, 1), (3000, 9)),
    ):
        meter.advance(seen(time, *(rtp(at, ssrc=ssrc, packets=packets) for ssrc, (at, packets) in ((1, first), (2, second)))))
        news.append((set(meter.restarted), meter.is_stale))
    assert news == [(set(), False), ({(False, 1)}, False), (set(), True), (set(), False)]


def test_a_page_that_slept_tells_nothing_of_its_sleep():
    assert changes(seen(0, rtp(0, packets=0)), seen(120_001, rtp(120_001, packets=9))) == []
    (told,) = changes(seen(0, rtp(0, packets=0)), seen(120_000, rtp(120_000, packets=9)))
    assert told.seconds == 120


def test_what_is_forgotten_is_not_compared():
    meter = Meter()
    meter.advance(seen(0, rtp(0, packets=0)))
    meter.forget()
    assert meter.advance(seen(1000, rtp(1000, packets=5))) == {}
    assert len(meter.advance(seen(2000, rtp(2000, packets=9)))) == 1


def test_other_counters_that_fall_are_unknown():
    assert Metric.FREEZE_DURATION not in values({"packets": 1, "freeze_seconds": 2}, {"packets": 2, "freeze_seconds": 1})


def test_stale_counters_are_left_out_until_they_move():
    told = changes(seen(0, rtp(0, packets=0)), seen(2000, rtp(0, packets=0)), seen(4000, rtp(4000, packets=8)))
    assert [(change.packets, change.seconds) for change in told] == [(8, 4)]


def test_an_ssrc_that_was_away_begins_anew():
    assert changes(seen(0, rtp(0, packets=0)), seen(2000), seen(4000, rtp(4000, packets=8))) == []


def test_nothing_is_compared_across_a_clock_that_goes_back():
    assert changes(seen(9000, rtp(9000, packets=0)), seen(0, rtp(0, packets=9))) == []


def test_round_trip_of_the_path():
    meter = Meter()
    assert meter.round_trip_ms(seen(0, path=Path(round_trip_ms=0))) == 0
    assert meter.round_trip_ms(seen(0)) is None


def test_round_trip_without_a_measured_path_is_the_mean_of_what_is_new():
    def two(time, judged):
        return seen(
            time,
            rtp(time, ssrc=1, is_sent=True, round_trip_ms=30, judged_at=AT + judged),
            rtp(time, ssrc=2, is_sent=True, round_trip_ms=50, judged_at=AT + time),
            path=Path(),
        )

    meter = Meter()
    assert meter.round_trip_ms(two(0, 0)) == 40
    assert meter.round_trip_ms(two(2000, 0)) == 50


def test_values_stay_finite():
    told = values({"packets": 0, "buffer_seconds": 0, "buffered": 0}, {"packets": 1, "buffer_seconds": 9e18, "buffered": 1e-300})
    assert Metric.JITTER_BUFFER_DELAY not in told
