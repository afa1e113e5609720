"""The records of a simulated call: who took part, what they tried, and each step as an event."""

from collections.abc import Iterable, Iterator
from heapq import merge
from operator import itemgetter
from typing import Any

from callscope.simulation.diagnostics import diagnostics
from callscope.simulation.plan import CallPlan
from callscope.simulation.platforms import WORDS, Words
from callscope.simulation.timeline import Publication, Subscription, Timeline, Visit
from callscope.telemetry import (
    CallRecord,
    ConnectionRecord,
    EventRecord,
    Failure,
    ParticipantRecord,
    StreamRecord,
    SubscriberRecord,
    Telemetry,
    WarningRecord,
    from_milliseconds,
)
from callscope.vocabulary import DataWarningKind, EventCategory, Outcome, Severity, StreamSource

Told = tuple[int, Telemetry]
"""When a source would tell a record, in milliseconds since the Unix epoch, and the record."""


def records(timeline: Timeline) -> Iterator[Told]:
    """All records but samples and totals, in the order of time. Of each subject no more than the next one is in memory."""
    return merge(*_subjects(timeline), key=itemgetter(0))


def _subjects(timeline: Timeline) -> Iterator[Iterable[Told]]:
    """What is told of each, in the order of time."""
    plan, words = timeline.plan, WORDS[timeline.plan.platform]
    started = CallRecord(
        call_id=plan.call_id,
        platform=plan.platform,
        media_mode=plan.media_mode,
        started_at=from_milliseconds(plan.start),
        tags=list(plan.tags) or None,
    )
    yield [(plan.start, started)]
    met: set[int] = set()
    for visit in timeline.visits:
        if visit.person.index not in met:
            met.add(visit.person.index)
            yield _participant(plan.call_id, visit)
        yield _visit(plan.call_id, words, visit)
    for publication in timeline.publications:
        yield _publication(plan, words, publication)
    for subscription in timeline.subscriptions:
        yield _subscription(plan.call_id, words, subscription)
    yield sorted(diagnostics(timeline), key=itemgetter(0))
    yield [(plan.end, CallRecord(call_id=plan.call_id, ended_at=from_milliseconds(plan.end)))]


def _participant(call_id: str, visit: Visit) -> Iterator[Told]:
    person = visit.person
    if person.is_redacted:
        yield (
            visit.attempted,
            ParticipantRecord(call_id=call_id, participant_id=person.participant_id, kind=person.kind, is_redacted=True),
        )
        yield (
            visit.attempted,
            WarningRecord(
                call_id=call_id,
                kind=DataWarningKind.REDACTED,
                message="The platform withheld name, system and place of a participant of another tenant.",
                participant_id=person.participant_id,
            ),
        )
        return
    yield (
        visit.attempted,
        ParticipantRecord(
            call_id=call_id,
            participant_id=person.participant_id,
            display_name=person.name,
            kind=person.kind,
            location=person.location,
            system=person.system,
            sdk=person.sdk,
            user_agent=person.user_agent,
            devices=list(person.devices),
            is_redacted=False,
        ),
    )


class Steps:
    """Events of one connection, and of one stream where one is given."""

    def __init__(self, call_id: str, visit: Visit, category: EventCategory, stream_id: str | None = None) -> None:
        self._subject = {
            "call_id": call_id,
            "category": category,
            "participant_id": visit.person.participant_id,
            "connection_id": visit.connection_id,
            "stream_id": stream_id,
        }

    def step(self, at: int, name: str, **fields: Any) -> Told:
        return at, EventRecord(at=from_milliseconds(at), name=name, **{**self._subject, **fields})

    def success(self, at: int, name: str, since: int) -> Told:
        return self.step(at, name, outcome=Outcome.SUCCEEDED, duration_ms=at - since)

    def failure(self, at: int, name: str, since: int, error: Failure) -> Told:
        return self.step(
            at,
            name,
            severity=Severity.ERROR,
            outcome=Outcome.FAILED,
            duration_ms=at - since,
            code=error.code,
            subcode=error.subcode,
            message=error.message,
        )


