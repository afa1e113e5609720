"""Wrong clocks and broken statistics, from the lines of a dump to its records."""

from collections.abc import Callable
from datetime import datetime

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traces import BRIDGE, IDENTITY, START, every, only, read, received, sent

from callscope.sources import Refusal, SourceError
from callscope.telemetry import LATEST_MS, from_milliseconds
from callscope.vocabulary import DataWarningKind, Direction, Metric

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
YEAR = 365 * DAY
ISSUED = START // 1000 - 20
"""When TURN credentials were given out, seconds since the Unix epoch."""
Clock = Callable[[float], float]


def right(at: float) -> float:
    return at


class Client:
    """What one client writes whose page's clock and statistics' clock say something else than the time. Times from START."""

    def __init__(self, endpoint: str = "aaaaaaaa", page: Clock = right, statistics: Clock = right) -> None:
        self.lines: list[bytes] = []
        self._page, self._statistics = page, statistics
        self._line("connectionInfo", None, {"userAgent": "Firefox/118.0"}, START + 150)
        self.add("identity", None, IDENTITY | {"endpointId": endpoint}, 100)
        servers = [
            {"urls": "stun:s"},
            {"urls": "turn:t", "username": "guest"},
            {"urls": "turn:t", "username": f"{ISSUED + 86_400}"},
        ]
        self.add("create", "PC_0", {"iceServers": servers}, 300).add("constraints", "PC_0", BRIDGE, 300)
        self.add("onconnectionstatechange", "PC_0", "connected", 500)

    def _line(self, name, connection, data, at):
        self.lines.append(orjson.dumps([name, connection, data, at]))
        return self

    def add(self, name, connection=None, data=None, at=0.0):
        return self._line(name, connection, data, START + self._page(at))

    def poll(self, reports, at, late=5.0, connection="PC_0"):
        """All reports whole, as a client that does not squeeze them would write them; those by RTCP are 50 ms old."""
        told = {"timestamp": START + self._statistics(at)}
        for key, report in reports.items():
            is_by_rtcp = str(report["type"]).startswith("remote-")
            told[key] = report | {"timestamp": START + self._statistics(at - 50) if is_by_rtcp else 0}
        return self.add("getstats", connection, told, at + late)

    def read(self):
        return read(b"\n".join(self.lines))


def counters(number):
    """Everything that is counted, after so many seconds."""
    told = {"type": "remote-outbound-rtp", "ssrc": 11, "kind": "audio", "packetsSent": 51 * number}
    judged = {"type": "remote-inbound-rtp", "localId": "OT01V21", "packetsLost": number, "roundTripTime": 0.03}
    return {
        **received(packetsReceived=50 * number, packetsLost=number, bytesReceived=4000 * number, jitter=0.004),
        **sent(21, "video", packetsSent=100 * number, bytesSent=90_000 * number, framesEncoded=25 * number, framesPerSecond=25),
        "O": told,
        "J": judged,
    }


def call(endpoint="aaaaaaaa", page=right, statistics=right, count=8, until=None):
    client = Client(endpoint, page, statistics)
    for number in range(1, count + 1):
        client.poll(counters(number), number * 1000)
    return client.add("close", "PC_0", {}, until or (count + 1) * 1000)


def told(records, *, but=("clientTime",)):
    """All records without warnings, and without what the client's own clock said of events."""
    found = []
    for record in records:
        body = record.model_dump(mode="json")
        if record.type == "event" and isinstance(body["payload"], dict):
            body["payload"] = {name: value for name, value in body["payload"].items() if name not in but} or None
        if record.type != "warning":
            found.append(body)
    return found


def samples(records, metric=None):
    return {
        (record.metric, record.direction, at - START): value
        for record in every(records, "samples")
        if metric in (None, record.metric)
        for at, value in zip(record.times, record.values, strict=True)
    }


def messages(records, kind=DataWarningKind.CLOCK_REPAIRED):
    return [warning.message for warning in every(records, "warning", kind=kind)]


# The page's clock against the server's.

OFFSETS = st.one_of(st.integers(5 * MINUTE, 20 * YEAR), st.integers(-20 * YEAR, -5 * MINUTE))


@settings(max_examples=60, deadline=None)
@given(OFFSETS)
def test_a_client_whose_clock_is_wrong_tells_the_same(offset):
    records = call(page=lambda at: at + offset, statistics=lambda at: at + offset).read()
    # The client connected 50 ms after it had said who it was.
    exact = call(page=lambda at: at + 50, statistics=lambda at: at + 50).read()
    assert told(records) == told(exact)
    (message,) = messages(records)
    assert ("ahead of" if offset > 0 else "behind") in message
    assert f"({50 - offset:+d} ms)" in message
    assert messages(exact) == []


