"""A server program that processes share: whether it runs, and how it is started and stopped, whoever started it."""

import os
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Literal

from callscope.storage.file_lock import FileLock
from callscope.storage.server_account import Account, EmbeddedServersUnavailable, run

START_PATIENCE = 120.0
REACH_PATIENCE = 5.0
PAUSE = 0.004

PROC = Path("/proc")  # not there on macOS

State = Literal["starting", "ready", "lost"]


def ask(path: Path, request: bytes) -> bytes | None:
    """What a server answers on its socket: nothing if it is too busy, ``None`` if there is no server."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError:
            return b""
        with suppress(OSError):
            connection.sendall(request)
            return connection.recv(8192)
        return b""


class ServerProcess(ABC):
    """One server on one folder. Call only while holding the lock on starting and stopping.

    The server inherits a held lock, so it runs as long as that lock cannot be taken. A process id proves less: it may have
    been given to another process since, or belong to another container.

    ``folder/data`` is the server's own. Where its account cannot reach the place (a data folder below /root), the data stay
    there all the same and no permissions of parents change: the server gets the open folder and names it ``/proc/self/fd/N``,
    which leads past the parents. A second place for the data would be left behind when the folder is deleted, and lost when
    only the folder is on a volume.
    """

    name: ClassVar[str]
    pid_name: ClassVar[str]
    signals: ClassVar[Sequence[tuple[signal.Signals, float]]]

    def __init__(self, data_dir: Path, sockets: Path, account: Account, *, durable: bool) -> None:
        self.folder = data_dir / self.name
        self.data = self.folder / "data"
        self.log = self.folder / f"{self.name}.log"
        # There from before the first signal: a server told to stop may answer for a while, even if who told it was killed.
        self.stopping = self.folder / "stopping"
        self.sockets = sockets
        self.account = account
        self.durable = durable
        self._known_pid: int | None = None
        self.folder.mkdir(mode=0o700, exist_ok=True)
        account.admit(self.folder)
        self._probe = FileLock(self.folder / "server.lock")

    def close(self) -> None:
        """Let go of the server, running or not."""
        self._probe.close()

    @abstractmethod
    def prepare(self, lock: FileLock) -> None:
        """Make the data folder if it is not there, and clear what a killed server left."""

    @abstractmethod
    def command(self, data: str) -> Sequence[str]:
        """The command that runs the server in the foreground."""

    @abstractmethod
    def state(self) -> State:
        """How far the running server is; lost, if it answers to nobody (any more)."""

    def ensure(self) -> None:
        """Join the server if it runs and answers; otherwise start it, once it is surely gone."""
        if self.running():
            if not self.stopping.exists() and self._wait_for("ready", "lost") == "ready":
                self.pid()
                return
            self.stop()
        self.start()

    def running(self) -> bool:
        """Whether any process of the server lives."""
        if not self._probe.take(shared=True, wait=False):
            return True
        self._probe.release()
        return False

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with FileLock(self.folder / "server.lock") as lock:
            lock.take()
            self.stopping.unlink(missing_ok=True)
            self.prepare(lock)
            if self.log.exists():
                self.log.replace(self.log.with_suffix(".log.1"))
            with self.place(self.data) as (data, descriptors), self.log.open("wb") as log:
                # The shell leaves at once, so that the server is not our child: nobody has to reap it when we stay and it ends.
                command = ["/bin/sh", "-c", '"$@" &', "sh", *self.command(data)]
                run(command, self.account, stdout=log, stderr=log, pass_fds=(lock.descriptor, *descriptors))
        if self._wait_for("ready") is None:
            self.stop()
            raise EmbeddedServersUnavailable(f"{self.name} did not start. {self.log} ends with:\n{self.log_tail()}")
        self.pid()

    def stop(self) -> None:
        """Stop the server, gently first, and wait until its last process has ended."""
        with suppress(FileNotFoundError):  # where the data folder was deleted
            self.stopping.touch()
        # A server that is still starting has nothing to finish (and PostgreSQL's fast shutdown can hang in crash recovery).
        for number, patience in self.signals[1:] if self.state() == "starting" else self.signals:
            since = time.monotonic()
            pid = None
            while self.running():
                if pid is None and (pid := self.pid()) is not None:
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)
                if time.monotonic() - since > (REACH_PATIENCE if pid is None else patience):
                    break
                time.sleep(PAUSE)
            else:
                return
            if pid is None:
                break
        raise EmbeddedServersUnavailable(f"{self.name} on {self.data} runs out of our reach: perhaps in another container")

    def pid(self) -> int | None:
        """The server's process id, if it can be told for certain."""
        with suppress(OSError, ValueError, IndexError):
            self._known_pid = int((self.data / self.pid_name).read_text().split()[0])
        if self._known_pid is None or not PROC.exists():
            return self._known_pid
        try:
            certain = os.fsencode(self.sockets) in (PROC / f"{self._known_pid}/cmdline").read_bytes()
        except OSError:
            return None
        return self._known_pid if certain else None

    def log_tail(self, lines: int = 20) -> str:
        """The end of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    @contextmanager
    def place(self, folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The name by which the server reaches a folder of its own, and the descriptors that it must inherit for that."""
        if self.account.reaches(folder):
            yield str(folder), ()
            return
        if not PROC.exists():
            raise EmbeddedServersUnavailable(f"{folder} cannot be reached by other accounts than root: use another folder")
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}", (descriptor,)
        finally:
            os.close(descriptor)

    def _wait_for(self, *states: State) -> State | None:
        deadline = time.monotonic() + START_PATIENCE
        while self.running() and time.monotonic() < deadline:
            if (state := self.state()) in states:
                return state
            time.sleep(PAUSE)
        return None
