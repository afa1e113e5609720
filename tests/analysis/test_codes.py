"""The table of codes is whole, and what was told of a failure finds its rows."""

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callscope.analysis.codes import Explanation, explain, explanations, keys_of, plain
from callscope.vocabulary import Platform

ENDS = """
    0/0 0/487 0/603 7/496 3100/410 3101/410 3111/410 3112/410 4097/0 4502/490 4506/408 4507/495 4521/0 5000/0 5300/0 5003/0 5317/0
    5828/403 5829/403 5830/403 7000/0 10003/487 10004/487 10009/401 10024/487 10037/480 10057/408 10076/480 10077/480 10078/480
    301004/410 301005/410 510403/403 540487/487 560000/0 560486/486
"""
CLIENT = """
    40101/408 40104/408 40114/408 40115/412 40216/500 40228/409 40230/409 40606/405 40613/400 40614/500 41006/400 41007/400
    41015/500 41016/400 41025/400 41027/400 41030/400 41032/400 41033/500 41034/500 41035/400 41041/400 41048/410 41056/412
    41071/412 41073/412 43000/412 43001/403 43002/500 43004/400 43005/400 43013/412 43014/412 43015/412 43016/412 43017/412
    43018/412 43019/412 43200/412 43202/404 43203/408 43204/500 43209/405 43210/400 43220/400
"""
PAIRS = [tuple(map(int, pair.split("/"))) for pair in (ENDS + CLIENT).split()]
"""Subcode and code of each way that an ACS call ends or its client SDK fails."""
ALONE = [404, 408, 410, 430, 480, 481, 490, 491, 496, 497, 498, 500, 503, 504]
ACS_CATEGORIES = {"Success", "ExpectedError", "UnexpectedClientError", "UnexpectedServerError"}
CLASSES = {1: "Provisional", 2: "Success", 3: "Redirection", 4: "ClientFailure", 5: "ServerFailure", 6: "GlobalFailure"}
OTHERS = {"Ended", "Network", "Permission", "Device", "Application", "Service", "Security", "IceCandidate", "InsightsApi"}

TABLE = explanations()


def first(platform: Platform, code: int | None = None, subcode: int | None = None, *texts: str | None) -> Explanation:
    return explain(platform, code, subcode, texts)[0]


# The table


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.platform}-{row.position}")
def test_each_row_is_complete(row: Explanation) -> None:
    assert row.keys, "nothing finds it"
    assert row.subcode is None or row.code is not None
    assert row.category in (ACS_CATEGORIES | set(CLASSES.values()) if row.platform is Platform.ACS else OTHERS)
    for text in (row.meaning, row.advice):
        assert text == text.strip()
        assert text.endswith(".")
        assert text[0].isupper()
        assert len(text) <= 300
    assert 5 < len(row.source) < 100
    assert not any(character in "".join((row.meaning, row.advice, row.source)) for character in "\n\r\x00{}`|")
    if row.category not in ("Success", "Ended", "Provisional", "Redirection"):
        assert "Developers: " in row.advice or row.platform is Platform.ACS


def test_each_row_is_there_once() -> None:
    names = Counter((row.platform, row.code, row.subcode, row.hundreds, row.reasons, row.category) for row in TABLE)
    assert [name for name, count in names.items() if count > 1] == []
    assert [row.position for row in TABLE] == list(range(len(TABLE)))


def test_a_key_finds_one_row_or_those_that_a_number_alone_can_stand_for() -> None:
    found: dict[str, list[Explanation]] = {}
    for row in TABLE:
        for key in row.keys:
            found.setdefault(key, []).append(row)
    double = {key: rows for key, rows in found.items() if len(rows) > 1 and "*" not in key}
    assert all(key.startswith("VONAGE 10") for key in double)
    for rows in double.values():
        assert [row.category == "InsightsApi" for row in rows] == [False, True], "what a call can tell of comes first"


def test_reasons_are_such_as_can_be_found() -> None:
    for row in TABLE:
        for reason in row.reasons:
            assert ":" not in reason
            assert reason == reason.strip()
            assert reason.isascii()


@pytest.mark.parametrize(("subcode", "code"), PAIRS)
def test_every_subcode_of_acs_is_explained(subcode: int, code: int) -> None:
    exact = first(Platform.ACS, code, subcode)
    assert (exact.code, exact.subcode) == (code, subcode)
    assert exact.category in ACS_CATEGORIES
    if subcode:
        assert first(Platform.ACS, None, subcode) is exact
    # Each of these codes means something alone too, so that a code without its subcode is not taken for one of them.
    alone = first(Platform.ACS, code)
    assert (alone.code, alone.subcode) == (code, None)


@pytest.mark.parametrize("code", ALONE)
def test_codes_of_acs_that_stand_alone_are_explained(code: int) -> None:
    assert (first(Platform.ACS, code).code, first(Platform.ACS, code).subcode) == (code, None)


@pytest.mark.parametrize(("hundreds", "category"), CLASSES.items())
def test_other_codes_of_acs_are_explained_by_their_class(hundreds: int, category: str) -> None:
    for code in (hundreds * 100 + 77, hundreds * 100 + 99):
        (only,) = explain(Platform.ACS, code)
        assert (only.code, only.subcode, only.category) == (None, None, category)


