"""Counters at the end of a stream or subscriber, added up from the samples that were told."""

from dataclasses import dataclass, field
from math import fsum
from zlib import crc32

from callscope.simulation.measures import Measured
from callscope.simulation.timeline import Publication, Subscription
from callscope.telemetry import TotalsRecord, from_milliseconds
from callscope.vocabulary import Media, Metric


@dataclass
class Totals:
    """Of one media of one stream (as sent) or subscriber (as received); only of what its client reports.

    The counters are whole numbers in the finest unit that samples have, so that it never matters how a call is cut into batches.
    """

    is_received: bool
    reported: set[Metric] = field(default_factory=set)
    samples: int = 0
    packet_tenths: int = 0
    lost_thousandths: int = 0
    bits: int = 0
    latency_tenths: int = 0
    concealed_parts: int = 0  # of ten thousand
    dropped: int = 0
    frozen_ms: int = 0

    def add(self, measured: Measured) -> None:
        """Takes in a stretch; packets, losses and bits are those of a second in each interval."""
        packets, losses = measured.get(Metric.PACKETS_PER_SECOND, []), measured.get(Metric.PACKET_LOSS, [])
        # Loss is percent of those expected: all that were sent, but more than those that came.
        came = 1.0 if self.is_received else 0.0
        lost = [x * y / (100.0 - came * y) * 1000.0 + 0.5 for x, y in zip(packets, losses, strict=False)]
        self.reported.update(measured)
        self.samples += max(map(len, measured.values()))
        self.packet_tenths += round(10.0 * fsum(packets))
        self.lost_thousandths += sum(map(int, lost))
        self.bits += round(fsum(measured.get(Metric.BITRATE, ())))
        self.latency_tenths += round(10.0 * fsum(measured.get(Metric.LATENCY, ())))
        self.concealed_parts += round(10_000.0 * fsum(measured.get(Metric.CONCEALED_RATIO, ())))
        self.dropped += round(fsum(measured.get(Metric.FRAMES_DROPPED, ())))
        self.frozen_ms += round(fsum(measured.get(Metric.FREEZE_DURATION, ())))

    def record(self, call_id: str, subject: Publication | Subscription, media: Media, interval: float) -> TotalsRecord:
        """The counters as a source tells them; `interval` is the seconds between samples."""
        publication = subject if isinstance(subject, Publication) else subject.publication
        packets, lost = self.packet_tenths * interval / 10.0, self.lost_thousandths * interval / 1000.0
        expected = packets + lost if self.is_received else packets
        round_trip = round(self.latency_tenths / self.samples / 5.0, 1)
        return TotalsRecord(
            call_id=call_id,
            stream_id=None if self.is_received else publication.stream_id,
            subscriber_id=subject.subscriber_id if isinstance(subject, Subscription) else None,
            media=media,
            ssrc=crc32(f"{publication.stream_id}/{media}".encode()),
            at=from_milliseconds(subject.ended),
            codec=publication.audio_codec if media is Media.AUDIO else publication.video_codec,
            packets=self._of(round(packets), Metric.PACKETS_PER_SECOND),
            packets_lost=self._of(round(lost), Metric.PACKETS_PER_SECOND, Metric.PACKET_LOSS),
            packet_loss_percent=self._of(round(100.0 * lost / expected, 3), Metric.PACKET_LOSS) if expected else None,
            bytes=self._of(round(self.bits * interval / 8.0), Metric.BITRATE),
            concealed_percent=self._of(round(self.concealed_parts / self.samples / 100.0, 3), Metric.CONCEALED_RATIO),
            frames_dropped=self._of(self.dropped, Metric.FRAMES_DROPPED),
            freeze_seconds=self._of(self.frozen_ms / 1000.0, Metric.FREEZE_DURATION),
            round_trip_time_ms=None if self.is_received else self._of(round_trip, Metric.LATENCY),
        )

    def _of(self, counter: float, *metrics: Metric) -> float | None:
        """A counter that is made of these metrics, if they are reported."""
        return counter if self.reported.issuperset(metrics) else None
