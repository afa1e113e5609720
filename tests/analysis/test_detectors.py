"""What is a problem of a subject and what only looks like one, and which findings are one."""

from dataclasses import replace
from math import inf, nan
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measured import START, STEP, at, seconds, spans, subject, track

from callscope.analysis.detectors import detect
from callscope.analysis.findings import Finding
from callscope.analysis.joining import merged
from callscope.analysis.rule_book import rules_for
from callscope.analysis.rules import Rule, level
from callscope.analysis.tracks import Stretch, Subject, Track
from callscope.vocabulary import Direction, IssueKind, Media, Metric, Platform, Severity, StreamSource

RULES = rules_for(Platform.OTHER)
SENT, RECEIVED = Direction.PUBLISH, Direction.SUBSCRIBE
AUDIO, VIDEO, SCREEN, CONNECTION = Media.AUDIO, Media.VIDEO, Media.SCREEN, Media.CONNECTION


def found(one, sent=None, rules=RULES):
    return spans(detect(one, rules, sent=sent))


def kinds(one, sent=None):
    return [kind for kind, _, _ in found(one, sent)]


def audio(direction=RECEIVED, **tracks):
    return subject(AUDIO, direction, **tracks)


def video(direction=RECEIVED, **tracks):
    return subject(VIDEO, direction, **tracks)


def screen(direction=RECEIVED, **tracks):
    return subject(SCREEN, direction, source=StreamSource.SCREEN, **tracks)


def quiet(one, start, end):
    one.quiet.append(Stretch(at(start), None if end is None else at(end)))
    return one


class TestFinding:
    def test_says_whom_it_concerns_and_by_what(self):
        one = video(packet_loss=[0, *[20] * 10])
        (finding,) = detect(one, RULES)
        assert (finding.participant_key, finding.connection_key) == (1, 2)
        assert (finding.stream_key, finding.subscriber_key) == (3, 4)
        assert (finding.media, finding.direction) == (VIDEO, RECEIVED)
        assert finding.series_keys == [one.tracks[Metric.PACKET_LOSS].series.series_key]
        assert (finding.rule.name, finding.severity, finding.observed) == ("high_packet_loss", Severity.ERROR, 20)

    def test_one_that_is_not_over_says_when_it_was_seen_last(self):
        (finding,) = detect(video(packet_loss=[0, *[20] * 10, 0]), RULES)
        assert (finding.ended_at, seconds(finding.lasted_until)) == (None, 22)

    def test_of_two_levels_it_has_the_severer_and_the_wider_span(self):
        loss = [0] * 5 + [6] * 10 + [20] * 5 + [6] * 10 + [0] * 10
        (finding,) = detect(video(packet_loss=loss), RULES)
        assert spans([finding]) == [("HIGH_PACKET_LOSS", 10, 60)]
        assert (finding.severity, finding.observed, finding.level.limit.on) == (Severity.ERROR, 20, 10)

    def test_a_severe_stretch_may_be_shorter(self):
        assert found(video(packet_loss=[0] * 5 + [20] * 3 + [0] * 10)) == [("HIGH_PACKET_LOSS", 10, 16)]

    def test_findings_are_in_order_of_time(self):
        one = audio(jitter=[50] * 10 + [0] * 40, packet_loss=[0] * 20 + [20] * 10 + [0] * 20)
        assert found(one) == [("HIGH_JITTER", 0, 20), ("HIGH_PACKET_LOSS", 40, 60)]

    def test_evidence_of_several_series(self):
        sent = audio(SENT, bitrate=[30_000] * 20)
        received = audio(bitrate=[30_000] * 10 + [0] * 10)
        (finding,) = [one for one in detect(received, RULES, sent=sent) if one.kind is IssueKind.NO_MEDIA_RECEIVED]
        assert finding.series_keys == [each.tracks[Metric.BITRATE].series.series_key for each in (received, sent)]

    def test_a_bad_score_leads_to_what_it_was_made_of(self):
        one = audio(mean_opinion_score=[2] * 30, packet_loss=[4] * 30, jitter_buffer_delay=[40] * 30, bitrate=[40_000] * 30)
        one.round_trip = track(Metric.ROUND_TRIP_TIME, [200] * 30, media=CONNECTION)
        (finding,) = [each for each in detect(one, RULES) if each.kind is IssueKind.LOW_MEAN_OPINION_SCORE]
        names = ("MEAN_OPINION_SCORE", "PACKET_LOSS", "JITTER_BUFFER_DELAY", "BITRATE")
        inputs = [one.tracks[Metric[name]] for name in names] + [one.round_trip]
        assert set(finding.series_keys) == {each.series.series_key for each in inputs}
        assert finding.series_keys[0] == one.tracks[Metric.MEAN_OPINION_SCORE].series.series_key
        assert "E-model (ITU-T G.107, simplified), version 1" in finding.rule.source


