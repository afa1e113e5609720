"""Names and tags are cleaned the same way everywhere, and refused with a reason."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscope.labels import MAX_NAME, MAX_TAG, MAX_TAGS, Labels, folded, labels
from callscope.vocabulary import UserErrorCode

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
HEBREW = "\u05e9\u05dc\u05d5\u05dd"


def codes(found: Labels) -> list[tuple[UserErrorCode, str]]:
    return [(error.code, error.field[-1]) for error in found.errors]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a", "a"),
        ("  two\t\n words\u00a0\u2003", "two words"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        (f"{FAMILY} {HEBREW}\u200f", f"{FAMILY} {HEBREW}\u200f"),
        ("'; drop table", "'; drop table"),
        ("x" * MAX_NAME, "x" * MAX_NAME),
        (" " * 5000 + "x", "x"),
        ("e\u0301" * MAX_NAME, "\u00e9" * MAX_NAME),
    ],
)
def test_a_name_is_kept_trimmed_and_in_normal_form(given: str, kept: str) -> None:
    assert labels(given, None) == Labels(kept)


@pytest.mark.parametrize(
    "given",
    ["", " ", "\n\t", "\u00a0\u3000", "\u200b\u200d", "\u200f", "\ufeff", "\u2028", "\u3164", "\u2800\ufe0f", "\u115f \u034f"],
)
def test_a_name_must_show_something(given: str) -> None:
    assert codes(labels(given, None)) == [(UserErrorCode.NAME_REQUIRED, "name")]
    assert codes(labels(None, [given])) == [(UserErrorCode.TAG_REQUIRED, "0")]


@pytest.mark.parametrize("given", ["x" * (MAX_NAME + 1), "x" * 10_000, "\U0001f600" * (MAX_NAME + 1)])
def test_a_name_is_not_too_long(given: str) -> None:
    found = labels(given, None)
    assert codes(found) == [(UserErrorCode.NAME_TOO_LONG, "name")]
    assert found.errors[0].message == f"The name should have at most 200 characters, not {len(given)}."


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x9f", "\u202e", "\u202a", "\u2066", "\u2069"])
def test_what_cannot_be_shown_is_refused_by_its_number(character: str) -> None:
    found = labels(f"a{character}b", ["fine", f"x{character}"])
    assert codes(found) == [(UserErrorCode.INVALID_CHARACTER, "name"), (UserErrorCode.INVALID_CHARACTER, "1")]
    assert all(f"U+{ord(character):04X}" in error.message and character not in error.message for error in found.errors)


def test_tags_that_differ_in_case_or_normal_form_are_one() -> None:
    given = ["Stra\u00dfe", "STRASSE", " caf\u00e9", "CAFE\u0301 ", "x", "X"]
    assert labels(None, given) == Labels(tags=["Stra\u00dfe", "caf\u00e9", "x"])


def test_no_tags_are_tags_too() -> None:
    assert labels(None, []) == Labels(tags=[])
    assert labels(None, None) == Labels()


def test_tags_are_few_and_short() -> None:
    found = labels(None, ["a", "b", "c", "D", "d", "x" * MAX_TAG, "y" * (MAX_TAG + 1), ""])
    assert codes(found) == [
        (UserErrorCode.TAG_TOO_LONG, "6"),
        (UserErrorCode.TAG_REQUIRED, "7"),
        (UserErrorCode.TOO_MANY_TAGS, "tags"),
    ]
    assert found.errors[-1].message == "There should be at most 3 tags, not 6."


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = labels("\x00" * 300, ["", "z" * 99])
    assert [code for code, _ in codes(found)] == ["NAME_TOO_LONG", "INVALID_CHARACTER", "TAG_REQUIRED", "TAG_TOO_LONG"]


def test_marks_without_end_take_no_time() -> None:
    since = time.monotonic()
    endless = "a" + "\u0301\u0323" * 200_000
    assert codes(labels(endless, [endless])) == [(UserErrorCode.NAME_TOO_LONG, "name"), (UserErrorCode.TAG_TOO_LONG, "0")]
    assert folded(endless) == endless
    assert time.monotonic() - since < 2


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=6))
def test_what_was_kept_is_kept_as_it_is(name: str, tags: list[str]) -> None:
    found = labels(name, tags)
    if not found.errors:
        assert labels(found.name, found.tags) == found
        assert found.name == unicodedata.normalize("NFC", found.name).strip()
        assert len(found.tags) == len({folded(tag) for tag in found.tags}) <= MAX_TAGS


@given(st.text(max_size=40))
def test_case_and_normal_form_do_not_matter(text: str) -> None:
    assert folded(unicodedata.normalize("NFD", text)) == folded(text)
    assert folded(folded(text)) == folded(text)
