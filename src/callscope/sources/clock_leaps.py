"""Where the clock of a page leaps in the middle of its log: by days, or back by more than lines ever are out of order.

That happens when a computer that woke up with a wrong time hears of the right one. What is logged behind a leap waits until it is
clear how much time had passed: statistics that come next tell, since they are read at a steady pace. An entry alone that is far
off is no leap.
"""

from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

from callscope.sources.client_clock import DAY, STEP, TOLERANCE, ClientClock

Entry = TypeVar("Entry")
Expect = Callable[[], float | None]

MAX_HELD = 1_000
LONGEST = 120_000.0
"""Milliseconds for which entries wait for statistics: pages poll every one to sixty seconds."""


class Dated(NamedTuple, Generic[Entry]):
    """An entry of a log, and when it was made by the page's clock as it was, milliseconds."""

    entry: Entry
    at: float


class Leaps(Generic[Entry]):
    """Hands entries on in their order, and corrects the clock before those that were made after it had leapt."""

    def __init__(self, clock: ClientClock) -> None:
        self._clock = clock
        self._last: float | None = None
        """The time of the entry before, by the clock as it was at first."""
        self._held: list[Dated[Entry]] = []

    def take(self, entry: Entry, at: float, expect: Expect = lambda: None) -> Iterator[Dated[Entry]]:
        """What can be handed on by now.

        ``expect`` tells when an entry was made if the clock had gone on as before, where something else does.
        """
        placed = self._clock.place(at)
        if self._last is None or not has_leapt(self._last, placed):
            yield from self._strays()
            self._last = placed if self._last is None else max(self._last, placed)
            yield Dated(entry, at)
            return
        if self._held and has_leapt(self._held[-1].at, at):
            yield from self.rest()
            yield from self.take(entry, at, expect)
            return
        self._held.append(Dated(entry, at))
        expected = expect()
        if expected is not None:
            yield from self._resume(expected - placed)
        elif len(self._held) >= MAX_HELD or at - self._held[0].at > LONGEST:
            yield from self.rest()

    def rest(self) -> Iterator[Dated[Entry]]:
        """What is held, with nothing to tell for how long it was not heard of: for no time at all."""
        if len(self._held) < 2 or self._last is None:
            yield from self._strays()
        else:
            yield from self._resume(self._last - self._clock.place(self._held[0].at))

    def _resume(self, amount: float) -> Iterator[Dated[Entry]]:
        if abs(amount) > STEP:
            self._clock.correct(amount)
        held, self._held = self._held, []
        self._last = max(self._clock.place(one.at) for one in held)
        yield from held

    def _strays(self) -> Iterator[Dated[Entry]]:
        """Entries that are far off alone are as old as the one before them."""
        held, self._held = self._held, []
        for entry, at in held:
            yield Dated(entry, at - self._clock.place(at) + (self._last or 0))


def has_leapt(before: float, at: float) -> bool:
    """Whether a clock by which a log is written leapt between two entries, more than entries are ever out of order."""
    return not -TOLERANCE <= at - before <= DAY
