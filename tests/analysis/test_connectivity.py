"""The network gone for a while, and paths that keep changing."""

from dataclasses import replace

import pytest
from happened import C, P, event, later, seconds, span
from hypothesis import given, settings
from hypothesis import strategies as st
from told import at, catalog, connection

from callscope.analysis.connectivity import RULES, connectivity_findings
from callscope.analysis.rules import Override, overridden
from callscope.sources.registry import recognise
from callscope.telemetry import ConnectionRecord, EventRecord

CALL = catalog(
    connection=[
        connection("c", participantId="p", connectedAt=at(0), closedAt=at(10)),
        connection("d", participantId="p", attemptedAt=at(11), failedAt=at(12)),
    ]
)
LIVE = catalog(connection=[connection("c", participantId="p", connectedAt=at(0))])


def ice(second, state, name="oniceconnectionstatechange", **rest):
    return event(name, second, {"state": state}, category="NETWORK", **rest)


def found(*events, call=CALL, **rest):
    return connectivity_findings(events, call, **rest)


class TestNoNetwork:
    @pytest.mark.parametrize(("back", "is_found"), [(64.999, False), (65, True), (90, True)])
    @pytest.mark.parametrize("state", ["connected", "completed"])
    def test_disconnected_for_five_seconds(self, back, is_found, state):
        findings = found(ice(60, "disconnected"), ice(back, state))
        assert [span(one) for one in findings] == [(60, back, None)] * is_found
        for one in findings:
            assert (one.kind, one.severity, one.participant_key, one.connection_key) == ("NO_NETWORK", "ERROR", P, C)
            assert (one.observed, one.level.limit.on) == (back - 60, 5)

    def test_restarting_ice_is_not_yet_a_connection(self):
        (one,) = found(ice(60, "disconnected"), ice(62, "checking"), ice(70, "connected"))
        assert span(one) == (60, 70, None)

    @pytest.mark.parametrize("end", ["failed", "disconnected"])
    def test_without_an_end_lasts_until_the_connection_ended(self, end):
        (one,) = found(ice(590, "disconnected"), ice(594, end))
        assert span(one) == (590, None, 600)

    def test_shorter_than_that_before_the_connection_ended(self):
        assert found(ice(596, "disconnected")) == []

    @pytest.mark.parametrize(("closed", "is_found"), [(64, False), (65, True)])
    def test_closed_by_hand_has_not_recovered(self, closed, is_found):
        findings = found(ice(60, "disconnected"), ice(closed, "closed"))
        assert [span(one) for one in findings] == [(60, None, closed)] * is_found

    @pytest.mark.parametrize(("heard", "is_found"), [(None, False), (64, False), (65, True)])
    def test_while_it_lasts_counts_until_something_was_last_heard(self, heard, is_found):
        until = None if heard is None else ice(heard, "").at
        findings = found(ice(60, "disconnected"), call=LIVE, heard_until=until)
        assert [span(one) for one in findings] == [(60, None, heard)] * is_found

    def test_not_of_what_never_was_up(self):
        told = [ice(662, "checking"), ice(664, "disconnected"), ice(670, "failed")]
        assert found(*(replace(one, connection_key="connection/d") for one in told)) == []

    def test_up_by_its_states_alone(self):
        call = catalog(connection=[connection("c", participantId="p", attemptedAt=at(0))])
        (one,) = found(ice(10, "connected"), ice(60, "disconnected"), ice(80, "connected"), call=call)
        assert span(one) == (60, 80, None)

    def test_failing_outright_is_told_by_the_connection(self):
        assert found(ice(60, "failed"), ice(80, "closed")) == []

    def test_states_of_the_connection_where_ice_says_nothing(self):
        told = [ice(60, "disconnected", "onconnectionstatechange"), ice(70, "connected", "onconnectionstatechange")]
        assert [span(one) for one in found(*told)] == [(60, 70, None)]
        told += [ice(10, "connected"), ice(61, "disconnected"), ice(70, "connected")]
        assert [span(one) for one in found(*told)] == [(61, 70, None)]

    @pytest.mark.parametrize("payload", [None, {"state": 7}, {"state": "sleepy"}, {}, "disconnected"])
    def test_states_that_mean_nothing(self, payload):
        assert found(event("iceconnectionstatechange", 60, payload), ice(70, "closed")) == []

    def test_of_a_connection_that_nobody_knows(self):
        assert found(ice(60, "disconnected", connection_key="connection/x"), ice(90, "connected")) == []

    @pytest.mark.parametrize("order", [1, -1])
    def test_of_two_states_at_once_the_worse_stands(self, order):
        told = [ice(60, "disconnected"), ice(60, "connected"), ice(80, "connected")]
        assert [span(one) for one in found(*told[::order])] == [(60, 80, None)]

    def test_with_another_threshold(self):
        rules = overridden(RULES, [Override("NO_NETWORK", threshold=20)])
        assert found(ice(60, "disconnected"), ice(70, "connected"), rules=rules) == []


