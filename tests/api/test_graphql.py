"""GraphQL over HTTP: what is answered with what, and nothing that a client sends brings the server down."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
from graphql import OperationType
from starlette.requests import Request

from callscope.api.graphql import GraphQLEndpoint
from callscope.api.graphql_request import GRAPHQL_RESPONSE, JSON, MAX_BODY_BYTES, accepted_media_type
from callscope.api.keys import create
from callscope.app import create_app
from callscope.query.errors import ErrorCode
from callscope.query.operation import Engine, Operation
from callscope.storage import pool
from tests.inspector import Inspector

QUERY = "{ project { name } }"
DATA = {"project": {"name": "test"}}


def check_refused(response: httpx.Response, code: ErrorCode, status: int = 400) -> str:
    """An answer in GraphQL's form, in which every error has a code; returns the first message."""
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"] in (f"{GRAPHQL_RESPONSE}; charset=utf-8", f"{JSON}; charset=utf-8")
    answer = response.json()
    assert list(answer) == ["errors"]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {code}
    assert all(error["message"] for error in answer["errors"])
    assert len(response.content) < 20_000
    return answer["errors"][0]["message"]


async def send(found: Inspector, content: bytes, **headers: str) -> httpx.Response:
    wanted = {"content-type": JSON, "accept": GRAPHQL_RESPONSE} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return await found.client.post("/graphql", content=content, headers=wanted)


def body(query: Any, **rest: Any) -> bytes:
    return orjson.dumps({"query": query, **rest})


# ---------------------------------------------------------------------------------------------------- requests


async def test_an_answer_has_the_data_and_its_cost(filled: Inspector) -> None:
    response = await send(filled, body(QUERY))
    assert response.status_code == 200
    assert response.json() == {"data": DATA, "extensions": {"cost": {"requested": 2, "limit": 500_000}}}
    assert response.headers["content-type"] == f"{GRAPHQL_RESPONSE}; charset=utf-8"
    assert "no-cache" in response.headers["cache-control"]


@pytest.mark.parametrize(
    "rest", [{}, {"operationName": None, "variables": None, "extensions": None}, {"operationName": ""}, {"id": 1}]
)
async def test_parameters_may_be_null_and_unknown_ones_do_not_matter(filled: Inspector, rest: dict[str, Any]) -> None:
    assert (await send(filled, body(QUERY, **rest))).json()["data"] == DATA


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/json ;x=y"])
async def test_json_comes_under_any_spelling_of_its_name(filled: Inspector, content_type: str) -> None:
    assert (await send(filled, body(QUERY), content_type=content_type)).json()["data"] == DATA


async def test_a_query_can_be_sent_by_get(filled: Inspector) -> None:
    query = "query A($ids: [ID!]!) { nodes(ids: $ids) { id } } query B { __typename }"
    given = {"query": query, "operationName": "A", "variables": '{"ids": ["call_1", "é"]}', "extensions": "{}"}
    response = await filled.client.get("/graphql", params=given)
    assert response.json()["data"] == {"nodes": [None, None]}
    assert (await filled.client.get("/graphql", params=given | {"operationName": "B"})).json()["data"] == {"__typename": "Query"}


async def test_head_is_like_get(filled: Inspector) -> None:
    assert (await filled.client.head("/graphql", params={"query": QUERY})).status_code == 200


async def test_what_changes_something_is_not_sent_by_get(filled: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Operation, "type", OperationType.MUTATION)
    query = "{ changing: project { name } }"
    for method in ("GET", "HEAD"):
        response = await filled.client.request(method, "/graphql", params={"query": query})
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"
    check_refused(await filled.client.get("/graphql", params={"query": query}), ErrorCode.METHOD_NOT_ALLOWED, 405)
    assert (await send(filled, body(query))).status_code == 200


async def test_other_methods_are_not_allowed(filled: Inspector) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        assert (await filled.client.request(method, "/graphql", content=body(QUERY))).status_code == 405


