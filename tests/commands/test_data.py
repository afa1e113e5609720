"""``migrate``, ``import``, ``simulate`` and ``settle``."""

import gzip
import json
import os
import pty
import re
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from callscope.commands import data
from callscope.simulation import MEASURED
from callscope.sources.lines import MAX_LINE_BYTES
from callscope.sources.webrtc_records import CUT_OFF
from callscope.storage.ledger import FLUSH_ROWS
from tests import mmdb
from tests.commands.command import PROGRAM, call, environment, fetch
from tests.commands.dumps import BAD, BRIDGE, GOOD, LAST, dump

STORED = """
select 'record', count(*) from live.record union all select 'event', count(*) from live.event
union all select 'sample', count(*) from live.metric_sample union all select 'change', count(*) from live.call_change
union all select 'call', count(*) from live.call
"""


def stored(database: str) -> dict[str, int]:
    return dict(fetch(database, STORED))


@pytest.fixture
def good(tmp_path) -> Path:
    path = tmp_path / "good"
    path.write_bytes(GOOD)
    return path


def made(folder: Path, content: bytes) -> Path:
    path = folder / "bad"
    path.write_bytes(content)
    return path


# import: what is good


def test_a_dump_becomes_a_call(run, database, good):
    done = run("import", "--source", "rtcstats", "--json", good)
    assert done.status == 0
    assert done.err == ""
    assert done.json.keys() == {"calls", "accepted", "refused"}
    assert done.json["calls"] == ["standup"]
    assert done.json["accepted"] > 5
    assert done.json["refused"] == []
    assert fetch(database, "select call_id, participant_count from live.call") == [("standup", 1)]


@pytest.mark.parametrize(
    "content", [GOOD, gzip.compress(GOOD), b"\xef\xbb\xbf" + GOOD, GOOD.replace(b"\n", b"\r\n"), GOOD.strip()]
)
def test_a_file_says_of_which_source_it_is_packed_or_not(run, database, tmp_path, content):
    assert run("import", "--json", made(tmp_path, content)).json["calls"] == ["standup"]


def test_a_repeated_import_stores_nothing_twice(run, database, good):
    first = run("import", good)
    before = stored(database)
    assert run("import", good) == first
    assert stored(database) == before


def test_a_file_can_be_given_to_another_call(run, database, good):
    assert run("import", "--json", "--call", "Mine", good).json["calls"] == ["Mine"]
    assert fetch(database, "select call_id from live.call") == [("Mine",)]


def test_several_dumps_of_one_conference_become_one_call(run, database, good, tmp_path):
    other = made(tmp_path, dump(endpointId="bob2bob2", displayName="Bob"))
    assert run("import", "--json", good, other).json["calls"] == ["standup"]
    assert fetch(database, "select call_id, participant_count from live.call") == [("standup", 2)]


def test_telemetry_of_our_own_is_imported_too(run, database, tmp_path):
    rows = [
        {"type": "participant", "callId": "told", "participantId": "ada"},
        {"type": "participant", "callId": "told", "participantId": 1},
        {"type": "connection", "callId": "told", "connectionId": "c1", "participantId": "ada", "connectedAt": 1767603600000},
    ]
    file = made(tmp_path, b"\n".join(json.dumps(row).encode() for row in rows))
    done = run("import", "--json", file)
    assert done.status == 1
    assert (done.json["calls"], done.json["accepted"]) == (["told"], 2)
    (refusal,) = done.json["refused"]
    assert (refusal["file"], refusal["line"], refusal["field"]) == (str(file), 2, "participantId")
    assert done.err == f"callscope: {file}:2: participantId: {refusal['reason']}\n"
    assert stored(database)["call"] == 1


def test_a_pipe_can_be_imported(run, database):
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(GOOD)
    try:
        assert run("import", "--json", f"/dev/fd/{reader}").json["calls"] == ["standup"]
    finally:
        os.close(reader)


def test_an_import_goes_to_its_project(run, database, good):
    run("import", "--project", "mine", good)
    assert fetch(database, "select project.name, call_id from live.call join callscope.project using (project_id)") == [
        ("mine", "standup")
    ]


def test_in_words_it_says_how_much_was_imported(run, database, good):
    done = run("import", good)
    assert done.out.endswith("records of 1 calls imported, 0 refused\n")
    assert done.err == ""


