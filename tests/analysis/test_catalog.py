"""Who and what took part, from what was told and what that implies."""

import random

import pytest
from told import RECEIVED, START, at, catalog, connection, instant, key, series, stream, subscriber

from callscope.analysis.catalog import series_key


def implied(found):
    """The connections of which no source told."""
    return [key for key, one in found.connections.items() if one.is_implied]


class TestParticipants:
    def test_all_details(self):
        told = {
            "participantId": "p",
            "displayName": "Ada",
            "kind": "BROWSER",
            "location": {"city": "Berlin", "region": "BE", "country": "DE"},
            "system": {"browser": "Chrome", "browserVersion": "140.1", "os": "Linux", "osVersion": "6", "device": "Laptop"},
            "sdk": {"name": "opentok", "version": "2.30"},
            "userAgent": "Mozilla",
            "devices": [{"kind": "CAMERA"}, {"kind": "SPEAKER", "label": "Desk", "isSelected": True}],
            "isRedacted": True,
        }
        (one,) = catalog(participant=[told]).participants.values()
        assert (one.participant_key, one.participant_id, one.display_name, one.kind) == ("participant/p", "p", "Ada", "BROWSER")
        assert (one.city, one.region, one.country) == ("Berlin", "BE", "DE")
        assert (one.browser, one.browser_version, one.os, one.os_version, one.device) == (
            "Chrome", "140.1", "Linux", "6", "Laptop",
        )  # fmt: skip
        assert (one.sdk_name, one.sdk_version, one.user_agent, one.is_redacted) == ("opentok", "2.30", "Mozilla", True)
        assert one.devices == [
            {"kind": "CAMERA", "label": None, "is_selected": None},
            {"kind": "SPEAKER", "label": "Desk", "is_selected": True},
        ]

    def test_without_details(self):
        (one,) = catalog(participant=[{"participantId": "p"}], heard_at=[instant(4), instant(2)]).participants.values()
        assert (one.kind, one.devices, one.is_redacted, one.appeared_at) == ("UNKNOWN", [], False, instant(2))
        assert one.first_joined_at is one.last_left_at is None

    @pytest.mark.parametrize(
        "told",
        [
            {"connection": [connection("c", participantId="p")]},
            {"mention": [{"participantId": "p"}]},
            {"series": [series(participantId="p")]},
            {"warning": [{"kind": "REDACTED", "message": "m", "participantId": "p"}]},
            {"stream": [stream(participantId="p")]},
            {"subscriber": [subscriber(participantId="p")]},
        ],
    )
    def test_who_is_named_took_part(self, told):
        assert "participant/p" in catalog(**told).participants

    def test_a_connection_that_names_nobody_is_its_own_participant(self):
        found = catalog(connection=[connection("c")])
        assert [row.participant_id for row in found.participants.values()] == ["c"]
        assert found.connections["connection/c"].participant_key == "participant/c"

    @pytest.mark.parametrize(
        "told",
        [
            {"stream": [stream(connectionId="c", participantId="p")]},
            {"subscriber": [subscriber(connectionId="c", participantId="p")], "stream": [stream("s", connectionId="c")]},
            {"series": [series(connectionId="c", participantId="p")]},
        ],
    )
    def test_a_connection_that_names_nobody_is_of_the_one_whom_its_media_name(self, told):
        found = catalog(connection=[connection("c", connectedAt=at(0))], **told)
        assert {row.participant_id for row in found.participants.values()} == {"p"}
        assert found.connections["connection/c"].participant_key == "participant/p"

    def test_what_a_connection_says_of_its_participant_stands(self):
        told = [connection("c", participantId="p")]
        found = catalog(connection=told, stream=[stream(connectionId="c", participantId="q")])
        assert found.connections["connection/c"].participant_key == "participant/p"
        assert found.streams["stream/s"].participant_key == "participant/p"

    def test_appeared_with_the_first_attempt_joined_and_left_with_what_succeeded(self):
        told = [
            connection("a", participantId="p", attemptedAt=at(1), failedAt=at(2)),
            connection("b", participantId="p", attemptedAt=at(3), connectedAt=at(4), closedAt=at(5)),
            connection("c", participantId="p", attemptedAt=at(6), connectedAt=at(7), closedAt=at(9)),
            connection("d", participantId="p", attemptedAt=at(10), closedAt=at(11)),
        ]
        (one,) = catalog(connection=told).participants.values()
        assert (one.appeared_at, one.first_joined_at, one.last_left_at) == (instant(1), instant(4), instant(9))

    def test_has_not_left_while_a_connection_is_open(self):
        told = [
            connection("a", participantId="p", connectedAt=at(1), closedAt=at(2)),
            connection("b", participantId="p", connectedAt=at(3)),
        ]
        (one,) = catalog(connection=told).participants.values()
        assert (one.first_joined_at, one.last_left_at) == (instant(1), None)


