"""However rows come in while someone pages, forward or backward: none that lies ahead is missed, and none is seen twice."""

from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from callscope.telemetry import CallRecord, EventRecord, Telemetry
from callscope.vocabulary import EventCategory, Platform
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.query.crowd import AT

SECONDS = st.lists(st.integers(0, 5), max_size=4)
RUNS = count()


@pytest.fixture(scope="module")
async def shared(servers, migrated) -> AsyncIterator[Inspector]:
    """A database for all examples, each of which names its own rows."""
    async with new_database(servers, template=migrated) as url, running(url) as found:
        yield found


def events(run: str, seconds: Iterable[int], numbers: Iterable[int]) -> Iterable[Telemetry]:
    """Events of a name of their own; the message tells one from the other."""
    for second, number in zip(seconds, numbers, strict=False):
        at = AT + timedelta(seconds=second)
        yield EventRecord(call_id=run, at=at, category=EventCategory.OTHER, name=run, message=str(number))


def calls(run: str, seconds: Iterable[int], numbers: Iterable[int]) -> Iterable[Telemetry]:
    """Calls with a tag of their own."""
    for second, number in zip(seconds, numbers, strict=False):
        at = AT + timedelta(seconds=second)
        yield CallRecord(call_id=f"{run}-{number}", platform=Platform.OTHER, started_at=at, ended_at=at, tags=[run])


LISTS = {
    "events": (events, "filter: {names: [$run]}", "nodes { own: message at }"),
    "events backward in time": (
        events,
        "filter: {names: [$run]}, orderBy: {field: AT, direction: DESC}",
        "nodes { own: message at }",
    ),
    "calls": (calls, "filter: {tags: [$run]}", "nodes { own: callId at: startedAt }"),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("way", ["first: $size, after: $cursor", "last: $size, before: $cursor"])
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    before=st.lists(st.integers(0, 5), max_size=15), size=st.integers(1, 4), arrivals=st.lists(SECONDS, min_size=12, max_size=12)
)
async def test_pages_give_each_row_once_while_others_come_in(
    shared: Inspector, name: str, way: str, before: list[int], size: int, arrivals: list[list[int]]
) -> None:
    telemetry, narrowed, selection = LISTS[name]
    run, numbers = f"run-{next(RUNS)}", count()
    selection += " pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    page = f"{name.partition(' ')[0]}({narrowed}, {way}) {{ {selection} }}"
    text = f"query ($run: String!, $size: Int, $cursor: String) {{ page: {page} }}"
    goes_on, end = ("hasNextPage", "endCursor") if way.startswith("first") else ("hasPreviousPage", "startCursor")

    async def arrive(seconds: list[int]) -> None:
        await shared.tell(list(telemetry(run, seconds, numbers)), settled=telemetry is calls)

    async def ask(size: int, cursor: str | None) -> dict[str, Any]:
        return (await shared.query(text, run=run, size=size, cursor=cursor))["page"]

    async def rest(cursor: str | None) -> set[str]:
        return {node["own"] for node in (await ask(1000, cursor))["nodes"]}

    await arrive(before)
    wanted = await rest(None)
    seen: list[dict[str, Any]] = []
    info = {goes_on: True, end: None}
    while info[goes_on]:
        found = await ask(size, info[end])
        info = found["pageInfo"]
        seen = [*seen, *found["nodes"]] if end == "endCursor" else [*found["nodes"], *seen]
        if arrivals and info[goes_on]:
            await arrive(arrivals.pop())
            wanted |= await rest(info[end])
    own = [node["own"] for node in seen]
    assert set(own) == wanted
    assert len(own) == len(wanted)
    times = [node["at"] for node in seen]
    assert times == sorted(times, reverse=name != "events")
