"""Locks between processes that outlive no process."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from callscope.storage.server_account import EmbeddedServersUnavailable

if sys.platform != "win32":
    import fcntl


class FileLock:
    """An advisory lock on a file; the kernel releases it when its last holder ends, however it ends."""

    def __init__(self, path: Path) -> None:
        if path.exists() and (owner := path.stat().st_uid) != os.geteuid():
            raise EmbeddedServersUnavailable(f"{path} belongs to account {owner}: use that account or another folder")
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def take(self, *, shared: bool = False, wait: bool = True) -> bool:
        """Take the lock (or change it); ``False`` if another holds it and we do not wait."""
        try:
            fcntl.flock(self.descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the lock back, also in the name of processes that inherited it."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file; processes that inherited the lock keep it."""
        os.close(self.descriptor)