class TestConnections:
    def one(self, **fields):
        return catalog(connection=[connection("c", **fields)]).connections["connection/c"]

    def test_all_details(self):
        network = {
            "type": "wifi",
            "transport": "tcp",
            "localCandidateType": "host",
            "remoteCandidateType": "relay",
            "region": "we",
        }
        one = self.one(
            attemptedAt=at(0),
            connectedAt=at(1),
            closedAt=at(2.5),
            closeReason="left",
            error={"code": 1, "subcode": 2, "message": "m"},
            network=network,
        )
        assert (one.connection_key, one.connection_id) == ("connection/c", "c")
        assert (one.attempted_at, one.connected_at, one.disconnected_at) == (instant(0), instant(1), instant(2.5))
        assert (one.duration_seconds, one.outcome, one.disconnect_reason) == (90, "SUCCEEDED", "left")
        assert (one.error_code, one.error_subcode, one.error_message) == (1, 2, "m")
        assert (one.network_type, one.transport, one.network_region) == ("wifi", "tcp", "we")
        assert (one.local_candidate_type, one.remote_candidate_type, one.is_relayed) == ("host", "relay", True)

    @pytest.mark.parametrize(
        ("network", "is_relayed"),
        [
            ({}, None),
            ({"type": "wifi"}, None),
            ({"localCandidateType": "relay"}, True),
            ({"remoteCandidateType": "host"}, False),
        ],
    )
    def test_is_relayed_as_far_as_candidates_tell(self, network, is_relayed):
        assert self.one(network=network).is_relayed is is_relayed

    @pytest.mark.parametrize(
        ("told", "outcome"),
        [
            ({"attemptedAt": at(0)}, "PENDING"),
            ({"attemptedAt": at(0), "closedAt": at(1)}, "PENDING"),
            ({"failedAt": at(1)}, "FAILED"),
            ({"connectedAt": at(1)}, "SUCCEEDED"),
            ({"connectedAt": at(1), "failedAt": at(2)}, "SUCCEEDED"),
        ],
    )
    def test_outcome(self, told, outcome):
        assert self.one(**told).outcome == outcome

    def test_attempted_when_first_heard_of(self):
        assert self.one(connectedAt=at(2), closedAt=at(1)).attempted_at == instant(1)
        assert self.one(connectedAt=at(2), attemptedAt=at(3)).attempted_at == instant(3)

    def test_a_failure_ends_what_was_connected_and_a_close_counts_more(self):
        assert self.one(connectedAt=at(1), failedAt=at(2)).disconnected_at == instant(2)
        assert self.one(connectedAt=at(1), failedAt=at(2), closedAt=at(3)).disconnected_at == instant(3)

    def test_what_was_never_connected_was_never_disconnected(self):
        one = self.one(attemptedAt=at(1), failedAt=at(2), closedAt=at(3))
        assert (one.disconnected_at, one.duration_seconds) == (None, None)

    def test_no_duration_is_negative(self):
        assert self.one(connectedAt=at(2), closedAt=at(1)).duration_seconds == 0


