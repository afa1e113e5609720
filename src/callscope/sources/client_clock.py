"""When something happened, where a client's dump tells it by clocks that may be wrong. Pure; all times are milliseconds.

A browser has two clocks. Its *page's* is the computer's: lines are logged by it. Its *statistics'* usually runs on from when the
page was loaded, stands still while the computer sleeps, and may be hours off afterwards (w3c/webrtc-pc, issue 3123). So

* statistics are placed by the page's clock: each result is logged as it is read (``StatisticsClock``);
* a page's clock that is set during the call goes on as before (``ClientClock.correct``, ``clock_leaps``);
* and all of it is moved by what the server's clock says (``ClientClock.compare``; of Jitsi's, ``server_times``), by which the
  dumps of several clients of one conference agree with each other, too.

What is within the tolerances below, or cannot be told, stays as the client says it. Chrome's own dumps name no server and no
second clock: there, only a clock that goes back or leaps by days shows (``continuous``).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import copysign

from callscope.telemetry import EARLIEST_MS, LATEST_MS, from_milliseconds

TOLERANCE = 60_000.0
"""Of client against server: connecting may take as long."""
STEP = 2_000.0
"""Of one clock against the other: a busy page logs a result as much later than it was read."""
BAND, RATE = 1_000.0, 0.01
"""Within the band nothing is moved; beyond, drift is followed by at most one part in a hundred, so that no rate suffers."""
DAY = 86_400_000.0
"""What nobody sleeps through in a call: a page's clock that leaps as far was set."""
BEFORE_WEBRTC = 1_293_840_000_000.0
"""2011-01-01: a clock that says an earlier time than WebRTC's first year is wrong."""
STALL = 5_000.0
"""From when on repeated statistics are worth a word; two polls in a row may well tell the same."""


@dataclass(slots=True)
class ClientClock:
    """The clock of one page."""

    shift: float = 0
    """What makes the page's times the server's."""
    correction: float = 0
    """What makes its times go on as before it was last set."""
    is_fixed: bool = False
    """Whether times have been told by it already, so that it can no longer be compared."""
    is_compared: bool = False
    """Whether it is known how it compares with the server's."""
    told: list[str] = field(default_factory=list)
    """What was wrong with it, in words."""
    _says: float = 0
    """What it said last."""

    def place(self, at: float) -> float:
        """The page's time as if its clock had never been set."""
        self._says = at
        return at + self.correction

    def correct(self, amount: float) -> None:
        """From here on its times are moved by as much more."""
        self.correction += amount
        self.note_set(amount)

    def note_set(self, amount: float) -> None:
        how = "back" if amount > 0 else "ahead"
        self.told.append(f"The client's clock was set {how} by {span(amount)} in the call; its times go on as before.")

    def compare(self, client_at: float, server_at: float) -> None:
        """The same moment by the page's clock and by the server's."""
        self.is_compared = True
        if abs(server_at - client_at) > TOLERANCE:
            self.move(server_at - client_at)

    def move(self, shift: float, *, about: bool = False) -> None:
        self.is_compared = True
        if not self.is_fixed:
            self.shift = shift
            how, nearly = "ahead of" if shift < 0 else "behind", "about " if about else ""
            off = f"{nearly}{span(shift)} {how} the server's"
            self.told.append(f"The client's clock was {off}; its times are moved by as much ({shift:+.0f} ms).")

    def fix(self) -> None:
        """From here on times are told by it. With nothing to compare, a clock that was set by days is right since it was set."""
        is_plausible = BEFORE_WEBRTC <= self._says < LATEST_MS
        if not self.is_fixed and not self.is_compared and abs(self.correction) > DAY and is_plausible:
            self.shift = -self.correction
            self.told.append(f"Times before the client's clock was set are moved by as much ({self.shift:+.0f} ms).")
        self.is_fixed = True

    def aligned(self, at: float) -> float | None:
        """The server's time of what happened then; None if outside of the years that telemetry knows."""
        moved = at + self.shift
        return moved if EARLIEST_MS <= moved < LATEST_MS else None

    def instant(self, at: float | None) -> datetime | None:
        moved = None if at is None else self.aligned(at)
        return None if moved is None else from_milliseconds(moved)


