"""What was measured, ordered for diagnosis."""

from math import nan

import pytest
from measured import START, track
from measured import at as after
from told import at, catalog, connection, instant, series, stream, subscriber

from callscope.analysis.tracks import Lookup, Stretch, Track, milliseconds, series_by_subject, subject_of
from callscope.vocabulary import Direction, Media, Metric, StreamSource


class TestLookup:
    def lookup(self, values, step=2.0):
        return Lookup(track(Metric.BITRATE, values, step=step))

    @pytest.mark.parametrize(("seconds", "value"), [(2, 1), (2.9, 1), (3.1, 2), (6, 3), (9, 3), (-2.9, 1)])
    def test_the_nearest_value(self, seconds, value):
        assert self.lookup([1, 2, 3]).at(after(seconds)) == value

    @pytest.mark.parametrize("seconds", [-3.1, 11.1])
    def test_none_in_a_gap(self, seconds):
        assert self.lookup([1, 2, 3]).at(after(seconds)) is None

    def test_none_of_nothing(self):
        assert self.lookup([]).at(START) is None
        assert self.lookup([]).least(START, after(10)) is None

    def test_what_is_no_number_is_missing(self):
        lookup = self.lookup([1, nan, 3])
        assert (lookup.at(after(4.5)), lookup.least(after(2.5), after(3.5))) == (3, 3)

    @pytest.mark.parametrize(
        ("start", "end", "least"),
        [(0, 2, 5), (0, 3, 4), (2, 4, 4), (2.5, 3.5, 4), (2.5, 4.5, 1), (100, 200, None), (-200, -100, None)],
    )
    def test_the_least_of_all_that_meet_a_span(self, start, end, least):
        assert self.lookup([5, 4, 1]).least(after(start), after(end)) == least


class TestStretch:
    @pytest.mark.parametrize(("start", "end", "overlaps"), [(0, 1, False), (0, 2, True), (2, 3, True), (3, 4, False)])
    def test_overlaps(self, start, end, overlaps):
        assert Stretch(1, 3).overlaps(start, end) is overlaps

    def test_one_that_lasts(self):
        assert Stretch(1, None).overlaps(100, 200)


class TestSubjects:
    def told(self, **rest):
        return catalog(
            connection=[connection("c", participantId="p", connectedAt=at(0), closedAt=at(9))],
            stream=[stream("s", connectionId="q", publishedAt=at(1), unpublishedAt=at(8), source="SCREEN", hasVideo=True)],
            subscriber=[subscriber("r", "s", connectionId="c", subscribedAt=at(2), **rest)],
            series=[
                series("BITRATE", "AUDIO", "SUBSCRIBE", participantId="p", connectionId="c", streamId="s", subscriberId="r"),
                series("PACKET_LOSS", "AUDIO", "SUBSCRIBE", participantId="p", connectionId="c", streamId="s", subscriberId="r"),
                series("BITRATE", "VIDEO", "SUBSCRIBE", participantId="p", connectionId="c", streamId="s", subscriberId="r"),
            ],
        )

    def subject(self, media="AUDIO", **rest):
        told = self.told(**rest)
        ((key, rows),) = [(key, rows) for key, rows in series_by_subject(told).items() if key[4] == media]
        tracks = [Track(row, [milliseconds(instant(3))], [1.0]) for row in rows]
        return subject_of(told, key, tracks)

    def test_the_series_of_one_media_are_together(self):
        assert sorted(self.subject().tracks) == [Metric.BITRATE, Metric.PACKET_LOSS]
        assert list(self.subject("VIDEO").tracks) == [Metric.BITRATE]

    def test_whom_and_what_it_is_of(self):
        one = self.subject()
        assert (one.participant_key, one.connection_key) == ("participant/p", "connection/c")
        assert (one.stream_key, one.subscriber_key) == ("stream/s", "subscriber/r")
        assert (one.media, one.direction, one.source, one.is_screen) == (
            Media.AUDIO,
            Direction.SUBSCRIBE,
            StreamSource.SCREEN,
            True,
        )

    @pytest.mark.parametrize("told", [{}, {"audioDtx": True}, {"audioFec": True}, {"audioDtx": False, "audioFec": False}])
    def test_how_its_audio_is_coded(self, told):
        streamed = catalog(stream=[stream("s", **told)], series=[series(streamId="s"), series("JITTER", participantId="p")])
        ours, others = (subject_of(streamed, key, []) for key in series_by_subject(streamed))
        assert (ours.is_dtx, ours.has_fec) == (told.get("audioDtx", False), told.get("audioFec", False))
        assert (others.is_dtx, others.has_fec) == (False, False)

    def test_it_lasted_while_all_that_it_is_of_lasted(self):
        assert self.subject().lasted == (milliseconds(instant(2)), milliseconds(instant(8)))
        assert self.subject(endedAt=at(7)).lasted.end == milliseconds(instant(7))

    def test_what_nobody_told_of_lasts_from_its_first_sample(self):
        told = catalog(series=[series(participantId="p")])
        ((key, rows),) = series_by_subject(told).items()
        one = subject_of(told, key, [Track(rows[0], [5.0, 6.0], [1.0, 2.0])])
        assert (one.lasted, one.source, one.is_screen) == ((5.0, None), StreamSource.UNKNOWN, False)
        assert subject_of(told, key, []).lasted == (0, None)

    @pytest.mark.parametrize("has_video", [True, False])
    def test_a_connection_carries_video_where_a_stream_of_its_has_it(self, has_video):
        told = catalog(
            connection=[connection("c", participantId="p", connectedAt=at(0)), connection("d", connectedAt=at(0))],
            stream=[stream("s", connectionId="c", hasVideo=has_video), stream("t", connectionId="d", hasVideo=True)],
            series=[series("AVAILABLE_BITRATE", "CONNECTION", "PUBLISH", participantId="p", connectionId="c")],
        )
        ((key, _),) = series_by_subject(told).items()
        assert subject_of(told, key, []).carries_video is has_video