class TestImpliedConnections:
    def test_is_connected_for_as_long_as_media_proves_it(self):
        told = [
            stream("s", connectionId="c", publishedAt=at(3), unpublishedAt=at(5)),
            stream("t", connectionId="c", attemptedAt=at(1), publishedAt=at(2), unpublishedAt=at(4)),
        ]
        found = catalog(stream=told, subscriber=[subscriber("r", connectionId="c", subscribedAt=at(4), endedAt=at(7))])
        one = found.connections["connection/c"]
        assert (one.connected_at, one.disconnected_at, one.outcome) == (instant(1), instant(7), "SUCCEEDED")
        assert implied(found) == ["connection/c"]

    def test_is_open_while_one_of_its_media_is(self):
        told = [
            stream("s", connectionId="c", publishedAt=at(3), unpublishedAt=at(5)),
            stream("t", connectionId="c", publishedAt=at(4)),
        ]
        assert catalog(stream=told).connections["connection/c"].disconnected_at is None

    def test_a_failed_publish_proves_it_until_it_failed(self):
        one = catalog(stream=[stream(connectionId="c", attemptedAt=at(3), failedAt=at(5))]).connections["connection/c"]
        assert (one.connected_at, one.disconnected_at) == (instant(3), instant(5))

    def test_media_without_times_add_nothing_to_what_others_prove(self):
        told = [stream("s", connectionId="c", publishedAt=at(3), unpublishedAt=at(5)), stream("t", connectionId="c")]
        one = catalog(stream=told, heard_at=[instant(0)]).connections["connection/c"]
        assert (one.connected_at, one.disconnected_at) == (instant(3), instant(5))

    @pytest.mark.parametrize("subject", [{"connectionId": "c"}, {"connectionId": "c", "streamId": "s"}])
    def test_samples_alone_prove_it(self, subject):
        found = catalog(series=[series(participantId="p", **subject)], heard_at=[instant(2)])
        one = found.connections["connection/c"]
        assert (one.participant_key, one.connected_at, one.disconnected_at) == ("participant/p", instant(2), None)
        assert next(iter(found.series.values())).connection_key == "connection/c"

    def test_carries_the_name_of_the_participant_who_has_no_other(self):
        found = catalog(stream=[stream(participantId="p", publishedAt=at(0))])
        assert list(found.connections) == ["connection/p"]
        assert found.streams["stream/s"].connection_key == "connection/p"

    def test_is_replaced_by_the_one_that_is_told(self):
        media = [stream(connectionId="c", publishedAt=at(3), unpublishedAt=at(5))]
        found = catalog(stream=media, connection=[connection("c", attemptedAt=at(1), connectedAt=at(2), closedAt=at(9))])
        assert found.connections["connection/c"].disconnected_at == instant(9)
        assert implied(found) == []

    def test_gives_no_place_to_streams_without_connection(self):
        """What is implied depends on what else is told, so streams find their place without it."""
        told = [
            stream("s", connectionId="c", participantId="p", publishedAt=at(0)),
            stream("t", participantId="p", publishedAt=at(1)),
        ]
        found = catalog(stream=told)
        assert found.streams["stream/t"].connection_key == "connection/p"


class TestPlaces:
    TWICE = (
        connection("a", participantId="p", attemptedAt=at(0), connectedAt=at(1), closedAt=at(5)),
        connection("b", participantId="p", attemptedAt=at(10), connectedAt=at(11), closedAt=at(15)),
        connection("x", participantId="q", attemptedAt=at(4), connectedAt=at(4)),
    )

    @pytest.mark.parametrize(("published", "place"), [(3, "a"), (0, "a"), (9.9, "a"), (10, "b"), (12, "b"), (99, "b"), (-3, "a")])
    def test_media_without_connection_are_on_the_participants_at_that_time(self, published, place):
        media = {
            "stream": [stream("s", participantId="p", publishedAt=at(published))],
            "subscriber": [subscriber("r", "s", participantId="p", subscribedAt=at(published))],
        }
        found = catalog(connection=list(self.TWICE), **media)
        assert found.streams["stream/s"].connection_key == f"connection/{place}"
        assert found.subscribers["subscriber/r"].connection_key == f"connection/{place}"
        assert found.subscribers["subscriber/r"].participant_key == "participant/p"

    def test_media_without_anybody_are_on_a_connection_of_their_own(self):
        found = catalog(stream=[stream("s")], subscriber=[subscriber("r", "s")])
        assert found.streams["stream/s"].connection_key == "connection/s"
        assert found.subscribers["subscriber/r"].participant_key == "participant/r"

    def test_the_connection_decides_whose_media_are(self):
        found = catalog(connection=list(self.TWICE), stream=[stream(connectionId="x", participantId="p")])
        assert found.streams["stream/s"].participant_key == "participant/q"

    def test_a_stream_and_a_subscriber_may_have_the_same_id(self):
        found = catalog(stream=[stream("x")], subscriber=[subscriber("x", "x")])
        assert (len(found.streams), len(found.subscribers)) == (1, 1)


