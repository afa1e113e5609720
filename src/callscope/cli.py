"""The command ``callscope``."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, cast

from callscope import __version__
from callscope.commands import CommandError, data, export, keys, report, retention, schema, server
from callscope.commands.options import instant, metrics, number, text
from callscope.settings import Settings, SettingsError
from callscope.sources.registry import SOURCES
from callscope.storage.embedded import EmbeddedServersUnavailable

uvloop: Any = None
with suppress(ImportError):  # there is none for Windows
    import uvloop


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    top = argparse.ArgumentParser(prog="callscope", description="The inspector API for real-time audio and video calls.")
    top.add_argument("--version", action="version", version=__version__)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Callable[[Settings, argparse.Namespace], Any], purpose: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=purpose, description=purpose)
        made.set_defaults(run=run)
        made.add_argument("--data-dir", type=Path, help="folder of Callscope's own servers (CALLSCOPE_DATA_DIR)")
        return made

    demo = verb("demo", server.demo, "Run servers of its own, fill them with simulated calls, and serve.")
    serve = verb("serve", server.serve, "Serve the API on a migrated database.")
    for served in (demo, serve):
        served.add_argument("--host", help="address to listen on (CALLSCOPE_HOST, default 127.0.0.1)")
        served.add_argument("--port", type=number(int, 0, 65_535), help="port to listen on (CALLSCOPE_PORT, default 8000)")
    verb("migrate", data.migrate_database, "Bring the database's tables up to date.")
    imported = verb("import", data.import_files, "Import telemetry from files.")
    imported.add_argument("--source", choices=list(SOURCES), help="format of the files; recognised where left out")
    imported.add_argument("--call", type=text, metavar="ID", help="the call that they belong to, whichever they name")
    imported.add_argument("--json", action="store_true", help="print what became of the files as JSON")
    imported.add_argument("files", nargs="+", type=Path, metavar="FILE")
    exported = verb("export", export.export, "Write a call's telemetry as NDJSON, which 'import' reads.")
    exported.add_argument("--output", type=Path, metavar="FILE", help="where to, instead of standard output; packed if named .gz")
    exported.add_argument(
        "call", type=text, metavar="CALL", help="the platform's id of the call, or the API's (call_…, session_…)"
    )
    reported = verb("report", report.report, "Say what happened in a call, for whom, why, and what to do next.")
    formats = ["markdown", "digest"]
    reported.add_argument("--format", choices=formats, default="markdown", help="for a person, or for a language model")
    reported.add_argument("call", type=text, metavar="CALL", help="the platform's id of the call, or the API's (call_…)")
    simulated = verb("simulate", data.simulate, "Make calls that never were.")
    many = number(int, 0, 1_000_000)
    simulated.add_argument("--calls", type=many, help="so many modest calls over two weeks, instead of one")
    some = number(int, 1, 1_000_000)
    simulated.add_argument("--participants", type=some, help="who publish and receive (default 2, before a large audience 1)")
    receive = f"who only receive (default 0); more than {data.LARGE} are a large audience, who come and go, and networks fail"
    simulated.add_argument("--subscribers", type=many, help=receive)
    simulated.add_argument("--minutes", type=number(float, 0.1, 10_000.0), help="length of the call (default 10)")
    measure = f"what clients report: 'all', or MEDIA/METRIC,… (default all, before a large audience {data.LARGE_METRICS})"
    simulated.add_argument("--metrics", type=metrics, metavar="LIST", help=measure)
    simulated.add_argument("--start", type=instant, metavar="TIME", help="when the call starts, RFC 3339 (default: it ends now)")
    simulated.add_argument("--seed", type=int, default=1, help="the same seed and start make the same calls (default 1)")
    verb("settle", data.settle, "Derive meetings and statistics of calls whose telemetry changed.")
    erased = _keeping(verb)
    printed = verb("schema", schema.print_schema, "Print the GraphQL schema.")
    printed.add_argument("--telemetry", action="store_true", help="print the JSON Schema of telemetry instead")
    managed = verb("keys", keys.manage, "Create, list and revoke keys.")
    managed.add_argument("action", choices=["create", "list", "revoke"])
    managed.add_argument("number", nargs="?", type=number(int, 1, 2**63 - 1), help="number of the key to revoke")
    managed.add_argument("--name", type=text, help="what the key is for")
    managed.add_argument(
        "--scope", action="append", choices=["read", "write", "ingest", "erase"], help="what it opens (default: all but erase)"
    )
    managed.add_argument("--json", action="store_true", help="print JSON")
    for worked in (demo, imported, exported, reported, erased, simulated, managed):
        worked.add_argument("--project", type=text, default="default", help="the project (tenant) to work on (default: default)")
    return top


def _keeping(verb: Callable[..., argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verbs of what is kept and for how long; the one that works on a project is returned."""
    maintained = verb("maintain", retention.maintain_now, "Remove what has passed its time from the disk.")
    maintained.add_argument("--json", action="store_true", help="print what was removed as JSON")
    erased = verb("erase", retention.erase_participant, "Take a participant out of all that was told of calls, live and saved.")
    erased.add_argument("--participant", type=text, required=True, metavar="ID", help="the platform's id, or the API's")
    erased.add_argument("--call", type=text, metavar="CALL", help="from this call alone, by the platform's id or the API's")
    erased.add_argument("--json", action="store_true", help="print what was erased as JSON")
    return erased


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    given = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        settings = Settings.read()
        if given.data_dir is not None:
            settings = replace(settings, data_dir=given.data_dir.expanduser())
        result = given.run(settings, given)
        return int((_run(result) if asyncio.iscoroutine(result) else result) or 0)
    except (CommandError, SettingsError, EmbeddedServersUnavailable) as error:
        print(f"callscope: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has left; nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(result: Coroutine[Any, Any, int | None]) -> int | None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop is not None else None) as runner:
        return runner.run(_stoppable(result))


async def _stoppable(result: Coroutine[Any, Any, int | None]) -> int | None:
    """What a verb does; SIGTERM cancels it, as Ctrl-C does, and is no failure.

    It must not raise an exception wherever it comes: in the middle of the database's protocol that would hang for good.
    """
    loop, task = asyncio.get_running_loop(), cast("asyncio.Task[Any]", asyncio.current_task())
    is_stopped = False

    def stop(number: int, frame: object) -> None:
        nonlocal is_stopped
        is_stopped = True
        loop.call_soon_threadsafe(task.cancel)

    signal.signal(signal.SIGTERM, stop)
    try:
        return await result
    except asyncio.CancelledError:
        if not is_stopped:
            raise
        return 0
    finally:
        signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame: object) -> NoReturn:
    """SIGTERM unwinds like an error where nothing runs asynchronously."""
    raise SystemExit(0)
