// How a frontend team uses what codegen made: the compiler is the test.

import type { ResultOf, VariablesOf } from "@graphql-typed-document-node/core";
import { graphql, useFragment } from "./generated";
import { CallRowFragmentDoc, StretchFragmentDoc, type CallPageDocument, type InspectionDocument } from "./generated/graphql";

const chart = graphql(`
  query UsageChart($callId: String!, $from: DateTime) {
    call(callId: $callId) {
      startedAt
      state
      metricSeries(first: 1) {
        nodes {
          unit
          average
          samples(from: $from) {
            times
            averages
          }
        }
      }
      events(first: 1) {
        nodes {
          payload
        }
      }
    }
  }
`);

export const variables: VariablesOf<typeof chart> = { callId: "room", from: "2026-03-02T09:00:00Z" };

// @ts-expect-error The id of the call is required.
export const withoutCall: VariablesOf<typeof chart> = { from: null };

// @ts-expect-error A time is a text.
export const wrongTime: VariablesOf<typeof chart> = { callId: "room", from: 5 };

export const page: VariablesOf<typeof CallPageDocument> = {
  first: 10,
  filter: { states: ["ENDED"], startedFrom: "2026-03-02T09:00:00Z", minDurationSeconds: 1.5 },
  orderBy: { field: "STARTED_AT", direction: "DESC" },
};

// @ts-expect-error Enumerations are closed.
export const wrongState: VariablesOf<typeof CallPageDocument> = { filter: { states: ["FINISHED"] } };

export function averages(data: ResultOf<typeof chart>): number[] {
  const samples = data.call?.metricSeries.nodes.flatMap((series) => series.samples.averages) ?? [];
  // @ts-expect-error A bucket without a sample is null.
  const unchecked: number[] = samples;
  return unchecked.length ? samples.filter((value) => value !== null) : [];
}

export function firstPayload(data: ResultOf<typeof chart>): string {
  const payload: unknown = data.call?.events.nodes[0]?.payload;
  return typeof payload === "string" ? payload : JSON.stringify(payload);
}

export function titles(data: ResultOf<typeof CallPageDocument>): string[] {
  return data.calls.edges.map(({ node }) => {
    const row = useFragment(CallRowFragmentDoc, node);
    const { startedAt, statistics } = useFragment(StretchFragmentDoc, row);
    return `${row.callId} (${row.platform}), ${new Date(startedAt).toISOString()}, ${statistics.participantCount}`;
  });
}

export function kindOf(data: ResultOf<typeof InspectionDocument>): string {
  switch (data.node?.__typename) {
    case "Meeting":
      return `meeting ${data.node.number.toFixed()} of ${data.node.participants.nodes.length}`;
    case "Call":
      return `call of ${data.node.participants.nodes.length}`;
    default:
      return data.node?.id ?? "nothing";
  }
}
