"""Where the fault of an issue lies, told by comparing those who sent with those who received at the same time.

The first rule that applies decides; where none does, the data cannot tell, and it is UNKNOWN. *Most* are 60 % of those with
data, and at least three. *All streams* of a receiver are 60 % of those it receives, and two of them where it has two. *At once*
is for at least half of the time of the finding that is judged. A participant's *own path* is what is told of the way between it
and the server: loss, jitter and delay of what it sends, its round trip, its bandwidth.

===================== ============================================================================ ===============================
Rule                  Pattern                                                                      Fault
===================== ============================================================================ ===============================
device                Camera, microphone, screen or CPU of a sender                                SENDER
                      Speaker or overloaded decoder of a receiver                                  RECEIVER
all_lost              Most participants lost the network at once, not between clients             SERVER
all_paths             Own paths of most participants bad in the same way at once, with a server    SERVER
no_network            The participant's client says that there was none at all, or lost it while   the participant's network
                      someone else was there
own_path              Through a server, own path said to be bad, or measured as bad while someone  the participant's network
                      else's was good
own_path_compared     Own path bad, no server known of, its stream bad for most receivers          SENDER_NETWORK
lost_connection       The connection was lost while there was no network                           that of the loss of network
all_failed            Most participants could not connect, or lost the connection, at once         SERVER
failed_to_publish     An attempt to publish failed while camera or microphone did                  SENDER
sent_for_a_cause      What is sent is bad, and a finding of the sender explains it                 that of the cause
not_sent              Nothing or few frames sent, own path good                                    SENDER
received_for_a_cause  A finding of the sender explains it; if of its network, then not where       that of the cause
                      most receivers were spared
                      A finding of the receiver's own connection or decoder explains it            RECEIVER_NETWORK or RECEIVER
server                All streams of most receivers bad at once, and losses, jitter or delays in   SERVER
                      the same way: of several senders, or of one whose own path was measured and
                      good
receiver              All streams of one receiver bad, and another receiver of the same stream     RECEIVER_NETWORK
                      good, or several received, the sender's own path good, and anyone else
                      receiving well
                      Its only stream bad, the sender's own path good, the other one receiving     RECEIVER_NETWORK
                      well, and the receiver's own path bad or its SDK says so
stuck_decoder         Stuck for one receiver of a stream while another is well                     RECEIVER
===================== ============================================================================ ===============================

So nothing is said of the way between two clients without a server, of the server's part where two alone meet through one and the
other's only stream is bad, of one stream of several at one receiver (its layer, its decoder, or how the server forwards it), and
of one participant's failed attempts and unreachable relays: a dead relay and one behind a firewall look the same. Where only one
participant's data are there, what is found of it is the same as with all, or UNKNOWN. A participant's network is SENDER_NETWORK
where it sends anything.

Patterns and shares are those of Callscope's own notes on comparing participants.
"""

from collections.abc import Callable, Iterable, Sequence

from callscope.analysis.attempts import SPARE
from callscope.analysis.consequences import (
    BAD_NETWORK,
    CAMERA,
    CONSEQUENCES,
    DEVICES,
    LOST,
    MEASURED_PATH,
    MICROPHONE,
    OF_RECEIVER,
    OF_SENDER,
    OWN_PATH,
)
from callscope.analysis.coverage import Coverage
from callscope.analysis.evidence import Evidence, is_own_path, is_received, span_of
from callscope.analysis.findings import Finding
from callscope.vocabulary import Attribution, Direction, IssueKind, MediaMode

SENDER, RECEIVER, SERVER = Attribution.SENDER, Attribution.RECEIVER, Attribution.SERVER
SENDER_NETWORK, RECEIVER_NETWORK = Attribution.SENDER_NETWORK, Attribution.RECEIVER_NETWORK

FAILING_DEVICES = (CAMERA | MICROPHONE) - {IssueKind.SPEAKING_WHILE_MUTED, IssueKind.SILENT_MICROPHONE}
BAD_WAY = OWN_PATH | LOST | {IssueKind.NO_NETWORK}
COMPARED = BAD_NETWORK | CONSEQUENCES - {IssueKind.DECODER_STUCK}

