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
