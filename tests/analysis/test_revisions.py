"""Of what a source tells again as a whole, only the highest version counts, whatever comes first."""

from datetime import UTC, datetime
from itertools import permutations

import pytest

from callscope.analysis.revisions import current

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def revised(name, version, **fields):
    return {"revisionOf": name, **({"version": version} if version else {}), **fields}


def event(name, version, key):
    return revised(name, version, at=NOON.isoformat(), eventKey=key)


def test_without_revisions_all_counts():
    records = {"call": [{"callId": "x"}], "stream": [{"streamId": "s", "version": 3}, {"streamId": "s"}]}
    assert current(records) == (records, [])


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_highest_version_stands_alone(order):
    bodies = [revised("row", version, connectionId="c", closedAt=str(version)) for version in range(3)]
    kept, void = current({"connection": [bodies[number] for number in order]})
    assert (kept, void) == ({"connection": [bodies[2]]}, [])


def test_what_the_highest_version_no_longer_tells_is_gone():
    records = {"warning": [revised("row", 1, kind="REDACTED")], "connection": [revised("row", 2, connectionId="c")]}
    assert current(records)[0] == {"connection": [revised("row", 2, connectionId="c")]}


def test_names_know_nothing_of_each_other():
    records = {"stream": [revised("a", 1, streamId="s"), revised("b", 7, streamId="s"), {"streamId": "s", "version": 9}]}
    assert current(records)[0] == records


def test_equals_stand_together():
    records = {"stream": [revised("a", 1, streamId="s"), revised("a", 1, streamId="t")]}
    assert current(records)[0] == records


def test_events_of_lower_versions_are_named():
    records = {"revision": [event("a", 0, 1), event("a", 5, 2), event("a", 3, 3), event("b", 0, 4)]}
    kept, void = current(records)
    assert void == [(NOON, 1), (NOON, 3)]
    assert [body["eventKey"] for body in kept["revision"]] == [2, 4]


def test_a_higher_version_without_an_event_takes_it_back():
    records = {"revision": [event("a", 1, 1)], "call": [{"callId": "x"}, revised("a", 2, platform="ACS")]}
    assert current(records)[1] == [(NOON, 1)]