def test_an_event_keeps_the_time_that_the_client_said():
    records = call(page=lambda at: at + YEAR, statistics=lambda at: at + YEAR).read()
    event = only(records, "event", name="onconnectionstatechange")
    assert event.at == from_milliseconds(START + 550)
    assert event.payload == {"state": "connected", "clientTime": START + YEAR + 500}
    assert only(call().read(), "event", name="onconnectionstatechange").payload == {"state": "connected"}


def test_clients_of_one_conference_with_different_clocks_agree():
    ends = []
    for endpoint, offset in (("aaaaaaaa", 0), ("bbbbbbbb", 7 * HOUR), ("cccccccc", -3 * YEAR)):
        records = call(endpoint, lambda at, off=offset: at + off, lambda at, off=offset: at + off).read()
        connection = only(records, "connection")
        ends.append((connection.call_id, connection.connected_at, connection.closed_at, [*samples(records)]))
    assert ends[1] == ends[2]
    assert (ends[0][0], ends[0][1] - ends[1][1]) == (ends[1][0], from_milliseconds(0) - from_milliseconds(50))


@pytest.mark.parametrize("says", [-START + 3 * MINUTE, -START + 40 * DAY, 30 * YEAR - START, 100 * YEAR])
def test_a_clock_that_is_decades_off_is_set_too(says):
    """As that of a device without a battery, which begins in 1970 whenever it is switched on."""
    records = call(page=lambda at: at + says, statistics=lambda at: at + says).read()
    assert told(records) == told(call(page=lambda at: at + 50, statistics=lambda at: at + 50).read())
    assert len(messages(records)) == 1


def test_a_clock_without_years_of_telemetry_is_a_fault_of_the_file_where_nothing_sets_it():
    client = call(page=lambda at: at - START + HOUR, statistics=lambda at: at - START + HOUR)
    lines = [line for line in client.lines if b"connectionInfo" not in line and b"username" not in line]
    with pytest.raises(SourceError, match="years 2000 to 2099") as caught:
        read(b"\n".join(lines))
    assert caught.value.code == "time_invalid"


def test_what_falls_out_of_the_years_of_telemetry_is_told_by_number():
    end = LATEST_MS - START
    client = Client(page=lambda at: at + end - 3000, statistics=lambda at: at + end - 3000)
    client.lines = [line for line in client.lines if b"connectionInfo" not in line and b"username" not in line]
    for number in range(1, 6):
        client.poll(counters(number), number * 1000)
    rows = client.add("onmute", "PC_0", None, 9000).read()
    (refusal,) = [row for row in rows if isinstance(row, Refusal)]
    kept = [row for row in rows if row is not refusal]
    values = [sum(len(record.times) for record in every(records, "samples")) for records in (call(count=5).read(), kept)]
    assert values[0] > values[1] > 0
    assert (refusal.line, refusal.field, refusal.code) == (0, "timestamp", "time_invalid")
    assert refusal.reason.startswith(f"{1 + values[0] - values[1]} events and values lie outside of the years 2000 to 2099")


# A page's clock that is set in the middle of the call.


def set_by(change, since):
    return lambda at: at + (change if at > since else 0)


def wide(records):
    """From when to when anything was told of, from START."""
    instants = [value for record in records for value in record.model_dump().values() if isinstance(value, datetime)]
    found = [round(instant.timestamp() * 1000) - START for instant in instants]
    return min(found), max(found)


@pytest.mark.parametrize("change", [-2 * MINUTE, -3 * HOUR, -3 * YEAR, 3 * YEAR])
@pytest.mark.parametrize("since", [50, 350, 700, 3500, 8900])
@pytest.mark.parametrize("is_followed", [True, False])
def test_all_goes_on_wherever_the_clock_is_set(change, since, is_followed):
    """Whatever was logged just behind, before any statistics tell of it, and however few statistics there are."""
    records = call(page=set_by(change, since), statistics=set_by(change, since) if is_followed else right).read()
    whole = call().read()
    assert wide(records) == pytest.approx(wide(whole), abs=4000)
    names = [(event.name, event.payload and event.payload.get("state")) for event in every(records, "event")]
    assert names == [(event.name, event.payload and event.payload.get("state")) for event in every(whole, "event")]
    assert not [value for value in samples(records).values() if value < 0]
    if 300 < since < 8500:
        assert any("was set" in message for message in messages(records))


def test_a_clock_that_was_set_by_days_is_right_since_then_where_nothing_else_tells():
    """A device that was switched on with a wrong clock hears of the right time after a while."""
    client = call(
        page=lambda at: at - (START - HOUR if at < 3500 else 0), statistics=lambda at: at - (START - HOUR if at < 3500 else 0)
    )
    client.lines = [line for line in client.lines if b"connectionInfo" not in line and b"username" not in line]
    records = client.read()
    assert wide(records) == pytest.approx(wide(call().read()), abs=2000)
    assert any("Times before the client's clock was set are moved" in message for message in messages(records))


