"""What stays of telemetry about someone who is erased."""

import re

import pytest

from callscope.analysis.anonymity import Identity, message, payload, record


@pytest.fixture
def ann() -> Identity:
    identity = Identity()
    identity.own("participant", ["ann@x.org", "al"])
    identity.own("connection", ["ann@x.org", "c1"])
    identity.own("stream", ["s1"])
    identity.named(["Ann Lee", "Ann"])
    return identity


def new(identity: Identity, text: str) -> str:
    return {**identity.ids("participant"), **identity.ids("connection"), **identity.ids("stream")}[text]


def test_one_text_becomes_one_whatever_it_names(ann):
    assert ann.ids("participant")["ann@x.org"] == ann.ids("connection")["ann@x.org"]
    values = [*ann.ids("participant").values(), *ann.ids("stream").values(), ann.ids("connection")["c1"]]
    assert len(set(values)) == 4
    assert all(value.startswith("erased-") for value in values)
    other = Identity()
    other.own("participant", ["ann@x.org"])
    assert other.ids("participant") != {"ann@x.org": ann.ids("participant")["ann@x.org"]}


def test_ids_are_replaced_where_they_name_what_is_its_own(ann):
    told = record("series", {"metric": "BITRATE", "streamId": "s1", "participantId": "bo", "connectionId": "s1"}, ann)
    assert told == {"metric": "BITRATE", "streamId": new(ann, "s1"), "participantId": "bo", "connectionId": "s1"}


@pytest.mark.parametrize(
    ("body", "is_own"),
    [
        ({"participantId": "ann@x.org"}, True),
        ({"participantId": "ann@x.org", "connectionId": "other"}, False),
        ({"participantId": "bo", "connectionId": "c1"}, True),
        ({"streamId": "s1", "subscriberId": "other"}, False),
        ({"message": "ann@x.org"}, False),
        ({}, False),
    ],
)
def test_a_record_is_about_the_most_particular_that_it_names(ann, body, is_own):
    assert ann.is_own(body) is is_own


def test_of_a_participant_stays_what_is_counted(ann):
    body = {
        "participantId": "ann@x.org",
        "displayName": "Ann Lee",
        "kind": "BROWSER",
        "location": {"city": "Oslo"},
        "system": {"browser": "Chrome", "browserVersion": "141.0.7", "os": "Linux", "osVersion": "6", "device": "x"},
        "sdk": {"name": "sdk", "version": "1.2"},
        "userAgent": "x",
        "devices": [{"kind": "CAMERA"}],
        "version": 3,
        "something": "new",
    }
    assert record("participant", body, ann) == {
        "participantId": new(ann, "ann@x.org"),
        "kind": "BROWSER",
        "system": {"browser": "Chrome", "browserVersion": "141", "os": "Linux"},
        "sdk": {"name": "sdk", "version": "1.2"},
        "version": 3,
        "isRedacted": True,
    }
    assert record("participant", {"participantId": "al"}, ann) == {"participantId": new(ann, "al"), "isRedacted": True}


def test_who_has_the_same_name_keeps_it(ann):
    body = {"participantId": "bo", "displayName": "Ann Lee", "userAgent": "Ann"}
    assert record("participant", body, ann) == body


def test_of_what_it_did_stays_how_it_went(ann):
    told = record(
        "connection",
        {
            "connectionId": "c1",
            "participantId": "ann@x.org",
            "failedAt": "2026-01-01T00:00:00Z",
            "closeReason": "networkDisconnected",
            "error": {"code": 3, "message": "Ann was not let in"},
            "network": {"type": "wifi"},
        },
        ann,
    )
    assert told == {
        "connectionId": new(ann, "c1"),
        "participantId": new(ann, "ann@x.org"),
        "failedAt": "2026-01-01T00:00:00Z",
        "closeReason": "networkDisconnected",
        "error": {"code": 3, "message": "erased"},
        "network": {"type": "wifi"},
    }
    told = record("stream", {"streamId": "s1", "name": "Ann's face", "unpublishReason": "Ann left", "error": {"code": 1}}, ann)
    assert told == {"streamId": new(ann, "s1"), "unpublishReason": "erased", "error": {"code": 1}}


def test_in_what_others_say_it_is_replaced(ann):
    hidden = record("warning", {"participantId": "bo", "message": "Ann Lee and Annabel; ann@x.org."}, ann)["message"]
    first, _, rest = hidden.partition(" and ")
    assert first.startswith("erased-")
    assert rest == f"Annabel; {new(ann, 'ann@x.org')}."
    # What is short is one only where it is all of a text.
    assert ann.hidden({"al": ["al", "also al"], "n": 3, "x": None}) == {
        new(ann, "al"): [new(ann, "al"), "also al"],
        "n": 3,
        "x": None,
    }


def test_instants_and_closed_vocabularies_of_others_are_no_words():
    identity = Identity()
    identity.own("participant", ["2026", "VIDEO"])
    identity.named(["udp", "H264", "warning"])
    for body in (
        {"connectionId": "b", "participantId": "bo", "connectedAt": "2026-03-02T12:00:00Z", "network": {"transport": "udp"}},
        {"streamId": "s", "media": "VIDEO", "metric": "BITRATE", "codec": "H264"},
    ):
        assert record("connection", body, identity) == body
    body = {"kind": "TRUNCATED", "participantId": "bo", "message": "2026 broke off"}
    assert record("warning", body, identity)["message"].endswith(" broke off")
    assert record("warning", body, identity)["message"] != body["message"]