@pytest.fixture
def collisions(monkeypatch):
    """So many times another writer is in the way, after all was written."""
    left = []
    ingest = data.ingest_file

    async def collide(*words, **options):
        async with words[0].transaction():
            receipt = await ingest(*words, **options)
            if left:
                left.pop()
                raise asyncpg.DeadlockDetectedError("deadlock detected")
            return receipt

    monkeypatch.setattr(data, "ingest_file", collide)
    return left


def test_a_file_is_read_again_where_another_writer_was_in_the_way(run, database, good, collisions):
    collisions += [1, 1]
    done = run("import", "--json", good)
    assert (done.status, done.json["calls"], done.json["refused"]) == (0, ["standup"], [])
    assert collisions == []


def test_but_not_for_ever(run, database, good, tmp_path, collisions):
    collisions += [1, 1, 1]
    other = made(tmp_path, GOOD)
    done = run("import", "--json", other, good)
    assert (done.status, done.json["calls"]) == (1, ["standup"])
    (refusal,) = done.json["refused"]
    assert (refusal["file"], refusal["reason"]) == (str(other), data.BUSY)
    assert "import it again" in done.err


def test_a_pipe_cannot_be_read_again(run, database, collisions):
    collisions.append(1)
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(GOOD)
    try:
        done = run("import", "--json", f"/dev/fd/{reader}")
    finally:
        os.close(reader)
    assert (done.status, [refusal["reason"] for refusal in done.json["refused"]]) == (1, [data.BUSY])
    assert stored(database)["record"] == 0


def test_only_what_was_imported_is_settled(run, database, good):
    """What others write at the same time is theirs to settle, however much it is."""
    run("import", "--call", "other", good)
    fetch(database, "insert into live.call_change (project_id, call_key) select project_id, call_key from live.call")
    assert run("import", good).status == 0
    assert fetch(database, "select call_id, revision from live.call order by 1") == [("other", 1), ("standup", 1)]
    assert stored(database)["change"] == 1


# import: what is bad


def the_refusal(done, file, database) -> dict:
    """The one refusal of a file beside which a good one was imported; of the bad one nothing is stored."""
    assert done.status == 1
    assert done.json["calls"] == ["standup"]
    assert fetch(database, "select call_id from live.call") == [("standup",)]
    (refusal,) = done.json["refused"]
    at = f"{file}:{refusal['line']}" if refusal["line"] else str(file)
    assert done.err == f"callscope: {at}: {refusal['reason']}\n"
    assert refusal.keys() == {"file", "line", "field", "code", "reason"}
    assert (refusal["file"], refusal["field"]) == (str(file), None)
    return refusal


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("source", [[], ["--source", "rtcstats"]])
def test_a_bad_file_is_refused_whole_and_the_others_are_imported(run, database, good, tmp_path, fault, source):
    content, line, word = BAD[fault]
    content = content.replace(b'"Standup"', b'"Other"')
    file = made(tmp_path, content)
    refusal = the_refusal(run("import", "--json", *source, file, good), file, database)
    assert refusal["line"] == line
    assert word in refusal["reason"] or source
    assert refusal["code"] == ("truncated" if fault == "cut in the packed head" else "source_invalid")


@pytest.mark.parametrize("source", ["acs", "vonage", "webrtc-internals", "callscope"])
def test_a_file_under_a_wrong_name_is_told_by_what_it_seems_to_be(run, database, good, source):
    done = run("import", "--json", "--source", source, good)
    (refusal,) = done.json["refused"]
    assert (done.status, done.json["accepted"], refusal["code"]) == (1, 0, "source_invalid")
    assert "begins like a file of 'rtcstats'" in refusal["reason"]


@pytest.mark.parametrize(
    ("content", "line"), [(GOOD[:-20], LAST), (gzip.compress(GOOD[:-20], mtime=0), LAST), (gzip.compress(GOOD, mtime=0)[:-40], 0)]
)
def test_a_dump_that_is_cut_off_is_imported_up_to_there(run, database, tmp_path, content, line):
    file = made(tmp_path, content)
    done = run("import", "--json", file)
    (refusal,) = done.json["refused"]
    assert (done.status, done.json["calls"], refusal["line"], refusal["code"]) == (1, ["standup"], line, "truncated")
    assert fetch(database, "select kind, message from live.data_warning where kind = 'TRUNCATED'") == [("TRUNCATED", CUT_OFF)]
    assert stored(database)["sample"] > 0


