// A list that grows while it is scrolled.

import { graphql } from "react-relay";

export const query = graphql`
  query CallListQuery($filter: CallFilter) {
    ...CallList_calls @arguments(filter: $filter)
  }
`;

export const calls = graphql`
  fragment CallList_calls on Query
  @refetchable(queryName: "CallListPaginationQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 2 }, after: { type: "String" }, filter: { type: "CallFilter" }) {
    calls(first: $first, after: $after, filter: $filter, orderBy: { field: STARTED_AT, direction: DESC })
      @connection(key: "CallList_calls", filters: ["filter"]) {
      totalCount
      edges {
        node {
          id
          callId
          ...Inspection_header
        }
      }
    }
  }
`;
