"""`python -m tests.bench NAME [--data-dir FOLDER]`: the databases' folder; one that is named is used again."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.bench import (
    bench_cache,
    bench_diagnosis,
    bench_growth,
    bench_ingest,
    bench_large,
    bench_memory,
    bench_postgraphile,
    bench_reads,
    bench_retention,
    bench_saved,
    bench_settle,
    bench_settlement,
    bench_start,
    bench_storage,
)

RUNS = {
    "reads": bench_reads.run,
    "postgraphile": bench_postgraphile.run,
    "growth": bench_growth.run,
    "ingest": bench_ingest.run,
    "memory": bench_memory.run,
    "settle": bench_settle.run,
    "settlement": bench_settlement.run,
    "saved": bench_saved.run,
    "retention": bench_retention.run,
    "large": bench_large.run,
    "diagnosis": bench_diagnosis.run,
    "cache": bench_cache.run,
    "storage": bench_storage.run,
}

parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
parser.add_argument("benchmark", choices=[*RUNS, "start"])
parser.add_argument("--data-dir", type=Path)
given = parser.parse_args()
if given.benchmark == "start":
    bench_start.run()
else:
    with tempfile.TemporaryDirectory(prefix="callscope-bench-") as temporary:
        asyncio.run(RUNS[given.benchmark](given.data_dir or Path(temporary)))
