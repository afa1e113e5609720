"""``export``."""

import gzip
import json
import os
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from callscope.commands import export
from tests.commands.command import PROGRAM, environment, fetch
from tests.commands.dumps import GOOD
from tests.commands.test_data import on_a_terminal

CALL_ID = "select 'call_' || to_hex(call_key) from live.call"
TOLD = """
select project.name, kind, body::text from live.record join callscope.project using (project_id)
union all select project.name, 'event', row(at, event_key)::text from live.event join callscope.project using (project_id)
"""


@pytest.fixture
def imported(run, database, tmp_path) -> str:
    """A database with one call, of which the exports are."""
    dump = tmp_path / "good"
    dump.write_bytes(GOOD)
    assert run("import", dump).status == 0
    return database


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def told_to(database: str, project: str) -> list[tuple[str, str]]:
    return sorted(rest for name, *rest in fetch(database, TOLD) if name == project)


# What is written


def test_a_call_goes_to_standard_output(run, imported):
    done = run("export", "standup")
    assert (done.status, done.err) == (0, "")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert {line["callId"] for line in lines} == {"standup"}
    assert {"call", "participant", "connection", "event"} <= {line["type"] for line in lines}


def test_the_apis_id_names_it_too(run, imported):
    ((id_,),) = fetch(imported, CALL_ID)
    assert run("export", id_) == run("export", "standup")


@pytest.mark.parametrize("name", ["call.ndjson", "call.ndjson.gz"])
def test_an_export_is_imported_to_another_project(run, imported, tmp_path, name):
    file = tmp_path / name
    done = run("export", "--output", file, "standup")
    assert (done.status, done.err) == (0, "")
    lines = [json.loads(line) for line in run("export", "standup").out.splitlines()]
    count = sum(len(line["times"]) if line["type"] == "samples" else 1 for line in lines)
    assert done.out == f"{count} records, events and samples exported\n"
    again = run("import", "--json", "--project", "other", file)
    assert (again.status, again.json["calls"]) == (0, ["standup"])
    assert told_to(imported, "other") == told_to(imported, "default") != []
    assert run("export", "--project", "other", "standup") == run("export", "standup")


def test_a_file_named_gz_is_packed_and_equal_exports_are_equal_files(run, imported, tmp_path):
    plain, packed, again = tmp_path / "a", tmp_path / "b.gz", tmp_path / "c.gz"
    for file in (plain, packed, again):
        assert run("export", "standup", "--output", file).status == 0
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes() == run("export", "standup").out.encode()
    assert packed.read_bytes() == again.read_bytes()


# What cannot be


def the_fault(done) -> str:
    assert (done.status, done.out) == (1, "")
    (line,) = done.err.splitlines()
    return line


@pytest.mark.parametrize("name", ["other", "call_1", "participant_1_1", "Standup"])
def test_an_unknown_call_is_told(run, imported, tmp_path, name):
    before = left_in(tmp_path)
    for words in ([], ["--output", tmp_path / "file"]):
        fault = the_fault(run("export", *words, name))
        assert fault.startswith(f"callscope: project 'default' has no call '{name}'")
    assert left_in(tmp_path) == before


@pytest.mark.parametrize("project", ["empty", "unknown"])
def test_a_call_of_another_project_is_unknown(run, imported, project):
    run("simulate", "--minutes", "0.2", "--project", "empty")
    ((id_,),) = fetch(imported, f"{CALL_ID} where call_id = 'standup'")
    for name in ("standup", id_):
        assert f"project '{project}' has no call '{name}'" in the_fault(run("export", "--project", project, name))
    assert fetch(imported, "select name from callscope.project order by name") == [("default",), ("empty",)]


@pytest.mark.parametrize(
    ("name", "reason"), [("", "Is a directory"), ("none/file", "No such file"), ("n" * 300, "name too long")]
)
def test_a_file_that_cannot_be_written_is_told(run, imported, tmp_path, name, reason):
    before = left_in(tmp_path)
    fault = the_fault(run("export", "standup", "--output", tmp_path / name))
    assert fault.startswith(f"callscope: cannot write {tmp_path / name}: ")
    assert reason in fault
    assert left_in(tmp_path) == before


# A file is there whole, or as it was


def test_a_file_is_replaced_and_readable_as_others_are(run, imported, tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    link.symlink_to(file)
    before = left_in(tmp_path)
    assert run("export", "standup", "--output", link).status == 0
    assert file.read_text() == run("export", "standup").out
    assert link.is_symlink()
    assert left_in(tmp_path) == before
    other = tmp_path / "other"
    other.touch()
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


@pytest.mark.parametrize("name", ["file", "file.gz"])
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_breaks_off_leaves_the_file_as_it_was(run, imported, tmp_path, monkeypatch, name, fault):
    file = tmp_path / name
    file.write_text("old")
    before = left_in(tmp_path)

    async def breaking(*words, **__):
        yield b"half"
        assert len(left_in(tmp_path)) == len(before) + 1
        raise fault

    monkeypatch.setattr(export, "export_call", breaking)
    done = run("export", "standup", "--output", file)
    if isinstance(fault, OSError):
        assert the_fault(done) == f"callscope: cannot write {file}: No space left on device"
    else:
        assert done.status == 130
    assert file.read_text() == "old"
    assert left_in(tmp_path) == before


def test_a_lost_database_is_not_blamed_on_the_file(run, imported, tmp_path, monkeypatch):
    async def breaking(*words, **__):
        yield b"half"
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(export, "export_call", breaking)
    before = left_in(tmp_path)
    with pytest.raises(ConnectionResetError):
        run("export", "standup", "--output", tmp_path / "file")
    assert left_in(tmp_path) == before


def test_a_pipe_is_written_to_and_not_replaced(run, imported, tmp_path):
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reading = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reading.start()
    assert run("export", "standup", "--output", pipe).status == 0
    reading.join()
    assert found == [run("export", "standup").out]
    assert pipe.is_fifo()


# Elsewhere


def test_progress_shows_on_a_terminal_while_a_file_is_written(monkeypatch, imported, tmp_path):
    assert "Exporting" in on_a_terminal(monkeypatch, "export", "standup", "--output", tmp_path / "file")
    assert "Exporting" not in on_a_terminal(monkeypatch, "export", "standup")


def test_a_reader_that_leaves_ends_it_quietly(run, imported):
    assert run("simulate", "--participants", "4", "--minutes", "60").status == 0
    with subprocess.Popen(
        [PROGRAM, "export", "simulated-1-4-0"],
        env=environment(CALLSCOPE_DATABASE_URL=imported),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert json.loads(process.stdout.readline())["callId"] == "simulated-1-4-0"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_as_a_process_it_fails_by_its_status(imported):
    done = subprocess.run(
        [PROGRAM, "export", "none"], env=environment(CALLSCOPE_DATABASE_URL=imported), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("callscope: project 'default' has no call 'none'")
