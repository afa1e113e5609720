"""``serve`` and ``demo`` in this process, and where they listen."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from callscope.api.keys import Scope
from callscope.commands import server
from callscope.simulation import CallPlan
from callscope.vocabulary import Platform
from tests.commands.command import PROGRAM, Client, Result, call, environment, fetch, free_port, is_free, leftovers, wait_until
from tests.conftest import new_database


def serving(
    port: int, *words: str, then=lambda address: None, number: signal.Signals = signal.SIGTERM, host: str = "127.0.0.1"
) -> int:
    """Run a serving command in this process; once it answers, do something and send a signal. Its exit status."""
    address = f"http://{host}:{port}"
    ended, done = threading.Event(), []

    def visit() -> None:
        try:
            if wait_until(lambda: ended.is_set() or _answers(f"{address}/health/ready")) and not ended.is_set():
                done.append(then(address))
        finally:
            if not ended.is_set():
                os.kill(os.getpid(), number)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        return call(*words, "--port", str(port))
    finally:
        ended.set()
        visitor.join()
        assert done


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def few_calls(monkeypatch):
    """A demo with one short call."""

    def plans(now):
        return [CallPlan("short", Platform.WEBRTC, now - timedelta(hours=1), 1, interval_seconds=10)]

    monkeypatch.setattr(server, "demo_calls", plans)


# serve


def test_serve_without_a_database_url_runs_servers_of_its_own(demo):
    """On the data that are there; what joins them while they run works on the same; in the end all of it stops."""
    count = demo.client.ask("{ calls { totalCount } }")
    demo.end(signal.SIGTERM)
    settings = environment(CALLSCOPE_DATA_DIR=demo.data_dir, PYTHONUNBUFFERED="1")
    with subprocess.Popen([PROGRAM, "serve", "--port", "0"], env=settings, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert line.startswith("Callscope serves on http://127.0.0.1:")
        made = subprocess.run([PROGRAM, "keys", "create", "--json"], env=settings, capture_output=True, text=True, check=True)
        address = line.split()[-1]
        client = Client(f"{address}/graphql", f"{address}/ingest", json.loads(made.stdout)["key"])
        assert client.ask("{ calls { totalCount } }") == count
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert leftovers(demo.data_dir) == []
    assert is_free(client.port)


@pytest.fixture
async def unmigrated(servers, monkeypatch):
    async with new_database(servers) as url:
        monkeypatch.setenv("CALLSCOPE_DATABASE_URL", url)
        yield url


def test_serve_wants_a_given_database_to_be_migrated_by_hand(run, unmigrated):
    refused = run("serve", "--port", "0")
    assert refused.status == 1
    assert "run 'callscope migrate' first" in refused.err
    assert fetch(unmigrated, "select from pg_tables where schemaname = 'live'") == []

    first, second = run("migrate"), run("migrate")
    assert (first.status, second.status) == (0, 0)
    assert first.out.startswith("applied 0001 ")
    assert second.out == "the database is up to date\n"

    port, answers = free_port(), []
    key = run("keys", "create", "--json").json["key"]
    status = serving(
        port, "serve", then=lambda at: answers.append(Client(f"{at}/graphql", f"{at}/ingest", key).ask("{ project { name } }"))
    )
    assert status == 0
    assert answers == [{"project": {"name": "default"}}]
    assert is_free(port)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://127.0.0.1:{port}/none",
        "postgresql://callscope@/none?host=/nowhere",
        "http://127.0.0.1/none",
        "no url",
        "postgresql://127.0.0.1:many/none",
    ],
)
@pytest.mark.parametrize("verb", ["serve", "demo", "migrate", "settle"])
def test_a_database_that_does_not_answer_is_told_in_one_line(run, monkeypatch, verb, url):
    monkeypatch.setenv("CALLSCOPE_DATABASE_URL", url.format(port=free_port()))
    told = run(verb, *(["--port", "0"] if verb in ("serve", "demo") else []))
    assert told.status == 1
    assert told.out == ""
    assert told.err.startswith("callscope: the database does not answer: ")
    assert told.err.count("\n") == 1


def test_a_database_that_is_not_there_is_told_in_one_line(run, database, monkeypatch):
    monkeypatch.setenv("CALLSCOPE_DATABASE_URL", database.replace("/callscope_test_", "/no_such_"))
    told = run("serve", "--port", "0")
    assert told.status == 1
    assert 'does not answer: database "no_such_' in told.err


@pytest.mark.parametrize("verb", ["serve", "demo"])
def test_a_server_that_cannot_start_is_a_failure(run, database, few_calls, monkeypatch, tmp_path, verb):
    @asynccontextmanager
    async def broken(_):
        raise RuntimeError("no")
        yield

    monkeypatch.setattr(server, "create_app", lambda *_, **__: Starlette(lifespan=broken))
    assert run(verb, "--port", "0").status != 0
    assert not (tmp_path / "data/demo.json").exists()


@pytest.mark.parametrize("more", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_interrupts_nothing(database, capsys, more):
    def insist(_):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.02)  # two at once are one
        os.kill(os.getpid(), more)

    assert serving(free_port(), "serve", then=insist, number=signal.SIGINT) == 130
    assert capsys.readouterr().err == ""


# demo


def test_demo_on_a_given_database_fills_it_once_and_gives_the_same_key_again(database, few_calls, tmp_path):
    seen = []

    def look(address):
        wait_until((tmp_path / "data/demo.json").exists)
        client = Client.of(json.loads((tmp_path / "data/demo.json").read_text()))
        assert client.graphql_url == f"{address}/graphql"
        seen.append((client.key, client.ask("{ calls { nodes { callId freshness { isSettled } } } }")))

    assert serving(free_port(), "demo", then=look) == 0
    assert serving(free_port(), "demo", then=look, number=signal.SIGINT) == 130
    assert seen[0] == seen[1]
    assert seen[0][1]["calls"]["nodes"] == [{"callId": "short", "freshness": {"isSettled": True}}]
    assert fetch(database, "select count(*) from callscope.api_key") == [(1,)]
    assert not (tmp_path / "data/demo.json").exists()


def test_a_demo_takes_away_only_the_demo_json_that_is_its_own(database, few_calls, tmp_path):
    told = tmp_path / "data/demo.json"

    def another_starts(_):
        wait_until(told.exists)
        told.write_text("of another demo on this folder")

    assert serving(free_port(), "demo", then=another_starts) == 0
    assert told.read_text() == "of another demo on this folder"


def test_a_demo_that_is_stopped_before_it_serves_announces_nothing(run, database, few_calls, monkeypatch, tmp_path):
    class Stopped:
        started = False

        async def serve(self, sockets):
            pass

    monkeypatch.setattr(server, "_server", lambda *_: Stopped())
    assert run("demo", "--port", "0") == Result(0, "", "")
    assert not (tmp_path / "data/demo.json").exists()


def test_the_demo_key_has_every_right(database, few_calls):
    assert serving(free_port(), "demo") == 0
    assert fetch(database, "select scopes from callscope.api_key") == [(sorted(Scope),)]


@pytest.mark.parametrize("kept", [b"", b"\xff", b"callscope_" + b"0" * 38])
def test_a_kept_key_that_opens_nothing_is_made_anew(database, few_calls, tmp_path, kept):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/demo.key").write_bytes(kept)
    assert serving(free_port(), "demo") == 0
    assert fetch(database, "select count(*) from callscope.api_key") == [(1,)]


def test_each_project_of_a_demo_has_a_key_of_its_own(database, few_calls, tmp_path):
    names = []

    def look(_):
        wait_until((tmp_path / "data/demo.json").exists)
        names.append(Client.of(json.loads((tmp_path / "data/demo.json").read_text())).ask("{ project { name } }"))

    for project in ("one", "two"):
        assert serving(free_port(), "demo", "--project", project, then=look) == 0
    assert names == [{"project": {"name": "one"}}, {"project": {"name": "two"}}]


def test_a_demo_that_does_not_serve_takes_an_old_demo_json_away(run, monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/demo.json").write_text("{}")
    monkeypatch.setenv("CALLSCOPE_DATABASE_URL", "no url")
    assert run("demo", "--port", "0").status == 1
    assert not (tmp_path / "data/demo.json").exists()


# Where they listen.


@pytest.mark.parametrize("verb", ["serve", "demo"])
@pytest.mark.parametrize("how", ["option", "setting"])
def test_a_taken_port_is_told_before_any_work(run, monkeypatch, data_dir, verb, how):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        if how == "setting":
            monkeypatch.setenv("CALLSCOPE_PORT", str(port))
        told = run(verb, "--data-dir", data_dir, *(["--port", port] if how == "option" else []))
    assert told.status == 1
    assert f"cannot listen on 127.0.0.1:{port}: " in told.err
    assert "--port" in told.err
    assert told.err.count("\n") == 1
    assert list(data_dir.iterdir()) == []


@pytest.mark.parametrize("host", ["999.1.1.1", "a..b"])
def test_a_host_that_is_none_is_told(run, host):
    told = run("serve", "--host", host, "--port", "0")
    assert told.status == 1
    assert told.err.startswith(f"callscope: cannot listen on {host}:0: ")


@pytest.mark.parametrize(
    ("listens_on", "address"),
    [
        (("127.0.0.1", 8000), "http://127.0.0.1:8000"),
        (("0.0.0.0", 8000), "http://127.0.0.1:8000"),
        (("192.0.2.7", 80), "http://192.0.2.7:80"),
        (("::", 8000, 0, 0), "http://[::1]:8000"),
        (("2001:db8::7", 8000, 0, 0), "http://[2001:db8::7]:8000"),
    ],
)
def test_the_address_that_is_told_is_one_to_go_to(listens_on, address):
    class Listener:
        def getsockname(self):
            return listens_on

    assert server._address(Listener()) == address


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_it_listens_on_ipv6(database):
    assert serving(free_port(), "serve", "--host", "::1", host="[::1]") == 0


def test_nothing_of_the_key_is_readable_by_others_even_while_it_is_written(tmp_path, monkeypatch):
    modes = []
    monkeypatch.setattr(Path, "replace", lambda path, target: modes.append(path.stat().st_mode & 0o777))
    (tmp_path / "secret.new").write_text("left by a killed one")
    (tmp_path / "secret.new").chmod(0o666)
    server._write_secret(tmp_path / "secret", "key")
    assert modes == [0o600]
    assert (tmp_path / "secret.new").read_text() == "key"


def test_served_requests_obey_the_settings_and_leave_no_address_in_a_log(run, database, monkeypatch, capsys):
    monkeypatch.setenv("CALLSCOPE_METRICS_KEY", "figures")
    monkeypatch.setenv("CALLSCOPE_VONAGE_SIGNATURE_SECRET", "s" * 40)
    monkeypatch.setenv("CALLSCOPE_INGEST_BYTES", "1")
    key = run("keys", "create", "--scope", "ingest", "--json").json["key"]
    seen = []

    def visit(address: str) -> None:
        with httpx.Client(trust_env=False, base_url=address) as client:
            seen.append(client.post(f"/ingest/vonage/{key}", content=b"{}").status_code)
            seen.append(client.post(f"/ingest/callscope/{key}", content=b'{"type":"call","callId":"x"}').status_code)
            seen.append(client.get("/metrics").status_code)
            figures = client.get("/metrics", headers={"authorization": "Bearer figures"}).text
            assert 'callscope_ingest_accepted_rows_total{source="callscope"} 1.0' in figures
            assert key not in figures

    assert serving(free_port(), "serve", then=visit) == 0
    assert seen == [401, 200, 401]
    assert key not in "".join(capsys.readouterr())