MALFORMED = {
    "nothing": b"",
    "no JSON": b"{",
    "text": b"hello",
    "null": b"null",
    "a number": b"5",
    "a list": b"[]",
    "a batch": b'[{"query": "{ __typename }"}]',
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep variables": b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
    "invalid UTF-8": b'{"query": "\xff\xfe"}',
    "a lone surrogate": b'{"query": "\\ud800"}',
    "a lone surrogate in variables": b'{"query": "{ __typename }", "variables": {"a": "\\udc00"}}',
    "a surrogate in UTF-8": b'{"query": "\xed\xa0\x80"}',
    "NaN": b'{"query": "{ __typename }", "variables": {"a": NaN}}',
    "Infinity": b'{"query": "{ __typename }", "variables": {"a": Infinity}}',
    "a number of 5000 digits": b'{"query": "{ __typename }", "operationName": ' + b"9" * 5000 + b"}",
    "bare digits": b"9" * 5000,
    "a byte order mark": b"\xef\xbb\xbf" + body(QUERY),
    "UTF-16": '{"query": "{ __typename }"}'.encode("utf-16"),
    "too large": body("{ __typename }" + " " * MAX_BODY_BYTES),
    "no query": b"{}",
    "query is null": body(None),
    "query is a number": body(1),
    "query is a list": body([QUERY]),
    "query is an object": body({}),
    "operationName is a number": body(QUERY, operationName=1),
    "operationName is a list": body(QUERY, operationName=[]),
    "variables are a text": body(QUERY, variables="{}"),
    "variables are a list": body(QUERY, variables=[]),
    "variables are a number": body(QUERY, variables=0),
    "variables are false": body(QUERY, variables=False),
    "extensions are a text": body(QUERY, extensions="{}"),
    "extensions are a list": body(QUERY, extensions=[]),
    "operationName is unknown": body("query A { __typename }", operationName="B"),
    "operationName of an unnamed operation": body(QUERY, operationName="A"),
    "several operations and no name": body("query A { __typename } query B { __typename }"),
    "only fragments": body("fragment F on Query { __typename }"),
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, JSON])
async def test_a_malformed_request_is_refused(filled: Inspector, content: bytes, accept: str) -> None:
    check_refused(await send(filled, content, accept=accept), ErrorCode.BAD_REQUEST)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"query": ""},
        {"query": QUERY, "variables": ""},
        {"query": QUERY, "variables": "[]"},
        {"query": QUERY, "extensions": "{"},
    ],
)
async def test_a_malformed_query_string_is_refused(filled: Inspector, params: dict[str, str]) -> None:
    response = await filled.client.get("/graphql", params=params)
    assert response.status_code == 400 or response.json()["errors"][0]["extensions"]["code"] == "PARSE_ERROR"
    assert response.json()["errors"][0]["extensions"]["code"] in ("BAD_REQUEST", "PARSE_ERROR")


async def test_a_request_may_be_as_large_as_the_limit(filled: Inspector) -> None:
    content = body(QUERY)
    padded = content[:-1] + b" " * (MAX_BODY_BYTES - len(content)) + b"}"
    assert (await send(filled, padded)).status_code == 200
    check_refused(await send(filled, padded + b" "), ErrorCode.BAD_REQUEST)


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/graphql", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
async def test_what_a_form_of_another_site_can_send_is_refused(filled: Inspector, content_type: str) -> None:
    assert JSON in check_refused(await send(filled, body(QUERY), content_type=content_type), ErrorCode.BAD_REQUEST)