def test_nothing_of_a_bad_file_is_stored_although_so_much_of_it_was_good_that_it_was_written(run, database, good, tmp_path):
    run("import", good)
    before = stored(database)
    event = {"type": "event", "callId": "half", "category": "MEDIA", "name": "muted"}
    file = tmp_path / "half"
    with file.open("wb") as opened:
        opened.writelines(json.dumps(event | {"at": 1767603600000 + n}).encode() + b"\n" for n in range(2 * FLUSH_ROWS))
        opened.seek(MAX_LINE_BYTES + 1, os.SEEK_CUR)
        opened.write(b"\n")
    done = run("import", "--json", file)
    assert (done.status, done.json["calls"], done.json["accepted"]) == (1, [], 0)
    assert done.json["refused"][0]["line"] == 2 * FLUSH_ROWS + 1
    assert stored(database) == before


def test_a_line_beyond_all_reason_is_refused_by_its_number(run, database, good, tmp_path):
    file = tmp_path / "long"
    with file.open("wb") as opened:
        opened.write(GOOD.replace(b'"Standup"', b'"Other"') + b'["a", null, "')
        opened.seek(MAX_LINE_BYTES + 4_000_000)
        opened.write(b'", 1]\n')
    refusal = the_refusal(run("import", "--json", file, good), file, database)
    assert refusal["line"] == LAST + 1
    assert "longer than 16 MiB" in refusal["reason"]


def test_the_dump_of_a_server_component_is_named_as_one(run, database, tmp_path, good):
    file = made(tmp_path, BRIDGE * 3)
    refusal = the_refusal(run("import", "--source", "rtcstats", "--json", file, good), file, database)
    assert refusal["line"] == 1
    assert "server component" in refusal["reason"]


@pytest.mark.parametrize(("name", "reason"), [("", "Is a directory"), ("none", "No such file"), ("n" * 5000, "name too long")])
def test_what_cannot_be_read_is_told_by_its_name(run, database, good, tmp_path, name, reason):
    file = tmp_path / name
    refusal = the_refusal(run("import", "--json", file, good), file, database)
    assert reason in refusal["reason"]
    assert (refusal["line"], refusal["code"]) == (0, "unreadable")


@pytest.fixture
def closed(tmp_path, monkeypatch) -> Path:
    """A file that may not be read, not even by root."""
    path = tmp_path / "closed"
    path.write_bytes(GOOD)
    path.chmod(0)
    if os.geteuid() == 0:
        opened = Path.open

        def open_others(file, *words, **options):
            if file == path:
                raise PermissionError(13, "Permission denied", str(file))
            return opened(file, *words, **options)

        monkeypatch.setattr(Path, "open", open_others)
    return path


def test_a_file_that_may_not_be_read_is_told_by_its_name(run, database, good, closed):
    assert the_refusal(run("import", "--json", closed, good), closed, database)["reason"] == "Permission denied"


def test_every_bad_file_has_its_own_refusal(run, database, good, tmp_path):
    files = []
    for number, fault in enumerate(BAD):
        files.append(tmp_path / f"bad{number}")
        files[-1].write_bytes(BAD[fault][0])
    done = run("import", "--json", *files, good)
    assert [refusal["file"] for refusal in done.json["refused"]] == [str(file) for file in files]
    assert done.err.count("\n") == len(files)
    assert done.json["calls"] == ["standup"]


def test_a_name_that_is_no_text_is_told_all_the_same(run, database, tmp_path):
    file = tmp_path / os.fsdecode(b"bad\xff")
    done = run("import", "--json", file)
    assert done.status == 1
    assert done.json["refused"][0]["file"] == str(tmp_path / "bad\ufffd")


def test_nothing_of_a_failed_import_waits_to_be_settled(run, database, tmp_path):
    run("import", made(tmp_path, GOOD + b"{}\n"))
    assert stored(database) == {"record": 0, "event": 0, "sample": 0, "change": 0, "call": 0}


# import: beside a running server


def test_an_import_joins_a_running_demo_and_shows_there(run, demo, good, tmp_path):
    other = made(tmp_path, GOOD[:-20])
    done = run("import", "--data-dir", demo.data_dir, "--json", "--call", "joined", good, other)
    assert (done.status, done.json["calls"]) == (1, ["joined"])
    call = demo.client.ask('{ call(callId: "joined") { participants { nodes { displayName } } freshness { isSettled } } }')
    assert call == {"call": {"participants": {"nodes": [{"displayName": "Ada"}]}, "freshness": {"isSettled": True}}}


