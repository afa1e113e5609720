"""Simulated calls that many tests read: small, and of every kind."""

from datetime import UTC, datetime, timedelta

from callscope.simulation import CallPlan, Fault, FaultKind
from callscope.vocabulary import EndpointKind, Platform

STARTED_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def sample_plans() -> list[CallPlan]:
    """A one-to-one, a multiparty with a SIP line, a broadcast, a reused room with two meetings, and one that failed."""

    def plan(number: int, call_id: str, platform: Platform, *faults: Fault, participants: int = 2, **rest) -> CallPlan:
        started_at = STARTED_AT + timedelta(hours=number)
        return CallPlan(call_id, platform, started_at, 2, participants, faults=faults, interval_seconds=10, **rest)

    return [
        plan(0, "one-to-one", Platform.WEBRTC),
        plan(1, "multiparty", Platform.ACS, Fault(FaultKind.UPLINK_LOSS, 30, 40, 1), participants=4, kinds=(EndpointKind.SIP,)),
        plan(2, "broadcast", Platform.VONAGE, participants=1, subscribers=8),
        plan(3, "room", Platform.JITSI, participants=3),
        plan(8, "room", Platform.JITSI, Fault(FaultKind.CONNECTION_DROP, 40, 20, 1), participants=3),
        plan(10, "failed", Platform.ACS, Fault(FaultKind.DEAD_RELAY, 0, 600), participants=1),
    ]