async def test_a_client_that_left_is_no_error(
    filled: Inspector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def left() -> dict[str, Any]:
        return next(messages)

    monkeypatch.setattr(Request, "receive", property(lambda _: left))
    assert (await send(filled, body(QUERY))).status_code == 400
    assert caplog.records == []


async def test_an_error_of_ours_shows_nothing_of_its_inside(
    filled: Inspector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(Engine, "plan", broken)
    assert "secret" not in check_refused(await send(filled, body("{ new: __typename }")), ErrorCode.INTERNAL, 500)
    assert "secret" in caplog.text


# ---------------------------------------------------------------------------------------------------- documents


def nested(depth: int) -> dict[str, str]:
    return {
        "fields": "{" + "call(id: 1) { meeting(number: 1) { call { " * depth + "id" + " } } }" * depth + "}",
        "unknown fields": "{ a " * depth + "}" * depth,
        "inline fragments": "{" + "... { " * depth + "__typename" + " }" * depth + "}",
        "lists": f"{{ calls(filter: {{callIds: {'[' * depth}{']' * depth}}}) {{ totalCount }} }}",
        "objects": f"{{ calls(filter: {'{a: ' * depth}1{'}' * depth}) {{ totalCount }} }}",
        "types": f"query($a: {'[' * depth}Int{']' * depth}) {{ __typename }}",
        "defaults": f"query($a: [Int] = {'[' * depth}1{']' * depth}) {{ __typename }}",
        "a chain of fragments": "{ ...F0 } "
        + " ".join(f"fragment F{number} on Query {{ ...F{number + 1} }}" for number in range(depth))
        + f" fragment F{depth} on Query {{ __typename }}",
        "open": "{a" * depth,
    }


@pytest.mark.parametrize("depth", [10, 60, 150, 199, 201, 300, 450, 900, 10_000])
@pytest.mark.parametrize("kind", nested(1))
async def test_no_depth_of_a_document_is_too_much_for_the_server(filled: Inspector, kind: str, depth: int) -> None:
    response = await send(filled, body(nested(depth)[kind]))
    if response.status_code == 200:
        assert "errors" not in response.json()
        assert depth < 900
    else:
        code = response.json()["errors"][0]["extensions"]["code"]
        assert code in ("PARSE_ERROR", "VALIDATION_FAILED", "COST_LIMIT_EXCEEDED")
        check_refused(response, ErrorCode(code))


BOMB = (
    "{ ...F0 } "
    + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    + " fragment F60 on Query { %s }"
)
LARGE = {
    "100000 tokens": ("{ " + "a " * 100_000 + "}", ErrorCode.PARSE_ERROR),
    "an empty document": ("", ErrorCode.PARSE_ERROR),
    "a comment": ("# nothing", ErrorCode.PARSE_ERROR),
    "a lone surrogate": ('{ node(id: "\\uD800") { id } }', ErrorCode.PARSE_ERROR),
    "a lone surrogate in braces": ('{ node(id: "\\u{DFFF}") { id } }', ErrorCode.PARSE_ERROR),
    "a control character": ("{ \x07 }", ErrorCode.PARSE_ERROR),
    "an unknown field": ("{ nothing }", ErrorCode.VALIDATION_FAILED),
    "many unknown fields": ("{ " + " ".join(f"a{number}" for number in range(1000)) + " }", ErrorCode.VALIDATION_FAILED),
    "a fragment that spreads itself": ("{ ...F } fragment F on Query { ...F }", ErrorCode.VALIDATION_FAILED),
    "fragments that spread each other": (
        "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F calls { totalCount } }",
        ErrorCode.VALIDATION_FAILED,
    ),
    "fragments that double": (BOMB % "a: __typename calls { totalCount }", ErrorCode.VALIDATION_FAILED),
    "fragments that double twins": (BOMB % "calls { nodes { id } }", ErrorCode.VALIDATION_FAILED),
    "too many fields": ("{ " + " ".join(f"a{number}: __typename" for number in range(2000)) + " }", ErrorCode.VALIDATION_FAILED),
    "fields that cannot merge": (
        "{ " + " ".join(f"calls(first: {number}) {{ totalCount }}" for number in range(100)) + " }",
        ErrorCode.VALIDATION_FAILED,
    ),
    "a number of 5000 digits": ("{ calls(first: %s) { totalCount } }" % ("9" * 5000), ErrorCode.VALIDATION_FAILED),
    "a 64-bit Int": ("{ calls(first: 2147483648) { totalCount } }", ErrorCode.VALIDATION_FAILED),
    "an unknown enum value": ("{ calls(filter: {platforms: [ZOOM]}) { totalCount } }", ErrorCode.VALIDATION_FAILED),
    "two lists of a thousand": (
        "{ calls(first: 1000) { nodes { events(first: 1000) { nodes { id } } } } }",
        ErrorCode.COST_LIMIT_EXCEEDED,
    ),
    "a mutation where there is none": ("mutation { nothing }", ErrorCode.VALIDATION_FAILED),
    "a definition of types": ("type A { a: Int }", ErrorCode.BAD_REQUEST),
}


@pytest.mark.parametrize(("text", "code"), LARGE.values(), ids=LARGE)
async def test_a_document_that_cannot_run_is_refused(filled: Inspector, text: str, code: ErrorCode) -> None:
    check_refused(await send(filled, body(text)), code)
    with_200 = code in (ErrorCode.PARSE_ERROR, ErrorCode.VALIDATION_FAILED)
    check_refused(await send(filled, body(text), accept=JSON), code, 200 if with_200 else 400)


NUMBERS = ["1e999", "-1e999", "1" + "0" * 5000 + ".0", "1" + "0" * 5000]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "text",
    [
        "{ calls(filter: {minDurationSeconds: %s}) { totalCount } }",
        "query($least: Float = %s) { __typename }",
        "{ __typename(a: %s) }",
    ],
)
async def test_a_number_that_is_infinite_is_refused_where_it_stands(filled: Inspector, text: str, number: str) -> None:
    response = await send(filled, body(text % number))
    assert check_refused(response, ErrorCode.VALIDATION_FAILED) == "The number is too large."
    assert response.json()["errors"][0]["locations"] == [{"line": 1, "column": text.index("%") + 1}]


@pytest.mark.parametrize(("number", "count"), [("1e308", 0), ("-1e308", 5), ("1e-999", 5), ("-0", 5), ("0." + "1" * 300, 5)])
async def test_a_float_may_be_as_large_or_small_as_a_double(filled: Inspector, number: str, count: int) -> None:
    (calls,) = (await filled.query(f"{{ calls(filter: {{minDurationSeconds: {number}}}) {{ totalCount }} }}")).values()
    assert calls == {"totalCount": count}


async def test_errors_of_a_document_say_where_they_are(filled: Inspector) -> None:
    error = (await send(filled, body("{\n  nothing\n}"))).json()["errors"][0]
    assert error["locations"] == [{"line": 2, "column": 3}]
    assert "'nothing'" in error["message"]


async def test_an_operation_is_chosen_by_its_name(filled: Inspector) -> None:
    text = "query A { project { id } } query B { project { name } } query C { __typename }"
    assert (await send(filled, body(text, operationName="B"))).json()["data"] == DATA
    for name in (None, "D", ""):
        message = check_refused(await send(filled, body(text, operationName=name)), ErrorCode.BAD_REQUEST)
        assert "'A', 'B', 'C'" in message
    assert "without a name" in check_refused(await send(filled, body(QUERY, operationName="A")), ErrorCode.BAD_REQUEST)


async def test_introspection_answers_with_variables_null_and_defaults(filled: Inspector) -> None:
    text = """query($name: String!, $deprecated: Boolean = true, $skipped: Boolean!) {
        __schema { queryType { name } } a: __type(name: $name) { fields(includeDeprecated: $deprecated) { name } }
        b: __type(name: "Nothing") { name } ... @skip(if: $skipped) { __typename }
    }"""
    for given in ({}, {"deprecated": False}, {"deprecated": True}):
        data = await filled.query(text, name="PageInfo", skipped=True, **given)
        assert list(data) == ["__schema", "a", "b"]
        assert data["b"] is None
        assert {"name": "hasNextPage"} in data["a"]["fields"]
    assert list(await filled.query(text, name="Nothing", skipped=False)) == ["__schema", "a", "b", "__typename"]
    check_refused(await filled.post(text, name="PageInfo", skipped=False, deprecated=None), ErrorCode.BAD_USER_INPUT)


# ---------------------------------------------------------------------------------------------------- variables


VARIABLES = [
    ("Int", "first", "1"),
    ("Int", "first", 1.5),
    ("Int", "first", True),
    ("Int", "first", 2**31),
    ("Int", "first", 2**63),
    ("Int", "first", []),
    ("String", "after", 5),
    ("String", "after", {"a": 1}),
    ("CallFilter", "filter", []),
    ("CallFilter", "filter", {"nothing": 1}),
    ("CallFilter", "filter", {"platforms": ["ZOOM"]}),
    ("CallFilter", "filter", {"platforms": [None]}),
    ("CallFilter", "filter", {"callIds": [[]]}),
    ("CallFilter", "filter", {"callIds": [5] * 100_000}),
    ("CallFilter", "filter", {"minDurationSeconds": "x" * 900_000}),
    ("CallFilter", "filter", {"x" * 900_000: 1}),
    ("CallFilter", "filter", {"hasIssues": "true"}),
    ("CallOrder", "orderBy", {"field": "DURATION"}),
    ("CallOrder", "orderBy", {"field": "nothing", "direction": "ASC"}),
]


@pytest.mark.parametrize(("type_", "argument", "value"), VARIABLES, ids=range(len(VARIABLES)))
async def test_variables_of_another_type_are_refused(filled: Inspector, type_: str, argument: str, value: Any) -> None:
    content = body(f"query($value: {type_}) {{ calls({argument}: $value) {{ totalCount }} }}", variables={"value": value})
    assert "$value" in check_refused(await send(filled, content), ErrorCode.BAD_USER_INPUT)
    check_refused(await send(filled, content, accept=JSON), ErrorCode.BAD_USER_INPUT, 200)


DATES = [
    *("", "now", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "x" * 500_000),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "10000-01-01T00:00:00Z", "\x00"),
    *(5, 1.5, True, [], {}, "-0001-01-01T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00+24:00"),
]


