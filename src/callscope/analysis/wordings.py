"""What a person reads of an issue: its title, what happened, and what to do, in plain English.

``happened`` is a sentence without its full stop about ``{who}``, ``{whose}`` or ``{media}``, which is the media concerned with
their owner: "the audio that Ada received from Bob". What was measured, and for how long, is added by ``describe``.
"""

from collections.abc import Mapping
from typing import NamedTuple

from callscope.analysis.attempts import FAILED_ATTEMPTS, SPARE
from callscope.analysis.findings import Finding
from callscope.analysis.plain_text import duration, figure, visible
from callscope.vocabulary import Direction, IssueKind, Media, Metric, Severity, Unit

MAX_NAME = 60
MAX_WORDS = 500
SOMEONE = "a participant"


class Wording(NamedTuple):
    """``recommendation`` says what the person in the call can do, and what the developer can."""

    title: str
    happened: str
    person: str
    developer: str

    @property
    def recommendation(self) -> str:
        return f"{self.person} Developers: {self.developer}"


Kind = IssueKind
WORDINGS = {
    Kind.CONNECT_FAILED: Wording(
        "Could not connect",
        "An attempt of {who} to connect failed",
        "Join again, if need be from another network.",
        "look at the error's code and at the connection's events; where no path was found, offer relays over TCP and TLS, too.",
    ),
    Kind.PUBLISH_FAILED: Wording(
        "Could not publish",
        "An attempt of {who} to publish failed",
        "Check that camera and microphone are free and allowed, then publish again.",
        "look at the error's code, and at the events of devices just before.",
    ),
    Kind.SUBSCRIBE_FAILED: Wording(
        "Could not receive a stream",
        "An attempt of {who} to subscribe failed",
        "Reload the page or rejoin to subscribe again.",
        "look at the error's code and whether the stream was still published.",
    ),
    Kind.UNEXPECTED_DISCONNECT: Wording(
        "Connection lost",
        "{Whose} connection ended although nobody wished it to",
        "Check the network and join again.",
        "look at what the connection's series show before the end, and let the client reconnect by itself.",
    ),
    Kind.FREQUENT_REJOINS: Wording(
        "Joined again and again",
        "{Who} joined the call again and again",
        "Ask why: whoever rejoins usually could not hear, see or be heard.",
        "compare the connections' ends and errors, and what was measured before each of them.",
    ),
    Kind.SLOW_SETUP: Wording(
        "Slow to connect",
        "{Who} waited long for the connection",
        "Nothing, if it happens once; else try another network.",
        "look which step took long in the connection's events: signaling, gathering candidates, or checking them.",
    ),
    Kind.NO_NETWORK: Wording(
        "No network",
        "{Whose} network was gone",
        "Check Wi-Fi, cable and VPN, and move closer to the access point.",
        "restart ICE when the network is back, and tell the person that the call is reconnecting.",
    ),
    Kind.RELAY_UNREACHABLE: Wording(
        "Relays not reachable",
        "{Who} could not reach the TURN relays",
        "Try another network, and ask its administrator to allow the relays.",
        "check the relays and their credentials, and that ports 3478 (UDP) and 443 (TCP) are open towards them.",
    ),
    Kind.RELAY_USED: Wording(
        "Media through a relay",
        "{Whose} media went through a TURN relay",
        "Nothing, as long as the call sounds good.",
        "a relay costs time and money; where it is used often, see whether a firewall blocks UDP between the ends.",
    ),
    Kind.TCP_USED: Wording(
        "Media over TCP",
        "{Whose} media went over TCP or TLS instead of UDP",
        "Ask the network's administrator to allow UDP for calls.",
        "losses turn into delays over TCP; see which network blocks UDP.",
    ),
    Kind.PATH_SWITCHES: Wording(
        "The network path kept changing",
        "The path of {whose} media changed again and again",
        "Stay with one network: switch Wi-Fi or mobile data off.",
        "look at the candidates of the connection's events, and at its round trip around them.",
    ),
    Kind.HIGH_PACKET_LOSS: Wording(
        "Packets lost",
        "Many packets of {media} were lost",
        "Use a cable or move closer to the access point, and stop other downloads.",
        "compare the stream's other receivers to see on which side packets get lost; switch redundancy and retransmission on.",
    ),
    Kind.HIGH_LATENCY: Wording(
        "Long delay",
        "Packets of {media} took long on their way",
        "Leave VPNs, and stop uploads and downloads.",
        "see whether a server or relay nearer to the participant can be used, and whether queues fill up on the uplink.",
    ),
    Kind.HIGH_JITTER: Wording(
        "Uneven arrival",
        "Packets of {media} arrived unevenly",
        "Use a cable or move closer to the access point.",
        "compare round trip and losses: jitter alone points at Wi-Fi or a busy uplink.",
    ),
    Kind.JITTER_BUFFER_HIGH: Wording(
        "Held back to even out arrival",
        "{Media} had to wait long in the jitter buffer",
        "Use a cable or move closer to the access point.",
        "see whether jitter or losses came before; a buffer that stays large without them is the receiver's.",
    ),
    Kind.POOR_NETWORK_SEND: Wording(
        "Poor network for sending",
        "{Whose} client found its network too poor for sending well",
        "Switch the camera off, stop uploads, or change the network.",
        "compare the losses and the estimated bandwidth of what was sent.",
    ),
    Kind.POOR_NETWORK_RECEIVE: Wording(
        "Poor network for receiving",
        "{Whose} client found its network too poor for receiving well",
        "Stop downloads, look at fewer videos at once, or change the network.",
        "compare the losses and the jitter of what was received with other receivers of the same streams.",
    ),
    Kind.LOW_BANDWIDTH: Wording(
        "Too little bandwidth",
        "{Whose} network carried less than the media needed",
        "Stop uploads, switch the camera off, or change the network.",
        "send fewer or smaller layers, and keep bits for audio.",
    ),
    Kind.BANDWIDTH_LIMITED: Wording(
        "Quality lowered for want of bandwidth",
        "{Media} had to be lowered in quality because the network carried no more",
        "Stop uploads, or change the network.",
        "compare the estimated bandwidth with what was sent, and losses on the way.",
    ),
    Kind.CPU_LIMITED: Wording(
        "Quality lowered for want of CPU",
        "{Media} had to be lowered in quality because the device was too slow",
        "Close other programs, switch effects such as a blurred background off, and plug the charger in.",
        "send a smaller picture or fewer layers, and prefer a codec that the device encodes in hardware.",
    ),
    Kind.LOW_AUDIO_BITRATE: Wording(
        "Too few bits for audio",
        "{Media} had too few bits to sound good",
        "Switch the camera off, or change the network.",
        "check the codec's target bitrate and the estimated bandwidth.",
    ),
    Kind.AUDIO_CONCEALMENT: Wording(
        "Broken audio",
        "Much of {media} was made up to hide what was lost",
        "Use a cable or move closer to the access point.",
        "see losses and jitter of the same stream; switch forward error correction on.",
    ),
    Kind.AUDIO_DESYNC: Wording(
        "Audio stretched",
        "{Media} was stretched or squeezed to keep pace",
        "Use a cable or move closer to the access point; if it stays, restart the browser.",
        "see jitter and the jitter buffer; without them, compare the clocks of the sound devices.",
    ),
    Kind.LOW_MEAN_OPINION_SCORE: Wording(
        "Bad sound",
        "{Media} must have sounded bad, by what was measured",
        "Change the network, or switch the camera off.",
        "losses, delay and bitrate make the score: see which of them was bad.",
    ),
    Kind.SILENT_MICROPHONE: Wording(
        "Silent microphone",
        "{Whose} microphone was open and delivered silence",
        "Check the microphone's own switch and which microphone is chosen.",
        "show the input level before the call, and let the person choose the device.",
    ),
    Kind.NO_MEDIA_SENT: Wording(
        "Nothing sent",
        "{Who} sent nothing, and nothing tells that {media_kind} was off",
        "Switch it off and on again; if that does not help, rejoin.",
        "check that the track is live and negotiated for sending, and that the connection was up.",
    ),
    Kind.NO_MEDIA_RECEIVED: Wording(
        "Nothing arrived",
        "Nothing of {media} arrived although the other side sent",
        "Reload the page or rejoin.",
        "compare the stream's other receivers: if it arrived there, look at this receiver's subscription.",
    ),
    Kind.LOW_VIDEO_BITRATE: Wording(
        "Too few bits for video",
        "{Media} had too few bits to look good",
        "Stop uploads and downloads, or change the network.",
        "compare the estimated bandwidth, and whether CPU or bandwidth limited the sender.",
    ),
    Kind.LOW_FRAME_RATE: Wording(
        "Jerky video",
        "{Media} had few frames",
        "Close other programs; in dim light a camera makes fewer frames.",
        "compare frames captured, sent and decoded to see where they were lost.",
    ),
    Kind.LOW_RESOLUTION: Wording(
        "Small picture",
        "{Media} had a small picture",
        "Enlarge the picture; if it stays blurred, change the network.",
        "see which layer was forwarded, and whether CPU or bandwidth limited the sender.",
    ),
    Kind.VIDEO_FREEZE: Wording(
        "Frozen video",
        "{Media} stood still",
        "Use a cable or move closer to the access point.",
        "see losses and key frame requests of the same stream, and whether other receivers froze, too.",
    ),
    Kind.DECODER_OVERLOAD: Wording(
        "Too slow to decode",
        "{Whose} device could not decode video as fast as it came",
        "Close other programs, and look at fewer videos at once.",
        "subscribe to smaller layers, and prefer a codec that the device decodes in hardware.",
    ),
    Kind.DECODER_STUCK: Wording(
        "Video arrived and was not shown",
        "{Media} arrived and was not decoded",
        "Reload the page or rejoin.",
        "see whether key frames were asked for and came, and which decoder was used.",
    ),
    Kind.KEYFRAME_REQUEST_STORM: Wording(
        "Key frames asked for again and again",
        "Key frames of {media} were asked for again and again",
        "Use a cable or move closer to the access point.",
        "losses before the requests explain them; without losses, look at the decoder and at switches of layers.",
    ),
    Kind.SPEAKING_WHILE_MUTED: Wording(
        "Spoke while muted",
        "{Who} spoke with the microphone muted",
        "Unmute.",
        "show a hint at once when the client notices it.",
    ),
    Kind.MICROPHONE_MUTED_UNEXPECTEDLY: Wording(
        "Microphone muted by the system",
        "The system muted {whose} microphone",
        "End other calls on the device, then unmute.",
        "show that the system muted it; telephone calls and assistants do so.",
    ),
    Kind.MICROPHONE_NOT_FUNCTIONING: Wording(
        "Microphone not working",
        "{Whose} microphone did not work",
        "Plug it in again, choose another one, and close other programs that use it.",
        "look at the error, and let the person choose another device without rejoining.",
    ),
    Kind.MICROPHONE_NOT_FOUND: Wording(
        "No microphone",
        "{Who} had no microphone",
        "Plug a microphone or headset in.",
        "let people join without a microphone, and look for devices again when they change.",
    ),
    Kind.MICROPHONE_PERMISSION_DENIED: Wording(
        "Microphone not allowed",
        "{Who} did not allow the microphone, or the system did not",
        "Allow the microphone in the browser's and the system's settings, then reload.",
        "explain why the microphone is needed before asking for it, and how to allow it afterwards.",
    ),
    Kind.SPEAKER_NOT_FUNCTIONING: Wording(
        "Speaker not working",
        "{Whose} speaker was off, muted or did not work",
        "Turn the volume up, and choose another speaker.",
        "play a test sound before the call, and let the person choose the device.",
    ),
    Kind.SPEAKER_NOT_FOUND: Wording(
        "No speaker",
        "{Who} had no speaker",
        "Plug a headset or speaker in.",
        "look for devices again when they change, and say that nobody can be heard.",
    ),
    Kind.CAMERA_FREEZE: Wording(
        "Camera frozen",
        "{Whose} camera delivered no frames",
        "Switch the camera off and on again; close other programs that use it.",
        "restart the track when frames stop coming, and say that the camera is stuck.",
    ),
    Kind.CAMERA_START_FAILED: Wording(
        "Camera did not start",
        "{Whose} camera did not start",
        "Close other programs that use the camera, plug it in again, or choose another one.",
        "look at the error, and go on without video meanwhile.",
    ),
    Kind.CAMERA_STOPPED_UNEXPECTEDLY: Wording(
        "Camera stopped",
        "{Whose} camera stopped by itself",
        "Check the camera's cable, and switch it on again.",
        "watch for the end of the track, and offer to start it again.",
    ),
    Kind.CAMERA_PERMISSION_DENIED: Wording(
        "Camera not allowed",
        "{Who} did not allow the camera, or the system did not",
        "Allow the camera in the browser's and the system's settings, then reload.",
        "explain why the camera is needed before asking for it, and how to allow it afterwards.",
    ),
    Kind.SCREEN_SHARE_FAILED: Wording(
        "Screen sharing failed",
        "Sharing {whose} screen failed or stopped by itself",
        "Share again; on macOS, allow the browser to record the screen in the system's settings.",
        "look at the error: closing the browser's list of screens is told in the same way as a refusal.",
    ),
    Kind.LOW_RATING: Wording(
        "Rated badly",
        "{Who} rated the call badly",
        "Nothing: thank you for the answer.",
        "compare with what was measured for this participant; where that is good, look at what nothing measures, such as echo.",
    ),
    Kind.OTHER: Wording(
        "Another problem",
        "{Whose} client reported a problem",
        "Rejoin, if the problem is still there.",
        "look up what the platform means by the name in the description.",
    ),
}

