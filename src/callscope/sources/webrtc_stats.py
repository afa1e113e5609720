"""The reports of one getStats call, in one form whatever the browser: W3C identifiers, Firefox, Safari, Chrome's old goog ones.

Dialects are told apart report by report, by type, never by what a file calls itself: one labelled standard may be legacy inside.
"""

from collections.abc import Iterator

from callscope.sources.goog_stats import goog_path, goog_rtp
from callscope.sources.webrtc_counters import (
    FULL_SCALE,
    NOTHING,
    Path,
    Report,
    Reports,
    Rtp,
    Snapshot,
    added,
    amount,
    named,
    network,
    packets,
    reported_at,
    scaled,
    ssrc_number,
    storable,
    text,
)


def snapshot(reports: Reports, at: float) -> Snapshot:
    """Read all reports of one call. Each may carry its own time as ``timestamp``; ``at`` is the call's."""
    rtps: list[Rtp] = []
    told: list[Rtp] = []
    judgements = {text(report.get("localId")): report for report in reports.values() if _type(report) == "remote-inbound-rtp"}
    for key, report in reports.items():
        match _type(report):
            case "inbound-rtp":
                rtps.extend(_received(reports, report, at))
            case "outbound-rtp":
                rtps.extend(_sent(reports, report, judgements.get(key, NOTHING), at))
            case "remote-outbound-rtp":
                told.extend(_rtp(reports, report, at, is_sent=True))
            case "ssrc":
                rtps.extend(goog_rtp(key, report, at))
    path = _path(reports)
    for rtp in (*rtps, *told):
        rtp.codec = storable(rtp.codec)
    if path is not None:
        path.network, path.transport = storable(path.network), storable(path.transport)
        path.local_type, path.remote_type = storable(path.local_type), storable(path.remote_type)
    return Snapshot(at, rtps, told, path)


def _type(report: Report) -> str:
    # Before the types had names of their own, isRemote told them apart.
    name = str(report.get("type"))
    return f"remote-{name}" if report.get("isRemote") is True and name in {"inbound-rtp", "outbound-rtp"} else name


def _first(name: str, *reports: Report) -> float | None:
    return next((value for report in reports if (value := amount(report.get(name))) is not None), None)


def _rtp(reports: Reports, report: Report, at: float, *, is_sent: bool) -> Iterator[Rtp]:
    ssrc = ssrc_number(report.get("ssrc"))
    codec = named(reports, report.get("codecId"))
    mime, agreed = text(codec.get("mimeType")) or "", text(codec.get("sdpFmtpLine"))
    kind = text(report.get("kind")) or text(report.get("mediaType")) or mime.partition("/")[0]
    if ssrc is None or kind not in {"audio", "video"}:
        return
    direction = "Sent" if is_sent else "Received"
    yield Rtp(
        ssrc=ssrc,
        kind=kind,
        is_sent=is_sent,
        at=reported_at(report, at),
        section=text(report.get("mid")),
        codec=mime.partition("/")[2] or None,
        has_dtx=_is_agreed(agreed, "usedtx"),
        has_fec=_is_agreed(agreed, "useinbandfec"),
        packets=packets(report.get(f"packets{direction}")),
        bytes=amount(report.get(f"bytes{direction}")),
    )


def _is_agreed(parameters: str | None, name: str) -> bool | None:
    """Whether a parameter of Opus (RFC 7587) is set; None where nothing is told of parameters."""
    return None if parameters is None else f"{name}=1" in parameters.replace(" ", "").lower().split(";")


def _received(reports: Reports, report: Report, at: float) -> Iterator[Rtp]:
    # Until Chrome 112, and in Safari, what happens after decoding is told of the track.
    track = named(reports, report.get("trackId"))
    for rtp in _rtp(reports, report, at, is_sent=False):
        rtp.track = text(report.get("trackIdentifier")) or text(track.get("trackIdentifier"))
        rtp.lost, rtp.judged_at = packets(report.get("packetsLost")), rtp.at
        rtp.jitter_ms = scaled(amount(report.get("jitter")), 1000)
        rtp.buffer_seconds = _first("jitterBufferDelay", report, track)
        rtp.buffered = _first("jitterBufferEmittedCount", report, track)
        if rtp.kind == "video":
            _see(rtp, report, track)
            rtp.frames = _first("framesDecoded", report, track)
            rtp.frames_dropped = _first("framesDropped", report, track)
            rtp.freeze_seconds = _first("totalFreezesDuration", report, track)
            rtp.freezes = _first("freezeCount", report, track)
            rtp.decode_seconds = _first("totalDecodeTime", report)
            rtp.key_frame_requests = added(report, "pliCount", "firCount")
        else:
            rtp.concealed = _first("concealedSamples", report, track)
            rtp.samples = _first("totalSamplesReceived", report, track)
            rtp.stretched = added(report, "insertedSamplesForDeceleration", "removedSamplesForAcceleration")
            rtp.audio_level = _level(track.get("audioLevel", report.get("audioLevel")))
            _hear(rtp, report, track)
        yield rtp


