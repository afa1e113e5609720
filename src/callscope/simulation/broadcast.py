"""A call before a large audience: people come and go, and networks fail, for all, for a place and for single viewers."""

from collections.abc import Iterator
from datetime import datetime

from callscope.simulation.chance import Dice
from callscope.simulation.people import Person, people
from callscope.simulation.plan import STRENGTHS, CallPlan, Fault, FaultKind
from callscope.vocabulary import Media, Metric, Platform

REPORTED = frozenset(
    {(Media.VIDEO, Metric.BITRATE), (Media.VIDEO, Metric.PACKET_LOSS), (Media.CONNECTION, Metric.ROUND_TRIP_TIME)}
)
"""What a client of a large audience reports: bitrate and loss of the video, and the round trip of its connection."""
INTERVAL = 10.0
"""Seconds between samples."""
CHURN = 0.1
"""Share of the audience that comes late, and share that leaves early."""
# Shares of the audience that something happens to, each on its own.
UNCONNECTED, UNSUBSCRIBED, DROPPING, SUFFERING = 0.01, 0.01, 0.05, 0.06


def broadcast(
    call_id: str,
    started_at: datetime,
    minutes: float,
    subscribers: int,
    *,
    participants: int = 1,
    reported: frozenset[tuple[Media, Metric]] | None = REPORTED,
    seed: int = 1,
) -> CallPlan:
    """`participants` publish, `subscribers` only receive. The same seed, start and sizes make the same call."""

    def plan(*faults: Fault) -> CallPlan:
        return CallPlan(
            call_id,
            Platform.OTHER,
            started_at,
            minutes,
            participants=participants,
            subscribers=subscribers,
            interval_seconds=INTERVAL,
            faults=faults,
            seed=seed,
            reported=reported,
            in_step=False,
            churn=CHURN,
        )

    audience = [person for person in people(plan()) if not person.publishes]
    faults = Faults(60 * minutes, Dice(f"{seed}/{call_id}/faults"))
    return plan(*faults.of_all(), *faults.of_places(audience), *faults.of_viewers(audience))


class Faults:
    """What goes wrong in so many seconds."""

    def __init__(self, length: float, dice: Dice) -> None:
        self._length = length
        self._dice = dice

    def _at(self, kind: FaultKind, at: float, lasting: float, who: int = 0, strength: float | None = None) -> Fault:
        """At and lasting a share of the call."""
        return Fault(kind, at * self._length, lasting * self._length, who, strength)

    def of_all(self) -> Iterator[Fault]:
        """The sender's uplink, and later the server."""
        yield self._at(FaultKind.UPLINK_LOSS, 0.25, 0.05)
        yield self._at(FaultKind.SERVER_LOSS, 0.65, 0.02)

    def of_places(self, audience: list[Person]) -> Iterator[Fault]:
        """One city loses packets, another is far away for a while."""
        cities = sorted({person.location.city or "" for person in audience})
        for kind, at, lasting in ((FaultKind.DOWNLINK_LOSS, 0.4, 0.1), (FaultKind.HIGH_ROUND_TRIP, 0.75, 0.08)):
            city = self._dice.pick(cities) if cities else ""
            for person in audience:
                if person.location.city == city:
                    yield self._at(kind, at, lasting, person.index)

    def of_viewers(self, audience: list[Person]) -> Iterator[Fault]:
        dice = self._dice
        for person in audience:
            who = person.index
            if dice.chance(UNCONNECTED):
                # Half of them for as long as they try; the others come in once their network lets them.
                yield self._at(FaultKind.DEAD_RELAY, 0, dice.pick((0.06, 1.01)), who)
            if dice.chance(UNSUBSCRIBED):
                yield self._at(FaultKind.SUBSCRIBE_FAILED, 0, dice.pick((0.06, 1.01)), who)
            if dice.chance(DROPPING):
                for _ in range(dice.whole(1, 4)):
                    yield Fault(FaultKind.CONNECTION_DROP, self._length * dice.between(0.1, 0.95), dice.between(3, 60), who)
            if dice.chance(SUFFERING):
                kind = dice.pick((FaultKind.DOWNLINK_LOSS, FaultKind.DOWNLINK_LOSS, FaultKind.HIGH_ROUND_TRIP))
                strength = STRENGTHS[kind] * dice.between(0.5, 3)
                yield self._at(kind, dice.between(0.1, 0.9), dice.between(0.01, 0.1), who, strength)