NO_NETWORK_AT_ALL = "noNetwork"
"""The diagnostic by which a client says that it has no network itself, whoever else is well."""

Rule = Callable[[Evidence, Finding], Attribution | None]


def attribute(findings: Sequence[Finding], coverage: Coverage) -> None:
    """Set the attribution of each finding. Neither their order nor a shift of all times changes it.

    Time grows as the number of findings and subjects, but for sorting them.
    """
    for finding in findings:
        finding.attribution = Attribution.UNKNOWN
    evidence = Evidence(findings, coverage)
    left = list(findings)
    for stage in STAGES:
        decided = [(finding, _first(stage, evidence, finding)) for finding in left]
        left = [finding for finding, attribution in decided if attribution is None]
        for finding, attribution in decided:
            if attribution is not None:
                finding.attribution = attribution
            # What is the fault of nobody known explains as well as anything, and of what it explains nobody knows either.
            if attribution is not None or (stage is STAGES[0] and _is_of_network(finding)):
                evidence.learn(finding)


def _is_of_network(finding: Finding) -> bool:
    return finding.kind is IssueKind.NO_NETWORK or is_own_path(finding)


def _first(stage: Iterable[Rule], evidence: Evidence, finding: Finding) -> Attribution | None:
    return next((found for rule in stage if (found := rule(evidence, finding)) is not None), None)


def device(_: Evidence, finding: Finding) -> Attribution | None:
    return DEVICES.get(finding.kind)


def all_lost(evidence: Evidence, finding: Finding) -> Attribution | None:
    is_lost = finding.kind is IssueKind.NO_NETWORK and finding.rule.name != NO_NETWORK_AT_ALL
    is_relayed = evidence.coverage.media_mode is MediaMode.RELAYED
    return SERVER if is_lost and not is_relayed and _have_most_failed(evidence, finding) else None


def all_paths(evidence: Evidence, finding: Finding) -> Attribution | None:
    is_routed = evidence.coverage.media_mode is MediaMode.ROUTED
    spans = evidence.most_paths.get(finding.kind) if is_routed and is_own_path(finding) else None
    return SERVER if spans is not None and spans.cover(*span_of(finding)) else None


def no_network(evidence: Evidence, finding: Finding) -> Attribution | None:
    if finding.kind is not IssueKind.NO_NETWORK:
        return None
    is_own = finding.rule.name == NO_NETWORK_AT_ALL or _is_anyone_well(evidence, finding)
    return _own_network(evidence, finding) if is_own else None


def own_path(evidence: Evidence, finding: Finding) -> Attribution | None:
    is_routed = evidence.coverage.media_mode is MediaMode.ROUTED
    if not is_routed or not is_own_path(finding):
        return None
    # What the client itself says of its way needs no comparing.
    is_own = finding.kind not in MEASURED_PATH or _is_anyone_well(evidence, finding)
    return _own_network(evidence, finding) if is_own else None


def own_path_compared(evidence: Evidence, finding: Finding) -> Attribution | None:
    if evidence.coverage.media_mode is MediaMode.RELAYED or not is_own_path(finding):
        return None
    own = evidence.streams_of.get(finding.participant_key, ()) if finding.participant_key is not None else ()
    return SENDER_NETWORK if any(evidence.are_most_bad(stream, span_of(finding)) for stream in own) else None


def lost_connection(evidence: Evidence, finding: Finding) -> Attribution | None:
    return evidence.fault(IssueKind.NO_NETWORK, finding.participant_key, span_of(finding)) if finding.kind in LOST else None


def all_failed(evidence: Evidence, finding: Finding) -> Attribution | None:
    is_told = finding.kind is not IssueKind.NO_NETWORK and finding.rule is not SPARE
    return SERVER if is_told and _have_most_failed(evidence, finding) else None


def failed_to_publish(evidence: Evidence, finding: Finding) -> Attribution | None:
    is_publishing = finding.kind is IssueKind.PUBLISH_FAILED
    return SENDER if is_publishing and evidence.meets(FAILING_DEVICES, finding.participant_key, span_of(finding)) else None


