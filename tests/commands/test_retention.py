"""``maintain``."""

import asyncio

import asyncpg

from callscope import maintenance
from tests.commands.command import fetch


def test_what_has_passed_its_time_is_removed_and_told(run, database):
    run("simulate", "--minutes", "0.5")
    assert run("maintain").out == "removed 0 calls, 0 meetings, 0 saved sessions, 0 partitions, 0 rows, 0 mutations\n"
    fetch(database, "update live.call set expires_at = now() returning 1")
    done = run("maintain", "--json")
    assert (done.status, done.err) == (0, "")
    assert (done.json["calls"], done.json["isDone"]) == (1, True)
    assert done.json["rows"] > 0
    assert fetch(database, "select count(*) from live.record") == [(0,)]
    assert run("maintain", "--json").json == dict.fromkeys(done.json, 0) | {"isDone": True}


def test_another_process_is_left_to_it(run, database):
    run("simulate", "--minutes", "0.5")
    fetch(database, "update live.call set expires_at = now() returning 1")

    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(database))
        runner.run(connection.execute("select pg_advisory_lock($1)", maintenance._LOCK))
        assert run("maintain").out == "another process is at it: nothing was removed here\n"
        assert run("maintain", "--json").json["isDone"] is False
        runner.run(connection.close())
    assert fetch(database, "select count(*) from live.call") == [(1,)]


TOLD = "select participant_id from live.participant where participant_id not like 'erased-%' order by 1"


def test_a_participant_is_erased_from_all_calls_or_one(run, database):
    for seed in (1, 2):
        run("simulate", "--minutes", "0.5", "--seed", seed)
    names = [name for (name,) in fetch(database, TOLD)]
    calls = dict(fetch(database, "select participant_id, call_id from live.participant join live.call using (call_key)"))
    global_ids = dict(
        fetch(
            database,
            "select participant_id, 'participant_' || to_hex(call_key) || '_' || to_hex(participant_key) from live.participant",
        )
    )
    done = run("erase", "--participant", names[0])
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("erased from 1 calls: ")
    done = run("erase", "--participant", global_ids[names[1]], "--call", calls[names[1]], "--json")
    assert done.json["calls"] == 1
    assert done.json["rows"] > 10
    assert [name for (name,) in fetch(database, TOLD)] == names[2:]
    assert fetch(database, "select key_id, row_count > 0 from callscope.erasure") == [(None, True)] * 2


def test_whom_it_does_not_find_it_names(run, database):
    run("simulate", "--minutes", "0.5")
    name = fetch(database, TOLD)[0][0]
    for words, told in (
        (["nobody"], "project 'default' has no participant 'nobody'"),
        ([name, "--call", "other"], f"project 'default' has no participant '{name}' in the call 'other'"),
        ([name, "--project", "other"], f"project 'other' has no participant '{name}'"),
    ):
        done = run("erase", "--participant", *words)
        assert (done.status, done.out, done.err) == (1, "", f"callscope: {told}\n")
    assert fetch(database, "select count(*) from callscope.erasure") == [(0,)]
