"""The records of a page of any application, under names by which the recordings of both ends of a call make one picture.

call and participant: as the caller or the recording says, see each format. connection: participant and the page's name for it.
stream: its kind and first SSRC, which both ends of a direct connection agree on; through a media server that gives out SSRCs of
its own, each receiver's is a stream by itself. subscriber: connection and stream. The publisher of what is received is not told:
until its own recording does, it is the other end's MediaStream, since those of one stream come from one client.
"""

from typing import Any, NamedTuple

from callscope.sources.user_agent import system
from callscope.sources.webrtc_flows import Flow
from callscope.sources.webrtc_page import PageTrace
from callscope.sources.webrtc_records import HEARSAY, OWN, Names, Records, identifier, short
from callscope.sources.webrtc_trace import Connection
from callscope.telemetry import CallRecord, ConnectionRecord, Location, ParticipantRecord, System
from callscope.vocabulary import EndpointKind, Platform

BRANDS = {"Google Chrome": "Chrome", "Microsoft Edge": "Edge"}
"""Browsers whose client hints call them otherwise than we do."""

ENDINGS = frozenset({"closed", "failed"})
"""Reasons of an end after which nothing more comes."""


class Client(NamedTuple):
    """What a recording says of the browser that made it."""

    user_agent: str | None = None
    hints: Any = None
    """navigator.userAgentData: an object, or its list of brands alone."""
    location: Location | None = None

    @property
    def system(self) -> System | None:
        """The user agent's, with the full version of the browser where the hints have it."""
        hints = self.hints if isinstance(self.hints, dict) else {"brands": self.hints}
        found = (system(self.user_agent) if self.user_agent else None) or System()
        brands = [*_brands(hints.get("fullVersionList")), *_brands(hints.get("brands"))]
        versions = {BRANDS.get(name, name): version for name, version in reversed(brands) if "." in version}
        told = System(
            browser=found.browser,
            browser_version=short(versions.get(found.browser or ""), 100) or found.browser_version,
            os=found.os or short(hints.get("platform"), 100),
            os_version=found.os_version,
            device=found.device,
        )
        return told if told != System() else None


def _brands(value: Any) -> list[tuple[str, str]]:
    return [
        (entry["brand"], entry["version"][:100])
        for entry in (value if isinstance(value, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("brand"), str) and isinstance(entry.get("version"), str)
    ]


class PageRecords(Records):
    def __init__(self, trace: PageTrace, call_id: str, participant_id: str, client: Client) -> None:
        super().__init__(trace)
        self._call_id = identifier(call_id)
        self._participant_id = identifier(participant_id)
        self._client = client

    @property
    def call_id(self) -> str:
        return self._call_id

    @property
    def participant_id(self) -> str:
        return self._participant_id

    def call(self) -> CallRecord:
        return CallRecord(call_id=self.call_id, platform=Platform.WEBRTC)

    def participant(self) -> ParticipantRecord:
        return ParticipantRecord(
            call_id=self.call_id,
            version=OWN,
            participant_id=self.participant_id,
            kind=EndpointKind.BROWSER,
            location=self._client.location,
            address=self._trace.address,
            system=self._client.system,
            user_agent=self._client.user_agent,
            devices=self.devices,
        )

    def connection(self, connection: Connection) -> ConnectionRecord:
        """Where the recording ended first, a later one of the same page knows better."""
        _, reason = connection.life.ending
        version = OWN if reason in ENDINGS else HEARSAY
        return super().connection(connection).model_copy(update={"version": version})

    def name(self, connection: Connection, flow: Flow) -> Names:
        _, first_ssrc = next(iter(flow.tallies))
        stream = f"{flow.kind}-{first_ssrc}"
        if flow.is_sent:
            return Names(stream, self.participant_id)
        offer = connection.tracks.get(flow.track or "")
        return Names(stream, identifier(self.connection_id(connection), (offer.stream if offer else None) or "peer"))
