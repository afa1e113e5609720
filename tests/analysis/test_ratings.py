"""What participants thought of a call."""

from dataclasses import replace

import pytest
from happened import C, P, event, later, span
from hypothesis import given, settings
from hypothesis import strategies as st

from callscope.analysis.ratings import LOW_RATING, TAGS, CallRating, call_rating, rating_findings, ratings
from callscope.analysis.rules import Override, overridden
from callscope.sources.registry import recognise
from callscope.telemetry import EventRecord

TEN = {"lowerBound": 0, "upperBound": 10}


def survey(second, payload, **rest):
    return event("CallSurvey", second, payload, category="SURVEY", **rest)


def only(payload):
    (found,) = ratings([survey(1, payload)]).values()
    return found


class TestScales:
    @pytest.mark.parametrize(
        ("told", "value"),
        [
            ({"score": 1}, 0),
            ({"score": 5}, 1),
            ({"score": 4}, 0.75),
            ({"score": 7} | TEN, 0.7),
            ({"score": 50, "lowerBound": 0, "upperBound": 100}, 0.5),
            ({"score": 0, "lowerBound": -1, "upperBound": 1}, 0.5),
        ],
    )
    def test_from_worst_to_best(self, told, value):
        assert only({"overall": told}).value == value

    @pytest.mark.parametrize(
        "told",
        [
            {"score": 6},
            {"score": 0},
            {"score": 5, "lowerBound": 5, "upperBound": 5},
            {"score": 5, "lowerBound": 9, "upperBound": 1},
            {"score": True},
            {"score": "4"},
            {"score": float("nan")},
            {"score": None},
            {},
            "4",
            None,
            [],
        ],
    )
    def test_what_makes_no_sense_is_no_rating(self, told):
        assert ratings([survey(1, {"overall": told})]) == {}
        assert ratings([survey(1, told)]) == {}


class TestForms:
    @pytest.mark.parametrize(
        "payload",
        [
            4,
            4.0,
            {"score": 4},
            {"rating": 4},
            {"stars": 4, "comment": "fine"},
            {"overall": 4},
            {"Overall": {"Score": 4}},
            {"overallRating": 4},
        ],
    )
    def test_of_an_overall_score(self, payload):
        found = only(payload)
        assert (found.value, found.lowest, found.words) == (0.75, 0.75, "overall 4 on a scale from 1 to 5")

    @pytest.mark.parametrize("tags", [["Echo", "LowVolume"], "Echo, LowVolume,", ["Echo", 7, " ", "LowVolume"]])
    def test_of_tags(self, tags):
        assert only({"audio": {"issues": tags}}).words == "audio (echo, low volume)"

    def test_of_several_aspects(self):
        found = only({"screenshare": {"score": 2} | TEN, "overall": 4, "video": {"issues": ["Freezes"]}})
        assert (found.value, found.lowest) == (0.75, 0.2)
        assert found.words == ("overall 4 on a scale from 1 to 5; video (freezes); screen share 2 on a scale from 0 to 10")

    def test_without_an_overall_score_the_lowest_stands(self):
        assert only({"audio": 4, "video": 2}).value == 0.25
        assert only({"audio": {"issues": ["Echo"]}}).value is None

    @pytest.mark.parametrize(
        ("tag", "words"),
        [
            ("HadToRejoin", "had to rejoin"),
            ("NoRemoteAudio", "heard nothing"),
            ("bad sound", "bad sound"),
            ("TVNoise", "tv noise"),
            ("???", "???"),
        ],
    )
    def test_of_tags_in_words(self, tag, words):
        assert only({"audio": {"tags": [tag]}}).words == f"audio ({words})"
        assert all(" " in told for told in TAGS.values())


def low(payload):
    return rating_findings([survey(7, payload)])


