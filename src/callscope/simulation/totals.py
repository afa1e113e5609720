"""Counters at the end of a stream or subscriber, added up from the samples that were told."""

from dataclasses import dataclass
from math import fsum
from operator import mul
from zlib import crc32

from callscope.simulation.readings import Measured
from callscope.simulation.timeline import Publication, Subscription
from callscope.telemetry import TotalsRecord, from_milliseconds
from callscope.vocabulary import Media, Metric


@dataclass
class Totals:
    """Of one media of one stream (as sent) or subscriber (as received)."""

    is_received: bool
    packets: float = 0.0
    lost: float = 0.0
    bits: float = 0.0
    samples: int = 0
    latency: float = 0.0
    concealed: float = 0.0
    dropped: float = 0.0
    frozen: float = 0.0

    def add(self, measured: Measured, interval: float) -> None:
        """Takes in a stretch; `interval` is the seconds between its samples."""
        packets, losses = measured[Metric.PACKETS_PER_SECOND], measured[Metric.PACKET_LOSS]
        # Loss is percent of those expected: all that were sent, but more than those that came.
        if self.is_received:
            lost = fsum([count * loss / (100.0 - loss) for count, loss in zip(packets, losses, strict=True)])
        else:
            lost = fsum(map(mul, packets, losses)) / 100.0
        self.packets += fsum(packets) * interval
        self.lost += lost * interval
        self.bits += fsum(measured[Metric.BITRATE]) * interval
        self.samples += len(packets)
        self.latency += fsum(measured[Metric.LATENCY])
        self.concealed += fsum(measured.get(Metric.CONCEALED_RATIO, ()))
        self.dropped += fsum(measured.get(Metric.FRAMES_DROPPED, ()))
        self.frozen += fsum(measured.get(Metric.FREEZE_DURATION, ())) / 1000.0

    def record(self, call_id: str, subject: Publication | Subscription, media: Media) -> TotalsRecord:
        publication = subject if isinstance(subject, Publication) else subject.publication
        expected = self.packets + self.lost if self.is_received else self.packets
        is_audio = media is Media.AUDIO
        return TotalsRecord(
            call_id=call_id,
            stream_id=None if self.is_received else publication.stream_id,
            subscriber_id=subject.subscriber_id if isinstance(subject, Subscription) else None,
            media=media,
            ssrc=crc32(f"{publication.stream_id}/{media}".encode()),
            at=from_milliseconds(subject.ended),
            codec=publication.audio_codec if is_audio else publication.video_codec,
            packets=round(self.packets),
            packets_lost=round(self.lost),
            packet_loss_percent=round(100.0 * self.lost / expected, 3) if expected else None,
            bytes=round(self.bits / 8.0),
            concealed_percent=round(100.0 * self.concealed / self.samples, 3) if self.is_received and is_audio else None,
            frames_dropped=round(self.dropped) if self.is_received and not is_audio else None,
            freeze_seconds=round(self.frozen, 3) if self.is_received and not is_audio else None,
            round_trip_time_ms=None if self.is_received else round(2.0 * self.latency / self.samples, 1),
        )
