"""Reads, compiled: a selection set becomes one SQL statement per root field. Knows GraphQL and SQL, nothing of calls."""
