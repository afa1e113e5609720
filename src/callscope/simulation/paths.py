"""The network between the participants: what faults add to loss, round trip and jitter, interval by interval."""

from dataclasses import dataclass

from callscope.simulation.chance import texture
from callscope.simulation.people import Person
from callscope.simulation.plan import FaultKind, Window
from callscope.simulation.timeline import Timeline
from callscope.vocabulary import MediaMode

Extra = list[float] | None
"""What faults add in each interval of a stretch; None where they add nothing."""


@dataclass(frozen=True)
class Stretch:
    """Intervals of a call, counted from 1: the n-th ends n intervals after the call's start. Times are in ms."""

    start: int
    interval: int
    first: int
    count: int

    def within(self, window: Window) -> slice:
        """The intervals that end in the window."""
        low = (window.start - self.start) // self.interval + 1 - self.first
        high = (window.end - self.start) // self.interval + 1 - self.first
        return slice(min(max(low, 0), self.count), min(max(high, 0), self.count))


def added(*extras: Extra) -> Extra:
    """The sum of what several faults add."""
    total: Extra = None
    for extra in extras:
        if extra is not None:
            total = extra if total is None else [one + other for one, other in zip(total, extra, strict=True)]
    return total


class Paths:
    """The ways from each participant to the server and back during a stretch; relayed media knows but the way as a whole."""

    def __init__(self, timeline: Timeline, stretch: Stretch) -> None:
        self._windows = timeline.windows
        self._people = timeline.people
        self._is_relayed = timeline.plan.media_mode is MediaMode.RELAYED
        self._stretch = stretch
        self._known: dict[tuple[FaultKind, int], Extra] = {}

    def _extra(self, kind: FaultKind, who: int) -> Extra:
        if (kind, who) not in self._known:
            self._known[kind, who] = self._add(self._windows.get((kind, who), []))
        return self._known[kind, who]

    def _add(self, windows: list[Window]) -> Extra:
        extra: Extra = None
        for window in windows:
            hit = self._stretch.within(window)
            if hit.start < hit.stop:
                noise = texture(window.key, self._stretch.first + hit.start, hit.stop - hit.start)
                extra = extra or [0.0] * self._stretch.count
                extra[hit] = [so_far + window.strength * (1.0 + 0.15 * x) for so_far, x in zip(extra[hit], noise, strict=True)]
        return extra

    def _peer(self, person: Person) -> Person | None:
        return self._people[1 - person.index] if self._is_relayed else None

    def sent_loss(self, sender: Person) -> Extra:
        """As the other end of the sender's connection reports it, percent."""
        peer = self._peer(sender)
        return added(
            self._extra(FaultKind.UPLINK_LOSS, sender.index), self._extra(FaultKind.DOWNLINK_LOSS, peer.index) if peer else None
        )

    def received_loss(self, sender: Person, receiver: Person) -> Extra:
        """From sender to receiver, percent."""
        server = None if self._is_relayed else self._extra(FaultKind.SERVER_LOSS, 0)
        uplink, downlink = (FaultKind.UPLINK_LOSS, sender.index), (FaultKind.DOWNLINK_LOSS, receiver.index)
        return added(self._extra(*uplink), server, self._extra(*downlink))

    def round_trip(self, person: Person) -> tuple[float, Extra]:
        """Of a participant's connection, ms: usual, and what faults add."""
        peer = self._peer(person)
        if peer is None:
            return person.round_trip_ms, self._extra(FaultKind.HIGH_ROUND_TRIP, person.index)
        return self.double_latency(person, peer)

    def double_latency(self, sender: Person, receiver: Person) -> tuple[float, Extra]:
        """Twice the way from sender to receiver, ms: usual, and what faults add."""
        extra = added(*(self._extra(FaultKind.HIGH_ROUND_TRIP, person.index) for person in (sender, receiver)))
        return sender.round_trip_ms + receiver.round_trip_ms, extra

    def sent_jitter(self, sender: Person) -> Extra:
        """As the other end of the sender's connection reports it, ms."""
        peer = self._peer(sender)
        return self.received_jitter(sender, peer) if peer else self._extra(FaultKind.HIGH_JITTER, sender.index)

    def received_jitter(self, sender: Person, receiver: Person) -> Extra:
        """From sender to receiver, ms."""
        return added(*(self._extra(FaultKind.HIGH_JITTER, person.index) for person in (sender, receiver)))

    def narrow(self, sender: Person, available: list[float]) -> None:
        """Lowers what the sender's uplink can carry, bit/s, to what faults leave of it."""
        for window in self._windows.get((FaultKind.LOW_BANDWIDTH, sender.index), ()):
            hit = self._stretch.within(window)
            noise = texture(window.key, self._stretch.first + hit.start, hit.stop - hit.start)
            available[hit] = [
                min(x, window.strength * (0.95 + 0.04 * y)) // 1.0 for x, y in zip(available[hit], noise, strict=True)
            ]
