import pytest
from test_acs_logs import OPERATION, one, only

from callscope.sources.acs_ufd import NAMES, Diagnostic, diagnostic
from callscope.vocabulary import EventCategory

FLAG, QUALITY = "DiagnosticFlag", "DiagnosticQuality"


@pytest.mark.parametrize(
    ("operation", "payload", "expected"),
    [
        ("CameraFreeze", {"value": True}, Diagnostic("cameraFreeze", True, FLAG)),
        ("camerafreeze", {"Value": "false"}, Diagnostic("cameraFreeze", False, FLAG)),
        ("x", {"diagnostic": "NetworkReceiveQuality", "value": 2}, Diagnostic("networkReceiveQuality", 2, QUALITY)),
        (
            "MediaDiagnosticChanged",
            {"diagnostic": "speakerMuted", "value": True, "valueType": FLAG, "mediaType": "Audio"},
            Diagnostic("speakerMuted", True, FLAG, "Audio"),
        ),
        (
            "UserFacingDiagnostics",
            {"DiagnosticChanged": "networkReconnect", "DiagnosticQuality": "Bad"},
            Diagnostic("networkReconnect", 3, QUALITY),
        ),
        (
            "UserFacingDiagnostics",
            {"diagnosticChanged": "CameraFreeze", "DiagnosticQuality": "Good"},
            Diagnostic("cameraFreeze", False, FLAG),
        ),
        (
            "UserFacingDiagnostics",
            {"diagnosticChanged": "CameraFreeze", "DiagnosticQuality": "Bad"},
            Diagnostic("cameraFreeze", True, FLAG),
        ),
        ("x", {"diagnostic": "cameraFreeze", "value": 1, "valueType": FLAG}, Diagnostic("cameraFreeze", True, FLAG)),
        ("x", {"diagnostic": "NovelOne", "value": "3"}, Diagnostic("novelOne", 3, QUALITY)),
        ("x", {"diagnostic": "NovelOne", "value": "odd", "valueType": 7}, Diagnostic("novelOne", "odd")),
        ("NoNetwork", "no object", Diagnostic("noNetwork")),
        ("UserFacingDiagnostics", {}, None),
        ("CreateView", {"diagnostic": 7}, None),
        ("CreateView", None, None),
    ],
)
def test_where_diagnostics_are_told(operation, payload, expected):
    assert diagnostic(operation, payload) == expected


@pytest.mark.parametrize(
    ("told", "severity"),
    [
        (Diagnostic("noNetwork", True, FLAG), "ERROR"),
        (Diagnostic("noNetwork", False, FLAG), "INFO"),
        (Diagnostic("speakingWhileMicrophoneIsMuted", True, FLAG), "WARNING"),
        (Diagnostic("networkSendQuality", 1, QUALITY), "INFO"),
        (Diagnostic("networkSendQuality", 2, QUALITY), "WARNING"),
        (Diagnostic("networkSendQuality", 3, QUALITY), "ERROR"),
        (Diagnostic("networkSendQuality"), "WARNING"),
        (Diagnostic("novel", [1]), "ERROR"),
    ],
)
def test_severities(told, severity):
    assert told.severity == severity


@pytest.mark.parametrize("name", NAMES.values())
def test_every_diagnostic_is_known_as_an_operation_of_its_name(name):
    pascal = name[0].upper() + name[1:]
    event = only(
        one("CallClientOperations", OPERATION, OperationName=pascal, ResultType="Failed", OperationPayload='{"value": true}'),
        "event",
    )
    assert (event.category, event.name, event.outcome, event.code) == (EventCategory.DIAGNOSTIC, name, None, None)
    assert (event.payload["diagnostic"], event.payload["value"], event.payload["valueType"]) == (name, True, FLAG)
    assert event.payload["resultType"] == "Failed"