class TestStreams:
    def one(self, connections=(), totals=(), heard_at=(), **fields):
        told = {"connection": list(connections), "totals": list(totals), "stream": [stream(connectionId="c", **fields)]}
        return catalog(heard_at=heard_at, **told).streams["stream/s"]

    def test_all_details(self):
        one = self.one(
            name="screen",
            source="SCREEN",
            hasAudio=False,
            hasVideo=True,
            isScalable=True,
            audioCodec="opus",
            videoCodec="VP8",
            attemptedAt=at(0),
            publishedAt=at(1),
            unpublishedAt=at(3),
            unpublishReason="stopped",
            error={"code": 5},
        )
        assert (one.stream_id, one.name, one.source, one.is_scalable) == ("s", "screen", "SCREEN", True)
        assert (one.has_audio, one.has_video, one.audio_codec, one.video_codec) == (False, True, "opus", "VP8")
        assert (one.attempted_at, one.published_at, one.unpublished_at) == (instant(0), instant(1), instant(3))
        assert (one.duration_seconds, one.outcome, one.unpublish_reason) == (120, "SUCCEEDED", "stopped")
        assert (one.error_code, one.error_subcode, one.error_message) == (5, None, None)

    def test_without_details(self):
        one = self.one([connection("c", attemptedAt=at(2))])
        assert (one.source, one.has_audio, one.has_video, one.is_scalable) == ("UNKNOWN", False, False, False)
        assert (one.attempted_at, one.published_at, one.outcome) == (instant(2), None, "PENDING")

    @pytest.mark.parametrize(
        ("media", "has_audio", "has_video"),
        [(["AUDIO"], True, False), (["VIDEO"], False, True), (["SCREEN"], False, True), (["AUDIO", "VIDEO"], True, True)],
    )
    def test_has_the_media_that_its_totals_count(self, media, has_audio, has_video):
        one = self.one(totals=[{"streamId": "s", "media": each} for each in media])
        assert (one.has_audio, one.has_video) == (has_audio, has_video)
        assert self.one(totals=[{"streamId": "s", "media": "AUDIO"}], hasAudio=False).has_audio is False

    @pytest.mark.parametrize(
        ("told", "outcome", "ended"),
        [
            ({"attemptedAt": at(1)}, "PENDING", None),
            ({"attemptedAt": at(1), "failedAt": at(2)}, "FAILED", None),
            ({"publishedAt": at(1), "failedAt": at(2)}, "SUCCEEDED", 2),
            ({"publishedAt": at(1), "failedAt": at(2), "unpublishedAt": at(3)}, "SUCCEEDED", 3),
            ({"unpublishedAt": at(3)}, "PENDING", None),
        ],
    )
    def test_outcome_and_end(self, told, outcome, ended):
        one = self.one([connection("c", connectedAt=at(0))], **told)
        assert (one.outcome, one.unpublished_at) == (outcome, None if ended is None else instant(ended))

    @pytest.mark.parametrize(("told", "ended"), [({}, 5), ({"unpublishedAt": at(4)}, 4), ({"unpublishedAt": at(6)}, 5)])
    def test_a_destroyed_connection_ends_its_streams(self, told, ended):
        one = self.one([connection("c", connectedAt=at(0), closedAt=at(5))], publishedAt=at(1), **told)
        assert (one.unpublished_at, one.duration_seconds) == (instant(ended), (ended - 1) * 60)

    @pytest.mark.parametrize(
        ("told", "published"),
        [({}, 1), ({"publishedAt": at(2)}, 2), ({"failedAt": at(3)}, None), ({"attemptedAt": at(2)}, 1)],
    )
    def test_one_that_was_counted_was_published(self, told, published):
        one = self.one([connection("c", connectedAt=at(1))], totals=[{"streamId": "s", "media": "AUDIO"}], **told)
        assert one.published_at == (None if published is None else instant(published))

    def test_one_that_is_only_named_was_published_while_its_connection_lasted(self):
        told = [connection("c", connectedAt=at(1), closedAt=at(5))]
        found = catalog(connection=told, series=[series(connectionId="c", streamId="s", participantId="p")])
        one = found.streams["stream/s"]
        assert (one.connection_key, one.published_at, one.unpublished_at) == ("connection/c", instant(1), instant(5))

    @pytest.mark.parametrize(
        "told",
        [
            {"subscriber": [subscriber("r", "s")]},
            {"totals": [{"streamId": "s", "media": "AUDIO"}]},
            {"series": [series(streamId="s", direction="SUBSCRIBE", participantId="q")]},
            {"series": [series(streamId="s", subscriberId="r")]},
        ],
    )
    def test_one_that_is_only_named_exists(self, told):
        found = catalog(**told, heard_at=[instant(1)])
        assert set(found.streams) == {"stream/s"}
        assert found.streams["stream/s"].connection_key == "connection/s"

    def test_one_that_a_publisher_measured_is_the_publishers(self):
        found = catalog(series=[series(streamId="s", participantId="p")], connection=[connection("c", participantId="p")])
        assert found.streams["stream/s"].connection_key == "connection/c"
        assert found.series["series/BITRATE/AUDIO/PUBLISH/p//s/"].connection_key == "connection/c"


