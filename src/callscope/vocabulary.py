"""The words that telemetry, tables, analysis and schema share. Each value carries the description that the schema prints."""

from enum import StrEnum


class Term(StrEnum):
    """A closed vocabulary: a value is its own name, and says what it means."""

    description: str

    def __new__(cls, value: str, description: str) -> "Term":
        term = str.__new__(cls, value)
        term._value_ = value
        term.description = description
        return term


class Platform(Term):
    """The system that a call ran on."""

    ACS = "ACS", "Azure Communication Services."
    VONAGE = "VONAGE", "Vonage Video (OpenTok)."
    JITSI = "JITSI", "Jitsi Meet."
    WEBRTC = "WEBRTC", "WebRTC in a browser or an app, without one of the platforms above."
    OTHER = "OTHER", "A system without a name of its own here."


class MediaMode(Term):
    """The way that media takes between the clients."""

    ROUTED = "ROUTED", "Through a media server."
    RELAYED = "RELAYED", "Between the clients, directly or by a TURN relay."
    UNKNOWN = "UNKNOWN", "No source told."


class CallState(Term):
    """Whether a call goes on."""

    LIVE = "LIVE", "Someone is connected, or the idle gap after the last one has not passed."
    ENDED = "ENDED", "Nobody is connected, and the idle gap has passed."


class CallType(Term):
    """The shape of a stretch of a call."""

    MULTIPARTY = "MULTIPARTY", "More than two people, and several publish."
    ONE_TO_ONE = "ONE_TO_ONE", "Two people."
    ONE_TO_ZERO = "ONE_TO_ZERO", "Someone published and nobody subscribed."
    BROADCAST = "BROADCAST", "More than two people, and one publishes to the others."
    UNKNOWN = "UNKNOWN", "Nobody published, or no source told who did."


class EndpointKind(Term):
    """What kind of client an endpoint is."""

    BROWSER = "BROWSER", "A web browser."
    NATIVE = "NATIVE", "An app with a native SDK."
    SIP = "SIP", "A SIP line."
    PSTN = "PSTN", "A telephone."
    BOT = "BOT", "A program that takes part, for example a recorder."
    SERVER = "SERVER", "A media server."
    UNKNOWN = "UNKNOWN", "No source told."


class DeviceKind(Term):
    """What a media device does."""

    MICROPHONE = "MICROPHONE", "Audio input."
    SPEAKER = "SPEAKER", "Audio output."
    CAMERA = "CAMERA", "Video input."


class StreamSource(Term):
    """Where the media of a stream comes from."""

    CAMERA = "CAMERA", "A camera, usually with a microphone."
    SCREEN = "SCREEN", "A shared screen, window or tab."
    CUSTOM = "CUSTOM", "Media that the application makes itself."
    AUDIO_ONLY = "AUDIO_ONLY", "A microphone alone."
    UNKNOWN = "UNKNOWN", "No source told."


class Outcome(Term):
    """What became of an attempt."""

    PENDING = "PENDING", "Neither success nor failure was reported."
    SUCCEEDED = "SUCCEEDED", "It succeeded."
    FAILED = "FAILED", "It failed."


class Severity(Term):
    """How much something matters to the people in the call."""

    INFO = "INFO", "Worth knowing."
    WARNING = "WARNING", "It can be noticed."
    ERROR = "ERROR", "It hurts."
    CRITICAL = "CRITICAL", "It ends the call for someone, or makes it useless."


class EventCategory(Term):
    """What an event is about."""

    CONNECTION = "CONNECTION", "A step of connecting or disconnecting."
    STREAM = "STREAM", "A step of publishing."
    SUBSCRIBER = "SUBSCRIBER", "A step of subscribing."
    DEVICE = "DEVICE", "Microphones, speakers and cameras, and the permission to use them."
    NETWORK = "NETWORK", "Paths, candidates and relays."
    MEDIA = "MEDIA", "Tracks: muted, ended, speaking."
    DIAGNOSTIC = "DIAGNOSTIC", "A user facing diagnostic that the platform's SDK raised or cleared."
    USER_ACTION = "USER_ACTION", "Something that a person in the call did."
    SIGNALING = "SIGNALING", "Offers, answers and signaling states."
    SURVEY = "SURVEY", "A rating that a participant gave."
    OTHER = "OTHER", "None of these."


class Media(Term):
    """What is measured: a kind of media, or the connection that carries it."""

    AUDIO = "AUDIO", "Audio."
    VIDEO = "VIDEO", "Video of a camera."
    SCREEN = "SCREEN", "Video of a shared screen."
    CONNECTION = "CONNECTION", "The connection as a whole, all media together."