def test_subcode_41048_explains_itself() -> None:
    found = first(Platform.ACS, subcode=41048)
    assert (found.code, found.subcode, found.category) == (410, 41048, "UnexpectedClientError")
    assert "camera" in found.meaning
    assert "set up" in found.meaning
    person, developers = found.advice.split("Developers: ")
    assert "Close other programs" in person
    assert "permission before joining" in developers


@pytest.mark.parametrize(
    "reason", ["clientDisconnected", "forceDisconnected", "networkDisconnected", "forceUnpublished", "mediaStopped"]
)
def test_every_end_reason_of_vonage_is_explained(reason: str) -> None:
    assert first(Platform.VONAGE, None, None, reason).reasons == (reason,)


@pytest.mark.parametrize("code", range(1000, 1023))
def test_every_error_code_of_vonages_insights_is_explained(code: int) -> None:
    assert explain(Platform.VONAGE, code)[-1].category == "InsightsApi"


@pytest.mark.parametrize(
    "name",
    [
        *("AbortError", "InvalidStateError", "NotAllowedError", "NotFoundError", "NotReadableError", "OverconstrainedError"),
        *("SecurityError", "TypeError"),
    ],
)
@pytest.mark.parametrize("platform", Platform)
def test_every_error_of_capture_is_explained_on_every_platform(name: str, platform: Platform) -> None:
    assert first(platform, None, None, f"{name}: said the browser").reasons[0] == name


@pytest.mark.parametrize("told", ["ICE failed", "DTLS failed", "Connection failed", "iceconnectionstatechange disconnected"])
def test_failures_of_the_path_are_explained(told: str) -> None:
    found = first(Platform.WEBRTC, None, None, told)
    assert found.category in ("Network", "Security")
    assert told.partition(" ")[0].lower().removesuffix("statechange") in "".join(found.reasons).lower()


@pytest.mark.parametrize("code", [701, 300, 400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 446, 447, 486, 487, 500, 508])
def test_errors_of_ice_candidates_are_explained(code: int) -> None:
    assert first(Platform.WEBRTC, code).category == "IceCandidate"
    assert first(Platform.JITSI, code, None, f"onicecandidateerror {code}") is first(Platform.WEBRTC, code)


# Looking up


def test_the_most_specific_comes_first() -> None:
    found = [(row.code, row.subcode, row.hundreds) for row in explain(Platform.ACS, 410, 3100)]
    assert found == [(410, 3100, None), (410, None, None), (None, None, 4)]
    words = [(row.code, row.reasons[:1]) for row in explain(Platform.ACS, 410, None, ["NotAllowedError"])]
    assert words[:2] == [(410, ()), (None, ("NotAllowedError",))]
    two = explain(Platform.VONAGE, None, None, ["mediaStopped", "networkDisconnected"])
    assert [row.reasons[0] for row in two] == ["mediaStopped", "networkDisconnected"]


def test_a_subcode_says_more_than_a_code_that_it_does_not_go_with() -> None:
    assert first(Platform.ACS, 490, 41048).subcode == 41048
    assert first(Platform.ACS, 1, 41048).subcode == 41048
    assert explain(Platform.ACS, 410, 0)[0].subcode is None, "0 is no subcode of its own"


def test_a_number_alone_finds_all_that_it_can_stand_for() -> None:
    assert {row.subcode for row in explain(Platform.ACS, 487)} == {None, 0, 10003, 10004, 10024, 540487}
    assert {row.code for row in explain(Platform.ACS, None, 0)} == {0, 487, 603}


def test_what_nobody_knows_finds_nothing() -> None:
    assert explain(Platform.ACS) == []
    assert explain(Platform.ACS, None, 1) == []
    assert explain(Platform.ACS, 41048) == []
    assert explain(Platform.ACS, -410) == []
    assert explain(Platform.OTHER, 410, 41048) == []
    assert explain(Platform.OTHER, 701) == []
    assert explain(Platform.VONAGE, None, None, ["UnexpectedClientError", "", None, "~"]) == []
    assert explain(Platform.OTHER, None, None, ["networkDisconnected"]) == []


def test_texts_are_read_up_to_a_colon_whatever_their_case() -> None:
    assert plain(" NotReadableError : Could not start: no") == "notreadableerror"
    assert first(Platform.OTHER, None, None, "NOTREADABLEERROR: x").reasons[0] == "NotReadableError"


NUMBERS = st.none() | st.sampled_from([0, 410, 487, 3100, 41048]) | st.integers(-(2**31), 2**31 - 1)


@settings(max_examples=200)
@given(platform=st.sampled_from(Platform), code=NUMBERS, subcode=NUMBERS, texts=st.lists(st.none() | st.text(), max_size=3))
def test_each_key_says_what_was_told_and_each_row_once(
    platform: Platform, code: int | None, subcode: int | None, texts: list[str | None]
) -> None:
    keys = list(keys_of(platform, code, subcode, texts))
    assert len([key for key in keys if "~" not in key]) <= 5
    assert all(re.match(rf"{platform} |WEBRTC ~", key) for key in keys)
    assert not any("None" in key for key in keys if "~" not in key)
    found = explain(platform, code, subcode, texts)
    assert len(set(found)) == len(found)
    order = [min(keys.index(key) for key in row.keys if key in keys) for row in found]
    assert order == sorted(order)
