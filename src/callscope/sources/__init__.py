"""The front doors: one pure module for each format, bytes in, telemetry records out."""

from dataclasses import dataclass

from callscope.sources.refusal_codes import RefusalCode


class SourceError(Exception):
    """A file is not what its source expects.

    ``line`` counts from 1; None where no line is to blame. The message says what is wrong and what would be right.
    """

    def __init__(self, reason: str, line: int | None = None, code: RefusalCode = RefusalCode.SOURCE_INVALID) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.code = code

    @property
    def refusal(self) -> "Refusal":
        """The whole file as one row that is not accepted."""
        return Refusal(self.line or 0, None, self.code, self.reason)


def in_row(reason: str, number: int | None) -> str:
    """A reason with the number of its row, from 1, where rows may share a line."""
    return reason if number is None else f"{reason} (row {number})"


@dataclass(frozen=True)
class Refusal:
    """A row that is not accepted, beside others that are.

    ``line`` counts from 1, 0 for a whole file; ``code`` is one of RefusalCode, whatever a validator calls it; ``reason`` is for
    people.
    """

    line: int
    field: str | None
    code: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", RefusalCode(self.code))
