"""CallSurvey: what a participant thought of the call."""

from collections.abc import Iterator
from typing import Any

from callscope.sources.acs_columns import Row
from callscope.telemetry import EventRecord, Telemetry
from callscope.vocabulary import EventCategory, Severity

SUBJECTS = {"overall": "OverallCallIssues", "audio": "AudioIssues", "video": "VideoIssues", "screenshare": "ScreenshareIssues"}
DEFAULT_LOWER, DEFAULT_UPPER, DEFAULT_THRESHOLD = 1, 5, 2
"""The scale of the SDK where the application sets none; a score at or below the threshold is a bad one."""


def records(row: Row) -> Iterator[Telemetry]:
    """One event. Its payload has, for each subject that was rated, the score as given and from 0 (worst) to 1, and the tags."""
    row.text("operationName")
    call_id = row.call("callId", "correlationId")
    at = row.instant("CallClientTimeStamp") or row.logged_at()
    if at is None:
        raise row.error("TimeGenerated", "time_missing", "should tell when the survey was answered")
    ratings = {name: rating for name, tags in SUBJECTS.items() if (rating := _rating(row, name, tags))}
    is_low = any(rating.get("isLow") for rating in ratings.values())
    survey_id, correlation_id, connection_id = row.text("surveyId"), row.text("correlationId"), row.id("participantId")
    told = {"surveyId": survey_id, "correlationId": correlation_id if correlation_id != call_id else None}
    yield EventRecord(
        call_id=call_id,
        at=at,
        category=EventCategory.SURVEY,
        name="CallSurvey",
        severity=Severity.WARNING if is_low else Severity.INFO,
        payload={name: value for name, value in told.items() if value is not None} | ratings | row.rest(),
        connection_id=connection_id,
    )


def _rating(row: Row, name: str, tags: str) -> dict[str, Any]:
    score = row.number(f"{name}RatingScore")
    # The documentation's table lacks "RatingScore" in some of the names that its samples have.
    lower, upper = (_first(row, f"{name}RatingScore{bound}Bound", f"{name}{bound}Bound") for bound in ("Lower", "Upper"))
    threshold = _first(row, f"{name}RatingScoreThreshold", f"{name}RatingThreshold")
    issues = [tag.strip() for tag in (row.text(tags) or "").split(",") if tag.strip()]
    told: dict[str, Any] = {"score": score, "lowerBound": lower, "upperBound": upper, "threshold": threshold}
    if score is not None:
        low, high = (DEFAULT_LOWER if lower is None else lower), (DEFAULT_UPPER if upper is None else upper)
        if high <= low:
            raise row.error(f"{name}RatingScoreUpperBound", "number_invalid", "should be above the lower bound")
        if threshold is None and lower is upper is None:
            threshold = DEFAULT_THRESHOLD
        told |= {
            "normalised": round((score - low) / (high - low), 6) if low <= score <= high else None,
            "isLow": score <= threshold if threshold is not None else None,
        }
    return {key: value for key, value in told.items() if value is not None} | ({"issues": issues} if issues else {})


def _first(row: Row, *columns: str) -> float | None:
    return next((value for column in columns if (value := row.number(column)) is not None), None)
