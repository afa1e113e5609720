"""Words that figures are made of."""

import pytest

from callscope.analysis.terms import is_term


@pytest.mark.parametrize(
    "text",
    [
        *("networkReconnect", "NETWORKRECONNECT", "isMuted-changed", "iceconnectionstatechange", "CallDiagnostics"),
        *(
            "getUserMediaFailure",
            "navigator.mediaDevices.getUserMedia",
            "NotAllowedError",
            "gum.general",
            "UnexpectedServerError",
        ),
        *("state", "failed", "score", "roundTripTimeAvg", "3", "Bad", "VIDEO", "CRITICAL", " cpu "),
    ],
)
def test_what_rules_and_codes_look_for_is_a_term(text: str) -> None:
    assert is_term(text)


@pytest.mark.parametrize("text", ["", "Ann", "Art", "2026", "chat", "NotAllowedError: camera", "failed again", "4", ":"])
def test_all_else_may_be_a_name(text: str) -> None:
    assert not is_term(text)