def test_names_are_found_in_whichever_case_and_normal_form():
    identity = Identity()
    identity.named(["Jos\u00e9 Le\u00f3n"])
    new = identity.hidden("Jos\u00e9 Le\u00f3n")
    for text in ("JOS\u00c9 LE\u00d3N", "jose\u0301 leo\u0301n"):
        assert identity.hidden(text) == new
        assert identity.hidden(f"{text}, and Jos\u00e9") == f"{new}, and Jos\u00e9"
        assert identity.tells(text)


@pytest.mark.parametrize(
    ("name", "said", "left"),
    [
        ("\u738b\u660e", "\u738b\u660e\u79bb\u5f00\u4e86\u4f1a\u8bae", "{}\u79bb\u5f00\u4e86\u4f1a\u8bae"),
        ("\uae40\ucca0\uc218", "\uae40\ucca0\uc218\uac00 \ub098\uac14\ub2e4", "{}\uac00 \ub098\uac14\ub2e4"),
        (
            "\u0e2a\u0e21\u0e0a\u0e32\u0e22",
            "\u0e04\u0e38\u0e13\u0e2a\u0e21\u0e0a\u0e32\u0e22\u0e2d\u0e2d\u0e01",
            "\u0e04\u0e38\u0e13{}\u0e2d\u0e2d\u0e01",
        ),
        ("\U0001f600\U0001f680\U0001f3a7", "x\U0001f600\U0001f680\U0001f3a7y", "x{}y"),
        ("Ann", "Anna and ann, Joann", "Anna and {}, Joann"),
        ("...", "wait ... for it", "wait ... for it"),
        ("\u200b  ", "a \u200b  b", "a \u200b  b"),
        ("a.b|c(", "A.B|C( left, axb", "{} left, axb"),
    ],
)
def test_names_of_any_writing_are_found_in_texts(name, said, left):
    identity = Identity()
    identity.named([name])
    hidden = identity.hidden(said)
    pattern = re.escape(left).replace(re.escape("{}"), r"erased-[0-9a-f]{12}")
    assert re.fullmatch(pattern, hidden), hidden


def test_a_word_of_the_rules_tells_of_nobody():
    identity = Identity()
    identity.own("participant", ["state", "5"])
    identity.named(["Art", "failed", "NotAllowedError"])
    told = {"state": "failed", "score": "5", "diagnostic": "cameraStartFailed"}
    assert identity.hidden(told) == payload(told, identity) == told
    assert identity.hidden("isMuted-changed") == "isMuted-changed"
    assert message("NotAllowedError: camera", identity) == identity.hidden("NotAllowedError: camera") == "NotAllowedError: camera"
    # An id is one nevertheless where it is one.
    assert identity.renamed({"participantId": "state"}) == {"participantId": new(identity, "state")}


def test_names_of_revisions_stay_apart(ann):
    """Two that are alike, of which one names it: what is told under the one must not make the other void."""
    names = ["calls/ann@x.org/client", "calls/ANN@X.ORG/client", "calls/bo/client", "calls/ann@x.org/client"]
    told = [record("connection", {"connectionId": "b", "revisionOf": name, "version": 1}, ann)["revisionOf"] for name in names]
    assert told[2] == names[2]
    assert told[0] == told[3] != told[1]
    assert all(name.startswith("erased-") for name in told[:2])
    own = record("connection", {"connectionId": "c1", "participantId": "ann@x.org", "revisionOf": names[0]}, ann)
    assert own["revisionOf"] == told[0]


def test_figures_of_streams_stay_apart(ann):
    told = [payload({"streamId": id_, "jitterAvg": "3.5", "endpointId": "x"}, ann) for id_ in ("one", "two", "one")]
    assert told[0] == told[2] != told[1]
    assert all(each["streamId"].startswith("erased-") and each["jitterAvg"] == "3.5" for each in told)
    assert all(each.keys() == {"streamId", "jitterAvg"} for each in told)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (None, None),
        ("NotAllowedError: Permission denied", "NotAllowedError"),
        ("NotFoundError: no microphone of Ann", "NotFoundError: microphone"),
        ("gum.general", "gum.general"),
        ("Ann: hello", None),
        ("ANN", None),
        ("I am here", None),
        ("47115512", None),
        ("", None),
    ],
)
def test_of_a_message_stays_the_error(ann, said, left):
    assert message(said, ann) == left


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ({"score": 2, "comment": "bad", "phone": 47115512}, {"score": 2}),
        ({"audio": {"score": 1, "issues": ["Echo", "no sound"], "who": "x"}}, {"audio": {"score": 1, "issues": ["Echo"]}}),
        ({"State": "failed", "reason": "cpu", "value": "Bad"}, {"State": "failed", "reason": "cpu", "value": "Bad"}),
        ({"value": "Bob", "reason": "because", "state": "Ann"}, None),
        ({"operationPayload": {"isMuted": True, "name": "x"}}, {"operationPayload": {"isMuted": True}}),
        ({"tracks": [{"kind": "audio", "label": "mic of Ann"}]}, {"tracks": [{"kind": "audio"}]}),
        (3, 3),
        (True, True),
        ("hello", None),
        (None, None),
        ([{"text": "x"}], []),
        ({}, None),
    ],
)
def test_of_a_payload_stay_figures_and_terms(ann, told, left):
    assert payload(told, ann) == left
