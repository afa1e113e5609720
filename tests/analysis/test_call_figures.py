"""Figures of whole calls: what Azure calls poor, is."""

import pytest
from happened import event, later, seconds
from told import at, catalog, connection, series, stream

from callscope.analysis import call_figures
from callscope.analysis.call_figures import FIGURES, RULES, WHOLE_CALL, subjects, summaries, summary_findings
from callscope.analysis.rules import Override, overridden
from callscope.vocabulary import Direction, IssueKind, Media, Metric

CALL = {
    "connection": [connection("c", participantId="p", connectedAt=at(0), closedAt=at(10))],
    "stream": [stream("s", connectionId="c", publishedAt=at(0))],
}
LOGGED = 3600.0
"""Seconds after the start: long after the call."""


def row(media="Audio", direction="Outbound", *, version=None, stream_id="1", second=LOGGED, **figures):
    told = {"mediaType": media, "direction": direction, "streamId": stream_id, "callUpdatesVersion": version} | figures
    payload = {name: value for name, value in told.items() if value is not None}
    sent = {"stream_key": "stream/s"} if direction == "Outbound" else {}
    return event("CallDiagnostics", second, payload, category="MEDIA", participant_key=None, **sent)


def found(*rows, rules=RULES, **told):
    known = catalog(**CALL | told)
    return list(summary_findings(summaries(rows, known), known, rules))


def kinds(*rows, **told):
    return [one.kind.name for one in found(*rows, **told)]


# Azure's table: what is poor, and what just is not.
CASES = [
    ("HIGH_LATENCY", "Audio", "Outbound", "roundTripTimeAvg", 501, 500),
    ("HIGH_LATENCY", "Video", "Inbound", "roundTripTimeAvg", 501, 500),
    ("HIGH_JITTER", "VBSS", "Inbound", "jitterAvg", 31, 30),
    ("HIGH_PACKET_LOSS", "Audio", "Outbound", "packetLossRateAvg", 0.11, 0.1),
    ("JITTER_BUFFER_HIGH", "Audio", "Inbound", "jitterBufferSizeAvg", 201, 200),
    ("JITTER_BUFFER_HIGH", "Video", "Inbound", "jitterBufferSizeMax", 201, 200),
    ("AUDIO_CONCEALMENT", "Audio", "Inbound", "healedDataRatioAvg", 0.11, 0.1),
    ("AUDIO_CONCEALMENT", "Audio", "Inbound", "healedDataRatioMax", 0.11, 0.1),
    ("LOW_FRAME_RATE", "Video", "Inbound", "videoFrameRateAvg", 6.9, 7),
    ("LOW_FRAME_RATE", "Video", "Outbound", "videoFrameRateAvg", 6.9, 7),
    ("LOW_FRAME_RATE", "VBSS", "Inbound", "videoFrameRateAvg", 0.9, 1),
    ("LOW_RESOLUTION", "Video", "Inbound", "recvResolutionHeight", 239, 240),
    ("LOW_RESOLUTION", "VBSS", "Inbound", "recvResolutionHeight", 767, 768),
    ("VIDEO_FREEZE", "Video", "Inbound", "recvFreezeDurationPerMinuteInMs", 6_001, 6_000),
    ("VIDEO_FREEZE", "VBSS", "Inbound", "recvFreezeDurationPerMinuteInMs", 25_001, 25_000),
    ("NO_MEDIA_SENT", "Audio", "Outbound", "packetUtilization", 0, 1),
    ("NO_MEDIA_RECEIVED", "Video", "Inbound", "packetUtilization", 0, 1),
]


@pytest.mark.parametrize(("kind", "media", "direction", "column", "poor", "good"), CASES)
def test_azure_and_we_agree_on_what_is_poor(kind, media, direction, column, poor, good):
    assert kinds(row(media, direction, **{column: good})) == []
    (one,) = found(row(media, direction, **{column: poor}))
    assert one.kind.name == kind
    assert one.observed == pytest.approx(poor * next(figure.scale for figure in FIGURES if column in figure.columns))
    assert one.media is call_figures.MEDIA[media.lower()]
    assert one.direction is {"HIGH_LATENCY": Direction.BOTH}.get(
        kind, Direction[{"O": "PUBLISH", "I": "SUBSCRIBE"}[direction[0]]]
    )


@pytest.mark.parametrize(
    ("media", "direction", "column", "value"),
    [
        ("Audio", "Outbound", "jitterBufferSizeAvg", 900),
        ("Video", "Inbound", "healedDataRatioAvg", 0.9),
        ("Audio", "Inbound", "videoFrameRateAvg", 0),
        ("Video", "Outbound", "recvResolutionHeight", 90),
        ("AppSharing", "Outbound", "packetUtilization", 0),
        ("Audio", "Outbound", "roundTripTimeMax", 9000),
        ("Audio", "Outbound", "packetLossRateMax", 1),
        ("Audio", "Outbound", "packetUtilization", -1),
        ("Video", "Inbound", "videoFrameRateAvg", -1),
        ("Audio", "Outbound", "jitterAvg", None),
        ("Audio", "Outbound", "jitterAvg", "much"),
        ("Audio", "Outbound", "jitterAvg", True),
    ],
)
def test_not_of_other_media_nor_by_other_figures(media, direction, column, value):
    assert kinds(row(media, direction, **{column: value})) == []


