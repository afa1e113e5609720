"""What a failing database becomes for a client: try again, ask for less, or an internal error without its inside."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from callscope.query.errors import TOO_LONG, ErrorCode, RequestError

log = logging.getLogger(__name__)

INTERNAL = "An internal error occurred; it has been logged."
GONE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.LockNotAvailableError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns the database's errors into request errors; what happened goes to the log."""
    try:
        yield
    except asyncpg.QueryCanceledError as error:
        raise RequestError(ErrorCode.TIMEOUT, TOO_LONG) from error
    except GONE as error:
        log.warning("the database does not answer: %r", error)
        raise RequestError(ErrorCode.OVERLOADED, "The database does not answer just now: try again in a moment.") from error
    except asyncpg.PostgresError as error:
        log.exception("a statement failed")
        raise RequestError(ErrorCode.INTERNAL, INTERNAL) from error