class Direction(Term):
    """Seen from the participant that was measured."""

    PUBLISH = "PUBLISH", "What it sends."
    SUBSCRIBE = "SUBSCRIBE", "What it receives."
    BOTH = "BOTH", "Both ways, for example a round trip."


class Unit(Term):
    """The unit of a metric's values."""

    BITS_PER_SECOND = "BITS_PER_SECOND", "bit/s."
    PERCENT = "PERCENT", "0 to 100."
    MILLISECONDS = "MILLISECONDS", "ms."
    PER_SECOND = "PER_SECOND", "1/s."
    PIXELS = "PIXELS", "Pixels."
    RATIO = "RATIO", "0 to 1."
    COUNT = "COUNT", "A number of things in the sampling interval."
    SCORE = "SCORE", "1 (bad) to 5 (excellent)."


class Metric(Term):
    """What a series measures. Every value belongs to the interval that ends at the sample's time."""

    BITRATE = "BITRATE", "Payload sent or received, bit/s."
    PACKET_LOSS = "PACKET_LOSS", "Packets lost in percent of those expected."
    LATENCY = "LATENCY", "One-way delay from publisher to subscriber or router, ms."
    ROUND_TRIP_TIME = "ROUND_TRIP_TIME", "There and back, ms."
    JITTER = "JITTER", "Variation of packet arrival (RFC 3550), ms."
    JITTER_BUFFER_DELAY = "JITTER_BUFFER_DELAY", "Time that media waits in the receiver's jitter buffer, ms."
    PACKETS_PER_SECOND = "PACKETS_PER_SECOND", "Packets sent or received, 1/s."
    PACKETS_LOST_PER_SECOND = "PACKETS_LOST_PER_SECOND", "Packets lost of those that were expected, 1/s."
    AVAILABLE_BITRATE = "AVAILABLE_BITRATE", "What bandwidth estimation thinks the path can carry, bit/s."
    FRAME_RATE = "FRAME_RATE", "Video frames sent or decoded, 1/s."
    FRAME_WIDTH = "FRAME_WIDTH", "Width of the video, pixels."
    FRAME_HEIGHT = "FRAME_HEIGHT", "Height of the video, pixels."
    FREEZE_DURATION = "FREEZE_DURATION", "Time that video stood still in the interval, ms."
    FREEZE_COUNT = "FREEZE_COUNT", "Times that video stood still in the interval."
    FRAMES_DROPPED = "FRAMES_DROPPED", "Frames dropped before they were shown, in the interval."
    DECODE_TIME = "DECODE_TIME", "Time that decoding a frame took, ms."
    KEY_FRAME_REQUESTS = "KEY_FRAME_REQUESTS", "Key frames that the receiver asked for, 1/s."
    CONCEALED_RATIO = "CONCEALED_RATIO", "Share of audio that was made up to hide losses, 0 to 1."
    STRETCHED_RATIO = "STRETCHED_RATIO", "Share of audio samples put in or taken out to keep pace, 0 to 1."
    AUDIO_LEVEL = (
        "AUDIO_LEVEL",
        "Loudness over the interval where the source tells that, else at its end; 0 (silence) to 1 (full scale).",
    )
    QUALITY_LIMITATION = "QUALITY_LIMITATION", "1 while the sender lowers quality for want of CPU or bandwidth, else 0."
    MEAN_OPINION_SCORE = (
        "MEAN_OPINION_SCORE",
        "Estimated listening quality, 1 to 5, by the E-model (ITU-T G.107, simplified); or the source's own.",
    )

    @property
    def unit(self) -> Unit:
        return METRIC_UNITS[self]


METRIC_UNITS = {
    Metric.BITRATE: Unit.BITS_PER_SECOND,
    Metric.PACKET_LOSS: Unit.PERCENT,
    Metric.LATENCY: Unit.MILLISECONDS,
    Metric.ROUND_TRIP_TIME: Unit.MILLISECONDS,
    Metric.JITTER: Unit.MILLISECONDS,
    Metric.JITTER_BUFFER_DELAY: Unit.MILLISECONDS,
    Metric.PACKETS_PER_SECOND: Unit.PER_SECOND,
    Metric.PACKETS_LOST_PER_SECOND: Unit.PER_SECOND,
    Metric.AVAILABLE_BITRATE: Unit.BITS_PER_SECOND,
    Metric.FRAME_RATE: Unit.PER_SECOND,
    Metric.FRAME_WIDTH: Unit.PIXELS,
    Metric.FRAME_HEIGHT: Unit.PIXELS,
    Metric.FREEZE_DURATION: Unit.MILLISECONDS,
    Metric.FREEZE_COUNT: Unit.COUNT,
    Metric.FRAMES_DROPPED: Unit.COUNT,
    Metric.DECODE_TIME: Unit.MILLISECONDS,
    Metric.KEY_FRAME_REQUESTS: Unit.PER_SECOND,
    Metric.CONCEALED_RATIO: Unit.RATIO,
    Metric.STRETCHED_RATIO: Unit.RATIO,
    Metric.AUDIO_LEVEL: Unit.RATIO,
    Metric.QUALITY_LIMITATION: Unit.RATIO,
    Metric.MEAN_OPINION_SCORE: Unit.SCORE,
}


