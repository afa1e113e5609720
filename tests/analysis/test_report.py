"""Reports: what a person reads of a call, and what a language model does."""

import re
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from told import at, catalog, connection, instant, stream

from callscope.analysis.digest import MAX_TOKENS, digest, tokens_at_most
from callscope.analysis.issues import Issue
from callscope.analysis.report import NAME_CHARACTERS, PROSE_CHARACTERS, markdown, report_rows
from callscope.analysis.reported import Held, Reported
from callscope.analysis.rows import DataWarning, Participant
from callscope.analysis.statistics import Stretch, statistics
from callscope.vocabulary import Attribution, IssueKind, Metric, Severity

SMALL = {
    "call": [{"callId": "standup", "platform": "VONAGE"}],
    "participant": [
        {
            "participantId": "ann",
            "displayName": "Ann Lee",
            "kind": "BROWSER",
            "system": {"browser": "Firefox", "browserVersion": "143.0", "os": "Windows"},
            "location": {"country": "CH"},
        },
        {"participantId": "bob", "kind": "NATIVE", "sdk": {"name": "opentok", "version": "2.30"}},
        {"participantId": "eve", "kind": "PSTN"},
    ],
    "connection": [
        connection("a", participantId="ann", attemptedAt=at(0), connectedAt=at(0), closedAt=at(30)),
        connection("b", participantId="bob", connectedAt=at(1), closedAt=at(10.2), closeReason="networkDisconnected"),
        connection("c", participantId="bob", connectedAt=at(12), closedAt=at(30)),
        connection(
            "d", participantId="eve", attemptedAt=at(5), failedAt=at(6), error={"code": 408, "message": "see www.evil.com"}
        ),
    ],
    "stream": [stream("s", connectionId="a", attemptedAt=at(0), publishedAt=at(1), unpublishedAt=at(30))],
}


def issue(**fields) -> Issue:
    """A row, with the defaults of a thing that was found and is over."""
    known = {
        "issue_key": 1,
        "severity": "WARNING",
        "title": "Many packets lost",
        "description": "Packets were lost on the way to Bob.",
        "recommendation": "Move closer to the access point.",
        "ended_at": None,
        "is_recovered": fields.get("ended_at") is not None,
        "attribution": "UNKNOWN",
        "meeting_number": 1,
        "participant_key": None,
        "connection_key": None,
        "stream_key": None,
        "rule_name": fields["kind"],
        "rule_version": 1,
        "rule_metric": None,
        "rule_threshold": None,
        "rule_clear_threshold": None,
        "rule_minimum_seconds": None,
        "rule_observed": None,
        "rule_source": "ours",
        "last_seen_at": fields.get("ended_at") or instant(30),
    }
    return Issue(**known | fields)


LOSS = issue(
    kind="HIGH_PACKET_LOSS",
    started_at=instant(2),
    ended_at=instant(3.5),
    attribution="RECEIVER_NETWORK",
    participant_key="participant/bob",
    rule_metric="PACKET_LOSS",
    rule_threshold=5.0,
    rule_observed=12.345,
)
FAILED = issue(
    kind="CONNECT_FAILED",
    severity="CRITICAL",
    title="Could not connect",
    description="An attempt to connect failed (code 408; see www.evil.com).",
    recommendation="Join again from another network. Developers: look at the error's code.",
    started_at=instant(5),
    participant_key="participant/eve",
)
LOST = issue(
    kind="UNEXPECTED_DISCONNECT",
    severity="ERROR",
    title="Connection lost",
    description="The connection ended although nobody wished it to (networkDisconnected).",
    recommendation="Check the network and join again.",
    started_at=instant(10.2),
    ended_at=instant(12),
    participant_key="participant/bob",
)


