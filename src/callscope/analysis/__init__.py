"""What telemetry means. Pure: rows in, rows out, no I/O, so that every rule is a unit test."""
