"""Node.js with the tools of frontend teams, in a folder where their scripts can run."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import platformdirs
import pytest

HERE = Path(__file__).parent
OLDEST_NODE = 20
INSTALL_SECONDS = 150
RUN_SECONDS = 60
INSTALL = ("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
# Without a network it should be known soon.
INSTALL += ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000")


def lacking(what: str) -> NoReturn:
    """Skip, with the reason; where CALLSCOPE_TEST_CLIENTS is 'required', as in CI, fail instead."""
    if os.environ.get("CALLSCOPE_TEST_CLIENTS") == "required":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def installed_packages() -> Path:
    """The folder node_modules with what package.json names, installed once for each content of that file."""
    _check_node()
    wanted = (HERE / "package.json").read_bytes()
    folder = platformdirs.user_cache_path("callscope") / "test-clients" / hashlib.sha256(wanted).hexdigest()[:16]
    if not folder.is_dir():
        try:
            _install(wanted, folder)
        except (OSError, subprocess.TimeoutExpired) as error:
            lacking(f"the packages of tests/clients/package.json cannot be installed: {error}")
    return folder / "node_modules"


def _check_node() -> None:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            lacking(f"{program} is not installed: Node.js {OLDEST_NODE} or later runs the clients")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        lacking(f"Node.js {version} is too old: {OLDEST_NODE} or later runs the clients")


def _install(wanted: bytes, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as made:
        new = Path(made) / "new"
        new.mkdir()
        (new / "package.json").write_bytes(wanted)
        run = subprocess.run(INSTALL, cwd=new, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        if run.returncode != 0:
            errors = [line for line in run.stderr.splitlines() if line.startswith("npm error")]
            lacking("npm cannot install the packages of tests/clients/package.json: " + "; ".join(errors[:3]))
        if not folder.is_dir():
            new.rename(folder)


@dataclass(frozen=True)
class Workshop:
    """A folder of one test's own, that holds the scripts, the documents and the packages."""

    folder: Path

    @classmethod
    def furnished(cls, folder: Path, packages: Path) -> "Workshop":
        """With copies: Node looks for packages beside the file that a link leads to."""
        shutil.copytree(HERE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py", "__pycache__", "node_modules"))
        (folder / "node_modules").symlink_to(packages)
        return cls(folder)

    def run(self, program: str, *arguments: str, **environment: str) -> str:
        """What a program prints, which must succeed: ``node``, or one of a package."""
        found = program if program == "node" else str(self.folder / "node_modules" / ".bin" / program)
        run = subprocess.run(
            [found, *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "NO_COLOR": "1"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        assert run.returncode == 0, f"{program} {' '.join(arguments)} failed:\n{run.stdout}"
        return run.stdout
