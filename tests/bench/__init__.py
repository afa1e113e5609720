"""Benchmarks: `python -m tests.bench reads|ingest|start` prints figures, each beside those of a peer of the same run."""