def small(found=None, issues=None, *, live_until=40, derived_at=50, **told):
    """The rows of reports of the small call, or of another one like it."""
    found = found or catalog(**{**SMALL, **told})
    issues = [LOST, LOSS, FAILED] if issues is None else issues
    for each in found.connections.values():
        each.meeting_number = 1 if each.connected_at else None
    stretch = Stretch(
        list(found.participants.values()),
        list(found.connections.values()),
        list(found.streams.values()),
        list(found.subscribers.values()),
        instant(30),
        0,
        len(issues),
        tells_subscribers=False,
    )
    row = {
        "started_at": instant(0),
        "ended_at": instant(30),
        "live_until": instant(live_until),
        "duration_seconds": 1800.0,
        "last_telemetry_at": instant(30),
        "missing": ["SUBSCRIBERS", "EVENTS"],
        "derived_at": instant(derived_at),
        **statistics(stretch, 100).columns(),
    }
    call = {"call_id": "standup", "platform": "VONAGE", **row}
    closed = DataWarning(2, "CLOSED_BY_TIMEOUT", "No end was reported.", None, instant(40))
    warnings = [DataWarning(1, "TRUNCATED", "The file of bob ends early.", "participant/bob"), closed]
    return report_rows(found, issues, warnings, call, [{"number": 1, **row}])


GOLDEN = """\
# Call `standup`

The Vonage call lasted 30 min, from 2026-03-02T09:00:00+00:00 to 2026-03-02T09:30:00+00:00. 3 participants took part, with at \
most 2 connections at once; 1 stream had 0 subscribers. Of 4 attempts to connect, 1 failed. 3 issues were found, of which 2 \
recovered. The worst: Could not connect (CRITICAL), which hit 1 participant. Likely cause of most, where the telemetry can tell: \
the network between server and receiver (1 issue).

## Who took part

- **bob** (app, opentok 2.30): from 2026-03-02T09:01:00+00:00 to 2026-03-02T09:30:00+00:00, 2 issues, 0 errors
- **eve** (telephone): never connected, 1 issue, 0 errors
- **Ann Lee** (browser, Firefox 143.0, Windows, CH): from 2026-03-02T09:00:00+00:00 to 2026-03-02T09:30:00+00:00, 0 issues, 0 \
errors

## What broke

### Could not connect

CONNECT_FAILED, CRITICAL: 1 issue of 1 participant, 0 recovered, 25 min in all.

- **eve**: from 2026-03-02T09:05:00+00:00 to 2026-03-02T09:30:00+00:00, 25 min, not recovered. Cause not known. An \
attempt to connect failed (code 408; see `www.evil.com`).

### Connection lost

UNEXPECTED_DISCONNECT, ERROR: 1 issue of 1 participant, 1 recovered, 1 min 48 s in all.

- **bob**: from 2026-03-02T09:10:12+00:00 to 2026-03-02T09:12:00+00:00, 1 min 48 s, recovered. Cause not known. The \
connection ended although nobody wished it to (networkDisconnected).

### Many packets lost

HIGH_PACKET_LOSS, WARNING: 1 issue of 1 participant, 1 recovered, 1 min 30 s in all.

- **bob**: from 2026-03-02T09:02:00+00:00 to 2026-03-02T09:03:30+00:00, 1 min 30 s, recovered. Worst value 12.3 %, where \
5 % is the threshold. Likely cause: the network between server and receiver. Packets were lost on the way to Bob.

## What to do next

- For 1 participant: Join again from another network. Developers: look at the error's code.
- For 1 participant: Check the network and join again.
- For 1 participant: Move closer to the access point.

## What is not known

- No source told of: subscribers, events.
- CLOSED_BY_TIMEOUT: No end was reported.
- TRUNCATED (**bob**): The file of bob ends early.
"""


def test_a_small_call():
    whole, meeting = small()
    assert whole["markdown"] == GOLDEN
    assert (whole["number"], meeting["number"]) == (0, 1)


def test_what_is_over_has_one_report_and_what_lives_another_for_each_time():
    for row in small(derived_at=40):
        assert (row["live_markdown"], row["live_digest"]) == (None, None)
    over = small()[0]
    living, meeting = small(derived_at=39.9)
    assert (living["markdown"], living["digest"]) == (over["markdown"], over["digest"])
    assert "goes on: it began at 2026-03-02T09:00:00+00:00 and has lasted 30 min so far" in living["live_markdown"]
    assert "LIVE" in living["live_digest"]
    assert "**eve**: from 2026-03-02T09:05:00+00:00 on, 25 min so far, not recovered." in living["live_markdown"]
    assert "The Vonage meeting goes on" in meeting["live_markdown"]
    # Nothing is closed by policy before its time.
    for text in (living["live_markdown"], living["live_digest"], meeting["live_digest"]):
        assert "TRUNCATED" in text
        assert "CLOSED_BY_TIMEOUT" not in text
    assert "CLOSED_BY_TIMEOUT" in over["digest"]


