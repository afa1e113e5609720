"""Pages of other origins may use the API."""

import httpx
import pytest

from callscope.app import create_app

ORIGIN = "https://inspector.example"


def client(origins):
    app = create_app("postgresql://nobody@127.0.0.1:1/none", cors_origins=origins, settling=False)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://callscope")


def preflight(headers="authorization,content-type,apollo-require-preflight"):
    return {"origin": ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": headers}


@pytest.mark.parametrize("path", ["/graphql", "/ingest", "/ingest/rtcstats"])
async def test_a_preflight_of_any_origin_is_answered(path):
    async with client(["*"]) as asking:
        answer = await asking.options(path, headers=preflight())
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "apollo-require-preflight" in answer.headers["access-control-allow-headers"]


async def test_a_refusal_can_be_read_by_the_page():
    async with client(["*"]) as asking:
        answer = await asking.post("/graphql", json={"query": "{ __typename }"}, headers={"origin": ORIGIN})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(("allowed", "status"), [([ORIGIN], 200), (["https://other.example"], 400), ([], 400)])
async def test_only_listed_origins_are_let_in(allowed, status):
    async with client(allowed) as asking:
        answer = await asking.options("/graphql", headers=preflight())
    assert answer.status_code == status
    assert ("access-control-allow-origin" in answer.headers) == (status == 200)


@pytest.mark.parametrize("origins", [["*"], [ORIGIN]])
@pytest.mark.parametrize("path", ["/graphql", "/telemetry.schema.json", "/nothing"])
async def test_an_answer_to_no_page_of_another_origin_is_not_given_to_one_by_a_cache(origins, path):
    async with client(origins) as asking:
        plain, foreign = await asking.get(path), await asking.get(path, headers={"origin": ORIGIN})
    assert (plain.status_code, plain.content) == (foreign.status_code, foreign.content)
    assert "access-control-allow-origin" not in plain.headers
    assert foreign.headers["access-control-allow-origin"] == ("*" if origins == ["*"] else ORIGIN)
    for answer in (plain, foreign):
        assert "Origin" in answer.headers["vary"].split(", ")