@pytest.mark.parametrize("value", DATES, ids=range(len(DATES)))
async def test_instants_are_rfc_3339_with_an_offset(filled: Inspector, value: Any) -> None:
    text = "query($value: DateTime) { calls(filter: {startedFrom: $value}) { totalCount } }"
    check_refused(await send(filled, body(text, variables={"value": value})), ErrorCode.BAD_USER_INPUT)
    if isinstance(value, str) and len(value) < 100:
        literal = f"{{ calls(filter: {{startedFrom: {orjson.dumps(value).decode()}}}) {{ totalCount }} }}"
        check_refused(await send(filled, body(literal)), ErrorCode.VALIDATION_FAILED)


@pytest.mark.parametrize(
    "value",
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-01-01T00:00:00.123456789+05:30", "2026-01-01t00:00:00z", None],
)
async def test_instants_reach_over_the_calendar(filled: Inspector, value: str | None) -> None:
    for part in ("startedFrom: $value", "startedTo: $value"):
        await filled.query(f"query($value: DateTime) {{ calls(filter: {{{part}}}) {{ nodes {{ id }} }} }}", value=value)
    ends = "a: samples(from: $value) { times } b: samples(to: $value) { times }"
    await filled.query(f"query($value: DateTime) {{ metricSeries(first: 3) {{ nodes {{ {ends} }} }} }}", value=value)


