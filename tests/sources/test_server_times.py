import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callscope.sources.client_clock import DAY, ClientClock
from callscope.sources.server_times import CREDENTIALS, ServerTimes

AT = 1_700_000_000_000.0
"""2023-11-14 22:13:20 UTC."""
SECOND, MINUTE, HOUR, YEAR = 1000.0, 60_000.0, 3_600_000.0, 365 * DAY


def server_times(off, *, restamped=0.0, waited=20 * SECOND, lifetime=CREDENTIALS, credentials=True, info=True, identity=True):
    """What a dump tells whose client is off by ``off``, and connected half a second after it told its name."""
    return ServerTimes(
        connected_at=AT + 500 + restamped if info else None,
        identified_at=AT + off if identity else None,
        credentials=(AT + off + SECOND, AT - waited + lifetime) if credentials else None,
        first_at=AT + off - MINUTE,
        last_at=AT + off + MINUTE,
    )


def shift(times):
    clock = ClientClock()
    times.set(clock)
    return clock.shift, " ".join(clock.told)


OFFSETS = st.one_of(st.floats(5 * MINUTE, 20 * YEAR), st.floats(-20 * YEAR, -5 * MINUTE))


@settings(max_examples=300, deadline=None)
@given(OFFSETS, st.sampled_from([CREDENTIALS, 7 * DAY]))
def test_any_offset_is_found_where_server_and_credentials_agree(off, lifetime):
    found, told = shift(server_times(off, lifetime=lifetime))
    assert found == pytest.approx(-off + 500, abs=1)
    assert ("ahead of" if off > 0 else "behind") in told


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.floats(40 * DAY, 20 * YEAR), st.floats(-20 * YEAR, -40 * DAY)), st.booleans())
def test_credentials_alone_tell_a_great_offset_roughly(off, is_restamped):
    found, told = shift(server_times(off, info=is_restamped, restamped=30 * YEAR))
    assert found == pytest.approx(-off, abs=MINUTE)
    assert "about" in told


@settings(max_examples=200, deadline=None)
@given(st.floats(-59 * SECOND, 59 * SECOND), st.floats(0, 3 * HOUR), st.booleans(), st.booleans())
def test_what_is_within_tolerance_stands(off, waited, credentials, identity):
    assert shift(server_times(off, waited=waited, credentials=credentials, identity=identity)) == (0, "")


@pytest.mark.parametrize("later", [2 * HOUR, 83 * DAY, 3 * YEAR])
def test_a_server_that_was_fed_the_dump_again_moves_nothing(later):
    found, told = shift(server_times(0, restamped=later))
    assert found == 0
    assert ("as its TURN credentials confirm" in told) is (later > DAY)


def test_without_credentials_a_difference_of_days_is_the_servers():
    found, told = shift(server_times(0, restamped=400 * DAY, credentials=False))
    assert (found, "400.0 days later" in told, "TURN" in told) == (0, True, False)
    assert shift(server_times(-2 * HOUR, credentials=False))[0] == pytest.approx(2 * HOUR + 500)
    assert shift(server_times(2 * YEAR, credentials=False))[0] == pytest.approx(-2 * YEAR + 500)


def test_a_time_before_webrtc_is_not_the_servers_fault():
    found, told = shift(server_times(-AT + HOUR, credentials=False))
    assert found == pytest.approx(AT - HOUR + 500)
    assert "behind the server's" in told


def test_what_cannot_be_told_stands():
    assert shift(ServerTimes()) == (0, "")
    assert shift(server_times(-10 * DAY, info=False)) == (0, "")
    # Credentials were good for long before, and the client connected late to the server.
    assert shift(server_times(0, restamped=10 * MINUTE)) == (0, "")
    # An identity out of all that the client did is not its own.
    times = server_times(0, credentials=False)
    times.identified_at = AT - HOUR
    assert shift(times) == (0, "")


def test_the_lines_of_a_client_run_from_the_first_to_the_last():
    times = ServerTimes()
    for at in (AT, AT - 5, AT + 9):
        times.see(at)
    assert (times.first_at, times.last_at) == (AT - 5, AT + 9)
