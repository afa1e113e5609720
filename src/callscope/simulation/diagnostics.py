"""What clients tell about faults on their side: user facing diagnostics, mutes, and why quality was lowered.

The names are those of ACS. All platforms report devices and relays under them here; the network's quality only ACS clients rate.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from callscope.simulation.plan import STRENGTHS, FaultKind, Window
from callscope.simulation.platforms import WORDS
from callscope.simulation.timeline import Publication, Timeline, Visit
from callscope.telemetry import EventRecord, from_milliseconds
from callscope.vocabulary import EventCategory, Platform, Severity, StreamSource


class Level(NamedTuple):
    """A value of a diagnostic: true or false of a flag, 1 to 3 of a quality."""

    value: Any
    severity: Severity


NOTED, RAISED, CLEARED = Level(True, Severity.WARNING), Level(True, Severity.ERROR), Level(False, Severity.INFO)  # noqa: FBT003
GOOD, POOR, BAD = Level(1, Severity.INFO), Level(2, Severity.WARNING), Level(3, Severity.ERROR)


class Diagnostic(NamedTuple):
    """What a fault raises once it has lasted `delay` ms; `media_type` only where a device is meant."""

    name: str
    delay: int
    media_type: str | None = None
    level: Level = RAISED


FLAGS = {
    FaultKind.CAMERA_FREEZE: Diagnostic("cameraFreeze", 5_000, "Video"),
    FaultKind.MICROPHONE_SILENT: Diagnostic("microphoneNotFunctioning", 10_000, "Audio"),
    FaultKind.MICROPHONE_MUTED: Diagnostic("microphoneMuteUnexpectedly", 200, "Audio"),
    FaultKind.SPEAKING_WHILE_MUTED: Diagnostic("speakingWhileMicrophoneIsMuted", 2_000, "Audio", NOTED),
    FaultKind.SPEAKER_MUTED: Diagnostic("speakerMuted", 200, "Audio", NOTED),
}
SEND_QUALITY, RECEIVE_QUALITY = "networkSendQuality", "networkReceiveQuality"
QUALITIES = {
    FaultKind.UPLINK_LOSS: Diagnostic(SEND_QUALITY, 4_000),
    FaultKind.LOW_BANDWIDTH: Diagnostic(SEND_QUALITY, 4_000),
    FaultKind.HIGH_ROUND_TRIP: Diagnostic(SEND_QUALITY, 4_000),
    FaultKind.DOWNLINK_LOSS: Diagnostic(RECEIVE_QUALITY, 4_000),
    FaultKind.HIGH_JITTER: Diagnostic(RECEIVE_QUALITY, 4_000),
    FaultKind.SERVER_LOSS: Diagnostic(RECEIVE_QUALITY, 4_000),
}
LIMITS = {FaultKind.LOW_BANDWIDTH: "bandwidth", FaultKind.CPU_LIMITED: "cpu"}
RELAY = Diagnostic("networkRelaysNotReachable", 3_000)
RECONNECT = Diagnostic("networkReconnect", 0)

Event = tuple[int, EventRecord]


def diagnostics(timeline: Timeline) -> Iterator[Event]:
    """Every event that faults and mutes bring about, with its time in ms since the Unix epoch."""
    client = Client(timeline)
    for visit in timeline.visits:
        if visit.connected is None:
            yield client.raised(visit, min(visit.attempted + RELAY.delay, visit.ended), RELAY, RAISED)
        else:
            yield from client.present(visit, visit.connected)
    for publication in timeline.publications:
        if publication.published is not None:
            yield from client.publishing(publication, publication.published)


class Client:
    """What a participant's client notices."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._plan = timeline.plan
        self._words = WORDS[timeline.plan.platform]

    def _windows(self, kind: FaultKind, visit: Visit) -> list[Window]:
        who = 0 if kind is FaultKind.SERVER_LOSS else visit.person.index
        return self._timeline.windows.get((kind, who), [])

    def _event(self, visit: Visit, at: int, category: EventCategory, name: str, payload: dict[str, Any], **fields: Any) -> Event:
        record = EventRecord(
            call_id=self._plan.call_id,
            at=from_milliseconds(at),
            category=category,
            name=name,
            payload=payload,
            participant_id=visit.person.participant_id,
            connection_id=visit.connection_id,
            **fields,
        )
        return at, record

    def raised(self, visit: Visit, at: int, diagnostic: Diagnostic, level: Level) -> Event:
        kind = "DiagnosticFlag" if isinstance(level.value, bool) else "DiagnosticQuality"
        payload = {"diagnostic": diagnostic.name, "value": level.value, "valueType": kind}
        if diagnostic.media_type:
            payload["mediaType"] = diagnostic.media_type
        return self._event(visit, at, EventCategory.DIAGNOSTIC, diagnostic.name, payload, severity=level.severity)

    def present(self, visit: Visit, connected: int) -> Iterator[Event]:
        person = visit.person
        if visit.is_return:
            yield self.raised(visit, connected, RECONNECT, GOOD)
        if visit.is_lost:
            yield self.raised(visit, visit.ended, RECONNECT, BAD)
        for kind, diagnostic in FLAGS.items():
            is_able = {FaultKind.CAMERA_FREEZE: person.has_video, FaultKind.SPEAKER_MUTED: True}.get(kind, person.publishes)
            for window in self._windows(kind, visit) if is_able else ():
                yield from self._interval(visit, window, diagnostic, (diagnostic.level, CLEARED))
        if self._plan.platform is Platform.ACS and not person.is_phone:
            for kind, diagnostic in QUALITIES.items():
                for window in self._windows(kind, visit) if self._is_rated(diagnostic, visit) else ():
                    yield from self._interval(visit, window, diagnostic, (_quality(kind, window), GOOD))

    def _is_rated(self, diagnostic: Diagnostic, visit: Visit) -> bool:
        """A client that sends nothing cannot tell how well it would, nor can one that receives nothing."""
        if diagnostic.name == SEND_QUALITY:
            return visit.person.publishes
        return any(other.publishes for other in self._timeline.people if other is not visit.person)

    def _interval(self, visit: Visit, window: Window, diagnostic: Diagnostic, levels: tuple[Level, Level]) -> Iterator[Event]:
        raised = max(window.start, visit.connected or visit.attempted) + diagnostic.delay
        if raised < min(window.end, visit.ended):
            yield self.raised(visit, raised, diagnostic, levels[0])
            if window.end < visit.ended:
                yield self.raised(visit, window.end, diagnostic, levels[1])

    def publishing(self, publication: Publication, published: int) -> Iterator[Event]:
        visit, category = publication.visit, EventCategory.USER_ACTION
        audio = {"media": "audio"}
        if publication.has_audio:
            for mute in self._timeline.mutes[visit.person.index]:
                for at, end in _overlaps(mute.window, publication, published) if mute.by_hand else ():
                    yield self._event(visit, at, category, self._words.mute, audio, stream_id=publication.stream_id)
                    if end is not None:
                        yield self._event(visit, end, category, self._words.unmute, audio, stream_id=publication.stream_id)
        if publication.source is StreamSource.CAMERA:
            for kind, reason in LIMITS.items():
                for window in self._windows(kind, visit):
                    for at, end in _overlaps(window, publication, published):
                        yield self._limited(publication, at, reason)
                        if end is not None:
                            yield self._limited(publication, end, "none")

    def _limited(self, publication: Publication, at: int, reason: str) -> Event:
        name, payload = "qualityLimitationReason", {"reason": reason}
        return self._event(publication.visit, at, EventCategory.MEDIA, name, payload, stream_id=publication.stream_id)


def _quality(kind: FaultKind, window: Window) -> Level:
    usual = STRENGTHS[kind]
    is_worse = window.strength < usual if kind is FaultKind.LOW_BANDWIDTH else window.strength > usual
    return BAD if is_worse else POOR


def _overlaps(window: Window, publication: Publication, published: int) -> Iterator[tuple[int, int | None]]:
    """From when to when the window met the publication; no end where the publication ended first."""
    start = max(window.start, published)
    if start < min(window.end, publication.ended):
        yield start, window.end if window.end < publication.ended else None
