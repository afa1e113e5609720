"""What attempts show."""

import pytest
from happened import later, span
from hypothesis import given, settings
from hypothesis import strategies as st
from told import at, catalog, connection, stream, subscriber

from callscope.analysis.attempts import FAILED_ATTEMPTS, RULES, SPARE, UNEXPECTED_REASONS, attempt_findings
from callscope.analysis.rules import Override, overridden


def findings(**told):
    return attempt_findings(catalog(**told))


def only(**told):
    (found,) = findings(**told)
    return found


def test_none_where_all_went_well():
    told = [
        connection("a", connectedAt=at(0), closedAt=at(1), closeReason="clientDisconnected"),
        connection("b", attemptedAt=at(0)),
    ]
    assert findings(connection=told, stream=[stream(connectionId="a", publishedAt=at(0))]) == []


@pytest.mark.parametrize(
    ("told", "kind", "severity", "keys"),
    [
        ({"connection": [connection("c", attemptedAt=at(1), failedAt=at(2))]}, "CONNECT_FAILED", "CRITICAL", (None, None)),
        (
            {"stream": [stream(connectionId="c", attemptedAt=at(1), failedAt=at(2))]},
            "PUBLISH_FAILED",
            "ERROR",
            ("stream/s", None),
        ),
        (
            {"subscriber": [subscriber(connectionId="c", attemptedAt=at(1), failedAt=at(2))]},
            "SUBSCRIBE_FAILED",
            "ERROR",
            ("stream/s", "subscriber/r"),
        ),
    ],
)
def test_a_failed_attempt(told, kind, severity, keys):
    found = only(**told)
    assert (found.kind, found.severity, found.rule.name, found.kind in FAILED_ATTEMPTS) == (kind, severity, kind.lower(), True)
    # It is seen until it has failed, so that what happened in between is evidence.
    assert span(found) == (60, None, 120)
    assert (found.participant_key, found.connection_key) == ("participant/c", "connection/c")
    assert (found.stream_key, found.subscriber_key, found.level, found.observed) == (*keys, None, None)


class TestRecovery:
    def recovered(self, later):
        told = [connection("a", participantId="p", attemptedAt=at(1), failedAt=at(2)), later]
        (found,) = [
            one for one in findings(connection=told) if one.connection_key == "connection/a" and one.kind == "CONNECT_FAILED"
        ]
        return span(found)[1]

    def test_when_the_participant_succeeded_later(self):
        assert self.recovered(connection("b", participantId="p", attemptedAt=at(3), connectedAt=at(3.01))) == 180

    @pytest.mark.parametrize(
        "later",
        [
            connection("b", participantId="p", attemptedAt=at(0), connectedAt=at(4)),
            connection("b", participantId="q", attemptedAt=at(3), connectedAt=at(4)),
            connection("b", participantId="p", attemptedAt=at(0), connectedAt=at(0), closedAt=at(1.9)),
            connection("b", participantId="p", attemptedAt=at(3), failedAt=at(4)),
        ],
    )
    def test_not_otherwise(self, later):
        assert self.recovered(later) is None

    @pytest.mark.parametrize(("stream_id", "ended"), [("s", 180), ("t", None)])
    def test_a_subscriber_recovers_with_the_same_stream(self, stream_id, ended):
        told = [
            subscriber("r", "s", connectionId="c", attemptedAt=at(1), failedAt=at(2)),
            subscriber("q", stream_id, connectionId="c", attemptedAt=at(3), subscribedAt=at(4)),
        ]
        found = only(subscriber=told, stream=[stream("s", publishedAt=at(0)), stream("t", publishedAt=at(0))])
        assert span(found) == (60, ended, None if ended else 120)

    def test_by_the_first_success_of_several(self):
        told = [connection("a", participantId="p", attemptedAt=at(1), failedAt=at(2))]
        told += [connection(str(when), participantId="p", attemptedAt=at(when), connectedAt=at(when)) for when in (9, 3, 5)]
        (found,) = [one for one in findings(connection=told) if one.kind == "CONNECT_FAILED"]
        assert span(found)[1] == 180


