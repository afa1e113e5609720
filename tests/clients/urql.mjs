// urql, with its own Accept header and its exchanges.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, cacheExchange, fetchExchange, gql } from "@urql/core";
import { cacheExchange as graphcache } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import { persistedExchange } from "@urql/exchange-persisted";
import { headers, recorder, sent, url } from "./api.mjs";

function client(exchanges, { preferGetMethod = false, key = headers } = {}) {
  const { fetch, requests } = recorder();
  const fetchOptions = { headers: key };
  const options = { url, fetch, fetchOptions, preferGetMethod, exchanges: [...exchanges, fetchExchange] };
  return { requests, urql: new Client(options) };
}

const ROOM = gql`query Room($callId: String!) { call(callId: $callId) { id callId } }`;
const CALLS = gql`
  query Calls($after: String) {
    calls(first: 2, after: $after) { edges { node { id callId } } nodes { id } pageInfo { hasNextPage endCursor } }
  }
`;

async function ask(urql, query, variables) {
  const { data, error } = await urql.query(query, variables).toPromise();
  assert.equal(error, undefined);
  return data;
}

for (const preferGetMethod of [false, true]) {
  test(`a query that also accepts streams is answered with JSON, by ${preferGetMethod ? "GET" : "POST"}`, async () => {
    const { urql, requests } = client([], { preferGetMethod });
    assert.equal((await ask(urql, ROOM, { callId: "room" })).call.callId, "room");
    assert.match(requests[0].accept, /text\/event-stream.*multipart\/mixed/);
    assert.equal(requests[0].method, preferGetMethod ? "GET" : "POST");
    assert.equal(requests[0].mediaType, "application/graphql-response+json");
  });
}

test("the document cache answers the second time", async () => {
  const { urql, requests } = client([cacheExchange]);
  await ask(urql, ROOM, { callId: "room" });
  await ask(urql, ROOM, { callId: "room" });
  assert.equal(requests.length, 1);
});

test("graphcache keeps objects by their ids and puts pages together", async () => {
  const { urql, requests } = client([
    graphcache({
      resolvers: { Query: { calls: relayPagination(), node: (_, { id }) => ({ __typename: "Call", id }) } },
    }),
  ]);
  let page = (await ask(urql, CALLS)).calls;
  while (page.pageInfo.hasNextPage) {
    page = (await ask(urql, CALLS, { after: page.pageInfo.endCursor })).calls;
  }
  assert.equal(page.edges.length, 5);
  assert.equal(new Set(page.edges.map(({ node }) => node.id)).size, 5);
  const { id } = page.edges[0].node;
  const { node } = await ask(urql, gql`query Kept($id: ID!) { node(id: $id) { id ... on Call { callId } } }`, { id });
  assert.equal(node.callId, page.edges[0].node.callId);
  assert.equal(requests.length, 3);
});

for (const preferGetForPersistedQueries of [false, true]) {
  const how = preferGetForPersistedQueries ? "GET" : "POST";
  test(`a persisted query is registered once and then asked for by its hash, by ${how}`, async () => {
    const query = `query PersistedUrql${how}($callId: String!) { call(callId: $callId) { id callId } }`;
    const { urql, requests } = client([persistedExchange({ preferGetForPersistedQueries })]);
    for (const callId of ["room", "broadcast", "failed"]) {
      assert.equal((await ask(urql, query, { callId })).call.callId, callId);
    }
    assert.deepEqual(sent(requests), ["hash", "document", "hash", "hash"].map((what) => `${how} ${what}`));
  });
}

test("errors arrive with their codes", async () => {
  const refusals = [
    [client([]), "{ cals { totalCount } }", "VALIDATION_FAILED"],
    [client([]), "{ calls(first: 100000) { totalCount } }", "BAD_USER_INPUT"],
    [client([], { key: {} }), "{ project { name } }", "UNAUTHENTICATED"],
  ];
  for (const [{ urql }, query, code] of refusals) {
    const { error } = await urql.query(query).toPromise();
    assert.equal(error.graphQLErrors[0].extensions.code, code);
  }
});