class TestGrace:
    @pytest.mark.parametrize(("joined", "expected"), [(-10, 0), (3, 8), (3.5, 10)])
    def test_the_first_seconds_are_not_judged(self, joined, expected):
        one = video(packet_loss=[20] * 10 + [0] * 10, lasted=(joined, None))
        assert found(one) == [("HIGH_PACKET_LOSS", expected, 20)]

    @pytest.mark.parametrize(("left", "expected"), [(27, [22]), (26, [])])
    def test_nor_are_the_last_ones(self, left, expected):
        one = video(packet_loss=[0] * 8 + [20] * 12, lasted=(-10, left))
        assert [seconds(each.lasted_until) for each in detect(one, RULES)] == expected

    def test_whoever_comes_and_goes_has_no_findings(self):
        assert found(video(packet_loss=[90] * 5, bitrate=[0] * 5, lasted=(0, 10))) == []


class TestLosses:
    def test_of_few_packets_there_is_no_verdict(self):
        loss = [0] * 5 + [50] * 20
        assert found(audio(packet_loss=loss, packets_per_second=[2] * 25)) == []
        assert kinds(audio(packet_loss=loss, packets_per_second=[25] * 25)) == ["HIGH_PACKET_LOSS"]

    def test_the_lost_ones_were_expected_too(self):
        loss = [0] * 5 + [90] * 20
        assert found(audio(SENT, packet_loss=loss, packets_per_second=[4] * 25)) == []
        assert kinds(audio(RECEIVED, packet_loss=loss, packets_per_second=[4] * 25)) == ["HIGH_PACKET_LOSS"]

    def test_packets_count_over_the_window_and_not_the_interval(self):
        one = subject(AUDIO, SENT, step=1, packet_loss=[0] * 10 + [50] * 20, packets_per_second=[20] * 30)
        assert kinds(one) == ["HIGH_PACKET_LOSS"]

    def test_what_ended_in_silence_was_not_seen_after_it_began(self):
        loss = [0] * 5 + [20] * 10 + [20] * 5 + [0] * 20
        packets = [50] * 15 + [1] * 15 + [50] * 10
        (finding,) = detect(audio(packet_loss=loss, packets_per_second=packets), RULES)
        assert seconds(finding.ended_at) == 38


class TestQuiet:
    def test_muted_media_are_no_problem(self):
        muted = audio(SENT, bitrate=[30_000] * 10 + [0] * 40, audio_level=[0.1] * 10 + [0] * 40)
        assert sorted(kinds(muted)) == ["NO_MEDIA_SENT"]
        assert found(quiet(muted, 20, None)) == []

    def test_a_receiver_is_quiet_with_its_publisher(self):
        one = video(frame_rate=[30] * 10 + [0] * 40, freeze_duration=[0] * 10 + [2000] * 40)
        sent = video(SENT, bitrate=[1e6] * 50)
        assert found(one, sent) != []
        assert found(one, quiet(sent, 20, None)) == []

    def test_muting_ends_what_was_wrong_before(self):
        one = quiet(audio(SENT, audio_level=[0.1] * 10 + [0] * 70), 90, 120)
        assert found(one) == [("SILENT_MICROPHONE", 20, 90), ("SILENT_MICROPHONE", 120, None)]

    def test_muted_for_good_as_well(self):
        one = quiet(audio(SENT, audio_level=[0.1] * 10 + [0] * 70), 90, None)
        assert found(one) == [("SILENT_MICROPHONE", 20, 90)]

    def test_losses_are_losses_nevertheless(self):
        one = quiet(audio(SENT, packet_loss=[0] * 10 + [20] * 40), 20, None)
        assert kinds(one) == ["HIGH_PACKET_LOSS"]


