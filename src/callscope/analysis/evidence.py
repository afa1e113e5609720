"""What rules of attribution ask of a call: who had data and who was badly off, when, compared by sweeps over time."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from callscope.analysis.attempts import SPARE
from callscope.analysis.consequences import ATTEMPTS, BAD_NETWORK, CAUSES, MEASURED_PATH, OF_MEDIA, OF_SENDER, OWN_PATH
from callscope.analysis.coverage import Coverage
from callscope.analysis.findings import Finding
from callscope.analysis.spans import Pair, Spans, united, where
from callscope.vocabulary import Attribution, Direction, IssueKind, Media

MOST = 0.6
LEAST = 3
MOMENT = 5_000.0
"""Milliseconds: what is shorter is taken to last for so long, so that it can be compared."""

Inbound = tuple[str, int | str | None]
"""What a participant receives of one stream, sound and picture together; without a stream, each media by itself."""
Who = TypeVar("Who")
Cause = tuple[Attribution, IssueKind, int | None, Media | None]


def span_of(finding: Finding) -> Pair:
    """From when to when, to be compared with others."""
    end = finding.ended_at if finding.ended_at is not None else finding.lasted_until
    return finding.started_at, max(finding.started_at + MOMENT, finding.started_at if end is None else end)


def is_received(finding: Finding) -> bool:
    return finding.direction is Direction.SUBSCRIBE or finding.kind is IssueKind.POOR_NETWORK_RECEIVE


def is_own_path(finding: Finding) -> bool:
    """Whether it is about the way between a participant and the server."""
    return finding.kind in OWN_PATH and not is_received(finding)


def _inbound(stream: int | None, subscriber: int | None, media: Media | str | None) -> Inbound:
    if stream is not None:
        return "stream", stream
    return ("media", None if media is None else str(media)) if subscriber is None else ("subscriber", subscriber)


class Evidence:
    """What is compared is worked out when first asked for: by then the rules before have decided."""

    def __init__(self, findings: Sequence[Finding], coverage: Coverage) -> None:
        self.findings = findings
        self.coverage = coverage
        self._causes: dict[int | None, dict[Cause, list[Pair]]] = defaultdict(lambda: defaultdict(list))
        self._known: dict[tuple[int | None, Cause], Spans] = {}
        self.streams_of: dict[int, list[int]] = defaultdict(list)
        for published, publisher in coverage.publishers.items():
            self.streams_of[publisher].append(published)
        present: dict[int, list[Pair]] = defaultdict(list)
        sent: dict[int, list[Pair]] = defaultdict(list)
        trips: dict[int, list[Pair]] = defaultdict(list)
        received: dict[tuple[int, Inbound], list[Pair]] = defaultdict(list)
        self.senders = set(self.streams_of)
        for (participant, _, stream, subscriber, media, direction), seen in coverage.subjects.items():
            span = (seen.first_at, seen.last_at)
            present[participant].append(span)
            if direction == Direction.SUBSCRIBE:
                received[participant, _inbound(stream, subscriber, media)].append(span)
            elif direction == Direction.PUBLISH and media != Media.CONNECTION:
                self.senders.add(participant)
                sent[participant] += [span] if seen.is_path else []
            elif direction == Direction.BOTH and seen.is_path:
                trips[participant].append(span)
        self._present = {participant: Spans(spans) for participant, spans in present.items()}
        self._sent_paths = {participant: Spans(spans) for participant, spans in sent.items()}
        self._round_trips = {participant: Spans(spans) for participant, spans in trips.items()}
        self._data = _by_participant(received)

    # A participant's own findings.

    def learn(self, finding: Finding) -> None:
        """What a finding explains, and whose fault that is therefore."""
        if finding.kind in CAUSES and (not is_received(finding) or finding.kind is IssueKind.DECODER_OVERLOAD):
            cause = (finding.attribution, finding.kind, finding.stream_key, finding.media)
            self._causes[finding.participant_key][cause].append(span_of(finding))
            self._known.pop((finding.participant_key, cause), None)

    def cause(self, participant: int | None, finding: Finding, kinds: Collection[IssueKind] = OF_SENDER) -> Attribution | None:
        """The fault of what explains a finding best among a participant's own, where any does for half of its time."""
        start, end = span_of(finding)
        found: list[tuple[float, Attribution]] = []
        for cause in self._causes.get(participant, ()):
            attribution, kind, stream, media = cause
            if kind in kinds and finding.kind in CAUSES[kind] and _is_same(kind, stream, media, finding):
                lasted = self._lasted(participant, cause).within(start, end)
                found += [(lasted, attribution)] if lasted >= 0.5 * (end - start) else []
        return _known(max(found, default=(0.0, None))[1])

    def _lasted(self, participant: int | None, cause: Cause) -> Spans:
        if (participant, cause) not in self._known:
            self._known[participant, cause] = Spans(self._causes[participant][cause])
        return self._known[participant, cause]

    def fault(self, kind: IssueKind, participant: int | None, span: Pair) -> Attribution | None:
        """That of a participant's own finding of a kind that met a span, where it is known."""
        causes = [cause for cause in self._causes.get(participant, ()) if cause[1] is kind]
        return _known(max((cause[0] for cause in causes if self._lasted(participant, cause).within(*span) > 0), default=None))

    def meets(self, kinds: Iterable[IssueKind], participant: int | None, span: Pair) -> bool:
        """Whether a participant had a finding of these kinds, of what it sends or of itself, at any of that time."""
        spans = (self._own.get((kind, participant)) for kind in kinds)
        return any(each is not None and each.within(*span) > 0 for each in spans)

    @cached_property
    def _own(self) -> Mapping[tuple[IssueKind, int | None], Spans]:
        pairs: dict[tuple[IssueKind, int | None], list[Pair]] = defaultdict(list)
        for finding in self.findings:
            if not is_received(finding):
                pairs[finding.kind, finding.participant_key].append(span_of(finding))
        return {key: Spans(spans) for key, spans in pairs.items()}

    @cached_property
    def most_failed(self) -> Mapping[IssueKind, Spans]:
        """Where attempts of most participants failed, or the connections or networks of most were lost."""
        found = self._by_kind(ATTEMPTS, lambda finding: finding.rule is not SPARE)
        return {kind: where(_are_most, bad.values(), _with(self._present, bad)) for kind, bad in found.items()}

    @cached_property
    def most_paths(self) -> Mapping[IssueKind, Spans]:
        """Where losses, jitter or delays were on the own paths of most participants."""
        return {kind: where(_are_most, bad.values(), _with(self._present, bad)) for kind, bad in self._bad_paths.items()}

    @cached_property
    def others_well(self) -> Mapping[IssueKind, Spans]:
        """Where someone had an own path that was measured and not bad in a way in which another's was, or was there while another
        had no network."""
        measured = dict.fromkeys(MEASURED_PATH, self._sent_paths) | {IssueKind.HIGH_LATENCY: self._round_trips}
        lost = self._by_kind({IssueKind.NO_NETWORK}, lambda _: True)
        found = [(kind, bad, measured[kind]) for kind, bad in self._bad_paths.items()]
        found += [(kind, bad, self._present) for kind, bad in lost.items()]
        return {kind: where(_are_not_all, bad.values(), _with(data, bad)) for kind, bad, data in found}

    @cached_property
    def _bad_paths(self) -> Mapping[IssueKind, Mapping[int, Spans]]:
        return self._by_kind(MEASURED_PATH, is_own_path)

    def _by_kind(self, kinds: Collection[IssueKind], holds: Callable[[Finding], bool]) -> Mapping[IssueKind, Mapping[int, Spans]]:
        """When each participant had findings of each of these kinds for which it holds."""
        pairs: dict[IssueKind, dict[int, list[Pair]]] = defaultdict(lambda: defaultdict(list))
        for finding in self.findings:
            if finding.kind in kinds and finding.participant_key is not None and holds(finding):
                pairs[finding.kind][finding.participant_key].append(span_of(finding))
        return {kind: {who: Spans(spans) for who, spans in several.items()} for kind, several in pairs.items()}

    def is_sent_well(self, finding: Finding) -> bool:
        """Whether the way of all that its participant received, from each publisher, was measured, and not bad in such a way."""
        span = span_of(finding)
        kinds = [kind for kind in MEASURED_PATH if finding.kind in CAUSES[kind] or finding.kind is IssueKind.POOR_NETWORK_RECEIVE]
        publishers = [self._publisher(stream) for _, stream in self.received(finding.participant_key, span)]
        good = [self.is_measured(one, span) and not self.meets(kinds, one, span) for one in publishers]
        return bool(good) and all(good)

    def is_measured(self, publisher: int | None, span: Pair) -> bool:
        """Whether losses or delays of what someone sent were told."""
        measured = self._sent_paths.get(publisher) if publisher is not None else None
        return measured is not None and measured.cover(*span)

    def _publisher(self, stream: int | str | None) -> int | None:
        return self.coverage.publishers.get(stream) if isinstance(stream, int) else None

    # Those who receive one stream.

    def _bad(self, findings: Iterable[Finding], kinds: Collection[IssueKind]) -> dict[int, dict[Inbound, Spans]]:
        pairs: dict[tuple[int, Inbound], list[Pair]] = defaultdict(list)
        for finding in findings:
            if finding.direction is Direction.SUBSCRIBE and finding.kind in kinds and finding.participant_key is not None:
                inbound = _inbound(finding.stream_key, finding.subscriber_key, finding.media)
                pairs[finding.participant_key, inbound].append(span_of(finding))
        return _by_participant(pairs)

    @cached_property
    def _of_streams(self) -> Mapping[int | None, tuple[Spans, Spans, Spans]]:
        bad: dict[int, dict[int, Spans]] = defaultdict(dict)
        data: dict[int, dict[int, Spans]] = defaultdict(dict)
        worse = self._bad(self.findings, BAD_NETWORK | {IssueKind.DECODER_STUCK})
        for found, inbounds in ((bad, worse), (data, self._data)):
            for participant, several in inbounds.items():
                for (kind, stream), spans in several.items():
                    if kind == "stream" and isinstance(stream, int):
                        found[stream][participant] = spans
        return {stream: _compared(who, data[stream]) for stream, who in bad.items()}

    def are_most_bad(self, stream: int | None, span: Pair) -> bool:
        """Whether a stream was bad for most receivers."""
        return stream in self._of_streams and self._of_streams[stream][0].cover(*span)

    def are_most_good(self, stream: int | None, span: Pair) -> bool:
        """Whether a stream that was bad for someone was not for most of three or more receivers."""
        return stream in self._of_streams and self._of_streams[stream][1].cover(*span)

    def is_any_good(self, stream: int | None, span: Pair) -> bool:
        """Whether a stream that was bad for someone was not for someone else."""
        return stream in self._of_streams and self._of_streams[stream][2].cover(*span)

    # Those who receive anything, leaving out what is explained.

    @cached_property
    def _said(self) -> Mapping[int | None, Spans]:
        pairs: dict[int | None, list[Pair]] = defaultdict(list)
        for finding in self.findings:
            if finding.kind is IssueKind.POOR_NETWORK_RECEIVE and finding.participant_key is not None:
                pairs[finding.participant_key].append(span_of(finding))
        return {participant: Spans(spans) for participant, spans in pairs.items()}

    @cached_property
    def _all_bad(self) -> Mapping[int | None, Spans]:
        unexplained = [finding for finding in self.findings if finding.attribution is Attribution.UNKNOWN]
        bad = self._bad(unexplained, BAD_NETWORK)
        found: dict[int | None, Spans] = {}
        for participant in bad.keys() | self._said.keys():
            streams = _streams(bad, participant)
            measured = where(_are_all, streams.values(), _with(_streams(self._data, participant), streams))
            found[participant] = united([measured, self._said.get(participant, Spans())])
        return found

    @cached_property
    def _receivers(self) -> Mapping[int | None, Spans]:
        return {participant: united(inbounds.values()) for participant, inbounds in self._data.items()}

    @cached_property
    def server_bad(self) -> Spans:
        """Where most receivers were bad in all that they receive."""
        return where(_are_most, self._all_bad.values(), _with(self._receivers, self._all_bad))

    @cached_property
    def most_received(self) -> Mapping[IssueKind, Spans]:
        """Where most receivers had losses, jitter or delays in anything that they receive, each by itself."""
        found: dict[IssueKind, Spans] = {}
        for kind in MEASURED_PATH:
            bad: dict[int | None, Spans] = {
                who: united(several.values()) for who, several in self._bad(self.findings, {kind}).items()
            }
            found[kind] = where(_are_most, bad.values(), _with(self._receivers, bad))
        return found

    @cached_property
    def others_good(self) -> Spans:
        """Where someone was bad in all streams, or nobody was, and someone else not."""
        return where(_are_not_all, self._all_bad.values(), _with(self._receivers, self._all_bad))

    @cached_property
    def several_senders(self) -> Spans:
        """Where streams of more than one participant were received."""
        received: dict[int, list[Spans]] = defaultdict(list)
        for inbounds in self._data.values():
            for (_, stream), spans in inbounds.items():
                if isinstance(stream, int) and stream in self.coverage.publishers:
                    received[self.coverage.publishers[stream]].append(spans)
        return where(_are_several, [united(spans) for spans in received.values()])

    def is_all_bad(self, participant: int | None, span: Pair) -> bool:
        """Whether most of what a participant received was bad, or its SDK said so."""
        return participant in self._all_bad and self._all_bad[participant].cover(*span)

    def is_said(self, participant: int | None, span: Pair) -> bool:
        return participant in self._said and self._said[participant].within(*span) > 0

    def received(self, participant: int | None, span: Pair) -> list[Inbound]:
        """What a participant received for at least half of that time."""
        return [inbound for inbound, spans in _streams(self._data, participant).items() if spans.cover(*span)]


