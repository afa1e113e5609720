"""The rules that watch measured values, with the default thresholds and where each comes from.

Sources are the notes named in ``rules``; a figure of Callscope's own says so. Where Azure or Vonage publish thresholds of their
own, calls of that platform are held to them, so that Callscope agrees with the official tools about their own data.
"""

from callscope.analysis.opinion import FORMULA, VERSION
from callscope.analysis.rules import Rule, level
from callscope.vocabulary import Direction, IssueKind, Media, Metric, Platform, Severity

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
SENT, RECEIVED = frozenset({Direction.PUBLISH}), frozenset({Direction.SUBSCRIBE})
AUDIO, VIDEO, SCREEN = frozenset({Media.AUDIO}), frozenset({Media.VIDEO}), frozenset({Media.SCREEN})
PICTURE, CONNECTION = VIDEO | SCREEN, frozenset({Media.CONNECTION})

NOTHING = 1.0
"""Bit/s: less is no media at all."""
NO_FRAMES = 0.1
"""Frames per second: less is a picture that stands still."""

_NETWORK = (
    Rule(
        "high_packet_loss",
        IssueKind.HIGH_PACKET_LOSS,
        "webrtc-issue-detector and Vonage (5 %), Azure (10 %)",
        (level(WARNING, 5, 3, 10), level(ERROR, 10, 7, 5)),
        Metric.PACKET_LOSS,
    ),
    Rule(
        "high_round_trip",
        IssueKind.HIGH_LATENCY,
        "Vonage and webrtc-issue-detector (300 ms), Azure (500 ms)",
        (level(WARNING, 300, 250, 10), level(ERROR, 500, 400, 10)),
        Metric.ROUND_TRIP_TIME,
    ),
    Rule(
        "high_jitter",
        IssueKind.HIGH_JITTER,
        "Azure (30 ms), webrtc-issue-detector (200 ms)",
        (level(WARNING, 30, 20, 10), level(ERROR, 200, 100, 5)),
        Metric.JITTER,
    ),
    Rule(
        "jitter_buffer_high",
        IssueKind.JITTER_BUFFER_HIGH,
        "Azure and ObserveRTC (200 ms)",
        (level(WARNING, 200, 150, 10),),
        Metric.JITTER_BUFFER_DELAY,
        directions=RECEIVED,
    ),
    Rule(
        "low_bandwidth_estimate",
        IssueKind.LOW_BANDWIDTH,
        "webrtc-issue-detector (100 kbit/s with video)",
        (level(WARNING, 100_000, 150_000, 10, low=True),),
        Metric.AVAILABLE_BITRATE,
        media=CONNECTION,
        directions=SENT,
    ),
    Rule(
        "no_media_received",
        IssueKind.NO_MEDIA_RECEIVED,
        "ObserveRTC (dry track, 5 s), webrtc-issue-detector, Azure (no packets)",
        (level(ERROR, NOTHING, NOTHING, 5, low=True),),
        Metric.BITRATE,
        media=AUDIO | PICTURE,
        directions=RECEIVED,
    ),
    Rule(
        "no_media_sent",
        IssueKind.NO_MEDIA_SENT,
        "ObserveRTC (dry track, 5 s), Azure (no packets)",
        (level(ERROR, NOTHING, NOTHING, 5, low=True),),
        Metric.BITRATE,
        media=AUDIO | VIDEO,
        directions=SENT,
        screen=False,
    ),
)
_LIMITS = tuple(
    Rule(
        f"quality_limited_{reason}",
        kind,
        "ObserveRTC (share 0.3)",
        (level(WARNING, 0.3, 0.1, 10),),
        Metric.QUALITY_LIMITATION,
        media=PICTURE,
        directions=SENT,
        measure=f"share of the time in which the sender said that {reason} limits it, 0 to 1",
    )
    for reason, kind in (("cpu", IssueKind.CPU_LIMITED), ("bandwidth", IssueKind.BANDWIDTH_LIMITED))
)
_SOUND = (
    Rule(
        "audio_concealment",
        IssueKind.AUDIO_CONCEALMENT,
        "ObserveRTC (0.03), Azure (healed ratio 0.1)",
        (level(WARNING, 0.03, 0.01, 15), level(ERROR, 0.1, 0.05, 15)),
        Metric.CONCEALED_RATIO,
        media=AUDIO,
        directions=RECEIVED,
    ),
    Rule(
        "audio_desync",
        IssueKind.AUDIO_DESYNC,
        "ObserveRTC (0.1)",
        (level(WARNING, 0.1, 0.05, 10),),
        Metric.STRETCHED_RATIO,
        media=AUDIO,
        directions=RECEIVED,
    ),
    Rule(
        "low_audio_bitrate",
        IssueKind.LOW_AUDIO_BITRATE,
        "Vonage (25 kbit/s)",
        (level(WARNING, 25_000, 32_000, 15, low=True),),
        Metric.BITRATE,
        media=AUDIO,
    ),
    Rule(
        "silent_microphone",
        IssueKind.SILENT_MICROPHONE,
        "ObserveRTC (0.001 for 30 s)",
        (level(WARNING, 0.001, 0.001, 30, low=True),),
        Metric.AUDIO_LEVEL,
        media=AUDIO,
        directions=SENT,
        screen=False,
    ),
    Rule(
        "speaking_while_muted",
        IssueKind.SPEAKING_WHILE_MUTED,
        "Azure (speakingWhileMicrophoneIsMuted; 1 % of full scale)",
        (level(INFO, 0.01, 0.01, 2),),
        Metric.AUDIO_LEVEL,
        media=AUDIO,
        directions=SENT,
        screen=False,
        measure="loudness while muted, 0 to 1",
    ),
    Rule(
        "low_audio_mos",
        IssueKind.LOW_MEAN_OPINION_SCORE,
        f"webrtc-issue-detector (bands), peermetrics (30 s), of the score by the {FORMULA}, version {VERSION}",
        (level(WARNING, 3.1, 3.5, 30, low=True), level(ERROR, 2.6, 3.0, 30, low=True)),
        Metric.MEAN_OPINION_SCORE,
        media=AUDIO,
    ),
)
_PICTURE = (
    Rule(
        "low_video_bitrate",
        IssueKind.LOW_VIDEO_BITRATE,
        "Vonage (150 kbit/s)",
        (level(WARNING, 150_000, 200_000, 15, low=True),),
        Metric.BITRATE,
        media=VIDEO,
        screen=False,
    ),
    Rule(
        "low_frame_rate",
        IssueKind.LOW_FRAME_RATE,
        "Azure (7 frames/s)",
        (level(WARNING, 7, 10, 10, low=True),),
        Metric.FRAME_RATE,
        media=VIDEO,
        screen=False,
    ),
    # Whether a screen changed is known only from what was sent, so what was sent is not judged itself.
    Rule(
        "low_frame_rate_screen",
        IssueKind.LOW_FRAME_RATE,
        "Azure (shared screen, 1 frame/s)",
        (level(WARNING, 1, 2, 10, low=True),),
        Metric.FRAME_RATE,
        media=PICTURE,
        directions=RECEIVED,
        screen=True,
    ),
    Rule(
        "low_resolution",
        IssueKind.LOW_RESOLUTION,
        "Azure (240 lines)",
        (level(INFO, 240, 360, 30, low=True),),
        Metric.FRAME_HEIGHT,
        media=VIDEO,
        screen=False,
    ),
    Rule(
        "low_resolution_screen",
        IssueKind.LOW_RESOLUTION,
        "Azure (shared screen as received, 768 lines)",
        (level(INFO, 768, 900, 30, low=True),),
        Metric.FRAME_HEIGHT,
        media=PICTURE,
        directions=RECEIVED,
        screen=True,
    ),
    Rule(
        "video_freeze",
        IssueKind.VIDEO_FREEZE,
        "webrtc-issue-detector (30 %)",
        (level(ERROR, 0.3, 0.1, 2),),
        Metric.FREEZE_DURATION,
        media=VIDEO,
        directions=RECEIVED,
        screen=False,
        measure="share of the time in which the picture stood still, 0 to 1",
    ),
    Rule(
        "long_freezes",
        IssueKind.VIDEO_FREEZE,
        "webrtc-issue-detector (1 s on average)",
        (level(ERROR, 1000, 500, 2),),
        Metric.FREEZE_COUNT,
        media=VIDEO,
        directions=RECEIVED,
        screen=False,
        measure="mean length of a freeze, ms",
    ),
    Rule(
        "video_freeze_screen",
        IssueKind.VIDEO_FREEZE,
        "Azure (shared screen, 25 s in a minute)",
        (level(ERROR, 25 / 60, 0.2, 60),),
        Metric.FREEZE_DURATION,
        media=PICTURE,
        directions=RECEIVED,
        screen=True,
        measure="share of the time in which the picture stood still, 0 to 1",
    ),
    Rule(
        "camera_freeze",
        IssueKind.CAMERA_FREEZE,
        "Azure (cameraFreeze, 5 s)",
        (level(ERROR, NO_FRAMES, NO_FRAMES, 5, low=True),),
        Metric.FRAME_RATE,
        media=VIDEO,
        directions=SENT,
        screen=False,
    ),
    Rule(
        "decoder_overload",
        IssueKind.DECODER_OVERLOAD,
        "ObserveRTC (0.8 of the frame budget, with dropped frames and without losses)",
        (level(WARNING, 0.8, 0.7, 0, samples=2),),
        Metric.DECODE_TIME,
        media=PICTURE,
        directions=RECEIVED,
        measure="share of the time that decoding took, 0 to 1",
    ),
    Rule(
        "stuck_decoder",
        IssueKind.DECODER_STUCK,
        "ObserveRTC (4 s or 15 round trips, with 10 kbit/s arriving)",
        (level(ERROR, NO_FRAMES, NO_FRAMES, 4, low=True, samples=2),),
        Metric.FRAME_RATE,
        media=PICTURE,
        directions=RECEIVED,
    ),
    Rule(
        "keyframe_request_storm",
        IssueKind.KEYFRAME_REQUEST_STORM,
        "ObserveRTC (0.5/s)",
        (level(WARNING, 0.5, 0.15, 30),),
        Metric.KEY_FRAME_REQUESTS,
        media=PICTURE,
        directions=RECEIVED,
    ),
)
RULES = (*_NETWORK, *_LIMITS, *_SOUND, *_PICTURE)

