"""``report``."""

import pytest

from tests.commands.command import fetch
from tests.commands.dumps import GOOD

CALL_ID = "select 'call_' || to_hex(call_key) from live.call"
STORED = "select markdown, digest from live.report where number = 0"


@pytest.fixture
def imported(run, database, tmp_path) -> str:
    """A database with one call."""
    dump = tmp_path / "good"
    dump.write_bytes(GOOD)
    assert run("import", dump).status == 0
    return database


def test_a_person_reads_markdown(run, imported):
    done = run("report", "standup")
    ((markdown, _),) = fetch(imported, STORED)
    assert (done.status, done.err, done.out) == (0, "", markdown)
    assert done.out.startswith("# Call `standup`\n\n")
    assert run("report", "--format", "markdown", "standup") == done


def test_a_language_model_reads_a_digest(run, imported):
    done = run("report", "standup", "--format", "digest")
    ((_, digest),) = fetch(imported, STORED)
    assert (done.status, done.err, done.out) == (0, "", digest)
    assert done.out.startswith("Call `standup`, ")


def test_the_apis_id_names_it_too(run, imported):
    ((id_,),) = fetch(imported, CALL_ID)
    assert run("report", id_) == run("report", "standup")


def test_what_was_not_settled_yet_is_settled_first(run, imported):
    before = run("report", "standup")
    fetch(imported, "delete from live.call returning 1")
    fetch(imported, "delete from live.report returning 1")
    fetch(
        imported,
        "insert into live.call_change (project_id, call_key) select distinct project_id, call_key from live.record returning 1",
    )
    assert run("report", "standup") == before


AGE = """
update live.meeting set expires_at = now() - interval '1 second', is_outlived = true,
    received_at = received_at - interval '1 year'
where number = 1 returning 1
"""
AGAIN = (
    b'{"type": "connection", "callId": "standup", "participantId": "later", "connectionId": "later",'
    b' "connectedAt": "2026-09-01T09:00:00Z"}'
)


def test_a_meeting_that_has_passed_its_time_is_not_told_of(run, imported, tmp_path):
    """Nobody may have removed it yet."""
    again = tmp_path / "again"
    again.write_bytes(AGAIN)
    assert run("import", again).status == 0
    assert "Meeting 1" in run("report", "standup").out
    fetch(imported, AGE)
    told = run("report", "standup").out
    assert told.startswith("# Call `standup`\n\n")
    assert "later" in told
    assert "Meeting 1" not in told
    assert fetch(imported, "select number from live.meeting") == [(2,)]


@pytest.mark.parametrize("name", ["other", "call_1", "participant_1_1", "Standup"])
def test_an_unknown_call_is_told(run, imported, name):
    done = run("report", name)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"callscope: project 'default' has no call '{name}': give the platform's id of one, or the API's")


def test_a_call_of_another_project_is_unknown(run, imported):
    run("simulate", "--minutes", "0.2", "--project", "other")
    done = run("report", "--project", "other", "standup")
    assert (done.status, done.out) == (1, "")
    assert "project 'other' has no call 'standup'" in done.err


def test_an_unknown_format_is_refused(run, imported):
    done = run("report", "standup", "--format", "html")
    assert done.status == 2
    assert "--format" in done.err
