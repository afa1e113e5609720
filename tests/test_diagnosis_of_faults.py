"""A fault that the simulator places is diagnosed as what it is: kind, whom, from when to when, and whose fault.

Through ingest, settling and GraphQL; ``python -m tests.bench diagnosis`` does so for many calls, in memory.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from callscope.ingest import ingest_plans
from callscope.simulation import CallPlan, Fault, FaultKind
from callscope.simulation.people import people
from callscope.simulation.timeline import Timeline
from callscope.vocabulary import Attribution, IssueKind, MediaMode, Platform
from tests.bench.bench_diagnosis import TARGET, measured
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.simulation.observed import STARTED_AT, plan

AT, LASTS, INTERVAL = 120.0, 60.0, 2.0
END = AT + LASTS
TOLERANCE = 2 * INTERVAL
EVERYONE, OTHERS = (0, 1, 2, 3), (0, 2, 3)
Kind = IssueKind
SENDER, RECEIVER, SERVER, UNKNOWN = Attribution.SENDER, Attribution.RECEIVER, Attribution.SERVER, Attribution.UNKNOWN
SENDER_NETWORK, RECEIVER_NETWORK = Attribution.SENDER_NETWORK, Attribution.RECEIVER_NETWORK
QUERY = """
query ($call: String!) {
  call(callId: $call) {
    issues(first: 100) { nodes { kind attribution startedAt endedAt isRecovered participant { participantId } } }
  }
}
"""


class Found(NamedTuple):
    """An issue, its participant counted as the plan counts them, its times in seconds of the call."""

    kind: IssueKind
    who: int
    attribution: Attribution
    start: float
    end: float
    is_recovered: bool


class Sign(NamedTuple):
    """What must be found: from when to when, in seconds of the call."""

    kind: IssueKind
    who: tuple[int, ...]
    attribution: Attribution
    start: float = AT
    end: float = END


# What a fault of participant 1, of four on ACS, must raise; diagnostics of the SDK come after the time that it takes to be sure.
# Where attempts fail, starts are after the first of them.
SIGNS = {
    FaultKind.UPLINK_LOSS: [
        Sign(Kind.HIGH_PACKET_LOSS, EVERYONE, SENDER_NETWORK),
        Sign(Kind.POOR_NETWORK_SEND, (1,), SENDER_NETWORK, AT + 4),
    ],
    FaultKind.DOWNLINK_LOSS: [
        Sign(Kind.HIGH_PACKET_LOSS, (1,), RECEIVER_NETWORK),
        Sign(Kind.POOR_NETWORK_RECEIVE, (1,), RECEIVER_NETWORK, AT + 4),
    ],
    FaultKind.SERVER_LOSS: [
        Sign(Kind.HIGH_PACKET_LOSS, EVERYONE, SERVER),
        Sign(Kind.POOR_NETWORK_RECEIVE, EVERYONE, SERVER, AT + 4),
    ],
    FaultKind.HIGH_ROUND_TRIP: [
        Sign(Kind.HIGH_LATENCY, (1,), SENDER_NETWORK),
        Sign(Kind.LOW_MEAN_OPINION_SCORE, (1,), RECEIVER_NETWORK),
        Sign(Kind.POOR_NETWORK_SEND, (1,), SENDER_NETWORK, AT + 4),
    ],
    FaultKind.HIGH_JITTER: [
        Sign(Kind.HIGH_JITTER, EVERYONE, SENDER_NETWORK),
        Sign(Kind.HIGH_JITTER, (1,), RECEIVER_NETWORK),
        Sign(Kind.POOR_NETWORK_RECEIVE, (1,), RECEIVER_NETWORK, AT + 4),
    ],
    FaultKind.LOW_BANDWIDTH: [
        Sign(Kind.LOW_BANDWIDTH, (1,), SENDER_NETWORK),
        Sign(Kind.BANDWIDTH_LIMITED, (1,), SENDER_NETWORK),
        Sign(Kind.LOW_VIDEO_BITRATE, (1,), SENDER_NETWORK),
    ],
    FaultKind.CPU_LIMITED: [Sign(Kind.CPU_LIMITED, (1,), SENDER)],
    FaultKind.CAMERA_FREEZE: [Sign(Kind.CAMERA_FREEZE, (1,), SENDER)],
    FaultKind.MICROPHONE_SILENT: [Sign(Kind.MICROPHONE_NOT_FUNCTIONING, (1,), SENDER, AT + 10)],
    FaultKind.MICROPHONE_MUTED: [Sign(Kind.MICROPHONE_MUTED_UNEXPECTEDLY, (1,), SENDER)],
    FaultKind.SPEAKING_WHILE_MUTED: [Sign(Kind.SPEAKING_WHILE_MUTED, (1,), SENDER, AT + 2)],
    FaultKind.SPEAKER_MUTED: [Sign(Kind.SPEAKER_NOT_FUNCTIONING, (1,), RECEIVER)],
    FaultKind.DEAD_RELAY: [
        Sign(Kind.CONNECT_FAILED, (1,), UNKNOWN, 0, LASTS),
        # Raised three seconds after the attempt, and never told to be over.
        Sign(Kind.RELAY_UNREACHABLE, (1,), UNKNOWN, 3, 3),
    ],
    FaultKind.PUBLISH_FAILED: [Sign(Kind.PUBLISH_FAILED, (1,), UNKNOWN, 0, LASTS)],
    FaultKind.SUBSCRIBE_FAILED: [Sign(Kind.SUBSCRIBE_FAILED, (1,), UNKNOWN, 0, LASTS)],
    FaultKind.CONNECTION_DROP: [
        Sign(Kind.UNEXPECTED_DISCONNECT, (1,), SENDER_NETWORK),
        Sign(Kind.NO_NETWORK, (1,), SENDER_NETWORK),
    ],
}
AT_THE_START = frozenset({FaultKind.DEAD_RELAY, FaultKind.PUBLISH_FAILED, FaultKind.SUBSCRIBE_FAILED})
CONSEQUENCES = {
    FaultKind.UPLINK_LOSS: {Kind.LOW_MEAN_OPINION_SCORE, Kind.AUDIO_CONCEALMENT},
    FaultKind.DOWNLINK_LOSS: {Kind.LOW_MEAN_OPINION_SCORE, Kind.AUDIO_CONCEALMENT},
    FaultKind.SERVER_LOSS: {Kind.LOW_MEAN_OPINION_SCORE, Kind.AUDIO_CONCEALMENT},
    FaultKind.LOW_BANDWIDTH: {Kind.LOW_RESOLUTION, Kind.POOR_NETWORK_SEND},
    FaultKind.CPU_LIMITED: {Kind.LOW_RESOLUTION, Kind.LOW_FRAME_RATE},
    FaultKind.MICROPHONE_SILENT: {Kind.SILENT_MICROPHONE},
}
"""What may be found as well, with the same attribution."""
FACTS = {Kind.RELAY_USED, Kind.TCP_USED}
PAIR: dict[str, Any] = {"participants": 2, "interval_seconds": INTERVAL}
RELAYED: dict[str, Any] = PAIR | {"platform": Platform.WEBRTC, "media_mode": MediaMode.RELAYED}


def fault(kind: FaultKind) -> Fault:
    strength = 700.0 if kind is FaultKind.HIGH_ROUND_TRIP else None
    return Fault(kind, 0.0 if kind in AT_THE_START else AT, LASTS, 1, strength)


PLANS: dict[str, CallPlan] = {
    "calm": plan(call_id="calm", participants=4, interval_seconds=INTERVAL),
    "uplink of two": plan(fault(FaultKind.UPLINK_LOSS), call_id="uplink of two", **PAIR | {"platform": Platform.VONAGE}),
    "downlink of two": plan(fault(FaultKind.DOWNLINK_LOSS), call_id="downlink of two", **PAIR | {"platform": Platform.VONAGE}),
    "server of two": plan(fault(FaultKind.SERVER_LOSS), call_id="server of two", **PAIR),
    "relayed": plan(fault(FaultKind.UPLINK_LOSS), call_id="relayed", **RELAYED),
    "one of an audience": plan(
        Fault(FaultKind.DOWNLINK_LOSS, AT, LASTS, 3), call_id="one of an audience", subscribers=5, **PAIR | {"participants": 1}
    ),
    **{kind: plan(fault(kind), call_id=kind, participants=4, interval_seconds=INTERVAL) for kind in FaultKind},
}


@pytest.fixture(scope="module")
async def settled(servers, migrated) -> AsyncIterator[Inspector]:
    async with new_database(servers, template=migrated) as url, running(url) as found:
        await ingest_plans(found.connection, url, found.project_id, PLANS.values())
        await found.settle()
        yield found


async def issues(settled: Inspector, call: str) -> list[Found]:
    """Those of a call but for mere facts of its connections."""
    numbers = {person.participant_id: person.index for person in people(PLANS[call])}
    nodes = (await settled.query(QUERY, call=call))["call"]["issues"]["nodes"]
    return [
        Found(
            Kind[node["kind"]],
            numbers[node["participant"]["participantId"]],
            Attribution[node["attribution"]],
            seconds(node["startedAt"]),
            seconds(node["endedAt"]),
            node["isRecovered"],
        )
        for node in nodes
        if node["kind"] not in FACTS
    ]


def seconds(instant: str) -> float:
    return (datetime.fromisoformat(instant) - STARTED_AT) / timedelta(seconds=1)


def first_attempt(kind: FaultKind) -> float:
    """When the participant first tried what was to fail, in seconds of the call."""
    timeline = Timeline(PLANS[kind])
    visit = next(visit for visit in timeline.visits if visit.person.index == 1)
    attempts = {
        FaultKind.DEAD_RELAY: [visit],
        FaultKind.PUBLISH_FAILED: [one for one in timeline.publications if one.visit is visit],
        FaultKind.SUBSCRIBE_FAILED: [one for one in timeline.subscriptions if one.visit is visit],
    }[kind]
    return (min(one.attempted for one in attempts) - PLANS[kind].start) / 1000


def expected(kind: FaultKind) -> list[Sign]:
    if kind not in AT_THE_START:
        return SIGNS[kind]
    first = first_attempt(kind)
    return [sign._replace(start=sign.start + first, end=sign.end + (0 if sign.end == LASTS else first)) for sign in SIGNS[kind]]


def is_of(found: Found, sign: Sign, who: int) -> bool:
    is_on_time = abs(found.start - sign.start) <= TOLERANCE and abs(found.end - sign.end) <= TOLERANCE
    return (found.kind, found.who, found.attribution) == (sign.kind, who, sign.attribution) and is_on_time


@pytest.mark.parametrize("kind", FaultKind)
async def test_fault_is_found_with_kind_participant_span_and_attribution(settled: Inspector, kind: FaultKind) -> None:
    found = await issues(settled, kind)
    for sign in expected(kind):
        for who in sign.who:
            assert any(is_of(one, sign, who) for one in found), (sign, who, found)


@pytest.mark.parametrize("kind", FaultKind)
async def test_nothing_else_is_found(settled: Inspector, kind: FaultKind) -> None:
    known = {(sign.kind, who, sign.attribution) for sign in SIGNS[kind] for who in sign.who}
    for one in await issues(settled, kind):
        is_consequence = one.kind in CONSEQUENCES.get(kind, ()) and one.attribution in {sign.attribution for sign in SIGNS[kind]}
        assert is_consequence or (one.kind, one.who, one.attribution) in known, one


async def test_what_is_over_has_recovered(settled: Inspector) -> None:
    for kind in FaultKind:
        found = await issues(settled, kind)
        assert [one.kind for one in found if not one.is_recovered] == [Kind.RELAY_UNREACHABLE] * (kind is FaultKind.DEAD_RELAY)


def test_many_calls_are_diagnosed_as_well_as_the_benchmark_asks() -> None:
    faulty, calm = measured(48, faulty=True, seed=5), measured(24, faulty=False, seed=5)
    figures = (faulty.recall, faulty.precision, faulty.attribution, faulty.timeliness)
    assert min(figures) >= TARGET, (figures, faulty.remarks)
    assert calm.remarks == []


async def test_call_without_a_fault_has_no_issue(settled: Inspector) -> None:
    assert await issues(settled, "calm") == []


@pytest.mark.parametrize(
    ("call", "attributions"),
    [
        # The server's report of what was sent proves the sender's network.
        ("uplink of two", {(0, SENDER_NETWORK), (1, SENDER_NETWORK)}),
        # Where one receives a single stream that nobody else does, server and network look the same.
        ("downlink of two", {(1, UNKNOWN)}),
        ("server of two", {(0, UNKNOWN), (1, UNKNOWN)}),
        # One end of a path looks like the other.
        ("relayed", {(0, UNKNOWN), (1, UNKNOWN)}),
        ("one of an audience", {(3, RECEIVER_NETWORK)}),
    ],
)
async def test_attribution_says_what_the_data_can_tell(settled: Inspector, call: str, attributions: set) -> None:
    losses = [one for one in await issues(settled, call) if one.kind is Kind.HIGH_PACKET_LOSS]
    assert {(one.who, one.attribution) for one in losses} == attributions
    for one in losses:
        assert abs(one.start - AT) <= TOLERANCE
        assert abs(one.end - END) <= TOLERANCE
