"""When everyone connects, publishes, subscribes and mutes: the skeleton that records and signals hang on."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from callscope.simulation.chance import Dice
from callscope.simulation.people import Person, people
from callscope.simulation.plan import CallPlan, FaultKind, Window
from callscope.vocabulary import Media, StreamSource

SHORTEST = 3_000  # ms: nobody connects, publishes or subscribes for less


@dataclass(frozen=True)
class Visit:
    """One attempt to connect; without `connected`, it failed at `ended`. Times are milliseconds since the Unix epoch.

    `is_lost` where the connection broke, `is_return` where the one before did; `phase` is how long after an interval the client
    reports, ms.
    """

    person: Person
    connection_id: str
    attempted: int
    connected: int | None
    ended: int
    phase: int
    is_lost: bool = False
    is_return: bool = False


@dataclass(frozen=True)
class Publication:
    """One attempt to publish; without `published`, it failed at `ended`."""

    visit: Visit
    stream_id: str
    source: StreamSource
    attempted: int
    published: int | None
    ended: int

    @property
    def has_audio(self) -> bool:
        return self.source is not StreamSource.SCREEN

    @property
    def has_video(self) -> bool:
        return self.source is not StreamSource.AUDIO_ONLY

    @property
    def audio_codec(self) -> str | None:
        return None if not self.has_audio else "PCMU" if self.visit.person.is_phone else "opus"

    @property
    def video_codec(self) -> str | None:
        return "VP8" if self.has_video else None

    @property
    def video_media(self) -> Media:
        return Media.SCREEN if self.source is StreamSource.SCREEN else Media.VIDEO


@dataclass(frozen=True)
class Subscription:
    """One attempt to receive a publication; without `subscribed`, it failed at `ended`."""

    visit: Visit
    publication: Publication
    subscriber_id: str
    attempted: int
    subscribed: int | None
    ended: int

    @property
    def has_video(self) -> bool:
        return self.publication.has_video and not self.visit.person.is_phone


@dataclass(frozen=True)
class Mute:
    """A stretch in which a participant's microphone sends nothing; by its own hand, or the system's."""

    window: Window
    by_hand: bool


class Timeline:
    """Each step draws from a key of its own, so that a fault moves only what it touches."""

    def __init__(self, plan: CallPlan) -> None:
        self.plan = plan
        self.windows = plan.windows()
        self.people = people(plan)
        self.mutes = [self._mutes(person) for person in self.people]
        self.visits = [visit for person in self.people for visit in self._visits(person)]
        self.publications = [publication for visit in self.visits for publication in self._publications(visit)]
        self.subscriptions = list(self._subscriptions())

    def _covering(self, kind: FaultKind, person: Person, time: int) -> Window | None:
        return next((window for window in self.windows.get((kind, person.index), ()) if window.covers(time)), None)

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """From when to when each participant wants to be in the call."""
        return [self._span(person) for person in self.people]

    def _span(self, person: Person) -> tuple[int, int]:
        plan, length = self.plan, self.plan.end - self.plan.start
        if person.index == 0:
            return plan.start, plan.end
        dice = Dice(f"{plan.key}/span/{person.index}")
        latest = min(20_000, length // 10) if person.publishes else min(180_000, length // 4)
        leaves = plan.end - dice.whole(0, min(8_000, length // 20))
        if plan.people > 4 and dice.chance(0.12):
            leaves = plan.start + int(length * dice.between(0.6, 0.95))
        comes = plan.start + dice.whole(0, latest)
        if not person.publishes and dice.chance(plan.churn):
            comes += int((leaves - comes) * dice.between(0.05, 0.8))
        if not person.publishes and dice.chance(plan.churn):
            leaves -= int((leaves - comes) * dice.between(0.1, 0.9))
        return comes, leaves

    def _visits(self, person: Person) -> Iterator[Visit]:
        time, leaves = self.spans[person.index]
        drops = self.windows.get((FaultKind.CONNECTION_DROP, person.index), [])
        number, is_return = 0, False
        while time + SHORTEST <= leaves:
            key = f"{self.plan.key}/visit/{person.index}/{number}"
            dice = Dice(key)
            number += 1
            setup, phase = dice.whole(350, 1_900), dice.whole(0, self.plan.phase)
            dead = self._covering(FaultKind.DEAD_RELAY, person, time)
            if dead is not None:
                failed = min(time + 10_000, leaves)
                yield Visit(person, dice.uuid(), time, None, failed, phase)
                time = max(dead.end, failed + 1_000)
                continue
            connected = time + setup
            drop = next((drop for drop in drops if connected < drop.start < leaves), None)
            ended, is_lost = (drop.start, True) if drop else (leaves, False)
            yield Visit(person, dice.uuid(), time, connected, ended, phase, is_lost, is_return)
            if drop is None:
                return
            time, is_return = drop.end + 1, True

    def _publications(self, visit: Visit) -> Iterator[Publication]:
        person, plan = visit.person, self.plan
        if visit.connected is None or not person.publishes:
            return
        source = StreamSource.CAMERA if person.has_video else StreamSource.AUDIO_ONLY
        yield from self._attempts(visit, source, visit.connected, visit.ended)
        if plan.screen == person.index:
            length = plan.end - plan.start
            shown = max(plan.start + length * 3 // 10, visit.connected), min(plan.start + length * 7 // 10, visit.ended)
            yield from self._attempts(visit, StreamSource.SCREEN, *shown)

    def _attempts(self, visit: Visit, source: StreamSource, time: int, ended: int) -> Iterator[Publication]:
        key = f"{visit.connection_id}/{source}"
        number = 0
        while time + SHORTEST <= ended:
            dice = Dice(f"{key}/{number}")
            number += 1
            attempted, published = time + dice.whole(120, 500), time + dice.whole(700, 1_400)
            stream_id = dice.uuid()
            failing = self._covering(FaultKind.PUBLISH_FAILED, visit.person, attempted)
            if failing is None:
                yield Publication(visit, stream_id, source, attempted, published, ended)
                return
            yield Publication(visit, stream_id, source, attempted, None, published)
            time = max(failing.end, published)

    def _subscriptions(self) -> Iterator[Subscription]:
        for publication in self.publications:
            for visit in self.visits:
                if visit.person is not publication.visit.person and visit.connected and publication.published:
                    yield from self._subscribe(publication, visit, max(visit.connected, publication.published))

    def _subscribe(self, publication: Publication, visit: Visit, time: int) -> Iterator[Subscription]:
        if visit.person.is_phone and not publication.has_audio:
            return
        ended = min(publication.ended, visit.ended)
        number = 0
        while time + SHORTEST <= ended:
            dice = Dice(f"{publication.stream_id}/{visit.connection_id}/{number}")
            number += 1
            attempted, subscribed = time + dice.whole(60, 300), time + dice.whole(450, 1_300)
            failing = self._covering(FaultKind.SUBSCRIBE_FAILED, visit.person, attempted)
            if failing is None:
                yield Subscription(visit, publication, dice.uuid(), attempted, subscribed, ended)
                return
            yield Subscription(visit, publication, dice.uuid(), attempted, None, subscribed)
            time = max(failing.end, subscribed)

    def _mutes(self, person: Person) -> list[Mute]:
        plan, length = self.plan, self.plan.end - self.plan.start
        mutes = [Mute(window, by_hand=True) for window in self.windows.get((FaultKind.SPEAKING_WHILE_MUTED, person.index), ())]
        mutes += [Mute(window, by_hand=False) for window in self.windows.get((FaultKind.MICROPHONE_MUTED, person.index), ())]
        dice = Dice(f"{plan.key}/mute/{person.index}")
        if person.publishes and person.index and plan.participants > 2 and dice.chance(0.6):
            start = plan.start + int(length * dice.between(0.2, 0.7))
            mutes.append(Mute(Window(start, start + int(length * dice.between(0.05, 0.2))), by_hand=True))
        return mutes