class TestSpeakingWhileMuted:
    def spoke(self, *muted, level=0.2):
        one = audio(SENT, audio_level=[0.0] * 10 + [level] * 20 + [0.0] * 10)
        for start, end in muted:
            one.quiet.append(Stretch(at(start), None if end is None else at(end)))
        one.muted = one.quiet
        return found(one)

    def test_as_long_as_both_last(self):
        assert self.spoke((0, None)) == [("SPEAKING_WHILE_MUTED", 20, 60)]
        assert self.spoke((0, 41)) == [("SPEAKING_WHILE_MUTED", 20, 40)]
        assert self.spoke((31, None)) == [("SPEAKING_WHILE_MUTED", 32, 60)]
        assert self.spoke((0, 30), (40, 50)) == [("SPEAKING_WHILE_MUTED", 20, 30), ("SPEAKING_WHILE_MUTED", 40, 50)]

    def test_nobody_speaks_who_is_not_muted_or_not_heard(self):
        assert self.spoke() == self.spoke((0, 20)) == self.spoke((60, None)) == self.spoke((0, None), level=0.01) == []

    def test_on_hold_one_may_speak(self):
        one = audio(SENT, audio_level=[0.0] * 10 + [0.2] * 20)
        assert found(quiet(one, 0, None)) == []

    def test_not_of_what_others_say(self):
        one = audio(RECEIVED, audio_level=[0.2] * 30)
        one.muted = [Stretch(at(0), None)]
        assert found(one) == []


class TestLowBitrate:
    def test_pauses_are_no_low_bitrate(self):
        one = audio(bitrate=[40_000] * 10 + [1_500] * 40)
        assert found(one) == []

    @pytest.mark.parametrize(
        ("name", "values"), [("packets_per_second", [50] * 31 + [20] * 29), ("audio_level", [0.1] * 31 + [0] * 29)]
    )
    def test_nor_are_intervals_that_are_silent_in_part(self, name, values):
        bitrate = [40_000] * 31 + [15_000] * 29
        assert kinds(audio(bitrate=bitrate)) == ["LOW_AUDIO_BITRATE"]
        assert found(audio(bitrate=bitrate, **{name: values})) == []

    def test_nor_is_dtx(self):
        one = audio(bitrate=[40_000] * 31 + [15_000] * 29)
        one.is_dtx = True
        assert found(one) == []

    @pytest.mark.parametrize(("most", "expected"), [(32_000, []), (33_000, ["LOW_AUDIO_BITRATE"])])
    def test_nor_is_a_codec_that_never_had_more(self, most, expected):
        assert kinds(audio(bitrate=[most] * 10 + [20_000] * 40)) == expected

    @pytest.mark.parametrize(("height", "expected"), [(90, []), (180, ["LOW_VIDEO_BITRATE"])])
    def test_nor_is_a_thumbnail(self, height, expected):
        one = video(bitrate=[1e6] * 10 + [50_000] * 40, frame_height=[height] * 50)
        assert [kind for kind in kinds(one) if kind != "LOW_RESOLUTION"] == expected

    @pytest.mark.parametrize("source", [StreamSource.CUSTOM, StreamSource.SCREEN])
    def test_only_cameras_have_a_low_video_bitrate(self, source):
        one = video(bitrate=[1e6] * 10 + [50_000] * 40)
        assert kinds(one) == ["LOW_VIDEO_BITRATE"]
        one.source = source
        assert found(one) == []

    def test_no_bitrate_is_no_low_one(self):
        gone = [1e6] * 10 + [0] * 40
        assert found(video(bitrate=gone, frame_rate=[30] * 10 + [0] * 40)) == []
        assert found(video(bitrate=gone)) == found(audio(bitrate=gone)) == []
        assert kinds(video(frame_rate=[30] * 10 + [0] * 40)) == ["LOW_FRAME_RATE"]

    def test_a_receiver_gets_what_was_sent(self):
        low, high = [1e6] * 10 + [50_000] * 40, [1e6] * 50
        assert kinds(video(bitrate=low), video(SENT, bitrate=high)) == ["LOW_VIDEO_BITRATE"]
        assert found(video(bitrate=low), video(SENT, bitrate=low)) == []
        assert kinds(video(SENT, bitrate=low)) == ["LOW_VIDEO_BITRATE"]

    def test_bandwidth_is_low_only_where_video_needs_it(self):
        path = subject(CONNECTION, SENT, available_bitrate=[1e6] * 10 + [80_000] * 40)
        assert kinds(path) == ["LOW_BANDWIDTH"]
        path.carries_video = False
        assert found(path) == []