def _sent(reports: Reports, report: Report, judgement: Report, at: float) -> Iterator[Rtp]:
    track = named(reports, report.get("trackId"))
    source_id = report.get("mediaSourceId", track.get("mediaSourceId"))
    source = named(reports, source_id)
    judgement = named(reports, report.get("remoteId")) or judgement
    for rtp in _rtp(reports, report, at, is_sent=True):
        rtp.track = text(source.get("trackIdentifier")) or text(track.get("trackIdentifier"))
        rtp.is_active = active if isinstance(active := report.get("active"), bool) else None
        rtp.has_source = None if source_id is None else bool(source)
        if judgement:
            rtp.lost = packets(judgement.get("packetsLost"))
            rtp.judged_at = reported_at(judgement, rtp.at)
            rtp.jitter_ms = scaled(amount(judgement.get("jitter")), 1000)
            # Zero is what Firefox says before it knows.
            rtp.round_trip_ms = scaled(amount(judgement.get("roundTripTime")), 1000) or None
        if rtp.kind == "video":
            _see(rtp, report, track)
            frames = _first("framesSent", report)
            rtp.frames = _first("framesEncoded", report, track) if frames is None else frames
            rtp.limitation = text(report.get("qualityLimitationReason"))
            rtp.is_scalable = (text(report.get("scalabilityMode")) or "L1").startswith(("L2", "L3", "S2", "S3"))
        else:
            rtp.audio_level = _level(source.get("audioLevel", track.get("audioLevel")))
            _hear(rtp, source, track)
        yield rtp


def _see(rtp: Rtp, *reports: Report) -> None:
    rtp.is_screen = any(report.get("contentType") == "screenshare" for report in reports)
    rtp.width = _first("frameWidth", *reports)
    rtp.height = _first("frameHeight", *reports)
    rtp.frame_rate = _first("framesPerSecond", *reports) or _first("framerateMean", *reports)


def _hear(rtp: Rtp, *reports: Report) -> None:
    told = next((report for report in reports if "totalAudioEnergy" in report), NOTHING)
    rtp.energy, rtp.energy_seconds = amount(told.get("totalAudioEnergy")), amount(told.get("totalSamplesDuration"))


def _level(value: object) -> float | None:
    """0 to 1. Old Chrome counts to 32767 on inbound-rtp, and says -1 where it does not know."""
    level = amount(value)
    return level if level is None or level <= 1 else min(level / FULL_SCALE, 1)


def _path(reports: Reports) -> Path | None:
    for name, report in reports.items():
        match report.get("type"):
            case "transport":
                selected = report.get("selectedCandidatePairId")
                if pair := named(reports, selected):
                    return _pair_path(reports, pair, str(selected))
            case "candidate-pair":
                if report.get("selected") is True:
                    return _pair_path(reports, report, name)
            case "googCandidatePair":
                if report.get("googActiveConnection") == "true":
                    return goog_path(reports, report)
    return None


def _pair_path(reports: Reports, pair: Report, name: str) -> Path:
    local = named(reports, pair.get("localCandidateId"))
    remote = named(reports, pair.get("remoteCandidateId"))
    # What matters to a firewall is the way to the relay.
    to_relay = text(local.get("relayProtocol")) if local.get("candidateType") == "relay" else None
    return Path(
        round_trip_ms=scaled(amount(pair.get("currentRoundTripTime")), 1000),
        available_sent=amount(pair.get("availableOutgoingBitrate")),
        available_received=amount(pair.get("availableIncomingBitrate")),
        network=network(local.get("networkType")),
        transport=to_relay or text(local.get("protocol")),
        local_type=text(local.get("candidateType")),
        remote_type=text(remote.get("candidateType")),
        pair=name,
    )