_ACS = (
    Rule(
        "high_packet_loss",
        IssueKind.HIGH_PACKET_LOSS,
        "Azure (poor above 10 %)",
        (level(ERROR, 10, 7, 5),),
        Metric.PACKET_LOSS,
    ),
    Rule(
        "high_round_trip",
        IssueKind.HIGH_LATENCY,
        "Azure (poor above 500 ms)",
        (level(ERROR, 500, 400, 10),),
        Metric.ROUND_TRIP_TIME,
    ),
    Rule(
        "audio_concealment",
        IssueKind.AUDIO_CONCEALMENT,
        "Azure (healed ratio 0.1)",
        (level(ERROR, 0.1, 0.05, 15),),
        Metric.CONCEALED_RATIO,
        media=AUDIO,
        directions=RECEIVED,
    ),
)
_VONAGE = (
    Rule(
        "high_packet_loss",
        IssueKind.HIGH_PACKET_LOSS,
        "Vonage (3 %), Azure (10 %)",
        (level(WARNING, 3, 2, 10), level(ERROR, 10, 7, 5)),
        Metric.PACKET_LOSS,
    ),
    Rule(
        "high_latency",
        IssueKind.HIGH_LATENCY,
        "Vonage (300 ms), Azure (500 ms)",
        (level(WARNING, 300, 250, 10), level(ERROR, 500, 400, 10)),
        Metric.LATENCY,
    ),
)
_OF_PLATFORM: dict[Platform, tuple[Rule, ...]] = {Platform.ACS: _ACS, Platform.VONAGE: _VONAGE}


def rules_for(platform: Platform) -> list[Rule]:
    """The rules for a platform's calls: its own where it has one of that name, else the common ones."""
    own = {rule.name: rule for rule in _OF_PLATFORM.get(platform, ())}
    return [own.pop(rule.name, rule) for rule in RULES] + list(own.values())
