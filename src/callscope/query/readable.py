"""Which rows of a table can be read: what has passed its time is gone for readers before it is gone from the disk."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Readable:
    """Conditions on a row, as templates over ``{row}``.

    ``always`` holds of every row that is read, ``entered`` of those that no other row led to. ``aging`` is asked only while
    parts of the project's rows have passed their time, of rows that other rows did not name.
    """

    always: str | None = None
    entered: str | None = None
    aging: str | None = None

    def conditions(self, row: str, *, entered: bool, aging: bool) -> Iterator[str]:
        for template in (self.always, self.entered if entered else None, self.aging if aging else None):
            if template is not None:
                yield f"({template.format(row=row)})"


ReadableTables = Mapping[str, Mapping[str, Readable]]
"""By the name of the scope, then of the table."""

ALL = Readable()
