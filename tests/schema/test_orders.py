"""Lists run in the order that was asked for, and keys break ties in the same direction."""

from typing import Any

import pytest

from callscope.query.ids import decode_id
from callscope.schema.root import CORE_SCHEMA
from callscope.vocabulary import Severity
from tests.inspector import Inspector
from tests.query.documents import LISTS
from tests.query.operations import orders
from tests.schema.rows import Row, all_rows, instant, nodes_of

BY = {
    "STARTED_AT": lambda row: instant(row["startedAt"]),
    "LAST_ACTIVE_AT": lambda row: instant(row["lastActiveAt"]),
    "DURATION": lambda row: row["durationSeconds"],
    "PARTICIPANT_COUNT": lambda row: row["statistics"]["participantCount"],
    "ISSUE_COUNT": lambda row: row["statistics"]["issueCount"],
    "WORST_ISSUE": lambda row: list(Severity).index(row["worstIssue"]["severity"]) if row["worstIssue"] else 0,
    "ISSUE_SECONDS": lambda row: row["statistics"]["issueSeconds"],
    "MEAN_OPINION_SCORE": lambda row: row["meanOpinionScore"] if row["meanOpinionScore"] is not None else float("inf"),
    "AT": lambda row: instant(row["at"]),
    "SAVED_AT": lambda row: instant(row["savedAt"]),
    "NAME": lambda row: row["name"].casefold(),
    "EXPIRES_AT": lambda row: instant(row["expiresAt"]),
}
DEFAULT = {
    "Call": ("STARTED_AT", "DESC"),
    "Meeting": ("STARTED_AT", "ASC"),
    "Event": ("AT", "ASC"),
    "Issue": ("STARTED_AT", "ASC"),
    "ConnectionRecord": ("attemptedAt", "ASC"),
    "Stream": ("attemptedAt", "ASC"),
    "Subscriber": ("attemptedAt", "ASC"),
    "MetricSeries": (None, "ASC"),
    "SavedSession": ("SAVED_AT", "DESC"),
}
LISTED = [(*list_, CORE_SCHEMA.type_map[list_[0]].fields[list_[1]]) for list_ in LISTS]
ORDERED = [(*found[:2], *order) for found in LISTED for order in orders(found[2].args)[1:]]


@pytest.fixture(scope="module")
async def rows(varied: Inspector) -> dict[str, dict[str, Row]]:
    return await all_rows(varied)


def keys(row: Row) -> list[int]:
    decoded = decode_id(row["id"])
    assert decoded
    return decoded[1]


def in_order(rows: list[Row], field: str | None, direction: str) -> list[Row]:
    def by(row: Row) -> Any:
        if field is None:
            return keys(row)
        return (BY[field](row) if field in BY else instant(row[field]), keys(row))

    return sorted(rows, key=by, reverse=direction == "DESC")


async def pages(found: Inspector, type_name: str, name: str, arguments: str, selection: str) -> list[list[Row]]:
    """A list of each parent, or the only one at the root."""
    listed = f"page: {name}{arguments} {{ nodes {{ {selection} }} }}"
    if type_name == "Query":
        return [(await found.query(f"{{ {listed} }}"))["page"]["nodes"]]
    parents = {nodes_of(definition): root for type_, root, definition in LISTED if type_ == "Query"}
    if type_name == "Subscriber":
        streams = (await found.query(f"{{ streams {{ nodes {{ subscribers(first: 2) {{ nodes {{ {listed} }} }} }} }} }}"))[
            "streams"
        ]
        return [node["page"]["nodes"] for stream in streams["nodes"] for node in stream["subscribers"]["nodes"]]
    parent = parents[type_name]
    return [node["page"]["nodes"] for node in (await found.query(f"{{ {parent} {{ nodes {{ {listed} }} }} }}"))[parent]["nodes"]]


@pytest.mark.parametrize(("type_name", "name", "field", "direction"), ORDERED)
async def test_a_list_runs_as_it_was_asked_to(
    varied: Inspector, rows, type_name: str, name: str, field: str, direction: str
) -> None:
    own = rows[nodes_of(CORE_SCHEMA.type_map[type_name].fields[name])]
    found = await pages(varied, type_name, name, f"(first: 300, orderBy: {{field: {field}, direction: {direction}}})", "id")
    for ids in found:
        here = [own[row["id"]] for row in ids]
        assert here == in_order(here, field, direction)
    assert any(len(ids) > 1 for ids in found)
    if type_name == "Query":
        assert len({BY[field](own[row["id"]]) for row in found[0]}) > 1


# Participants come in order of appearance, which is no field of theirs.
@pytest.mark.parametrize(("type_name", "name"), [list_ for list_ in LISTS if list_[1] != "participants"])
async def test_a_list_has_an_order_of_its_own(varied: Inspector, type_name: str, name: str) -> None:
    type_ = nodes_of(CORE_SCHEMA.type_map[type_name].fields[name])
    field, direction = DEFAULT[type_]
    column = {"STARTED_AT": "startedAt", "AT": "at", "SAVED_AT": "savedAt"}.get(field, field) or "__typename"
    found = await pages(varied, type_name, name, "", f"id {column}")
    for nodes in found:
        assert nodes == in_order(nodes, field, direction)
    assert any(len(nodes) > 1 for nodes in found)


async def test_participants_come_in_order_of_appearance(varied: Inspector) -> None:
    (nodes,) = await pages(
        varied, "Query", "participants", "(first: 100)", "id firstJoinedAt connections { nodes { attemptedAt } }"
    )
    attempts = [min(instant(made["attemptedAt"]) for made in node["connections"]["nodes"]) for node in nodes]
    assert attempts == sorted(attempts)
    assert len(set(attempts)) > 5


async def test_an_order_can_come_by_variables_in_part_or_whole(varied: Inspector) -> None:
    text = """query($order: CallOrder, $field: CallOrderField! = DURATION, $direction: OrderDirection!) {
        whole: calls(orderBy: $order) { nodes { id } }
        parts: calls(orderBy: {field: $field, direction: $direction}) { nodes { id } }
        plain: calls(orderBy: null) { nodes { id } }
        none: calls { nodes { id } }
    }"""
    for direction in ("ASC", "DESC"):
        for field in ("DURATION", "PARTICIPANT_COUNT"):
            order = {"field": field, "direction": direction}
            answer = await varied.query(text, order=order, **order)
            assert answer["whole"] == answer["parts"]
            assert answer["plain"] == answer["none"] != answer["whole"]
    answer = await varied.query(text, direction="ASC", order={"field": "DURATION", "direction": "ASC"})
    assert answer["whole"] == answer["parts"]
    assert (await varied.query(text, direction="ASC", order=None))["whole"] == answer["none"]
    assert (await varied.query(text, direction="ASC"))["whole"] == answer["none"]


async def test_a_cursor_belongs_to_its_order(varied: Inspector) -> None:
    text = """query($order: CallOrder, $after: String) {
        calls(orderBy: $order, first: 1, after: $after) { pageInfo { endCursor } }
    }"""
    order = {"field": "DURATION", "direction": "ASC"}
    cursor = (await varied.query(text, order=order))["calls"]["pageInfo"]["endCursor"]
    assert (await varied.post(text, order=order, after=cursor)).status_code == 200
    for other in ({"field": "DURATION", "direction": "DESC"}, {"field": "ISSUE_COUNT", "direction": "ASC"}, None):
        response = await varied.post(text, order=other, after=cursor)
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