class TestSubscribers:
    def one(self, connections=(), stream_fields=None, **fields):
        told = {
            "connection": [connection("p", connectedAt=at(0)), *connections],
            "stream": [stream("s", connectionId="p", publishedAt=at(0), **(stream_fields or {}))],
            "subscriber": [subscriber("r", "s", connectionId="c", **fields)],
        }
        return catalog(**told).subscribers["subscriber/r"]

    def test_all_details(self):
        one = self.one(attemptedAt=at(1), subscribedAt=at(2), endedAt=at(4), error={"message": "m"})
        assert (one.subscriber_key, one.subscriber_id, one.stream_key) == ("subscriber/r", "r", "stream/s")
        assert (one.attempted_at, one.subscribed_at, one.ended_at) == (instant(1), instant(2), instant(4))
        assert (one.duration_seconds, one.outcome, one.error_message) == (120, "SUCCEEDED", "m")

    @pytest.mark.parametrize(
        ("told", "outcome", "ended"),
        [
            ({}, "PENDING", None),
            ({"failedAt": at(2)}, "FAILED", None),
            ({"subscribedAt": at(1), "failedAt": at(2)}, "SUCCEEDED", 2),
            ({"subscribedAt": at(1), "failedAt": at(2), "endedAt": at(3)}, "SUCCEEDED", 3),
            ({"endedAt": at(3)}, "PENDING", None),
        ],
    )
    def test_outcome_and_end(self, told, outcome, ended):
        one = self.one([connection("c", connectedAt=at(0))], **told)
        assert (one.outcome, one.ended_at) == (outcome, None if ended is None else instant(ended))

    def test_without_times_it_was_attempted_with_its_stream(self):
        assert self.one().attempted_at == instant(0)

    @pytest.mark.parametrize(
        ("closed", "unpublished", "ended", "expected"),
        [(5, None, None, 5), (5, 4, None, 4), (4, 5, None, 4), (5, 6, 3, 3), (None, 6, None, 6), (5, 6, 7, 5)],
    )
    def test_ends_with_its_connection_and_with_its_stream(self, closed, unpublished, ended, expected):
        destroyed = {} if closed is None else {"closedAt": at(closed)}
        told = {} if ended is None else {"endedAt": at(ended)}
        stopped = {} if unpublished is None else {"unpublishedAt": at(unpublished)}
        one = self.one([connection("c", connectedAt=at(0), **destroyed)], stopped, subscribedAt=at(1), **told)
        assert one.ended_at == instant(expected)

    @pytest.mark.parametrize("order", [1, -1])
    def test_one_that_is_only_named_takes_all_that_its_series_tell(self, order):
        named = [
            {"subscriberId": "r", "media": "AUDIO"},
            series(direction="SUBSCRIBE", subscriberId="r"),
            series(direction="SUBSCRIBE", subscriberId="r", streamId="s", connectionId="c", participantId="p"),
        ]
        found = catalog(series=named[1:][::order], totals=named[:1], heard_at=[instant(0)])
        one = found.subscribers["subscriber/r"]
        assert (one.stream_key, one.connection_key, one.participant_key) == ("stream/s", "connection/c", "participant/p")
        assert set(found.streams) == {"stream/s"}
        assert "participant/r" not in found.participants

    def test_one_that_is_only_named_without_stream_receives_one_of_its_name(self):
        found = catalog(series=[series(direction="SUBSCRIBE", subscriberId="r")])
        assert found.subscribers["subscriber/r"].stream_key == "stream/r"


