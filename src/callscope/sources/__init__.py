"""The front doors: one pure module for each format, bytes in, telemetry records out."""

from dataclasses import dataclass


class SourceError(Exception):
    """A file is not what its source expects.

    ``line`` counts from 1; None where no line is to blame. The message says what is wrong and what would be right.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True)
class Refusal:
    """A row that is not accepted, beside others that are.

    ``line`` counts from 1, 0 for a whole file; ``code`` is stable, ``reason`` is for people.
    """

    line: int
    field: str | None
    code: str
    reason: str
