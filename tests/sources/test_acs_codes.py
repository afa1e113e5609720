import pytest

from callscope.analysis.attempts import UNEXPECTED_REASONS
from callscope.sources.acs_codes import CATEGORIES, Ending
from callscope.telemetry import Failure


@pytest.mark.parametrize(
    ("category", "reason", "is_unexpected"),
    [
        ("Success", "Success", False),
        ("expectederror", "ExpectedError", False),
        ("UnxpectedClientError", "UnexpectedClientError", True),
        ("UnexpectedServerError", "UnexpectedServerError", True),
        ("Novel", "Novel", False),
        (None, None, True),
    ],
)
def test_the_category_decides_and_without_one_the_code(category, reason, is_unexpected):
    ending = Ending(410, 3101, category)
    assert (ending.reason, ending.is_unexpected) == (reason, is_unexpected)
    assert ending.failure == (Failure(code=410, subcode=3101) if is_unexpected else None)


def test_unexpected_categories_are_those_that_count_as_issues():
    assert {category for category in CATEGORIES.values() if category.startswith("Unexpected")} <= UNEXPECTED_REASONS


@pytest.mark.parametrize(("code", "subcode"), [(0, 0), (0, 5000), (410, 3101), (410, None), (None, None), (495, 7)])
def test_who_was_connected(code, subcode):
    assert Ending(code, subcode).was_connected


@pytest.mark.parametrize(
    ("code", "subcode"), [(487, 0), (603, 0), (410, 3100), (410, 301004), (0, 5003), (480, 10037), (404, None)]
)
def test_who_never_was(code, subcode):
    assert not Ending(code, subcode).was_connected


def test_an_unexpected_end_without_a_code_has_no_error_but_its_reason():
    assert Ending(category="UnexpectedClientError").failure is None
    assert not Ending(0, None).is_unexpected