def test_what_was_not_over_when_its_own_meeting_was_ended_with_it_although_the_call_goes_on():
    past = replace(FAILED, open_until=instant(20), last_seen_at=instant(9))
    living = small(issues=[past], derived_at=20)[0]["live_markdown"]
    assert "**eve**: from 2026-03-02T09:05:00+00:00 to 2026-03-02T09:09:00+00:00, 4 min, not recovered." in living
    assert "**eve**: from 2026-03-02T09:05:00+00:00 on, " in small(issues=[past], derived_at=19)[0]["live_markdown"]


def test_a_meeting_tells_of_those_who_were_connected_in_it():
    _, meeting = small()
    text = meeting["markdown"]
    assert text.startswith("# Meeting 1 of call `standup`\n")
    people = text.partition("## Who took part")[2].partition("##")[0]
    assert "**bob** (app, opentok 2.30): from 2026-03-02T09:01:00+00:00 to 2026-03-02T09:30:00+00:00, 2 issues\n" in people
    assert "eve" not in people
    assert "**eve**: from" in text


def test_somebody_without_an_end():
    told = [
        connection("a", participantId="ann", connectedAt=at(1)),
        connection("b", participantId="ann", connectedAt=at(2), closedAt=at(3)),
    ]
    rows = small(derived_at=0, connection=told, participant=[], stream=[])
    for row in rows:
        assert "**ann** (unknown endpoint): from 2026-03-02T09:01:00+00:00, no end told, 0 issues" in row["markdown"]
        assert "**ann** (unknown endpoint): since 2026-03-02T09:01:00+00:00, 0 issues" in row["live_markdown"]


def test_nobody():
    rows = small(connection=[], participant=[{"participantId": "x", "displayName": "\u202e\n"}], stream=[], issues=[])
    assert "Nobody got connected; 1 participant tried, or should have. No issues were found." in rows[0]["markdown"]
    assert "**x** (unknown endpoint): never connected, 0 issues, 0 errors" in rows[0]["markdown"]
    assert "What to do next" not in rows[0]["markdown"]
    assert "No issues were found" in rows[0]["digest"]
    assert "`x`: 0 issues, never connected" in rows[0]["digest"]


def test_what_was_not_measured_is_not_called_good():
    subject = crowd(2, missing=["SAMPLES"])
    assert "Nothing was measured, so nobody can say how it looked and sounded." in markdown(subject)
    assert "no source told of SAMPLES" in digest(subject)
    assert "Nothing was measured" not in markdown(crowd(2))


def test_what_is_only_worth_knowing_is_no_harm():
    known = issue(kind="RELAY_USED", severity="INFO", title="Relay used", recommendation="Nothing.", started_at=instant(1))
    alone = crowd(3, issues=[replace(known, issue_key=number, participant_key=number) for number in range(3)])
    assert "No issues were found. " in markdown(alone) or "No issues were found.\n" in markdown(alone)
    assert "RELAY_USED, INFO: 3 issues of 3 participants" in markdown(alone)
    assert "**Person 0** (browser): from 2026-03-02T09:00:00+00:00 to 2026-03-02T09:30:00+00:00, 0 issues" in markdown(alone)
    assert "No issues were found in what was delivered." in digest(alone)
    text = markdown(crowd(3, issues=[*alone.issues, replace(LOSS, issue_key=9, participant_key=2)]))
    assert "1 issue was found, of which 1 recovered." in text
    assert text.index("Move closer") < text.index("For 3 participants: Nothing.")


# Large calls


