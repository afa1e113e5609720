"""Where faults lie: each rule where it must decide and where it must not, and what holds of all of them."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callscope.analysis.attempts import SPARE
from callscope.analysis.attribution import NO_NETWORK_AT_ALL, STAGES, attribute
from callscope.analysis.consequences import ATTEMPTS, CAUSES, LOST
from callscope.analysis.coverage import Coverage, Seen
from callscope.analysis.findings import Finding
from callscope.analysis.rules import Rule
from callscope.analysis.tracks import SubjectKey
from callscope.vocabulary import Attribution, Direction, IssueKind, Media, MediaMode, Severity

SENDER, RECEIVER, SERVER, UNKNOWN = Attribution.SENDER, Attribution.RECEIVER, Attribution.SERVER, Attribution.UNKNOWN
SENDER_NETWORK, RECEIVER_NETWORK = Attribution.SENDER_NETWORK, Attribution.RECEIVER_NETWORK
PUBLISH, SUBSCRIBE = Direction.PUBLISH, Direction.SUBSCRIBE
AUDIO, VIDEO = Media.AUDIO, Media.VIDEO
Kind = IssueKind
END = 600_000.0


def finding(kind: IssueKind, who: int | None, at: float = 100, until: float | None = 160, **rest: Any) -> Finding:
    """Times are in seconds."""
    rule = Rule(kind.lower(), kind, "test", ())
    end = None if until is None else until * 1000
    return Finding(kind, Severity.WARNING, rule, None, at * 1000, end, None, who, **rest)


@dataclass
class Call:
    """Participants 0 to n-1; those who send have the stream 10 + their number, which all others receive. Times in seconds."""

    people: int
    senders: int | None = None
    mode: MediaMode = MediaMode.ROUTED
    is_path: bool = True
    findings: list[Finding] = field(default_factory=list)

    def publishers(self) -> range:
        return range(self.people if self.senders is None else self.senders)

    def coverage(self) -> Coverage:
        subjects: dict[SubjectKey, Seen] = {}
        for sender in self.publishers():
            subjects[sender, sender, 10 + sender, None, AUDIO, PUBLISH] = Seen(0, END, self.is_path)
            for other in range(self.people):
                if other != sender:
                    subjects[other, other, 10 + sender, 100 * sender + other, AUDIO, SUBSCRIBE] = Seen(0, END)
        for who in range(self.people):
            subjects[who, who, None, None, Media.CONNECTION, Direction.BOTH] = Seen(0, END)
        return Coverage(self.mode, {10 + sender: sender for sender in self.publishers()}, subjects)

    def sent(self, kind: IssueKind, sender: int, at: float = 100, until: float | None = 160, **rest: Any) -> Finding:
        known = {"connection_key": sender, "stream_key": 10 + sender, "media": AUDIO, "direction": PUBLISH}
        return self._add(finding(kind, sender, at, until, **known | rest))

    def received(
        self, kind: IssueKind, sender: int, who: int, at: float = 100, until: float | None = 160, **rest: Any
    ) -> Finding:
        subscriber = {"stream_key": 10 + sender, "subscriber_key": 100 * sender + who, "media": AUDIO, "direction": SUBSCRIBE}
        return self._add(finding(kind, who, at, until, connection_key=who, **subscriber | rest))

    def of(self, kind: IssueKind, who: int | None, at: float = 100, until: float | None = 160, **rest: Any) -> Finding:
        return self._add(finding(kind, who, at, until, connection_key=who, **rest))

    def _add(self, found: Finding) -> Finding:
        self.findings.append(found)
        return found

    def judged(self, coverage: Coverage | None = None) -> list[Attribution]:
        attribute(self.findings, coverage or self.coverage())
        return [found.attribution for found in self.findings]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.SILENT_MICROPHONE, SENDER),
        (Kind.MICROPHONE_PERMISSION_DENIED, SENDER),
        (Kind.CAMERA_FREEZE, SENDER),
        (Kind.CPU_LIMITED, SENDER),
        (Kind.SCREEN_SHARE_FAILED, SENDER),
        (Kind.SPEAKER_NOT_FUNCTIONING, RECEIVER),
        (Kind.DECODER_OVERLOAD, RECEIVER),
        (Kind.RELAY_USED, UNKNOWN),
        (Kind.LOW_RATING, UNKNOWN),
        (Kind.CONNECT_FAILED, UNKNOWN),
        (Kind.RELAY_UNREACHABLE, UNKNOWN),
        (Kind.PUBLISH_FAILED, UNKNOWN),
        (Kind.SLOW_SETUP, UNKNOWN),
        (Kind.UNEXPECTED_DISCONNECT, UNKNOWN),
    ],
)
@pytest.mark.parametrize("mode", MediaMode)
def test_what_is_of_one_participant_needs_no_comparing(kind: IssueKind, expected: Attribution, mode: MediaMode) -> None:
    call = Call(2, mode=mode)
    call.of(kind, 0)
    assert call.judged() == [expected]


class TestOwnNetwork:
    def test_client_without_network_has_lost_its_own_and_with_it_the_connection(self) -> None:
        call = Call(2)
        call.of(Kind.NO_NETWORK, 0, 100, 130)
        call.of(Kind.UNEXPECTED_DISCONNECT, 0, 100, 131)
        call.of(Kind.FREQUENT_REJOINS, 0, 50, 500)
        call.of(Kind.UNEXPECTED_DISCONNECT, 1, 100, 131)
        assert call.judged() == [SENDER_NETWORK, SENDER_NETWORK, SENDER_NETWORK, UNKNOWN]

    def test_it_is_a_receivers_network_where_nothing_is_sent(self) -> None:
        call = Call(3, senders=1)
        call.of(Kind.NO_NETWORK, 2)
        call.of(Kind.HIGH_LATENCY, 2, media=Media.CONNECTION, direction=Direction.BOTH)
        assert call.judged() == [RECEIVER_NETWORK, RECEIVER_NETWORK]

    @pytest.mark.parametrize("kind", [Kind.HIGH_PACKET_LOSS, Kind.HIGH_JITTER, Kind.BANDWIDTH_LIMITED, Kind.POOR_NETWORK_SEND])
    def test_own_path_to_a_server_is_proved_by_what_is_measured_of_it(self, kind: IssueKind) -> None:
        call = Call(2)
        call.sent(kind, 0)
        assert call.judged() == [SENDER_NETWORK]

    @pytest.mark.parametrize("mode", [MediaMode.RELAYED, MediaMode.UNKNOWN])
    def test_nothing_is_said_of_the_way_to_another_client(self, mode: MediaMode) -> None:
        call = Call(2, mode=mode)
        call.sent(Kind.HIGH_PACKET_LOSS, 0)
        call.received(Kind.HIGH_PACKET_LOSS, 0, 1)
        call.sent(Kind.HIGH_PACKET_LOSS, 1)
        call.received(Kind.HIGH_PACKET_LOSS, 1, 0)
        call.sent(Kind.LOW_FRAME_RATE, 0, media=VIDEO)
        assert call.judged() == [UNKNOWN] * 5

    def test_without_a_server_known_of_most_receivers_must_suffer(self) -> None:
        for bad, expected in ((3, SENDER_NETWORK), (2, UNKNOWN)):
            call = Call(5, mode=MediaMode.UNKNOWN)
            call.sent(Kind.HIGH_PACKET_LOSS, 0)
            for who in range(1, bad + 1):
                call.received(Kind.HIGH_PACKET_LOSS, 0, who)
            assert call.judged()[0] is expected


class TestSender:
    def test_what_receivers_see_of_a_bad_uplink_is_the_senders_network(self) -> None:
        call = Call(4)
        call.sent(Kind.HIGH_PACKET_LOSS, 0)
        for who in (1, 2, 3):
            call.received(Kind.HIGH_PACKET_LOSS, 0, who, 102, 164)
            call.received(Kind.VIDEO_FREEZE, 0, who, media=VIDEO)
        assert set(call.judged()) == {SENDER_NETWORK}

    def test_it_is_so_for_one_receiver_alone(self) -> None:
        call = Call(2)
        call.sent(Kind.HIGH_PACKET_LOSS, 0)
        call.received(Kind.AUDIO_CONCEALMENT, 0, 1)
        assert call.judged() == [SENDER_NETWORK, SENDER_NETWORK]

    def test_a_network_that_spared_most_receivers_is_not_what_broke_it_for_one(self) -> None:
        call = Call(5)
        call.sent(Kind.HIGH_PACKET_LOSS, 0)
        call.received(Kind.HIGH_PACKET_LOSS, 0, 1)
        assert call.judged() == [SENDER_NETWORK, UNKNOWN]

    def test_neither_is_one_that_was_bad_at_another_time_or_in_another_way(self) -> None:
        call = Call(2)
        call.sent(Kind.HIGH_PACKET_LOSS, 0, 300, 400)
        call.sent(Kind.HIGH_LATENCY, 0)
        call.received(Kind.HIGH_PACKET_LOSS, 0, 1)
        call.received(Kind.HIGH_LATENCY, 0, 1)
        assert call.judged()[2:] == [UNKNOWN, SENDER_NETWORK]

    def test_frozen_camera_and_busy_processor_explain_the_picture_and_not_the_sound(self) -> None:
        call = Call(2)
        call.of(Kind.CAMERA_FREEZE, 0)
        call.of(Kind.CPU_LIMITED, 0)
        call.received(Kind.VIDEO_FREEZE, 0, 1, media=VIDEO)
        call.received(Kind.LOW_FRAME_RATE, 0, 1, media=VIDEO)
        call.received(Kind.VIDEO_FREEZE, 0, 1, media=Media.SCREEN)
        call.received(Kind.AUDIO_CONCEALMENT, 0, 1)
        assert call.judged()[2:] == [SENDER, SENDER, UNKNOWN, UNKNOWN]

    def test_sdks_word_explains_losses_only_where_nobody_measured_any(self) -> None:
        for is_path, expected in ((True, UNKNOWN), (False, SENDER_NETWORK)):
            call = Call(2, is_path=is_path)
            call.sent(Kind.POOR_NETWORK_SEND, 0)
            call.sent(Kind.LOW_BANDWIDTH, 0)
            call.received(Kind.HIGH_PACKET_LOSS, 0, 1)
            assert call.judged() == [SENDER_NETWORK, SENDER_NETWORK, expected]

    def test_what_is_sent_for_want_of_bandwidth_is_the_networks(self) -> None:
        call = Call(2)
        call.sent(Kind.BANDWIDTH_LIMITED, 0, media=VIDEO)
        call.sent(Kind.LOW_FRAME_RATE, 0, media=VIDEO)
        call.received(Kind.LOW_FRAME_RATE, 0, 1, media=VIDEO)
        assert call.judged() == [SENDER_NETWORK] * 3

    def test_what_is_sent_badly_without_a_cause_is_the_senders(self) -> None:
        call = Call(2)
        call.sent(Kind.LOW_FRAME_RATE, 0, media=VIDEO)
        call.received(Kind.LOW_FRAME_RATE, 0, 1, media=VIDEO)
        call.sent(Kind.NO_MEDIA_SENT, 1)
        call.received(Kind.NO_MEDIA_RECEIVED, 1, 0)
        call.sent(Kind.LOW_RESOLUTION, 1, 300, 400, media=VIDEO)
        assert call.judged() == [SENDER, SENDER, SENDER, SENDER, UNKNOWN]

    def test_sound_of_one_stream_does_not_explain_that_of_another(self) -> None:
        call = Call(3)
        call.sent(Kind.NO_MEDIA_SENT, 0)
        call.received(Kind.NO_MEDIA_RECEIVED, 1, 2)
        call.received(Kind.LOW_VIDEO_BITRATE, 0, 2, media=VIDEO)
        call.sent(Kind.NO_MEDIA_SENT, 0, stream_key=99, at=300, until=400)
        call.received(Kind.NO_MEDIA_RECEIVED, 0, 2, 300, 400)
        assert call.judged()[1:] == [UNKNOWN, UNKNOWN, SENDER, UNKNOWN]

    def test_publishing_that_fails_with_the_camera_is_the_senders(self) -> None:
        call = Call(2)
        call.of(Kind.CAMERA_START_FAILED, 0, 100, None)
        call.sent(Kind.PUBLISH_FAILED, 0, 101, 110)
        call.sent(Kind.PUBLISH_FAILED, 1, 101, 110)
        assert call.judged() == [SENDER, SENDER, UNKNOWN]


class TestReceiver:
    def test_all_streams_bad_at_one_of_several_receivers_is_its_network(self) -> None:
        call = Call(4)
        for sender in (0, 1, 2):
            call.received(Kind.HIGH_PACKET_LOSS, sender, 3)
        call.received(Kind.LOW_FRAME_RATE, 0, 3, media=VIDEO)
        assert set(call.judged()) == {RECEIVER_NETWORK}

    def test_one_stream_of_several_is_nobodys(self) -> None:
        call = Call(4)
        call.received(Kind.HIGH_PACKET_LOSS, 0, 3)
        assert call.judged() == [UNKNOWN]

    def test_the_only_stream_is_compared_with_those_who_receive_it_too(self) -> None:
        call = Call(4, senders=1)
        call.received(Kind.HIGH_PACKET_LOSS, 0, 3)
        assert call.judged() == [RECEIVER_NETWORK]

    def test_two_alone_cannot_tell_server_from_receiver(self) -> None:
        call = Call(2)
        call.received(Kind.HIGH_PACKET_LOSS, 0, 1)
        assert call.judged() == [UNKNOWN]

    @pytest.mark.parametrize("kind", [Kind.HIGH_JITTER, Kind.POOR_NETWORK_RECEIVE])
    def test_but_can_where_the_receiver_tells_more_of_its_own_path(self, kind: IssueKind) -> None:
        call = Call(2)
        call.received(Kind.HIGH_PACKET_LOSS, 0, 1)
        call.of(kind, 1)
        assert call.judged()[0] is RECEIVER_NETWORK

    def test_and_not_where_both_receive_badly_or_the_sender_is_not_measured(self) -> None:
        call = Call(2)
        for who in (0, 1):
            call.received(Kind.HIGH_PACKET_LOSS, 1 - who, who)
            call.of(Kind.POOR_NETWORK_RECEIVE, who)
        assert set(call.judged()) == {UNKNOWN}
        call = Call(2, is_path=False)
        call.received(Kind.HIGH_PACKET_LOSS, 0, 1)
        call.of(Kind.POOR_NETWORK_RECEIVE, 1)
        assert set(call.judged()) == {UNKNOWN}

    def test_own_connection_explains_what_comes_late(self) -> None:
        call = Call(2)
        call.of(Kind.HIGH_LATENCY, 1, media=Media.CONNECTION, direction=Direction.BOTH)
        call.received(Kind.HIGH_LATENCY, 0, 1)
        call.received(Kind.HIGH_PACKET_LOSS, 0, 1, 300, 400)
        assert call.judged() == [SENDER_NETWORK, RECEIVER_NETWORK, UNKNOWN]

    def test_overloaded_decoder_explains_the_freeze_of_its_picture(self) -> None:
        call = Call(3)
        call.received(Kind.DECODER_OVERLOAD, 0, 1, media=VIDEO)
        call.received(Kind.VIDEO_FREEZE, 0, 1, media=VIDEO)
        call.received(Kind.VIDEO_FREEZE, 2, 1, media=VIDEO)
        assert call.judged() == [RECEIVER, RECEIVER, UNKNOWN]

    def test_stuck_decoder_is_the_receivers_unless_all_are_stuck(self) -> None:
        call = Call(3, senders=1)
        call.received(Kind.DECODER_STUCK, 0, 1, media=VIDEO)
        assert call.judged() == [RECEIVER]
        call.received(Kind.DECODER_STUCK, 0, 2, media=VIDEO)
        assert call.judged() == [UNKNOWN, UNKNOWN]

    def test_series_without_a_stream_can_be_compared_too(self) -> None:
        call = Call(3)
        coverage = call.coverage()
        subjects = {key: seen for key, seen in coverage.subjects.items() if key[5] != SUBSCRIBE}
        for who in range(3):
            subjects |= {(who, who, None, None, media, SUBSCRIBE): Seen(0, END) for media in (AUDIO, VIDEO)}
        for who in range(3):
            call.of(Kind.HIGH_PACKET_LOSS, who, media=AUDIO, direction=SUBSCRIBE)
            call.of(Kind.HIGH_PACKET_LOSS, who, media=VIDEO, direction=SUBSCRIBE)
        assert set(call.judged(replace(coverage, subjects=subjects))) == {UNKNOWN}


class TestServer:
    @staticmethod
    def bad(call: Call, receivers: int) -> Call:
        for sender in call.publishers():
            for who in range(call.people - receivers, call.people):
                if who != sender:
                    call.received(Kind.HIGH_PACKET_LOSS, sender, who)
        return call

    @pytest.mark.parametrize(
        ("people", "bad", "expected"), [(3, 3, SERVER), (5, 3, SERVER), (6, 3, RECEIVER_NETWORK), (2, 2, UNKNOWN)]
    )
    def test_most_receivers_bad_in_all_that_they_receive(self, people: int, bad: int, expected: Attribution) -> None:
        assert set(self.bad(Call(people), bad).judged()) == {expected}

    def test_one_sender_must_be_measured_and_good(self) -> None:
        assert set(self.bad(Call(5, senders=1), 4).judged()) == {SERVER}
        assert set(self.bad(Call(5, senders=1, is_path=False), 4).judged()) == {UNKNOWN}

    def test_what_one_receiver_has_in_another_way_is_not_the_servers(self) -> None:
        call = self.bad(Call(4), 4)
        call.received(Kind.HIGH_JITTER, 0, 1)
        assert call.judged() == [SERVER] * 12 + [UNKNOWN]

    def test_what_sdks_say_counts(self) -> None:
        call = Call(4)
        for who in range(4):
            call.of(Kind.POOR_NETWORK_RECEIVE, who)
        assert set(call.judged()) == {SERVER}

    def test_no_server_takes_part_between_clients(self) -> None:
        assert set(self.bad(Call(3, mode=MediaMode.RELAYED), 3).judged()) == {UNKNOWN}

    @pytest.mark.parametrize("kind", [Kind.CONNECT_FAILED, Kind.RELAY_UNREACHABLE, Kind.UNEXPECTED_DISCONNECT])
    def test_what_fails_for_most_at_once_is_the_servers(self, kind: IssueKind) -> None:
        call = Call(5)
        for who in (0, 1, 2):
            call.of(kind, who, 100, None)
        assert set(call.judged()) == {SERVER}
        call.findings[0].started_at += 60_000
        assert set(call.judged()) == {UNKNOWN}

    @pytest.mark.parametrize(("lost", "expected"), [(3, SERVER), (2, SENDER_NETWORK)])
    def test_a_server_that_goes_takes_the_network_of_all_with_it(self, lost: int, expected: Attribution) -> None:
        call = Call(5)
        for who in range(lost):
            call.of(Kind.NO_NETWORK, who, 100, 130)
            call.of(Kind.UNEXPECTED_DISCONNECT, who, 100 + who / 10, 131)
        assert set(call.judged()) == {expected}

    def test_between_clients_there_is_no_server_to_go(self) -> None:
        call = Call(3, mode=MediaMode.RELAYED)
        for who in range(3):
            call.of(Kind.NO_NETWORK, who, 100, 130)
        assert set(call.judged()) == {UNKNOWN}

    @pytest.mark.parametrize("kind", [Kind.HIGH_LATENCY, Kind.HIGH_PACKET_LOSS, Kind.HIGH_JITTER])
    @pytest.mark.parametrize(("bad", "expected"), [(3, SERVER), (2, SENDER_NETWORK)])
    def test_paths_of_most_that_are_bad_at_once_meet_at_the_server(
        self, kind: IssueKind, bad: int, expected: Attribution
    ) -> None:
        call = Call(5)
        for who in range(bad):
            call.sent(kind, who)
        assert set(call.judged()) == {expected}
        # One after the other, they are each one's own.
        for who, found in enumerate(call.findings):
            found.started_at += 200_000 * who
            found.ended_at = (found.ended_at or 0) + 200_000 * who
        assert set(call.judged()) == {SENDER_NETWORK}

    def test_paths_that_are_bad_in_different_ways_are_each_ones_own(self) -> None:
        call = Call(3)
        for who, kind in enumerate((Kind.HIGH_LATENCY, Kind.HIGH_PACKET_LOSS, Kind.HIGH_JITTER)):
            call.sent(kind, who)
        assert set(call.judged()) == {SENDER_NETWORK}

    def test_what_was_received_of_such_a_path_is_the_servers_as_well(self) -> None:
        call = Call(4)
        for sender in range(4):
            call.sent(Kind.HIGH_PACKET_LOSS, sender)
            for who in range(4):
                if who != sender:
                    call.received(Kind.HIGH_PACKET_LOSS, sender, who)
        assert set(call.judged()) == {SERVER}

    def test_who_is_alone_cannot_tell_the_own_network_from_the_server(self) -> None:
        call = Call(1)
        call.sent(Kind.HIGH_PACKET_LOSS, 0)
        call.of(Kind.HIGH_LATENCY, 0, media=Media.CONNECTION, direction=Direction.BOTH)
        call.of(Kind.NO_NETWORK, 0)
        call.of(Kind.UNEXPECTED_DISCONNECT, 0)
        assert call.judged() == [UNKNOWN] * 4
        # But what the client itself says of its network needs nobody else.
        call.findings[2].rule = Rule(NO_NETWORK_AT_ALL, Kind.NO_NETWORK, "test", ())
        call.of(Kind.POOR_NETWORK_SEND, 0)
        call.sent(Kind.BANDWIDTH_LIMITED, 0)
        assert call.judged() == [UNKNOWN, UNKNOWN, *[SENDER_NETWORK] * 4]

    def test_nor_can_two_who_are_badly_off_at_once(self) -> None:
        call = Call(2)
        for who in range(2):
            call.sent(Kind.HIGH_PACKET_LOSS, who)
            call.of(Kind.NO_NETWORK, who, 300, 400)
            call.of(Kind.UNEXPECTED_DISCONNECT, who, 300, 400)
        assert set(call.judged()) == {UNKNOWN}

    def test_those_whose_way_nobody_measured_are_no_evidence(self) -> None:
        call = Call(6, senders=1)
        call.sent(Kind.HIGH_PACKET_LOSS, 0)
        call.of(Kind.HIGH_LATENCY, 0, media=Media.CONNECTION, direction=Direction.BOTH)
        assert call.judged() == [UNKNOWN, SENDER_NETWORK]
        for who in range(1, 5):
            call.received(Kind.HIGH_PACKET_LOSS, 0, who)
        assert call.judged()[0] is SENDER_NETWORK

    def test_attempts_that_nobody_missed_blame_no_server(self) -> None:
        call = Call(5)
        for who in range(5):
            call.of(Kind.CONNECT_FAILED, who).rule = SPARE
        assert set(call.judged()) == {UNKNOWN}


def test_finding_of_nobody_is_unknown() -> None:
    call = Call(3)
    call.of(Kind.HIGH_PACKET_LOSS, None, direction=SUBSCRIBE)
    call.of(Kind.POOR_NETWORK_RECEIVE, None)
    call.of(Kind.CONNECT_FAILED, None)
    assert call.judged() == [UNKNOWN] * 3


def test_every_rule_stands_in_the_table() -> None:
    import callscope.analysis.attribution as module

    table = (module.__doc__ or "").splitlines()
    named = [line.split()[0] for line in table if line and line[0].islower() and "  " in line]
    assert named == [rule.__name__ for stage in STAGES for rule in stage]


@st.composite
def calls(draw: st.DrawFn) -> Call:
    call = Call(draw(st.integers(1, 6)), mode=draw(st.sampled_from(MediaMode)))
    who = st.integers(0, call.people - 1)
    for _ in range(draw(st.integers(0, 14))):
        at = draw(st.integers(0, 20)) * 10
        until = draw(st.none() | st.integers(0, 30).map(lambda tens, at=at: at + tens * 10))
        kind, sender, other = draw(st.sampled_from(sorted({*CAUSES, *Kind}))), draw(who), draw(who)
        media = draw(st.sampled_from([AUDIO, VIDEO]))
        if draw(st.booleans()) and sender != other:
            call.received(kind, sender, other, at, until, media=media)
        elif draw(st.booleans()):
            call.sent(kind, sender, at, until, media=media)
        else:
            call.of(kind, sender, at, until)
    return call


@settings(max_examples=150, deadline=None)
@given(calls(), st.integers(0, 2**32), st.integers(-(10**9), 10**9))
def test_order_and_time_do_not_matter(call: Call, seed: int, shift: int) -> None:
    expected = call.judged()
    order = list(range(len(call.findings)))
    Random(seed).shuffle(order)
    shuffled = [call.findings[place] for place in order]
    attribute(shuffled, call.coverage())
    assert [found.attribution for found in call.findings] == expected
    for found in call.findings:
        found.started_at += shift
        found.ended_at = None if found.ended_at is None else found.ended_at + shift
    coverage = call.coverage()
    moved = {key: Seen(seen.first_at + shift, seen.last_at + shift, seen.is_path) for key, seen in coverage.subjects.items()}
    assert call.judged(replace(coverage, subjects=moved)) == expected


@st.composite
def crowds(draw: st.DrawFn) -> Call:
    """Calls in which many are badly off in the same way at nearly the same time."""
    call = Call(draw(st.integers(1, 6)), draw(st.sampled_from([None, 1])), mode=draw(st.sampled_from(MediaMode)))
    for kind in draw(st.lists(st.sampled_from(sorted({*CAUSES, *ATTEMPTS, *LOST})), min_size=1, max_size=3)):
        for who in draw(st.sets(st.integers(0, call.people - 1))):
            at = 100 + draw(st.sampled_from([0, 0, 5, 40]))
            if who in call.publishers() and draw(st.booleans()):
                call.sent(kind, who, at, 160)
            else:
                call.of(kind, who, at, 160)
    return call


@settings(max_examples=400, deadline=None)
@given(calls() | crowds())
def test_who_is_alone_claims_nothing_that_all_together_deny(call: Call) -> None:
    expected = call.judged()
    coverage = call.coverage()
    for who in range(call.people):
        own = [(found, together) for found, together in zip(call.findings, expected, strict=True) if found.participant_key == who]
        subjects = {key: seen for key, seen in coverage.subjects.items() if key[0] == who}
        attribute([found for found, _ in own], replace(coverage, subjects=subjects))
        for found, together in own:
            assert found.attribution in {together, UNKNOWN}
