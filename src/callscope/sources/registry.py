"""The sources by name, and how a file says which one it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from callscope.sources import Refusal, acs, native, rtcstats, vonage, webrtc_internals
from callscope.telemetry import Telemetry

HEAD_BYTES = 4096


class Read(Protocol):
    def __call__(self, file: BinaryIO, *, call_id: str | None = None) -> Iterator[Telemetry | Refusal]: ...


@dataclass(frozen=True)
class Source:
    """A format: how to read it, and whether the first bytes of a file look like it."""

    name: str
    read: Read
    recognises: Callable[[bytes], bool]
    is_held: bool = False
    """Whether a file has to be in memory as a whole to be read; of such, a server reads one at a time."""


NATIVE = Source("callscope", native.read, native.recognises)
# The native format comes last: it takes whatever looks like JSON objects.
SOURCES = {
    source.name: source
    for source in (
        Source("rtcstats", rtcstats.read, rtcstats.recognises),
        Source("webrtc-internals", webrtc_internals.read, webrtc_internals.recognises, is_held=True),
        Source("acs", acs.read, acs.recognises),
        Source("vonage", vonage.read, vonage.recognises),
        NATIVE,
    )
}


def recognise(head: bytes) -> Source | None:
    """The source that a file is of, by its first bytes; None where it is of none."""
    return next((source for source in SOURCES.values() if source.recognises(head)), None)


def misnamed(source: Source, head: bytes) -> Source | None:
    """The source that a file seems to be of, by its first bytes, where it is not the one that was named.

    What begins with any JSON object seems to be of none in particular.
    """
    seeming = recognise(head)
    is_told = seeming is not None and seeming is not NATIVE
    return seeming if is_told and (source is NATIVE or not source.recognises(head)) else None
