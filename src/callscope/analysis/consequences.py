"""Which kinds of issue explain which others, and what they say of devices and networks: data for attribution."""

from collections.abc import Mapping

from callscope.vocabulary import Attribution, IssueKind, Media

Kind = IssueKind
SENDER, RECEIVER = Attribution.SENDER, Attribution.RECEIVER

CAMERA = frozenset(
    {Kind.CAMERA_FREEZE, Kind.CAMERA_START_FAILED, Kind.CAMERA_STOPPED_UNEXPECTEDLY, Kind.CAMERA_PERMISSION_DENIED}
)
MICROPHONE = frozenset(
    {
        Kind.SILENT_MICROPHONE,
        Kind.SPEAKING_WHILE_MUTED,
        Kind.MICROPHONE_MUTED_UNEXPECTEDLY,
        Kind.MICROPHONE_NOT_FUNCTIONING,
        Kind.MICROPHONE_NOT_FOUND,
        Kind.MICROPHONE_PERMISSION_DENIED,
    }
)
DEVICES: Mapping[IssueKind, Attribution] = {
    **dict.fromkeys(CAMERA | MICROPHONE | {Kind.CPU_LIMITED, Kind.SCREEN_SHARE_FAILED}, SENDER),
    **dict.fromkeys((Kind.SPEAKER_NOT_FUNCTIONING, Kind.SPEAKER_NOT_FOUND, Kind.DECODER_OVERLOAD), RECEIVER),
}
OWN_PATH = frozenset(
    {
        Kind.HIGH_PACKET_LOSS,
        Kind.HIGH_LATENCY,
        Kind.HIGH_JITTER,
        Kind.LOW_BANDWIDTH,
        Kind.BANDWIDTH_LIMITED,
        Kind.POOR_NETWORK_SEND,
    }
)
MEASURED_PATH = frozenset({Kind.HIGH_PACKET_LOSS, Kind.HIGH_LATENCY, Kind.HIGH_JITTER})
BAD_NETWORK = frozenset(
    {
        Kind.HIGH_PACKET_LOSS,
        Kind.HIGH_LATENCY,
        Kind.HIGH_JITTER,
        Kind.JITTER_BUFFER_HIGH,
        Kind.AUDIO_CONCEALMENT,
        Kind.AUDIO_DESYNC,
        Kind.LOW_MEAN_OPINION_SCORE,
        Kind.VIDEO_FREEZE,
        Kind.NO_MEDIA_RECEIVED,
        Kind.KEYFRAME_REQUEST_STORM,
    }
)
PICTURE = frozenset(
    {
        Kind.VIDEO_FREEZE,
        Kind.LOW_FRAME_RATE,
        Kind.LOW_RESOLUTION,
        Kind.LOW_VIDEO_BITRATE,
        Kind.NO_MEDIA_RECEIVED,
        Kind.NO_MEDIA_SENT,
        Kind.DECODER_STUCK,
        Kind.KEYFRAME_REQUEST_STORM,
    }
)
SOUND = frozenset(
    {
        Kind.AUDIO_CONCEALMENT,
        Kind.AUDIO_DESYNC,
        Kind.LOW_MEAN_OPINION_SCORE,
        Kind.LOW_AUDIO_BITRATE,
        Kind.NO_MEDIA_RECEIVED,
        Kind.NO_MEDIA_SENT,
    }
)
CONSEQUENCES = PICTURE | SOUND
DELAYED = frozenset({Kind.HIGH_LATENCY, Kind.LOW_MEAN_OPINION_SCORE})
LOSSY = CONSEQUENCES | {Kind.HIGH_PACKET_LOSS, Kind.JITTER_BUFFER_HIGH}
CAUSES: Mapping[IssueKind, frozenset[IssueKind]] = {
    **dict.fromkeys(CAMERA | {Kind.CPU_LIMITED}, PICTURE),
    **dict.fromkeys(MICROPHONE, frozenset({Kind.LOW_AUDIO_BITRATE, Kind.NO_MEDIA_RECEIVED, Kind.NO_MEDIA_SENT})),
    Kind.LOW_FRAME_RATE: PICTURE,
    Kind.LOW_RESOLUTION: PICTURE,
    Kind.LOW_VIDEO_BITRATE: PICTURE,
    Kind.LOW_AUDIO_BITRATE: SOUND,
    Kind.NO_MEDIA_SENT: CONSEQUENCES,
    Kind.NO_NETWORK: LOSSY | {Kind.HIGH_JITTER, Kind.POOR_NETWORK_SEND, Kind.POOR_NETWORK_RECEIVE},
    Kind.UNEXPECTED_DISCONNECT: LOSSY,
    Kind.HIGH_PACKET_LOSS: LOSSY,
    Kind.POOR_NETWORK_SEND: LOSSY | DELAYED | {Kind.HIGH_JITTER},
    Kind.HIGH_JITTER: CONSEQUENCES | {Kind.HIGH_JITTER, Kind.JITTER_BUFFER_HIGH},
    Kind.HIGH_LATENCY: DELAYED,
    Kind.DECODER_OVERLOAD: frozenset({Kind.VIDEO_FREEZE, Kind.LOW_FRAME_RATE}),
    Kind.LOW_BANDWIDTH: PICTURE | {Kind.LOW_AUDIO_BITRATE},
    Kind.BANDWIDTH_LIMITED: PICTURE | {Kind.LOW_AUDIO_BITRATE},
}
"""What a participant's own findings explain: of what it sends, and of what others receive of it."""
OF_MEDIA: Mapping[IssueKind, frozenset[Media]] = {
    **dict.fromkeys(CAMERA | {Kind.CPU_LIMITED}, frozenset({Media.VIDEO})),
    **dict.fromkeys(MICROPHONE, frozenset({Media.AUDIO})),
}
OF_RECEIVER = frozenset({Kind.NO_NETWORK, Kind.UNEXPECTED_DISCONNECT, Kind.HIGH_LATENCY, Kind.DECODER_OVERLOAD})
"""What explains, on the receiver's side, what it received."""
OF_SENDER = frozenset(CAUSES) - {Kind.DECODER_OVERLOAD}
LOST = frozenset({Kind.UNEXPECTED_DISCONNECT, Kind.FREQUENT_REJOINS})
ATTEMPTS = frozenset({Kind.CONNECT_FAILED, Kind.RELAY_UNREACHABLE, Kind.UNEXPECTED_DISCONNECT, Kind.NO_NETWORK})