OF_RULES = {
    SPARE.name: Wording(
        "Another way to connect failed",
        "{Who} was connected, and an attempt to connect in another way as well failed",
        "Nothing: another connection carried the call meanwhile.",
        "it may be a direct path beside the server's, or a library's network test; if none ever succeeds, see what blocks it.",
    ),
}
"""Of rules that mean something else than others of their kind."""


def wording_of(finding: Finding) -> Wording:
    return OF_RULES.get(finding.rule.name) or WORDINGS[finding.kind]


_MEDIA = {Media.AUDIO: "audio", Media.VIDEO: "video", Media.SCREEN: "shared screen"}
_DID = {Direction.PUBLISH: "sent", Direction.SUBSCRIBE: "received"}
_SIGNS = {
    Unit.PERCENT: " %",
    Unit.MILLISECONDS: " ms",
    Unit.PER_SECOND: " per second",
    Unit.PIXELS: " pixels",
    Unit.COUNT: "",
    Unit.SCORE: " on the scale from 1 to 5",
}
_SHARE = ", 0 to 1"


def describe(finding: Finding, names: Mapping[int, str], publisher_key: int | None = None) -> str:
    """What happened, whom it hit, how bad it was and for how long. ``names`` are those of participants, by key; the publisher
    is that of its stream."""
    sentence = wording_of(finding).happened.format_map(_fillings(finding, names, publisher_key))
    words = visible(finding.words)
    words = words if len(words) <= MAX_WORDS else words[: MAX_WORDS - 1].rstrip() + "…"
    told = [f"{sentence} ({words})" if words else sentence, _measured(finding), _lasted(finding)]
    return " ".join(f"{part}." for part in told if part)


