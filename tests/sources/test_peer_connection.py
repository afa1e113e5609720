import pytest

from callscope.sources.client_clock import ClientClock
from callscope.sources.peer_connection import PeerConnection
from callscope.sources.webrtc_counters import Path
from callscope.telemetry import Network

AT = 1_700_000_000_000


def lived(*events):
    life = PeerConnection()
    for name, value, at in events:
        life.hear({"state": "onconnectionstatechange", "ice": "oniceconnectionstatechange"}.get(name, name), value, AT + at)
    return life


def record(*events):
    """The record's times relative to AT, and its reason and error."""
    told = lived(*events).record("call", "connection", "participant", ClientClock())
    times = (told.attempted_at, told.connected_at, told.failed_at, told.closed_at)
    relative = [None if time is None else round(time.timestamp() * 1000) - AT for time in times]
    return *relative, told.close_reason, told.error and told.error.message


def test_connected_and_closed():
    assert record(("create", {}, 0), ("state", "connecting", 50), ("state", "connected", 100), ("close", {}, 900)) == (
        0, 100, None, 900, "closed", None,
    )  # fmt: skip


def test_closed_by_its_state():
    assert record(("create", {}, 0), ("state", "connected", 100), ("state", "closed", 800), ("getstats", {}, 900))[3:5] == (
        800,
        "closed",
    )


def test_a_dump_that_ends_first_is_the_end():
    assert record(("create", {}, 0), ("state", "connected", 100), ("getstats", {}, 700)) == (
        0,
        100,
        None,
        700,
        "dump ended",
        None,
    )
    assert record(("state", "connected", 100), ("state", "disconnected", 700))[3:5] == (700, "disconnected")


def test_without_create_the_first_line_is_the_attempt():
    assert record(("ice", "checking", 30), ("create_", {}, 10))[0] == 10
    assert lived().record("call", "connection", "participant", ClientClock()).attempted_at is None


def test_ice_states_count_where_there_are_no_others():
    assert record(("create", {}, 0), ("ice", "checking", 1), ("ice", "completed", 70))[1] == 70
    assert record(("create", {}, 0), ("ice", "connected", 70), ("state", "connected", 90))[1] == 90


def test_never_connected():
    events = ("create", {}, 0), ("ice", "disconnected", 15_000), ("state", "failed", 15_000), ("getstats", {}, 60_000)
    assert record(*events) == (0, None, 15_000, 15_000, "failed", "ICE failed")


def test_a_handshake_that_failed():
    assert record(("create", {}, 0), ("ice", "connected", 70), ("state", "failed", 90))[5] == "DTLS failed"


def test_failed_after_it_was_connected():
    events = (
        ("create", {}, 0),
        ("ice", "connected", 90),
        ("state", "connected", 100),
        ("getstats", {}, 60_000),
        ("state", "failed", 15_000),
    )
    assert record(*events) == (0, 100, None, 15_000, "failed", "Connection failed")


def test_reconnected():
    events = (
        ("state", "connected", 100),
        ("state", "failed", 200),
        ("state", "failed", 250),
        ("state", "connected", 300),
        ("close", {}, 900),
    )
    assert record(*events) == (100, 100, None, 900, "closed", None)


def test_failed_twice():
    assert record(("state", "failed", 200), ("state", "failed", 250), ("close", {}, 300))[2:4] == (200, 200)


def test_closed_before_the_failure_was_told():
    assert record(("state", "connected", 1), ("close", {}, 300), ("state", "failed", 350))[3:] == (300, "closed", "ICE failed")


@pytest.mark.parametrize(
    ("events", "is_up"),
    [
        ([("ice", "connected", 1)], True),
        ([("state", ["odd"], 1)], False),
        ([("state", "connected", 1), ("ice", "disconnected", 2)], True),
        ([("state", "connected", 1), ("state", "disconnected", 2)], False),
        ([("state", "connected", 1), ("close", {}, 2)], False),
    ],
)
def test_whether_it_is_up(events, is_up):
    assert lived(*events).is_up is is_up


def test_network():
    life = lived(("create", {}, 0))
    assert life.record("call", "connection", "participant", ClientClock()).network is None
    life.path = Path(transport="tls", local_type="relay", remote_type="host", network="wifi")
    assert life.record("call", "connection", "participant", ClientClock()).network == Network(
        type="wifi", transport="tls", local_candidate_type="relay", remote_candidate_type="host"
    )