class TestTotals:
    def of(self, *told):
        owned = [{"streamId": "s", "media": "AUDIO", **each} for each in told]
        return catalog(totals=owned).streams["stream/s"].totals

    def test_all_fields(self):
        told = {
            "ssrc": 7,
            "codec": "opus",
            "packets": 10.0,
            "packetsLost": -1.0,
            "packetLossPercent": 0.5,
            "bytes": 100.0,
            "concealedPercent": 1.5,
            "framesDropped": 2.0,
            "freezeSeconds": 3.0,
            "roundTripTimeMs": 4.0,
        }
        assert self.of(told) == [
            {
                "media": "AUDIO",
                "ssrc": 7,
                "codec": "opus",
                "packets": 10.0,
                "packets_lost": -1.0,
                "packet_loss_percent": 0.5,
                "bytes": 100.0,
                "concealed_percent": 1.5,
                "frames_dropped": 2.0,
                "freeze_seconds": 3.0,
                "round_trip_time_ms": 4.0,
            }
        ]

    @pytest.mark.parametrize(
        ("later", "earlier"),
        [
            ({"at": at(2)}, {"at": at(1)}),
            ({"at": at(0.005)}, {"at": at(0)}),
            ({"at": at(0)}, {}),
            ({"at": at(0), "version": 1}, {"at": at(9)}),
            ({"codec": "b"}, {"codec": "a"}),
        ],
    )
    def test_the_latest_reading_stands(self, later, earlier):
        told = [{**later, "packets": 1.0}, {**earlier, "packets": 2.0}]
        assert self.of(*told) == self.of(*told[::-1])
        assert [reading["packets"] for reading in self.of(*told)] == [1.0]

    def test_each_media_and_ssrc_has_its_own(self):
        told = [{"media": "VIDEO", "ssrc": 2}, {"media": "AUDIO"}, {"media": "VIDEO", "ssrc": 1}, {"media": "AUDIO", "ssrc": 0}]
        found = [(reading["media"], reading["ssrc"]) for reading in self.of(*told)]
        assert found == [("AUDIO", None), ("AUDIO", 0), ("VIDEO", 1), ("VIDEO", 2)]

    def test_are_of_their_stream_or_subscriber(self):
        told = [{"streamId": "s", "media": "AUDIO"}, {"subscriberId": "r", "media": "VIDEO"}]
        found = catalog(totals=told, subscriber=[subscriber("r", "s")])
        assert [reading["media"] for reading in found.streams["stream/s"].totals] == ["AUDIO"]
        assert [reading["media"] for reading in found.subscribers["subscriber/r"].totals] == ["VIDEO"]


KNOWN = {
    "connection": [
        connection("c", participantId="p", connectedAt=at(0)),
        connection("d", participantId="q", connectedAt=at(0)),
    ],
    "stream": [stream("s", connectionId="c", publishedAt=at(1))],
    "subscriber": [subscriber("r", "s", connectionId="d", subscribedAt=at(2))],
}


class TestSeries:
    @pytest.mark.parametrize(
        ("subject", "participant", "connection", "stream", "subscriber"),
        [
            ({"participantId": "p"}, "p", None, None, None),
            ({"connectionId": "c"}, "p", "c", None, None),
            ({"participantId": "z", "connectionId": "c"}, "z", "c", None, None),
            ({"streamId": "s"}, "p", "c", "s", None),
            ({"streamId": "s", "participantId": "p"}, "p", "c", "s", None),
            ({"streamId": "s", "participantId": "q"}, "q", None, "s", None),
            ({"streamId": "s", "connectionId": "d"}, "q", "d", "s", None),
            ({"subscriberId": "r"}, "q", "d", "s", "r"),
            ({"subscriberId": "r", "streamId": "s", "connectionId": "d", "participantId": "q"}, "q", "d", "s", "r"),
        ],
    )
    def test_finds_what_it_was_measured_of(self, subject, participant, connection, stream, subscriber):
        (one,) = catalog(**KNOWN, series=[series(**subject)]).series.values()
        expected = {"participant": participant, "connection": connection, "stream": stream, "subscriber": subscriber}
        for kind, id_ in expected.items():
            assert getattr(one, f"{kind}_key") == (id_ and f"{kind}/{id_}"), kind

    def test_has_the_metrics_unit(self):
        (one,) = catalog(series=[series("JITTER", "VIDEO", "SUBSCRIBE", participantId="p")]).series.values()
        assert (one.metric, one.unit, one.media, one.direction) == ("JITTER", "MILLISECONDS", "VIDEO", "SUBSCRIBE")

    def test_key_tells_subjects_metrics_media_and_directions_apart(self):
        different = [
            series(participantId="x"),
            series(connectionId="x"),
            series(streamId="x"),
            series(subscriberId="x"),
            series(streamId="x", subscriberId="x"),
            series("JITTER", participantId="x"),
            series(media="VIDEO", participantId="x"),
            series(direction="BOTH", participantId="x"),
        ]
        assert len({series_key(body, key) for body in different}) == len(different)
        assert set(catalog(series=different).series) == {series_key(body, key) for body in different}


