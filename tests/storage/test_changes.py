"""What changed of a call, from the marks that writers left."""

from datetime import UTC, datetime, timedelta

from callscope.storage.changes import Change, Changes, joined

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def change(keys, start, end):
    return Change(frozenset(keys), at(start), at(end))


def mark(series=(), samples=(None, None), events=(None, None), records=()):
    return {
        "series_keys": list(series),
        "samples_from": samples[0],
        "samples_to": samples[1],
        "events_from": events[0],
        "events_to": events[1],
        "record_keys": None if records is None else list(records),
    }


def test_changes_that_share_minutes_are_one():
    told = [change("a", 0, 50), change("b", 90, 100), change("c", 600, 700), change("d", 650, 660)]
    assert joined(reversed(told)) == [change("ab", 0, 100), change("cd", 600, 700)]
    assert joined([]) == []


def test_marks_add_up():
    found = Changes.of(
        [
            mark([1], (at(0), at(5)), (at(1), at(2)), [7]),
            mark([2], (at(6), at(9)), records=[8, 7]),
            mark(events=(at(-4), at(0))),
        ]
    )
    assert found.samples == [Change(frozenset({1, 2}), at(0), at(9))]
    assert found.series_keys == {1, 2}
    assert found.events == (at(-4), at(2))
    assert found.record_keys == {7, 8}


def test_nothing_new_but_the_mark():
    found = Changes.of([mark()])
    assert (found.samples, found.events, found.record_keys, found.series_keys) == ([], None, frozenset(), frozenset())


def test_one_that_does_not_tell_its_records_may_have_brought_any():
    assert Changes.of([mark(records=[1]), mark(records=None)]).record_keys is None


def test_one_that_does_not_tell_when_its_samples_are_concerns_all_times():
    (found,) = Changes.of([mark([1])]).samples
    assert found.samples_from.year == 1970
    assert found.samples_to.year == 2100
