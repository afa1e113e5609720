"""Chrome's own statistics from before the W3C identifiers: names that begin with goog, numbers as text, times in ms."""

from collections.abc import Iterator

from callscope.sources.webrtc_counters import (
    FULL_SCALE,
    NOTHING,
    Path,
    Report,
    Reports,
    Rtp,
    added,
    amount,
    named,
    network,
    packets,
    reported_at,
    ssrc_number,
    text,
)

_CANDIDATE_TYPES = {
    "local": "host",
    "stun": "srflx",
    "serverreflexive": "srflx",
    "peerreflexive": "prflx",
    "relayed": "relay",
}


def goog_rtp(key: str, report: Report, at: float) -> Iterator[Rtp]:
    """The one stream of an ``ssrc`` report, or none where it does not say which. ``key`` ends in the direction."""
    ssrc = ssrc_number(report.get("ssrc"))
    kind = text(report.get("mediaType"))
    if ssrc is None or kind not in {"audio", "video"}:
        return
    is_sent = key.endswith("_send") or "packetsSent" in report
    direction = "Sent" if is_sent else "Received"
    read_at = reported_at(report, at)
    rtp = Rtp(
        ssrc=ssrc,
        kind=kind,
        is_sent=is_sent,
        at=read_at,
        track=text(report.get("googTrackId")),
        codec=text(report.get("googCodecName")),
        packets=packets(report.get(f"packets{direction}")),
        bytes=amount(report.get(f"bytes{direction}")),
        lost=packets(report.get("packetsLost")),
        judged_at=read_at,
        jitter_ms=amount(report.get("googJitterReceived")),
        is_legacy=True,
    )
    if is_sent:
        rtp.round_trip_ms = amount(report.get("googRtt")) or None
    else:
        rtp.buffer_ms = amount(report.get("googCurrentDelayMs", report.get("googJitterBufferMs")))
    if kind == "video":
        rtp.width = amount(report.get(f"googFrameWidth{direction}"))
        rtp.height = amount(report.get(f"googFrameHeight{direction}"))
        rtp.frame_rate = amount(report.get("googFrameRateSent" if is_sent else "googFrameRateDecoded"))
        rtp.frames = amount(report.get("framesEncoded" if is_sent else "framesDecoded"))
        rtp.limitation = _limitation(report)
        rtp.key_frame_requests = None if is_sent else added(report, "googPlisSent", "googFirsSent")
    else:
        level = amount(report.get("audioInputLevel" if is_sent else "audioOutputLevel"))
        rtp.audio_level = None if level is None else min(level / FULL_SCALE, 1)
    yield rtp


def _limitation(report: Report) -> str | None:
    if report.get("googCpuLimitedResolution") == "true":
        return "cpu"
    if report.get("googBandwidthLimitedResolution") == "true":
        return "bandwidth"
    return "none" if "googCpuLimitedResolution" in report else None


def goog_path(reports: Reports, pair: Report) -> Path:
    """The active ``googCandidatePair``."""
    estimate = next((report for report in reports.values() if report.get("type") == "VideoBwe"), NOTHING)
    local = named(reports, pair.get("localCandidateId"))
    return Path(
        round_trip_ms=amount(pair.get("googRtt")),
        # Zero is what it says where it does not estimate that direction.
        available_sent=amount(estimate.get("googAvailableSendBandwidth")) or None,
        available_received=amount(estimate.get("googAvailableReceiveBandwidth")) or None,
        network=network(local.get("networkType")),
        transport=text(pair.get("googTransportType")),
        local_type=_candidate_type(local, pair.get("googLocalCandidateType")),
        remote_type=_candidate_type(named(reports, pair.get("remoteCandidateId")), pair.get("googRemoteCandidateType")),
    )


def _candidate_type(candidate: Report, otherwise: object) -> str | None:
    told = text(candidate.get("candidateType")) or text(otherwise)
    return None if told is None else _CANDIDATE_TYPES.get(told, told)
