"""Cameras, microphones and screens that a client asked for and was not given (peermetrics, and W3C's names of errors).

A request for a microphone and a camera fails as a whole. Which of them was at fault the error's words or the application's next
try may tell: what it is given then was not. Where nothing tells, both are named.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from callscope.analysis.diagnostics import EventRow
from callscope.analysis.findings import Finding
from callscope.analysis.rows import Catalog
from callscope.analysis.rules import Rule
from callscope.sources.acs_values import first
from callscope.vocabulary import Direction, EventCategory, IssueKind, Media, Outcome, Severity

RETRY_MILLISECONDS = 10_000.0
"""Within this, what succeeds after a failed request for both is the application's next try."""
SOURCE = "peermetrics; W3C Media Capture and Streams"

AUDIO, VIDEO, SCREEN = Media.AUDIO, Media.VIDEO, Media.SCREEN
DENIED, MISSING, BROKEN = "denied", "missing", "broken"
CANCELLED = frozenset({"gum.screensharing_user_canceled"})
REASONS = {
    **dict.fromkeys(
        ("notallowederror", "permissiondeniederror", "permissiondismissederror", "securityerror", "gum.permission_denied"), DENIED
    ),
    **dict.fromkeys(("notfounderror", "devicesnotfounderror", "overconstrainederror", "constraintnotsatisfiederror"), MISSING),
    **dict.fromkeys(("gum.not_found", "gum.constraint_failed"), MISSING),
}
"""By the name of the error, as browsers of today and of old and Jitsi have it; any other means that the device did not work."""
PERMISSION_NAMES = frozenset({"askdevicepermission", "devicepermissionrequest", "accessdenied", "accessallowed"})
KINDS = {
    (AUDIO, DENIED): IssueKind.MICROPHONE_PERMISSION_DENIED,
    (AUDIO, MISSING): IssueKind.MICROPHONE_NOT_FOUND,
    (AUDIO, BROKEN): IssueKind.MICROPHONE_NOT_FUNCTIONING,
    (VIDEO, DENIED): IssueKind.CAMERA_PERMISSION_DENIED,
    (VIDEO, MISSING): IssueKind.CAMERA_START_FAILED,
    (VIDEO, BROKEN): IssueKind.CAMERA_START_FAILED,
    **dict.fromkeys(((SCREEN, DENIED), (SCREEN, MISSING), (SCREEN, BROKEN)), IssueKind.SCREEN_SHARE_FAILED),
}
WORDS = {
    AUDIO: ("audio", "microphone"),
    VIDEO: ("video", "camera"),
}
BOTH_ASKED = "microphone and camera were asked for together"
BOTH = f"{BOTH_ASKED}, and the error does not say which of them failed"
RULES = {
    (kind, reason): Rule("permission_denied" if reason == DENIED else "device_failure", kind, SOURCE, ())
    for (_, reason), kind in KINDS.items()
}


class Step(NamedTuple):
    """A request, a refusal or a grant of media. ``order`` sorts what is told for one instant: refused after granted."""

    at: float
    order: int
    media: frozenset[Media]
    reason: str = ""
    message: str = ""
    event: EventRow | None = None


ASKED, GRANTED, REFUSED = range(3)


def device_findings(events: Iterable[EventRow], catalog: Catalog) -> list[Finding]:
    """Refusals in order of time, until the same was granted to the same participant; what is refused again is the same."""
    steps: dict[int | None, list[Step]] = defaultdict(list)
    for event in events:
        if event.category == EventCategory.DEVICE and (step := _step(event)) is not None:
            steps[_participant(event, catalog)].append(step)
    found = [finding for participant, told in steps.items() for finding in _failures(participant, told)]
    return sorted(found, key=lambda one: (one.started_at, one.kind, str(one.participant_key), one.words))


def _participant(event: EventRow, catalog: Catalog) -> int | None:
    if event.participant_key is not None or event.connection_key not in catalog.connections:
        return event.participant_key
    return catalog.connections[event.connection_key].participant_key


