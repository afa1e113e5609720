import json
from typing import cast

import httpx
import pytest
from graphql import build_schema
from starlette.applications import Starlette
from starlette.routing import Route

from callscope.api.cache import SummaryCache
from callscope.api.graphql import GraphQLEndpoint
from callscope.api.inspections import Inspections
from callscope.api.keys import Grant, Keyring, Scope
from callscope.api.metrics import Metrics
from callscope.api.persisted import PersistedDocuments
from callscope.api.redis import Redis
from callscope.query.operation import Engine
from callscope.storage.pool import Pool


def test_all_audits_of_graphql_over_http_are_ok(workshop, api) -> None:
    audits = json.loads(workshop.run("node", "audits.mjs", **api.environment))
    assert [audit for audit in audits if audit["status"] != "ok"] == []
    assert len(audits) == 61


class OpenKeyring:
    async def grant(self, _: str | None) -> Grant:
        return Grant(1, 1, frozenset(Scope))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_a_mutation_by_get_is_refused_as_the_specification_says(method: str, accept: str) -> None:
    """The audits send no mutation that a schema of any server could have."""
    engine = Engine(build_schema("type Query { a: Int } type Mutation { change: Int }"), {})
    keyring, pool = cast("Keyring", OpenKeyring()), Pool("postgresql:///none", size=1)
    redis = Redis(None)
    cache = SummaryCache(redis, size=0, metrics=Metrics())
    endpoint = GraphQLEndpoint(engine, pool, keyring, PersistedDocuments(redis), Inspections(pool), readers=pool, cache=cache)
    app = Starlette(routes=[Route("/graphql", endpoint, methods=["GET", "POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://callscope") as client:
        answer = await client.request(method, "/graphql", params={"query": "mutation { change }"}, headers={"accept": accept})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    if method == "GET":
        assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["METHOD_NOT_ALLOWED"]