MORE_IS_BETTER = frozenset(
    {
        Metric.BITRATE,
        Metric.PACKETS_PER_SECOND,
        Metric.AVAILABLE_BITRATE,
        Metric.FRAME_RATE,
        Metric.FRAME_WIDTH,
        Metric.FRAME_HEIGHT,
        Metric.AUDIO_LEVEL,
        Metric.MEAN_OPINION_SCORE,
    }
)
"""Metrics of which the least value is the worst; of all others it is the greatest."""


class TelemetryKind(Term):
    """A kind of telemetry that a source can deliver."""

    PARTICIPANTS = "PARTICIPANTS", "Who took part."
    CONNECTIONS = "CONNECTIONS", "Who connected when."
    STREAMS = "STREAMS", "What was published."
    SUBSCRIBERS = "SUBSCRIBERS", "Who received what."
    EVENTS = "EVENTS", "What happened."
    SAMPLES = "SAMPLES", "What was measured."


class DataWarningKind(Term):
    """A known fault of the telemetry."""

    TRUNCATED = "TRUNCATED", "The source ended in the middle."
    CLOCK_REPAIRED = "CLOCK_REPAIRED", "A clock was wrong or stood still; the message says what its times are taken for."
    COUNTER_RESET = "COUNTER_RESET", "A counter started again; the interval of the reset is left out."
    LATE_DATA = "LATE_DATA", "Telemetry came after the call had ended."
    REDACTED = "REDACTED", "The platform withheld details."
    CLOSED_BY_TIMEOUT = "CLOSED_BY_TIMEOUT", "No end was reported; the call was closed by policy."


class Attribution(Term):
    """Where the fault of an issue lies."""

    SENDER = "SENDER", "The device or application that sent."
    RECEIVER = "RECEIVER", "The device or application that received."
    SENDER_NETWORK = "SENDER_NETWORK", "The network between sender and server."
    RECEIVER_NETWORK = "RECEIVER_NETWORK", "The network between server and receiver."
    SERVER = "SERVER", "The media server or the platform."
    UNKNOWN = "UNKNOWN", "The telemetry cannot tell."