def test_lasts_as_long_as_its_connection_and_never_recovers():
    (one,) = found(row(jitterAvg=80))
    assert (seconds(one.started_at), one.ended_at, seconds(one.lasted_until)) == (0, None, 600)
    assert (one.participant_key, one.connection_key, one.stream_key) == ("participant/p", "connection/c", "stream/s")
    (one,) = found(row(jitterAvg=80), connection=[connection("c", participantId="p", connectedAt=at(0))])
    assert seconds(one.lasted_until) == LOGGED
    (one,) = found(
        row(jitterAvg=80), connection=[connection("c", participantId="p", attemptedAt=at(0), failedAt=at(1))], stream=[]
    )
    assert (seconds(one.started_at), seconds(one.lasted_until)) == (LOGGED, LOGGED)


def test_of_a_stream_without_packets_that_alone_is_told():
    assert kinds(row("Video", packetUtilization=0, videoFrameRateAvg=0)) == ["NO_MEDIA_SENT"]
    assert kinds(row("Video", packetUtilization=0, jitterAvg=80)) == ["HIGH_JITTER", "NO_MEDIA_SENT"]


@pytest.mark.parametrize("order", [1, -1])
def test_the_highest_version_counts_and_the_plain_row_is_the_last(order):
    told = [row(jitterAvg=99, version=1), row(jitterAvg=40, version=3), row(jitterAvg=98, version=2)][::order]
    assert [one.observed for one in found(*told)] == [40]
    assert found(*told, row(jitterAvg=5)) == found(row(jitterAvg=5), *told) == []
    assert [one.observed for one in found(*told, row(jitterAvg=70, version=9, stream_id="2"))] == [40, 70]


def test_what_series_tell_is_not_told_twice():
    told = [row("Audio", jitterAvg=80, roundTripTimeAvg=800)]
    own = {"participantId": "p", "connectionId": "c"}
    assert kinds(*told) == ["HIGH_LATENCY", "HIGH_JITTER"]
    assert kinds(*told, series=[series("JITTER", **own)]) == ["HIGH_LATENCY"]
    assert kinds(*told, series=[series("ROUND_TRIP_TIME", direction="BOTH", **own)]) == ["HIGH_JITTER"]
    for other in (
        series("JITTER", media="VIDEO", **own),
        series("JITTER", direction="SUBSCRIBE", **own),
        series("JITTER", participantId="q", connectionId="d"),
    ):
        assert kinds(*told, series=[other]) == ["HIGH_LATENCY", "HIGH_JITTER"]


def test_with_another_threshold():
    rules = overridden(RULES, [Override(IssueKind.HIGH_JITTER, 10, 5, 60)])
    (one,) = found(row(jitterAvg=15), rules=rules)
    assert (one.level.limit.on, one.level.limit.off, one.level.limit.minimum_seconds) == (10, 10, 0)


def test_other_events_say_nothing():
    told = row(jitterAvg=80)
    for other in ("CallSummary", "x"):
        assert summaries([event(other, 1, told.payload)], catalog(**CALL)) == []
    for payload in (None, [], "x", {"jitterAvg": 80}):
        assert summaries([event("CallDiagnostics", 1, payload)], catalog(**CALL)) == []


def test_what_was_good_is_evidence_too():
    known = catalog(**CALL)
    rows = [row(jitterAvg=1), row("Video", "Inbound", roundTripTimeAvg=9, packetLossRateAvg=None)]
    assert {key: seen.is_path for key, seen in subjects(summaries(rows, known)).items()} == {
        ("participant/p", "connection/c", "stream/s", None, Media.AUDIO, Direction.PUBLISH): True,
        ("participant/p", "connection/c", None, None, Media.VIDEO, Direction.SUBSCRIBE): False,
        ("participant/p", "connection/c", None, None, Media.CONNECTION, Direction.BOTH): True,
    }


def test_shifting_time_shifts_findings_and_nothing_else():
    moved = {
        "connection": [connection("c", participantId="p", connectedAt=at(7), closedAt=at(17))],
        "stream": [stream("s", connectionId="c", publishedAt=at(7))],
    }
    told = [row(jitterAvg=80, packetLossRateAvg=0.5), row("Video", "Inbound", recvResolutionHeight=90)]
    shifted = [row(jitterAvg=80, packetLossRateAvg=0.5, second=LOGGED + 420)]
    shifted += [row("Video", "Inbound", recvResolutionHeight=90, second=LOGGED + 420)]
    assert found(*shifted, **moved) == [later(one, 420_000) for one in found(*told)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_says_what_it_is(rule):
    assert rule.name.startswith(WHOLE_CALL)
    assert rule.source.startswith("Azure (poor where ")
    assert rule.is_of_whole_call
    assert rule.metric in Metric
    (only,) = rule.levels
    assert (only.limit.on, only.limit.minimum_seconds) == (only.limit.off, 0)


def test_names_are_distinct():
    assert len({rule.name for rule in RULES}) == len(RULES)
