"""``schema``."""

import subprocess
from pathlib import Path

from callscope.telemetry import json_schema
from tests.commands.command import PROGRAM, environment

ROOT = Path(__file__).parents[2]


def test_it_prints_what_the_repository_commits(run):
    assert run("schema").out == (ROOT / "schema.graphql").read_text("utf-8")


def test_it_prints_the_json_schema_of_telemetry(run):
    printed = run("schema", "--telemetry").json
    assert printed == json_schema()
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(printed["discriminator"]["mapping"]) >= {"call", "participant", "connection", "stream", "subscriber", "samples"}


def test_it_needs_no_servers(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CALLSCOPE_DATABASE_URL", "no url")
    assert run("schema").status == 0
    assert not (tmp_path / "data").exists()


def test_a_reader_that_leaves_early_is_no_error():
    """As in ``callscope schema | head -1``."""
    command = [PROGRAM, "schema"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.read(1) == b'"'
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
