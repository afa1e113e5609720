"""What is wrong in a simulated call, as its plan has it: which issues each fault should raise for whom, and whose fault they are.

Per fault, *must* is what a diagnosis has to find, *may* what the fault brings about as well, where strength and length suffice.
Both follow from what the simulator does:

- Losses on an uplink show in the publisher's report (the server's, of what arrived) and for all who receive it; on a downlink,
  for one in all that it receives; at the server, for all in all that they receive and in no report of what was sent.
- Round trip and jitter are of one participant's path, both ways: the sender's network in what it sends and tells of itself and
  for those who receive it, the receiver's in what it receives.
- A narrow uplink and a busy CPU lower what one camera sends, and a frozen one sends nothing: that is told of the sender, once,
  and need not be told again of each who gets what was sent.
- Diagnostics of an SDK are raised after the time that it takes to be sure (``simulation.diagnostics``), for networks on ACS.
- Nobody can tell the server from the receiver's network where one of two receives a single stream, unless the SDK says which,
  nor a dead relay from one that cannot be reached, nor one end of a relayed call from the other: their fault is UNKNOWN.
- What never recovered was seen when it happened, an attempt until it had failed, and not after.
- The first and the last five seconds of what someone sends or receives are not judged.
- A relay and TLS are facts of a connection and no alarm, and so is a long way between two clients.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from callscope.simulation.diagnostics import FLAGS, QUALITIES, RELAY
from callscope.simulation.people import Person
from callscope.simulation.plan import CallPlan, FaultKind, Window
from callscope.simulation.timeline import Publication, Subscription, Timeline, Visit
from callscope.vocabulary import Attribution, Direction, IssueKind, MediaMode, Platform

Kind = IssueKind
SENDER, RECEIVER, SERVER, UNKNOWN = Attribution.SENDER, Attribution.RECEIVER, Attribution.SERVER, Attribution.UNKNOWN
SENDER_NETWORK, RECEIVER_NETWORK = Attribution.SENDER_NETWORK, Attribution.RECEIVER_NETWORK
PUBLISH, SUBSCRIBE = Direction.PUBLISH, Direction.SUBSCRIBE

SURE = 40_000
"""Milliseconds that a fault must last for what has to last itself."""
GRACE = 5_000
"""Milliseconds at either end of a stream."""
FAR = 220.0
"""Milliseconds there and back, from which a long way may be one that is too long."""

HEARD = (Kind.AUDIO_CONCEALMENT, Kind.LOW_MEAN_OPINION_SCORE)
SEEN = (Kind.VIDEO_FREEZE, Kind.LOW_FRAME_RATE, Kind.LOW_VIDEO_BITRATE, Kind.LOW_RESOLUTION)
STILL = (*SEEN, Kind.NO_MEDIA_RECEIVED, Kind.NO_MEDIA_SENT, Kind.DECODER_STUCK)
RECEIVED_LOSS = (*HEARD, *SEEN, Kind.JITTER_BUFFER_HIGH)


class Sign(NamedTuple):
    """An issue that a fault raises: whose, from when to when (ms since the Unix epoch), and how it shows."""

    fault: FaultKind | None
    kind: IssueKind
    participant_id: str
    start: float
    end: float
    attribution: Attribution
    is_needed: bool = True
    direction: Direction | None = None
    stream_id: str | None = None


def signs(plan: CallPlan) -> list[Sign]:
    """All that should or may be found in a call."""
    return list(Truth(plan).signs())


class Truth:
    def __init__(self, plan: CallPlan) -> None:
        self.plan = plan
        self.timeline = Timeline(plan)
        self.is_relayed = plan.media_mode is MediaMode.RELAYED
        self.published = [one for one in self.timeline.publications if one.published is not None]
        self.subscribed = [one for one in self.timeline.subscriptions if one.subscribed is not None]

    def signs(self) -> Iterator[Sign]:
        yield from self._facts()
        for (kind, who), windows in self.timeline.windows.items():
            for window in windows:
                yield from self._of(kind, self.timeline.people[who], window)

    def _of(self, kind: FaultKind, person: Person, window: Window) -> Iterator[Sign]:
        if kind in FLAGS:
            yield from self._flag(kind, person, window)
        if kind in QUALITIES and self.plan.platform is Platform.ACS:
            yield from self._quality(kind, person, window)
        yield from SHOWN[kind](self, kind, person, window)

    # What one fault brings about.

    def _uplink_loss(self, kind: FaultKind, person: Person, window: Window) -> Iterator[Sign]:
        yield from self._sent(kind, person, window, (Kind.HIGH_PACKET_LOSS,), RECEIVED_LOSS, SENDER_NETWORK)

    def _downlink_loss(self, kind: FaultKind, person: Person, window: Window) -> Iterator[Sign]:
        yield from self._received(kind, [person], window, Kind.HIGH_PACKET_LOSS, self._downlink(person, window))
        if self.is_relayed:
            peer = self.timeline.people[1 - person.index]
            yield from self._sent(kind, peer, window, (Kind.HIGH_PACKET_LOSS,), RECEIVED_LOSS, UNKNOWN)

    def _server_loss(self, kind: FaultKind, _: Person, window: Window) -> Iterator[Sign]:
        fault = SERVER if len(self._receivers(window)) >= 3 else UNKNOWN
        if not self.is_relayed:
            yield from self._received(kind, self.timeline.people, window, Kind.HIGH_PACKET_LOSS, fault)

    def _jitter(self, kind: FaultKind, person: Person, window: Window) -> Iterator[Sign]:
        also = (Kind.JITTER_BUFFER_HIGH, *HEARD)
        for one in self.timeline.people if self.is_relayed else [person]:
            yield from self._sent(kind, one, window, (Kind.HIGH_JITTER,), also, SENDER_NETWORK)
        fault = UNKNOWN if self.is_relayed else RECEIVER_NETWORK
        yield from self._received(kind, [person], window, Kind.HIGH_JITTER, fault, also)

    def _bandwidth(self, kind: FaultKind, person: Person, window: Window) -> Iterator[Sign]:
        own = (Kind.LOW_BANDWIDTH, Kind.BANDWIDTH_LIMITED, Kind.LOW_VIDEO_BITRATE)
        yield from self._pictured(kind, person, window, own, SEEN, SENDER_NETWORK)

    def _processor(self, kind: FaultKind, person: Person, window: Window) -> Iterator[Sign]:
        yield from self._pictured(kind, person, window, (Kind.CPU_LIMITED,), SEEN, SENDER)

    def _camera(self, kind: FaultKind, person: Person, window: Window) -> Iterator[Sign]:
        yield from self._pictured(kind, person, window, (Kind.CAMERA_FREEZE,), STILL, SENDER)

    def _microphone(self, kind: FaultKind, person: Person, window: Window) -> Iterator[Sign]:
        is_open = kind is FaultKind.MICROPHONE_SILENT
        for start, end, _ in self._publishing(person, window):
            is_needed = is_open and end - start >= SURE and not self._is_muted(person, start, end)
            yield self._sign(kind, Kind.SILENT_MICROPHONE, person, start, end, SENDER, is_needed)

    def _speaker(self, *_: object) -> Iterator[Sign]:
        """No more than its SDK says."""
        yield from ()

    def _publish_failed(self, kind: FaultKind, person: Person, _: Window) -> Iterator[Sign]:
        own = [one for one in self.timeline.publications if one.visit.person is person]
        yield from self._failures(kind, Kind.PUBLISH_FAILED, person, own, "published")

    def _subscribe_failed(self, kind: FaultKind, person: Person, _: Window) -> Iterator[Sign]:
        received: dict[str, list[Subscription]] = {}
        for one in self.timeline.subscriptions:
            if one.visit.person is person:
                received.setdefault(one.publication.stream_id, []).append(one)
        for several in received.values():
            yield from self._failures(kind, Kind.SUBSCRIBE_FAILED, person, several, "subscribed")

    def _flag(self, kind: FaultKind, person: Person, window: Window) -> Iterator[Sign]:
        raised = {
            FaultKind.CAMERA_FREEZE: None,  # what the camera sends shows it earlier
            FaultKind.MICROPHONE_SILENT: (Kind.MICROPHONE_NOT_FUNCTIONING, SENDER),
            FaultKind.MICROPHONE_MUTED: (Kind.MICROPHONE_MUTED_UNEXPECTEDLY, SENDER),
            FaultKind.SPEAKING_WHILE_MUTED: (Kind.SPEAKING_WHILE_MUTED, SENDER),
            FaultKind.SPEAKER_MUTED: (Kind.SPEAKER_NOT_FUNCTIONING, RECEIVER),
        }[kind]
        if raised is not None and (person.publishes or kind is FaultKind.SPEAKER_MUTED):
            yield from self._diagnostic(kind, *raised, person, window, FLAGS[kind].delay)

    def _quality(self, kind: FaultKind, person: Person, window: Window) -> Iterator[Sign]:
        people = self.timeline.people if kind is FaultKind.SERVER_LOSS else [person]
        is_sent = QUALITIES[kind].name == "networkSendQuality"
        for one in people:
            is_rated = one.publishes if is_sent else any(other.publishes for other in self.timeline.people if other is not one)
            if one.is_phone or not is_rated:
                continue
            fault = SENDER_NETWORK
            if not is_sent:
                fault = RECEIVER_NETWORK
                if kind is FaultKind.SERVER_LOSS:
                    fault = SERVER if len(people) >= 3 else UNKNOWN
            shown = Kind.POOR_NETWORK_SEND if is_sent else Kind.POOR_NETWORK_RECEIVE
            yield from self._diagnostic(kind, shown, fault, one, window, QUALITIES[kind].delay)

    def _diagnostic(
        self, fault: FaultKind, kind: IssueKind, attribution: Attribution, person: Person, window: Window, delay: int
    ) -> Iterator[Sign]:
        for visit in self._visits(person):
            start = max(window.start, visit.connected or visit.attempted) + delay
            if start < min(window.end, visit.ended):
                attribution = UNKNOWN if self.is_relayed and attribution in {SENDER_NETWORK, RECEIVER_NETWORK} else attribution
                yield self._sign(fault, kind, person, start, min(window.end, visit.ended), attribution)

    def _sent(
        self,
        fault: FaultKind,
        person: Person,
        window: Window,
        kinds: Iterable[IssueKind],
        also: Iterable[IssueKind],
        attribution: Attribution,
    ) -> Iterator[Sign]:
        """What a publisher's reports show, and those who receive it."""
        attribution = UNKNOWN if self.is_relayed else attribution
        for start, end, publication in self._publishing(person, window):
            stream = publication.stream_id
            for kind in kinds:
                yield self._sign(fault, kind, person, start, end, attribution, end - start >= SURE, PUBLISH, stream)
                for one, since, until in self._receiving(publication, window):
                    listener = one.visit.person
                    yield self._sign(fault, kind, listener, since, until, attribution, until - since >= SURE, SUBSCRIBE, stream)
            for one, since, until in self._receiving(publication, window):
                for kind in also:
                    yield self._sign(fault, kind, one.visit.person, since, until, attribution, False, SUBSCRIBE, stream)

    def _received(
        self,
        fault: FaultKind,
        people: Iterable[Person],
        window: Window,
        kind: IssueKind,
        attribution: Attribution,
        also: Iterable[IssueKind] = RECEIVED_LOSS,
    ) -> Iterator[Sign]:
        """What some receive, of whomever."""
        for person in people:
            for publication in self.published:
                for one, start, end in self._receiving(publication, window):
                    if one.visit.person is person:
                        told = (SUBSCRIBE, publication.stream_id)
                        yield self._sign(fault, kind, person, start, end, attribution, end - start >= SURE, *told)
                        for other in also:
                            yield self._sign(fault, other, person, start, end, attribution, False, *told)

    def _round_trip(self, fault: FaultKind, person: Person, window: Window) -> Iterator[Sign]:
        for one in self.timeline.people if self.is_relayed else [person]:
            own = UNKNOWN if self.is_relayed else SENDER_NETWORK if one.publishes else RECEIVER_NETWORK
            for visit in self._visits(one):
                start, end = judged(window, visit.connected, visit.ended)
                if start < end:
                    yield self._sign(fault, Kind.HIGH_LATENCY, one, start, end, own, end - start >= SURE, Direction.BOTH)
        late = (Kind.HIGH_LATENCY, Kind.LOW_MEAN_OPINION_SCORE)
        for one in self.timeline.people if self.is_relayed else [person]:
            yield from self._sent(fault, one, window, (), late, SENDER_NETWORK)
            for start, end, publication in self._publishing(one, window):
                fault_of = UNKNOWN if self.is_relayed else SENDER_NETWORK
                told = (PUBLISH, publication.stream_id)
                yield self._sign(fault, Kind.HIGH_LATENCY, one, start, end, fault_of, False, *told)
            received = UNKNOWN if self.is_relayed else RECEIVER_NETWORK
            for sign in self._received(fault, [one], window, Kind.LOW_MEAN_OPINION_SCORE, received, (Kind.HIGH_LATENCY,)):
                yield sign._replace(is_needed=False)

    def _pictured(
        self,
        fault: FaultKind,
        person: Person,
        window: Window,
        own: Iterable[IssueKind],
        also: Iterable[IssueKind],
        attribution: Attribution,
    ) -> Iterator[Sign]:
        """What a camera sends, and what is seen of it."""
        if self.is_relayed and attribution is SENDER_NETWORK:
            attribution = UNKNOWN
        for start, end, publication in self._publishing(person, window):
            if not publication.has_video:
                continue
            for kind in own:
                yield self._sign(fault, kind, person, start, end, attribution, end - start >= SURE)
            for kind in also:
                yield self._sign(fault, kind, person, start, end, attribution, False, PUBLISH)
            for one, since, until in self._receiving(publication, window):
                if one.has_video:
                    for kind in also:
                        told = (False, SUBSCRIBE, publication.stream_id)
                        yield self._sign(fault, kind, one.visit.person, since, until, attribution, *told)

    def _connections(self, fault: FaultKind, person: Person, window: Window) -> Iterator[Sign]:
        visits = [visit for visit in self.timeline.visits if visit.person is person]
        for place, visit in enumerate(visits):
            later = [other for other in visits[place + 1 :] if other.connected is not None]
            if fault is FaultKind.DEAD_RELAY and visit.connected is None and window.covers(visit.attempted):
                recovered = later[0].attempted if later else visit.ended
                yield self._sign(fault, Kind.CONNECT_FAILED, person, visit.attempted, recovered, UNKNOWN)
                raised = min(visit.attempted + RELAY.delay, visit.ended)
                # It was never cleared, and seen but once.
                yield self._sign(fault, Kind.RELAY_UNREACHABLE, person, raised, raised, UNKNOWN)
            if fault is FaultKind.CONNECTION_DROP and visit.is_lost and visit.ended == window.start:
                own = SENDER_NETWORK if person.publishes else RECEIVER_NETWORK
                back = float((later[0].connected or 0) if later else visit.ended)
                for kind in (Kind.UNEXPECTED_DISCONNECT, Kind.NO_NETWORK):
                    yield self._sign(fault, kind, person, visit.ended, back, own)
                yield self._sign(fault, Kind.FREQUENT_REJOINS, person, self.plan.start, self.plan.end, own, is_needed=False)

    def _failures(
        self,
        fault: FaultKind,
        kind: IssueKind,
        person: Person,
        attempts: Iterable[Publication | Subscription],
        succeeded: str,
    ) -> Iterator[Sign]:
        ordered = sorted(attempts, key=lambda one: one.attempted)
        for place, one in enumerate(ordered):
            if getattr(one, succeeded) is None:
                later = [other.attempted for other in ordered[place + 1 :] if getattr(other, succeeded) is not None]
                yield self._sign(fault, kind, person, one.attempted, later[0] if later else one.ended, UNKNOWN)

    def _facts(self) -> Iterator[Sign]:
        """What is so without a fault."""
        for visit in self.timeline.visits:
            person = visit.person
            if visit.connected is not None and not person.is_redacted:
                for is_so, kind in (
                    (person.network.local_candidate_type == "relay", Kind.RELAY_USED),
                    (person.network.transport == "tls", Kind.TCP_USED),
                ):
                    if is_so:
                        yield self._sign(None, kind, person, visit.connected, visit.ended, UNKNOWN)
        if self.is_relayed and sum(person.round_trip_ms for person in self.timeline.people) > FAR:
            for person in self.timeline.people:
                for kind in (Kind.HIGH_LATENCY, Kind.LOW_MEAN_OPINION_SCORE):
                    yield self._sign(None, kind, person, self.plan.start, self.plan.end, UNKNOWN, False)

    # When and whom.

    def _sign(
        self,
        fault: FaultKind | None,
        kind: IssueKind,
        person: Person,
        start: float,
        end: float,
        attribution: Attribution,
        is_needed: bool = True,
        direction: Direction | None = None,
        stream_id: str | None = None,
    ) -> Sign:
        return Sign(fault, kind, person.participant_id, start, end, attribution, is_needed, direction, stream_id)

    def _visits(self, person: Person) -> list[Visit]:
        return [visit for visit in self.timeline.visits if visit.person is person and visit.connected is not None]

    def _publishing(self, person: Person, window: Window) -> Iterator[tuple[float, float, Publication]]:
        for one in self.published:
            start, end = judged(window, one.published, one.ended)
            if one.visit.person is person and start < end:
                yield start, end, one

    def _receiving(self, publication: Publication, window: Window) -> Iterator[tuple[Subscription, float, float]]:
        for one in self.subscribed:
            start, end = judged(window, one.subscribed, one.ended)
            if one.publication is publication and start < end:
                yield one, start, end

    def _all_received(self, window: Window) -> Iterator[tuple[Subscription, float, float]]:
        return (each for publication in self.published for each in self._receiving(publication, window))

    def _receivers(self, window: Window) -> set[int]:
        return {one.visit.person.index for one, _, _ in self._all_received(window)}

    def _downlink(self, person: Person, window: Window) -> Attribution:
        if self.is_relayed:
            return UNKNOWN
        is_told = self.plan.platform is Platform.ACS and not person.is_phone
        own = [(one, until - since) for one, since, until in self._all_received(window) if one.visit.person is person]
        streams = {one.publication.stream_id for one, length in own if length >= 0.5 * (window.end - window.start)}
        return RECEIVER_NETWORK if self.plan.people > 2 or is_told or len(streams) > 1 else UNKNOWN

    def _is_muted(self, person: Person, start: float, end: float) -> bool:
        mutes = [mute.window for mute in self.timeline.mutes[person.index]]
        return any(mute.start < end and mute.end > start for mute in mutes)


