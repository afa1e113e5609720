"""User facing diagnostics in the operations of a client (knowledge/acs.md, 5).

They come as an operation of their name, with a payload that names them (``diagnostic``), or, as Azure's Call Diagnostics reads
them, as the operation UserFacingDiagnostics with ``DiagnosticChanged`` and ``DiagnosticQuality`` in its payload.
"""

from dataclasses import dataclass
from typing import Any

from callscope.sources.acs_values import first
from callscope.vocabulary import Severity

FLAGS = (
    "noNetwork", "networkRelaysNotReachable", "noSpeakerDevicesEnumerated", "noMicrophoneDevicesEnumerated",
    "speakingWhileMicrophoneIsMuted", "microphoneNotFunctioning", "microphoneMuteUnexpectedly",
    "microphonePermissionDenied", "microphoneNotFunctioningDeviceInUse", "cameraFreeze", "cameraStartFailed",
    "cameraStartTimedOut", "cameraStoppedUnexpectedly", "cameraPermissionDenied", "screenshareRecordingDisabled",
    "capturerStartFailed", "capturerStoppedUnexpectedly", "speakerVolumeIsZero", "speakerMuted", "speakerNotFunctioning",
    "speakerNotFunctioningDeviceInUse",
)  # fmt: skip
QUALITIES = ("networkReconnect", "networkReceiveQuality", "networkSendQuality")
NAMES = {name.lower(): name for name in (*FLAGS, *QUALITIES)}
FLAG, QUALITY = "DiagnosticFlag", "DiagnosticQuality"
_VALUES = {"true": True, "false": False, "good": 1, "poor": 2, "bad": 3, "1": 1, "2": 2, "3": 3}
NOTED = frozenset({"speakingWhileMicrophoneIsMuted", "speakerMuted"})
"""What a person may well intend: Azure does not count it as an issue either."""


@dataclass(frozen=True)
class Diagnostic:
    """``value`` is true or false of a flag, 1 (good) to 3 (bad) of a quality; whatever was told where it is neither."""

    name: str
    value: Any = None
    value_type: str | None = None
    media_type: str | None = None

    @property
    def severity(self) -> Severity:
        if self.value is False or (self.value_type == QUALITY and self.value == 1):
            return Severity.INFO
        is_mild = self.value is None or self.name in NOTED or (self.value_type == QUALITY and self.value == 2)
        return Severity.WARNING if is_mild else Severity.ERROR


def diagnostic(operation: str, payload: Any) -> Diagnostic | None:
    """The diagnostic that an operation tells of; None where it is none."""
    told = first(payload, "diagnostic", "diagnosticChanged", "diagnosticName")
    named = told if isinstance(told, str) else operation if operation.lower() in NAMES else None
    if named is None:
        return None
    name = NAMES.get(named.lower(), named[0].lower() + named[1:])
    value_type, media_type = first(payload, "valueType"), first(payload, "mediaType")
    raw = first(payload, "value", "newValue", "diagnosticQuality", "diagnosticFlag")
    value, kind = _value(name, raw, value_type if isinstance(value_type, str) else None)
    return Diagnostic(name, value, kind, media_type if isinstance(media_type, str) else None)


def _value(name: str, raw: Any, value_type: str | None) -> tuple[Any, str | None]:
    """Flags as true or false and qualities as 1 to 3, whichever way they were told."""
    value = bool(raw) if value_type == FLAG and isinstance(raw, int) else raw
    if isinstance(raw, str):
        text = raw.strip().lower()
        value = _VALUES.get(text, raw)
    if isinstance(value, bool):
        return value, value_type or FLAG
    if value not in (1, 2, 3):
        return value, value_type
    # Some tell flags as Good or Bad, too.
    return (value != 1, FLAG) if name in FLAGS and value_type != QUALITY else (int(value), value_type or QUALITY)
