"""When participants were connected and published: to say what an event concerns that names only some of it. Times are in ms."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence

from callscope.analysis.rows import Catalog, Connection, Stream
from callscope.analysis.tracks import milliseconds
from callscope.vocabulary import Media, StreamSource


class Presence:
    """The connections and streams of a call by participant and time."""

    def __init__(self, catalog: Catalog) -> None:
        self._connections = catalog.connections
        self._attempts: dict[int, list[tuple[float, int]]] = defaultdict(list)
        self._streams: dict[int, list[Stream]] = defaultdict(list)
        for key, connection in catalog.connections.items():
            self._attempts[connection.participant_key].append((milliseconds(connection.attempted_at), key))
        for attempts in self._attempts.values():
            attempts.sort()
        for stream in catalog.streams.values():
            self._streams[stream.connection_key].append(stream)

    def connection(self, connection_key: int | None, participant_key: int | None, at: float) -> Connection | None:
        """The connection that is named, else the one that the participant attempted last before a time."""
        if connection_key is not None:
            return self._connections.get(connection_key)
        attempts = self._attempts.get(participant_key, []) if participant_key is not None else []
        place = bisect_right(attempts, at, key=lambda attempt: attempt[0]) - 1
        return self._connections[attempts[place][1]] if place >= 0 else None

    def ended_at(self, connection_key: int | None) -> float | None:
        """When a connection ended, if that was told."""
        connection = self._connections.get(connection_key) if connection_key is not None else None
        ended = connection.disconnected_at if connection is not None else None
        return milliseconds(ended) if ended is not None else None

    def stream(self, connection_key: int | None, media: Media | None, at: float) -> int | None:
        """The one stream with such media that the connection published at a time; None where it is not the only one."""
        streams: Sequence[Stream] = self._streams.get(connection_key, ()) if connection_key is not None else ()
        found = [stream.stream_key for stream in streams if _carries(stream, media) and _lasts(stream, at)]
        return found[0] if len(found) == 1 else None


def _carries(stream: Stream, media: Media | None) -> bool:
    is_screen = stream.source == StreamSource.SCREEN
    if media is Media.AUDIO:
        return stream.has_audio
    return stream.has_video and (is_screen if media is Media.SCREEN else media is Media.VIDEO and not is_screen)


def _lasts(stream: Stream, at: float) -> bool:
    if stream.published_at is None or milliseconds(stream.published_at) > at:
        return False
    return stream.unpublished_at is None or milliseconds(stream.unpublished_at) >= at


def bursts(times: Sequence[float], least: int, window: float) -> list[tuple[float, float, int]]:
    """Where ``least`` or more of some ordered times lie within ``window`` ms: the first, the last, and the most in one window.

    Those that share a time are one.
    """
    found: list[tuple[int, int, int]] = []
    first = 0
    for place, at in enumerate(times):
        while at - times[first] > window:
            first += 1
        count = place - first + 1
        if count < max(least, 1):
            continue
        if found and first <= found[-1][1]:
            start, _, most = found.pop()
            found.append((start, place, max(most, count)))
        else:
            found.append((first, place, count))
    return [(times[start], times[last], most) for start, last, most in found]
