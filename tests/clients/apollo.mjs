// Apollo Client, as its documentation says to set it up.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { createPersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { relayStylePagination } from "@apollo/client/utilities";
import { headers, recorder, sent, url } from "./api.mjs";

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

function client({ persisted, key = headers } = {}) {
  const { fetch, requests } = recorder();
  const http = new HttpLink({ uri: url, headers: key, fetch });
  const cache = new InMemoryCache({
    possibleTypes: { Node: ["Call", "Meeting", "Participant", "Stream"], Inspectable: ["Call", "Meeting"] },
    typePolicies: {
      Query: { fields: { calls: relayStylePagination(["filter", "orderBy"]) } },
      Call: { fields: { events: relayStylePagination(["filter", "orderBy"]) } },
    },
  });
  const link = persisted ? createPersistedQueryLink({ sha256, ...persisted }).concat(http) : http;
  return { requests, cache, apollo: new ApolloClient({ cache, link }) };
}

const ROOM = gql`query Room { call(callId: "room") { id callId state } }`;

const CALLS = gql`
  query Calls($first: Int, $after: String) {
    calls(first: $first, after: $after) {
      edges { cursor node { id callId } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`;

const EVENTS = gql`
  query Events($after: String) {
    call(callId: "multiparty") {
      id
      events(first: 7, after: $after) { totalCount edges { node { id } } pageInfo { hasNextPage endCursor } }
    }
  }
`;

/** Fetches page after page into the cache, as a scrolled list does. */
async function scroll(apollo, query, variables, list) {
  let page = list((await apollo.query({ query, variables })).data);
  const watched = apollo.watchQuery({ query, variables });
  const subscription = watched.subscribe(() => {});
  let pages = 1;
  for (; page.pageInfo.hasNextPage && pages < 1000; pages += 1) {
    page = list((await watched.fetchMore({ variables: { after: page.pageInfo.endCursor } })).data);
  }
  subscription.unsubscribe();
  const whole = list(apollo.readQuery({ query, variables }));
  return { whole, pages };
}

const isUnique = (edges) => new Set(edges.map(({ node }) => node.id)).size === edges.length;

test("an object is kept once, by its id, whichever query brought it", async () => {
  const { apollo, cache, requests } = client();
  const { call } = (await apollo.query({ query: ROOM })).data;
  const { calls } = (await apollo.query({ query: CALLS, variables: { first: 10 } })).data;
  assert.ok(calls.edges.some(({ node }) => node.id === call.id));
  const kept = Object.values(cache.extract()).filter(({ callId }) => callId === "room");
  assert.equal(kept.length, 1);
  assert.equal(kept[0].state, "ENDED");
  await apollo.query({ query: ROOM });
  assert.equal(requests.length, 2);
});

test("relayStylePagination puts the pages of a list together", async () => {
  const { whole, pages } = await scroll(client().apollo, CALLS, { first: 2 }, (data) => data.calls);
  assert.equal(pages, 3);
  assert.equal(whole.edges.length, 5);
  assert.ok(isUnique(whole.edges));
});

test("relayStylePagination puts the pages of a list inside an object together", async () => {
  const { whole } = await scroll(client().apollo, EVENTS, {}, (data) => data.call.events);
  assert.ok(whole.totalCount > 7);
  assert.equal(whole.edges.length, whole.totalCount);
  assert.ok(isUnique(whole.edges));
});

test("an object is fetched again by node, and every query that shows it sees that", async () => {
  const { apollo, requests } = client();
  const { call } = (await apollo.query({ query: ROOM })).data;
  const again = gql`query Again($id: ID!) { node(id: $id) { id ... on Inspectable { durationSeconds } } }`;
  const { node } = (await apollo.query({ query: again, variables: { id: call.id }, fetchPolicy: "network-only" })).data;
  assert.deepEqual([node.__typename, node.id], ["Call", call.id]);
  const both = gql`query Both { call(callId: "room") { id callId durationSeconds } }`;
  const { data } = await apollo.query({ query: both, fetchPolicy: "cache-only" });
  assert.deepEqual(data.call, { __typename: "Call", id: call.id, callId: "room", durationSeconds: node.durationSeconds });
  assert.equal(requests.length, 2);
});

test("an active query is refetched", async () => {
  const { apollo, requests } = client();
  const subscription = apollo.watchQuery({ query: ROOM }).subscribe(() => {});
  await apollo.query({ query: ROOM });
  await apollo.refetchQueries({ include: ["Room"] });
  subscription.unsubscribe();
  assert.equal(requests.length, 2);
});

for (const [how, persisted] of [["POST", {}], ["GET", { useGETForHashedQueries: true }]]) {
  test(`a persisted query is registered once and then asked for by its hash, by ${how}`, async () => {
    const query = gql`query PersistedApollo${how}($callId: String!) { call(callId: $callId) { id callId } }`;
    const { apollo, requests } = client({ persisted });
    for (const callId of ["room", "broadcast", "failed"]) {
      assert.equal((await apollo.query({ query, variables: { callId } })).data.call.callId, callId);
    }
    assert.deepEqual(sent(requests), [`${how} hash`, "POST document", `${how} hash`, `${how} hash`]);
  });
}

test("errors arrive with their codes", async () => {
  const refusals = [
    [client(), gql`query Misspelt { cals { totalCount } }`, "VALIDATION_FAILED"],
    [client(), gql`query TooMany { calls(first: 100000) { totalCount } }`, "BAD_USER_INPUT"],
    [client({ key: {} }), ROOM, "UNAUTHENTICATED"],
  ];
  for (const [{ apollo }, query, code] of refusals) {
    await assert.rejects(apollo.query({ query }), (error) => {
      assert.ok(CombinedGraphQLErrors.is(error), String(error));
      assert.equal(error.errors[0].extensions.code, code);
      return true;
    });
  }
});
