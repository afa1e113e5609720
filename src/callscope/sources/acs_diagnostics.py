"""CallDiagnostics and CallDiagnosticsUpdates: one row for each stream of an endpoint, with figures of the whole call.

What an endpoint sends becomes a stream with totals. A row has no time of its own, only that of the log, so averages and maxima
over the call are no samples: they stand in an event at that time, as does all that is told of what a participant receives, since
no row says from whom.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from callscope.sources.acs_columns import Row
from callscope.sources.acs_people import Person, as_version, participant, person
from callscope.telemetry import ConnectionRecord, EventRecord, Network, StreamRecord, Telemetry, TotalsRecord
from callscope.vocabulary import EventCategory, Media, StreamSource

MEDIA = {
    "audio": Media.AUDIO,
    "video": Media.VIDEO,
    "vbss": Media.SCREEN,
    "screen": Media.SCREEN,
    "screensharing": Media.SCREEN,
}
"""By Azure's names. What else there is, such as AppSharing (data channels), is no stream here."""
SOURCES = {Media.AUDIO: StreamSource.AUDIO_ONLY, Media.VIDEO: StreamSource.CAMERA, Media.SCREEN: StreamSource.SCREEN}

EVENT = "CallDiagnostics"
"""The name of the event that holds a row's figures, as they are."""
MEASURES = (
    "roundTripTimeAvg", "roundTripTimeMax", "jitterAvg", "jitterMax", "packetLossRateAvg", "packetLossRateMax",
    "jitterBufferSizeAvg", "jitterBufferSizeMax", "healedDataRatioAvg", "healedDataRatioMax", "videoFrameRateAvg",
    "recvResolutionHeight", "recvFreezeDurationPerMinuteInMs", "packetUtilization", "videoBitRateAvg", "videoBitRateMax",
)  # fmt: skip
"""ms, ratios of 0 to 1, frames/s, pixels, ms per minute, packets and bit/s, as they stand in the event's payload."""
_TRANSPORTS = frozenset({"udp", "tcp"})


def records(row: Row, *, is_update: bool) -> Iterator[Telemetry]:
    row.text("operationName")
    call_id, version = row.call("correlationId", "callId"), row.version(is_update=is_update)
    who = person(row, call_id, version)
    told = (row.text("mediaType"), row.id("streamId"), row.text("streamDirection"))
    yield from as_version(_records(row, call_id, who), version, "CallDiagnostics", who, *told)


def _records(row: Row, call_id: str, who: Person | None) -> Iterator[Telemetry]:
    media_type, transport = row.text("mediaType"), row.text("transportType")
    media = MEDIA.get((media_type or "").lower())
    figures = {name: value for name in MEASURES if (value := row.number(name)) is not None}
    stream, codec, at = row.id("streamId"), row.text("codecName"), row.logged_at()
    direction = (row.text("streamDirection") or "outbound").lower()
    if direction not in {"inbound", "outbound"}:
        raise row.error("streamDirection", "direction_invalid", "should be Inbound or Outbound")
    # Seen from the participant: what the server sends on its connection is what it receives.
    is_sent = (direction == "outbound") != (who is not None and who.is_server)
    told: dict[str, Any] = {
        "mediaType": media_type,
        "streamId": stream,
        "direction": "Outbound" if is_sent else "Inbound",
        "endpointType": who.endpoint_type if who is not None else None,
        "endpointId": row.text("endpointId"),
        "transportType": transport,
        "codecName": codec,
        "callUpdatesVersion": row.number("callUpdatesVersion"),
    }
    stream_id = None
    if who is not None:
        yield from participant(who, None, None)
        yield _connection(who, transport)
        if media is not None and is_sent and not who.is_server:
            number = _number(stream)
            stream_id = stream_id_of(who.connection_id, media) + (f"/{stream}" if stream and number is None else "")
            yield _stream(who, stream_id, media, codec)
            yield _totals(who, stream_id, media, figures, number=number, codec=codec, at=at)
    if at is not None:
        yield EventRecord(
            call_id=call_id,
            at=at,
            category=EventCategory.MEDIA,
            name=EVENT,
            payload={name: value for name, value in told.items() if value is not None} | figures | row.rest(),
            connection_id=None if who is None else who.connection_id,
            stream_id=stream_id,
        )


def stream_id_of(connection_id: str, media: Media) -> str:
    """One stream for each media that a connection publishes. Azure's stream ids, maybe several, tell totals apart."""
    return f"{connection_id}/{media.lower()}"


def codecs(media: Media, codec: str | None) -> dict[str, str | None]:
    """Fields of a stream's record."""
    return {"audio_codec" if media is Media.AUDIO else "video_codec": codec}


def _connection(who: Person, transport: str | None) -> ConnectionRecord:
    protocol = (transport or "").lower()
    return ConnectionRecord(
        call_id=who.call_id,
        version=who.version,
        connection_id=who.connection_id,
        participant_id=who.participant_id,
        network=Network(transport=protocol) if protocol in _TRANSPORTS else None,
    )


def _stream(who: Person, stream_id: str, media: Media, codec: str | None) -> StreamRecord:
    return StreamRecord(
        call_id=who.call_id,
        version=who.version,
        stream_id=stream_id,
        connection_id=who.connection_id,
        participant_id=who.participant_id,
        source=SOURCES[media],
        has_audio=media is Media.AUDIO,
        has_video=media is not Media.AUDIO,
        **codecs(media, codec),
    )


def _totals(
    who: Person,
    stream_id: str,
    media: Media,
    figures: dict[str, float],
    *,
    number: int | None,
    codec: str | None,
    at: datetime | None,
) -> TotalsRecord:
    return TotalsRecord(
        call_id=who.call_id,
        version=who.version,
        stream_id=stream_id,
        media=media,
        ssrc=number,
        at=at,
        codec=codec,
        packets=_amount(figures.get("packetUtilization")),
        packet_loss_percent=_percent(figures.get("packetLossRateAvg")),
        concealed_percent=_percent(figures.get("healedDataRatioAvg")),
        round_trip_time_ms=_amount(figures.get("roundTripTimeAvg")),
    )


def _number(stream: str | None) -> int | None:
    """A stream id that can stand where others have an SSRC, as those of clients are."""
    if stream is None or not (stream.isascii() and stream.isdigit() and len(stream) <= 10):
        return None
    return number if (number := int(stream)) < 2**32 else None


def _amount(value: float | None) -> float | None:
    """What is less than nothing is no figure."""
    return None if value is None or value < 0 else value


def _percent(ratio: float | None) -> float | None:
    """Azure documents percentages and writes ratios; what is neither is no figure."""
    return None if ratio is None or not 0 <= ratio <= 1 else 100 * ratio