def _known(attribution: Attribution | None) -> Attribution | None:
    return None if attribution is Attribution.UNKNOWN else attribution


def _by_participant(pairs: Mapping[tuple[int, Inbound], list[Pair]]) -> dict[int, dict[Inbound, Spans]]:
    found: dict[int, dict[Inbound, Spans]] = defaultdict(dict)
    for (participant, inbound), spans in pairs.items():
        found[participant][inbound] = Spans(spans)
    return found


def _streams(of: Mapping[int, Mapping[Inbound, Spans]], participant: int | None) -> Mapping[Inbound, Spans]:
    return {} if participant is None else of.get(participant, {})


def _with(data: Mapping[Who, Spans], bad: Mapping[Who, Spans]) -> Collection[Spans]:
    """Those who had data, and those who were bad without any."""
    return [united([data.get(who, Spans()), bad.get(who, Spans())]) for who in data.keys() | bad.keys()]


def _compared(bad: Mapping[int, Spans], data: Mapping[int, Spans]) -> tuple[Spans, Spans, Spans]:
    """Where most were bad, where most of three or more were good, and where any was."""
    members, every = bad.values(), _with(data, bad)
    return where(_are_most, members, every), where(_are_few, members, every), where(_are_not_all, members, every)


def _are_most(bad: int, data: int) -> bool:
    return bad >= LEAST and bad >= MOST * data


def _are_few(bad: int, data: int) -> bool:
    return data >= LEAST and bad < MOST * data


def _are_not_all(bad: int, data: int) -> bool:
    return data > bad


def _are_all(bad: int, data: int) -> bool:
    return bad > 0 and bad >= MOST * data and (bad > 1 or data < 2)


def _are_several(senders: int) -> bool:
    return senders > 1


def _is_same(kind: IssueKind, stream: int | None, media: Media | None, finding: Finding) -> bool:
    """Whether a cause of this kind, stream and media is of the stream and media of a finding, as far as both are known."""
    if kind in OWN_PATH:
        return True
    if stream is not None and finding.stream_key is not None and stream != finding.stream_key:
        return False
    if finding.media is None or finding.media is Media.CONNECTION:
        return True
    return finding.media in OF_MEDIA.get(kind, {media, finding.media} if media in {None, Media.CONNECTION} else {media})