def _visit(call_id: str, words: Words, visit: Visit) -> Iterator[Told]:
    person = visit.person
    steps = Steps(call_id, visit, EventCategory.CONNECTION)
    ids = {"call_id": call_id, "connection_id": visit.connection_id, "participant_id": person.participant_id}
    ended_at = from_milliseconds(visit.ended)
    yield visit.attempted, ConnectionRecord(**ids, attempted_at=from_milliseconds(visit.attempted))
    yield steps.step(visit.attempted, words.connecting)
    if visit.connected is None:
        yield visit.ended, ConnectionRecord(**ids, failed_at=ended_at, error=words.connect_failure)
        yield steps.failure(visit.ended, words.connection_failed, visit.attempted, words.connect_failure)
        return
    connected_at = from_milliseconds(visit.connected)
    yield (
        visit.connected,
        ConnectionRecord(**ids, connected_at=connected_at, network=None if person.is_redacted else person.network),
    )
    yield steps.success(visit.connected, words.connected, visit.attempted)
    pair = {"state": "connected", "local": person.network.local_candidate_type, "remote": person.network.remote_candidate_type}
    yield steps.step(visit.connected, words.path, category=EventCategory.NETWORK, payload=pair)
    if visit.is_lost:
        yield visit.ended, ConnectionRecord(**ids, closed_at=ended_at, close_reason=words.lost, error=words.loss_failure)
        failure = words.loss_failure or Failure()
        yield steps.step(
            visit.ended,
            words.disconnected,
            severity=Severity.ERROR,
            code=failure.code,
            subcode=failure.subcode,
            message=failure.message,
            payload={"reason": words.lost},
        )
    else:
        yield visit.ended, ConnectionRecord(**ids, closed_at=ended_at, close_reason=words.left)
        yield steps.step(visit.ended, words.disconnected, payload={"reason": words.left})


def _publication(plan: CallPlan, words: Words, publication: Publication) -> Iterator[Told]:
    visit, person = publication.visit, publication.visit.person
    steps = Steps(plan.call_id, visit, EventCategory.STREAM, publication.stream_id)
    ids = {
        "call_id": plan.call_id,
        "stream_id": publication.stream_id,
        "connection_id": visit.connection_id,
        "participant_id": person.participant_id,
    }
    if not person.is_phone and publication.has_audio:
        wanted = {"audio": True, "video": publication.has_video}
        granted = steps.step(
            publication.attempted, words.permission, category=EventCategory.DEVICE, outcome=Outcome.SUCCEEDED, payload=wanted
        )
        yield granted
    yield (
        publication.attempted,
        StreamRecord(
            **ids,
            name="screen" if publication.source is StreamSource.SCREEN else None,
            source=publication.source,
            has_audio=publication.has_audio,
            has_video=publication.has_video,
            is_scalable=publication.source is StreamSource.CAMERA and plan.people > 2,
            audio_codec=publication.audio_codec,
            video_codec=publication.video_codec,
            attempted_at=from_milliseconds(publication.attempted),
        ),
    )
    yield steps.step(publication.attempted, words.publishing)
    ended_at = from_milliseconds(publication.ended)
    if publication.published is None:
        yield publication.ended, StreamRecord(**ids, failed_at=ended_at, error=words.publish_failure)
        yield steps.failure(publication.ended, words.publish_failed, publication.attempted, words.publish_failure)
        return
    yield publication.published, StreamRecord(**ids, published_at=from_milliseconds(publication.published))
    yield steps.success(publication.published, words.published, publication.attempted)
    reason = words.stopped if publication.ended < visit.ended else words.lost if visit.is_lost else words.left
    yield publication.ended, StreamRecord(**ids, unpublished_at=ended_at, unpublish_reason=reason)
    yield steps.step(publication.ended, words.unpublished, payload={"reason": reason})


def _subscription(call_id: str, words: Words, subscription: Subscription) -> Iterator[Told]:
    visit, stream_id = subscription.visit, subscription.publication.stream_id
    steps = Steps(call_id, visit, EventCategory.SUBSCRIBER, stream_id)
    ids = {
        "call_id": call_id,
        "subscriber_id": subscription.subscriber_id,
        "stream_id": stream_id,
        "connection_id": visit.connection_id,
        "participant_id": visit.person.participant_id,
    }
    yield subscription.attempted, SubscriberRecord(**ids, attempted_at=from_milliseconds(subscription.attempted))
    yield steps.step(subscription.attempted, words.subscribing)
    ended_at = from_milliseconds(subscription.ended)
    if subscription.subscribed is None:
        yield subscription.ended, SubscriberRecord(**ids, failed_at=ended_at, error=words.subscribe_failure)
        yield steps.failure(subscription.ended, words.subscribe_failed, subscription.attempted, words.subscribe_failure)
        return
    yield subscription.subscribed, SubscriberRecord(**ids, subscribed_at=from_milliseconds(subscription.subscribed))
    yield steps.success(subscription.subscribed, words.subscribed, subscription.attempted)
    yield subscription.ended, SubscriberRecord(**ids, ended_at=ended_at)
    yield steps.step(subscription.ended, words.unsubscribed)
