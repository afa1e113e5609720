from datetime import UTC, datetime, timedelta

import pytest
from graphql import get_named_type
from hypothesis import given
from hypothesis import strategies as st

from callscope.query.bindings import Table, binding_of
from callscope.query.ids import decode_id, encode_id, id_sql, keys_of
from callscope.schema.root import CORE_SCHEMA
from tests.inspector import Inspector
from tests.query.documents import everything
from tests.query.operations import NODES, Material, material
from tests.query.oracle import assert_same

EVENT = Table("event", ("call_key", "at", "event_key"), "event")
MEETING = Table("meeting", ("call_key", "number"), "meeting")


@pytest.fixture(scope="module")
async def stored(filled: Inspector) -> Material:
    return await material(filled)


@given(st.sampled_from(list(NODES)), st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=3))
def test_an_id_gives_back_its_tag_and_its_keys(tag: str, keys: list[int]) -> None:
    assert decode_id(encode_id(tag, keys)) == (tag, keys)


@pytest.mark.parametrize(
    "text",
    [
        *("", "call", "call_", "_1", "call__1", "call_1_", "call_1_2_3_4", "call_" + "1" * 17),
        *("Call_1", "call_G", "cäll_1", "call_\uff11", "call_-1", "call_0x1", "call_1\n", " call_1", "call_1\x00"),
    ],
)
def test_what_is_no_id_has_no_keys(text: str) -> None:
    assert decode_id(text) is None


def test_keys_are_of_their_types_and_only_where_a_row_can_have_them() -> None:
    assert keys_of(MEETING, [-5, 3]) == [-5, 3]
    assert keys_of(MEETING, [-5, 2**31 - 1]) == [-5, 2**31 - 1]
    assert keys_of(MEETING, [-5, 2**31]) is None
    assert keys_of(MEETING, [-5]) is None
    assert keys_of(MEETING, [-5, 3, 1]) is None
    assert keys_of(EVENT, [1, 1_500_000, 2]) == [1, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=1.5), 2]
    assert keys_of(EVENT, [1, 2**63 - 1, 2]) is None


@pytest.mark.parametrize("at", [datetime(1, 1, 1, 0, 0, 0, 1, UTC), datetime(2026, 3, 2, 9, 0, 0, 123_457, UTC)])
async def test_postgresql_writes_the_id_that_is_read_here(filled: Inspector, at: datetime) -> None:
    sql = f"select {id_sql(EVENT, 'r')} from (select $1::bigint as call_key, $2::timestamptz as at, $3::bigint as event_key) r"
    tag, integers = decode_id(await filled.connection.fetchval(sql, -(2**63), at, 2**63 - 1)) or ("", [])
    assert (tag, keys_of(EVENT, integers)) == ("event", [-(2**63), at, 2**63 - 1])


@pytest.mark.parametrize("tag", NODES)
async def test_an_object_is_the_same_when_it_is_fetched_again_by_its_id(filled: Inspector, stored: Material, tag: str) -> None:
    type_ = CORE_SCHEMA.type_map[NODES[tag]]
    selection = f"id ... on {type_.name} {{ {everything(type_, 0)} }}"
    ids = [*stored.ids[tag][:5], f"{tag}_ff", *stored.ids[tag][:1]]
    alone = [
        (await filled.query(f"query($id: ID!) {{ node(id: $id) {{ {selection} }} }}", id=global_id))["node"] for global_id in ids
    ]
    assert [node and node["id"] for node in alone] == [*ids[:-2], None, ids[0]]
    together = (await filled.query(f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {selection} }} }}", ids=ids))["nodes"]
    assert_same(together, alone)
    listed = next(
        (name for name, made in CORE_SCHEMA.query_type.fields.items() if _nodes_of(made) is type_ and "after" in made.args), None
    )
    if listed:
        page = await filled.query(f"{{ {listed}(first: 1000) {{ nodes {{ {selection} }} }} }}")
        by_id = {node["id"]: node for node in page[listed]["nodes"]}
        assert_same([by_id[node["id"]] for node in alone if node], [node for node in alone if node])


def _nodes_of(definition: object) -> object:
    assert binding_of(definition)
    nodes = getattr(get_named_type(definition.type), "fields", {}).get("nodes")
    return nodes and get_named_type(nodes.type)