def test_warnings_are_told_apart_by_kind_words_and_participant():
    told = [
        {"kind": "TRUNCATED", "message": "m"},
        {"kind": "TRUNCATED", "message": "m", "version": 2},
        {"kind": "TRUNCATED", "message": "n"},
        {"kind": "REDACTED", "message": "m"},
        {"kind": "TRUNCATED", "message": "m", "participantId": "p"},
    ]
    found = catalog(warning=told).warnings
    assert sorted((row.kind, row.message, row.participant_key) for row in found.values() if row.participant_key is None) == [
        ("REDACTED", "m", None),
        ("TRUNCATED", "m", None),
        ("TRUNCATED", "n", None),
    ]
    assert [row.participant_key for row in found.values() if row.participant_key] == ["participant/p"]


def test_the_call_adds_up_and_what_was_told_is_known():
    found = catalog(call=[{"callId": "x"}, {"platform": "ACS", "startedAt": at(0), "tags": ["t"]}], stream=[stream()], warning=[])
    assert found.call == {"callId": "x", "platform": "ACS", "startedAt": instant(0), "tags": ["t"]}
    assert found.told == {"call", "stream"}


class TestWithoutInstants:
    """A subject without any instant is taken to be as old as the call."""

    @pytest.mark.parametrize(
        ("told", "heard_at", "expected"),
        [
            ({}, [], RECEIVED),
            ({}, [instant(3), instant(1)], instant(1)),
            ({"call": [{"startedAt": at(2)}]}, [instant(3)], instant(2)),
            ({"connection": [connection("a", closedAt=at(5))]}, [], instant(5)),
            ({"subscriber": [subscriber("a", "s", endedAt=at(6))]}, [], instant(6)),
            ({"totals": [{"streamId": "s", "media": "AUDIO", "at": at(7)}]}, [], instant(7)),
        ],
    )
    def test_the_first_of_the_call_stands_in(self, told, heard_at, expected):
        found = catalog(**told, stream=[stream("s", connectionId="c")], participant=[{"participantId": "p"}], heard_at=heard_at)
        assert found.streams["stream/s"].attempted_at == expected
        assert found.participants["participant/p"].appeared_at == expected


def test_order_decides_nothing():
    told = [
        ("call", {"callId": "x"}),
        *(("participant", {"participantId": name, "displayName": name * 2}) for name in "pq"),
        *(("connection", each) for each in TestPlaces.TWICE),
        ("connection", connection("n", connectedAt=at(3))),
        *(("stream", stream(name, participantId="p", publishedAt=at(12))) for name in "su"),
        ("stream", stream("t", connectionId="n", participantId="z")),
        ("stream", stream("v", connectionId="n", participantId="y")),
        ("subscriber", subscriber("r", "elsewhere", participantId="q", subscribedAt=at(6))),
        *(
            ("series", series(direction="SUBSCRIBE", subscriberId="k", **more))
            for more in ({}, {"streamId": "s"}, {"streamId": "u"})
        ),
        *(("series", series(connectionId="m", participantId=name)) for name in "ab"),
        *(("totals", {"subscriberId": "k", "media": "AUDIO", "at": at(minute), "packets": minute}) for minute in (1, 1.005, 2)),
        ("mention", {"participantId": "q"}),
    ]

    def build(records):
        by_kind = {}
        for kind, body in records:
            by_kind.setdefault(kind, []).append(body)
        return catalog(**by_kind, heard_at=[START])

    expected = build(told)
    for seed in range(50):
        shuffled = random.Random(seed).sample(told * 2, len(told) * 2)
        assert build(shuffled) == expected
