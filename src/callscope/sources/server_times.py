"""How the clock of one of Jitsi's clients compares with the server's. All times are milliseconds."""

from dataclasses import dataclass

from callscope.sources.client_clock import BEFORE_WEBRTC, DAY, TOLERANCE, ClientClock, span
from callscope.telemetry import from_milliseconds

CREDENTIALS = 86_400_000.0
"""How long TURN credentials of Jitsi are good for, unless it is configured otherwise."""
LONGEST_CREDENTIALS = 31 * CREDENTIALS
"""With nothing else to compare, a difference beyond is no matter of configuration."""


@dataclass(slots=True)
class ServerTimes:
    """What a dump tells of the server's time.

    The server dates ``connectionInfo`` with the first that it hears of a client (jitsi/rtcstats-server, demux.js): that is
    ``identity``, which the client dates. But it dates it anew when it is fed the dump again, months later. So a client that seems
    to be behind is so only if its TURN credentials say the same: their user name is when they expire, by default a day after the
    server gave them out, and no connection can have used them before. Without credentials, less than a day is the client's.
    """

    connected_at: float | None = None
    """By the server's clock."""
    identified_at: float | None = None
    """The same, by the client's."""
    credentials: tuple[float, float] | None = None
    """When a connection was created, by the client's clock, and when its credentials expire, by the server's."""
    first_at: float | None = None
    last_at: float | None = None
    """From when to when the client's lines run."""

    def see(self, at: float) -> None:
        self.first_at = at if self.first_at is None else min(self.first_at, at)
        self.last_at = at if self.last_at is None else max(self.last_at, at)

    def set(self, clock: ClientClock) -> None:
        """Move the client's clock as far as can be told."""
        shift = self._difference()
        # Credentials alone do not tell how long before they were given out, nor for how long they are good.
        by_credentials = 0.0 if self.credentials is None else self.credentials[1] - CREDENTIALS - self.credentials[0]
        if shift is not None and abs(shift) <= TOLERANCE:
            clock.is_compared = True
            return
        if shift is not None and self._is_clients_fault(shift):
            clock.move(shift)
        elif abs(by_credentials) > LONGEST_CREDENTIALS:
            clock.move(by_credentials, about=True)
        elif shift is not None and shift > DAY and self.connected_at is not None:
            is_proved = self.credentials is not None and self._fits(0, CREDENTIALS)
            clock.is_compared = is_proved
            proof = ", as its TURN credentials confirm" if is_proved else ""
            clock.told.append(
                f"The server's record of the client's connecting is dated {from_milliseconds(self.connected_at).isoformat()}, "
                f"{span(shift)} later than the client's: it was written when the dump was processed again. The client's times "
                f"stand{proof}."
            )

    def _is_clients_fault(self, shift: float) -> bool:
        """A server cannot have dated its record before; if it is later, credentials tell, or else how much."""
        could_be_behind = shift <= DAY if self.credentials is None else not self._fits(0, CREDENTIALS)
        could_be_behind |= self.identified_at is not None and self.identified_at < BEFORE_WEBRTC
        return self._fits(shift, LONGEST_CREDENTIALS) and (shift < 0 or could_be_behind)

    def _difference(self) -> float | None:
        if self.connected_at is None or self.identified_at is None or self.first_at is None or self.last_at is None:
            return None
        is_clients = self.first_at - TOLERANCE <= self.identified_at <= self.last_at + TOLERANCE
        return self.connected_at - self.identified_at if is_clients else None

    def _fits(self, shift: float, lifetime: float) -> bool:
        """Whether credentials would have been used while they were good, if the client's times are so moved."""
        if self.credentials is None:
            return True
        created_at, expire_at = self.credentials
        return -lifetime - TOLERANCE <= created_at + shift - expire_at <= TOLERANCE