def sent_for_a_cause(evidence: Evidence, finding: Finding) -> Attribution | None:
    is_sent = not is_received(finding) and finding.kind in CONSEQUENCES
    return evidence.cause(finding.participant_key, finding) if is_sent else None


def not_sent(evidence: Evidence, finding: Finding) -> Attribution | None:
    is_sent = finding.kind in {IssueKind.NO_MEDIA_SENT, IssueKind.LOW_FRAME_RATE} and finding.direction is Direction.PUBLISH
    return SENDER if is_sent and not evidence.meets(BAD_WAY, finding.participant_key, span_of(finding)) else None


def received_for_a_cause(evidence: Evidence, finding: Finding) -> Attribution | None:
    if not is_received(finding):
        return None
    span, stream = span_of(finding), finding.stream_key
    publisher = evidence.coverage.publishers.get(stream) if stream is not None else None
    # Where losses and delays were measured, an SDK's word about its network tells nothing of them.
    kinds = OF_SENDER - {IssueKind.POOR_NETWORK_SEND} if evidence.is_measured(publisher, span) else OF_SENDER
    found = evidence.cause(publisher, finding, kinds) if publisher is not None else None
    if found is not None and (found is SENDER or not evidence.are_most_good(stream, span)):
        return found
    own = evidence.cause(finding.participant_key, finding, OF_RECEIVER)
    return RECEIVER_NETWORK if own in {SENDER_NETWORK, RECEIVER_NETWORK} else own


def server(evidence: Evidence, finding: Finding) -> Attribution | None:
    span = span_of(finding)
    if not _is_compared(evidence, finding) or not evidence.server_bad.cover(*span):
        return None
    if finding.kind in evidence.most_received and not evidence.most_received[finding.kind].cover(*span):
        return None
    return SERVER if evidence.several_senders.cover(*span) or evidence.is_sent_well(finding) else None


def receiver(evidence: Evidence, finding: Finding) -> Attribution | None:
    span = span_of(finding)
    if not _is_compared(evidence, finding) or evidence.server_bad.cover(*span) or not evidence.others_good.cover(*span):
        return None
    if evidence.is_any_good(finding.stream_key, span):
        return RECEIVER_NETWORK
    participant = finding.participant_key
    if not evidence.is_sent_well(finding):
        return None
    is_own = len(evidence.received(participant, span)) > 1 or evidence.is_said(participant, span)
    return RECEIVER_NETWORK if is_own or evidence.meets(OWN_PATH, participant, span) else None


def stuck_decoder(evidence: Evidence, finding: Finding) -> Attribution | None:
    is_stuck = finding.kind is IssueKind.DECODER_STUCK
    return RECEIVER if is_stuck and evidence.is_any_good(finding.stream_key, span_of(finding)) else None


def _is_compared(evidence: Evidence, finding: Finding) -> bool:
    """Whether it is about what a participant received of a server, and all that it received then was bad."""
    is_network = is_received(finding) and finding.kind in COMPARED | {IssueKind.POOR_NETWORK_RECEIVE}
    is_relayed = evidence.coverage.media_mode is MediaMode.RELAYED
    return is_network and not is_relayed and evidence.is_all_bad(finding.participant_key, span_of(finding))


def _have_most_failed(evidence: Evidence, finding: Finding) -> bool:
    return finding.kind in evidence.most_failed and evidence.most_failed[finding.kind].cover(*span_of(finding))


def _is_anyone_well(evidence: Evidence, finding: Finding) -> bool:
    """Whether anyone else was well in what a finding is about, so that it was not the server."""
    return finding.kind in evidence.others_well and evidence.others_well[finding.kind].cover(*span_of(finding))


def _own_network(evidence: Evidence, finding: Finding) -> Attribution:
    return SENDER_NETWORK if finding.participant_key in evidence.senders else RECEIVER_NETWORK


STAGES: tuple[tuple[Rule, ...], ...] = (
    (device, all_lost, all_paths, no_network, own_path, own_path_compared),
    (lost_connection, all_failed, failed_to_publish, sent_for_a_cause),
    (not_sent,),
    (received_for_a_cause,),
    (server, receiver, stuck_decoder),
)