class TestSpare:
    """Of one who is connected otherwise, no attempt that fails ends the call."""

    def failed(self, *others):
        told = [connection("a", participantId="p", attemptedAt=at(1), failedAt=at(2)), *others]
        return next(one for one in findings(connection=told) if one.kind == "CONNECT_FAILED")

    @pytest.mark.parametrize(("connected", "closed"), [(0, None), (0, 2), (1.5, 9), (2, None)])
    def test_while_another_connection_is_up(self, connected, closed):
        up = connection("b", participantId="p", connectedAt=at(connected), **({} if closed is None else {"closedAt": at(closed)}))
        found = self.failed(up)
        assert (found.severity, found.rule, span(found)) == ("WARNING", SPARE, (60, 120, None))

    @pytest.mark.parametrize(
        "other",
        [
            connection("b", participantId="p", connectedAt=at(0), closedAt=at(1.9)),
            connection("b", participantId="p", connectedAt=at(2.1)),
            connection("b", participantId="p", connectedAt=at(9), closedAt=at(0)),
            connection("b", participantId="q", connectedAt=at(0)),
            connection("b", participantId="p", attemptedAt=at(0)),
        ],
    )
    def test_not_otherwise(self, other):
        found = self.failed(other)
        assert (found.severity, found.rule.name) == ("CRITICAL", "connect_failed")

    def test_a_lost_connection_beside_another_is_missed_by_nobody(self):
        told = [
            connection("a", participantId="p", connectedAt=at(0), closedAt=at(5), closeReason="failed"),
            connection("b", participantId="p", connectedAt=at(1), closedAt=at(9)),
        ]
        found = only(connection=told)
        assert (found.kind, found.severity, span(found)) == ("UNEXPECTED_DISCONNECT", "WARNING", (300, 300, None))
        assert found.words == "failed; another connection of the participant was up"

    def test_but_those_that_are_lost_together_are(self):
        told = [
            connection(name, participantId="p", connectedAt=at(0), closedAt=at(5), closeReason="failed") for name in ("a", "b")
        ]
        assert [(one.severity, span(one)) for one in findings(connection=told)] == [("ERROR", (300, None, None))] * 2


class TestUnexpectedDisconnect:
    @pytest.mark.parametrize(
        "ending",
        [
            *({"closeReason": reason} for reason in sorted(UNEXPECTED_REASONS)),
            {"error": {"code": 0}},
            {"error": {"message": "x"}},
        ],
    )
    def test_by_error_or_reason(self, ending):
        found = only(connection=[connection("c", connectedAt=at(1), closedAt=at(5), **ending)])
        assert (found.kind, found.severity, span(found)) == ("UNEXPECTED_DISCONNECT", "ERROR", (300, None, None))
        assert found.kind not in FAILED_ATTEMPTS

    def test_not_while_it_lasts_and_not_of_what_never_connected(self):
        told = [
            connection("a", connectedAt=at(1), closeReason="failed"),
            connection("b", attemptedAt=at(1), closedAt=at(2), closeReason="failed"),
        ]
        assert findings(connection=told) == []

    @pytest.mark.parametrize(("back", "ended"), [(6, 360), (5, 300), (4, 300)])
    def test_recovers_when_the_participant_is_back(self, back, ended):
        told = [
            connection("a", participantId="p", connectedAt=at(1), closedAt=at(5), closeReason="failed"),
            connection("b", participantId="p", connectedAt=at(back), closedAt=at(9)),
        ]
        assert span(only(connection=told))[1] == ended


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({}, ""),
        ({"code": 1500}, "code 1500"),
        ({"code": 480, "subcode": 5, "message": "Unavailable"}, "code 5/480; Unavailable"),
        ({"message": "Unavailable"}, "Unavailable"),
    ],
)
def test_says_it_in_the_platforms_words(error, words):
    assert only(connection=[connection("c", failedAt=at(1), error=error)]).words == words


def test_says_why_a_connection_was_lost():
    lost = connection("c", connectedAt=at(0), closedAt=at(1), closeReason="networkDisconnected")
    assert only(connection=[lost]).words == "networkDisconnected"


class TestSlowSetup:
    @pytest.mark.parametrize(("seconds", "is_slow"), [(5, False), (5.001, True), (0, False), (60, True)])
    def test_above_five_seconds(self, seconds, is_slow):
        found = findings(connection=[connection("c", attemptedAt=at(0), connectedAt=at(seconds / 60))])
        assert len(found) == is_slow
        for one in found:
            assert (one.kind, one.severity, span(one)) == ("SLOW_SETUP", "WARNING", (0, seconds, None))
            assert (one.observed, one.level.limit.on) == (seconds, 5)

    def test_not_of_what_was_never_seen_connecting(self):
        call = catalog(connection=[connection("c", attemptedAt=at(0), connectedAt=at(1))])
        call.connections["connection/c"].is_implied = True
        assert attempt_findings(call) == []

    def test_with_another_threshold(self):
        rules = overridden(RULES, [Override("SLOW_SETUP", threshold=70)])
        told = [connection(str(seconds), attemptedAt=at(0), connectedAt=at(seconds / 60)) for seconds in (60, 80)]
        assert [one.observed for one in attempt_findings(catalog(connection=told), rules)] == [80]


def visits(*starts, lasting=0.5, participant="p"):
    return [
        connection(f"{participant}{start}", participantId=participant, connectedAt=at(start), closedAt=at(start + lasting))
        for start in starts
    ]