def test_a_line_alone_that_is_far_off_is_as_old_as_the_one_before():
    client = call()
    client.lines.insert(9, orjson.dumps(["onmute", "PC_0", None, START + 40 * YEAR]))
    records = client.read()
    assert only(records, "event", name="onmute").at == from_milliseconds(START + 4005)
    assert samples(records) == samples(call().read())


# The statistics' clock against the page's.


def test_statistics_after_sleep_are_placed_by_the_page():
    def asleep(at):
        """The computer slept for three hours, and the clock of the statistics with it."""
        return at if at < 4500 else at + 3 * HOUR

    awake = call()
    slept = call(page=asleep, until=20_000)
    before, after = samples(awake.read()), samples(slept.read())
    expected = {
        (metric, direction, asleep(at)): value for (metric, direction, at), value in before.items() if at not in {5000, 6000}
    }
    # What the other end judged needs no interval.
    expected[Metric.ROUND_TRIP_TIME, Direction.BOTH, asleep(6000)] = 30
    assert after == expected
    assert any("jumped once" in message for message in messages(slept.read()))


def test_counters_of_a_page_that_slept_are_not_spread_over_its_sleep():
    def asleep(at):
        return at if at < 4500 else at + HOUR

    found = samples(call(page=asleep, statistics=asleep).read())
    expected = samples(call().read())
    assert {key: value for key, value in found.items() if key[2] < 4500} == {
        key: value for key, value in expected.items() if key[2] < 4500
    }
    assert min(value for (metric, _, _), value in found.items() if metric is Metric.BITRATE) >= 32_000


@pytest.mark.parametrize("offset", [2 * HOUR, -2 * HOUR])
def test_statistics_by_another_clock_are_placed_by_the_page(offset):
    records = call(statistics=lambda at: at + offset).read()
    # What the log lags behind cannot be told from what the clock does.
    assert {(*key[:2], key[2] - 5): value for key, value in samples(records).items()} == samples(call().read())
    assert [round(total.at.timestamp() * 1000 - START) for total in every(records, "totals")] == [8005, 8005, 7955]
    assert len(messages(records)) == 1


def test_events_and_statistics_go_on_when_the_clock_is_set_back():
    def set_back(at):
        return at if at < 4500 else at - HOUR

    def client(page):
        return call(page=page).add("onmute", "PC_0", None, 9500)

    records, expected = client(set_back).read(), client(right).read()
    found, wanted = samples(records), samples(expected)
    assert {key: value for key, value in found.items() if key[2] not in {5000, 6000}} == {
        key: value for key, value in wanted.items() if key[2] not in {5000, 6000}
    }
    mute = only(records, "event", name="onmute")
    assert (mute.at, mute.payload) == (
        from_milliseconds(START + 9500),
        {"clientTime": START + 9500 - HOUR},
    )
    assert only(records, "connection") == only(expected, "connection")
    assert ["set back by 60.0 minutes" in message for message in messages(records)] == [True]


# Repeated results.


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(1, 400)), max_size=12))
def test_repeated_results_change_nothing(repetitions):
    plain, client = call(), Client()
    for number in range(1, 9):
        client.poll(counters(number), number * 1000)
        line = orjson.loads(client.lines[-1])
        for late in sorted(late for which, late in repetitions if which == number - 1):
            client.lines.append(orjson.dumps([*line[:3], line[3] + late]))
    records = client.add("close", "PC_0", {}, 9000).read()
    assert told(records) == told(plain.read())
    assert every(records, "warning") == []


def test_statistics_that_stand_still_are_no_silence():
    def stall(at):
        return min(at, 4000) if at <= 24_000 else at

    client = Client(statistics=stall)
    for number in (1, 2, 3, *range(4, 25, 2), 25, 26):
        client.poll(counters(min(number, 4) if number <= 24 else number), number * 1000)
    records = client.add("close", "PC_0", {}, 30_000).read()
    bitrates = samples(records, Metric.BITRATE)
    assert {at for _, _, at in bitrates} == {2000, 3000, 4000, 25_000, 26_000}
    assert set(bitrates.values()) == {32_000, 720_000}
    assert messages(records) == [
        "For 20.0 s the client's statistics stood still and repeated their times; repetitions are left out."
    ]