NUL = [
    "query($nul: String) { call(callId: $nul) { id } }",
    "query($nul: String!) { calls { nodes { participant(participantId: $nul) { id } } } }",
    "query($nul: String!) { calls(filter: {tags: [$nul]}) { totalCount } }",
    "query($nul: String) { calls(after: $nul) { totalCount } }",
    "query($nul: String) { calls { nodes { events(before: $nul) { nodes { id } } } } }",
    "query($nul: String!) { events(filter: {include: [$nul]}) { totalCount } }",
]


@pytest.mark.parametrize("text", NUL)
async def test_nul_is_refused_as_a_variable_and_as_a_literal(filled: Inspector, text: str) -> None:
    check_refused(await filled.post(text, nul="a\x00"), ErrorCode.BAD_USER_INPUT)
    literal = "{" + text.partition("{")[2].replace("$nul", '"a\\u0000"')
    check_refused(await filled.post(literal), ErrorCode.BAD_USER_INPUT)


async def test_nul_in_an_id_finds_nothing(filled: Inspector) -> None:
    text = "query($nul: ID!) { node(id: $nul) { id } nodes(ids: [$nul]) { id } events(filter: {calls: [$nul]}) { totalCount } }"
    assert await filled.query(text, nul="call_\x00") == {"node": None, "nodes": [None], "events": {"totalCount": 0}}


async def test_a_call_needs_one_of_its_ids(filled: Inspector) -> None:
    for text in ("{ call { id } }", "{ call(id: null) { id } }", "query($id: ID) { call(id: $id, callId: null) { id } }"):
        assert "'callId'" in check_refused(await filled.post(text), ErrorCode.BAD_USER_INPUT)


async def test_null_where_a_variable_has_a_default_is_refused(filled: Inspector) -> None:
    for text in (
        'query($null: ID = "call_1") { node(id: $null) { id } }',
        "query($null: Boolean = true) { calls @include(if: $null) { totalCount } }",
        "query($null: Int = 1) { calls { nodes { meeting(number: $null) { id } } } }",
        "query($null: CallOrderField = DURATION) { calls(orderBy: {field: $null, direction: ASC}) { totalCount } }",
    ):
        assert (await filled.post(text)).status_code == 200
        check_refused(await filled.post(text, null=None), ErrorCode.BAD_USER_INPUT)


async def test_a_bad_input_that_is_no_coercion_is_a_bad_request_for_everyone(filled: Inspector) -> None:
    for accept in (JSON, GRAPHQL_RESPONSE):
        check_refused(await send(filled, body("{ calls(first: -1) { totalCount } }"), accept=accept), ErrorCode.BAD_USER_INPUT)