class IssueKind(Term):
    """A kind of problem."""

    CONNECT_FAILED = "CONNECT_FAILED", "An attempt to connect failed."
    PUBLISH_FAILED = "PUBLISH_FAILED", "An attempt to publish failed."
    SUBSCRIBE_FAILED = "SUBSCRIBE_FAILED", "An attempt to subscribe failed."
    UNEXPECTED_DISCONNECT = "UNEXPECTED_DISCONNECT", "An established connection ended although nobody wished it to."
    FREQUENT_REJOINS = "FREQUENT_REJOINS", "A participant connected again and again."
    SLOW_SETUP = "SLOW_SETUP", "Connecting took long."
    NO_NETWORK = "NO_NETWORK", "The network was gone."
    RELAY_UNREACHABLE = "RELAY_UNREACHABLE", "The TURN relays could not be reached."
    RELAY_USED = "RELAY_USED", "Media went through a TURN relay."
    TCP_USED = "TCP_USED", "Media went over TCP or TLS."
    PATH_SWITCHES = "PATH_SWITCHES", "The network path changed again and again."
    HIGH_PACKET_LOSS = "HIGH_PACKET_LOSS", "Many packets were lost."
    HIGH_LATENCY = "HIGH_LATENCY", "Media took long to arrive."
    HIGH_JITTER = "HIGH_JITTER", "Packets arrived unevenly."
    JITTER_BUFFER_HIGH = "JITTER_BUFFER_HIGH", "Media waited long in the jitter buffer."
    POOR_NETWORK_SEND = "POOR_NETWORK_SEND", "The SDK called the network poor for sending."
    POOR_NETWORK_RECEIVE = "POOR_NETWORK_RECEIVE", "The SDK called the network poor for receiving."
    LOW_BANDWIDTH = "LOW_BANDWIDTH", "The path carried less than the media needed."
    BANDWIDTH_LIMITED = "BANDWIDTH_LIMITED", "The sender lowered quality for want of bandwidth."
    CPU_LIMITED = "CPU_LIMITED", "The sender lowered quality for want of CPU."
    LOW_AUDIO_BITRATE = "LOW_AUDIO_BITRATE", "Audio had too few bits."
    AUDIO_CONCEALMENT = "AUDIO_CONCEALMENT", "Much of the audio was made up to hide losses."
    AUDIO_DESYNC = "AUDIO_DESYNC", "Audio was stretched or squeezed to keep pace."
    LOW_MEAN_OPINION_SCORE = "LOW_MEAN_OPINION_SCORE", "Estimated listening quality was bad."
    SILENT_MICROPHONE = "SILENT_MICROPHONE", "An open microphone delivered silence."
    NO_MEDIA_SENT = "NO_MEDIA_SENT", "Nothing was sent although a track was on."
    NO_MEDIA_RECEIVED = "NO_MEDIA_RECEIVED", "Nothing arrived although the peer sent."
    LOW_VIDEO_BITRATE = "LOW_VIDEO_BITRATE", "Video had too few bits."
    LOW_FRAME_RATE = "LOW_FRAME_RATE", "Video had few frames."
    LOW_RESOLUTION = "LOW_RESOLUTION", "Video was small."
    VIDEO_FREEZE = "VIDEO_FREEZE", "Received video stood still."
    DECODER_OVERLOAD = "DECODER_OVERLOAD", "The receiver's decoder could not keep up."
    DECODER_STUCK = "DECODER_STUCK", "Video arrived and was not decoded."
    KEYFRAME_REQUEST_STORM = "KEYFRAME_REQUEST_STORM", "The receiver asked for key frames again and again."
    SPEAKING_WHILE_MUTED = "SPEAKING_WHILE_MUTED", "Someone spoke with the microphone muted."
    MICROPHONE_MUTED_UNEXPECTEDLY = "MICROPHONE_MUTED_UNEXPECTEDLY", "The system muted the microphone."
    MICROPHONE_NOT_FUNCTIONING = "MICROPHONE_NOT_FUNCTIONING", "The microphone did not work."
    MICROPHONE_NOT_FOUND = "MICROPHONE_NOT_FOUND", "There was no microphone."
    MICROPHONE_PERMISSION_DENIED = "MICROPHONE_PERMISSION_DENIED", "The microphone was not allowed."
    SPEAKER_NOT_FUNCTIONING = "SPEAKER_NOT_FUNCTIONING", "The speaker did not work."
    SPEAKER_NOT_FOUND = "SPEAKER_NOT_FOUND", "There was no speaker."
    CAMERA_FREEZE = "CAMERA_FREEZE", "The camera delivered no frames."
    CAMERA_START_FAILED = "CAMERA_START_FAILED", "The camera did not start."
    CAMERA_STOPPED_UNEXPECTEDLY = "CAMERA_STOPPED_UNEXPECTEDLY", "The camera stopped by itself."
    CAMERA_PERMISSION_DENIED = "CAMERA_PERMISSION_DENIED", "The camera was not allowed."
    SCREEN_SHARE_FAILED = "SCREEN_SHARE_FAILED", "Sharing the screen failed or stopped by itself."
    LOW_RATING = "LOW_RATING", "A participant rated the call badly."
    OTHER = "OTHER", "None of these."


class UserErrorCode(Term):
    """What was wrong with a mutation's input."""

    NOT_FOUND = "NOT_FOUND", "The project has nothing with this id."
    NAME_REQUIRED = "NAME_REQUIRED", "A name has nothing that can be seen."
    NAME_TOO_LONG = "NAME_TOO_LONG", "A name is too long."
    TOO_MANY_TAGS = "TOO_MANY_TAGS", "There are too many tags."
    TAG_REQUIRED = "TAG_REQUIRED", "A tag has nothing that can be seen."
    TAG_TOO_LONG = "TAG_TOO_LONG", "A tag is too long."
    INVALID_CHARACTER = (
        "INVALID_CHARACTER",
        "A name or tag has a control character, or one that turns the direction of text.",
    )
    SAVED_SESSION_LIMIT = "SAVED_SESSION_LIMIT", "The project keeps as many saved sessions as it may."
    RETENTION_PASSED = "RETENTION_PASSED", "The live call has passed retention."
    FORBIDDEN = "FORBIDDEN", "The key may not do this."
