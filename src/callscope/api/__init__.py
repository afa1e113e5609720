"""HTTP: GraphQL, ingest, keys and health."""