# ---------------------------------------------------------------------------------------------------- accept


ACCEPTED = [
    (None, JSON),
    ("", JSON),
    ("*/*", JSON),
    ("application/*", JSON),
    (JSON, JSON),
    (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
    (f"{JSON}, {GRAPHQL_RESPONSE}", JSON),
    (f"{GRAPHQL_RESPONSE}, {JSON}", GRAPHQL_RESPONSE),
    (f"{GRAPHQL_RESPONSE}, */*", GRAPHQL_RESPONSE),
    (f"*/*, {GRAPHQL_RESPONSE}", JSON),
    (f"{JSON}, */*;q=0.9", JSON),
    (f"{GRAPHQL_RESPONSE}, {JSON};q=0.9", GRAPHQL_RESPONSE),
    (f"{JSON};q=0.5, {GRAPHQL_RESPONSE};q=0.6", GRAPHQL_RESPONSE),
    (f"{GRAPHQL_RESPONSE};q=0.5, {JSON}", JSON),
    (f"{GRAPHQL_RESPONSE};q=0.5, application/*;q=0.4", GRAPHQL_RESPONSE),
    (f"{JSON};q=0, */*", GRAPHQL_RESPONSE),
    (f"{JSON};q=0.2, */*;q=0.7", GRAPHQL_RESPONSE),
    (f"{GRAPHQL_RESPONSE};q=0, */*", JSON),
    (f"{GRAPHQL_RESPONSE};q=0, {JSON};q=0, */*", None),
    (f"{JSON};q=0", None),
    ("*/*;q=0", None),
    (f"{JSON}; charset=utf-8; q=0.1", JSON),
    (f"{JSON.upper()}", JSON),
    (f"{JSON};q=zero", None),
    (f"{JSON};q=nan", None),
    (f"{JSON};q=2", None),
    (f"{JSON};q=-1", None),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON),
    (f"{GRAPHQL_RESPONSE}, application/graphql+json, {JSON}, text/event-stream, multipart/mixed", GRAPHQL_RESPONSE),
    ("text/html", None),
    ("text/event-stream", None),
    (",;,=", None),
]


@pytest.mark.parametrize(("accept", "expected"), ACCEPTED)
def test_the_best_accepted_type_is_answered(accept: str | None, expected: str | None) -> None:
    assert accepted_media_type(accept) == expected


@pytest.mark.parametrize(("accept", "expected"), [pair for pair in ACCEPTED if pair[0] and "charset" not in pair[0]][::3])
async def test_an_answer_comes_in_the_accepted_type(filled: Inspector, accept: str, expected: str | None) -> None:
    response = await send(filled, body(QUERY), accept=accept)
    assert response.status_code == (200 if expected else 406)
    assert response.headers["content-type"] == (f"{expected}; charset=utf-8" if expected else "text/plain; charset=utf-8")


# ---------------------------------------------------------------------------------------------------- a database in trouble


