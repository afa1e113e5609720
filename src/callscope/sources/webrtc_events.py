"""What the events of a page and its peer connections mean, told without personal data of the network.

The names are those of the W3C API calls, as rtcstats traces them, and Jitsi's own. Payloads are built from what is known to be
harmless: addresses, candidates, SDP and TURN credentials have no way into them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from callscope.privacy import ADDRESS, hidden
from callscope.sources.jitsi import MIXED, Tracks
from callscope.sources.webrtc_counters import instant, number, text
from callscope.vocabulary import EventCategory, Outcome, Severity

MAX_TEXT = 300
MAX_ITEMS = 50

_LOCAL_NAME = re.compile(r"(?<![\w.-])[\w-]{1,63}\.local(?!\w)")
"""As multicast DNS makes it, in place of an address."""
_SDP = re.compile(r"(?:\b[a-z]=|candidate:).*", re.DOTALL)
_CANDIDATE = re.compile(r"candidate:\S+ \d+ (\w{1,10}) \d+ \S+ \d+ typ (\w{1,10})")
_FAILURE = "OnFailure"


@dataclass(frozen=True, slots=True)
class Meaning:
    """An event without its time and subject."""

    category: EventCategory
    severity: Severity = Severity.INFO
    outcome: Outcome | None = None
    message: str | None = None
    code: int | None = None
    payload: Any = None


def clean(value: Any, length: int = MAX_TEXT) -> str | None:
    """Text fit to be stored: not too long, without NUL characters, network addresses and pieces of SDP."""
    if not isinstance(value, str):
        return None
    # First more than that: half of an address would not be known as one.
    shown = hidden(_SDP.sub("[sdp]", value[: length + MAX_TEXT].replace("\x00", "")))
    return _LOCAL_NAME.sub(ADDRESS, shown)[:length] or None


def meaning(name: str, data: Any, *, is_of_page: bool) -> Meaning | None:
    """The meaning of one event, or None where it says nothing worth keeping."""
    if name in _QUIET or (is_of_page and name in _OF_CONNECTIONS):
        return None
    if name.endswith(_FAILURE):
        return _failure(name, data)
    if (known := _KNOWN.get(name)) is not None:
        return known(data)
    return Meaning(EventCategory.OTHER, payload=_figures(data) if name.startswith(":") else _figure(data))


def _figure(value: Any) -> bool | int | float | None:
    return value if isinstance(value, bool | int | float) and number(float(value)) is not None else None


def _figures(data: Any) -> Any:
    """Of an application's own event, whose words nobody knows, the figures alone."""
    if not isinstance(data, Mapping):
        return _figure(data)
    told = {clean(name, 60): _figure(value) for name, value in list(data.items())[:MAX_ITEMS]}
    return {name: value for name, value in told.items() if name and value is not None} or None


def _failure(name: str, data: Any) -> Meaning:
    reason = data.get("name") or data.get("message") if isinstance(data, Mapping) else data
    if "UserMedia" in name or "DisplayMedia" in name:
        category, severity = EventCategory.DEVICE, Severity.ERROR
    elif name.startswith("addIceCandidate"):
        category, severity = EventCategory.NETWORK, Severity.WARNING
    else:
        category, severity = EventCategory.SIGNALING, Severity.ERROR
    return Meaning(category, severity, Outcome.FAILED, clean(reason))


def _state(category: EventCategory) -> Callable[[Any], Meaning]:
    def read(data: Any) -> Meaning:
        state = clean(data, 40)
        severity = {"failed": Severity.ERROR, "disconnected": Severity.WARNING}.get(state or "", Severity.INFO)
        outcomes = {"failed": Outcome.FAILED, "connected": Outcome.SUCCEEDED, "completed": Outcome.SUCCEEDED}
        return Meaning(category, severity, outcomes.get(state or ""), payload={"state": state})

    return read


def _fields(category: EventCategory, *names: str, severity: Severity = Severity.INFO) -> Callable[[Any], Meaning]:
    """The named fields of the event's data, as far as they are plain."""

    def read(data: Any) -> Meaning:
        told = {name: _plain(data[name]) for name in names if name in data} if isinstance(data, Mapping) else {}
        return Meaning(category, severity, payload={name: value for name, value in told.items() if value is not None} or None)

    return read


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [item for item in map(_plain, value[:MAX_ITEMS]) if not isinstance(item, list | None)]
    return value if isinstance(value, bool) or number(value) is not None else None


