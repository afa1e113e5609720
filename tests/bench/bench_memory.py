"""Peak memory of `callscope import` of a file of 1 GB beside one of 10 MB, for formats that are read as they come."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import orjson

from tests.bench.bench_data import bench

SIZES = (10 * 10**6, 10**9)
TARGET = 1.5
START = 1_772_442_000_000
STREAMS = 10
IMPORT = """
import resource, sys
from callscope.cli import main
status = main()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
raise SystemExit(status)
"""


def rtcstats() -> Iterator[bytes]:
    """A client that receives ten streams for as long as it takes, in Jitsi's format."""

    def line(*values: object) -> bytes:
        return orjson.dumps(values) + b"\n"

    yield line("connectionInfo", None, {"userAgent": "Mozilla/5.0 Chrome/117.0", "clientProtocol": "3.1_STANDARD"}, START)
    yield line("identity", None, {"confName": "a-long-call", "endpointId": "ada1ada1", "displayName": "Ada"}, START)
    yield line("constraints", "PC_0", {"optional": [{"rtcStatsSFUP2P": False}]}, START)
    yield line("onconnectionstatechange", "PC_0", "connected", START)
    for number in count(1):
        at = START + 1000 * number
        reports = {
            f"IT{ssrc}": {
                "type": "inbound-rtp",
                "ssrc": ssrc,
                "kind": "video",
                "packetsReceived": 100 * number,
                "packetsLost": number // 50,
                "bytesReceived": 100_000 * number,
                "jitter": 0.01,
                "framesDecoded": 30 * number,
                "frameWidth": 1280,
                "frameHeight": 720,
                "jitterBufferDelay": 3.0 * number,
                "jitterBufferEmittedCount": 30 * number,
            }
            for ssrc in range(1, STREAMS + 1)
        }
        yield line("getstats", "PC_0", {"timestamp": at, **reports}, at)


def native() -> Iterator[bytes]:
    """Samples and events of one call, as Callscope's own NDJSON."""
    for number in count():
        start = START + 60_000 * (number // 10)
        samples = {
            "type": "samples",
            "callId": "a-long-call",
            "participantId": f"person-{number % 10}",
            "metric": "BITRATE",
            "media": "VIDEO",
            "direction": "SUBSCRIBE",
            "times": [start + 1000 * point for point in range(60)],
            "values": [float(1_000_000 + 7919 * (number + point) % 500_000) for point in range(60)],
        }
        yield orjson.dumps(samples) + b"\n"
        event = {"type": "event", "callId": "a-long-call", "at": start, "category": "MEDIA", "name": f"happened-{number}"}
        yield orjson.dumps(event) + b"\n"


FORMATS: dict[str, Callable[[], Iterator[bytes]]] = {"rtcstats": rtcstats, "callscope": native}


async def run(folder: Path) -> None:
    async with bench(folder, fill=False) as found:
        sizes = "".join(f"{size // 10**6:>8} MB" for size in SIZES)
        print(f"{'peak memory of import, MiB':34}{sizes}{'ratio':>9}{'target':>8}")
        for source, make in FORMATS.items():
            peaks = []
            for size in SIZES:
                file = folder / f"{source}.dump"
                _write(file, make(), size)
                peaks.append(_peak(found.database_url, source, file))
                file.unlink()
                await found.connection.execute("truncate live.metric_sample, live.event, live.record, live.call_change")
            figures = "".join(f"{peak:11.0f}" for peak in peaks)
            print(f"{source:34}{figures}{peaks[1] / peaks[0]:9.2f}{TARGET:8.2f}", flush=True)


def _write(file: Path, lines: Iterator[bytes], size: int) -> None:
    with file.open("wb") as written:
        while written.tell() < size:
            written.write(next(lines))


def _peak(database_url: str, source: str, file: Path) -> float:
    """MiB."""
    command = [sys.executable, "-c", IMPORT, "import", "--json", "--source", source, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"CALLSCOPE_DATABASE_URL": database_url})
    assert json.loads(done.stdout)["accepted"], done.stdout
    return int(done.stderr.split()[-1]) / 1024
