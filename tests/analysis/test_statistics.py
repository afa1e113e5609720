"""A stretch of a call in figures."""

import pytest
from told import at, catalog, connection, instant, stream, subscriber

from callscope.analysis.statistics import Stretch, endpoint_of, most_at_once, sdk_of, statistics

END = 60


def figures(*, large_above=100, error_events=0, issues=0, **told):
    found = catalog(**told)
    stretch = Stretch(
        list(found.participants.values()),
        list(found.connections.values()),
        list(found.streams.values()),
        list(found.subscribers.values()),
        instant(END),
        error_events,
        issues,
        "subscriber" in found.told,
    )
    return statistics(stretch, large_above)


def people(*names, kind="BROWSER"):
    return [{"participantId": name, "kind": kind} for name in names]


def connected(*names, start=0, end=30):
    return [connection(name, participantId=name, connectedAt=at(start), closedAt=at(end)) for name in names]


def published(*names, start=1, end=30):
    return [stream(f"s-{name}", connectionId=name, publishedAt=at(start), unpublishedAt=at(end)) for name in names]


def subscribed(*pairs, start=1, end=30):
    return [
        subscriber(f"{name}-{of}", f"s-{of}", connectionId=name, subscribedAt=at(start), endedAt=at(end)) for name, of in pairs
    ]


def test_of_nothing():
    found = figures()
    assert (found.participant_count, found.call_type, found.is_large, found.sdks, found.endpoints) == (
        0,
        "UNKNOWN",
        False,
        [],
        [],
    )
    assert (found.max_concurrent_connections, found.streamed_minutes, found.connect_attempts) == (0, 0, 0)


class TestCallType:
    @pytest.mark.parametrize(
        ("told", "expected"),
        [
            ({"connection": connected("a", "b")}, "UNKNOWN"),
            ({"connection": connected("a", "b"), "stream": [stream("s", connectionId="a", failedAt=at(1))]}, "UNKNOWN"),
            ({"connection": connected("a"), "stream": published("a")}, "ONE_TO_ZERO"),
            (
                {
                    "connection": connected("a", "b"),
                    "stream": published("a"),
                    "subscriber": [subscriber("r", "s-a", connectionId="b", failedAt=at(1))],
                },
                "ONE_TO_ZERO",
            ),
            ({"connection": connected("a", "b"), "stream": published("a")}, "ONE_TO_ONE"),
            ({"connection": connected("a", "b"), "stream": published("a", "b")}, "ONE_TO_ONE"),
            ({"connection": connected("a", "b", "c"), "stream": published("a")}, "BROADCAST"),
            ({"connection": connected("a", "b", "c"), "stream": published("a", "b")}, "MULTIPARTY"),
            (
                {
                    "connection": connected("a", "b", "c"),
                    "stream": [*published("a"), stream("screen", connectionId="a", publishedAt=at(5))],
                },
                "BROADCAST",
            ),
        ],
    )
    def test_is_told_by_who_publishes_to_whom(self, told, expected):
        assert figures(**told).call_type == expected

    def test_subscribers_count_where_sources_tell_of_them(self):
        told = {"connection": connected("a", "b"), "stream": published("a")}
        assert figures(**told, subscriber=subscribed(("b", "a"))).call_type == "ONE_TO_ONE"

    @pytest.mark.parametrize(("kind", "expected"), [("SERVER", "ONE_TO_ONE"), ("BOT", "BROADCAST"), ("SIP", "BROADCAST")])
    def test_a_server_is_no_person(self, kind, expected):
        told = {"connection": connected("a", "b", "x"), "participant": people("x", kind=kind), "stream": published("a")}
        assert figures(**told).call_type == expected


class TestCounts:
    def test_what_succeeded_is_counted(self):
        found = figures(
            connection=[
                *connected("a", "b"),
                connection("f", participantId="b", failedAt=at(2)),
                connection("p", attemptedAt=at(3)),
            ],
            stream=[*published("a", "b"), stream("f", connectionId="a", failedAt=at(2)), stream("p", connectionId="a")],
            subscriber=[*subscribed(("a", "b")), subscriber("f", "s-a", connectionId="b", failedAt=at(2))],
            participant=[*people("sip", "sip2", kind="SIP"), *people("tel", kind="PSTN")],
        )
        assert (found.participant_count, found.sip_participant_count) == (6, 2)
        assert (found.connection_count, found.connect_attempts, found.connect_failures) == (2, 4, 1)
        assert (found.stream_count, found.publish_attempts, found.publish_failures) == (2, 4, 1)
        assert (found.subscriber_count, found.subscribe_attempts, found.subscribe_failures) == (1, 2, 1)

    def test_what_failed_after_success_is_no_failed_attempt(self):
        found = figures(connection=[connection("a", connectedAt=at(0), failedAt=at(1))])
        assert (found.connect_attempts, found.connect_failures, found.error_count) == (1, 0, 0)

    def test_a_connection_that_is_only_implied_was_not_attempted(self):
        found = figures(stream=published("a"), connection=connected("b"))
        assert (found.connection_count, found.connect_attempts) == (2, 1)

    def test_errors_are_failed_attempts_and_error_events(self):
        found = figures(
            connection=[connection("a", failedAt=at(0)), *connected("b")],
            stream=[stream("s", connectionId="b", failedAt=at(1))],
            subscriber=[subscriber("r", "s", connectionId="b", failedAt=at(1))],
            error_events=4,
            issues=2,
        )
        assert (found.error_count, found.issue_count) == (7, 2)

    @pytest.mark.parametrize(("large_above", "is_large"), [(1, True), (2, False), (3, False)])
    def test_is_large_with_more_subscribers_than_the_threshold(self, large_above, is_large):
        told = subscribed(("a", "b"), ("b", "a"))
        pending = subscriber("p", "s-a", attemptedAt=at(1))
        assert figures(subscriber=[*told, pending], large_above=large_above).is_large is is_large