def test_an_import_as_a_process_prints_json_and_fails_by_its_status(demo, good, tmp_path):
    bad = made(tmp_path, b"no dump")
    command = [PROGRAM, "import", "--json", "--call", "process", good, bad]
    settings = environment(CALLSCOPE_DATA_DIR=demo.data_dir)
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["calls"] == ["process"]
    assert done.stderr.startswith(f"callscope: {bad}:1: ")


# Progress


def on_a_terminal(monkeypatch, *words: object) -> str:
    """Run the command where standard error is a terminal; what it showed there."""
    monkeypatch.setenv("TERM", "xterm")
    above, below = pty.openpty()
    shown = bytearray()

    def look() -> None:
        # Linux says that a terminal has ended by an error.
        with suppress(OSError):
            while part := os.read(above, 10_000):
                shown.extend(part)

    looking = threading.Thread(target=look)
    looking.start()
    with os.fdopen(below, "w") as file, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", file)
        assert call(*words) == 0
    looking.join()
    os.close(above)
    return shown.decode()


def test_long_work_shows_progress_on_a_terminal(monkeypatch, database, good):
    assert "Importing" in on_a_terminal(monkeypatch, "import", good)
    shown = on_a_terminal(monkeypatch, "simulate", "--minutes", "0.2")
    assert re.search(r"Simulating calls.* \d+%", shown)
    assert "Settling calls" in shown


def test_elsewhere_there_is_no_progress_but_only_what_is_said(run, database, good):
    assert run("import", good).err == ""
    assert run("simulate", "--minutes", "0.2").err == ""


# simulate, settle, migrate


def test_simulate_makes_one_call_with_what_it_is_told(run, database):
    done = run("simulate", "--participants", "3", "--subscribers", "2", "--minutes", "0.5", "--seed", "7")
    assert done.status == 0
    assert done.out.startswith("1 calls simulated, ")
    rows = fetch(database, "select call_id, participant_count, round(duration_seconds) from live.call")
    assert rows == [("simulated-7-3-2", 5, 30.0)]


def test_simulate_makes_a_large_audience_report_three_metrics(run, database):
    done = run("simulate", "--subscribers", "120", "--minutes", "5", "--start", "2026-03-02T09:00:00Z")
    assert done.status == 0, done.err
    (call,) = fetch(database, "select call_id, is_large, stream_count, participant_count from live.call")
    assert call == ("simulated-1-1-120", True, 1, 121)
    told = "select distinct body ->> 'media', body ->> 'metric' from live.record where kind = 'series' order by 1, 2"
    assert fetch(database, told) == [("CONNECTION", "ROUND_TRIP_TIME"), ("VIDEO", "BITRATE"), ("VIDEO", "PACKET_LOSS")]
    (failed, lost) = fetch(database, "select count(*) filter (where outcome = 'FAILED'), count(*) from live.connection")[0]
    assert lost > 121 or failed


def test_simulate_reports_what_it_is_told(run, database):
    told = "select distinct body ->> 'media', body ->> 'metric' from live.record where kind = 'series' order by 1, 2"
    assert run("simulate", "--minutes", "0.2", "--metrics", "AUDIO/JITTER,AUDIO/BITRATE").status == 0
    assert fetch(database, told) == [("AUDIO", "BITRATE"), ("AUDIO", "JITTER")]
    assert run("simulate", "--minutes", "0.2", "--seed", "2", "--metrics", "all").status == 0
    assert len(fetch(database, told)) == sum(map(len, MEASURED.values())) - len(MEASURED["SCREEN"])