@dataclass(slots=True)
class StatisticsClock:
    """The clock of one connection's statistics, against its page's."""

    page: ClientClock
    lead: float = 0
    """What makes its times the page's."""
    is_new: bool = False
    """Whether the last result cannot be compared with those before."""
    farthest: float = 0
    """Of all leads."""
    jumps: int = 0
    repeated: float = 0
    """For how long results repeated an older one, where that was worth a word."""
    _told_at: float | None = None
    _is_only: bool = False
    """Whether that was the first result."""
    _with_page: float = 0
    """Of the lead, what comes of the page's clock having been set, and theirs with it."""
    _corrected: float = 0
    """By how much the page's clock had been corrected then."""
    _at: float = 0
    _step: float = 0
    """Between the last two results."""
    _suspect: tuple[float, float] | None = None
    """By page and by statistics, the time of a result that fits none before: the next one tells whether a clock has jumped."""
    _slack: float = 0
    """By how much the last result was logged later than it should have been."""
    _fresh_at: float | None = None
    _stall: float = 0

    def read(self, told_at: float | None, logged_at: float | None) -> float | None:
        """When a result was read, by the page's clock; None where that is not known yet, or it was told before.

        ``told_at`` is the result's own time and ``logged_at`` that of its line, by the page's clock as it was.
        """
        self.is_new = False
        logged = None if logged_at is None else self.page.place(logged_at)
        if told_at is None or logged is None:
            return logged if told_at is None else told_at + self.lead
        if told_at == self._told_at:
            self.hear(logged, is_fresh=False)
            return None
        if self._suspect is not None and told_at == self._suspect[1]:
            return None
        set_by, self._corrected = self.page.correction - self._corrected, self.page.correction
        if self._told_at is None or (self._is_only and abs(logged - told_at) <= STEP):
            self._begin(logged - told_at)
        elif abs(set_by) > STEP and abs(logged - told_at - self.lead - set_by) <= STEP:
            self._go_along(self.lead + set_by)
        elif (placed := self._compare(told_at, logged, self._told_at)) is None:
            return None
        else:
            logged = placed
        self._suspect, self._slack = None, logged - told_at - self.lead
        at = told_at + self.lead
        self._is_only = self._told_at is None
        self._step = 0 if self._is_only else at - self._at
        self._told_at, self._at = told_at, at
        return at

    def expect(self, told_at: float | None) -> float | None:
        """When a result would have been logged if the page's clock had not been set; None before the first."""
        if told_at is None or self._told_at is None:
            return None
        if 0 <= told_at - self._told_at <= DAY:
            return told_at + self.lead + self._slack
        return self._at + self._slack + self._step

    def hear(self, at: float, *, is_fresh: bool) -> None:
        """A result came then, by the page's clock, and had or had not anything new."""
        if is_fresh or self._fresh_at is None:
            self.repeated += self._stall
            self._fresh_at, self._stall = at, 0
        elif at - self._fresh_at >= STALL:
            self._stall = at - self._fresh_at

    @property
    def stalled(self) -> float:
        return self.repeated + self._stall

    def _begin(self, lead: float) -> None:
        """With one result alone, another clock cannot be told from a page that was busy: the next one will tell."""
        lead = lead if abs(lead) > STEP else 0
        self._with_page = self.page.correction if abs(lead - self.page.correction) <= STEP else 0
        self.is_new = lead != self.lead
        self.lead = lead

    def _compare(self, told_at: float, logged: float, before_at: float) -> float | None:
        """When the line was logged, if its clocks go on as they did, or differ for the second time from what they did."""
        has_leapt = not -STEP <= logged - self._at <= DAY
        slack = logged - told_at - self.lead
        if not has_leapt and abs(slack) <= STEP:
            self._follow(slack, told_at - before_at)
            return logged
        before, self._suspect = self._suspect, (logged, told_at)
        if before is None or not _agree(before, self._suspect):
            return None
        if has_leapt:
            return self._unset(told_at, logged, before_at, logged - before[0])
        self.lead, self.is_new = logged - told_at - self._slack, True
        self.jumps += 1
        self.farthest = max(self.farthest, self.lead - self._with_page, key=abs)
        return logged

    def _unset(self, told_at: float, logged: float, before_at: float, since: float) -> float:
        """The page's clock was set: where statistics went on, they tell the time, and else the usual interval does."""
        went_on = 0 <= told_at - before_at <= DAY
        right = told_at + self.lead + self._slack if went_on else self._at + self._slack + self._step + since
        self.page.correct(right - logged)
        if not went_on:
            self._go_along(right - self._slack - told_at)
        return right

    def _go_along(self, lead: float) -> None:
        """Both go by the same clock, which was set."""
        self._with_page += lead - self.lead
        self.lead, self.is_new = lead, True

    def _follow(self, slack: float, elapsed: float) -> None:
        # A page that was busy once logs late once; a clock that drifts stays off.
        steady = min(abs(slack), abs(self._slack)) if slack * self._slack > 0 else 0
        if steady > BAND:
            self.lead += copysign(min(steady - BAND, max(elapsed, 0) * RATE), slack)
        self.farthest = max(self.farthest, self.lead - self._with_page, key=abs)


def _agree(before: tuple[float, float], now: tuple[float, float]) -> bool:
    passed, told = now[0] - before[0], now[1] - before[1]
    return 0 < passed <= DAY and abs(passed - told) <= STEP


def continuous(times: Sequence[float]) -> tuple[list[float], float]:
    """Times of readings in their order, going on as before where the clock is set; and by how much it was set back in all.

    Less than nothing is how much it was set ahead.
    """
    moved, back, step = list(times[:1]), 0.0, 0.0
    for time in times[1:]:
        if is_set(moved[-1], time + back):
            back = moved[-1] + step - time
        step = max(time + back - moved[-1], 0)
        moved.append(time + back)
    return moved, back


def is_set(before: float, at: float) -> bool:
    """Whether a clock that is read in order was set between two readings: back, or ahead by more than anybody sleeps."""
    return not -STEP <= at - before <= DAY


def faults(page: ClientClock, statistics: Iterable[StatisticsClock]) -> Iterator[str]:
    """What was wrong with a client's clocks, in words."""
    yield from page.told
    clocks = list(statistics)
    farthest = max((clock.farthest for clock in clocks), key=abs, default=0)
    jumps = max((clock.jumps for clock in clocks), default=0)
    off = f"up to {span(farthest)} {'behind' if farthest > 0 else 'ahead of'} its page's, by which statistics are placed"
    if jumps:
        often = "once" if jumps == 1 else f"{jumps} times"
        yield f"The clock of the client's statistics jumped {often}, as after sleep, and was {off}; those intervals are left out."
    elif abs(farthest) > STEP:
        yield f"The clock of the client's statistics was {off}."
    if stalled := max((clock.stalled for clock in clocks), default=0):
        yield f"For {span(stalled)} the client's statistics stood still and repeated their times; repetitions are left out."


def span(milliseconds: float) -> str:
    """How long, in the unit that reads best."""
    seconds = abs(milliseconds) / 1000
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