class TestLimitation:
    def limited(self, **reasons):
        one = video(SENT, quality_limitation=[0] * 10 + [1] * 30 + [0] * 20)
        one.limited = {reason: [Stretch(at(start), at(end))] for reason, (start, end) in reasons.items()}
        return found(one)

    def test_the_reason_tells_the_kind(self):
        assert self.limited(cpu=(20, 80)) == [("CPU_LIMITED", 20, 80)]
        assert self.limited(bandwidth=(20, 80)) == [("BANDWIDTH_LIMITED", 20, 80)]

    def test_one_after_the_other(self):
        assert self.limited(cpu=(20, 50), bandwidth=(50, 80)) == [("CPU_LIMITED", 20, 50), ("BANDWIDTH_LIMITED", 50, 80)]

    def test_nothing_without_a_reason(self):
        assert self.limited() == self.limited(other=(20, 80)) == []


class TestPicture:
    @pytest.mark.parametrize("metric", ["frame_height", "frame_width"])
    def test_a_change_of_size_suppresses_for_one_interval_more(self, metric):
        sizes = [720] * 5 + [360] * 20
        freezes = [0] * 5 + [2000] * 2 + [0] * 18
        assert kinds(video(freeze_duration=freezes)) == ["VIDEO_FREEZE"]
        assert found(video(freeze_duration=freezes, **{metric: sizes})) == []
        freezes[7] = 2000
        assert found(video(freeze_duration=freezes, **{metric: sizes})) == [("VIDEO_FREEZE", 14, 16)]

    def test_the_network_comes_first(self):
        freezes = [0] * 10 + [2000] * 20 + [0] * 10
        loss = [0] * 8 + [20] * 25 + [0] * 7
        assert kinds(video(freeze_duration=freezes)) == ["VIDEO_FREEZE"]
        assert kinds(video(freeze_duration=freezes, packet_loss=loss)) == ["HIGH_PACKET_LOSS"]
        assert kinds(video(freeze_duration=freezes, packet_loss=[value / 4 for value in loss])) == ["VIDEO_FREEZE"]

    def test_so_does_bad_hearing_on_the_same_connection(self):
        one = video(freeze_duration=[0] * 10 + [2000] * 20 + [0] * 10)
        one.bad_network = [Stretch(at(18), at(62))]
        assert found(one) == []
        told = video(freeze_duration=[0] * 10 + [2000] * 20 + [0] * 10, mean_opinion_score=[2.1] * 40)
        assert found(told) == []

    def test_a_source_that_stands_still_is_no_freeze(self):
        still = video(freeze_duration=[0] * 10 + [2000] * 20 + [0] * 10)
        assert kinds(still, video(SENT, frame_rate=[30] * 40)) == ["VIDEO_FREEZE"]
        assert found(still, video(SENT, frame_rate=[30] * 8 + [0] * 24 + [30] * 8)) == []

    def test_a_freeze_that_is_told_when_it_is_over_began_before(self):
        one = video(freeze_duration=[0] * 10 + [9000] + [0] * 10)
        assert found(one) == [("VIDEO_FREEZE", 13, 22)]
        assert detect(one, RULES)[0].observed == 1

    def test_short_freezes_in_long_intervals_are_none(self):
        assert found(subject(VIDEO, RECEIVED, step=10, freeze_duration=[2900] * 20)) == []
        assert found(subject(VIDEO, RECEIVED, step=10, freeze_duration=[3100] * 20)) != []

    @pytest.mark.parametrize(
        ("frozen", "count", "expected"),
        [(2400, 2, ["VIDEO_FREEZE"]), (2400, 3, []), (1000, 1, []), (1100, 1, ["VIDEO_FREEZE"]), (0, 5, []), (2400, -1, [])],
    )
    def test_in_long_intervals_long_freezes_count_by_their_mean_length(self, frozen, count, expected):
        calm = [0] * 3
        tracks = {"freeze_duration": [*calm, frozen, *calm], "freeze_count": [*calm, count, *calm]}
        one = subject(VIDEO, RECEIVED, step=10, **tracks)
        assert kinds(one) == expected
        for finding in detect(one, RULES):
            assert (finding.rule.name, finding.observed, len(finding.series_keys)) == ("long_freezes", frozen / count, 2)
            assert spans([finding]) == [("VIDEO_FREEZE", 30, 40)]

    def test_one_that_was_told_at_once_must_have_lasted(self):
        told = {"freeze_duration": [0, 0, 1200, 0, 0, 2100, 0, 0, 0], "freeze_count": [0, 0, 1, 0, 0, 1, 0, 0, 0]}
        (one,) = merged(detect(subject(VIDEO, RECEIVED, step=1, **told), RULES))
        assert spans([one]) == [("VIDEO_FREEZE", pytest.approx(3.9), 6)]

    def test_a_screen_may_stand_still(self):
        assert found(screen(freeze_duration=[800] * 60)) == []
        assert kinds(screen(freeze_duration=[900] * 60)) == ["VIDEO_FREEZE"]

    def test_a_screen_has_few_frames_where_more_were_sent(self):
        slow = screen(frame_rate=[5] * 10 + [0.5] * 30)
        assert found(slow) == []
        assert found(slow, screen(SENT, frame_rate=[5] * 10 + [0.5] * 30)) == []
        assert kinds(slow, screen(SENT, frame_rate=[5] * 40)) == ["LOW_FRAME_RATE"]

    @pytest.mark.parametrize(("height", "expected"), [(767, ["LOW_RESOLUTION"]), (768, [])])
    def test_a_screen_has_many_lines(self, height, expected):
        assert kinds(screen(frame_height=[height] * 40)) == expected
        assert found(screen(SENT, frame_height=[height] * 40)) == []

    def test_a_camera_that_never_worked_has_not_frozen(self):
        assert found(video(SENT, frame_rate=[0] * 40)) == [("LOW_FRAME_RATE", 0, None)]
        assert found(video(SENT, frame_rate=[30] + [0] * 39)) == [("CAMERA_FREEZE", 2, None)]


