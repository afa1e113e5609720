"""What a person reads of an issue."""

import re

import pytest
from happened import FIRST

from callscope.analysis.attempts import RULES as ATTEMPT_RULES
from callscope.analysis.attempts import SPARE
from callscope.analysis.connectivity import PATH_SWITCHES
from callscope.analysis.findings import Finding
from callscope.analysis.rule_book import RULES as METRIC_RULES
from callscope.analysis.rules import Rule, level
from callscope.analysis.wordings import MAX_WORDS, OF_RULES, WORDINGS, describe, quantity, wording_of
from callscope.vocabulary import Direction, IssueKind, Media, Metric, Severity, Unit

NAMES = {1: "Ada"}
MEASURED = {rule.kind: rule for rule in reversed((*METRIC_RULES, *ATTEMPT_RULES, PATH_SWITCHES))}


def finding(kind, *, lasting=None, seen=None, who=1, observed=None, words="", rule=None, **rest):
    """``lasting`` s until it was over, or ``seen`` s until it was last seen."""
    rule = rule or MEASURED.get(kind) or Rule("rule", kind, "source", ())
    return Finding(
        kind=kind,
        severity=Severity.WARNING,
        rule=rule,
        level=rule.levels[0] if rule.levels else None,
        started_at=FIRST,
        ended_at=None if lasting is None else FIRST + lasting * 1000,
        observed=observed,
        participant_key=who,
        words=words,
        lasted_until=None if seen is None else FIRST + seen * 1000,
        **rest,
    )


@pytest.mark.parametrize("kind", IssueKind)
class TestEveryKind:
    def test_is_complete(self, kind):
        self.complete(WORDINGS[kind])

    def complete(self, wording):
        assert wording.title
        assert not wording.title.endswith(".")
        assert len(wording.title) <= 60
        assert wording.happened
        assert not wording.happened.endswith(".")
        for advice in (wording.person, f"Developers: {wording.developer}"):
            assert re.fullmatch(r"[A-Z].+\.", advice)
        assert wording.recommendation == f"{wording.person} Developers: {wording.developer}"
        assert not re.search(r"[{}]|  ", wording.title + wording.recommendation)

    def test_reads_whatever_is_known(self, kind):
        for media in (*Media, None):
            for direction in (*Direction, None):
                for who in (1, 2, None):
                    told = describe(finding(kind, media=media, direction=direction, who=who, lasting=9, observed=0.4), NAMES)
                    assert re.fullmatch(r"[A-Z][^{}]+\.", told), told
                    assert "None" not in told
                    assert ("Ada" in told) == (who == 1)

    def test_names_no_kind_in_its_sentence(self, kind):
        assert kind.name not in describe(finding(kind), NAMES)


def test_says_no_more_kinds_than_there_are():
    assert set(WORDINGS) == set(IssueKind)
    assert len({wording.title for wording in WORDINGS.values()}) == len(WORDINGS)


class TestSpan:
    @pytest.mark.parametrize(
        ("times", "words"),
        [
            ({"lasting": 35}, "It lasted 35 s."),
            ({"lasting": 3725}, "It lasted 1 h 2 min 5 s."),
            ({"seen": 35}, "It was not over when last seen, 35 s after it began."),
            ({"seen": 0}, ""),
            ({}, ""),
            ({"lasting": 0}, ""),
            ({"lasting": -5}, ""),
        ],
    )
    def test_of_what_lasts(self, times, words):
        told = describe(finding(IssueKind.CAMERA_FREEZE, **times, rule=Rule("x", IssueKind.CAMERA_FREEZE, "y", ())), NAMES)
        assert told == " ".join(["Ada's camera delivered no frames.", words]).strip()

    def test_of_what_is_no_problem(self):
        told = finding(IssueKind.RELAY_USED, seen=60)
        told.severity = Severity.INFO
        assert describe(told, NAMES).endswith("TURN relay. It lasted 1 min.")

    @pytest.mark.parametrize(
        ("kind", "times", "words"),
        [
            ("CONNECT_FAILED", {}, "failed (code 1500)."),
            ("CONNECT_FAILED", {"seen": 50}, "failed (code 1500)."),
            ("CONNECT_FAILED", {"lasting": 20}, "failed (code 1500). A later attempt succeeded after 20 s."),
            ("PUBLISH_FAILED", {"lasting": 0}, "failed (code 1500). A later attempt succeeded at once."),
            ("UNEXPECTED_DISCONNECT", {"lasting": 20}, "wished it to (code 1500). The participant was back after 20 s."),
        ],
    )
    def test_of_attempts(self, kind, times, words):
        assert describe(finding(IssueKind[kind], words="code 1500", **times), NAMES).endswith(words)

    def test_of_one_that_nobody_missed(self):
        told = describe(finding(SPARE.kind, rule=SPARE, lasting=15, words="ICE failed"), NAMES)
        assert told == "Ada was connected, and an attempt to connect in another way as well failed (ICE failed)."


