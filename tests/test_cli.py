"""The command's doors: verbs, options, signals, and what an error looks like."""

import asyncio
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from callscope import __version__, cli
from callscope.cli import main, parser
from callscope.commands import CommandError
from callscope.settings import Settings
from callscope.storage.embedded import EmbeddedServersUnavailable

VERBS = ("demo", "serve", "migrate", "import", "simulate", "settle", "schema", "keys")


@pytest.fixture(autouse=True)
def own_settings(monkeypatch, tmp_path):
    """A data folder that is not the user's, and SIGTERM as it was before."""
    monkeypatch.setenv("CALLSCOPE_DATA_DIR", str(tmp_path / "data"))
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def settle(monkeypatch):
    """Puts something else in the place of the verb ``settle``, and calls it."""

    def run(does, *words: str) -> int:
        monkeypatch.setattr(cli.data, "settle", does)
        return main(["settle", *words])

    return run


def failing(error: BaseException):
    def run(settings, given):
        raise error

    return run


# Words


def test_it_has_the_verbs_of_the_design():
    (verbs,) = (action.choices for action in parser()._actions if action.dest == "verb")
    assert set(verbs) >= set(VERBS)


@pytest.mark.parametrize("words", [[], *([verb] for verb in VERBS)])
def test_help_explains_every_verb(capsys, words):
    with pytest.raises(SystemExit) as left:
        main([*words, "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    if not words:
        assert all(verb in told for verb in VERBS)
    else:
        assert "--data-dir" in told


def test_it_tells_its_version(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"{__version__}\n"
    assert version("callscope") == __version__


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["dance"],
        ["import"],
        ["import", "--source", "wrong", "file"],
        ["import", "--call", "", "file"],
        ["import", "--call", "x" * 513, "file"],
        ["import", "--call", "\udcff", "file"],
        ["import", "--project", "", "file"],
        ["keys"],
        ["keys", "burn"],
        ["keys", "revoke", "first"],
        ["keys", "revoke", "0"],
        ["keys", "revoke", "99999999999999999999"],
        ["keys", "create", "--scope", "all"],
        ["keys", "create", "--name", "\udcff"],
        ["serve", "--port", "65536"],
        ["demo", "--port", "-1"],
        ["demo", "--port", "http"],
        ["simulate", "--calls", "-1"],
        ["simulate", "--participants", "0"],
        ["simulate", "--subscribers", "-1"],
        ["simulate", "--minutes", "0"],
        ["simulate", "--minutes", "nan"],
        ["simulate", "--minutes", "inf"],
        ["settle", "--data-dir"],
    ],
    ids=lambda words: " ".join(words)[:30].encode("ascii", "replace").decode(),
)
def test_words_that_it_does_not_know_are_refused_before_any_work(capsys, monkeypatch, tmp_path, words):
    monkeypatch.setattr(cli.Settings, "read", failing(AssertionError("it works")))
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("usage: callscope")


def test_the_program_is_installed_and_refuses_unknown_verbs(tmp_path):
    program = Path(sys.executable).with_name("callscope")
    done = subprocess.run([program, "dance"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "dance" in done.stderr


@pytest.mark.parametrize(("words", "folder"), [([], "from-setting"), (["--data-dir", "~/given"], "home/given")])
def test_the_data_folder_is_an_option_or_a_setting(settle, monkeypatch, tmp_path, words, folder):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CALLSCOPE_DATA_DIR", str(tmp_path / "from-setting"))
    seen: list[Settings] = []
    assert settle(lambda settings, given: seen.append(settings), *words) == 0
    assert seen[0].data_dir == tmp_path / folder


# Ends


@pytest.mark.parametrize("error", [CommandError, EmbeddedServersUnavailable])
def test_what_it_cannot_do_is_one_line_and_status_1(settle, capsys, error):
    assert settle(failing(error("no way"))) == 1
    assert capsys.readouterr().err == "callscope: no way\n"


def test_a_wrong_setting_is_one_line_and_status_1(capsys, monkeypatch):
    monkeypatch.setenv("CALLSCOPE_PORT", "http")
    assert main(["settle"]) == 1
    assert capsys.readouterr().err == "callscope: CALLSCOPE_PORT should be a whole number from 0 to 65535, not 'http'\n"


def test_a_fault_of_ours_is_not_hidden(settle):
    with pytest.raises(ZeroDivisionError):
        settle(failing(ZeroDivisionError()))


@pytest.mark.parametrize(("result", "status"), [(None, 0), (0, 0), (1, 1)])
def test_the_status_is_what_the_verb_says(settle, result, status):
    async def later(settings, given):
        return result

    assert settle(later) == status
    assert settle(lambda settings, given: result) == status


def test_an_interruption_is_status_130(settle):
    assert settle(failing(KeyboardInterrupt())) == 130


def test_sigterm_unwinds_what_is_not_asynchronous(settle):
    unwound = []

    def stopped(settings, given):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            unwound.append(True)

    with pytest.raises(SystemExit) as left:
        settle(stopped)
    assert left.value.code == 0
    assert unwound == [True]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_cancels_what_runs_and_lets_it_clean_up(settle, number, status):
    """And no exception comes out of the middle of what happens to run when the signal comes."""
    seen = []

    async def stopped(settings, given):
        os.kill(os.getpid(), number)
        while len(seen) < 1000:
            seen.append("undisturbed")
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned up")

    assert settle(stopped) == status
    assert seen == ["undisturbed"] * 1000 + ["cleaned up"]
    assert signal.getsignal(signal.SIGTERM) is cli._stop


def test_a_cancellation_that_no_signal_asked_for_is_a_fault(settle):
    async def cancelled(settings, given):
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        settle(cancelled)


def test_a_reader_that_leaves_early_is_no_error(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert main(["schema"]) == 0
        monkeypatch.undo()