OVERLOADED = {"decode_time": [60] * 20, "frame_rate": [15] * 20, "frames_dropped": [20] * 20}


class TestDecoder:
    def test_overloaded(self):
        assert kinds(video(**OVERLOADED)) == ["DECODER_OVERLOAD"]
        assert len(detect(video(**OVERLOADED), RULES)[0].series_keys) == 3

    @pytest.mark.parametrize(
        "tracks",
        [
            {"frames_dropped": [3] * 20},
            {"packet_loss": [2] * 20},
            {"frame_rate": [12] * 20},
            {"frame_rate": [15] * 20, "decode_time": [60, *[5] * 19]},
        ],
    )
    def test_not_without_drops_or_with_losses_or_with_time_left(self, tracks):
        assert found(video(**(OVERLOADED | tracks))) == []

    def test_not_where_frames_are_not_told(self):
        assert found(video(decode_time=[60] * 20, frames_dropped=[20] * 20)) == []

    @pytest.mark.parametrize(("bitrate", "expected"), [(9_000, "LOW_FRAME_RATE"), (11_000, "DECODER_STUCK")])
    def test_stuck_while_something_arrives(self, bitrate, expected):
        one = video(frame_rate=[30] * 10 + [0] * 20 + [30] * 10, bitrate=[bitrate] * 40)
        assert found(one) == [(expected, 20, 60)]

    def test_on_a_long_way_it_may_wait_longer(self):
        frames = [30] * 10 + [0] * 4 + [30] * 10
        near = video(frame_rate=frames, bitrate=[1e6] * 24, round_trip_time=[100] * 24)
        far = video(frame_rate=frames, bitrate=[1e6] * 24, round_trip_time=[800] * 24)
        assert kinds(near) == ["DECODER_STUCK"]
        assert "DECODER_STUCK" not in kinds(far)

    def test_key_frames_asked_for(self):
        assert kinds(video(key_frame_requests=[0] * 5 + [1] * 20)) == ["KEYFRAME_REQUEST_STORM"]
        assert found(video(SENT, key_frame_requests=[0] * 5 + [1] * 20)) == []