def _flag(name: str, category: EventCategory, severity_if_true: Severity = Severity.INFO) -> Callable[[Any], Meaning]:
    return lambda data: Meaning(category, severity_if_true if data is True else Severity.INFO, payload={name: data is True})


def _tracks(category: EventCategory) -> Callable[[Any], Meaning | None]:
    def read(data: Any) -> Meaning | None:
        told = data if isinstance(data, Tracks) else Tracks.of(data)
        if told.stream == MIXED:
            return None
        tracks = [{"kind": kind, "id": clean(track)} for kind, track in told.tracks[:MAX_ITEMS]]
        stream = clean(told.stream)
        return Meaning(category, payload={"tracks": tracks} | ({"stream": stream} if stream else {}))

    return read


def _media_asked(data: Any) -> Meaning:
    asked = data if isinstance(data, Mapping) else {}
    return Meaning(EventCategory.DEVICE, payload={kind: bool(asked.get(kind)) for kind in ("audio", "video")})


def _media_given(data: Any) -> Meaning:
    tracks = data.get("tracks") if isinstance(data, Mapping) else None
    told = [track for track in tracks[:MAX_ITEMS] if isinstance(track, Mapping)] if isinstance(tracks, list) else []
    payload = {"tracks": [{"kind": clean(track.get("kind"), 20), "label": clean(track.get("label"))} for track in told]}
    return Meaning(EventCategory.DEVICE, outcome=Outcome.SUCCEEDED, payload=payload)


def _media_refused(data: Any) -> Meaning:
    told = data if isinstance(data, Mapping) else {}
    payload = {"devices": _plain(told.get("devices")), "constraint": clean(told.get("constraint"))}
    return Meaning(EventCategory.DEVICE, Severity.ERROR, Outcome.FAILED, clean(told.get("name")), payload=payload)


def _candidate(data: Any) -> Meaning | None:
    """Type and protocol of a candidate, never its address; None for the empty one that ends gathering."""
    told = text(data.get("candidate")) if isinstance(data, Mapping) else None
    if told is None or (match := _CANDIDATE.match(told[:1000])) is None:
        return None
    return Meaning(EventCategory.NETWORK, payload={"type": match[2], "protocol": match[1].lower()})


def _candidate_error(data: Any) -> Meaning:
    told = data if isinstance(data, Mapping) else {}
    code = number(told.get("errorCode"))
    return Meaning(
        EventCategory.NETWORK,
        Severity.WARNING,
        message=clean(told.get("errorText")),
        code=int(code) if code is not None and abs(code) < 2**31 else None,
    )


def _channel(data: Any) -> Meaning:
    label = data.get("0") if isinstance(data, Mapping) else data[1] if isinstance(data, list) and len(data) > 1 else None
    return Meaning(EventCategory.CONNECTION, payload={"label": clean(label)})


def _conference_start(data: Any) -> Meaning | None:
    # Clients send a zero when they leave.
    started_at = instant(data)
    return Meaning(EventCategory.OTHER, payload={"timestamp": int(started_at)}) if started_at else None


