"""What is told badly is diagnosed all the same: by ingest, settling and GraphQL, as a client sees it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from callscope.analysis.digest import MAX_TOKENS, tokens_at_most
from tests.inspector import Inspector

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
FIELDS = "kind severity startedAt endedAt isRecovered participant { participantId } rule { observed }"
CALL = f"""{{ call(callId: "x") {{ durationSeconds meanOpinionScore statistics {{ issueCount issueSeconds }}
    worstIssue {{ kind }} issueSummary {{ kind count participantCount recoveredCount totalSeconds }}
    issues(first: 1000) {{ totalCount nodes {{ {FIELDS} }} pageInfo {{ hasNextPage endCursor }} }}
    report digest: report(format: DIGEST) freshness {{ isSettled missing }} }} }}"""


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def samples(metric: str, times: list[float], values: list[Any], **rest: Any) -> dict[str, Any]:
    told = {"type": "samples", "metric": metric, "media": "AUDIO", "direction": "SUBSCRIBE", "subscriberId": "r", "streamId": "s"}
    return told | {"times": [1000 * (START.timestamp() + time) for time in times], "values": values} | rest


PEOPLE = [
    {"type": "connection", "connectionId": "a", "participantId": "ann", "connectedAt": at(0)},
    {"type": "stream", "streamId": "s", "connectionId": "a", "hasAudio": True, "publishedAt": at(0)},
    {"type": "subscriber", "subscriberId": "r", "streamId": "s", "participantId": "bob", "subscribedAt": at(0)},
]


async def call(inspector: Inspector, *records: dict[str, Any], refused: int = 0) -> dict[str, Any]:
    lines = b"\n".join(orjson.dumps({"callId": "x", **record}) for record in records)
    answer = (await inspector.client.post("/ingest", content=lines)).json()
    assert (answer["accepted"], len(answer["refused"])) == (len(records) - refused, refused)
    await inspector.settle()
    found = (await inspector.query(CALL))["call"]
    assert found["freshness"]["isSettled"]
    assert tokens_at_most(found["digest"]) <= MAX_TOKENS
    return found


async def test_a_thousand_issues_of_one_call(inspector: Inspector) -> None:
    failed = [
        {
            "type": "connection",
            "connectionId": f"c{number}",
            "participantId": f"p{number % 600}",
            "attemptedAt": at(number),
            "failedAt": at(number + 5),
            "error": {"code": 410, "message": f"Nobody answered {number} times " * 20},
        }
        for number in range(1_500)
    ]
    found = await call(inspector, *PEOPLE, *failed)
    assert found["issues"]["totalCount"] == found["statistics"]["issueCount"] == 1_500
    assert found["statistics"]["issueSeconds"] == 5 * 1_500
    assert found["issues"]["pageInfo"]["hasNextPage"]
    text = f'query ($after: String) {{ call(callId: "x") {{ issues(first: 1000, after: $after) {{ nodes {{ {FIELDS} }} }} }} }}'
    rest = (await inspector.query(text, after=found["issues"]["pageInfo"]["endCursor"]))["call"]["issues"]["nodes"]
    every = found["issues"]["nodes"] + rest
    assert len(every) == len({issue["startedAt"] for issue in every}) == 1_500
    assert found["issueSummary"] == [
        {"kind": "CONNECT_FAILED", "count": 1_500, "participantCount": 600, "recoveredCount": 0, "totalSeconds": 7_500}
    ]
    assert "1500 issues" in found["report"]
    assert len(found["report"]) < 20_000


async def test_series_of_one_sample_and_none_of_a_value(inspector: Inspector) -> None:
    found = await call(
        inspector,
        *PEOPLE,
        samples("PACKET_LOSS", [30], [90.0]),
        samples("JITTER", [30, 31], [None, 5.0]),
        samples("BITRATE", [], []),
        refused=2,
    )
    assert (found["issues"]["totalCount"], found["meanOpinionScore"]) == (0, None)


async def test_values_that_cannot_be_and_hours_without_any(inspector: Inspector) -> None:
    times = [float(2 * number) for number in range(30)] + [36_000.0 + 2 * number for number in range(30)]
    found = await call(
        inspector,
        *PEOPLE,
        samples("PACKET_LOSS", times, [-50.0] * 60),
        samples("JITTER", times, [500.0] * 30 + [0.0] * 30),
        samples("ROUND_TRIP_TIME", times, [-1e9] * 60),
        refused=2,
    )
    (jitter,) = found["issues"]["nodes"]
    # What nobody measured closes nothing: it was over when it was seen to be.
    assert (jitter["kind"], jitter["startedAt"], jitter["endedAt"]) == ("HIGH_JITTER", at(6), at(58))
    assert (jitter["isRecovered"], jitter["rule"]["observed"]) == (True, 500)
    # Neither losses nor round trips were left to score.
    assert found["meanOpinionScore"] is None


@pytest.mark.parametrize("order", [1, -1])
async def test_events_that_contradict_each_other(inspector: Inspector, order: int) -> None:
    def diagnostic(second: float, value: Any) -> dict[str, Any]:
        told = {"type": "event", "at": at(second), "category": "DIAGNOSTIC", "name": "cameraFreeze"}
        return told | {"participantId": "ann", "connectionId": "a", "payload": {"diagnostic": "cameraFreeze", "value": value}}

    told = [
        *PEOPLE,
        {"type": "connection", "connectionId": "b", "participantId": "eve", "connectedAt": at(50), "closedAt": at(10)},
        {"type": "connection", "connectionId": "c", "participantId": "eve", "connectedAt": at(5), "failedAt": at(4)},
        *(
            diagnostic(second, value)
            for second, value in ((10, True), (10, False), (10, True), (20, False), (20, False), (5, False))
        ),
    ]
    found = await call(inspector, *told[::order])
    freezes = [issue for issue in found["issues"]["nodes"] if issue["kind"] == "CAMERA_FREEZE"]
    assert [(issue["startedAt"], issue["endedAt"], issue["isRecovered"]) for issue in freezes] == [(at(10), at(20), True)]
    assert found["durationSeconds"] >= 0


async def test_no_clock(inspector: Inspector) -> None:
    """Nothing tells when anything was: it is taken for when it arrived, and nothing is found."""
    found = await call(
        inspector,
        {"type": "connection", "connectionId": "a", "participantId": "ann"},
        {"type": "stream", "streamId": "s", "connectionId": "a"},
        {"type": "subscriber", "subscriberId": "r", "streamId": "s", "participantId": "bob"},
    )
    assert (found["issues"]["totalCount"], found["durationSeconds"], found["meanOpinionScore"]) == (0, 0, None)
    assert found["report"].startswith("# Call `x`")
    assert "SAMPLES" in found["freshness"]["missing"]