class TestRuleOfItsOwn:
    @pytest.mark.parametrize("rule", [SPARE], ids=lambda rule: rule.name)
    def test_is_complete_and_unlike_others_of_its_kind(self, rule):
        TestEveryKind().complete(wording_of(finding(rule.kind, rule=rule)))
        assert wording_of(finding(rule.kind, rule=rule)) is OF_RULES[rule.name] != WORDINGS[rule.kind]

    def test_all_others_go_by_their_kind(self):
        assert set(OF_RULES) == {SPARE.name}
        assert wording_of(finding(IssueKind.CONNECT_FAILED)) is WORDINGS[IssueKind.CONNECT_FAILED]


class TestPublisher:
    """Whoever receives several streams is told which one it was."""

    def told(self, publisher, direction=Direction.SUBSCRIBE, who=1):
        one = finding(IssueKind.VIDEO_FREEZE, media=Media.VIDEO, direction=direction, who=who)
        return describe(one, {1: "Ada", 2: "Bob\n", 3: "\u202e"}, publisher)

    @pytest.mark.parametrize(
        ("publisher", "begins"),
        [
            (2, "The video that Ada received from Bob stood still."),
            (None, "The video that Ada received stood still."),
            (3, "The video that Ada received stood still."),
            (9, "The video that Ada received stood still."),
        ],
    )
    def test_of_what_is_received(self, publisher, begins):
        assert self.told(publisher) == begins

    def test_not_of_what_is_sent(self):
        assert self.told(1, Direction.PUBLISH) == "The video that Ada sent stood still."

    def test_of_one_that_nobody_names(self):
        assert self.told(2, who=None) == "The video that a participant received from Bob stood still."


class TestMeasure:
    @pytest.mark.parametrize(
        ("kind", "media", "direction", "observed", "words"),
        [
            (
                "HIGH_PACKET_LOSS",
                Media.AUDIO,
                Direction.SUBSCRIBE,
                12.34,
                "Many packets of the audio that Ada received were lost. At worst it was 12.3 %, and 5 % is the threshold.",
            ),
            (
                "LOW_VIDEO_BITRATE",
                Media.VIDEO,
                Direction.PUBLISH,
                50_000,
                "The video that Ada sent had too few bits to look good. At worst it was 50 kbit/s, and 150 kbit/s is the"
                " threshold.",
            ),
            (
                "AUDIO_CONCEALMENT",
                Media.AUDIO,
                Direction.SUBSCRIBE,
                0.25,
                "Much of the audio that Ada received was made up to hide what was lost. At worst it was 25 %,"
                " and 3 % is the threshold.",
            ),
            (
                "HIGH_LATENCY",
                Media.CONNECTION,
                Direction.BOTH,
                400,
                "Packets of Ada's media took long on their way. At worst it was 400 ms, and 300 ms is the threshold.",
            ),
            (
                "SLOW_SETUP",
                None,
                None,
                8,
                "Ada waited long for the connection. At worst it was 8 (seconds from the attempt to the connection), and 5 is the"
                " threshold.",
            ),
            (
                "VIDEO_FREEZE",
                Media.SCREEN,
                Direction.SUBSCRIBE,
                0.5,
                "The shared screen that Ada received stood still. At worst it was 50 % (share of the time in which the"
                " picture stood still), and 30 % is the threshold.",
            ),
        ],
    )
    def test_worst_against_threshold(self, kind, media, direction, observed, words):
        assert describe(finding(IssueKind[kind], media=media, direction=direction, observed=observed), NAMES) == words

    def test_of_a_rating_is_in_its_words(self):
        rule = Rule("rated_bad", IssueKind.LOW_RATING, "x", (level(Severity.INFO, 0.25, 0.25, 0),))
        told = describe(finding(IssueKind.LOW_RATING, rule=rule, observed=0.2, words="overall 1 on a scale from 1 to 5"), NAMES)
        assert told == "Ada rated the call badly (overall 1 on a scale from 1 to 5)."

    @pytest.mark.parametrize("metric", Metric)
    def test_of_every_metric_has_its_unit(self, metric):
        assert (
            quantity(2, metric)
            == {
                Unit.BITS_PER_SECOND: "0.002 kbit/s",
                Unit.PERCENT: "2 %",
                Unit.MILLISECONDS: "2 ms",
                Unit.PER_SECOND: "2 per second",
                Unit.PIXELS: "2 pixels",
                Unit.RATIO: "200 %",
                Unit.COUNT: "2",
                Unit.SCORE: "2 on the scale from 1 to 5",
            }[metric.unit]
        )

    def test_without_a_metric_is_a_number(self):
        assert quantity(2.5, None) == "2.5"


class TestWords:
    @pytest.mark.parametrize(("name", "begins"), [("ada", "ada's camera"), ("{x}", "{x}'s camera"), (" A\nda ", "A da's camera")])
    def test_names_stay_as_they_are(self, name, begins):
        assert describe(finding(IssueKind.CAMERA_FREEZE), {1: name}).startswith(begins)

    @pytest.mark.parametrize("name", ["", " \n", "\x00"])
    def test_who_has_none_is_a_participant(self, name):
        assert describe(finding(IssueKind.CAMERA_FREEZE), {1: name}).startswith("A participant's camera")

    def test_of_great_length_are_cut(self):
        told = describe(finding(IssueKind.OTHER, words="x" * 5000), {1: "y" * 5000})
        assert len(told) < MAX_WORDS + 200
        assert "…)" in told
