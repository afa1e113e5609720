"""However rows come in while someone pages, forward or backward: none that lies ahead is missed, and none is seen twice."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from callscope.telemetry import CallRecord, EventRecord
from callscope.vocabulary import EventCategory, Platform
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.query.crowd import AT

SECONDS = st.lists(st.integers(0, 5), max_size=4)
RUNS = count()
RUN_SIZE = 1_000


@pytest.fixture(scope="module")
async def shared(servers, migrated) -> AsyncIterator[Inspector]:
    """A database for all examples, each of which names its own rows."""
    async with new_database(servers, template=migrated) as url, running(url) as found:
        yield found


Numbered = Iterable[tuple[datetime, int]]
"""Instants of new rows, and the number that tells each from the others."""


async def events(found: Inspector, run: str, new: Numbered) -> None:
    """Events of a name of their own; the message tells one from the other."""
    own = {"call_id": run, "category": EventCategory.OTHER, "name": run}
    await found.tell([EventRecord(**own, at=at, message=str(number)) for at, number in new], settled=False)


async def calls(found: Inspector, run: str, new: Numbered) -> None:
    """Calls with a tag of their own, the later ones of which began earlier."""
    own = {"platform": Platform.OTHER, "tags": [run]}
    await found.tell(CallRecord(call_id=f"{run}-{number}", started_at=AT - (at - AT), ended_at=at, **own) for at, number in new)


async def sessions(found: Inspector, run: str, new: Numbered) -> None:
    """Saved sessions with a tag of their own, and with names of which the later ones come first."""
    told = [(number, f"{AT - (at - AT)} {run} {number}", at) for at, number in new]
    await found.connection.executemany(
        "insert into callscope.saved_session select $1, $2, $3, $3, array[$4], $3, array[$4], $5, $5, now() + interval '1 day'",
        [(found.project_id, RUN_SIZE * int(run.partition("-")[2]) + number, name, run, at) for number, name, at in told],
    )


LISTS = {
    "events": (events, "filter: {names: [$run]}", "nodes { own: message at }"),
    "events backward in time": (
        events,
        "filter: {names: [$run]}, orderBy: {field: AT, direction: DESC}",
        "nodes { own: message at }",
    ),
    "calls": (calls, "filter: {tags: [$run]}", "nodes { own: callId at: startedAt }"),
    "calls by their last activity": (
        calls,
        "filter: {tags: [$run]}, orderBy: {field: LAST_ACTIVE_AT, direction: DESC}",
        "nodes { own: callId at: lastActiveAt }",
    ),
    "savedSessions": (sessions, "filter: {tags: [$run]}", "nodes { own: name at: savedAt }"),
    "savedSessions by a text, by their names": (
        sessions,
        "filter: {text: $run}, orderBy: {field: NAME, direction: DESC}",
        "nodes { own: name at: name }",
    ),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("way", ["first: $size, after: $cursor", "last: $size, before: $cursor"])
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    before=st.lists(st.integers(0, 5), max_size=15), size=st.integers(1, 4), arrivals=st.lists(SECONDS, min_size=12, max_size=12)
)
async def test_pages_give_each_row_once_while_others_come_in(
    shared: Inspector, name: str, way: str, before: list[int], size: int, arrivals: list[list[int]]
) -> None:
    come, narrowed, selection = LISTS[name]
    run, numbers = f"run-{next(RUNS)}", count()
    selection += " pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    page = f"{name.partition(' ')[0]}({narrowed}, {way}) {{ {selection} }}"
    text = f"query ($run: String!, $size: Int, $cursor: String) {{ page: {page} }}"
    goes_on, end = ("hasNextPage", "endCursor") if way.startswith("first") else ("hasPreviousPage", "startCursor")

    async def arrive(seconds: list[int]) -> None:
        await come(shared, run, [(AT + timedelta(seconds=second), next(numbers)) for second in seconds])

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
