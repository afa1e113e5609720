"""What a call's issues would be with other thresholds: a pure read, answered as everything else is."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from callscope.analysis.issues import Issue
from callscope.analysis.rules import Override
from callscope.examination import Examination
from callscope.query.errors import RequestError
from callscope.query.ids import encode_id
from callscope.schema import issue_preview
from callscope.schema.issue_preview import AT_ONCE, COST, DEFAULT_ISSUES, WAITING, Turns
from callscope.schema.rule_override import IS_LOW
from callscope.simulation import CallPlan, Fault, FaultKind, simulate_call
from callscope.vocabulary import IssueKind, Platform
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.plans import STARTED_AT, sample_plans
from tests.saving import saved

FAULTS = (
    Fault(FaultKind.UPLINK_LOSS, 60, 60, 0),
    Fault(FaultKind.HIGH_ROUND_TRIP, 200, 60, 1),
    Fault(FaultKind.CAMERA_FREEZE, 300, 40, 0),
    Fault(FaultKind.CONNECTION_DROP, 380, 30, 1),
)
OWN = """kind severity startedAt endedAt participant { id } stream { id }
    rule { name version metric threshold clearThreshold minimumSeconds observed source }"""
STORED = f"query ($id: ID!) {{ node(id: $id) {{ ... on Call {{ issues(first: 1000) {{ nodes {{ {OWN} }} }} }} }} }}"
WHAT_IF = f"query ($id: ID!, $rules: [RuleOverride!]!) {{ evaluateIssues(callId: $id, rules: $rules) {{ {OWN} }} }}"
TABLES = ("issue", "metric_series", "metric_sample", "call", "participant", "event", "call_change")


def plans() -> list[CallPlan]:
    """The small ones of every kind, and one of each platform in which much goes wrong."""
    broken = [
        CallPlan(f"broken {platform}", platform, STARTED_AT, 8, 3, faults=FAULTS, interval_seconds=2) for platform in Platform
    ]
    return [*sample_plans(), *broken]


@pytest.fixture(scope="module")
async def told(servers, migrated):
    """Simulated calls of all kinds, and one of them saved: tests must only read."""
    async with new_database(servers, template=migrated) as url, running(url) as found:
        for plan in plans():
            await found.tell(simulate_call(plan))
        await saved(found, "broken WEBRTC", "Kept")
        yield found


async def ids(found: Inspector) -> dict[str, str]:
    calls = (await found.query("{ calls(first: 100) { nodes { id callId } } }"))["calls"]["nodes"]
    return {call["callId"]: call["id"] for call in calls}


async def stored(found: Inspector, id_: str) -> list[dict[str, Any]]:
    return (await found.query(STORED, id=id_))["node"]["issues"]["nodes"]


async def what_if(found: Inspector, id_: str, *rules: dict[str, Any]) -> list[dict[str, Any]]:
    return (await found.query(WHAT_IF, id=id_, rules=list(rules)))["evaluateIssues"]


def in_order(issues: list[dict[str, Any]]) -> list[str]:
    """What lists of issues can be compared by: those of one instant stand in no order."""
    return sorted(f"{issue['startedAt']} {sorted(issue.items(), key=str)}" for issue in issues)


async def rows(found: Inspector) -> list[Any]:
    """Everything that an evaluation could have written."""
    return [
        await found.connection.fetchval(f"select md5(string_agg(t::text, ',' order by t::text)) from {schema}.{table} t")
        for table in TABLES
        for schema in ("live", "saved")
    ]


@pytest.mark.parametrize("call_id", sorted({plan.call_id for plan in plans()}))
async def test_without_other_thresholds_they_are_those_that_are_stored(told: Inspector, call_id: str) -> None:
    id_ = (await ids(told))[call_id]
    known = await stored(told, id_)
    assert known or not call_id.startswith("broken")
    assert in_order(await what_if(told, id_)) == in_order(known)


async def test_they_stand_in_order_of_time(told: Inspector) -> None:
    times = [issue["startedAt"] for issue in await what_if(told, (await ids(told))["broken WEBRTC"])]
    assert len(times) > 3
    assert times == sorted(times)


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_order_in_which_telemetry_came_is_all_the_same(servers, migrated, seed: int) -> None:
    plan = replace(plans()[-1], interval_seconds=5)
    telemetry = list(simulate_call(plan))
    rules = [{"kind": "HIGH_PACKET_LOSS", "threshold": 1}, {"kind": "LOW_FRAME_RATE", "minimumSeconds": 2}]
    answers = []
    async with new_database(servers, template=migrated) as url:
        for shuffled in (False, True):
            async with running(url, project=uuid4().hex) as found:
                if shuffled:
                    random.Random(seed).shuffle(telemetry)
                await found.tell(telemetry)
                answers.append(in_order(await what_if(found, (await ids(found))[plan.call_id], *rules)))
    assert answers[0] == answers[1] != []


async def test_lower_thresholds_find_more_and_nothing_that_is_stored_changes(told: Inspector) -> None:
    id_ = (await ids(told))["broken WEBRTC"]
    before = await rows(told)
    usual = [issue for issue in await what_if(told, id_) if issue["kind"] == "HIGH_PACKET_LOSS"]
    low = {"kind": "HIGH_PACKET_LOSS", "threshold": 0.1, "clearThreshold": 0.05, "minimumSeconds": 2}
    more = [issue for issue in await what_if(told, id_, low) if issue["kind"] == "HIGH_PACKET_LOSS"]
    assert len(more) > len(usual) > 0
    assert {(issue["rule"]["threshold"], issue["rule"]["clearThreshold"]) for issue in more} == {(0.1, 0.05)}
    assert {issue["rule"]["minimumSeconds"] for issue in more} == {2}
    high = {"kind": "HIGH_PACKET_LOSS", "threshold": 99, "clearThreshold": None}
    assert "HIGH_PACKET_LOSS" not in {issue["kind"] for issue in await what_if(told, id_, high)}
    assert await rows(told) == before


async def test_thresholds_of_what_is_told_count_too(told: Inspector) -> None:
    id_ = (await ids(told))["broken WEBRTC"]
    assert "SLOW_SETUP" not in {issue["kind"] for issue in await what_if(told, id_)}
    slow = [
        issue for issue in await what_if(told, id_, {"kind": "SLOW_SETUP", "threshold": 0.01}) if issue["kind"] == "SLOW_SETUP"
    ]
    assert {issue["rule"]["threshold"] for issue in slow} == {0.01}


async def test_an_override_concerns_its_kind_alone(told: Inspector) -> None:
    id_ = (await ids(told))["broken JITSI"]
    changed = await what_if(told, id_, {"kind": "HIGH_LATENCY", "threshold": 1e9})
    others = [issue for issue in await stored(told, id_) if issue["kind"] != "HIGH_LATENCY"]
    assert len(others) < len(await stored(told, id_))
    assert in_order(changed) == in_order(others)


async def test_what_they_lead_to_answers_as_everywhere(told: Inspector) -> None:
    id_ = (await ids(told))["broken ACS"]
    beneath = """participant { id displayName connections { totalCount } } stream { id streamId publisher { id } }
        metricSeries { id metric sampleCount participant { id } samples(maxPoints: 7) { times averages } }"""
    text = f"""query ($id: ID!) {{ evaluateIssues(callId: $id, rules: [{{kind: HIGH_PACKET_LOSS, threshold: 2}}]) {{
        __typename kind rule {{ metric }} {beneath} }} }}"""
    previews = (await told.query(text, id=id_))["evaluateIssues"]
    shown = [preview["metricSeries"] for preview in previews if preview["metricSeries"]]
    assert {"PACKET_LOSS", "ROUND_TRIP_TIME"} <= {series["metric"] for series in shown}
    for preview in previews:
        assert preview["__typename"] == "IssuePreview"
        series = preview["metricSeries"]
        if series is None:
            continue
        assert series["metric"] == preview["rule"]["metric"]
        assert series["participant"]["id"] == preview["participant"]["id"]
        alike = "... on MetricSeries { id metric sampleCount participant { id } samples(maxPoints: 7) { times averages } }"
        assert (await told.query(f'{{ node(id: "{series["id"]}") {{ {alike} }} }}'))["node"] == series


async def test_a_saved_call_is_evaluated_as_it_was_saved(told: Inspector) -> None:
    id_ = (await ids(told))["broken WEBRTC"]
    text = "query ($id: ID!) { evaluateIssues(callId: $id, rules: []) { kind startedAt participant { id call { id } } } }"
    live, kept = [(await told.query(text, id=each))["evaluateIssues"] for each in (id_, f"saved{id_}")]
    assert [(each["kind"], each["startedAt"]) for each in kept] == [(each["kind"], each["startedAt"]) for each in live] != []
    for own, copy in zip(live, kept, strict=True):
        assert (copy["participant"] is None) == (own["participant"] is None)
        if copy["participant"] is not None:
            assert copy["participant"] == {"id": f"saved{own['participant']['id']}", "call": {"id": f"saved{id_}"}}


@pytest.mark.parametrize("id_", ["call_1", "savedcall_1", "call_1_2", "participant_1_2", "nothing", ""])
async def test_what_is_no_call_has_none(told: Inspector, id_: str) -> None:
    assert await what_if(told, id_) == []


async def test_a_foreign_call_is_like_none(servers, migrated) -> None:
    async with new_database(servers, template=migrated) as url, running(url, "own") as own, running(url, "other") as other:
        await other.tell(simulate_call(plans()[-1]))
        (id_,) = (await ids(other)).values()
        assert await what_if(other, id_) != []
        assert await what_if(own, id_) == []


async def test_what_is_not_settled_yet_counts(inspector: Inspector) -> None:
    first, *rest = simulate_call(plans()[-1])
    await inspector.tell([first])
    (id_,) = (await ids(inspector)).values()
    assert await what_if(inspector, id_) == []
    await inspector.tell(rest, settled=False)
    text = "query ($id: ID!) { evaluateIssues(callId: $id, rules: []) { kind participant { id } } }"
    found = (await inspector.query(text, id=id_))["evaluateIssues"]
    assert "HIGH_PACKET_LOSS" in {preview["kind"] for preview in found}
    assert await stored(inspector, id_) == []


async def test_a_call_that_was_never_settled_is_not_there(inspector: Inspector) -> None:
    await inspector.tell(simulate_call(plans()[-1]), settled=False)
    (key,) = await inspector.connection.fetchrow("select distinct call_key from live.record")
    assert await what_if(inspector, encode_id("call", [key])) == []


async def test_what_is_asked_again_is_evaluated_again(inspector: Inspector) -> None:
    early, late = list(simulate_call(plans()[-1])), list(simulate_call(replace(plans()[-1], faults=())))
    await inspector.tell(late)
    (id_,) = (await ids(inspector)).values()
    before = await what_if(inspector, id_)
    await inspector.tell(early)
    after = await what_if(inspector, id_)
    assert len(after) > len(before)
    assert in_order(after) == in_order(await stored(inspector, id_))


async def evaluated_with(
    found: Inspector, monkeypatch: pytest.MonkeyPatch, then: Callable[[asyncpg.Connection], Awaitable[object]]
) -> httpx.Response:
    """What is answered where something happens between the evaluation and the reading of what its rows lead to."""
    plain = Examination.evaluate

    async def interrupted(self: Examination, overrides: Iterable[Override]) -> list[Issue]:
        issues = await plain(self, overrides)
        await then(self.tables.connection)
        return issues

    monkeypatch.setattr(Examination, "evaluate", interrupted)
    (id_,) = (await ids(found)).values()
    text = f'{{ evaluateIssues(callId: "{id_}", rules: []) {{ participant {{ id }} metricSeries {{ id }} }} }}'
    return await found.post(text)


async def test_all_of_an_answer_is_of_one_state(inspector: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    await inspector.tell(simulate_call(plans()[-1]))

    async def forget(_: asyncpg.Connection) -> None:
        await inspector.connection.execute("delete from live.participant; delete from live.metric_series")

    previews = (await evaluated_with(inspector, monkeypatch, forget)).json()["data"]["evaluateIssues"]
    assert any(preview["participant"] for preview in previews)
    assert any(preview["metricSeries"] for preview in previews)
    assert await inspector.connection.fetchval("select count(*) from live.participant") == 0


async def test_nothing_can_be_written(inspector: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    await inspector.tell(simulate_call(plans()[-1]))
    asked = await evaluated_with(inspector, monkeypatch, lambda own: own.execute("delete from live.issue"))
    assert asked.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert await inspector.connection.fetchval("select count(*) from live.issue") > 0


async def refused(found: Inspector, rules: str, call_id: str = "broken ACS") -> str:
    id_ = (await ids(found)).get(call_id, "call_1")
    response = await found.post(f'{{ evaluateIssues(callId: "{id_}", rules: [{rules}]) {{ kind }} }}')
    (error,) = response.json()["errors"]
    assert (response.status_code, error["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    return error["message"]


@pytest.mark.parametrize(
    ("rules", "told_why"),
    [
        ("{kind: CONNECT_FAILED}", ["rules[0].kind", "CONNECT_FAILED", "Give one of", "KEYFRAME_REQUEST_STORM"]),
        ("{kind: HIGH_JITTER}, {kind: HIGH_JITTER}", ["rules[1].kind", "HIGH_JITTER again", "rules[0]"]),
        ("{kind: HIGH_JITTER, minimumSeconds: -0.5}", ["rules[0].minimumSeconds should be 0 or more, not -0.5"]),
        (
            "{kind: HIGH_LATENCY}, {kind: HIGH_JITTER, threshold: 30, clearThreshold: 31}",
            ["rules[1].clearThreshold should be at most 30, the threshold, not 31", "HIGH_JITTER begins above"],
        ),
        ("{kind: SLOW_SETUP, threshold: 1, minimumSeconds: 3}", ["rules[0].minimumSeconds: SLOW_SETUP is told and not measured"]),
        (
            "{kind: LOW_FRAME_RATE, threshold: 7, clearThreshold: 6}",
            ["rules[0].clearThreshold should be at least 7, the threshold, not 6", "LOW_FRAME_RATE begins below"],
        ),
    ],
)
@pytest.mark.parametrize("call_id", ["broken ACS", "nobody's"])
async def test_bad_overrides_are_refused_by_name(told: Inspector, rules: str, told_why: list[str], call_id: str) -> None:
    message = await refused(told, rules, call_id)
    assert [part for part in told_why if part not in message] == []


@pytest.mark.parametrize(
    ("rules", "call_id", "limit"),
    [
        ("{kind: HIGH_PACKET_LOSS, clearThreshold: 10.5}", "broken ACS", "at most 10, a threshold of high_packet_loss"),
        ("{kind: HIGH_PACKET_LOSS, clearThreshold: 5.5}", "broken JITSI", "at most 5, a threshold of high_packet_loss"),
        ("{kind: HIGH_PACKET_LOSS, clearThreshold: 12}", "broken JITSI", "at most 5, a threshold of high_packet_loss"),
        ("{kind: LOW_RESOLUTION, clearThreshold: 200}", "broken JITSI", "at least 768, a threshold of low_resolution_screen"),
        ("{kind: LOW_RESOLUTION, clearThreshold: 300}", "broken JITSI", "at least 768, a threshold of low_resolution_screen"),
    ],
)
async def test_clear_thresholds_are_held_against_the_rules_of_the_platform(
    told: Inspector, rules: str, call_id: str, limit: str
) -> None:
    message = await refused(told, rules, call_id)
    assert f"rules[0].clearThreshold should be {limit}" in message
    assert "unless 'threshold' is given too" in message


async def test_clear_thresholds_at_the_threshold_are_taken(told: Inspector) -> None:
    id_ = (await ids(told))["broken ACS"]
    rules = [
        {"kind": "HIGH_PACKET_LOSS", "clearThreshold": 10},
        {"kind": "HIGH_JITTER", "threshold": 5, "clearThreshold": 5},
        {"kind": "LOW_FRAME_RATE", "threshold": 5, "clearThreshold": 5},
    ]
    assert await what_if(told, id_, *rules) != []


def test_kinds_are_raised_on_one_side_of_their_thresholds() -> None:
    assert IS_LOW[IssueKind.HIGH_PACKET_LOSS] is False
    assert IS_LOW[IssueKind.LOW_FRAME_RATE] is True
    assert IssueKind.CONNECT_FAILED not in IS_LOW


async def test_the_list_ends_where_it_is_told_to(told: Inspector) -> None:
    id_ = (await ids(told))["broken WEBRTC"]
    every = await what_if(told, id_)
    for first in (0, 2, 5_000):
        data = await told.query(f'{{ evaluateIssues(callId: "{id_}", rules: [], first: {first}) {{ kind startedAt }} }}')
        assert data["evaluateIssues"] == [{name: each[name] for name in ("kind", "startedAt")} for each in every[:first]]
    for first in (-1, 5_001):
        response = await told.post(f'{{ evaluateIssues(callId: "{id_}", rules: [], first: {first}) {{ kind }} }}')
        assert "Argument 'first' should be at" in response.json()["errors"][0]["message"]


async def test_large_calls_are_refused(told: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issue_preview, "MAX_SAMPLES", 1_000)
    assert "callId: a call with" in (message := await refused(told, ""))
    assert "the limit is 1,000 samples" in message


async def test_a_request_has_room_for_few_evaluations(told: Inspector) -> None:
    def asked(count: int) -> str:
        one = 'evaluateIssues(callId: "call_1", rules: []) { kind severity }'
        return "{" + " ".join(f"a{number}: {one}" for number in range(count)) + "}"

    cost = 1 + COST + 2 * DEFAULT_ISSUES
    answer = (await told.post(asked(1))).json()
    assert answer["extensions"]["cost"]["requested"] == cost
    assert (await told.post(asked(4))).status_code == 200
    error = (await told.post(asked(5))).json()["errors"][0]
    assert error["extensions"]["code"] == "COST_LIMIT_EXCEEDED"
    assert "evaluateIssues" in error["message"]


async def test_few_are_evaluated_at_once() -> None:
    turns = Turns(AT_ONCE, WAITING)
    running_now, most = 0, 0
    go = asyncio.Event()

    async def evaluation() -> None:
        nonlocal running_now, most
        async with turns.turn():
            running_now += 1
            most = max(most, running_now)
            await go.wait()
            running_now -= 1

    tasks = [asyncio.create_task(evaluation()) for _ in range(AT_ONCE + WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(RequestError, match="try again in a moment"):
        await evaluation()
    go.set()
    await asyncio.gather(*tasks)
    assert most == AT_ONCE
    await evaluation()
