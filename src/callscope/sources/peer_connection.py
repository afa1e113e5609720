"""The life of one RTCPeerConnection, told by the events of its page. Times are milliseconds since the Unix epoch."""

from dataclasses import dataclass, field

from callscope.sources.client_clock import ClientClock
from callscope.sources.webrtc_counters import Path
from callscope.telemetry import ConnectionRecord, Failure, Network

CONNECTED = frozenset({"connected", "completed"})


@dataclass(slots=True)
class PeerConnection:
    """Collects what happened, in any order; ``ending`` and ``record`` judge it by time."""

    created_at: float | None = None
    first_at: float | None = None
    last_at: float | None = None
    close_at: float | None = None
    path: Path | None = None
    is_up: bool = False
    """Whether it is connected, as far as heard."""
    _states: list[tuple[float, str]] = field(default_factory=list)
    _ice_states: list[tuple[float, str]] = field(default_factory=list)

    def hear(self, name: str, value: object, at: float) -> None:
        """One event of this peer connection: its name in the words of the W3C API, and its value."""
        self.first_at = at if self.first_at is None else min(self.first_at, at)
        self.last_at = at if self.last_at is None else max(self.last_at, at)
        if name == "create":
            self.created_at = at
        state = value if isinstance(value, str) else ""
        if name == "close" or (name == "onconnectionstatechange" and state == "closed"):
            self.close_at = at
            self.is_up = False
        elif name == "onconnectionstatechange":
            self._states.append((at, state))
            self.is_up = state in CONNECTED
        elif name == "oniceconnectionstatechange":
            self._ice_states.append((at, state))
            self.is_up = self.is_up if self._states else state in CONNECTED

    @property
    def states(self) -> list[tuple[float, str]]:
        """Connection states by time; ICE states where the browser has no others."""
        return sorted(self._states or self._ice_states, key=lambda state: state[0])

    @property
    def connected_at(self) -> float | None:
        return next((at for at, state in self.states if state in CONNECTED), None)

    @property
    def failed_at(self) -> float | None:
        """When it failed for good."""
        failed_at = None
        for at, state in self.states:
            if state == "failed":
                failed_at = at if failed_at is None else failed_at
            elif state in CONNECTED:
                failed_at = None
        return failed_at

    @property
    def ending(self) -> tuple[float | None, str]:
        """When it ended and why. A dump that ends before is taken for the end of all that was still going on in it."""
        failed_at = self.failed_at
        if failed_at is not None and (self.close_at is None or failed_at <= self.close_at):
            return failed_at, "failed"
        if self.close_at is not None:
            return self.close_at, "closed"
        is_lost = bool(self.states) and self.states[-1][1] == "disconnected"
        return self.last_at, "disconnected" if is_lost else "dump ended"

    def record(self, call_id: str, connection_id: str, participant_id: str, clock: ClientClock) -> ConnectionRecord:
        connected_at, failed_at = self.connected_at, self.failed_at
        closed_at, reason = self.ending
        attempted_at = self.first_at if self.created_at is None else self.created_at
        return ConnectionRecord(
            call_id=call_id,
            connection_id=connection_id,
            participant_id=participant_id,
            attempted_at=clock.instant(attempted_at),
            connected_at=clock.instant(connected_at),
            failed_at=clock.instant(failed_at) if connected_at is None else None,
            closed_at=clock.instant(closed_at),
            close_reason=reason,
            error=None if failed_at is None else Failure(message=self._failure()),
            network=_network(self.path),
        )

    def _failure(self) -> str:
        ice = max(self._ice_states, key=lambda state: state[0], default=(0, ""))[1]
        if ice not in CONNECTED:
            return "ICE failed"
        # With a path found, connecting can fail in the handshake alone.
        return "DTLS failed" if self.connected_at is None else "Connection failed"


def _network(path: Path | None) -> Network | None:
    if path is None:
        return None
    return Network(
        type=path.network,
        transport=path.transport,
        local_candidate_type=path.local_type,
        remote_candidate_type=path.remote_type,
    )