_KNOWN: dict[str, Callable[[Any], Meaning | None]] = {
    "create": _fields(EventCategory.CONNECTION, "iceTransportPolicy", "bundlePolicy", "rtcpMuxPolicy", "sdpSemantics"),
    "close": _fields(EventCategory.CONNECTION),
    "setConfiguration": _fields(EventCategory.CONNECTION, "iceTransportPolicy", "bundlePolicy", "rtcpMuxPolicy"),
    "restartIce": _fields(EventCategory.NETWORK),
    "onconnectionstatechange": _state(EventCategory.CONNECTION),
    "oniceconnectionstatechange": _state(EventCategory.NETWORK),
    "onicegatheringstatechange": _state(EventCategory.NETWORK),
    "ondtlsstatechange": _state(EventCategory.NETWORK),
    "onsignalingstatechange": _state(EventCategory.SIGNALING),
    "ondtlserror": lambda data: Meaning(EventCategory.NETWORK, Severity.ERROR, Outcome.FAILED, clean(data)),
    "onicecandidate": _candidate,
    "onicecandidateerror": _candidate_error,
    "createDataChannel": _channel,
    "ondatachannel": _channel,
    "addStream": _tracks(EventCategory.STREAM),
    "addTrack": _tracks(EventCategory.STREAM),
    "addTransceiver": _tracks(EventCategory.STREAM),
    "removeStream": _tracks(EventCategory.STREAM),
    "removeTrack": _tracks(EventCategory.STREAM),
    "replaceTrack": _tracks(EventCategory.STREAM),
    "transceiverAdded": _tracks(EventCategory.STREAM),
    "ontrack": _tracks(EventCategory.SUBSCRIBER),
    "onremovestream": _tracks(EventCategory.SUBSCRIBER),
    "enumerateDevices": _fields(EventCategory.DEVICE),
    "ondevicechange": _fields(EventCategory.DEVICE),
    "navigator.mediaDevices.enumerateDevices": _fields(EventCategory.DEVICE),
    "navigator.mediaDevices.ondevicechange": _fields(EventCategory.DEVICE),
    "getUserMediaError": _media_refused,
    "onmute": _fields(EventCategory.MEDIA),
    "onunmute": _fields(EventCategory.MEDIA),
    "onended": _fields(EventCategory.MEDIA),
    **{
        f"MediaStreamTrack.{name}": _fields(EventCategory.MEDIA, "track", "enabled", "contentHint")
        for name in ("stop", "applyConstraints", "enabled", "contentHint", "onended", "onmute", "onunmute")
    },
    "HTMLMediaElement.resize": _fields(EventCategory.MEDIA, "width", "height", "videoWidth", "videoHeight"),
    "audioMutedChanged": _flag("muted", EventCategory.MEDIA),
    "videoMutedChanged": _flag("muted", EventCategory.MEDIA),
    "screenshareToggled": _flag("muted", EventCategory.MEDIA),
    "setVideoType": _fields(EventCategory.MEDIA, "ownerEndpointId", "ssrc", "videoType"),
    "dominantSpeaker": _fields(EventCategory.MEDIA, "dominantSpeakerEndpoint", "previousSpeakers"),
    "dominantSpeakerChanged": _fields(EventCategory.MEDIA),
    "codecChanged": _fields(EventCategory.MEDIA, "camera", "screenshare"),
    "remoteVideoDecoding": _fields(EventCategory.MEDIA, "stopped", "participantId", "ssrc"),
    "remoteSourceInterrupted": _fields(EventCategory.MEDIA, severity=Severity.WARNING),
    "remoteSourceSuspended": _fields(EventCategory.MEDIA, severity=Severity.WARNING),
    "cpuRestricted": _flag("restricted", EventCategory.DIAGNOSTIC, Severity.WARNING),
    "e2eRtt": _fields(EventCategory.NETWORK, "remoteEndpointId", "remoteRegion", "rtt"),
    "iceRestartRequested": _fields(EventCategory.NETWORK),
    "iceRestartApplied": _fields(EventCategory.NETWORK),
    "jvbIceRestarted": _fields(EventCategory.NETWORK, severity=Severity.WARNING),
    "stropheDisconnected": _fields(EventCategory.CONNECTION, severity=Severity.WARNING),
    "stropheReconnected": _fields(EventCategory.CONNECTION),
    "strophe.error": _fields(EventCategory.CONNECTION, severity=Severity.ERROR),
    "conferenceStartTimestamp": _conference_start,
} | {
    f"{prefix}{name}{suffix}": read
    for prefix in ("", "navigator.", "navigator.mediaDevices.")
    for name in ("getUserMedia", "getDisplayMedia")
    for suffix, read in (("", _media_asked), ("OnSuccess", _media_given))
}

# Steps without content, or with nothing but SDP and candidates. onaddstream repeats ontrack. faceLandmarks guesses at feelings.
_QUIET = frozenset(
    {
        "getstats", "identity", "connectionInfo", "constraints", "logs", "faceLandmarks", "onaddstream", "onnegotiationneeded",
        "addIceCandidate", "addIceCandidateOnSuccess", "createOffer", "createOfferOnSuccess", "createAnswer",
        "createAnswerOnSuccess", "setLocalDescription", "setLocalDescriptionOnSuccess", "setRemoteDescription",
        "setRemoteDescriptionOnSuccess", "addTrackOnSuccess", "addTransceiverOnSuccess", "transceiverModified",
    }
)  # fmt: skip
# Of a peer connection without a number, such as a test before the call, these belong to nothing.
_OF_CONNECTIONS = frozenset(
    {"create", "close", "createDataChannel", "onicecandidate", "onconnectionstatechange", "oniceconnectionstatechange"}
    | {"onicegatheringstatechange", "onsignalingstatechange", "ondtlsstatechange", "ondatachannel"}
)
