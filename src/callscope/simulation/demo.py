"""The calls of the demo: each thing that an inspector should show happens to someone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from callscope.simulation.chance import Dice
from callscope.simulation.plan import MILLISECOND, CallPlan, Fault, FaultKind
from callscope.simulation.platforms import call_id
from callscope.telemetry import EPOCH
from callscope.vocabulary import EndpointKind, MediaMode, Platform

ACS, VONAGE, JITSI, WEBRTC = Platform.ACS, Platform.VONAGE, Platform.JITSI, Platform.WEBRTC
PSTN, SIP, BOT = EndpointKind.PSTN, EndpointKind.SIP, EndpointKind.BOT
RELAYED = MediaMode.RELAYED

Draft = Callable[[datetime, int, int], CallPlan]
"""A plan still to be given its now, seed and number."""


def demo_calls(now: datetime, seed: int = 1) -> list[CallPlan]:
    """Varied calls of the 14 days before `now`, oldest first; the last one goes on at `now`. The days of a room share its id."""
    plans = [draft(now, seed, number) for number, draft in enumerate(CALLS)]
    room = plans.pop()
    plans += [replace(room, started_at=room.started_at - timedelta(days=days)) for days in ROOM_DAYS]
    return sorted(plans, key=lambda plan: plan.started_at)


def _call(hours: float, minutes: float, platform: Platform, *faults: Fault, **rest: Any) -> Draft:
    def plan(now: datetime, seed: int, number: int) -> CallPlan:
        started_at = now - timedelta(hours=hours)
        dice = Dice(f"{seed}/demo/{number}/{(started_at - EPOCH) // MILLISECOND}")
        until = None if started_at + timedelta(minutes=minutes) <= now else now
        return CallPlan(call_id(platform, dice), platform, started_at, minutes, faults=faults, seed=seed, until=until, **rest)

    return plan


UNDISTURBED = (
    _call(322, 11, ACS, tags=("interview",)),
    _call(310, 18, JITSI, participants=4, screen=1, interval_seconds=15, tags=("design",)),
    _call(291, 6, VONAGE, participants=1, tags=("device check",)),
    _call(269, 9, WEBRTC, media_mode=RELAYED, interval_seconds=5),
    _call(246, 30, VONAGE, participants=1, subscribers=30, interval_seconds=30, tags=("webinar",)),
    _call(221, 12, VONAGE, participants=3, kinds=(SIP,), interval_seconds=10, tags=("support",)),
    _call(174, 12, JITSI, participants=10, interval_seconds=30, tags=("all hands",)),
    _call(151, 14, WEBRTC, participants=2, subscribers=1, kinds=(BOT,), interval_seconds=10, tags=("recorded",)),
    _call(52, 16, JITSI, participants=3, has_video=False, interval_seconds=5),
    _call(28, 18, ACS, participants=4, kinds=(PSTN, PSTN), redacted=(1,), interval_seconds=10, tags=("support",)),
)
FAILED_ATTEMPTS = (
    _call(300, 3, ACS, Fault(FaultKind.DEAD_RELAY, 0, 600), participants=1),
    _call(278, 7, ACS, Fault(FaultKind.PUBLISH_FAILED, 0, 90, 1)),
    _call(255, 10, VONAGE, Fault(FaultKind.SUBSCRIBE_FAILED, 0, 120, 2), participants=3, interval_seconds=10),
    _call(97, 9, WEBRTC, Fault(FaultKind.DEAD_RELAY, 0, 75, 1), interval_seconds=5),
    _call(33, 10, JITSI, Fault(FaultKind.PUBLISH_FAILED, 0, 1200, 2), participants=3, interval_seconds=5),
)
LOST_CONNECTIONS = (
    _call(199, 12, VONAGE, *(Fault(FaultKind.CONNECTION_DROP, at, 30, 1) for at in (200, 400, 560)), interval_seconds=5),
    _call(163, 8, VONAGE, Fault(FaultKind.CONNECTION_DROP, 300, 600, 1)),
    _call(128, 13, ACS, Fault(FaultKind.CONNECTION_DROP, 260, 30, 3), participants=5, interval_seconds=15),
)
NETWORKS = (
    _call(316, 18, ACS, Fault(FaultKind.UPLINK_LOSS, 420, 180, 0, 18), participants=5, interval_seconds=15),
    _call(262, 15, JITSI, Fault(FaultKind.DOWNLINK_LOSS, 300, 240, 2), participants=5, interval_seconds=15),
    _call(234, 18, ACS, Fault(FaultKind.SERVER_LOSS, 600, 120), participants=5, interval_seconds=15),
    _call(187, 10, WEBRTC, Fault(FaultKind.HIGH_ROUND_TRIP, 180, 200, 1), media_mode=RELAYED, interval_seconds=5),
    _call(140, 12, VONAGE, Fault(FaultKind.LOW_BANDWIDTH, 240, 180), interval_seconds=5),
    _call(116, 12, JITSI, Fault(FaultKind.HIGH_JITTER, 200, 150, 1), participants=3, interval_seconds=10),
    _call(21, 12, WEBRTC, Fault(FaultKind.DOWNLINK_LOSS, 200, 120, 3, 30), participants=4, interval_seconds=10),
)
DEVICES = (
    _call(287, 8, ACS, Fault(FaultKind.CAMERA_FREEZE, 150, 60), Fault(FaultKind.MICROPHONE_SILENT, 300, 90, 1)),
    _call(208, 10, ACS, Fault(FaultKind.CPU_LIMITED, 200, 150), Fault(FaultKind.SPEAKER_MUTED, 60, 45, 1), interval_seconds=5),
    _call(
        145,
        9,
        ACS,
        Fault(FaultKind.SPEAKING_WHILE_MUTED, 120, 30),
        Fault(FaultKind.MICROPHONE_MUTED, 300, 60),
        interval_seconds=5,
    ),
    _call(61, 14, JITSI, Fault(FaultKind.CPU_LIMITED, 300, 200, 1), participants=3, screen=0, interval_seconds=10),
    _call(9, 10, VONAGE, Fault(FaultKind.CAMERA_FREEZE, 240, 40, 1), interval_seconds=5),
)
TOWN_HALL = _call(
    74,
    35,
    VONAGE,
    Fault(FaultKind.UPLINK_LOSS, 900, 300),
    Fault(FaultKind.DOWNLINK_LOSS, 600, 600, 40, 25),
    Fault(FaultKind.SUBSCRIBE_FAILED, 0, 240, 77),
    participants=1,
    subscribers=130,
    interval_seconds=120,
    tags=("town hall",),
)
LIVE = _call(0.4, 90, ACS, Fault(FaultKind.UPLINK_LOSS, 1300, 600, 1), participants=3, interval_seconds=10, tags=("live",))
ROOM = _call(3, 8, VONAGE, participants=3, interval_seconds=5, tags=("standup",))
ROOM_DAYS = (9, 7, 4, 2)

CALLS = (*UNDISTURBED, *FAILED_ATTEMPTS, *LOST_CONNECTIONS, *NETWORKS, *DEVICES, TOWN_HALL, LIVE, ROOM)