def crowd(people, kinds=(), *, name="Person {}", each=1, **fields) -> Reported:
    """Many people, with so many issues of each kind for each of them, worse for later ones."""
    participants = [
        Participant(
            number, f"p-{number}", "BROWSER", [], is_redacted=False, appeared_at=instant(0), display_name=name.format(number)
        )
        for number in range(people)
    ]
    issues = [
        replace(
            LOSS,
            issue_key=len(kinds) * (number * each + time) + at_kind,
            kind=kind,
            title=f"Title of {kind}",
            recommendation=f"Do something about {kind}.",
            participant_key=number,
            ended_at=LOSS.started_at + timedelta(seconds=1 + number % 100),
            rule_observed=5.0 + number,
        )
        for number in range(people)
        for at_kind, kind in enumerate(kinds)
        for time in range(each)
    ]
    stretch = Stretch(participants, [], [], [], instant(30), 0, len(issues), tells_subscribers=False)
    told = {
        "call_id": "all-hands",
        "platform": "OTHER",
        "number": None,
        "started_at": instant(0),
        "ended_at": instant(30),
        "last_telemetry_at": instant(30),
        "duration_seconds": 1800.0,
        "statistics": statistics(stretch, 100),
        "participants": participants,
        "presence": {number: (instant(0), instant(30)) for number in range(people)},
        "issues": issues,
        "names": {one.participant_key: one for one in participants},
    }
    return Reported(**{**told, **fields})


KINDS = [kind.value for kind in IssueKind]
LISTED = r"^\*\*|^- "


def test_a_large_call_lists_the_worst_and_says_how_many_there_are():
    text = markdown(crowd(10_000, KINDS[:2]))
    assert "Of 10000 participants, those with most issues:" in text
    assert "- and more: 10000 in all" in text
    assert text.count("- and more: 10000 participants in all") == 2
    assert "CONNECT_FAILED, WARNING: 10000 issues of 10000 participants, 10000 recovered" in text
    assert text.count("\n") < 60
    assert len(text) < 12_000


def test_many_kinds_many_warnings_and_many_meetings_are_bounded():
    warnings = [DataWarning(number, "LATE_DATA", f"Number {number}.", None) for number in range(3000)]
    held = [Held(number, instant(0), instant(1), 60.0, 2, 0) for number in range(1, 500)]
    subject = crowd(30, KINDS, each=3, warnings=warnings, meetings=held)
    text = markdown(subject)
    assert f"There are more kinds, less grave: {30 * 3 * len(KINDS)} issues in all." in text
    assert "- and more: 3000 warnings in all" in text
    assert "- and more, to meeting 499" in text
    assert "3 times from" in text
    assert len(text) < 40_000
    assert "LATE_DATA: 3000 warnings" in digest(subject)


def test_few_meetings_are_all_told():
    held = [Held(1, instant(0), instant(1), 60.0, 2, 0), Held(2, instant(20), None, 600.0, 1, 3)]
    text = markdown(crowd(2, meetings=held))
    assert "- Meeting 1: from 2026-03-02T09:00:00+00:00 to 2026-03-02T09:01:00+00:00, 1 min, 2 participants, 0 issues\n" in text
    assert "- Meeting 2: from 2026-03-02T09:20:00+00:00 on, 10 min, 1 participant, 3 issues\n" in text
    assert "Meetings" not in markdown(crowd(2, meetings=held[:1]))
    assert "Meetings: 2." in digest(crowd(2, meetings=held))


@pytest.mark.parametrize("people", [0, 1, 30, 10_000])
@pytest.mark.parametrize("name", ["Person {}", "\U0001f468" * 100 + "{}", "`<b>" * 30 + "{}", "8" * 500 + "{}"])
def test_the_digest_keeps_within_its_tokens(people, name):
    subject = crowd(people, KINDS if people < 100 else KINDS[:3], name=name, call_id="\U0001f525" * 500, missing=["SAMPLES"])
    text = digest(subject)
    assert tokens_at_most(text) <= MAX_TOKENS
    assert text.startswith("Call `\U0001f525")
    assert "Failed attempts: connect" in text
    if people:
        assert "\nIssues, worst first:\n- " in text
        assert "\nWhat to do, what helps most first:\n- " in text
        assert "\nParticipants with most issues:\n- `" in text
    assert "\nNot known:\n- no source told of SAMPLES" in text


