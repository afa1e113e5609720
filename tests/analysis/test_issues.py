"""Findings as rows: when they ended, whom they concern, and what they come to."""

from dataclasses import replace

import pytest
from told import at, catalog, connection, instant, key, stream

from callscope.analysis.exceedance import Limit
from callscope.analysis.findings import Finding
from callscope.analysis.issues import burden, counts_by_participant, issues_of
from callscope.analysis.rules import Level, Rule
from callscope.vocabulary import Direction, IssueKind, Media, Metric, Severity

LEVEL = Level(Severity.ERROR, Limit(10.0, 7.0, 5.0))
LOSS = Rule("severe_packet_loss", IssueKind.HIGH_PACKET_LOSS, "somewhere", (LEVEL,), metric=Metric.PACKET_LOSS)
FAILED = Rule("connect_failed", IssueKind.CONNECT_FAILED, "stated", ())


def found(**told):
    seen = {
        "kind": told.get("rule", LOSS).kind,
        "severity": Severity.ERROR,
        "rule": LOSS,
        "level": LEVEL,
        "started_at": ms(10),
        "ended_at": ms(40),
        "observed": 12.5,
        "participant_key": "participant/p",
        "connection_key": "connection/c",
        "media": Media.AUDIO,
        "direction": Direction.SUBSCRIBE,
    }
    return Finding(**{**seen, **told})


def ms(minutes):
    return instant(minutes).timestamp() * 1000


def call(**told):
    return catalog(connection=[connection("c", participantId="p", connectedAt=at(0), **told)])


def only(finding, known=None):
    (issue,) = issues_of([finding], known or call(), key)
    return issue


def test_an_issue_carries_its_rule_and_what_shows_it():
    issue = only(found(series_keys=(3, 1), stream_key="stream/s"))
    assert (issue.rule_name, issue.rule_metric, issue.rule_source) == ("severe_packet_loss", "PACKET_LOSS", "somewhere")
    assert (issue.rule_threshold, issue.rule_clear_threshold, issue.rule_minimum_seconds) == (10.0, 7.0, 5.0)
    assert (issue.rule_observed, issue.series_keys, issue.stream_key) == (12.5, [1, 3], "stream/s")
    assert (issue.started_at, issue.ended_at, issue.is_recovered) == (instant(10), instant(40), True)
    assert issue.title
    assert issue.recommendation
    assert "12.5 %" in issue.description


def test_a_rule_that_measures_nothing_has_no_thresholds():
    issue = only(found(rule=FAILED, level=None, observed=None))
    assert (issue.rule_metric, issue.rule_threshold, issue.rule_observed) == (None, None, None)


class TestEnd:
    def test_one_that_goes_on_has_none(self):
        issue = only(found(ended_at=None, lasted_until=ms(50)))
        assert (issue.ended_at, issue.last_seen_at, issue.is_recovered) == (None, instant(50), False)

    def test_one_that_was_not_over_ended_when_it_was_last_seen_of_who_has_left(self):
        issue = only(found(ended_at=None, lasted_until=ms(50)), call(closedAt=at(60)))
        assert (issue.ended_at, issue.is_recovered) == (instant(50), False)

    def test_a_failed_attempt_is_over_by_a_later_success_alone(self):
        issue = only(found(rule=FAILED, level=None, ended_at=None), call(closedAt=at(60)))
        assert (issue.ended_at, issue.last_seen_at) == (None, issue.started_at)

    def test_nothing_ends_before_it_begins(self):
        assert only(found(ended_at=ms(5))).ended_at == instant(10)

    def test_it_lasted_as_long_as_it_was_seen(self):
        assert only(found()).seconds == 30 * 60
        assert only(found(ended_at=None, lasted_until=ms(20))).seconds == 10 * 60


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ({"connection_key": "connection/d"}, 2),
        ({"connection_key": None, "started_at": ms(10)}, 1),
        ({"connection_key": None, "started_at": ms(300)}, 2),
        ({"connection_key": None, "started_at": ms(-5)}, 1),
        ({"connection_key": None, "participant_key": None, "started_at": ms(300)}, 2),
    ],
)
def test_it_is_of_the_meeting_that_its_participant_was_in(told, number):
    known = catalog(
        connection=[
            connection("c", participantId="p", connectedAt=at(0), closedAt=at(60)),
            connection("d", participantId="p", connectedAt=at(200), closedAt=at(400)),
        ]
    )
    for row, meeting in zip(known.connections.values(), (1, 2), strict=True):
        row.meeting_number = meeting
    assert only(found(**told), known).meeting_number == number


def test_of_no_meeting_where_nobody_connected():
    assert only(found(connection_key=None), catalog()).meeting_number is None


def test_the_same_finding_keeps_its_key_and_is_one_issue():
    again = [found(), found(observed=20.0, ended_at=ms(60)), found(started_at=ms(70), ended_at=ms(80))]
    issues = issues_of(again, call(), key)
    assert len(issues) == 2
    assert issues[0].issue_key == only(again[1]).issue_key


def test_only_problems_are_counted():
    issues = issues_of(
        [
            found(severity=Severity.INFO),
            found(kind=IssueKind.HIGH_JITTER, severity=Severity.WARNING),
            found(rule=FAILED, level=None, severity=Severity.CRITICAL),
            found(participant_key="participant/q", connection_key=None, started_at=ms(30)),
        ],
        call(),
        key,
    )
    failed, every = counts_by_participant(issues)
    assert (failed, every) == ({"participant/p": 1, "participant/q": 0}, {"participant/p": 2, "participant/q": 1})
    assert burden(issues) == {"worst_severity": 3, "issue_seconds": (30 + 30 + 10) * 60}
    assert burden(issues[:1]) == {"worst_severity": 0, "issue_seconds": 0}
    assert counts_by_participant([replace(issues[1], participant_key=None)]) == ({}, {})


@pytest.mark.parametrize(
    ("publisher", "words"),
    [("ada", " from Ada "), ("bob", " from bob "), ("unknown", " received were "), (None, " received were ")],
)
def test_what_was_received_is_told_with_whom_it_came_from_if_anyone_can_tell(publisher, words):
    told = catalog(
        participant=[{"participantId": "ada", "displayName": "Ada"}, {"participantId": "p", "displayName": "Pat"}],
        connection=[connection("c", participantId="p", connectedAt=at(0))],
        stream=[stream("s", participantId=publisher)] if publisher else [],
    )
    assert words in only(found(stream_key="stream/s"), told).description
