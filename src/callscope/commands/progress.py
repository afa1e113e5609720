"""A progress bar on a terminal, and silence elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Advance(Protocol):
    """Moves a bar on."""

    def __call__(self, steps: float = 1) -> None: ...


@contextmanager
def progress(text: str, total: int) -> Iterator[Advance]:
    """A bar of so many steps."""
    if not sys.stderr.isatty():
        yield lambda steps=1: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=total or None)
        yield lambda steps=1: bar.advance(task, steps)