@given(st.lists(st.text(max_size=200), min_size=6, max_size=6))
def test_the_digest_keeps_within_its_tokens_whatever_is_told(texts):
    name, identity, description, recommendation, title, message = texts
    person = Participant(1, identity, "BROWSER", [], is_redacted=False, appeared_at=instant(0), display_name=name)
    issues = [
        replace(LOSS, issue_key=number, kind=kind, description=description, title=title, recommendation=recommendation + kind)
        for number, kind in enumerate(KINDS)
    ]
    warnings = [DataWarning(1, "LATE_DATA", message, None)]
    subject = crowd(0, call_id=identity, participants=[person] * 50, issues=issues, warnings=warnings, names={1: person})
    text = digest(subject)
    assert tokens_at_most(text) <= MAX_TOKENS
    # Only what stands in code spans can be as dear as its bytes.
    own = "".join(text.split("`")[::2])
    assert own.isascii()
    assert text.count("`") % 2 == 0


def test_a_token_is_counted_for_each_byte_that_could_be_one():
    assert tokens_at_most("participants") == 4
    assert tokens_at_most("a word") == 1 + 2
    assert tokens_at_most("12.5 %") == 6
    assert tokens_at_most("`é`") == 2 + 2
    assert tokens_at_most("\n\n") == 2


# Order


def test_the_order_of_rows_changes_nothing():
    subject = crowd(40, KINDS[:20], each=2, warnings=[DataWarning(n, "LATE_DATA", "Same.", n) for n in range(30)])
    expected = markdown(subject), digest(subject)
    random = Random(5)
    for _ in range(5):
        shuffled = {
            name: random.sample(getattr(subject, name), len(getattr(subject, name)))
            for name in ("participants", "issues", "warnings")
        }
        mixed = replace(subject, **shuffled)
        assert (markdown(mixed), digest(mixed)) == expected


def test_worse_comes_first():
    grave = replace(LOSS, issue_key=1, kind="CAMERA_FREEZE", severity="CRITICAL", title="Grave", recommendation="Help one.")
    often = [replace(LOSS, issue_key=10 + number, participant_key=number, recommendation="Help three.") for number in range(3)]
    long = replace(LOSS, issue_key=20, participant_key=2, ended_at=None, is_recovered=False)
    text = markdown(crowd(4, issues=[*often, long, replace(grave, participant_key=0)]))
    assert text.index("### Grave") < text.index("### Many packets lost")
    broken = text.partition("### Many packets lost")[2]
    assert broken.index("**Person 2**") < broken.index("**Person 0**") < broken.index("**Person 1**")
    assert "**Person 2**: 2 times from 2026-03-02T09:02:00+00:00 on, 3 min in all so far" in broken
    assert "1 recovered. Worst" in broken
    assert broken.index("For 3 participants: Help three.") < broken.index("For 1 participant: Help one.")


@pytest.mark.parametrize(
    ("metric", "observed", "shown"),
    [
        ("PACKET_LOSS", [6.0, 42.126, None], "Worst value 42.1 %, where 5 % is the threshold."),
        ("BITRATE", [4000.0, 1234.5], "Worst value 1234 bit/s, where 5 bit/s is the threshold."),
        ("MEAN_OPINION_SCORE", [2.0, 1.5], "Worst value 1.5, where 5 is the threshold."),
        (None, [3.0], "Worst value 3, where 5 is the threshold."),
    ],
)
def test_the_worst_value_is_told_in_its_unit(metric, observed, shown):
    issues = [
        replace(LOSS, issue_key=n, rule_metric=metric, rule_observed=value, participant_key=0) for n, value in enumerate(observed)
    ]
    text = markdown(crowd(1, issues=issues))
    assert shown in text
    worst = re.search(r"Worst value ([\d.]+)", text)[1]
    assert f"{metric + ' in ' + Metric[metric].unit + ' ' if metric else ''}{worst}, threshold 5" in digest(
        crowd(1, issues=issues)
    )


def test_a_rule_without_a_threshold_has_none():
    text = markdown(crowd(1, issues=[replace(LOSS, rule_threshold=None, participant_key=None)]))
    assert "Worst value 12.3 %. Likely cause" in text
    assert "- the call as a whole: from" in text
    assert "For the call as a whole: Move closer" in text
    assert "1 issue, 1 recovered" in text


def test_an_issue_of_an_instant():
    text = markdown(crowd(1, issues=[replace(LOSS, ended_at=LOSS.started_at, participant_key=0)]))
    assert "**Person 0**: at 2026-03-02T09:02:00+00:00, recovered." in text


