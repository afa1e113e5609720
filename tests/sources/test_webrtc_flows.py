import pytest

from callscope.sources.client_clock import ClientClock
from callscope.sources.webrtc_counters import Rtp, Snapshot
from callscope.sources.webrtc_flows import Flow, Flows
from callscope.vocabulary import Media, StreamSource

AT = 1_700_000_000_000.0


def rtp(ssrc=1, *, kind="video", is_sent=True, at=AT, **fields):
    return Rtp(ssrc=ssrc, kind=kind, is_sent=is_sent, at=at, **fields)


def seen(*rtps):
    return Snapshot(AT, list(rtps), [], None)


def grouped(*snapshots):
    """SSRCs by flow, after the given snapshots of what is sent."""
    flows = Flows()
    for snapshot in snapshots:
        for counted in snapshot.rtps:
            flows.of_sent(counted, snapshot).count(counted, AT)
    return [sorted(flow.ssrcs) for flow in flows]


@pytest.mark.parametrize("name", [{"track": "camera"}, {"section": "1"}, {}])
def test_layers_of_one_source_are_one_flow(name):
    assert grouped(seen(rtp(1, **name), rtp(2, **name), rtp(3, kind="audio", **name))) == [[1, 2], [3]]


@pytest.mark.parametrize("key", ["track", "section"])
def test_a_camera_and_a_screen_are_two(key):
    assert grouped(seen(rtp(1, **{key: "camera"}), rtp(2, **{key: "screen"}))) == [[1], [2]]


def test_a_flow_survives_a_change_of_track():
    assert grouped(seen(rtp(1, track="a"), rtp(2, track="a")), seen(rtp(1, track="b"), rtp(2, track="b"), rtp(3, track="b"))) == [
        [1, 2, 3]
    ]


def test_a_flow_survives_a_change_of_ssrc():
    assert grouped(seen(rtp(1, track="a")), seen(rtp(2, track="b"))) == [[1, 2]]


def test_what_is_received_is_grouped_by_stream():
    flows = Flows()
    first = flows.of_received(rtp(1, is_sent=False), "s")
    first.ssrcs.add(1)
    assert flows.of_received(rtp(2, is_sent=False), "s") is first
    assert flows.of_received(rtp(3, is_sent=False, kind="audio"), "s") is not first
    nameless = flows.of_received(rtp(4, is_sent=False), None)
    assert nameless is not first
    assert flows.of_received(rtp(4, is_sent=False), "late").label == "late"
    assert flows.of_received(rtp(5, is_sent=False), None) not in {first, nameless}
    assert flows.find(rtp(1, is_sent=False)) is first
    assert flows.find(rtp(9)) is None


def test_source_and_media():
    audio, video = Flow("audio", is_sent=True), Flow("video", is_sent=True)
    assert (audio.source, audio.media) == (StreamSource.AUDIO_ONLY, Media.AUDIO)
    assert (video.source, video.media) == (None, Media.VIDEO)
    video.is_screen = True
    assert (video.source, video.media) == (StreamSource.SCREEN, Media.SCREEN)
    video.is_screen = False
    assert (video.source, video.media) == (StreamSource.CAMERA, Media.VIDEO)


def test_life_of_a_flow():
    flow = Flow("video", is_sent=True)
    assert (flow.codec, flow.bytes) == (None, 0)
    flow.count(rtp(packets=0), AT)
    assert (flow.offered_at, flow.started_at, flow.is_scalable) == (AT, None, False)
    flow.count(rtp(packets=5, bytes=70, codec="VP8"), AT + 1)
    flow.count(rtp(2, packets=5, bytes=30, codec="VP9"), AT + 2)
    assert (flow.started_at, flow.last_at, flow.is_scalable, flow.bytes, flow.codec) == (AT + 1, AT + 2, True, 100, "VP9")


def totals_of(*counted, is_sent=False, kind="audio"):
    flow = Flow(kind, is_sent=is_sent)
    for number, one in enumerate(counted):
        flow.count(one, AT + number)
    return list(flow.totals(ClientClock(), call_id="c", subscriber_id="s"))


def test_totals_of_what_was_received():
    (totals,) = totals_of(
        rtp(7, kind="audio", is_sent=False, packets=1),
        rtp(7, kind="audio", is_sent=False, packets=95, lost=5, bytes=9000, concealed=300, samples=1000, codec="opus"),
    )
    assert (totals.ssrc, totals.media, totals.codec, totals.at.timestamp() * 1000) == (7, Media.AUDIO, "opus", AT + 1)
    assert (totals.packets, totals.packets_lost, totals.packet_loss_percent, totals.bytes) == (95, 5, 5, 9000)
    assert (totals.concealed_percent, totals.round_trip_time_ms) == (30, None)


def test_totals_of_what_was_sent():
    (totals,) = totals_of(
        rtp(packets=50, lost=0, round_trip_ms=20, judged_at=AT),
        rtp(packets=70, lost=0, round_trip_ms=20, judged_at=AT),
        rtp(packets=100, lost=4, round_trip_ms=40, judged_at=AT + 2),
        is_sent=True,
    )
    assert (totals.packet_loss_percent, totals.round_trip_time_ms) == (4, 30)


@pytest.mark.parametrize(
    ("packets", "lost", "percent"), [(0, 7, 100), (10, -3, 0), (10, None, None), (None, 7, None), (-5, 5, 100), (-5, 0, None)]
)
def test_loss_in_odd_cases(packets, lost, percent):
    (totals,) = totals_of(rtp(kind="audio", is_sent=False, packets=packets, lost=lost, is_legacy=True))
    assert totals.packet_loss_percent == percent


def test_only_old_chrome_lists_ssrcs_that_carried_nothing():
    assert totals_of(rtp(packets=0)) == []
    assert len(totals_of(rtp(packets=0, is_legacy=True))) == 1


def test_a_screen_shared_on_the_ssrc_of_the_camera_has_totals_of_its_own():
    flow = Flow("video", is_sent=True)
    flow.count(rtp(packets=5), AT)
    flow.is_screen = True
    flow.count(rtp(packets=9), AT + 1)
    told = [(totals.media, totals.packets) for totals in flow.totals(ClientClock(), call_id="c", stream_id="s")]
    assert told == [(Media.VIDEO, 5), (Media.SCREEN, 9)]