def quantity(value: float, metric: Metric | None, measure: str = "") -> str:
    """A number with its unit, as a rule measures it."""
    if measure:
        return f"{figure(value * 100)} %" if measure.endswith(_SHARE) else figure(value)
    if metric is None:
        return figure(value)
    match metric.unit:
        case Unit.BITS_PER_SECOND:
            return f"{figure(value / 1000)} kbit/s"
        case Unit.RATIO:
            return f"{figure(value * 100)} %"
        case unit:
            return f"{figure(value)}{_SIGNS[unit]}"


def _name(key: int | None, names: Mapping[int, str]) -> str:
    return visible((names.get(key) if key is not None else None) or "")[:MAX_NAME].rstrip()


def _fillings(finding: Finding, names: Mapping[int, str], publisher_key: int | None) -> dict[str, str]:
    who, publisher = _name(finding.participant_key, names) or SOMEONE, _name(publisher_key, names)
    whose = f"{who}'s"
    # A picture of a shared screen may be measured as video.
    kind = _MEDIA.get(finding.media, "media") if finding.media is not None else "media"
    did = _DID.get(finding.direction) if finding.direction is not None else None
    source = f" from {publisher}" if publisher and finding.direction is Direction.SUBSCRIBE else ""
    media = f"the {kind} that {who} {did}{source}" if did is not None else f"{whose} {kind}"
    fillings = {"who": who, "whose": whose, "media": media, "media_kind": f"the {kind}"}
    # A name stays as its owner writes it.
    ours = (SOMEONE, "the ")
    begun = {key: value[0].upper() + value[1:] if value.startswith(ours) else value for key, value in fillings.items()}
    return fillings | {key.capitalize(): value for key, value in begun.items()}