class TestConcurrency:
    @pytest.mark.parametrize(
        ("spans", "expected"),
        [
            ([], 0),
            ([(0, 1)], 1),
            ([(0, 5), (5, 9)], 1),
            ([(5, 9), (0, 5)], 1),
            ([(0, 5), (4.99, 9)], 2),
            ([(0, 9), (1, 2), (3, 4)], 2),
            ([(0, 9), (1, 4), (3, 5), (4, 6)], 3),
            ([(0, 5)] * 3, 3),
            ([(5, 5)], 1),
            ([(5, 5), (5, 9)], 2),
            ([(0, 5), (5, 5), (5, 9)], 2),
        ],
    )
    def test_most_at_once(self, spans, expected):
        assert most_at_once((instant(start), instant(end)) for start, end in spans) == expected

    def test_of_connections_streams_and_subscribers(self):
        found = figures(
            connection=[*connected("a", "b", start=0, end=5), *connected("c", start=5, end=9)],
            stream=[*published("a", start=1, end=2), *published("b", start=2, end=3), *published("c", start=6, end=7)],
            subscriber=[*subscribed(("a", "b"), ("b", "b"), start=2, end=3), *subscribed(("c", "b"), start=2.5, end=3)],
        )
        assert found.max_concurrent_connections == 2
        assert found.max_concurrent_streams == 1
        assert found.max_concurrent_subscribers == 3

    def test_what_has_no_end_lasts_to_the_end(self):
        told = [connection("a", connectedAt=at(0)), *connected("b", start=50, end=59)]
        assert figures(connection=told).max_concurrent_connections == 2


class TestMinutes:
    def test_add_up(self):
        found = figures(
            stream=[*published("a", start=0, end=10), *published("b", start=5, end=7.5)],
            subscriber=subscribed(("a", "b"), start=6, end=7),
        )
        assert (found.published_minutes, found.subscribed_minutes, found.streamed_minutes) == (12.5, 1, 13.5)

    def test_what_has_no_end_lasts_to_the_end(self):
        found = figures(stream=[stream(publishedAt=at(50))], subscriber=[subscriber(subscribedAt=at(55))])
        assert (found.published_minutes, found.subscribed_minutes) == (10, 5)

    def test_none_are_negative(self):
        told = [stream("s", publishedAt=at(END + 5)), stream("t", publishedAt=at(5), unpublishedAt=at(3))]
        assert figures(stream=told).published_minutes == 0


class TestEndpoints:
    def count(self, *told):
        numbered = [{"participantId": str(number), **fields} for number, fields in enumerate(told)]
        found = figures(participant=numbered)
        return [[tuple(row.values()) for row in rows] for rows in (found.sdks, found.endpoints)]

    def test_sdks_by_how_many_use_them(self):
        web, new, unknown = {"name": "web", "version": "1"}, {"name": "web", "version": "2"}, {"name": "app"}
        sdks, _ = self.count({"sdk": new}, {"sdk": web}, {"sdk": unknown}, {"sdk": new}, {"sdk": {"version": "9"}}, {})
        assert sdks == [("sdk", "web", "2", 2), ("sdk", "app", None, 1), ("sdk", "web", "1", 1)]

    def test_endpoints_by_kind_name_and_major_version(self):
        chrome = {"kind": "BROWSER", "system": {"browser": "Chrome", "browserVersion": "140.0.1"}, "sdk": {"name": "web"}}
        newer = {"kind": "BROWSER", "system": {"browser": "Chrome", "browserVersion": "140.9"}}
        nameless = {"kind": "BROWSER", "system": {"os": "Linux"}}
        app = {"kind": "NATIVE", "sdk": {"name": "app", "version": "1.2"}}
        bare = {"kind": "NATIVE", "system": {"browser": "Chrome"}}
        _, endpoints = self.count(chrome, newer, nameless, app, bare, {"kind": "SIP", "sdk": {"name": "web"}}, {})
        assert endpoints == [
            ("BROWSER", "Chrome", "140", 2),
            ("BROWSER", "BROWSER", None, 1),
            ("NATIVE", "NATIVE", None, 1),
            ("NATIVE", "app", "1.2", 1),
            ("SIP", "SIP", None, 1),
            ("UNKNOWN", "UNKNOWN", None, 1),
        ]

    def test_versions_that_nobody_told_are_left_open(self):
        told = {"participantId": "p", "kind": "BROWSER", "system": {"browser": "Chrome"}, "sdk": {"name": "web"}}
        (one,) = catalog(participant=[told]).participants.values()
        assert (sdk_of(one), endpoint_of(one)) == (("sdk", "web", ""), ("BROWSER", "Chrome", ""))


def test_columns_are_those_of_the_tables():
    assert figures().columns()["call_type"] == "UNKNOWN"
    assert len(figures().columns()) == 23
