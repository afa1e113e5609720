"""Numbers, times and foreign words as reports write them."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callscope.analysis.plain_text import code, counted, duration, figure, instant, name, prose, visible


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (3, "3"),
        (9886, "9886"),
        (600.0, "600"),
        (12.345, "12.3"),
        (1.2345, "1.23"),
        (0.033333, "0.0333"),
        (0.5, "0.5"),
        (842123.7, "842124"),
        (9.999, "10"),
        (99.96, "100"),
        (-1.5, "-1.5"),
        (1e-9, "0.000000001"),
        (float("nan"), ""),
        (float("inf"), ""),
    ],
)
def test_a_figure_has_three_digits_or_all_of_a_whole_number(value, text):
    assert figure(value) == text


@given(st.floats(-1e15, 1e15, allow_nan=False).filter(lambda value: abs(value) > 1e-12))
def test_a_figure_is_nearly_the_number(value):
    assert float(figure(value)) == pytest.approx(value, rel=0.0051)
    assert re.fullmatch(r"-?\d+(\.\d*[1-9])?", figure(value))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0421, "0.0421 s"),
        (45.26, "45.3 s"),
        (59.99, "60 s"),
        (60, "1 min"),
        (125.4, "2 min 5 s"),
        (3599.6, "1 h"),
        (3600, "1 h"),
        (5430, "1 h 30 min 30 s"),
        (90_000, "25 h"),
    ],
)
def test_a_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("microsecond", "text"),
    [(0, "09:00:00"), (100_000, "09:00:00.1"), (123_456, "09:00:00.123456"), (10, "09:00:00.00001"), (90_000, "09:00:00.09")],
)
def test_an_instant_is_written_as_postgres_does(microsecond, text):
    at = datetime(2026, 3, 2, 9, tzinfo=UTC, microsecond=microsecond)
    assert instant(at) == instant(at.astimezone(timezone(timedelta(hours=-5)))) == f"2026-03-02T{text}+00:00"


def test_one_and_many():
    assert (counted(0, "issue"), counted(1, "issue"), counted(2, "issue")) == ("0 issues", "1 issue", "2 issues")


@pytest.mark.parametrize(
    "text",
    [
        "Ann Lee",
        "Zoë García",
        "O'Brien",
        "Anne-Marie",
        "J. Smith",
        "Lee, Ann",
        "प्रिया",
        "日本 太郎",
        "Ann \U0001f600",
        "2-in-1",
        "3.5",
    ],
)
def test_names_of_people_are_as_they_are(text):
    assert name(text, 60) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b", "`a_b`"),
        ("x.y", "`x.y`"),
        ("- x", "`- x`"),
        ("a`b", "``a`b``"),
        ("``", "``` `` ```"),
        ("`a", "`` `a ``"),
        ("\u202eabc\u202c", "abc"),
        ("a\n\n b\u2028c", "a b c"),
        ("\x1b[31m", "`[31m`"),
        ("", "unnamed"),
        (None, "unnamed"),
        ("\u200b \n", "unnamed"),
        ("a" * 70, "a" * 59 + "…"),
        ("<" * 70, "`" + "<" * 59 + "…`"),
    ],
)
def test_any_other_name_is_a_code_span(text, shown):
    assert name(text, 60) == shown


def test_prose_keeps_its_sentences():
    own = 'It failed (code 4506/408: "Timed out"), at 12.5 % and/or so; isn\'t it? Yes \u2013 it is.'
    assert prose(own, 300) == own
    assert prose("See http://x.example (gum.general), <b>.", 300) == "See `http://x.example` (`gum.general`), `<b>`."
    assert prose("one two three", 9) == "one two\u2026"


@given(st.text(alphabet="ab` \\\n<*_[]()!\u202e\U0001f600", max_size=80))
@example("`")
@example("` `")
def test_nothing_inside_of_a_code_span_can_end_it(text):
    shown = visible(text)
    if not shown:
        return
    span = code(shown)
    fence = re.match("`+", span)[0]
    inner = span[len(fence) : -len(fence)]
    assert fence not in re.findall("`+", inner)
    assert (inner[1:-1] if inner[0] == inner[-1] == " " else inner) == shown
