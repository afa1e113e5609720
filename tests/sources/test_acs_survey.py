from datetime import UTC, datetime

import pytest
from test_acs_logs import CALL, LEG, SURVEY, envelope, one, only, read, refused

from callscope.vocabulary import EventCategory


def survey(*without, **changes):
    return one("CallSurvey", SURVEY, without, **changes)


def test_an_answer_is_an_event_of_the_participant():
    event = only(survey(Fresh="x"), "event")
    assert (event.call_id, event.connection_id, event.category, event.name) == (CALL, LEG, EventCategory.SURVEY, "CallSurvey")
    assert event.at == datetime(2024, 5, 1, 11, 0, 0, 500_000, UTC)
    assert event.severity == "WARNING"
    assert event.payload == {
        "surveyId": "survey-1",
        "overall": {"score": 2, "normalised": 0.25, "isLow": True, "issues": ["HadToRejoin", "OtherIssues"]},
        "fresh": "x",
    }


@pytest.mark.parametrize(
    ("changes", "rating"),
    [
        (
            {
                "AudioRatingScore": "70",
                "AudioRatingScoreLowerBound": 0,
                "AudioRatingScoreUpperBound": 100,
                "AudioRatingScoreThreshold": 50,
            },
            {"score": 70, "lowerBound": 0, "upperBound": 100, "threshold": 50, "normalised": 0.7, "isLow": False},
        ),
        ({"AudioRatingScore": 3}, {"score": 3, "normalised": 0.5, "isLow": False}),
        ({"AudioRatingScore": 9}, {"score": 9, "isLow": False}),
        ({"AudioRatingScore": 1, "AudioRatingScoreUpperBound": 3}, {"score": 1, "upperBound": 3, "normalised": 0}),
        ({"AudioIssues": "Echo,,LowVolume"}, {"issues": ["Echo", "LowVolume"]}),
        ({"AudioRatingScoreUpperBound": 3}, {"upperBound": 3}),
    ],
)
def test_scores_are_normalised_and_kept(changes, rating):
    payload = only(survey("OverallRatingScore", **changes), "event").payload
    assert payload["audio"] == rating
    assert payload["overall"] == {"issues": ["HadToRejoin", "OtherIssues"]}


def test_columns_as_the_table_of_the_documentation_spells_them():
    spelled = {
        "ScreenshareRatingScore": 1,
        "ScreenshareLowerBound": 0,
        "ScreenshareUpperBound": 10,
        "ScreenshareRatingThreshold": 3,
    }
    rating = only(survey(**spelled), "event").payload["screenshare"]
    assert rating == {"score": 1, "lowerBound": 0, "upperBound": 10, "threshold": 3, "normalised": 0.1, "isLow": True}


def test_the_correlation_id_may_be_another_than_the_call():
    event = only(read([envelope("CallSurvey", SURVEY, correlationId="other")]), "event")
    assert (event.call_id, event.payload["correlationId"]) == (CALL, "other")
    assert only(read([envelope("CallSurvey", SURVEY | {"CallId": None}, correlationId="other")]), "event").call_id == "other"


def test_a_scale_that_is_none():
    assert refused(survey(OverallRatingScoreLowerBound=5, OverallRatingScoreUpperBound=5)).code == "number_invalid"
    assert refused(survey(OverallRatingScore="good")).field == "OverallRatingScore"


def test_a_survey_that_rates_nothing():
    event = only(survey("OverallRatingScore", "OverallCallIssues"), "event")
    assert (event.severity, event.payload) == ("INFO", {"surveyId": "survey-1"})
