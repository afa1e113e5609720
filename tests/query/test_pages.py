"""Pages: forward and backward, every list gives each row once and in order, ties or not."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from callscope.ingest import ingest_plans
from callscope.query.ids import id_sql
from callscope.schema.root import engine
from callscope.telemetry import EventRecord
from callscope.vocabulary import EventCategory
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.plans import sample_plans
from tests.query.crowd import AT, crowd
from tests.query.documents import LISTS, ROOTS
from tests.query.operations import orders
from tests.saving import saved

PAGE = "nodes { id } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"


@pytest.fixture(scope="module")
async def tied(servers, migrated) -> AsyncIterator[Inspector]:
    """Calls in which much happens at once, beside ordinary ones."""
    async with new_database(servers, template=migrated) as url, running(url) as found:
        await ingest_plans(found.connection, url, found.project_id, sample_plans()[3:])
        await found.tell(crowd())
        for number in range(5):
            await saved(found, f"crowd-{number}", "crowd")
        yield found


@dataclass
class Walk:
    """One list, and how its pages are asked for."""

    found: Inspector
    type_name: str
    name: str
    parent: str | None = None
    narrowed: str = ""

    async def page(self, arguments: str, selection: str = PAGE) -> dict[str, Any]:
        given = ", ".join(filter(None, (arguments, self.narrowed)))
        called = f"{self.name}({given}) {{ {selection} }}"
        if self.type_name == "Query":
            return (await self.found.query(f"{{ page: {called} }}"))["page"]
        inside = f"... on {self.type_name} {{ page: {called} }}"
        return (await self.found.query(f'{{ node(id: "{self.parent}") {{ {inside} }} }}'))["node"]["page"]

    async def of_the_longest(self) -> list[str]:
        """All ids of the list; of a nested one, under the parent that has most."""
        if self.type_name != "Query":
            table = next(table for type_, table in engine().nodes.values() if type_.name == self.type_name)
            rows = await self.found.connection.fetch(f"select {id_sql(table, 'r')} from live.{table.name} r order by 1 limit 500")
            parents = [row[0] for row in rows]
            counts = f"... on {self.type_name} {{ id page: {self.name} {{ totalCount }} }}"
            answer = await self.found.query(f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {counts} }} }}", ids=parents)
            self.parent = max(answer["nodes"], key=lambda node: node["page"]["totalCount"])["id"]
        page = await self.page("first: 1000", f"totalCount {PAGE}")
        ids = [node["id"] for node in page["nodes"]]
        assert page["totalCount"] == len(ids) == len(set(ids)) <= 1000
        return ids


def check_page(page: dict[str, Any], ids: list[str], *, more: bool, before: bool) -> None:
    assert [node["id"] for node in page["nodes"]] == ids
    assert [edge["node"]["id"] for edge in page["edges"]] == ids
    cursors = [edge["cursor"] for edge in page["edges"]]
    assert page["pageInfo"] == {
        "hasNextPage": more,
        "hasPreviousPage": before,
        "startCursor": cursors[0] if cursors else None,
        "endCursor": cursors[-1] if cursors else None,
    }


async def walk(list_: Walk, ids: list[str], size: int) -> None:
    """All pages forward, then all pages backward."""
    after = ""
    for start in range(0, len(ids), size):
        page = await list_.page(f"first: {size}{after}")
        check_page(page, ids[start : start + size], more=start + size < len(ids), before=start > 0)
        after = f', after: "{page["pageInfo"]["endCursor"]}"'
    before = ""
    for end in range(len(ids), 0, -size):
        page = await list_.page(f"last: {size}{before}")
        check_page(page, ids[max(end - size, 0) : end], more=end < len(ids), before=end > size)
        before = f', before: "{page["pageInfo"]["startCursor"]}"'


@pytest.mark.parametrize(("type_name", "name"), LISTS, ids=[".".join(list_) for list_ in LISTS])
async def test_pages_give_each_row_once_and_in_order(tied: Inspector, type_name: str, name: str) -> None:
    list_ = Walk(tied, type_name, name)
    ids = await list_.of_the_longest()
    assert len(ids) >= 2
    await walk(list_, ids, max(len(ids) * 2 // 5, 1))


ORDERED = [(name, *order) for name, definition in ROOTS.items() for order in orders(definition.args)[1:]]


@pytest.mark.parametrize(("name", "field", "direction"), ORDERED)
async def test_pages_of_ordered_lists_give_each_row_once(tied: Inspector, name: str, field: str, direction: str) -> None:
    list_ = Walk(tied, "Query", name, narrowed=f"orderBy: {{field: {field}, direction: {direction}}}")
    ids = await list_.of_the_longest()
    await walk(list_, ids, max(len(ids) // 3, 1))


@pytest.mark.parametrize(("type_name", "name"), [("Query", "events"), ("Call", "events"), ("Query", "calls")])
async def test_an_empty_page_still_says_whether_there_are_rows(tied: Inspector, type_name: str, name: str) -> None:
    list_ = Walk(tied, type_name, name)
    ids = await list_.of_the_longest()
    check_page(await list_.page("first: 0"), [], more=bool(ids), before=False)
    check_page(await list_.page("last: 0"), [], more=False, before=bool(ids))
    nothing = Walk(tied, type_name, name, list_.parent, "filter: {%s}" % ("callIds: []" if name == "calls" else "names: []"))
    check_page(await nothing.page("first: 0"), [], more=False, before=False)
    check_page(await nothing.page("last: 3"), [], more=False, before=False)


@pytest.mark.parametrize(("type_name", "name"), [("Query", "events"), ("Call", "participants"), ("Call", "metricSeries")])
async def test_a_page_can_lie_between_two_cursors(tied: Inspector, type_name: str, name: str) -> None:
    list_ = Walk(tied, type_name, name)
    ids = await list_.of_the_longest()
    edges = (await list_.page("first: 1000"))["edges"]
    between = f'after: "{edges[0]["cursor"]}", before: "{edges[4]["cursor"]}"'
    check_page(await list_.page(f"first: 1000, {between}"), ids[1:4], more=False, before=True)
    check_page(await list_.page(f"first: 2, {between}"), ids[1:3], more=True, before=True)
    check_page(await list_.page(f"last: 2, {between}"), ids[2:4], more=True, before=True)
    assert await list_.page(f"first: 2, {between}", "totalCount") == {"totalCount": len(ids)}


@pytest.mark.parametrize(
    "selection", ["nodes { id }", "edges { node { id } }", "pageInfo { endCursor }", "totalCount", "__typename"]
)
@pytest.mark.parametrize("arguments", ["first: 3", "last: 3"])
async def test_each_part_of_a_page_is_alike_alone_and_with_the_others(tied: Inspector, selection: str, arguments: str) -> None:
    whole = f"a: nodes {{ id }} b: edges {{ cursor }} c: nodes {{ name }} totalCount {PAGE} __typename d: totalCount"
    for type_name in ("Query", "Call"):
        list_ = Walk(tied, type_name, "events")
        await list_.of_the_longest()
        alone, together = await list_.page(arguments, selection), await list_.page(arguments, whole)
        ((key, value),) = alone.items()
        together["edges"] = [{"node": edge["node"]} for edge in together["edges"]]
        together["pageInfo"] = {"endCursor": together["pageInfo"]["endCursor"]}
        assert together[key] == value
        assert together["a"] == together["nodes"]
        assert len(together["b"]) == len(together["c"]) == 3
        assert list(together) == ["a", "b", "c", "totalCount", "nodes", "edges", "pageInfo", "__typename", "d"]


@pytest.mark.parametrize(
    "selection", ["__typename", "__typename nodes @skip(if: true) { id }", "nodes @include(if: false) { id }"]
)
async def test_a_page_of_which_nothing_is_read_takes_its_arguments_all_the_same(tied: Inspector, selection: str) -> None:
    arguments = f'filter: {{names: ["a"], include: ["b"]}}, first: 2, after: "event.at.asc~{2**40}~1~1"'
    expected = {"__typename": "EventConnection"} if "__typename" in selection else {}
    for type_name in ("Query", "Call"):
        list_ = Walk(tied, type_name, "events")
        await list_.of_the_longest()
        assert await list_.page(arguments, selection) == expected


async def test_without_first_and_last_a_page_has_fifty_rows(tied: Inspector) -> None:
    page = (await tied.query(f"{{ events {{ totalCount {PAGE} }} }}"))["events"]
    assert len(page["nodes"]) == 50 < page["totalCount"]
    assert page["pageInfo"]["hasNextPage"]
    nested = await tied.query("{ calls(first: 1000) { nodes { metricSeries { totalCount nodes { id } } } } }")
    sizes = [(len(call["metricSeries"]["nodes"]), call["metricSeries"]["totalCount"]) for call in nested["calls"]["nodes"]]
    assert all(size == min(total, 50) for size, total in sizes)
    assert any(total > 50 for _, total in sizes)


WRONG = [
    ("first: 1, last: 1", "'first'"),
    ("first: -1", "'first'"),
    ("last: -1", "'last'"),
    ("first: 1001", "'first'"),
    ("last: 1001", "'last'"),
    ('after: ""', "'after'"),
    ('before: "x"', "'before'"),
    ('first: 1, after: "call.started_at.desc~1~1"', "'after'"),
    ('first: 1, after: "event.at.asc~1~2"', "'after'"),
    ('last: 1, before: "event.at.desc~1~2~3"', "'before'"),
    ('before: "event.at.asc~99999999999999999999~2~3"', "'before'"),
    ('after: "event.at.asc~1~2~9223372036854775808"', "'after'"),
]


@pytest.mark.parametrize(("arguments", "named"), WRONG)
@pytest.mark.parametrize("where", ["%s", "calls(first: 1) { nodes { %s } }", 'node(id: "call_1") { ... on Call { %s } }'])
async def test_wrong_arguments_are_refused_by_name(tied: Inspector, arguments: str, named: str, where: str) -> None:
    response = await tied.post("{ %s }" % (where % f"events({arguments}) {{ nodes {{ id }} }}"))
    (error,) = response.json()["errors"]
    assert (response.status_code, error["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    assert named in error["message"]


async def test_variables_are_checked_anew_for_each_request(tied: Inspector) -> None:
    text = "query($first: Int, $after: String) { events(first: $first, after: $after) { nodes { id } pageInfo { endCursor } } }"
    one = (await tied.query(text, first=1))["events"]
    assert (await tied.post(text, first=1001)).json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    two = (await tied.query(text, first=2, after=None))["events"]
    rest = (await tied.query(text, first=1, after=one["pageInfo"]["endCursor"]))["events"]
    assert [*one["nodes"], *rest["nodes"]] == two["nodes"]
    assert (await tied.post(text, first=1, after="x")).status_code == 400
    assert len((await tied.query(text))["events"]["nodes"]) == 50


async def test_rows_that_come_in_meanwhile_neither_repeat_nor_hide_others(inspector: Inspector) -> None:
    def event(name: str, seconds: int) -> EventRecord:
        return EventRecord(call_id="call", at=AT + timedelta(seconds=seconds), category=EventCategory.OTHER, name=name)

    async def names(arguments: str) -> tuple[list[str], dict[str, Any]]:
        page = (await inspector.query(f"{{ events({arguments}) {{ nodes {{ name }} pageInfo {{ startCursor endCursor }} }} }}"))[
            "events"
        ]
        return [node["name"] for node in page["nodes"]], page["pageInfo"]

    await inspector.tell([event(f"old {second}", second) for second in range(10)])
    first, info = await names("first: 4")
    last, backward = await names("last: 4")
    assert (first, last) == ([f"old {second}" for second in range(4)], [f"old {second}" for second in range(6, 10)])
    await inspector.tell([event("early", -5), event("tie", 3), event("between", 5), event("late", 20)])
    follows, _ = await names(f'first: 100, after: "{info["endCursor"]}"')
    assert [name for name in follows if name.startswith("old")] == [f"old {second}" for second in range(4, 10)]
    assert follows[-1] == "late"
    assert "early" not in follows
    precedes, _ = await names(f'last: 100, before: "{backward["startCursor"]}"')
    assert [name for name in precedes if name.startswith("old")] == [f"old {second}" for second in range(6)]
    assert precedes[0] == "early"