def test_the_cause_of_most_is_told_where_it_is_known():
    causes = [Attribution.UNKNOWN, Attribution.UNKNOWN, Attribution.SERVER, Attribution.SENDER, Attribution.SERVER]
    issues = [replace(LOSS, issue_key=n, attribution=cause.value, participant_key=n) for n, cause in enumerate(causes)]
    assert "where the telemetry can tell: the media server or the platform (2 issues)." in markdown(crowd(5, issues=issues))
    assert "Likely cause of most" not in markdown(crowd(5, issues=issues[:2]))


def test_every_severity_and_score_is_worded():
    for severity in set(Severity) - {Severity.INFO}:
        assert f"Many packets lost ({severity})" in markdown(crowd(1, issues=[replace(LOSS, severity=severity.value)]))
    subject = crowd(1, mean_opinion_score=3.999)
    subject.participants[0].mean_opinion_score = 4.2512
    assert "0 errors, mean opinion score 4.25" in markdown(subject)
    assert "The mean opinion score of received audio was 4." in markdown(subject)
    assert "Mean opinion score 4." in digest(subject)


# What others wrote

HOSTILE = [
    "# heading",
    "\n# heading\n",
    "x\r\n\r\n## heading",
    "x\u2028# heading",
    "[link](https://evil.example)",
    "![image](https://evil.example/x.png)",
    "<script>alert(1)</script>",
    "<https://evil.example>",
    "https://evil.example",
    "www.evil.example",
    "mail@evil.example",
    "a | b | c\n--- | --- | ---",
    "**bold** _it_ ~~s~~",
    "`code` ``more`` ```fence",
    "```\nfence\n```",
    "`",
    "&lt;b&gt; &#35;",
    "\u202egnp.exe\u202c",
    "\u2066\u200b\u200e\ufeffx",
    "\x1b[31mred\x1b[0m\x07\x00",
    "---",
    "===",
    "> quote",
    "- item",
    "+ item",
    "* item",
    "1. item",
    "1) item",
    "    code",
    "\\",
    "x\\",
    "[ref]: https://evil.example",
    "@everyone #1 :smile: $x$",
    "n" * 4000,
    "\U0001f468" * 4000,
]
ALLOWED_BLOCK = re.compile(r"#{1,3} |- (\*\*|and more|For |No source|[A-Z_]+( \(|: )|the call)|[A-Z]|$")


def outside_of_code(text: str) -> str:
    """The text without its code spans, as CommonMark finds them: a run of backticks, to the next one as long."""
    return re.sub(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", text)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_name_or_message_can_be_markup(hostile):
    person = Participant(1, hostile, hostile and "BROWSER", [], is_redacted=False, appeared_at=instant(0), display_name=hostile)
    for name in ("browser", "browser_version", "os", "os_version", "sdk_name", "sdk_version", "country"):
        setattr(person, name, hostile)
    told = replace(LOSS, participant_key=1, description=hostile, title=hostile, recommendation=hostile)
    warning = DataWarning(1, "LATE_DATA", hostile, 1)
    subject = crowd(0, call_id=hostile, participants=[person], presence={}, issues=[told], warnings=[warning], names={1: person})
    plain = crowd(1, issues=[replace(LOSS, participant_key=0)], warnings=[DataWarning(1, "LATE_DATA", "x", 0)])
    for written, usual in ((markdown(subject), markdown(plain)), (digest(subject), digest(plain))):
        assert written.count("\n") == usual.count("\n")
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", written)
    text = markdown(subject)
    assert all(ALLOWED_BLOCK.match(line) for line in text.splitlines())
    rest = outside_of_code(text)
    # Of Callscope's own are the headings, the items and the bold names.
    rest = re.sub(r"^(#{1,3}|-) ", "", rest, flags=re.MULTILINE).replace("**", "")
    rest = re.sub(r"\b[A-Z]+(_[A-Z]+)+\b", "", rest)
    assert not re.search(r"[`<>\[\]*_|#&$@\\~]|://|www\.|\w\.[a-z]", rest)
    assert max(map(len, text.splitlines())) < 8 * NAME_CHARACTERS + 3 * PROSE_CHARACTERS