class TestRejoins:
    @pytest.mark.parametrize(
        ("starts", "expected"),
        [
            ((0, 5, 10), (0, 600, 3)),
            ((0, 5, 10.001), None),
            ((0, 5), None),
            ((0, 1, 2, 3), (0, 180, 4)),
            ((0, 5, 10, 15, 20), (0, 1200, 3)),
        ],
    )
    def test_three_within_ten_minutes(self, starts, expected):
        found = [(*span(one)[:2], one.observed) for one in findings(connection=visits(*starts))]
        assert found == ([] if expected is None else [expected])

    def test_twice(self):
        found = findings(connection=visits(0, 1, 2, 60, 61, 62, 63))
        assert [(span(one)[0], one.observed, one.connection_key) for one in found] == [
            (0, 3, "connection/p2"),
            (3600, 4, "connection/p63"),
        ]

    def test_not_of_several_at_once(self):
        assert findings(connection=visits(0, 1, 2, 3, lasting=30)) == []

    def test_not_under_a_connection_that_goes_on(self):
        told = [*visits(1, 2, 3), connection("main", participantId="p", connectedAt=at(0))]
        assert findings(connection=told) == []

    def test_not_of_different_participants_nor_of_failed_attempts(self):
        told = [*visits(0, 1), *visits(2, participant="q"), connection("f", participantId="p", attemptedAt=at(2))]
        assert findings(connection=told) == []


class TestPath:
    def network(self, **network):
        return findings(connection=[connection("c", connectedAt=at(0), closedAt=at(1), network=network)])

    @pytest.mark.parametrize(
        ("local", "remote", "is_used"), [("relay", "host", True), ("srflx", "relay", True), ("host", "prflx", False)]
    )
    def test_relays(self, local, remote, is_used):
        found = self.network(localCandidateType=local, remoteCandidateType=remote)
        assert [(one.kind, one.severity, span(one)) for one in found] == [("RELAY_USED", "INFO", (0, None, 60))] * is_used
        assert [one.words for one in found] == [f"local {local}, remote {remote}"] * is_used

    @pytest.mark.parametrize(
        ("transport", "is_used"), [("tcp", True), ("TLS", True), ("udp", False), (None, False), ("quic", False)]
    )
    def test_tcp(self, transport, is_used):
        found = self.network(transport=transport)
        assert [(one.kind, one.severity, one.words) for one in found] == [("TCP_USED", "INFO", f"{transport}".upper())] * is_used

    def test_both_while_it_lasts(self):
        network = {"transport": "tls", "localCandidateType": "relay"}
        found = findings(connection=[connection("c", connectedAt=at(0), network=network)])
        assert [(one.kind, span(one)) for one in found] == [("RELAY_USED", (0, None, None)), ("TCP_USED", (0, None, None))]
        assert found[0].words == "local relay, remote unknown"

    def test_not_of_what_never_connected(self):
        network = {"transport": "tls", "localCandidateType": "relay"}
        assert findings(connection=[connection("c", attemptedAt=at(0), network=network)]) == []


def test_come_in_order_of_time():
    told = {
        "connection": [connection("b", failedAt=at(5)), connection("c", connectedAt=at(0), closedAt=at(3), closeReason="failed")],
        "stream": [stream("s", connectionId="c", failedAt=at(1))],
    }
    assert [one.kind for one in findings(**told)] == ["PUBLISH_FAILED", "UNEXPECTED_DISCONNECT", "CONNECT_FAILED"]


def test_rules_that_watch_nothing_of_this_find_nothing():
    rules = [rule for rule in RULES if rule.kind == "TCP_USED"]
    assert attempt_findings(catalog(connection=[connection("c", failedAt=at(1))]), rules) == []


def test_thousands_of_failures_of_one_call():
    told = [connection(f"f{n}", participantId="p", attemptedAt=at(n), failedAt=at(n)) for n in range(1000)]
    told += [
        connection(f"s{n}", participantId="p", attemptedAt=at(n + 0.5), connectedAt=at(n + 0.5), closedAt=at(n + 0.9))
        for n in range(1000)
    ]
    found = [one for one in findings(connection=told) if one.kind == "CONNECT_FAILED"]
    assert [span(one)[1] for one in found] == [n * 60 + 30 for n in range(1000)]


ATTEMPTS = st.lists(
    st.tuples(
        st.sampled_from("pq"),
        st.integers(0, 60),
        st.integers(0, 20),
        st.integers(0, 20),
        st.sampled_from(["failed", "left", None]),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(ATTEMPTS, st.randoms(use_true_random=False), st.integers(1, 10_000))
def test_any_order_gives_the_same_and_time_shifts_them_alone(attempts, chance, by):
    def told(minutes):
        return [
            connection(
                str(number),
                participantId=who,
                attemptedAt=at(start + minutes),
                closedAt=at(start + setup + lasting + minutes),
                closeReason=reason,
                network={"transport": "tcp"},
                **({"failedAt": at(start + setup + minutes)} if reason is None else {"connectedAt": at(start + setup + minutes)}),
            )
            for number, (who, start, setup, lasting, reason) in enumerate(attempts)
        ]

    expected = findings(connection=told(0))
    shuffled = told(0)
    chance.shuffle(shuffled)
    assert findings(connection=shuffled) == expected
    assert findings(connection=told(by)) == [later(one, by * 60_000) for one in expected]