@pytest.mark.parametrize("size", [("--participants", "2"), ("--subscribers", "110")])
def test_the_same_seed_and_start_make_the_same_call(run, database, size):
    rows = "select record_key from live.record union all select event_key from live.event order by 1"
    samples = "select series_key, at, value from live.metric_sample order by 1, 2"
    words = ("simulate", *size, "--minutes", "1", "--start", "2026-03-02T10:00:00+01:00")
    said = run(*words).out
    known = fetch(database, rows), fetch(database, samples)
    assert run(*words).out == said
    assert (fetch(database, rows), fetch(database, samples)) == known
    assert fetch(database, "select started_at::text from live.call") == [("2026-03-02 09:00:00+00",)]
    assert run(*words, "--seed", "2").status == 0
    assert len(fetch(database, samples)) > len(known[1])


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("--metrics", "VIDEO/NOISE"), "'VIDEO/NOISE'"),
        (("--metrics", ""), "should be 'all', or some of AUDIO/"),
        (("--metrics", "CONNECTION/JITTER"), "'CONNECTION/JITTER'"),
        (("--start", "yesterday"), "RFC 3339"),
        (("--start", "2026-03-02T10:00:00"), "offset from UTC"),
        (("--start", "1999-12-31T10:00:00Z"), "2000 to 2099"),
        (("--start", "2099-12-31T23:59:00Z"), "should end before 2100"),
        (("--calls", "2", "--minutes", "3", "--metrics", "all"), "--minutes, --metrics"),
    ],
)
def test_simulate_refuses_what_it_cannot_make(run, database, words, wrong):
    done = run("simulate", *words)
    assert done.status in {1, 2}
    assert wrong in done.err
    assert fetch(database, "select from live.record") == []


def test_simulate_makes_many_calls(run, database):
    assert run("simulate", "--calls", "3").out.startswith("3 calls simulated, ")
    assert len(fetch(database, "select from live.call where revision > 0")) == 3
    assert run("simulate", "--calls", "0").out == "0 calls simulated, 0 records\n"


def test_settle_derives_what_nobody_has_settled(run, database):
    fetch(
        database,
        "with made as (insert into callscope.project (name) values ('p') returning project_id) "
        "insert into live.call_change (project_id, call_key, series_keys) select project_id, 1, '{}' from made",
    )
    fetch(
        database,
        "insert into live.record (project_id, call_key, record_key, kind, body) "
        """select project_id, 1, 1, 'call', '{"callId": "left"}' from callscope.project""",
    )
    assert run("settle").out == "1 calls settled\n"
    assert fetch(database, "select call_id from live.call") == [("left",)]
    assert run("settle").out == "0 calls settled\n"


def test_settling_waits_for_calls_that_another_process_is_at(run, database, monkeypatch):
    """Until nothing is left; the other one is played by a first round that settles nothing."""
    fetch(
        database,
        "with made as (insert into callscope.project (name) values ('p') returning project_id), "
        "told as (insert into live.record (project_id, call_key, record_key, kind, body) "
        """select project_id, 1, 1, 'call', '{"callId": "busy"}' from made) """
        "insert into live.call_change (project_id, call_key, series_keys) select project_id, 1, '{}' from made",
    )
    settle, rounds = data.settle_pending, []

    async def later(*words, **rest):
        rounds.append(1)
        return await settle(*words, **rest) if len(rounds) > 1 else 0

    monkeypatch.setattr(data, "settle_pending", later)
    assert run("settle").out == "1 calls settled\n"
    assert len(rounds) == 2


def test_migrate_joins_the_servers_of_a_data_folder(run, demo):
    assert run("migrate", "--data-dir", demo.data_dir).out == "the database is up to date\n"


@pytest.mark.parametrize("words", [["serve", "--port", "0"], ["demo", "--port", "0"], ["import", "dump"]])
def test_a_database_of_addresses_that_is_not_there_is_told(run, database, monkeypatch, tmp_path, words):
    monkeypatch.setenv("CALLSCOPE_GEOIP_DATABASE", str(tmp_path / "nowhere.mmdb"))
    told = run(*words)
    assert told.status == 1
    assert told.err.startswith("callscope: CALLSCOPE_GEOIP_DATABASE should name a file that can be read")
    assert told.err.count("\n") == 1


def test_addresses_become_locations_on_the_way_in(run, database, monkeypatch, tmp_path):
    told = {"country": {"iso_code": "GB"}}
    monkeypatch.setenv("CALLSCOPE_GEOIP_DATABASE", str(mmdb.write(tmp_path / "city.mmdb", {"81.2.69.0/24": told})))
    file = tmp_path / "told"
    file.write_bytes(b'{"type":"participant","callId":"x","participantId":"p","address":"81.2.69.142"}\n')
    assert run("import", file).status == 0
    assert fetch(database, "select country from live.participant") == [("GB",)]
    assert fetch(database, "select from live.record where body::text like '%81.2.69%'") == []
