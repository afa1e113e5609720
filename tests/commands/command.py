"""The command for tests: called in this process, which is quick, or run as the program that a user runs."""

import asyncio
import fcntl
import json
import os
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from callscope.cli import main

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "callscope")
PATIENCE = 60.0


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def call(*words: object) -> int:
    """Run the command in this process; its exit status."""
    try:
        return main([os.fspath(word) if isinstance(word, Path) else str(word) for word in words])
    except SystemExit as left:
        return int(left.code or 0)


def environment(**settings: object) -> dict[str, str]:
    """A user's environment without Callscope's settings, apart from these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CALLSCOPE_", "COVERAGE_", "COV_"))}
    return kept | {name: str(value) for name, value in settings.items()}


def fetch(database_url: str, sql: str) -> list[tuple[Any, ...]]:
    async def run() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(database_url)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(run())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
    return value


def leftovers(data_dir: Path) -> list[str]:
    """What is left of the servers on a data folder: processes (which hold a lock as long as one of them lives) and files."""
    found = [name for name in ("postgres", "valkey") if _is_locked(data_dir / name / "server.lock")]
    if (pointer := data_dir / "sockets").exists():
        found.append(pointer.read_text())
    return found


def _is_locked(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@dataclass
class Client:
    """Speaks to a served API."""

    graphql_url: str
    ingest_url: str
    key: str

    @classmethod
    def of(cls, told: dict[str, str]) -> "Client":
        return cls(told["graphqlUrl"], told["ingestUrl"], told["key"])

    @property
    def port(self) -> int:
        return httpx.URL(self.graphql_url).port

    def ask(self, query: str, /, **variables: Any) -> Any:
        """The data of an operation that must succeed."""
        answer = self.post(self.graphql_url, {"query": query, "variables": variables})
        assert "errors" not in answer, answer
        return answer["data"]

    def post(self, url: str, content: Any) -> Any:
        """Post JSON, or bytes as they are. There is no second try."""
        with httpx.Client(trust_env=False, timeout=PATIENCE, headers={"authorization": f"Bearer {self.key}"}) as client:
            response = client.post(url, content=content) if isinstance(content, bytes) else client.post(url, json=content)
        return response.json()


@dataclass
class Demo:
    """``callscope demo`` as a process, on one data folder, as often as it is started."""

    data_dir: Path
    output: str = field(default="", init=False)
    broken_starts: dict[signal.Signals, tuple[int, list[str], str]] = field(default_factory=dict)
    _stale: tuple[int, int] | None = field(default=None, init=False)
    _process: "subprocess.Popen[str] | None" = field(default=None, init=False)
    _client: Client | None = field(default=None, init=False)

    @property
    def told(self) -> Path:
        return self.data_dir / "demo.json"

    @property
    def client(self) -> Client:
        """Of the running demo, which is started if it does not run."""
        if self._client is None:
            self.launch()
            wait_until(lambda: self._version() not in (None, self._stale))
            # From here on it must answer, without a second try.
            self._client = Client.of(json.loads(self.told.read_text()))
            self._client.ask("{ project { name } }")
        return self._client

    def _version(self) -> tuple[int, int] | None:
        """Which demo.json is there; None where there is none."""
        try:
            status = self.told.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def launch(self) -> None:
        """Start the process, and do not wait for anything."""
        self._stale = self._version()
        self._process = subprocess.Popen(
            [PROGRAM, "demo", "--port", "0"],
            env=environment(CALLSCOPE_DATA_DIR=self.data_dir, PYTHONUNBUFFERED="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; returns the exit status, and keeps what it printed."""
        assert self._process is not None
        assert self._process.poll() is None, self._process.communicate()[0]
        self._process.send_signal(number)
        self.output, _ = self._process.communicate(timeout=PATIENCE)
        status, self._process, self._client = self._process.returncode, None, None
        return status

    def close(self) -> None:
        if self._process is not None:
            self.end(signal.SIGTERM)


@contextmanager
def demo_on(data_dir: Path) -> Iterator[Demo]:
    demo = Demo(data_dir)
    try:
        yield demo
    finally:
        demo.close()
        assert leftovers(data_dir) == []
