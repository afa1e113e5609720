"""Callscope's own PostgreSQL and Valkey, so that nothing has to be installed by hand."""

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from callscope.storage import postgres_server, valkey_server
from callscope.storage.file_lock import FileLock
from callscope.storage.postgres_server import PostgresServer
from callscope.storage.server_account import Account, EmbeddedServersUnavailable, current_account
from callscope.storage.server_process import ServerProcess
from callscope.storage.valkey_server import ValkeyServer

__all__ = ["EmbeddedServersUnavailable", "Endpoints", "embedded_servers"]

PREFIX = "callscope-"
# The address of a Unix socket holds 107 bytes on Linux and 103 on macOS.
LONGEST_SOCKET = 103


@dataclass(frozen=True)
class Endpoints:
    """Where the servers are: for asyncpg and for redis-py."""

    database_url: str
    redis_url: str


@contextmanager
def embedded_servers(data_dir: Path, *, durable: bool = True) -> Iterator[Endpoints]:
    """Run PostgreSQL and Valkey on ``data_dir``, together with all other processes that do so at the same time.

    The first starts the servers, later ones join them, the last to leave stops them. A killed process blocks nobody: whoever
    comes next joins the servers that it left running, or starts them. Both listen on Unix sockets only, in a folder that no
    other account can enter. ``durable=False`` gives up safety against loss of power, for tests.
    """
    if sys.platform == "win32":
        raise EmbeddedServersUnavailable(
            "Callscope's own servers need Linux or macOS: set CALLSCOPE_DATABASE_URL and CALLSCOPE_REDIS_URL to servers of yours"
        )
    account = current_account()
    data_dir = data_dir.resolve()
    # Open to pass for root's servers, which run as another account; what is inside is closed one by one.
    data_dir.mkdir(mode=0o711 if account.switch else 0o700, parents=True, exist_ok=True)
    pointer = data_dir / "sockets"
    with ExitStack() as stack:
        starting = stack.enter_context(FileLock(data_dir / "start.lock"))
        users = stack.enter_context(FileLock(data_dir / "users.lock"))
        stack.callback(starting.release)
        starting.take()
        users.take(shared=True)
        sockets = _socket_folder(pointer, account)
        servers: list[ServerProcess] = [
            stack.enter_context(closing(kind(data_dir, sockets, account, durable=durable)))
            for kind in (PostgresServer, ValkeyServer)
        ]
        stack.callback(_leave, starting, users, servers, sockets, pointer)
        for server in servers:
            server.ensure()
        starting.release()
        yield Endpoints(
            f"postgresql://{postgres_server.ROLE}@/{postgres_server.DATABASE}?host={quote(str(sockets), safe='/')}",
            f"unix://{quote(str(sockets / valkey_server.SOCKET))}",
        )


def _leave(starting: FileLock, users: FileLock, servers: list[ServerProcess], sockets: Path, pointer: Path) -> None:
    starting.take()
    users.release()
    if not users.take(wait=False):
        return
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
    # Name by name and never a whole tree: what was remembered comes from a file, and files can be wrong.
    for name in (postgres_server.SOCKET, f"{postgres_server.SOCKET}.lock", valkey_server.SOCKET):
        (sockets / name).unlink(missing_ok=True)
    with suppress(OSError):
        sockets.rmdir()
    pointer.unlink(missing_ok=True)


def _socket_folder(pointer: Path, account: Account) -> Path:
    """The folder of the sockets: short, unguessable, and remembered for those who join.

    One that a cleaner of temporary folders took comes back under the same name, so that the addresses given out stay right.
    """
    folder = Path(pointer.read_text()) if pointer.exists() else None
    if folder is None or not _is_ours(folder):
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_short_folder(account)))
        new = pointer.with_suffix(".new")
        new.write_text(str(folder))
        new.replace(pointer)  # at once: a process killed here must not leave half of a name
    account.admit(folder, write=True)
    return folder


def _is_ours(folder: Path) -> bool:
    """Whether a remembered folder is one that we made, or make again; an empty name would be the current directory."""
    if not folder.is_absolute() or not folder.name.startswith(PREFIX):
        return False
    with suppress(OSError):
        folder.mkdir(mode=0o700)
    with suppress(OSError):
        status = folder.lstat()
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return False


def _short_folder(account: Account) -> Path:
    for folder in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108  the new folder in it cannot be guessed
        longest = folder / f"{PREFIX}12345678" / postgres_server.SOCKET
        if len(os.fsencode(longest)) <= LONGEST_SOCKET and account.reaches(folder):
            return folder
    raise EmbeddedServersUnavailable("Sockets need a short temporary folder that all accounts can enter: set TMPDIR to one")
