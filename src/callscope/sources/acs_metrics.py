"""What the media statistics of ACS clients measure, in the words and units of Callscope."""

from math import inf
from typing import NamedTuple

from callscope.vocabulary import Direction, Media, Metric

FULL_SCALE = 65536
"""Of audio levels."""

DIRECTIONS = dict.fromkeys(("send", "sent", "outbound", "outgoing"), Direction.PUBLISH)
DIRECTIONS |= dict.fromkeys(("receive", "recv", "received", "inbound", "incoming"), Direction.SUBSCRIBE)


class Meaning(NamedTuple):
    """``media`` and ``direction`` where they are not those of the row; values are multiplied by ``scale``, up to ``most``."""

    metric: Metric
    scale: float = 1
    media: Media | None = None
    direction: Direction | None = None
    most: float = inf


_ROUND_TRIP = Meaning(Metric.ROUND_TRIP_TIME, direction=Direction.BOTH)
_PAIR = Meaning(Metric.ROUND_TRIP_TIME, media=Media.CONNECTION, direction=Direction.BOTH)
_LEVEL = Meaning(Metric.AUDIO_LEVEL, 1 / FULL_SCALE, most=1)
_EITHER = {
    "bitrate": Meaning(Metric.BITRATE),
    "jitterinms": Meaning(Metric.JITTER),
    "packetspersecond": Meaning(Metric.PACKETS_PER_SECOND),
    "packetslostpersecond": Meaning(Metric.PACKETS_LOST_PER_SECOND),
    "availablebitrate": Meaning(Metric.AVAILABLE_BITRATE, media=Media.CONNECTION),
    "rttinms": _ROUND_TRIP,
    "roundtriptimeinms": _ROUND_TRIP,
    "pairrttinms": _PAIR,
    "pairroundtriptimeinms": _PAIR,
    "jitterbufferinms": Meaning(Metric.JITTER_BUFFER_DELAY),
    "healedratio": Meaning(Metric.CONCEALED_RATIO),
    "audioinputlevel": _LEVEL,
    "audiooutputlevel": _LEVEL,
    "framerate": Meaning(Metric.FRAME_RATE),
    "framewidth": Meaning(Metric.FRAME_WIDTH),
    "frameheight": Meaning(Metric.FRAME_HEIGHT),
}
METRICS = {
    Direction.PUBLISH: _EITHER
    | {
        "frameratesent": Meaning(Metric.FRAME_RATE),
        "framewidthsent": Meaning(Metric.FRAME_WIDTH),
        "frameheightsent": Meaning(Metric.FRAME_HEIGHT),
    },
    Direction.SUBSCRIBE: _EITHER
    | {
        "frameratedecoded": Meaning(Metric.FRAME_RATE),
        "framewidthreceived": Meaning(Metric.FRAME_WIDTH),
        "frameheightreceived": Meaning(Metric.FRAME_HEIGHT),
    },
}
"""By Azure's names (acs.md, 6) in lower case, those of the native SDKs among them.

Left out is what Azure documents as a total without saying of what time: TotalFreezeDurationInMs, FramesDropped and the like may
be of the interval, of one second of it or of the whole call.
"""
