"""The measurements of a call as records: samples of every series, and totals where something ends."""

from collections.abc import Callable, Iterator

from callscope.simulation.measures import Cut, Measured
from callscope.simulation.paths import Stretch
from callscope.simulation.readings import Readings
from callscope.simulation.timeline import Publication, Subscription, Timeline, Visit
from callscope.simulation.totals import Totals
from callscope.telemetry import SamplesRecord, TotalsRecord
from callscope.vocabulary import Direction, Media


class Series:
    """To be read one stretch of time after the other, because totals add up what went before."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._plan = timeline.plan
        self._totals: dict[tuple[str, Media], Totals] = {}
        self.subjects = len(timeline.visits) + len(timeline.publications) + len(timeline.subscriptions)

    def between(
        self, after: int, until: int, advance: Callable[[], object] = lambda: None
    ) -> Iterator[SamplesRecord | TotalsRecord]:
        """All samples reported after `after` and up to `until`, ms since the Unix epoch, and totals of what ended then.

        `advance` is called after each of the `subjects`.
        """
        plan, timeline = self._plan, self._timeline
        first = max((after - plan.phase - plan.start) // plan.interval + 1, 1)
        count = max((until - plan.start) // plan.interval + 1 - first, 0)
        stretch = Stretch(plan.start, plan.interval, first, count)
        readings = Readings(timeline, stretch)
        for visit in timeline.visits:
            if cut := self._cut(stretch, visit, (after, until), (visit.connected, visit.ended)):
                yield from self._connection(readings, visit, cut)
            advance()
        for publication in timeline.publications:
            if cut := self._cut(stretch, publication.visit, (after, until), (publication.published, publication.ended)):
                yield from self._publication(readings, publication, cut)
            advance()
        for subscription in timeline.subscriptions:
            if cut := self._cut(stretch, subscription.visit, (after, until), (subscription.subscribed, subscription.ended)):
                yield from self._subscription(readings, subscription, cut)
            advance()
        yield from self._ended(after, until)

    def _cut(self, stretch: Stretch, visit: Visit, asked: tuple[int, int], alive: tuple[int | None, int]) -> Cut | None:
        began, ended = alive
        if began is None:
            return None
        base, interval = stretch.start + visit.phase, stretch.interval
        low = max((max(asked[0], began) - base) // interval + 1, stretch.first)
        high = (min(asked[1], ended) - base) // interval + 1
        if low >= high:
            return None
        times = [float(base + interval * number) for number in range(low, high)]
        return Cut(low, slice(low - stretch.first, high - stretch.first), times)

    def _connection(self, readings: Readings, visit: Visit, cut: Cut) -> Iterator[SamplesRecord]:
        for direction, measured in readings.connection(visit, cut):
            yield from self._samples(cut, Media.CONNECTION, direction, measured, **_ids(visit))

    def _publication(self, readings: Readings, publication: Publication, cut: Cut) -> Iterator[SamplesRecord]:
        ids = _ids(publication.visit) | {"stream_id": publication.stream_id}
        for media, measured in readings.publication(publication, cut):
            self._add(publication.stream_id, media, measured, is_received=False)
            yield from self._samples(cut, media, Direction.PUBLISH, measured, **ids)

    def _subscription(self, readings: Readings, subscription: Subscription, cut: Cut) -> Iterator[SamplesRecord]:
        ids = {"stream_id": subscription.publication.stream_id, "subscriber_id": subscription.subscriber_id}
        for media, measured in readings.subscription(subscription, cut):
            self._add(subscription.subscriber_id, media, measured, is_received=True)
            yield from self._samples(cut, media, Direction.SUBSCRIBE, measured, **_ids(subscription.visit), **ids)

    def _samples(self, cut: Cut, media: Media, direction: Direction, measured: Measured, **ids: str) -> Iterator[SamplesRecord]:
        # Validated: faster than model_construct for a few samples, and 0.03 microseconds a sample slower for 300.
        common = {"call_id": self._plan.call_id, "media": media, "direction": direction, "times": cut.times, **ids}
        for metric, values in measured.items():
            yield SamplesRecord(metric=metric, values=values, **common)

    def _add(self, key: str, media: Media, measured: Measured, *, is_received: bool) -> None:
        if measured:
            self._totals.setdefault((key, media), Totals(is_received)).add(measured)

    def _ended(self, after: int, until: int) -> Iterator[TotalsRecord]:
        ended: list[tuple[str, Publication | Subscription]] = [(each.stream_id, each) for each in self._timeline.publications]
        ended += [(each.subscriber_id, each) for each in self._timeline.subscriptions]
        for key, subject in ended:
            if after < subject.ended <= until:
                for media in (Media.AUDIO, Media.VIDEO, Media.SCREEN):
                    if totals := self._totals.pop((key, media), None):
                        yield totals.record(self._plan.call_id, subject, media, self._plan.interval / 1000.0)


def _ids(visit: Visit) -> dict[str, str]:
    return {"participant_id": visit.person.participant_id, "connection_id": visit.connection_id}
