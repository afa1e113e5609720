"""The front doors: one pure module for each foreign format, bytes in, telemetry records out."""


class SourceError(Exception):
    """A file is not what its source expects.

    ``line`` counts from 1; None where no line is to blame. The message says what is wrong and what would be right.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