def pair(second, **rest):
    return event("selectedcandidatepairchange", second, category="NETWORK", **rest)


class TestPathSwitches:
    @pytest.mark.parametrize(
        ("changes", "expected"),
        [((0, 15, 30), (0, 30, None)), ((0, 15, 30.001), None), ((0, 30), None), ((5, 5, 5), None), ((0, 1, 2, 3), (0, 3, None))],
    )
    def test_three_in_thirty_seconds(self, changes, expected):
        findings = found(*map(pair, changes))
        assert [span(one) for one in findings] == ([] if expected is None else [expected])
        assert [one.observed for one in findings] == [len(changes)] * (expected is not None)

    def test_that_went_on_to_the_end(self):
        (one,) = found(*map(pair, (560, 570, 580)))
        assert (one.kind, one.severity, span(one)) == ("PATH_SWITCHES", "WARNING", (560, None, 580))

    def test_of_one_connection(self):
        assert found(pair(0), pair(1), pair(2, connection_key="connection/d")) == []

    @pytest.mark.parametrize("name", ["onselectedcandidatepairchange", "iceCandidatePairChanged"])
    def test_by_other_names(self, name):
        assert len(found(*(event(name, second) for second in range(3)))) == 1


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 700), st.sampled_from(["connected", "disconnected", "failed", "checking", "closed", "pair"]))
    ),
    st.randoms(use_true_random=False),
    st.integers(1, 10**6),
)
def test_any_order_gives_the_same_and_time_shifts_them_alone(steps, chance, minutes):
    told = [pair(second) if state == "pair" else ice(second, state) for second, state in steps]
    expected = found(*told)
    shuffled = list(told)
    chance.shuffle(shuffled)
    assert found(*shuffled) == expected
    assert all(one.started_at <= (one.ended_at or one.lasted_until) for one in expected)
    by = minutes * 60_000
    moved = catalog(connection=[connection("c", participantId="p", connectedAt=at(minutes), closedAt=at(10 + minutes))])
    assert found(*(replace(one, at=one.at + by) for one in told), call=moved) == [later(one, by) for one in expected]


def test_a_thousand_losses_of_one_call():
    told = [ice(second * 6, "connected" if second % 2 else "disconnected") for second in range(2000)]
    assert [seconds(one.started_at) for one in found(*told)] == [second * 12 for second in range(1000)]


@pytest.mark.parametrize("name", ["chrome-standard-pc-failed", "google-standard-stats-p2p", "chrome-relay"])
def test_real_dumps_never_lost_the_network_for_long(shared_data, name):
    """As a person reads them: two paths of the first were never up, and one failed at once."""
    with (shared_data / "rtcstats" / name).open("rb") as file:
        source = recognise(file.read(4096))
        file.seek(0)
        records = list(source.read(file))
    connections = [
        one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in records if isinstance(one, ConnectionRecord)
    ]
    told = [
        event(
            one.name,
            0,
            one.payload,
            category=one.category,
            participant_key=f"participant/{one.participant_id}",
            connection_key=f"connection/{one.connection_id}",
        )
        for one in records
        if isinstance(one, EventRecord)
    ]
    times = [one.at.timestamp() * 1000 for one in records if isinstance(one, EventRecord)]
    told = [replace(one, at=when) for one, when in zip(told, times, strict=True)]
    assert any(one.name == "oniceconnectionstatechange" for one in told)
    assert connectivity_findings(told, catalog(connection=connections)) == []
