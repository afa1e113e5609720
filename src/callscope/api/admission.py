"""Who may send telemetry now: so many requests and bytes at once that memory and disk are bounded and readers go on reading."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from callscope.query.errors import ErrorCode, RequestError

WAIT_SECONDS = 5.0
"""How long a body that is here waits for its turn to be written."""
LATER = "try again in a moment."


class Admission:
    """Counts who is in. All that is beyond is refused at once, to come back later.

    ``requests`` may send, wait or be written at once, with ``size`` bytes of bodies together, of which ``writers`` are written.
    One body at a time may be of any size: it takes half of the room, and leaves the other to the others.
    """

    def __init__(self, *, requests: int, size: int, writers: int) -> None:
        self.requests = requests
        self.size = size
        self.in_flight = 0
        self.bytes = 0
        self.writing = 0
        self.large: Visit | None = None
        """The one whose body is larger than half of the room."""
        self._writers = asyncio.Semaphore(writers)
        self._memory = asyncio.Lock()

    @contextmanager
    def visit(self) -> Iterator["Visit"]:
        """A request that is let in; raises OVERLOADED where there is no room for one more."""
        if self.in_flight >= self.requests:
            raise RequestError(ErrorCode.OVERLOADED, f"The server takes in {self.requests} requests already: {LATER}")
        self.in_flight += 1
        visit = Visit(self)
        try:
            yield visit
        finally:
            self.in_flight -= 1
            visit.end()

    @asynccontextmanager
    async def turn(self, *, is_held: bool = False) -> AsyncIterator[None]:
        """The turn to be read and written; raises TimeoutError where those before it take too long.

        Bodies that are held in memory come one at a time, and keep nobody else waiting while they wait for each other.
        """
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(WAIT_SECONDS):
                if is_held:
                    await stack.enter_async_context(self._memory)
                await stack.enter_async_context(self._writers)
            self.writing += 1
            stack.callback(self._end)
            yield

    def _end(self) -> None:
        self.writing -= 1


class Visit:
    """The bytes of one request: those announced, or those that came where there are more of them."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._received = 0
        self.size = 0
        """As many as count: of the one large body, half of the room."""

    def announce(self, size: int) -> None:
        """Make room for so many bytes; raises OVERLOADED where there is none."""
        admission = self._admission
        if size > admission.size // 2 and admission.large is None:
            admission.large = self
        if admission.large is self:
            size = min(size, admission.size // 2)
        more = size - self.size
        if more > 0 and admission.bytes + more > admission.size:
            told = f"The server holds {admission.bytes:,} of {admission.size:,} bytes of telemetry already"
            raise RequestError(ErrorCode.OVERLOADED, f"{told}: {LATER}")
        if more > 0:
            self.size += more
            admission.bytes += more

    def take(self, size: int) -> None:
        """Count bytes that came; raises OVERLOADED where they are more than there is room for."""
        self._received += size
        self.announce(self._received)

    def end(self) -> None:
        self._admission.bytes -= self.size
        if self._admission.large is self:
            self._admission.large = None
