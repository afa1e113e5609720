"""Records of one subject add up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from told import at, instant

from callscope.analysis.merging import ENDS, STARTS, merged
from callscope.telemetry import TELEMETRY, json_schema


def test_nothing_told_is_nothing():
    assert merged([]) == {}


def test_fields_of_several_records_add_up():
    assert merged([{"name": "Ada"}, {"kind": "BROWSER"}]) == {"name": "Ada", "kind": "BROWSER"}


@pytest.mark.parametrize("name", sorted(STARTS))
def test_the_earliest_start_counts(name):
    assert merged([{name: at(3)}, {name: at(1)}, {name: at(2)}]) == {name: instant(1)}


@pytest.mark.parametrize("name", sorted(ENDS))
def test_the_latest_end_counts(name):
    assert merged([{name: at(3)}, {name: at(5)}, {name: at(4)}]) == {name: instant(5)}


def test_instants_are_compared_as_instants_not_as_text():
    assert merged([{"closedAt": at(0)}, {"closedAt": at(0.005)}]) == {"closedAt": instant(0.005)}
    assert merged([{"startedAt": at(0.005)}, {"startedAt": at(0)}]) == {"startedAt": instant(0)}


def test_every_instant_of_telemetry_is_a_start_or_an_end():
    """A new one must be given a rule here; an event's instant is its own and never merged."""
    instants = {
        name
        for model in json_schema()["$defs"].values()
        for name, field in model.get("properties", {}).items()
        if "RFC 3339" in str(field)
    }
    assert instants == STARTS | ENDS


@pytest.mark.parametrize(
    ("one", "other", "chosen"),
    [("Ada", "Bob", "Bob"), (9, 10, 10), (-5, 4, 4), (9.5, 10.25, 10.25), (False, True, True), ("", "a", "a")],
)
def test_of_other_values_the_greatest_counts(one, other, chosen):
    assert merged([{"field": one}, {"field": other}]) == merged([{"field": other}, {"field": one}]) == {"field": chosen}


def test_lists_add_up_each_item_once():
    told = [{"tags": ["b", "a"]}, {"tags": ["c", "b"]}, {"devices": [{"kind": "CAMERA"}]}, {"devices": [{"kind": "SPEAKER"}]}]
    assert merged(told) == {"tags": ["a", "b", "c"], "devices": [{"kind": "CAMERA"}, {"kind": "SPEAKER"}]}


def test_a_list_that_all_agree_in_keeps_its_order():
    assert merged([{"tags": ["b", "a"]}, {"tags": ["b", "a"], "name": "x"}])["tags"] == ["b", "a"]


def test_objects_add_up_field_by_field():
    told = [{"network": {"type": "wifi"}}, {"network": {"transport": "udp"}}, {"network": {"type": "cellular"}}]
    assert merged(told) == {"network": {"type": "wifi", "transport": "udp"}}


def test_the_version_inside_an_object_is_a_field_like_any_other():
    told = [
        {"sdk": {"name": "calling", "version": "1.9"}},
        {"sdk": {"name": "calling", "version": "1.10"}},
        {"sdk": {"name": "a"}},
    ]
    assert merged(told) == {"sdk": {"name": "calling", "version": "1.9"}}


class TestVersions:
    def test_the_highest_that_tells_a_field_wins(self):
        told = [{"name": "new", "version": 2}, {"name": "old", "kind": "SIP"}, {"kind": "PSTN", "version": 1}]
        assert merged(told) == {"name": "new", "kind": "PSTN"}

    def test_a_higher_one_moves_a_start_later_and_an_end_earlier(self):
        told = [{"connectedAt": at(0), "closedAt": at(9)}, {"connectedAt": at(1), "closedAt": at(2), "version": 1}]
        assert merged(told) == {"connectedAt": instant(1), "closedAt": instant(2)}

    def test_a_higher_one_replaces_lists_and_objects(self):
        told = [{"tags": ["a"], "sdk": {"name": "x"}}, {"tags": ["b"], "sdk": {"version": "1"}, "version": 3}]
        assert merged(told) == {"tags": ["b"], "sdk": {"version": "1"}}

    def test_null_of_a_higher_one_takes_nothing_back(self):
        assert merged([{"name": "Ada"}, {"name": None, "version": 1}]) == {"name": "Ada"}


TOLD = st.fixed_dictionaries(
    {},
    optional={
        "version": st.integers(0, 2),
        "displayName": st.sampled_from(["", "Ada", "Bob", "Zoë"]),
        "sdk": st.fixed_dictionaries({}, optional={"name": st.sampled_from("ab"), "version": st.sampled_from(["1", "2"])}),
        "devices": st.lists(st.fixed_dictionaries({"kind": st.sampled_from(["CAMERA", "SPEAKER"])}), max_size=3),
    },
)
CONNECTED = st.fixed_dictionaries(
    {},
    optional={
        "version": st.integers(0, 2),
        "connectedAt": st.sampled_from([at(0), at(0.005), at(1)]),
        "closedAt": st.sampled_from([at(2), at(2.005), at(3)]),
        "error": st.fixed_dictionaries({}, optional={"code": st.integers(-11, 11), "message": st.sampled_from("ab")}),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(TOLD, max_size=5) | st.lists(CONNECTED, max_size=5), st.randoms(use_true_random=False))
def test_order_and_repetition_decide_nothing(told, random):
    shuffled = random.choices(told, k=len(told)) + told if told else []
    random.shuffle(shuffled)
    assert merged(shuffled) == merged(told)


def test_what_models_write_can_be_merged():
    record = TELEMETRY.validate_python(
        {"type": "connection", "callId": "x", "connectionId": "c", "connectedAt": 1_772_442_000_000}
    )
    body = record.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert merged([body, body])["connectedAt"] == instant(0)
