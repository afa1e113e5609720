import pytest
from graphql import parse

from callscope.query.literals import MAX_DIGITS, large_numbers


@pytest.mark.parametrize("number", ["0", "-1", "1.5e308", "-1.5e308", "1e-9999", "9" * 308, "0." + "1" * (MAX_DIGITS - 2)])
def test_numbers_that_a_double_holds_are_taken(number: str) -> None:
    assert large_numbers(parse(f"{{ a(b: [{{ c: {number} }}]) }}")) == []


@pytest.mark.parametrize("number", ["1e309", "-1e309", "9" * 310, "9" * 5000, "0." + "1" * (MAX_DIGITS - 1)])
def test_larger_ones_are_refused_where_they_stand(number: str) -> None:
    (error,) = large_numbers(parse(f'{{\n  a(b: "{number}", c: {number}) }}'))
    assert error.message == "The number is too large."
    assert [(location.line, location.column) for location in error.locations or ()] == [(2, 15 + len(number))]


def test_each_of_them_is_named() -> None:
    assert len(large_numbers(parse("query ($a: Float = 1e999) { a(b: 1e999, c: 1) }"))) == 2