def judged(window: Window, began: int | None, ended: int) -> tuple[float, float]:
    """The part of a window in which what began and ended is judged."""
    return max(window.start, (began or 0) + GRACE), min(window.end, ended - GRACE)


SHOWN: dict[FaultKind, Callable[[Truth, FaultKind, Person, Window], Iterator[Sign]]] = {
    FaultKind.UPLINK_LOSS: Truth._uplink_loss,
    FaultKind.DOWNLINK_LOSS: Truth._downlink_loss,
    FaultKind.SERVER_LOSS: Truth._server_loss,
    FaultKind.HIGH_ROUND_TRIP: Truth._round_trip,
    FaultKind.HIGH_JITTER: Truth._jitter,
    FaultKind.LOW_BANDWIDTH: Truth._bandwidth,
    FaultKind.CPU_LIMITED: Truth._processor,
    FaultKind.CAMERA_FREEZE: Truth._camera,
    FaultKind.MICROPHONE_SILENT: Truth._microphone,
    FaultKind.MICROPHONE_MUTED: Truth._microphone,
    FaultKind.SPEAKING_WHILE_MUTED: Truth._microphone,
    FaultKind.SPEAKER_MUTED: Truth._speaker,
    FaultKind.DEAD_RELAY: Truth._connections,
    FaultKind.PUBLISH_FAILED: Truth._publish_failed,
    FaultKind.SUBSCRIBE_FAILED: Truth._subscribe_failed,
    FaultKind.CONNECTION_DROP: Truth._connections,
}
