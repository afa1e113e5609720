"""How well a listener could hear."""

from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured import at, subject, track

from callscope.analysis.opinion import bad_stretches, score, scored, transmission_rating
from callscope.vocabulary import Direction, Media, Metric, Unit

KEY = 99
FLAGS = ({"has_fec": True}, {"is_dtx": True})


@pytest.mark.parametrize(
    ("round_trip", "buffer", "loss", "bitrate", "has_fec", "rating", "opinion"),
    [
        (0, 0, 0, 64_000, False, 88.63, 4.30),
        (50, 40, 0, 32_000, False, 83.88, 4.16),
        (100, 60, 1, 32_000, False, 74.82, 3.81),
        (100, 60, 5, 32_000, True, 65.25, 3.37),
        (200, 80, 3, 32_000, False, 58.38, 3.02),
        (300, 100, 5, 32_000, False, 40.00, 2.06),
        (500, 200, 10, 24_000, False, 0, 1.00),
    ],
)
def test_worked_examples(round_trip, buffer, loss, bitrate, has_fec, rating, opinion):
    r = transmission_rating(round_trip, loss, buffer_ms=buffer, bitrate=bitrate, has_fec=has_fec)
    assert (round(r, 2), round(score(r), 2)) == (rating, opinion)


def test_losses_are_in_percent():
    """In other tools a tenth of all packets costs one point, because the formula is given a fraction."""
    assert (
        transmission_rating(100, 0, buffer_ms=60, bitrate=32_000) - transmission_rating(100, 10, buffer_ms=60, bitrate=32_000)
        > 40
    )


def test_pauses_cost_no_more_than_dtx_does():
    assert transmission_rating(0, 0, bitrate=1100, is_dtx=True) == pytest.approx(93.2 - 0.48 - 8)


@pytest.mark.parametrize("bitrate", [None, 0, -5])
def test_an_unknown_bitrate_costs_the_usual(bitrate):
    assert transmission_rating(0, 0, bitrate=bitrate) == pytest.approx(93.2 - 0.48 - 6)


def test_scores_have_bounds():
    assert (score(-3), score(0), score(100), score(120)) == (1, 1, 4.5, 4.5)
    assert score(3.2) == 1


POSITIVE = st.floats(0, 2000)


@given(POSITIVE, st.floats(0, 100), st.floats(0, 100), POSITIVE, st.floats(500, 500_000), st.booleans())
def test_more_loss_never_gives_a_better_score(round_trip, less, more, buffer, bitrate, has_fec):
    less, more = sorted((less, more))
    rest = {"buffer_ms": buffer, "bitrate": bitrate, "has_fec": has_fec}
    assert score(transmission_rating(round_trip, more, **rest)) <= score(transmission_rating(round_trip, less, **rest)) + 1e-9


@given(POSITIVE, POSITIVE, st.floats(0, 100))
def test_nor_does_more_delay(one, other, loss):
    shorter, longer = sorted((one, other))
    assert score(transmission_rating(longer, loss)) <= score(transmission_rating(shorter, loss)) + 1e-9


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_any_number_gives_a_score(round_trip, loss):
    assert 1 <= score(transmission_rating(round_trip, loss)) <= 4.5


class TestScored:
    def heard(self, **tracks):
        defaults = {
            "packet_loss": [0, 3],
            "round_trip_time": [0, 200],
            "jitter_buffer_delay": [0, 80],
            "bitrate": [64_000, 32_000],
        }
        return subject(**{name: values for name, values in (defaults | tracks).items() if values is not None})

    def test_a_score_for_each_sample_of_losses(self):
        heard = self.heard()
        made = scored(heard, None, KEY)
        assert list(made.values) == pytest.approx([4.30, 3.02], abs=0.005)
        assert list(made.times) == list(heard.tracks[Metric.PACKET_LOSS].times)

    def test_is_a_series_of_the_subject(self):
        series = scored(self.heard(), None, KEY).series
        assert (series.series_key, series.metric, series.unit) == (KEY, Metric.MEAN_OPINION_SCORE, Unit.SCORE)
        assert (series.participant_key, series.connection_key, series.stream_key, series.subscriber_key) == (1, 2, 3, 4)
        assert (series.media, series.direction) == (Media.AUDIO, Direction.SUBSCRIBE)

    def test_the_round_trip_may_be_of_the_connection(self):
        trip = track(Metric.ROUND_TRIP_TIME, [0, 200], after=0.4, media=Media.CONNECTION)
        assert list(scored(self.heard(round_trip_time=None), trip, KEY).values) == pytest.approx([4.30, 3.02], abs=0.005)

    def test_the_own_round_trip_is_preferred(self):
        trip = track(Metric.ROUND_TRIP_TIME, [900, 900], media=Media.CONNECTION)
        assert list(scored(self.heard(), trip, KEY).values) == pytest.approx([4.30, 3.02], abs=0.005)

    @pytest.mark.parametrize("missing", ["packet_loss", "round_trip_time"])
    def test_none_without_round_trip_or_losses(self, missing):
        assert scored(self.heard(**{missing: None}), None, KEY) is None

    def test_no_score_where_the_round_trip_has_a_gap(self):
        trip = track(Metric.ROUND_TRIP_TIME, [0, 0], after=1000)
        assert scored(self.heard(round_trip_time=None), trip, KEY) is None

    @pytest.mark.parametrize("value", [nan, inf])
    def test_no_score_of_what_is_no_number(self, value):
        assert list(scored(self.heard(packet_loss=[0, value]), None, KEY).values) == pytest.approx([4.30], abs=0.005)
        assert list(scored(self.heard(round_trip_time=[0, value]), None, KEY).values) == pytest.approx([4.30], abs=0.005)

    def test_what_else_is_missing_costs_nothing_it_cannot(self):
        without = scored(self.heard(jitter_buffer_delay=None, bitrate=None), None, KEY)
        assert list(without.values) == [round(score(transmission_rating(trip, loss)), 3) for trip, loss in ((0, 0), (200, 3))]
        assert without.values == scored(self.heard(jitter_buffer_delay=[nan, nan], bitrate=[nan, nan]), None, KEY).values

    def test_comfort_noise_is_no_low_bitrate(self):
        quiet = scored(self.heard(packet_loss=[0], round_trip_time=[0], jitter_buffer_delay=[0], bitrate=[1100]), None, KEY)
        assert list(quiet.values) == [round(score(transmission_rating(0, 0, is_dtx=True)), 3)]

    def test_error_correction_bears_losses_and_pauses_cost_what_they_do(self):
        plain = scored(self.heard(), None, KEY).values
        mended, paused = (scored(replace(self.heard(), **change), None, KEY).values for change in FLAGS)
        assert (mended[0], mended[1] > plain[1]) == (plain[0], True)
        assert list(paused) == [
            round(score(transmission_rating(trip, loss, buffer_ms=buffer, is_dtx=True)), 3)
            for trip, loss, buffer in ((0, 0, 0), (200, 3, 80))
        ]

    def test_the_sources_own_scores_stand(self):
        assert scored(self.heard(mean_opinion_score=[4, 4]), None, KEY) is None

    @pytest.mark.parametrize("change", [{"media": Media.VIDEO}, {"direction": Direction.PUBLISH}])
    def test_only_of_received_audio(self, change):
        assert scored(replace(self.heard(), **change), None, KEY) is None


def test_bad_stretches():
    opinion = track(Metric.MEAN_OPINION_SCORE, [4, 2.1, 1, 2.2])
    assert [tuple(stretch) for stretch in bad_stretches(opinion)] == [(at(2), at(4)), (at(4), at(6))]
