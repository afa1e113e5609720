"""Which conditions a row must meet to be read."""

import pytest

from callscope.query.compiler import Compiler
from callscope.query.readable import ALL, Readable

WHOLE = Readable("{row}.a", "{row}.e", "{row}.g or true")


@pytest.mark.parametrize(
    ("entered", "aging", "expected"),
    [
        (False, False, ["(t.a)"]),
        (True, False, ["(t.a)", "(t.e)"]),
        (False, True, ["(t.a)", "(t.g or true)"]),
        (True, True, ["(t.a)", "(t.e)", "(t.g or true)"]),
    ],
)
def test_are_asked_by_how_the_row_is_reached(entered, aging, expected):
    assert list(WHOLE.conditions("t", entered=entered, aging=aging)) == expected
    assert list(ALL.conditions("t", entered=entered, aging=aging)) == []


def test_are_those_of_the_scope_that_the_table_is_read_in():
    tables = {"": {"one": WHOLE, "two": WHOLE}, "other": {"one": Readable(entered="{row}.o")}}
    compiler = Compiler(None, {}, {}, scopes={"other": {"one": "other.one"}}, readable_tables=tables, aging=True)
    assert compiler.readable("one", "t", entered=True) == ["(t.a)", "(t.e)", "(t.g or true)"]
    assert compiler.readable("one", "t", named=True) == ["(t.a)"]
    assert compiler.readable("unknown", "t", entered=True) == []
    with compiler.within("other"):
        assert compiler.readable("one", "t", entered=True) == ["(t.o)"]
        assert compiler.readable("two", "t") == ["(t.a)", "(t.g or true)"]