class TestNoMedia:
    def test_received_while_the_publisher_sends(self):
        received = audio(bitrate=[30_000] * 10 + [0] * 10 + [30_000] * 10)
        assert found(received, audio(SENT, bitrate=[30_000] * 30)) == [("NO_MEDIA_RECEIVED", 20, 40)]

    def test_not_where_the_publisher_does_not_send_or_nobody_knows(self):
        received = audio(bitrate=[30_000] * 10 + [0] * 10 + [30_000] * 10)
        assert found(received, audio(SENT, bitrate=[30_000] * 9 + [0] * 12 + [30_000] * 9)) == []
        assert found(received) == []
        assert found(received, audio(SENT, packet_loss=[0] * 30)) == []

    def test_not_where_the_publisher_began_in_the_middle_of_an_interval(self):
        received = subject(AUDIO, RECEIVED, step=10, bitrate=[0, 0, 30_000])
        sent = subject(AUDIO, SENT, step=10, after=5, bitrate=[0, 30_000, 30_000])
        assert found(received, sent) == []

    def test_a_frozen_camera_explains_that_nothing_is_sent(self):
        off = [1e6] * 10 + [0] * 20 + [1e6] * 10
        assert kinds(video(SENT, bitrate=off)) == ["NO_MEDIA_SENT"]
        assert kinds(video(SENT, bitrate=off, frame_rate=[value / 4e4 for value in off])) == ["CAMERA_FREEZE"]

    def test_but_not_what_lasted_much_longer(self):
        frames = [5] * 10 + [0] * 10 + [5] * 60
        assert found(video(SENT, frame_rate=[30] * 5 + frames + [30] * 20)) == [
            ("LOW_FRAME_RATE", 10, 170),
            ("CAMERA_FREEZE", 30, 50),
        ]


