"""Stretches of a stream that events tell of: where nothing is expected of it, and where its quality was lowered and why.

Of what is told for one instant, the mute stands, and of two reasons the one that comes later in ``REASONS``. What is never said
to be over lasts until the stream or its connection ended, or still.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import NamedTuple

from callscope.analysis.diagnostics import GOOD, EventRow, noticed
from callscope.analysis.presence import Presence
from callscope.analysis.rows import Catalog
from callscope.analysis.tracks import Stretch, Subject, milliseconds
from callscope.sources.acs_values import first
from callscope.vocabulary import Direction, EventCategory, Media, Outcome

MICROPHONE, CAMERA, SCREEN = frozenset({Media.AUDIO}), frozenset({Media.VIDEO}), frozenset({Media.SCREEN})
EVERYTHING = MICROPHONE | CAMERA | SCREEN
HOLD = "hold"

PAUSES: Mapping[str, tuple[frozenset[Media], bool]] = {
    # Azure
    "mute": (MICROPHONE, True),
    "unmute": (MICROPHONE, False),
    "mutemicrophone": (MICROPHONE, True),
    "unmutemicrophone": (MICROPHONE, False),
    "stopvideo": (CAMERA, True),
    "startvideo": (CAMERA, False),
    "stopscreensharing": (SCREEN, True),
    "startscreensharing": (SCREEN, False),
    "hold": (EVERYTHING, True),
    "resume": (EVERYTHING, False),
    # Vonage
    "publishaudiodisabled": (MICROPHONE, True),
    "publishaudioenabled": (MICROPHONE, False),
    "publishvideodisabled": (CAMERA, True),
    "publishvideoenabled": (CAMERA, False),
    # Jitsi
    "trackmuted": (MICROPHONE, True),
    "trackunmuted": (MICROPHONE, False),
    # Statistics of WebRTC
    "senderpaused": (MICROPHONE, True),
    "senderresumed": (MICROPHONE, False),
}
"""What events of a name switch off or on again; a payload that names the media has the last word."""
FLAGS: Mapping[str, tuple[frozenset[Media], tuple[str, ...]]] = {
    "ismuted-changed": (MICROPHONE, ("isMuted", "value", "newValue")),
    "audiomutedchanged": (MICROPHONE, ("muted",)),
    "videomutedchanged": (CAMERA, ("muted",)),
    "screensharetoggled": (SCREEN, ("muted",)),
}
"""Events whose payload says under one of these names whether something is off."""
MUTED = frozenset({"microphoneMuteUnexpectedly", "speakingWhileMicrophoneIsMuted"})
"""Diagnostics while which the microphone is muted: by the system, or by one who speaks nevertheless."""
LIMITATION_NAME = "qualitylimitationreason"
REASONS = ("none", "other", "bandwidth", "cpu")
NAMES = frozenset({*PAUSES, *FLAGS, LIMITATION_NAME})
"""In lower case, the events that are looked at beside diagnostics."""

_MEDIA = {"audio": MICROPHONE, "microphone": MICROPHONE, "video": CAMERA, "camera": CAMERA, "screen": SCREEN, "desktop": SCREEN}


class Owner(NamedTuple):
    """What a pause is of: one stream, or all of a participant; ``cause`` keeps apart what can be off for several causes."""

    participant_key: int | None
    stream_key: int | None
    media: Media
    cause: str


class Limitation(NamedTuple):
    """Why a stream was sent worse than it might: ``cpu``, ``bandwidth`` or ``other``."""

    reason: str
    stretch: Stretch


class Pauses:
    """Where nothing is expected of media that were muted, paused or switched off."""

    def __init__(self, events: Iterable[EventRow], catalog: Catalog) -> None:
        self._publishers = {key: stream.participant_key for key, stream in catalog.streams.items()}
        self._found: dict[tuple[int | None, int | None, Media], list[Stretch]] = defaultdict(list)
        self._held: dict[int | None, list[Stretch]] = defaultdict(list)
        self._muted: dict[tuple[int | None, int | None], list[Stretch]] = defaultdict(list)
        presence = Presence(catalog)
        told: dict[Owner, dict[float, tuple[bool, float | None]]] = defaultdict(dict)
        for event in events:
            for owner, is_off in self._read(event):
                state = (is_off, self._end(event, catalog, presence))
                told[owner][event.at] = max(told[owner].get(event.at, state), state, key=_weight)
        for owner, states in told.items():
            for stretch in _stretches(states):
                self._found[owner.participant_key, owner.stream_key, owner.media].append(stretch)
                if owner.cause == HOLD:
                    self._held[owner.participant_key].append(stretch)
                elif owner.media is Media.AUDIO:
                    self._muted[owner.participant_key, owner.stream_key].append(stretch)

    def of(self, subject: Subject) -> list[Stretch]:
        """Those of a subject, in order of time: of what it sends itself, or of the stream that it receives."""
        media = Media.SCREEN if subject.is_screen else subject.media
        who = subject.participant_key
        found: list[Stretch] = []
        if subject.direction is not Direction.PUBLISH:
            found += self._held.get(who, ())
            who = self._publishers.get(subject.stream_key, who) if subject.stream_key is not None else who
        if subject.direction is not Direction.SUBSCRIBE or subject.stream_key is not None:
            found += self._found.get((who, None, media), ())
            if subject.stream_key is not None:
                found += self._found.get((who, subject.stream_key, media), ())
        return sorted(set(found), key=lambda one: (one.start, one.end is None, one.end or 0.0))

    def muted(self, subject: Subject) -> list[Stretch]:
        """When the microphone of what a subject sends was muted, by hand or by the system."""
        if subject.media is not Media.AUDIO or subject.direction is not Direction.PUBLISH:
            return []
        who = subject.participant_key
        return [
            *self._muted.get((who, None), ()),
            *(self._muted.get((who, subject.stream_key), ()) if subject.stream_key else ()),
        ]

    def _read(self, event: EventRow) -> Iterable[tuple[Owner, bool]]:
        told = _switched(event)
        if told is None:
            return
        media, is_off, cause = told
        named = first(event.payload, "media", "mediaType")
        if not cause and isinstance(named, str):
            media = _MEDIA.get(named.lower(), media)
        participant = event.participant_key
        if event.stream_key is not None:
            participant = self._publishers.get(event.stream_key, participant)
        for one in media:
            yield Owner(participant, event.stream_key, one, cause), is_off

    @staticmethod
    def _end(event: EventRow, catalog: Catalog, presence: Presence) -> float | None:
        stream = catalog.streams.get(event.stream_key) if event.stream_key is not None else None
        if stream is not None and stream.unpublished_at is not None:
            return milliseconds(stream.unpublished_at)
        connection = presence.connection(event.connection_key, event.participant_key, event.at)
        return presence.ended_at(connection.connection_key) if connection is not None else None


def _switched(event: EventRow) -> tuple[frozenset[Media], bool, str] | None:
    """What an event says is off or on, with the cause if it is one that others do not undo."""
    if event.category == EventCategory.DIAGNOSTIC:
        diagnostic, badness = noticed(event)
        return (MICROPHONE, badness > GOOD, diagnostic) if diagnostic in MUTED else None
    name = event.name.lower()
    if event.outcome == Outcome.FAILED:
        return None
    if name in FLAGS:
        media, keys = FLAGS[name]
        said = first(event.payload, *keys)
        said = first(first(event.payload, "operationPayload"), *keys) if said is None else said
        return (media, said, "") if isinstance(said, bool) else None
    if name in PAUSES:
        media, is_off = PAUSES[name]
        return media, is_off, HOLD if media is EVERYTHING else ""
    return None


def _weight(state: tuple[bool, float | None]) -> tuple[bool, bool, float]:
    is_off, end = state
    return is_off, end is None, end or 0.0


def limitations(events: Iterable[EventRow], catalog: Catalog) -> dict[int, list[Limitation]]:
    """Why and when quality was lowered, by stream, in order of time."""
    told: dict[int, dict[float, str]] = defaultdict(dict)
    for event in events:
        if event.stream_key is None or event.name.lower() != LIMITATION_NAME:
            continue
        said = first(event.payload, "reason", "value")
        reason = said.lower() if isinstance(said, str) else "none"
        reason = reason if reason in REASONS else "other"
        told[event.stream_key][event.at] = max(told[event.stream_key].get(event.at, "none"), reason, key=REASONS.index)
    found: dict[int, list[Limitation]] = {}
    for key, states in told.items():
        stream = catalog.streams.get(key)
        ended = milliseconds(stream.unpublished_at) if stream is not None and stream.unpublished_at is not None else None
        found[key] = list(_limitations(states, ended))
    return {key: stretches for key, stretches in found.items() if stretches}


def _limitations(states: Mapping[float, str], ended: float | None) -> Iterable[Limitation]:
    started, reason = 0.0, "none"
    for at, told in sorted(states.items(), key=itemgetter(0)):
        if told == reason:
            continue
        if reason != "none":
            yield Limitation(reason, Stretch(started, at))
        started, reason = at, told
    if reason != "none":
        yield Limitation(reason, Stretch(started, None if ended is None else max(ended, started)))


def _stretches(states: Mapping[float, tuple[bool, float | None]]) -> Iterable[Stretch]:
    started: float | None = None
    bound: float | None = None
    for at, (is_off, end) in sorted(states.items(), key=itemgetter(0)):
        if started is not None and bound is not None and bound < at:
            # What it was of had ended before.
            yield Stretch(started, max(bound, started))
            started = None
        if is_off and started is None:
            started, bound = at, end
        elif not is_off and started is not None:
            yield Stretch(started, at)
            started = None
    if started is not None:
        yield Stretch(started, None if bound is None else max(bound, started))
