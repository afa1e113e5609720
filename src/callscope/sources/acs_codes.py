"""What the end of a participant's connection means: its code, subcode and category (knowledge/acs.md, 3 and 7)."""

from dataclasses import dataclass

from callscope.telemetry import Failure

CATEGORIES = {
    "success": "Success",
    "expectederror": "ExpectedError",
    "expectedclienterror": "ExpectedError",
    "unexpectedclienterror": "UnexpectedClientError",
    "unxpectedclienterror": "UnexpectedClientError",
    "unexpectedservererror": "UnexpectedServerError",
}
"""Result categories as the documentation spells and misspells them."""

UNGRACEFUL = frozenset(
    {380, 400, 407, 408, 409, 410, 412, 417, 430, 439, 440, 481, 483, 488, 489, 493, 500, 502, 503, 504, 580}
)  # fmt: skip
"""End reasons by which Azure's Call Diagnostics (the query "Search calls by keyword") counts a participant as dropped."""

NEVER_CONNECTED = frozenset({401, 403, 404, 480, 486, 487, 603})
"""End reasons of those who were refused, not reached, not answered, or gave up before."""
SETUP_SUBCODES = frozenset(
    {
        3100, 3111, 3112, 4507, 5003, 5828, 5829, 5830, 10003, 10004, 10009, 10024, 10037, 10057, 10076, 10077, 10078, 41048,
        301004, 510403, 540487, 560486,
    }
)  # fmt: skip
"""Subcodes of what goes wrong, or is called off, before media flow."""


@dataclass(frozen=True)
class Ending:
    """How a connection ended. Without a category, the code says whether it was expected."""

    code: int | None = None
    subcode: int | None = None
    category: str | None = None

    @property
    def reason(self) -> str | None:
        """The category in its proper spelling."""
        return None if self.category is None else CATEGORIES.get(self.category.lower(), self.category)

    @property
    def is_unexpected(self) -> bool:
        if self.reason is not None:
            return self.reason.startswith("Unexpected")
        return self.code in UNGRACEFUL

    @property
    def was_connected(self) -> bool:
        return self.code not in NEVER_CONNECTED and self.subcode not in SETUP_SUBCODES

    @property
    def failure(self) -> Failure | None:
        """Only what nobody expected is an error of the connection; the codes of other ends stand in its event."""
        if not self.is_unexpected or self.code is self.subcode is None:
            return None
        return Failure(code=self.code, subcode=self.subcode)
