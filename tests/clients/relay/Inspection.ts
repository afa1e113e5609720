// Any stretch of a call, and the lists inside it, each fetched again on its own by node.

import { graphql } from "react-relay";

export const query = graphql`
  query InspectionQuery($id: ID!) {
    node(id: $id) {
      __typename
      ...Inspection_header @alias
      ...Inspection_participants @alias
      ...Inspection_latestEvents @alias
      ...Inspection_identity
    }
  }
`;

export const identity = graphql`
  fragment Inspection_identity on Node @refetchable(queryName: "InspectionIdentityQuery") {
    id
    __typename
    ... on Meeting {
      number
      call {
        callId
      }
    }
    ... on Call {
      callId
    }
  }
`;

export const header = graphql`
  fragment Inspection_header on Inspectable @refetchable(queryName: "InspectionHeaderQuery") {
    startedAt
    endedAt
    durationSeconds
    statistics {
      callType
      participantCount
    }
  }
`;

export const participants = graphql`
  fragment Inspection_participants on Call
  @refetchable(queryName: "InspectionParticipantsQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 2 }, after: { type: "String" }, text: { type: "String" }) {
    participants(first: $first, after: $after, filter: { text: $text }) @connection(key: "Inspection_participants") {
      edges {
        node {
          displayName
          system {
            browser
          }
        }
      }
    }
  }
`;

export const latestEvents = graphql`
  fragment Inspection_latestEvents on Inspectable
  @refetchable(queryName: "InspectionLatestEventsQuery")
  @argumentDefinitions(last: { type: "Int", defaultValue: 3 }, before: { type: "String" }) {
    events(last: $last, before: $before) @connection(key: "Inspection_events") {
      edges {
        node {
          at
          name
          payload
        }
      }
    }
  }
`;
