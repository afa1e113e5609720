"""Keys: the same everywhere and always, and different for what is different."""

import subprocess
import sys
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from callscope.storage.keys import digest, key_of

PARTS = st.lists(st.text(alphabet="a:1\x1f\x00", max_size=3), min_size=1, max_size=4)


def test_fit_a_bigint_and_use_its_whole_range():
    keys = [key_of("call", str(number)) for number in range(1000)]
    assert all(-(2**63) <= key < 2**63 for key in keys)
    assert min(keys) < -(2**62)
    assert max(keys) > 2**62
    assert len(set(keys)) == 1000


def test_do_not_change():
    """They are stored: other keys would make other rows of the same telemetry."""
    assert key_of("x") == 6052157962238932337
    assert key_of("participant", "Zoë") == -7595649153464886094
    assert digest(b"") == -1970711489451281740


def test_are_alike_in_every_process():
    code = "from callscope.storage.keys import key_of; print(key_of('participant', 'p'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONHASHSEED": "7"})
    assert int(other.stdout) == key_of("participant", "p")


def test_parts_are_kept_apart():
    alike = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        ("a", "b", "c"),
        ("", "abc"),
        ("abc", ""),
        ("a\x1fb", "c"),
        ("a", "b\x1fc"),
        ("1:a",),
    ]
    assert all(key_of(*one) != key_of(*other) for one, other in combinations(alike, 2))


@settings(max_examples=300, deadline=None)
@given(PARTS, PARTS)
def test_differ_where_any_part_differs(one, other):
    assert (key_of(*one) == key_of(*other)) == (one == other)
