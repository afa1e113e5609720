"""Telemetry with something for every filter and every order."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callscope.ingest import ingest_plans
from callscope.telemetry import (
    CallRecord,
    ConnectionRecord,
    EventRecord,
    Failure,
    Location,
    ParticipantRecord,
    Sdk,
    StreamRecord,
    SubscriberRecord,
    System,
    Telemetry,
)
from callscope.vocabulary import EndpointKind, EventCategory, Outcome, Platform, Severity, StreamSource
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.plans import STARTED_AT, sample_plans
from tests.saving import saved

LARGE = 5
NAMES = ("zebra", "Ann's 50% _off\\", "annex", "Zoë")


@pytest.fixture(scope="module")
async def varied(servers, migrated) -> AsyncIterator[Inspector]:
    """Calls of every kind: large and small, tagged, live, failed, with people from somewhere and events with payloads."""
    async with new_database(servers, template=migrated) as url, running(url) as found:
        await found.connection.execute("update callscope.project set large_meeting_subscribers = $1", LARGE)
        plans = [
            replace(plan, interval_seconds=30, tags=(f"tag {number % 2}", plan.platform))
            for number, plan in enumerate(sample_plans())
        ]
        await ingest_plans(found.connection, url, found.project_id, plans)
        await found.tell(_told())
        for number, call_id in enumerate(("room", "conference", "failed", "live")):
            await saved(found, call_id, NAMES[number], tags=[f"Kept {number % 2}", "100% _WILD\\", "Zoë"][: number + 1])
        yield found


def _told() -> Iterator[Telemetry]:
    yield from _conference()
    now = datetime.now(UTC).replace(microsecond=0)
    yield CallRecord(call_id="live", platform=Platform.OTHER)
    for call_id, score in (("one-to-one", 5), ("multiparty", 1), ("conference", 3)):
        rated = {"category": EventCategory.SURVEY, "name": "rated", "payload": {"score": score}}
        yield EventRecord(call_id=call_id, at=STARTED_AT, **rated)
    yield ConnectionRecord(call_id="live", connection_id="live", attempted_at=now - timedelta(minutes=2), connected_at=now)


def _conference() -> Iterator[Telemetry]:
    """A call without simulated people: outcomes, codes, sources and payloads of all kinds."""
    call = {"call_id": "conference"}
    yield CallRecord(**call, platform=Platform.OTHER, tags=["tag 1", "100% _wild\\"])
    people = [
        (EndpointKind.PSTN, "Ann 50% _off\\", "CH", None, None),
        (EndpointKind.BOT, "Recorder", None, "botkit", None),
        (EndpointKind.BROWSER, "ann", "DE", "webkit", "Firefox"),
    ]
    for number, (kind, name, country, sdk, browser) in enumerate(people):
        yield ParticipantRecord(
            **call,
            participant_id=f"P-{number}",
            display_name=name,
            kind=kind,
            location=Location(country=country) if country else None,
            sdk=Sdk(name=sdk) if sdk else None,
            system=System(browser=browser) if browser else None,
            user_agent="Mozilla/5.0 (Test)" if browser else None,
        )
        at = STARTED_AT - timedelta(hours=2) + timedelta(seconds=number)
        own = {**call, "connection_id": f"c{number}"}
        yield ConnectionRecord(
            **own, participant_id=f"P-{number}", attempted_at=at, connected_at=at, closed_at=at + timedelta(hours=1)
        )
        outcomes = [{"published_at": at}, {"failed_at": at, "error": Failure(code=7, subcode=41)}, {}]
        yield StreamRecord(
            **own,
            stream_id=f"s{number}",
            source=list(StreamSource)[number],
            has_audio=number > 0,
            has_video=number < 2,
            attempted_at=at,
            **outcomes[number],
        )
        yield StreamRecord(**own, stream_id=f"screen{number}", source=StreamSource.SCREEN, has_video=True, attempted_at=at)
        received = [{"subscribed_at": at}, {"failed_at": at}, {}][number]
        yield SubscriberRecord(**own, subscriber_id=f"r{number}", stream_id="s0", attempted_at=at, **received)
        for index, category in enumerate(EventCategory):
            yield EventRecord(
                **own,
                at=at + timedelta(milliseconds=index),
                category=category,
                name=f"Step{index}",
                severity=list(Severity)[(index + number) % 4],
                outcome=[None, *Outcome][(index + number) % 4],
                code=[None, 0, -1, 500][index % 4],
                subcode=[None, 41048, 7][number],
                message=[None, "It was 100% LOST_é", "ok\\"][number],
                payload=[None, {"Key": ["Deep", 1.5, None]}, "plain"][index % 3],
                participant_id=f"P-{number}",
                stream_id="s0" if index % 2 else None,
            )