def _measured(finding: Finding) -> str:
    """The worst value against the threshold."""
    if finding.level is None or finding.observed is None or finding.kind is IssueKind.LOW_RATING:
        return ""
    rule, limit = finding.rule, finding.level.limit
    worst, threshold = (quantity(value, rule.metric, rule.measure) for value in (finding.observed, limit.on))
    what = f" ({rule.measure.removesuffix(_SHARE)})" if rule.measure else ""
    how = "Over the whole call" if rule.is_of_whole_call else "At worst"
    return f"{how} it was {worst}{what}, and {threshold} is the threshold"


def _lasted(finding: Finding) -> str:
    end = finding.lasted_until if finding.ended_at is None else finding.ended_at
    seconds = 0.0 if end is None else max(end - finding.started_at, 0.0) / 1000
    if finding.kind in FAILED_ATTEMPTS or finding.kind is IssueKind.UNEXPECTED_DISCONNECT:
        if finding.ended_at is None or finding.rule is SPARE:
            return ""
        again = "A later attempt succeeded" if finding.kind in FAILED_ATTEMPTS else "The participant was back"
        return f"{again} after {duration(seconds)}" if seconds else f"{again} at once"
    if finding.kind is IssueKind.SLOW_SETUP or finding.rule.is_of_whole_call or not seconds:
        return ""
    if finding.ended_at is None and finding.severity is not Severity.INFO:
        return f"It was not over when last seen, {duration(seconds)} after it began"
    return f"It lasted {duration(seconds)}"
