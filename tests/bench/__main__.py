"""`python -m tests.bench reads|ingest|start [--data-dir FOLDER]`: the databases' folder; one that is named is used again."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.bench import bench_ingest, bench_reads, bench_start

parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
parser.add_argument("benchmark", choices=["reads", "ingest", "start"])
parser.add_argument("--data-dir", type=Path)
given = parser.parse_args()
if given.benchmark == "start":
    bench_start.run()
else:
    run = bench_reads.run if given.benchmark == "reads" else bench_ingest.run
    with tempfile.TemporaryDirectory(prefix="callscope-bench-") as temporary:
        asyncio.run(run(given.data_dir or Path(temporary)))