@asynccontextmanager
async def server(found: Inspector, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Another server on the same database."""
    app = create_app(found.database_url, settling=False, **options)
    headers = {"authorization": f"Bearer {found.key}", "accept": GRAPHQL_RESPONSE}
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://callscope", headers=headers) as client,
    ):
        yield client


async def ask(client: httpx.AsyncClient, query: str = "{ calls { totalCount } }") -> httpx.Response:
    return await client.post("/graphql", json={"query": query})


@asynccontextmanager
async def locked(found: Inspector, table: str) -> AsyncIterator[None]:
    """Nobody else reads the table meanwhile."""
    async with found.connection.transaction():
        await found.connection.execute(f"lock table {table} in access exclusive mode")
        yield


async def waiting(found: Inspector, number: int = 1) -> list[int]:
    """The backends that wait for a lock, once there are so many."""
    observer = await asyncpg.connect(found.database_url)
    sql = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    try:
        async with asyncio.timeout(10):
            while len(rows := await observer.fetch(sql)) < number:
                pass
        return [row[0] for row in rows]
    finally:
        await observer.close()


async def test_a_busy_pool_is_answered_with_a_wish_to_come_again(filled: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ACQUIRE_SECONDS", 0.05)
    async with server(filled, pool_size=1) as client:
        assert (await ask(client, QUERY)).status_code == 200
        async with locked(filled, "live.call"):
            busy = asyncio.create_task(ask(client))
            await waiting(filled)
            response = await ask(client, QUERY)
            check_refused(response, ErrorCode.OVERLOADED, 503)
            assert response.headers["retry-after"] == "1"
        assert (await busy).json()["data"] == {"calls": {"totalCount": 5}}
        assert (await ask(client, QUERY)).status_code == 200


async def test_a_pool_that_is_busy_from_the_start_looks_up_no_key(filled: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ACQUIRE_SECONDS", 0.05)
    async with server(filled, pool_size=1) as client:
        async with locked(filled, "callscope.api_key"):
            busy = asyncio.create_task(ask(client))
            await waiting(filled)
            check_refused(await ask(client), ErrorCode.OVERLOADED, 503)
        assert (await busy).status_code == 200


async def test_a_slow_statement_times_out(filled: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "STATEMENT_TIMEOUT_MS", 50)
    async with server(filled) as client:
        async with locked(filled, "live.call"):
            check_refused(await ask(client), ErrorCode.TIMEOUT, 504)
        assert (await ask(client)).status_code == 200


async def test_a_restart_of_the_database_between_requests_is_not_noticed(filled: Inspector) -> None:
    async with server(filled) as client:
        answer = (await ask(client)).json()
        for _ in range(3):
            await filled.connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
            )
            assert (await ask(client)).json() == answer


async def test_a_connection_lost_while_reading_is_tried_once_more(filled: Inspector) -> None:
    async with server(filled) as client:
        assert (await ask(client)).status_code == 200
        async with locked(filled, "live.call"):
            busy = asyncio.create_task(ask(client))
            (backend,) = await waiting(filled)
            await filled.connection.execute("select pg_terminate_backend($1)", backend)
        assert (await busy).json()["data"] == {"calls": {"totalCount": 5}}


async def test_without_a_database_requests_fail_and_not_the_server(filled: Inspector) -> None:
    app = create_app("postgresql://nobody@127.0.0.1:1/none", settling=False)
    headers = {"authorization": f"Bearer {filled.key}", "accept": GRAPHQL_RESPONSE}
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client,
    ):
        response = await ask(client)
        check_refused(response, ErrorCode.OVERLOADED, 503)
        assert response.headers["retry-after"] == "1"


async def test_a_statement_that_fails_shows_nothing_of_its_inside(
    filled: Inspector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise asyncpg.UndefinedTableError("relation live.secret does not exist")

    monkeypatch.setattr(pool.Pool, "read", broken)
    async with server(filled) as client:
        assert "secret" not in check_refused(await ask(client), ErrorCode.INTERNAL, 500)
    assert "secret" in caplog.text


async def test_what_bytes_mean_is_worked_out_once_for_each_reader(filled: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"query Number{number} {{ project {{ name }} }}" for number in range(3)]
    worked: list[int] = []
    plain = Engine.operation

    def counted(self: Engine, text: str, name: str | None) -> Operation:
        worked.append(texts.index(text))
        return plain(self, text, name)

    monkeypatch.setattr(Engine, "operation", counted)
    monkeypatch.setattr(GraphQLEndpoint, "REMEMBERED", 2)
    async with server(filled) as client:
        contents = [body(text) for text in texts]
        for number in (0, 1, 0, 2, 0, 1):
            answer = await client.post("/graphql", content=contents[number], headers={"content-type": JSON})
            assert answer.json()["data"] == {"project": {"name": "test"}}
        # The least lately asked one was forgotten.
        assert worked == [0, 1, 2, 1]
        key, _ = await create(filled.connection, "another", "another")
        headers = {"content-type": JSON, "authorization": f"Bearer {key}"}
        answer = await client.post("/graphql", content=contents[1], headers=headers)
        assert answer.json()["data"] == {"project": {"name": "another"}}
        long = contents[0] + b" " * GraphQLEndpoint.REMEMBERED_BYTES
        for _ in range(2):
            await client.post("/graphql", content=long, headers={"content-type": JSON})
        assert worked == [0, 1, 2, 1, 1, 0, 0]
        known = body("query Number0 { project { name } __schema { types { name description } } }")
        texts.append(orjson.loads(known)["query"])
        for _ in range(2):
            await client.post("/graphql", content=known, headers={"content-type": JSON})
        assert worked[7:] == [3, 3]
        # A form of another site could send the same bytes.
        answer = await client.post("/graphql", content=contents[1], headers={"content-type": "text/plain"})
        assert answer.status_code == 400
