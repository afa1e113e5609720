"""What a simulated call is to be: who takes part, for how long, and what goes wrong when."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from callscope.telemetry import EPOCH
from callscope.vocabulary import EndpointKind, Media, MediaMode, Metric, Platform, Term

MILLISECOND = timedelta(milliseconds=1)


class FaultKind(Term):
    """What goes wrong, and in which unit a fault's strength is."""

    UPLINK_LOSS = "UPLINK_LOSS", "Packets that the participant sends get lost on its way to the server, percent."
    DOWNLINK_LOSS = "DOWNLINK_LOSS", "Packets get lost on their way from the server to the participant, percent."
    SERVER_LOSS = "SERVER_LOSS", "The server loses packets for all receivers of all senders, percent; no participant is meant."
    HIGH_ROUND_TRIP = "HIGH_ROUND_TRIP", "The participant's path takes longer, there and back, ms."
    HIGH_JITTER = "HIGH_JITTER", "Packets from and to the participant arrive unevenly, ms."
    LOW_BANDWIDTH = "LOW_BANDWIDTH", "The participant's uplink carries no more than this, bit/s."
    CPU_LIMITED = "CPU_LIMITED", "The participant's device encodes only this share of the frames, 0 to 1."
    CAMERA_FREEZE = "CAMERA_FREEZE", "The participant's camera delivers no frames."
    MICROPHONE_SILENT = "MICROPHONE_SILENT", "The participant's microphone is open and delivers silence."
    MICROPHONE_MUTED = "MICROPHONE_MUTED", "The participant's system mutes the microphone, without the participant's doing."
    SPEAKING_WHILE_MUTED = "SPEAKING_WHILE_MUTED", "The participant mutes and then speaks."
    SPEAKER_MUTED = "SPEAKER_MUTED", "The participant's speaker is muted."
    DEAD_RELAY = "DEAD_RELAY", "No relay answers: attempts of the participant to connect fail."
    PUBLISH_FAILED = "PUBLISH_FAILED", "Attempts of the participant to publish fail."
    SUBSCRIBE_FAILED = "SUBSCRIBE_FAILED", "Attempts of the participant to subscribe fail."
    CONNECTION_DROP = "CONNECTION_DROP", "The participant's connection is lost; it reconnects when the fault is over."


STRENGTHS = {
    FaultKind.UPLINK_LOSS: 15.0,
    FaultKind.DOWNLINK_LOSS: 15.0,
    FaultKind.SERVER_LOSS: 12.0,
    FaultKind.HIGH_ROUND_TRIP: 500.0,
    FaultKind.HIGH_JITTER: 60.0,
    FaultKind.LOW_BANDWIDTH: 90_000.0,
    FaultKind.CPU_LIMITED: 0.4,
}


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong from `at` for `duration` seconds of the call.

    Failures of attempts hit each attempt in that time; the next attempt follows when it is over, if the call still goes on.
    `participant` counts publishers first, then subscribers, from 0. `strength` is in the unit of the kind.
    """

    kind: FaultKind
    at: float
    duration: float
    participant: int = 0
    strength: float | None = None


@dataclass(frozen=True)
class Window:
    """A stretch of time, from after `start` up to `end`, milliseconds since the Unix epoch."""

    start: int
    end: int
    strength: float = 1.0
    key: str = ""

    def covers(self, time: int) -> bool:
        return self.start <= time < self.end


@dataclass(frozen=True)
class CallPlan:
    """One meeting of one call, from which `simulate_call` makes its telemetry.

    `participants` publish and receive, `subscribers` only receive. `kinds` are those of the last of them all, the others use
    browsers and apps; `redacted` are those whose details the platform withholds, `screen` the one who shares its screen for a
    while, both counted from 0. The first participant stays from start to end and mutes only by a fault. The same `seed` and
    `call_id` give the same people. `until` cuts the telemetry off, as for a call that goes on.

    Clients report all that they can measure, or what is `reported`; within a second of each other, or each in a step of its own
    where they are not `in_step`. `churn` is the share of the subscribers who come late, and of those who leave early.
    """

    call_id: str
    platform: Platform
    started_at: datetime
    minutes: float
    participants: int = 2
    subscribers: int = 0
    interval_seconds: float | None = None
    faults: tuple[Fault, ...] = ()
    seed: int = 1
    kinds: tuple[EndpointKind, ...] = ()
    redacted: tuple[int, ...] = ()
    has_video: bool = True
    screen: int | None = None
    media_mode: MediaMode = MediaMode.ROUTED
    tags: tuple[str, ...] = ()
    until: datetime | None = None
    reported: frozenset[tuple[Media, Metric]] | None = None
    in_step: bool = True
    churn: float = 0.0

    def __post_init__(self) -> None:
        if self.participants < 1 or self.subscribers < 0:
            raise ValueError("a call needs a participant")
        if self.minutes <= 0 or self.interval < 100:
            raise ValueError("a call should last, and be sampled at most ten times a second")
        if self.media_mode is MediaMode.RELAYED and self.people != 2:
            raise ValueError("only two participants can relay media to each other")
        if any(not 0 <= fault.participant < self.people or fault.duration < 0 for fault in self.faults):
            raise ValueError("a fault should name a participant of the call, and last")
        if not 0 <= self.churn <= 1:
            raise ValueError("churn should be a share")
        if any(fault.strength is not None and fault.strength < 0 for fault in self.faults):
            raise ValueError("a fault's strength should not be negative")

    @property
    def people(self) -> int:
        return self.participants + self.subscribers

    @property
    def start(self) -> int:
        """Milliseconds since the Unix epoch."""
        return (self.started_at - EPOCH) // MILLISECOND

    @property
    def end(self) -> int:
        """Milliseconds since the Unix epoch."""
        return self.start + round(self.minutes * 60_000)

    @property
    def interval(self) -> int:
        """Milliseconds between samples."""
        return round((self.interval_seconds or (2.0 if self.people <= 4 else 10.0)) * 1000)

    @property
    def phase(self) -> int:
        """Milliseconds after the end of an interval, at most, at which a client reports it."""
        return min(1_000, self.interval // 4) if self.in_step else self.interval - 1

    @property
    def key(self) -> str:
        return f"{self.seed}/{self.call_id}/{self.start}"

    def windows(self) -> dict[tuple[FaultKind, int], list[Window]]:
        """When each kind of fault hits each participant; the server's faults stand under participant 0."""
        found: defaultdict[tuple[FaultKind, int], list[Window]] = defaultdict(list)
        for fault in sorted(self.faults, key=lambda fault: fault.at):
            start = self.start + round(fault.at * 1000)
            strength = STRENGTHS.get(fault.kind, 1.0) if fault.strength is None else fault.strength
            who = 0 if fault.kind is FaultKind.SERVER_LOSS else fault.participant
            key = f"{self.key}/{fault.kind}/{who}/{start}"
            found[fault.kind, who].append(Window(start, start + round(fault.duration * 1000), strength, key))
        return found
