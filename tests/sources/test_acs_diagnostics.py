from datetime import UTC, datetime

import pytest
from test_acs_logs import CALL, DIAGNOSTICS, ENDPOINT, LEG, PERSON, envelope, every, one, only, read, refused

from callscope.sources.acs_columns import FINAL_VERSION
from callscope.vocabulary import EventCategory, Media, StreamSource

AT = datetime(2024, 5, 1, 11, 0, 0, 500_000, UTC)


def diagnostics(*without, **changes):
    return one("CallDiagnostics", DIAGNOSTICS, without, **changes)


def test_what_an_endpoint_sends_is_a_stream_with_totals():
    records = diagnostics(PacketUtilization="500", HealedDataRatioAvg=0.01, CodecName="SATIN")
    stream = only(records, "stream")
    assert (stream.stream_id, stream.connection_id, stream.participant_id, stream.version) == (
        f"{LEG}/audio",
        LEG,
        PERSON,
        FINAL_VERSION,
    )
    assert (stream.source, stream.has_audio, stream.has_video, stream.audio_codec) == (
        StreamSource.AUDIO_ONLY,
        True,
        False,
        "SATIN",
    )
    totals = only(records, "totals")
    assert (totals.stream_id, totals.media, totals.ssrc, totals.codec, totals.at) == (
        f"{LEG}/audio",
        Media.AUDIO,
        1000,
        "SATIN",
        AT,
    )
    assert (totals.packets, totals.packet_loss_percent, totals.concealed_percent, totals.round_trip_time_ms) == (500, 2, 1, 82)
    leg = only(records, "connection")
    assert (leg.connection_id, leg.participant_id, leg.network.transport, leg.attempted_at) == (LEG, PERSON, "udp", None)


def test_averages_and_maxima_of_the_call_stand_in_an_event():
    event = only(diagnostics(jitterMax="40", VideoBitRateAvg=0, Fresh="x", callupdatesversion=2), "event")
    assert (event.at, event.category, event.name) == (AT, EventCategory.MEDIA, "CallDiagnostics")
    assert (event.connection_id, event.stream_id) == (LEG, f"{LEG}/audio")
    assert event.payload == {
        "mediaType": "Audio",
        "streamId": "1000",
        "direction": "Outbound",
        "endpointType": "VoIP",
        "endpointId": ENDPOINT,
        "transportType": "UDP",
        "callUpdatesVersion": 2,
        "roundTripTimeAvg": 82,
        "jitterAvg": 31,
        "jitterMax": 40,
        "packetLossRateAvg": 0.02,
        "videoBitRateAvg": 0,
        "fresh": "x",
    }
    assert not every(diagnostics(), "samples")


def test_without_a_time_there_is_no_event():
    records = read([envelope("CallDiagnostics", DIAGNOSTICS, time=None)])
    assert not every(records, "event")
    assert only(records, "totals").at is None


@pytest.mark.parametrize(
    ("changes", "direction", "is_stream"),
    [
        ({}, "Outbound", True),
        ({"StreamDirection": "Outbound"}, "Outbound", True),
        ({"StreamDirection": "inbound"}, "Inbound", False),
        ({"endpointType": "Server", "endpointId": None, "identifier": "null"}, "Inbound", False),
        ({"endpointType": None, "endpointId": None, "identifier": None}, "Inbound", False),
        ({"endpointType": "Server", "StreamDirection": "Outbound"}, "Inbound", False),
        # What the server received is the participant's, but the totals of a stream are of what was sent.
        ({"endpointType": "Server", "StreamDirection": "Inbound"}, "Outbound", False),
    ],
)
def test_directions_are_seen_from_the_participant(changes, direction, is_stream):
    records = diagnostics(**changes)
    event = only(records, "event")
    assert (event.payload["direction"], event.connection_id) == (direction, LEG)
    assert bool(every(records, "stream")) == bool(every(records, "totals")) == is_stream
    assert only(records, "connection").connection_id == LEG


def test_a_direction_that_is_none():
    assert refused(diagnostics(StreamDirection="up")).code == "direction_invalid"


def test_peer_to_peer_rows_are_of_the_endpoint():
    records = diagnostics(participantId="null", mediaType="Video", streamId="2804")
    assert (only(records, "stream").stream_id, only(records, "stream").source) == (f"{ENDPOINT}/video", StreamSource.CAMERA)


def test_streams_of_one_media_are_told_apart_in_totals():
    records = [*diagnostics(streamId="1"), *diagnostics(streamId="2")]
    assert {stream.stream_id for stream in every(records, "stream")} == {f"{LEG}/audio"}
    assert [totals.ssrc for totals in every(records, "totals")] == [1, 2]
    odd = diagnostics(streamId="mic")
    assert (only(odd, "stream").stream_id, only(odd, "totals").ssrc) == (f"{LEG}/audio/mic", None)
    assert only(diagnostics(streamId="9999999999"), "stream").stream_id == f"{LEG}/audio/9999999999"
    assert only(diagnostics("streamId"), "stream").stream_id == f"{LEG}/audio"


@pytest.mark.parametrize(
    ("media_type", "media"), [("VBSS", Media.SCREEN), ("video", Media.VIDEO), ("AppSharing", None), (None, None)]
)
def test_media(media_type, media):
    records = diagnostics(mediaType=media_type, codecName="VP8")
    assert [totals.media for totals in every(records, "totals")] == ([media] if media else [])
    assert [stream.video_codec for stream in every(records, "stream")] == (["VP8"] if media else [])
    assert only(records, "event").payload.get("mediaType") == media_type


def test_figures_that_are_none_stay_visible():
    records = diagnostics(packetLossRateAvg="12.5", roundTripTimeAvg=None, transportType="Unrecognized")
    assert only(records, "totals").packet_loss_percent is only(records, "totals").round_trip_time_ms is None
    assert only(records, "event").payload["packetLossRateAvg"] == 12.5
    assert only(records, "connection").network is None
    records = diagnostics(packetUtilization=-1, roundTripTimeAvg="-1", jitterAvg=-1)
    assert only(records, "totals").packets is only(records, "totals").round_trip_time_ms is None
    assert {only(records, "event").payload[name] for name in ("packetUtilization", "roundTripTimeAvg", "jitterAvg")} == {-1}


def test_rows_of_the_call_as_a_whole_and_of_nobody():
    records = diagnostics(participantId=CALL)
    assert [record.type for record in records] == ["call", "event"]
    assert refused(diagnostics("participantId", "endpointId", "identifier")).code == "participant_missing"
