from collections.abc import AsyncIterator

import pytest
from graphql import GraphQLError, print_schema

from callscope.schema.root import engine
from tests.clients.conftest import Api

gql = pytest.importorskip("gql", minversion="4", reason="the Python client gql 4 is not installed")
from gql.transport.exceptions import TransportQueryError  # noqa: E402
from gql.transport.httpx import HTTPXAsyncTransport  # noqa: E402

CALLS = "query Calls($first: Int!) { calls(first: $first) { nodes { callId startedAt } } }"


@pytest.fixture
async def session(api: Api) -> AsyncIterator:
    """A client that has fetched the schema."""
    transport = HTTPXAsyncTransport(url=api.url, headers=api.headers)
    asked = {"descriptions": True, "specified_by_url": True, "input_value_deprecation": True}
    async with gql.Client(transport=transport, fetch_schema_from_transport=True, introspection_args=asked) as session:
        yield session


async def test_the_schema_that_gql_fetches_is_whole(session) -> None:
    assert print_schema(session.client.schema) == print_schema(engine().schema)


async def test_gql_asks_with_variables(session) -> None:
    data = await session.execute(gql.GraphQLRequest(CALLS, variable_values={"first": 2}))
    assert [node["callId"] for node in data["calls"]["nodes"]] == ["failed", "room"]


async def test_gql_refuses_by_the_schema_what_the_server_would_refuse(session) -> None:
    with pytest.raises(GraphQLError, match="Cannot query field 'cals'"):
        await session.execute(gql.gql("{ cals { totalCount } }"))


async def test_errors_arrive_with_their_codes(session) -> None:
    with pytest.raises(TransportQueryError) as refused:
        await session.execute(gql.GraphQLRequest(CALLS, variable_values={"first": 100_000}))
    assert refused.value.errors[0]["extensions"]["code"] == "BAD_USER_INPUT"
