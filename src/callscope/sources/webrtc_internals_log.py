"""The update log and the getUserMedia list of a webrtc-internals dump, in the words and forms of rtcstats-js.

Values are JSON inside JSON; before Chrome 142 many were text of Chrome's own, and names of events had no ``on``.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

EVENTS = frozenset(
    {"iceconnectionstatechange", "connectionstatechange", "signalingstatechange", "icegatheringstatechange", "icecandidate"}
    | {"icecandidateerror", "datachannel", "negotiationneeded", "track"}
)
REQUESTS = ("getUserMedia", "getDisplayMedia")

_POLICY = re.compile(r"\b(iceTransportPolicy|bundlePolicy|rtcpMuxPolicy): ([\w-]{1,40})")
_ERROR = re.compile(r"\berror_(text|code): (.{0,300})")
_LABEL = re.compile(r"\blabel: (.{0,300}?)(?:, \w+: |$)", re.DOTALL)
_TRACK_INFO = re.compile(r"id:(\S{1,300})(?: label:(.{0,300}))?", re.DOTALL)
_REASON = re.compile(r"Caused by: (\w{1,40})")
_DIRECTION = re.compile(r"\bcurrentDirection:'(\w{1,20})'")
_KIND = re.compile(r"\bkind:'(\w{1,20})'")
_END = re.compile(r"\b(sender|receiver):\{\s{0,20}track:(?:'([^']{1,300})'|null),\s{0,20}streams:\[(?:'([^']{1,300})')?")


def event(name: str, value: Any) -> tuple[str, Any]:
    """The name and data of an entry of the update log."""
    name = f"on{name.lower()}" if name.lower() in EVENTS else name
    data = decoded(value)
    match name:
        case "addIceCandidateFailed":
            # Its value is the candidate, not what was wrong with it.
            return "addIceCandidateOnFailure", None
        case "transceiverAdded" | "transceiverModified" if isinstance(data, str):
            return name, _transceiver(data)
        case "onicecandidate" if isinstance(data, str):
            return name, {"candidate": data.partition("candidate: ")[2]}
        case "onicecandidateerror":
            return name, _candidate_error(data)
        case "createDataChannel" | "ondatachannel":
            return name, {"0": _label(data)}
        case "create" | "setConfiguration":
            return name, configuration(value)
    return name, data


def configuration(value: Any) -> Any:
    """The policies of an RTCConfiguration, with whatever else JSON holds."""
    data = decoded(value)
    return dict(_POLICY.findall(data)) if isinstance(data, str) else data


def request(entry: Mapping[str, Any]) -> tuple[str, Any]:
    """The name and data of an entry of the getUserMedia list: a request, its result or its error."""
    kind = entry.get("request_type")
    name = f"navigator.mediaDevices.{kind if kind in REQUESTS else REQUESTS[0]}"
    if "error" in entry:
        said = [part for part in (entry["error"], entry.get("error_message")) if isinstance(part, str) and part]
        return f"{name}OnFailure", ": ".join(said)
    tracks = [track for kind in ("audio", "video") if (track := _track(kind, entry))]
    if tracks or "stream_id" in entry:
        return f"{name}OnSuccess", tracks
    # An empty text means that there were no constraints.
    return name, {kind: entry.get(kind, False) not in (None, False, "false") for kind in ("audio", "video")}


def decoded(value: Any) -> Any:
    """JSON inside JSON, or the text as it is."""
    if isinstance(value, str) and value.startswith(("{", "[", '"')):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _track(kind: str, entry: Mapping[str, Any]) -> list[Any] | None:
    told = decoded(entry.get(f"{kind}_track_info"))
    if isinstance(told, Mapping):
        return [kind, told.get("id"), told.get("label"), entry.get("stream_id")]
    match = _TRACK_INFO.match(told) if isinstance(told, str) else None
    return [kind, *match.groups(), entry.get("stream_id")] if match else None


def _transceiver(text: str) -> dict[str, Any]:
    told: dict[str, Any] = {end: {"track": track or None, "streams": [stream]} for end, track, stream in _END.findall(text)}
    for name, pattern in (("reason", _REASON), ("currentDirection", _DIRECTION), ("kind", _KIND)):
        if match := pattern.search(text):
            told[name] = match[1]
    return told


def _candidate_error(data: Any) -> Any:
    told = {f"error_{name}": said for name, said in _ERROR.findall(data)} if isinstance(data, str) else data
    return {"errorText": told.get("error_text"), "errorCode": told.get("error_code")} if isinstance(told, Mapping) else None


def _label(data: Any) -> Any:
    if isinstance(data, Mapping):
        return data.get("label")
    match = _LABEL.search(data) if isinstance(data, str) else None
    return match[1] if match else None
