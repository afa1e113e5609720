"""What user facing diagnostics mean: data, after Azure's table of user facing diagnostics and Jitsi's events.

A name stands for the kind of issue that it raises, how much that matters when it is raised as bad, and what the SDK says by it.
"""

from typing import NamedTuple

from callscope.analysis.rules import Rule
from callscope.vocabulary import Direction, IssueKind, Media, Severity

ACS_SOURCE = "ACS user facing diagnostics"
JITSI_SOURCE = "Jitsi Meet"


class Meaning(NamedTuple):
    """``outlasts`` is true of what ends a connection and is over only in the participant's next one."""

    kind: IssueKind
    severity: Severity
    words: str
    media: Media | None = None
    direction: Direction | None = None
    outlasts: bool = False
    source: str = ACS_SOURCE


Kind, ERROR, WARNING, INFO = IssueKind, Severity.ERROR, Severity.WARNING, Severity.INFO
MICROPHONE = (Media.AUDIO, Direction.PUBLISH)
SPEAKER = (Media.AUDIO, Direction.SUBSCRIBE)
CAMERA = (Media.VIDEO, Direction.PUBLISH)
SCREEN = (Media.SCREEN, Direction.PUBLISH)
SENT = (Media.CONNECTION, Direction.PUBLISH)
RECEIVED = (Media.CONNECTION, Direction.SUBSCRIBE)
BOTH = (Media.CONNECTION, Direction.BOTH)

MEANINGS = {
    "noNetwork": Meaning(Kind.NO_NETWORK, ERROR, "no network was there to call over", *BOTH, outlasts=True),
    "networkReconnect": Meaning(Kind.NO_NETWORK, ERROR, "the connection for media was lost", *BOTH, outlasts=True),
    "networkRelaysNotReachable": Meaning(Kind.RELAY_UNREACHABLE, ERROR, "no TURN relay answered", *BOTH),
    "networkSendQuality": Meaning(Kind.POOR_NETWORK_SEND, ERROR, "the network was poor for sending", *SENT),
    "networkReceiveQuality": Meaning(Kind.POOR_NETWORK_RECEIVE, ERROR, "the network was poor for receiving", *RECEIVED),
    "noSpeakerDevicesEnumerated": Meaning(Kind.SPEAKER_NOT_FOUND, ERROR, "the system listed no speaker", *SPEAKER),
    "speakerNotFunctioning": Meaning(Kind.SPEAKER_NOT_FUNCTIONING, ERROR, "the speaker was inactive", *SPEAKER),
    "speakerNotFunctioningDeviceInUse": Meaning(
        Kind.SPEAKER_NOT_FUNCTIONING, ERROR, "another application was using the speaker", *SPEAKER
    ),
    "speakerVolumeIsZero": Meaning(Kind.SPEAKER_NOT_FUNCTIONING, WARNING, "the volume was at zero", *SPEAKER),
    "speakerMuted": Meaning(Kind.SPEAKER_NOT_FUNCTIONING, WARNING, "the speaker was muted", *SPEAKER),
    "noMicrophoneDevicesEnumerated": Meaning(Kind.MICROPHONE_NOT_FOUND, ERROR, "the system listed no microphone", *MICROPHONE),
    "microphoneNotFunctioning": Meaning(Kind.MICROPHONE_NOT_FUNCTIONING, ERROR, "no sound came from the microphone", *MICROPHONE),
    "microphoneNotFunctioningDeviceInUse": Meaning(
        Kind.MICROPHONE_NOT_FUNCTIONING, ERROR, "another application was using the microphone", *MICROPHONE
    ),
    "microphoneMuteUnexpectedly": Meaning(
        Kind.MICROPHONE_MUTED_UNEXPECTEDLY, ERROR, "the system muted the microphone", *MICROPHONE
    ),
    "microphonePermissionDenied": Meaning(
        Kind.MICROPHONE_PERMISSION_DENIED, ERROR, "the system refused the microphone", *MICROPHONE
    ),
    "speakingWhileMicrophoneIsMuted": Meaning(
        Kind.SPEAKING_WHILE_MUTED, INFO, "someone spoke into the muted microphone", *MICROPHONE
    ),
    "cameraFreeze": Meaning(Kind.CAMERA_FREEZE, ERROR, "no frames came from the camera", *CAMERA),
    "cameraStartFailed": Meaning(Kind.CAMERA_START_FAILED, ERROR, "the camera did not start", *CAMERA),
    "cameraStartTimedOut": Meaning(Kind.CAMERA_START_FAILED, ERROR, "the camera did not start in time", *CAMERA),
    "cameraStoppedUnexpectedly": Meaning(Kind.CAMERA_STOPPED_UNEXPECTEDLY, ERROR, "the camera stopped by itself", *CAMERA),
    "cameraPermissionDenied": Meaning(Kind.CAMERA_PERMISSION_DENIED, ERROR, "the system refused the camera", *CAMERA),
    "screenshareRecordingDisabled": Meaning(Kind.SCREEN_SHARE_FAILED, ERROR, "the system refused to record the screen", *SCREEN),
    "capturerStartFailed": Meaning(Kind.SCREEN_SHARE_FAILED, ERROR, "capturing the screen did not start", *SCREEN),
    "capturerStoppedUnexpectedly": Meaning(Kind.SCREEN_SHARE_FAILED, ERROR, "capturing the screen stopped by itself", *SCREEN),
    "cpuRestricted": Meaning(
        Kind.CPU_LIMITED, WARNING, "the client lowered its quality to spare the CPU", *CAMERA, source=JITSI_SOURCE
    ),
}

RULES = {name: Rule(name, meaning.kind, meaning.source, ()) for name, meaning in MEANINGS.items()}


def unknown(severity: Severity) -> Meaning:
    """Of a diagnostic that is not in the table: it matters as much as its event says, but is not merely worth knowing."""
    return Meaning(Kind.OTHER, WARNING if severity is INFO else severity, "")
