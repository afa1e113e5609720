"""From a fresh clone to `demo.json`: virtual environment, `pip install '.[embedded]'` with a warm cache, `callscope demo`."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = 600


def run() -> None:
    print("fresh clone, new virtual environment; the first run warms the package cache")
    print(f"{'':34}{'venv s':>9}{'pip s':>9}{'demo s':>9}{'total s':>9}")
    for name in ("first", "second", "third"):
        with tempfile.TemporaryDirectory(prefix="callscope-bench-") as folder:
            seconds = measure(Path(folder))
        print(f"{name:34}" + "".join(f"{part:9.1f}" for part in (*seconds, sum(seconds))), flush=True)


def measure(folder: Path) -> list[float]:
    """Seconds for each of the three steps."""
    clone, venv, data = folder / "clone", folder / "venv", folder / "data"
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, clone], check=True)
    times = [time.monotonic()]
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    times.append(time.monotonic())
    subprocess.run([venv / "bin/pip", "install", "-qq", ".[embedded]"], cwd=clone, check=True)
    times.append(time.monotonic())
    demo = subprocess.Popen([venv / "bin/callscope", "demo", "--data-dir", data, "--port", "0"], stdout=subprocess.DEVNULL)
    try:
        while not (data / "demo.json").exists():
            assert demo.poll() is None, "callscope demo ended"
            assert time.monotonic() < times[-1] + PATIENCE_SECONDS
            time.sleep(0.02)
        times.append(time.monotonic())
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait(60)
        shutil.rmtree(data, ignore_errors=True)
    return [after - before for before, after in pairwise(times)]
