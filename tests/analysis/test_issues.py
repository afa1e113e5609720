"""Issues that telemetry states outright."""

from dataclasses import replace

import pytest
from told import at, catalog, connection, instant, key, stream, subscriber

from callscope.analysis.issues import UNEXPECTED_REASONS, counts_by_participant, stated_issues


def issues(**told):
    return stated_issues(catalog(**told), key)


def only(**told):
    (found,) = issues(**told)
    return found


def test_none_where_all_went_well():
    told = [
        connection("a", connectedAt=at(0), closedAt=at(1), closeReason="clientDisconnected"),
        connection("b", attemptedAt=at(0)),
    ]
    assert issues(connection=told, stream=[stream(connectionId="a", publishedAt=at(0))]) == []


@pytest.mark.parametrize(
    ("told", "kind", "severity", "stream_key"),
    [
        ({"connection": [connection("c", attemptedAt=at(1), failedAt=at(2))]}, "CONNECT_FAILED", "CRITICAL", None),
        ({"stream": [stream(connectionId="c", attemptedAt=at(1), failedAt=at(2))]}, "PUBLISH_FAILED", "ERROR", "stream/s"),
        (
            {"subscriber": [subscriber(connectionId="c", attemptedAt=at(1), failedAt=at(2))]},
            "SUBSCRIBE_FAILED",
            "ERROR",
            "stream/s",
        ),
    ],
)
def test_a_failed_attempt(told, kind, severity, stream_key):
    found = only(**told)
    assert (found.kind, found.severity, found.rule_name) == (kind, severity, kind)
    assert (found.started_at, found.ended_at, found.is_recovered) == (instant(1), None, False)
    assert (found.participant_key, found.connection_key, found.stream_key) == ("participant/c", "connection/c", stream_key)


class TestRecovery:
    def recovered(self, later):
        told = [connection("a", participantId="p", attemptedAt=at(1), failedAt=at(2)), later]
        (found,) = [issue for issue in issues(connection=told) if issue.connection_key == "connection/a"]
        return found.ended_at

    def test_when_the_participant_succeeded_later(self):
        assert self.recovered(connection("b", participantId="p", attemptedAt=at(3), connectedAt=at(4))) == instant(3)

    @pytest.mark.parametrize(
        "later",
        [
            connection("b", participantId="p", attemptedAt=at(0), connectedAt=at(4)),
            connection("b", participantId="q", attemptedAt=at(3), connectedAt=at(4)),
            connection("b", participantId="p", attemptedAt=at(3), failedAt=at(4)),
        ],
    )
    def test_not_otherwise(self, later):
        assert self.recovered(later) is None

    @pytest.mark.parametrize(("stream_id", "ended_at"), [("s", instant(3)), ("t", None)])
    def test_a_subscriber_recovers_with_the_same_stream(self, stream_id, ended_at):
        told = [
            subscriber("r", "s", connectionId="c", attemptedAt=at(1), failedAt=at(2)),
            subscriber("q", stream_id, connectionId="c", attemptedAt=at(3), subscribedAt=at(4)),
        ]
        found = only(subscriber=told, stream=[stream("s", publishedAt=at(0)), stream("t", publishedAt=at(0))])
        assert (found.ended_at, found.is_recovered) == (ended_at, ended_at is not None)


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
        assert (found.kind, found.severity, found.started_at) == ("UNEXPECTED_DISCONNECT", "ERROR", instant(5))

    def test_not_while_it_lasts_and_not_of_what_never_connected(self):
        told = [
            connection("a", connectedAt=at(1), closeReason="failed"),
            connection("b", attemptedAt=at(1), closedAt=at(2), closeReason="failed"),
        ]
        assert issues(connection=told) == []

    @pytest.mark.parametrize(("back", "ended_at"), [(6, instant(6)), (5, instant(5)), (4, None)])
    def test_recovers_when_the_participant_is_back(self, back, ended_at):
        told = [
            connection("a", participantId="p", connectedAt=at(1), closedAt=at(5), closeReason="failed"),
            connection("b", participantId="p", connectedAt=at(back), closedAt=at(9)),
        ]
        assert only(connection=told).ended_at == ended_at


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({}, "failed."),
        ({"code": 1500}, "failed (code 1500)."),
        ({"code": 480, "subcode": 5, "message": "Unavailable"}, "failed (code 5/480; Unavailable)."),
        ({"message": "Unavailable"}, "failed (Unavailable)."),
    ],
)
def test_says_it_in_the_platforms_words(error, words):
    assert only(connection=[connection("c", failedAt=at(1), error=error)]).description.endswith(words)


def test_says_why_a_connection_was_lost():
    lost = connection("c", connectedAt=at(0), closedAt=at(1), closeReason="networkDisconnected")
    assert only(connection=[lost]).description.endswith("(networkDisconnected).")


def test_come_in_order_of_time_and_keep_their_keys():
    told = {
        "connection": [connection("b", failedAt=at(5)), connection("c", connectedAt=at(0), closedAt=at(3), closeReason="failed")],
        "stream": [stream("s", connectionId="c", failedAt=at(1))],
    }
    found = issues(**told)
    assert [issue.kind for issue in found] == ["PUBLISH_FAILED", "UNEXPECTED_DISCONNECT", "CONNECT_FAILED"]
    more = issues(**told, subscriber=[subscriber(failedAt=at(0.5))])
    assert {issue.issue_key for issue in found} < {issue.issue_key for issue in more}


def test_one_that_hit_nobody_is_counted_for_nobody():
    (found,) = issues(connection=[connection("a", failedAt=at(1))])
    assert counts_by_participant([replace(found, participant_key=None)]) == ({}, {})


def test_are_counted_by_participant():
    told = [
        connection("a", participantId="p", failedAt=at(1)),
        connection("b", participantId="p", connectedAt=at(2), closedAt=at(3), closeReason="failed"),
        connection("c", participantId="q", connectedAt=at(2), closedAt=at(3)),
    ]
    failed, every = counts_by_participant(issues(connection=told))
    assert (failed, every) == ({"participant/p": 1}, {"participant/p": 2})
