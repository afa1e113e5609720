"""What there were data of."""

from callscope.analysis.coverage import Seen, coverage_of
from callscope.vocabulary import MediaMode
from tests.analysis.told import catalog, series


def test_coverage_is_of_what_has_samples() -> None:
    found = catalog(
        call=[{"callId": "x", "mediaMode": "ROUTED"}],
        series=[
            series("BITRATE", participantId="p", connectionId="c", streamId="s"),
            series("PACKET_LOSS", participantId="p", connectionId="c", streamId="s"),
            series("BITRATE", "VIDEO", participantId="p", connectionId="c", streamId="s"),
            series("BITRATE", "SCREEN", participantId="p", connectionId="c", streamId="s"),
        ],
    )
    one, other, third, _ = found.series
    coverage = coverage_of(found, {one: (5, 9), other: (2, 7), third: (1, 3)})
    assert coverage.media_mode is MediaMode.ROUTED
    assert coverage.publishers == {"stream/s": "participant/p"}
    assert {key[4]: seen for key, seen in coverage.subjects.items()} == {"AUDIO": Seen(2, 9), "VIDEO": Seen(1, 3, is_path=False)}
    key, *_ = coverage.subjects
    summed_up = {key: Seen(0, 99), ("q", "d", None, None, "AUDIO", "SUBSCRIBE"): Seen(3, 4)}
    more = coverage_of(found, {one: (5, 9), other: (2, 7), third: (1, 3)}, summed_up)
    assert more.subjects == {**summed_up, **coverage.subjects}
    assert more.subjects[key] == Seen(2, 9)