class TestDefinedForWhateverIsMeasured:
    @pytest.mark.parametrize("value", [nan, inf, -inf])
    def test_what_is_no_number_is_missing(self, value):
        loss = [0, 0, value, 0, *[20] * 10, value, *[0] * 10]
        assert found(video(packet_loss=loss)) == [("HIGH_PACKET_LOSS", 8, 28)]
        for rule in RULES:
            assert detect(subject(AUDIO, RECEIVED, **{rule.metric: [value] * 50}), RULES) == []

    def test_one_sample_is_no_stretch(self):
        for media in Media:
            for direction in Direction:
                one = subject(media, direction, **{metric.name: [1e9] for metric in Metric})
                assert detect(one, RULES, sent=one) == []

    def test_no_samples(self):
        assert found(audio(bitrate=[])) == found(audio()) == []

    def test_all_at_one_instant(self):
        one = video(packet_loss=[50] * 20, freeze_duration=[2000] * 20, bitrate=[0] * 20)
        one.tracks = {metric: replace(each, times=[START] * 20) for metric, each in one.tracks.items()}
        assert all(each.started_at <= START for each in detect(one, RULES))

    def test_negative_values(self):
        for media in Media:
            for direction in Direction:
                negative = subject(media, direction, **{metric.name: [-5] * 50 for metric in Metric})
                assert all(each.rule.levels[0].limit.low for each in detect(negative, RULES))

    def test_gaps_of_hours(self):
        one = video(packet_loss=[20] * 10 + [0] * 10)
        times = [at(2 * index) for index in range(8)] + [at(36_000 + 2 * index) for index in range(12)]
        one.tracks[Metric.PACKET_LOSS] = replace(one.tracks[Metric.PACKET_LOSS], times=times)
        assert found(one) == [("HIGH_PACKET_LOSS", -2, 36_002)]

    def test_time_grows_with_the_samples(self):
        def took(count):
            bad = [value for _ in range(count // 40) for value in (*[20.0] * 20, *[0.0] * 20)]
            tracks = {
                "packet_loss": bad,
                "freeze_duration": [100 * value for value in bad],
                "frame_height": [100 + v for v in bad],
            }
            one = video(**tracks, packets_per_second=[50] * len(bad))
            for index in range(count // 40):
                quiet(one, 80 * index, 80 * index + 10)
            started = process_time()
            assert len(detect(one, RULES)) >= count // 80
            return process_time() - started

        took(400)
        assert took(40_000) < 20 * took(8_000) + 0.1


class TestMerged:
    def both(self, loud, seen):
        return merged([*detect(audio(packet_loss=loud), RULES), *detect(video(packet_loss=seen), RULES)])

    def test_one_stream_hit_by_one_loss_is_one(self):
        (one,) = self.both([0] * 10 + [8] * 10 + [0] * 20, [0] * 12 + [20] * 10 + [0] * 18)
        assert spans([one]) == [("HIGH_PACKET_LOSS", 20, 44)]
        assert (one.observed, one.severity, one.media, one.stream_key) == (20, Severity.ERROR, None, 3)
        assert len(one.series_keys) == 2

    def test_what_does_not_overlap_stays_apart(self):
        apart = self.both([20] * 10 + [0] * 30, [0] * 20 + [20] * 10 + [0] * 10)
        assert [(one.media, one.started_at) for one in apart] == [(AUDIO, at(0)), (VIDEO, at(40))]

    def test_one_that_goes_on_goes_on(self):
        (one,) = self.both([20] * 10 + [0] * 30, [0] * 5 + [20] * 35)
        assert (one.ended_at, seconds(one.lasted_until)) == (None, 80)
        (one,) = self.both([0] * 5 + [20] * 35, [0] * 6 + [20] * 10 + [0] * 24)
        assert (one.started_at, one.ended_at, seconds(one.lasted_until)) == (at(10), None, 80)

    @pytest.mark.parametrize("change", [{"participant_key": 8}, {"stream_key": 8}, {"subscriber_key": 8}, {"direction": SENT}])
    def test_others_findings_are_theirs(self, change):
        findings = detect(audio(packet_loss=[20] * 20), RULES)
        assert len(merged([*findings, *(replace(one, **change) for one in findings)])) == 2

    def test_low_values_are_worse(self):
        rules = [rule for rule in RULES if rule.kind is IssueKind.NO_MEDIA_SENT]
        rules = [replace(rule, levels=(level(Severity.ERROR, 100, 100, 4, low=True),)) for rule in rules]
        findings = [each for one in (audio, video) for each in detect(one(SENT, bitrate=[len(one.__name__)] * 9), rules)]
        findings[0].observed = 0.5
        assert [one.observed for one in merged(findings)] == [0.5]

    def test_round_trips_are_of_the_connection(self):
        path = subject(CONNECTION, Direction.BOTH, round_trip_time=[400] * 20 + [10] * 10)
        stream = video(SENT, round_trip_time=[600] * 10 + [10] * 20)
        (one,) = merged([*detect(stream, RULES), *detect(path, RULES)])
        assert spans([one]) == [("HIGH_LATENCY", 0, 40)]
        assert (one.stream_key, one.media, one.direction, one.connection_key, one.observed) == (None, None, None, 2, 600)

    def test_nothing(self):
        assert merged([]) == []

    def told(self, start, end, **change):
        """What a client says of a camera."""
        rule = Rule("cameraFreeze", IssueKind.CAMERA_FREEZE, "somebody", ())
        said = {"severity": Severity.CRITICAL, "participant_key": 1, "connection_key": 2, "words": "cameraFreeze"} | change
        ends = {"ended_at": None if end is None else at(end), "observed": None}
        return Finding(kind=rule.kind, rule=rule, level=None, started_at=at(start), **ends, **said)

    def frozen(self):
        return detect(video(SENT, frame_rate=[30] * 10 + [0] * 20 + [30] * 20), RULES)

    @pytest.mark.parametrize(
        ("start", "end", "span"), [(25, 62, (20, 62)), (15, 40, (15, 60)), (25, None, (20, 60)), (60, 70, (20, 70))]
    )
    def test_what_was_told_and_measured_is_one(self, start, end, span):
        (one,) = merged([self.told(start, end), *self.frozen()])
        assert (seconds(one.started_at), seconds(one.ended_at)) == span
        assert (one.rule.metric, one.severity, one.words) == (Metric.FRAME_RATE, Severity.CRITICAL, "cameraFreeze")
        assert (one.stream_key, one.media, one.lasted_until) == (3, VIDEO, None)

    def test_what_was_told_and_measured_to_the_end_lasts(self):
        measured = detect(video(SENT, frame_rate=[30] * 10 + [0] * 20), RULES)
        (one,) = merged([self.told(25, None), *measured])
        assert (one.ended_at, seconds(one.lasted_until)) == (None, 60)

    @pytest.mark.parametrize(
        "change", [{"participant_key": 9}, {"connection_key": 9}, {"stream_key": 9}, {"kind": IssueKind.CAMERA_START_FAILED}]
    )
    def test_what_was_told_of_something_else_is_not(self, change):
        assert len(merged([replace(self.told(25, 40), **change), *self.frozen()])) == 2

    @pytest.mark.parametrize(("start", "end"), [(0, 19), (61, 70)])
    def test_nor_what_was_told_of_another_time(self, start, end):
        assert len(merged([self.told(start, end), *self.frozen()])) == 2

    def test_what_was_only_told_is_left_as_it_is(self):
        several = [self.told(0, None), self.told(5, 10)]
        assert merged(several) == several


# Properties.

LEVELS = {
    "packet_loss": [0.0, 4.0, 6.0, 30.0],
    "freeze_duration": [0.0, 300.0, 2000.0, 5000.0],
    "bitrate": [0.0, 50_000.0, 1e6],
    "frame_rate": [0.0, 5.0, 30.0],
    "frame_height": [180.0, 720.0],
}
GOOD = {"packet_loss": 0.0, "freeze_duration": 0.0, "bitrate": 1e6, "frame_rate": 30.0, "frame_height": 720.0}


@st.composite
def videos(draw):
    """Stretches of some samples each, with one value for each metric."""
    stretches = draw(st.lists(st.integers(1, 20), min_size=1, max_size=6))
    return {
        name: [value for count in stretches for value in [draw(st.sampled_from(levels))] * count]
        for name, levels in LEVELS.items()
    }


def moved(one: Subject, shift: float) -> Subject:
    tracks = {
        metric: Track(each.series, [time + shift for time in each.times], each.values) for metric, each in one.tracks.items()
    }
    start, end = one.lasted
    return replace(one, tracks=tracks, lasted=Stretch(start + shift, None if end is None else end + shift))


def told(findings):
    return [(one.kind, one.severity, one.observed, one.started_at, one.ended_at, one.lasted_until) for one in findings]


@settings(max_examples=60, deadline=None)
@given(videos(), st.integers(-(10**9), 10**9), st.sampled_from([SENT, RECEIVED]))
def test_shifting_time_shifts_findings_and_nothing_else(values, shift, direction):
    one = video(direction, **values)
    sent = video(SENT, bitrate=[1e6] * len(values["bitrate"]))
    expected = [
        (
            *rest,
            start + shift,
            None if end is None else end + shift,
            None if until is None else until + shift,
        )
        for *rest, start, end, until in told(detect(one, RULES, sent=sent))
    ]
    assert told(detect(moved(one, shift), RULES, sent=moved(sent, shift))) == expected


@settings(max_examples=60, deadline=None)
@given(videos(), st.integers(1, 30), st.sampled_from([SENT, RECEIVED]))
def test_appending_good_samples_changes_no_closed_finding(values, count, direction):
    # What a stream can do at best is known once it has done it.
    values = {name: [GOOD[name], *each] for name, each in values.items()}
    closed = [one for one in told(detect(video(direction, **values), RULES)) if one[4] is not None]
    longer = {name: [*each, *[GOOD[name]] * count] for name, each in values.items()}
    after = told(detect(video(direction, **longer), RULES))
    assert [one for one in closed if one not in after] == []


@settings(max_examples=40, deadline=None)
@given(videos())
def test_findings_lie_within_what_was_measured(values):
    for one in detect(video(**values), RULES):
        end = one.ended_at if one.ended_at is not None else one.lasted_until
        assert START - 5000 <= one.started_at < end <= at(STEP * len(values["bitrate"]))


def test_without_rules_nothing_is_wrong():
    assert detect(video(packet_loss=[90] * 50), []) == []