class TestLowRating:
    @pytest.mark.parametrize(
        ("told", "is_low"),
        [
            ({"score": 2}, True),
            ({"score": 2.01}, False),
            ({"score": 3, "threshold": 3}, True),
            ({"score": 3.01, "threshold": 3}, False),
            ({"score": 2, "threshold": 1}, False),
            ({"score": 2.5} | TEN, True),
            ({"score": 2.51} | TEN, False),
            ({"score": 5, "threshold": 5} | TEN, True),
            ({"score": 6, "threshold": 5} | TEN, False),
            ({"issues": ["Echo"]}, False),
        ],
    )
    @pytest.mark.parametrize("aspect", ["overall", "audio", "video", "screenshare"])
    def test_at_or_below_the_cut_off(self, told, is_low, aspect):
        assert len(low({aspect: told})) == is_low

    def test_is_information_about_the_participant(self):
        (found,) = low({"overall": 4, "audio": {"score": 3, "threshold": 5, "issues": ["Echo"]} | TEN})
        assert (found.kind, found.severity, found.rule, found.participant_key) == ("LOW_RATING", "INFO", LOW_RATING, P)
        assert (span(found), found.connection_key, found.observed, found.level.limit.on) == ((7, None, 7), C, 0.3, 0.5)
        assert found.words == "overall 4 on a scale from 1 to 5; audio 3 on a scale from 0 to 10 (echo)"

    def test_is_one_for_each_participant(self):
        told = [survey(n, 1, participant_key=key) for n, key in enumerate(["participant/q", "participant/p", None])]
        assert [one.participant_key for one in rating_findings(told)] == ["participant/q", "participant/p", None]

    def test_with_another_usual_cut_off(self):
        (rule,) = overridden([LOW_RATING], [Override("LOW_RATING", threshold=0.75)])
        assert len(rating_findings([survey(1, 4)], rule)) == 1
        assert rating_findings([survey(1, {"score": 4, "threshold": 2})], rule) == []

    def test_other_events_are_none(self):
        assert rating_findings([event("CallSurvey", 1, 1, category="OTHER")]) == []


class TestSeveralAnswers:
    @pytest.mark.parametrize("order", [1, -1])
    def test_the_last_one_stands(self, order):
        told = [survey(1, {"overall": 1, "audio": 2}), survey(2, {"overall": 5})]
        found = ratings(told[::order])[P]
        assert (found.value, found.lowest) == (1, 0.25)

    @pytest.mark.parametrize("order", [1, -1])
    def test_of_one_instant_the_worst_stands(self, order):
        assert ratings([survey(1, 5), survey(1, 2), survey(1, 3)][::order])[P].value == 0.25

    @pytest.mark.parametrize("order", [1, -1])
    def test_tags_alone_do_not_undo_a_score(self, order):
        told = [survey(1, {"audio": 2}), survey(2, {"audio": {"issues": ["Echo"]}})]
        assert ratings(told[::order])[P].value == 0.25


class TestCall:
    def test_of_nobody(self):
        assert call_rating([]) == CallRating(0, None, None)

    def test_of_several(self):
        told = ratings([survey(1, 5, participant_key="a"), survey(1, {"overall": 3, "audio": 1}, participant_key="b")])
        assert call_rating(told.values()) == CallRating(2, 0.75, 0)

    def test_tags_alone_are_no_score(self):
        told = ratings([survey(1, {"audio": {"issues": ["Echo"]}})])
        assert call_rating(told.values()) == CallRating(0, None, None)


ANSWERS = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from(["p", "q", None]),
        st.dictionaries(
            st.sampled_from(["overall", "audio", "video"]),
            st.fixed_dictionaries(
                {"score": st.integers(0, 6)}, optional={"threshold": st.integers(1, 5), "issues": st.just(["Echo"])}
            ),
        ),
    ),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(ANSWERS, st.randoms(use_true_random=False), st.integers(1, 10**9))
def test_any_order_gives_the_same_and_time_shifts_them_alone(answers, chance, by):
    told = [survey(second, payload, participant_key=key) for second, key, payload in answers]
    expected = rating_findings(told)
    shuffled = list(told)
    chance.shuffle(shuffled)
    assert rating_findings(shuffled) == expected
    assert rating_findings(replace(one, at=one.at + by) for one in told) == [later(one, by) for one in expected]


def test_a_thousand_ratings_of_one_call():
    assert len(rating_findings(survey(n, 1, participant_key=n) for n in range(1000))) == 1000


def test_the_surveys_that_azure_documents(shared_data):
    with (shared_data / "acs" / "ACSCallSurvey.json").open("rb") as file:
        source = recognise(file.read(4096))
        file.seek(0)
        told = [one for one in source.read(file) if isinstance(one, EventRecord)]
    events = [survey(n, one.payload, participant_key=n) for n, one in enumerate(told)]
    assert [rating.value for rating in ratings(events).values()] == [0.7, 0.2]
    assert [(one.participant_key, one.words) for one in rating_findings(events)] == [
        (1, "screen share 2 on a scale from 0 to 10 (stopped unexpectedly, cannot present)")
    ]
