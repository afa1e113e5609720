"""Attempts over time, against the attempts themselves."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from callscope.schema.grid import MAX_BUCKETS
from callscope.telemetry import ConnectionRecord, StreamRecord, SubscriberRecord
from tests.inspector import Inspector

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FIELDS = "{ stepSeconds times attempts successes failures }"
RATES = "failureRates { connect { attempts failures } subscribe { attempts failures } }"
BOTH = f"connectionSummary(buckets: $buckets) {FIELDS} subscriberSummary(buckets: $buckets) {FIELDS} {RATES}"
ASKED = f"""query ($buckets: Int) {{
    call(callId: "call") {{
        {BOTH}
        meetings {{ nodes {{ number {BOTH} }} }}
    }}
}}"""
OUTCOMES = ("SUCCEEDED", "FAILED", "PENDING")


def attempts(random: Random, start: datetime, number: int, prefix: str) -> list[Any]:
    """Connections and subscribers, a third of which fail and some of which nobody tells the end of."""
    told: list[Any] = [
        StreamRecord(call_id="call", stream_id=f"{prefix}-s", connection_id=f"{prefix}-0", published_at=start),
        ConnectionRecord(
            call_id="call", connection_id=f"{prefix}-0", connected_at=start, closed_at=start + timedelta(minutes=10)
        ),
    ]
    for each in range(1, number):
        at = start + timedelta(seconds=random.uniform(0, 600))
        outcome = [{"connected_at": at, "closed_at": start + timedelta(minutes=10)}, {"failed_at": at}, {}][each % 3]
        own = {"call_id": "call", "connection_id": f"{prefix}-{each}", "attempted_at": at}
        told.append(ConnectionRecord(**own, **outcome))
        received = [{"subscribed_at": at}, {"failed_at": at}, {}][random.randrange(3)]
        told.append(SubscriberRecord(**own, subscriber_id=f"{prefix}-r{each}", stream_id=f"{prefix}-s", **received))
    return told


def counted(nodes: list[dict[str, Any]], summary: dict[str, Any]) -> None:
    """Whether a summary is what the attempts come to."""
    first, step = summary["times"][0], summary["stepSeconds"] * 1000
    found: Counter[tuple[int, str]] = Counter()
    for node in nodes:
        place = int((datetime.fromisoformat(node["attemptedAt"]).timestamp() * 1000 - first) // step)
        found[min(max(place, 0), len(summary["times"]) - 1), node["outcome"]] += 1
    for place in range(len(summary["times"])):
        assert summary["successes"][place] == found[place, "SUCCEEDED"]
        assert summary["failures"][place] == found[place, "FAILED"]
        assert summary["attempts"][place] == sum(found[place, outcome] for outcome in OUTCOMES)


@pytest.mark.parametrize("buckets", [1, 7, 60, MAX_BUCKETS])
async def test_every_attempt_is_in_its_bucket(inspector: Inspector, buckets: int) -> None:
    random = Random(3)
    later = START + timedelta(hours=2)
    await inspector.tell([*attempts(random, START, 40, "a"), *attempts(random, later, 20, "b")])
    call = (await inspector.query(ASKED, buckets=buckets))["call"]
    wanted = "attemptedAt outcome meeting { number }"
    rows = await inspector.query(f"{{ connections(first: 100) {{ nodes {{ {wanted} }} }} }}")
    inside = "meeting { number } subscribers(first: 100) { nodes { attemptedAt outcome } }"
    received = await inspector.query(f"{{ streams {{ nodes {{ {inside} }} }} }}")
    subscribers = [
        {"meeting": stream["meeting"], **node}
        for stream in received["streams"]["nodes"]
        for node in stream["subscribers"]["nodes"]
    ]
    assert len(call["meetings"]["nodes"]) == 2
    for stretch in (call, *call["meetings"]["nodes"]):
        number = stretch.get("number")
        for name, rate, nodes in (
            ("connectionSummary", "connect", rows["connections"]["nodes"]),
            ("subscriberSummary", "subscribe", subscribers),
        ):
            own = [node for node in nodes if number is None or (node["meeting"] and node["meeting"]["number"] == number)]
            summary = stretch[name]
            counted(own, summary)
            assert len(summary["times"]) <= buckets
            assert sum(summary["attempts"]) == stretch["failureRates"][rate]["attempts"]
            assert sum(summary["failures"]) == stretch["failureRates"][rate]["failures"]


async def test_a_connection_that_is_only_implied_was_not_attempted(inspector: Inspector) -> None:
    await inspector.tell([StreamRecord(call_id="call", stream_id="s", connection_id="c", published_at=START)])
    call = (await inspector.query(ASKED, buckets=3))["call"]
    assert sum(call["connectionSummary"]["attempts"]) == call["failureRates"]["connect"]["attempts"] == 0


async def test_a_call_of_an_instant_has_one_bucket(inspector: Inspector) -> None:
    await inspector.tell([ConnectionRecord(call_id="call", connection_id="c", attempted_at=START, failed_at=START)])
    summary = (await inspector.query(ASKED, buckets=60))["call"]["connectionSummary"]
    assert (summary["attempts"], summary["successes"], summary["failures"]) == ([1], [0], [1])
    assert summary["times"] == [START.timestamp() * 1000]
    assert math.isfinite(summary["stepSeconds"])


@pytest.mark.parametrize(("buckets", "words"), [(0, "at least 1"), (-5, "at least 1"), (10**6, f"at most {MAX_BUCKETS}")])
async def test_numbers_of_buckets_out_of_bounds_are_refused(inspector: Inspector, buckets: int, words: str) -> None:
    answer = await inspector.post(ASKED, buckets=buckets)
    assert answer.status_code == 400
    assert words in answer.json()["errors"][0]["message"]
