"""Reports as GraphQL gives them: prepared by settling, with the numbers that it gives everywhere else."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callscope.analysis.digest import MAX_TOKENS, tokens_at_most
from callscope.analysis.plain_text import duration, figure
from callscope.telemetry import CallRecord, ConnectionRecord, Failure, ParticipantRecord
from callscope.vocabulary import Platform
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00")
DURATION = re.compile(r"\d+ h(?: \d+ min)?(?: \d+ s)?|\d+ min(?: \d+ s)?|\d+(?:\.\d+)? s\b")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
REPORTS = "report markdown: report(format: MARKDOWN) digest: report(format: DIGEST)"
ISSUES = """issues(first: 500) { nodes { kind severity title description recommendation startedAt endedAt isRecovered attribution
    participant { id } rule { threshold observed } } }"""
FIGURES = f"""startedAt endedAt durationSeconds meanOpinionScore freshness {{ lastTelemetryAt warnings {{ message }} }}
    statistics {{ participantCount connectionCount streamCount subscriberCount maxConcurrentConnections issueCount errorCount }}
    failureRates {{ connect {{ attempts failures }} publish {{ attempts failures }} subscribe {{ attempts failures }} }}
    participants(first: 100) {{ nodes {{ id participantId displayName firstJoinedAt lastLeftAt errorCount issueCount
        meanOpinionScore sdk {{ name version }} system {{ browser browserVersion os osVersion }}
        connections(first: 10) {{ nodes {{ connectedAt disconnectedAt }} }} }} }}
    issueSummary {{ kind count participantCount recoveredCount totalSeconds }} {ISSUES}"""


def numbers_of(stretch: dict[str, Any]) -> tuple[set[str], set[str], set[str]]:
    """The instants, durations and other numbers of an answer, as reports write them; with those of groups of issues."""
    texts, numbers = _values(stretch)
    issues = stretch["issues"]["nodes"]
    for of in ("kind", "recommendation", "attribution", "isRecovered"):
        for value in {issue[of] for issue in issues}:
            group = [issue for issue in issues if issue[of] == value]
            numbers |= {len(group), len({issue["participant"] and issue["participant"]["id"] for issue in group})}
            numbers |= _counts(group)
            for person in {issue["participant"] and issue["participant"]["id"] for issue in group}:
                numbers |= _counts([one for one in group if (one["participant"] and one["participant"]["id"]) == person])
    numbers |= _counts(issues)
    instants = {text for text in texts if INSTANT.fullmatch(text)}
    words = {number for text in texts - instants for number in NUMBER.findall(text)}
    return instants, {duration(number) for number in numbers}, {figure(number) for number in numbers} | words


def _counts(issues: list[dict[str, Any]]) -> set[float]:
    harmful = [issue for issue in issues if issue["severity"] != "INFO"]
    recovered = sum(issue["isRecovered"] for issue in harmful)
    seconds = (
        (datetime.fromisoformat(issue["endedAt"]) - datetime.fromisoformat(issue["startedAt"])).total_seconds()
        for issue in issues
        if issue["endedAt"] is not None
    )
    return {len(issues), len(harmful), recovered, sum(issue["isRecovered"] for issue in issues), sum(seconds)}


def _values(value: Any) -> tuple[set[str], set[float]]:
    if isinstance(value, str):
        return {value}, set()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return set(), {value}
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [_values(item) for item in items]
    return set().union(*(texts for texts, _ in found)), set().union(*(numbers for _, numbers in found))


def untold(text: str, stretch: dict[str, Any]) -> list[str]:
    """What a report says in numbers, and no other field does."""
    instants, durations, numbers = numbers_of(stretch)
    found = [at for at in INSTANT.findall(text) if at not in instants]
    text = INSTANT.sub("", text)
    found += [one for one in DURATION.findall(text) if one not in durations and not set(NUMBER.findall(one)) <= numbers]
    return found + [one for one in NUMBER.findall(DURATION.sub("", text)) if one not in numbers]


async def stretches(found: Inspector) -> list[dict[str, Any]]:
    """All calls and meetings, each with its reports and with what else is told of it in numbers."""
    calls = (await found.query("{ calls { nodes { id meetings { nodes { id } } } } }"))["calls"]["nodes"]
    ids = [call["id"] for call in calls] + [meeting["id"] for call in calls for meeting in call["meetings"]["nodes"]]
    query = f"""query ($id: ID!) {{ node(id: $id) {{ ... on Call {{ callId {REPORTS} {FIGURES} meetings {{ nodes {{ number
        startedAt endedAt durationSeconds statistics {{ participantCount issueCount }} }} }} }}
        ... on Meeting {{ number {REPORTS} {FIGURES} call {{ callId }} }} }} }}"""
    return [(await found.query(query, id=id_))["node"] for id_ in ids]


async def test_every_number_is_one_that_the_other_fields_give(filled):
    found = await stretches(filled)
    assert len(found) >= 10
    told = 0
    for stretch in found:
        for text in (stretch["markdown"], stretch["digest"]):
            assert untold(text, stretch) == []
            told += len(NUMBER.findall(text))
    assert told > 500


async def test_numbers_that_nobody_gave_would_be_noticed(filled):
    stretch = (await stretches(filled))[0]
    for wrong in ("2026-03-02T09:00:00.987+00:00", "17 h 3 min", "987654.3", "98765"):
        assert untold(f"{stretch['markdown']} {wrong}", stretch) != []


async def test_markdown_is_the_default_and_digests_are_short(filled):
    for stretch in await stretches(filled):
        assert stretch["report"] == stretch["markdown"] != stretch["digest"]
        assert stretch["markdown"].startswith("# ")
        assert tokens_at_most(stretch["digest"]) <= MAX_TOKENS


async def test_a_format_can_be_a_variable_or_null(filled):
    query = (
        "query ($format: ReportFormat) { calls(first: 1) { nodes { report(format: $format) digest: report(format: DIGEST) } } }"
    )
    ((of_null,), (of_digest,)) = [(await filled.query(query, format=format_))["calls"]["nodes"] for format_ in (None, "DIGEST")]
    assert of_null["report"].startswith("# ")
    assert of_digest["report"] == of_digest["digest"] == of_null["digest"]


async def test_a_meeting_has_a_report_of_its_own(filled):
    query = '{ call(callId: "room") { report meetings { nodes { number report } } } }'
    call = (await filled.query(query))["call"]
    first, second = (meeting["report"] for meeting in call["meetings"]["nodes"])
    assert call["report"].startswith("# Call `room`\n")
    assert first.startswith("# Meeting 1 of call `room`\n")
    assert second.startswith("# Meeting 2 of call `room`\n")
    assert "- Meeting 2: from " in call["report"]
    assert "Meeting 2" not in first


@pytest.fixture
async def fresh(servers, migrated):
    async with new_database(servers, template=migrated) as url, running(url) as found:
        yield found


def _call(at: datetime, *, closed: bool) -> list[Any]:
    told = {"closed_at": at + timedelta(seconds=90)} if closed else {}
    return [
        CallRecord(call_id="call", platform=Platform.VONAGE),
        ParticipantRecord(call_id="call", participant_id="ann", display_name="**Ann**"),
        ConnectionRecord(call_id="call", connection_id="c", participant_id="ann", connected_at=at, **told),
        ConnectionRecord(
            call_id="call", connection_id="d", participant_id="bob", attempted_at=at, failed_at=at, error=Failure(code=408)
        ),
    ]


REPORT = '{ call(callId: "call") { endedAt report digest: report(format: DIGEST) meeting(number: 1) { endedAt report } } }'


async def test_a_live_call_goes_on_until_its_time_is_over_although_nobody_settles_it_again(fresh):
    await fresh.tell(_call(datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=100), closed=True))
    live = (await fresh.query(REPORT))["call"]
    assert live["endedAt"] is live["meeting"]["endedAt"] is None
    assert "The Vonage call goes on: " in live["report"]
    assert "LIVE" in live["digest"]
    assert "The Vonage meeting goes on: " in live["meeting"]["report"]
    for stretch in await stretches(fresh):
        assert untold(stretch["markdown"], stretch) == untold(stretch["digest"], stretch) == []
    for table in ("call", "meeting"):
        await fresh.connection.execute(f"update live.{table} set live_until = now()")
    ended = (await fresh.query(REPORT))["call"]
    assert f"to {ended['endedAt']}." in ended["report"]
    assert f"to {ended['meeting']['endedAt']}." in ended["meeting"]["report"]
    assert "ENDED" in ended["digest"]


async def test_of_a_call_that_was_settled_before_there_were_reports(fresh):
    await fresh.tell(_call(datetime(2026, 3, 2, tzinfo=UTC), closed=True))
    told = (await fresh.query(REPORT))["call"]
    await fresh.connection.execute("delete from live.report")
    before = (await fresh.query(REPORT))["call"]
    assert (
        before["report"]
        == before["digest"]
        == before["meeting"]["report"]
        == "This call is being settled: ask again in a moment."
    )
    await fresh.connection.execute(
        "insert into live.call_change (project_id, call_key) select project_id, call_key from live.call"
    )
    await fresh.settle()
    assert (await fresh.query(REPORT))["call"] == told


async def test_reports_change_with_what_is_told_and_are_not_written_when_nothing_does(fresh):
    at = datetime(2026, 3, 2, tzinfo=UTC)
    stored = "select number, xmin::text from live.report order by 1"
    await fresh.tell(_call(at, closed=True))
    first, before = (await fresh.query(REPORT))["call"], await fresh.connection.fetch(stored)
    assert "`**Ann**`" in first["report"]
    await fresh.tell(_call(at, closed=True))
    assert await fresh.connection.fetch(stored) == before
    await fresh.tell([ParticipantRecord(call_id="call", participant_id="bob", display_name="Bob Dole")])
    assert "**Bob Dole**" in (await fresh.query(REPORT))["call"]["report"]


async def test_another_project_has_no_report(fresh):
    await fresh.tell(_call(datetime(2026, 3, 2, tzinfo=UTC), closed=True))
    await fresh.connection.execute("update live.report set project_id = project_id + 1")
    assert "being settled" in (await fresh.query(REPORT))["call"]["report"]


async def test_a_saved_session_keeps_the_report_of_its_time(fresh):
    at = datetime(2026, 3, 2, tzinfo=UTC)
    await fresh.tell(_call(at, closed=True))
    call = (await fresh.query('{ call(callId: "call") { id report } }'))["call"]
    save = 'mutation ($id: ID!) { saveSession(input: {callId: $id, name: "kept"}) { savedSession { id } errors { code } } }'
    assert (await fresh.query(save, id=call["id"]))["saveSession"]["errors"] == []
    await fresh.tell([ParticipantRecord(call_id="call", participant_id="bob", display_name="Bob Dole")])
    found = await fresh.query(
        '{ call(callId: "call") { report } savedSessions { nodes { call { report meetings { nodes { report } } } } } }'
    )
    (saved,) = found["savedSessions"]["nodes"]
    assert saved["call"]["report"] == call["report"] != found["call"]["report"]
    assert saved["call"]["meetings"]["nodes"][0]["report"].startswith("# Meeting 1 of call `call`")