def _step(event: EventRow) -> Step | None:
    """What an event of a device says; None where it says nothing of the kind."""
    name = event.name.lower().rpartition(".")[2]
    is_screen = name.startswith("getdisplaymedia")
    if not (is_screen or name.startswith("getusermedia") or name in PERMISSION_NAMES):
        return None
    media = frozenset({SCREEN}) if is_screen else _media(event.payload)
    if event.outcome == Outcome.FAILED or name.endswith(("failure", "error", "denied")):
        message = event.message or ""
        error = message.partition(":")[0].strip().lower()
        if error in CANCELLED:
            return None
        reason = DENIED if name in PERMISSION_NAMES else REASONS.get(error, BROKEN)
        return Step(event.at, REFUSED, media, reason, message, event)
    if event.outcome == Outcome.SUCCEEDED or name.endswith(("success", "allowed")):
        return Step(event.at, GRANTED, media)
    return Step(event.at, ASKED, media)


def _media(payload: Any) -> frozenset[Media]:
    """The media that a payload names, as flags, as a list of devices, or by the tracks that were given."""
    tracks = first(payload, "tracks")
    kinds = [first(track, "kind") for track in tracks] if isinstance(tracks, list) else []
    devices = first(payload, "devices")
    kinds += devices if isinstance(devices, list) else []
    asked = first(payload, "operationPayload") or payload
    kinds += [kind for kind in ("audio", "video") if first(asked, kind) not in (None, False)]
    return frozenset({"audio": AUDIO, "video": VIDEO}[kind] for kind in kinds if kind in ("audio", "video"))


def _failures(participant: int | None, steps: list[Step]) -> Iterator[Finding]:
    steps.sort(key=lambda step: (step.at, step.order, sorted(step.media), step.reason, step.message))
    asked: frozenset[Media] = frozenset()
    lasting: dict[tuple[Media, IssueKind], Finding] = {}
    shared: set[tuple[Media, IssueKind]] = set()
    for step in steps:
        if step.order == ASKED:
            asked = asked if SCREEN in step.media else step.media
        elif step.order == GRANTED:
            for key in [key for key in lasting if key[0] in step.media]:
                finding = lasting.pop(key)
                last = finding.started_at if finding.lasted_until is None else finding.lasted_until
                is_cleared = key in shared and len(step.media) == 1 and step.at - last <= RETRY_MILLISECONDS
                shared.discard(key)
                if is_cleared:
                    for other in shared:
                        lasting[other].words = lasting[other].words.replace(BOTH, f"{BOTH_ASKED}; {_granted(key[0])}")
                else:
                    finding.ended_at, finding.lasted_until = step.at, None
                    yield finding
        else:
            blamed = _blamed(step, asked)
            for media in blamed:
                key = (media, KINDS[media, step.reason])
                is_shared = len(blamed) > 1
                if key not in lasting:
                    lasting[key] = _finding(participant, media, step, is_shared=is_shared)
                    shared |= {key} if is_shared else set()
                elif not is_shared:
                    shared.discard(key)
                lasting[key].lasted_until = step.at
    yield from lasting.values()


def _granted(media: Media) -> str:
    return f"the {WORDS[media][1]} alone was given at the next try"


def _blamed(step: Step, asked: frozenset[Media]) -> list[Media]:
    """What may be at fault: what the error's words name, else what was asked for, else microphone and camera."""
    wanted = step.media or asked or frozenset({AUDIO, VIDEO})
    said = step.message.lower().partition(":")[2]
    named = [media for media in wanted if any(word in said for word in WORDS.get(media, ()))]
    return named if len(named) == 1 else sorted(wanted)


def _finding(participant: int | None, media: Media, step: Step, *, is_shared: bool) -> Finding:
    kind = KINDS[media, step.reason]
    # Whoever closes the browser's list of screens is refused one, too.
    severity = Severity.INFO if media is SCREEN and step.reason == DENIED else Severity.ERROR
    said = [step.message, BOTH if is_shared else ""]
    return Finding(
        kind=kind,
        severity=severity,
        rule=RULES[kind, step.reason],
        level=None,
        started_at=step.at,
        ended_at=None,
        observed=None,
        participant_key=participant,
        connection_key=step.event.connection_key if step.event is not None else None,
        media=media,
        direction=Direction.PUBLISH,
        words="; ".join(part for part in said if part),
        lasted_until=step.at,
    )