def test_reports_that_stand_still_inside_of_new_results_are_no_silence():
    client = Client()
    for number in range(1, 15):
        read_at = START + 1000 * min(number, 4)
        reports = {"I": {"type": "inbound-rtp", "ssrc": 1, "kind": "audio", "packetsReceived": 50 * min(number, 4)}}
        client.poll(reports, number * 1000)
        line = orjson.loads(client.lines[-1])
        line[2]["I"]["timestamp"] = read_at
        client.lines[-1] = orjson.dumps(line)
    records = client.add("close", "PC_0", {}, 20_000).read()
    assert [at for _, _, at in samples(records, Metric.PACKETS_PER_SECOND)] == [2000, 3000, 4000]
    assert ["For 10.0 s" in message for message in messages(records)] == [True]


# Counters that begin again.


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(range(3, 13, 3)), min_size=1), st.integers(0, 1))
def test_counters_that_begin_again_leave_out_that_interval_alone(resets, first):
    client, since = Client(), 0
    for number in range(1, 13):
        since = first if number in resets else since + 1
        client.poll(counters(since) | {"O": counters(number)["O"]}, number * 1000)
    records = client.add("close", "PC_0", {}, 13_000).read()
    expected = samples(call(count=12).read())
    in_resets = {key for key in expected if key[2] / 1000 in resets and key[:2] != (Metric.ROUND_TRIP_TIME, Direction.BOTH)}
    found = samples(records)
    assert {key: value for key, value in found.items() if key[0] is not Metric.ROUND_TRIP_TIME} == {
        key: value for key, value in expected.items() if key not in in_resets and key[0] is not Metric.ROUND_TRIP_TIME
    }
    # Each once on the sender's and once on the receiver's counters.
    often = 2 * len(resets)
    (message,) = messages(records, DataWarningKind.COUNTER_RESET)
    assert f"{often} times" in message


def test_a_layer_that_begins_again_is_no_drop_of_the_others():
    client = Client()
    for number in range(1, 7):
        layers = {}
        for ssrc in (21, 22, 23):
            grown = number - 3 if ssrc == 22 and number >= 4 else number
            fields = {"packetsSent": 100 * grown, "bytesSent": 10_000 * grown, "mid": "0"}
            layers |= sent(ssrc, "video", **fields)
        client.poll(layers, number * 1000)
    records = client.read()
    assert set(samples(records, Metric.BITRATE).values()) == {240_000}
    assert [at for _, _, at in samples(records, Metric.BITRATE)] == [2000, 3000, 5000, 6000]
    assert "once" in messages(records, DataWarningKind.COUNTER_RESET)[0]


# Dumps without their end.


def test_a_dump_whose_end_is_missing_says_so():
    whole = call()
    assert messages(whole.read(), DataWarningKind.TRUNCATED) == []
    whole.lines.pop()
    records = whole.read()
    assert messages(records, DataWarningKind.TRUNCATED) == ["The dump ends while connected (PC_0): what came later is not in it."]
    assert only(records, "connection").close_reason == "dump ended"


def test_a_connection_that_never_was_up_has_no_end_to_miss():
    client = Client()
    client.lines.pop()
    assert messages(client.read(), DataWarningKind.TRUNCATED) == []


# Paths.


def pair(number, kind="host", protocol="udp"):
    """A connection by way of the pair of that number."""
    local = {"type": "local-candidate", "candidateType": kind, "protocol": protocol, "address": "192.0.2.7"}
    remote = {"type": "remote-candidate", "candidateType": "host"}
    return {
        "T": {"type": "transport", "selectedCandidatePairId": f"CP{number}"},
        f"CP{number}": {"type": "candidate-pair", "localCandidateId": f"L{number}", "remoteCandidateId": f"R{number}"},
        f"L{number}": local,
        f"R{number}": remote,
    }


def firefox(number):
    told = pair(number)
    del told["T"]
    told[f"CP{number}"]["selected"] = True
    return told


@pytest.mark.parametrize("form", [pair, firefox])
def test_a_change_of_the_selected_pair_is_told_and_no_more(form):
    client = Client()
    for second, number in enumerate([1, 1, 2, 2, 1], 1):
        client.poll(counters(second) | form(number), second * 1000)
    client.poll(counters(6), 6000).poll(counters(7) | form(1), 7000)
    told = every(client.read(), "event", name="selectedCandidatePairChange")
    assert [event.at.timestamp() * 1000 - START for event in told] == [3000, 5000]
    for event in told:
        assert (event.category, event.connection_id) == ("NETWORK", only(client.read(), "connection").connection_id)
        assert event.payload == {"transport": "udp", "local": "host", "remote": "host"}


def test_a_pair_whose_figures_change_is_the_same():
    client = Client()
    for second in range(1, 4):
        told = counters(second) | pair(1)
        told["CP1"] |= {"currentRoundTripTime": second / 100}
        client.poll(told, second * 1000)
    assert every(client.read(), "event", name="selectedCandidatePairChange") == []
