"""The input model: what it takes, what it makes of it, and the JSON Schema that says so."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import BaseModel, ValidationError

from callscope.telemetry import MAX_PAYLOAD_DEPTH, TELEMETRY, TYPES, json_schema
from callscope.vocabulary import (
    DataWarningKind,
    DeviceKind,
    Direction,
    EndpointKind,
    EventCategory,
    Media,
    MediaMode,
    Metric,
    Outcome,
    Platform,
    Severity,
    StreamSource,
)

NOON = "2026-03-02T12:00:00Z"
MILLISECONDS = 1_772_452_800_000
ERROR = {"code": -1, "subcode": 2, "message": "m"}
COMPLETE = {
    "call": {"platform": "ACS", "mediaMode": "ROUTED", "startedAt": NOON, "endedAt": NOON, "tags": ["a", "b"]},
    "participant": {
        "participantId": "p",
        "displayName": "Ada",
        "kind": "BROWSER",
        "location": {"city": "Berlin", "region": "BE", "country": "DE"},
        "system": {"browser": "Chrome", "browserVersion": "1", "os": "Linux", "osVersion": "6", "device": "d"},
        "sdk": {"name": "opentok", "version": "2"},
        "userAgent": "Mozilla",
        "devices": [{"kind": "CAMERA", "label": "l", "isSelected": False}],
        "isRedacted": True,
    },
    "connection": {
        "connectionId": "c",
        "participantId": "p",
        "attemptedAt": NOON,
        "connectedAt": NOON,
        "failedAt": NOON,
        "closedAt": NOON,
        "closeReason": "left",
        "error": ERROR,
        "network": {
            "type": "wifi",
            "transport": "udp",
            "localCandidateType": "host",
            "remoteCandidateType": "relay",
            "region": "we",
        },
    },
    "stream": {
        "streamId": "s",
        "connectionId": "c",
        "participantId": "p",
        "name": "screen",
        "source": "SCREEN",
        "hasAudio": False,
        "hasVideo": True,
        "isScalable": True,
        "audioCodec": "opus",
        "audioDtx": True,
        "audioFec": True,
        "videoCodec": "VP8",
        "attemptedAt": NOON,
        "publishedAt": NOON,
        "failedAt": NOON,
        "unpublishedAt": NOON,
        "unpublishReason": "stopped",
        "error": ERROR,
    },
    "subscriber": {
        "subscriberId": "r",
        "streamId": "s",
        "connectionId": "c",
        "participantId": "p",
        "attemptedAt": NOON,
        "subscribedAt": NOON,
        "failedAt": NOON,
        "endedAt": NOON,
        "error": ERROR,
    },
    "event": {
        "at": NOON,
        "category": "NETWORK",
        "name": "n",
        "severity": "ERROR",
        "outcome": "FAILED",
        "code": 1,
        "subcode": 2,
        "message": "m",
        "payload": {"any": ["thing", 1, 2.5, None, True, {"é": "日本\U0001f600"}]},
        "durationMs": 1.5,
        "participantId": "p",
        "connectionId": "c",
        "streamId": "s",
    },
    "samples": {
        "metric": "JITTER",
        "media": "AUDIO",
        "direction": "SUBSCRIBE",
        "participantId": "p",
        "connectionId": "c",
        "streamId": "s",
        "subscriberId": "r",
        "times": [MILLISECONDS, MILLISECONDS + 0.5],
        "values": [1, 2.5],
    },
    "totals": {
        "streamId": "s",
        "media": "VIDEO",
        "ssrc": 2**32 - 1,
        "at": NOON,
        "codec": "VP8",
        "packets": 2**53,
        "packetsLost": -3,
        "packetLossPercent": 0.5,
        "bytes": 1e15,
        "concealedPercent": 1,
        "framesDropped": 0,
        "freezeSeconds": 0.25,
        "roundTripTimeMs": 30,
    },
    "warning": {"kind": "TRUNCATED", "message": "m", "participantId": "p"},
}
LEAST = {
    "call": {},
    "participant": {"participantId": "p"},
    "connection": {"connectionId": "c"},
    "stream": {"streamId": "s"},
    "subscriber": {"subscriberId": "r", "streamId": "s"},
    "event": {"at": NOON, "category": "OTHER", "name": "n"},
    "samples": {
        "metric": "BITRATE",
        "media": "AUDIO",
        "direction": "BOTH",
        "connectionId": "c",
        "times": [MILLISECONDS],
        "values": [0],
    },
    "totals": {"subscriberId": "r", "media": "AUDIO"},
    "warning": {"kind": "REDACTED", "message": ""},
}


def row(type_, **fields):
    return {"type": type_, "callId": "x", **fields}


def complete(type_, **fields):
    return row(type_, version=3, revisionOf="row", **{**COMPLETE[type_], **fields})


def least(type_, **fields):
    return row(type_, **{**LEAST[type_], **fields})


def accept(content):
    return TELEMETRY.validate_python(content, by_name=False)


def refusal(content):
    with pytest.raises(ValidationError) as caught:
        accept(content)
    first = caught.value.errors()[0]
    return ".".join(str(part) for part in first["loc"][1:]), first["msg"]


class TestRecords:
    @pytest.mark.parametrize("type_", TYPES)
    def test_every_field_is_taken_as_it_was_told(self, type_):
        told = accept(complete(type_))
        missing = {name for name in type(told).model_fields if getattr(told, name) is None}
        # An address is taken, but written nowhere (test_geoip).
        assert missing == {"totals": {"subscriber_id"}, "participant": {"address"}}.get(type_, set())
        written = told.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert written == complete(type_)

    @pytest.mark.parametrize("type_", TYPES)
    def test_the_least_is_enough(self, type_):
        told = accept(least(type_))
        defaults = {"severity": "INFO"} if type_ == "event" else {}
        written = told.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert written == {"version": 0, **defaults, **least(type_)}

    @pytest.mark.parametrize(
        ("type_", "field"), [(type_, field) for type_ in TYPES for field in ("callId", "type", *LEAST[type_])]
    )
    def test_less_is_refused(self, type_, field):
        content = least(type_)
        del content[field]
        with pytest.raises(ValidationError):
            accept(content)

    @pytest.mark.parametrize("type_", TYPES)
    def test_null_is_unknown_where_a_field_may_be_left_out(self, type_):
        nulls = {field: None for field in COMPLETE[type_] if field not in LEAST[type_] and field != "severity"}
        if type_ == "totals":
            del nulls["streamId"]
        told = accept(least(type_, **nulls))
        assert told == accept(least(type_))

    @pytest.mark.parametrize(
        ("type_", "field", "terms"),
        [
            ("call", "platform", Platform),
            ("call", "mediaMode", MediaMode),
            ("participant", "kind", EndpointKind),
            ("stream", "source", StreamSource),
            ("event", "category", EventCategory),
            ("event", "severity", Severity),
            ("event", "outcome", Outcome),
            ("samples", "metric", Metric),
            ("samples", "media", Media),
            ("samples", "direction", Direction),
            ("warning", "kind", DataWarningKind),
        ],
    )
    def test_every_word_is_known_and_an_unknown_one_is_answered_with_those_that_are(self, type_, field, terms):
        for term in terms:
            assert accept(least(type_, **{field: str(term)})).model_dump(by_alias=True)[field] is term
        place, message = refusal(least(type_, **{field: next(iter(terms)).lower()}))
        assert place == field
        assert all(f"'{term}'" in message for term in terms)

    def test_devices_have_known_kinds(self):
        for kind in DeviceKind:
            assert accept(least("participant", devices=[{"kind": str(kind)}])).devices[0].kind is kind
        assert refusal(least("participant", devices=[{"kind": "CAMERA"}, {"kind": "LAMP"}]))[0] == "devices.1.kind"

    def test_are_made_in_python_by_their_python_names(self):
        assert TELEMETRY.validate_python({"type": "participant", "call_id": "x", "participant_id": "p"}).participant_id == "p"


class TestInstants:
    @pytest.mark.parametrize(
        "told",
        [
            NOON,
            "2026-03-02T12:00:00.000000Z",
            "2026-03-02 12:00:00+00:00",
            "2026-03-02T14:30:00+02:30",
            MILLISECONDS,
            float(MILLISECONDS),
        ],
    )
    def test_are_text_with_an_offset_or_milliseconds(self, told):
        at = accept(least("event", at=told)).at
        assert (at, at.tzinfo) == (datetime(2026, 3, 2, 12, tzinfo=UTC), UTC)

    def test_keep_microseconds(self):
        assert accept(least("event", at=MILLISECONDS + 0.25)).at.microsecond == 250
        assert accept(least("event", at="2026-03-02T12:00:00.123456Z")).at.microsecond == 123456

    def test_may_be_datetime_in_python(self):
        told = datetime(2026, 3, 2, 13, tzinfo=timezone(timedelta(hours=1)))
        assert accept(least("event", at=told)).at == datetime(2026, 3, 2, 12, tzinfo=UTC)

    @pytest.mark.parametrize("told", ["2000-01-01T00:00:00Z", "2099-12-31T23:59:59.999999Z", 946_684_800_000])
    def test_lie_in_the_years_2000_to_2099(self, told):
        assert accept(least("event", at=told))

    @pytest.mark.parametrize(
        ("told", "reason"),
        [
            ("1969-12-31T23:59:59Z", "years 2000 to 2099"),
            ("1999-12-31T23:59:59.999999Z", "years 2000 to 2099"),
            ("2000-01-01T00:00:00+00:01", "years 2000 to 2099"),
            ("2100-01-01T00:00:00Z", "years 2000 to 2099"),
            ("9999-12-31T23:59:59Z", "years 2000 to 2099"),
            ("9999-12-31T23:59:59-23:59", "years 2000 to 2099"),
            ("0001-01-01T00:00:00+23:59", "years 2000 to 2099"),
            (0, "years 2000 to 2099"),
            (MILLISECONDS / 1000, "years 2000 to 2099"),
            (-1, "years 2000 to 2099"),
            ("0000-01-01T00:00:00Z", "RFC 3339 text or milliseconds"),
            ("2026-02-30T00:00:00Z", "RFC 3339 text or milliseconds"),
            ("now", "RFC 3339 text or milliseconds"),
            ("", "RFC 3339 text or milliseconds"),
            (str(MILLISECONDS), "RFC 3339 text or milliseconds"),
            (1e300, "RFC 3339 text or milliseconds"),
            (10**4000, "RFC 3339 text or milliseconds"),
            (math.nan, "RFC 3339 text or milliseconds"),
            (-math.inf, "RFC 3339 text or milliseconds"),
            (True, "RFC 3339 text or milliseconds"),
            ([NOON], "RFC 3339 text or milliseconds"),
            ("2026-03-02T12:00:00", "offset from UTC"),
            ("2026-03-02", "offset from UTC"),
            (datetime(2026, 3, 2), "offset from UTC"),  # noqa: DTZ001
        ],
    )
    def test_others_are_refused_with_what_would_be_right(self, told, reason):
        place, message = refusal(least("event", at=told))
        assert place == "at"
        assert reason in message


class TestText:
    @pytest.mark.parametrize("told", ["", "x" * 513])
    def test_ids_have_1_to_512_characters(self, told):
        assert refusal(least("participant", participantId=told))[0] == "participantId"
        assert accept(least("participant", participantId="日" * 512))

    @pytest.mark.parametrize(("field", "most"), [("displayName", 4096), ("userAgent", 4096)])
    def test_texts_have_a_limit(self, field, most):
        assert accept(least("participant", **{field: "日" * most}))
        assert refusal(least("participant", **{field: "x" * (most + 1)}))[0] == field

    @pytest.mark.parametrize(("where", "field"), [("location", "country"), ("system", "browser"), ("sdk", "name")])
    def test_names_that_are_searched_by_fit_an_index(self, where, field):
        assert accept(least("participant", **{where: {field: "x" * 512}}))
        assert refusal(least("participant", **{where: {field: "x" * 513}}))[0] == f"{where}.{field}"

    @pytest.mark.parametrize("bad", ["\x00", "a\x00b"])
    def test_nul_is_refused(self, bad):
        assert refusal(least("participant", displayName=bad)) == ("displayName", "Value error, should not contain NUL characters")
        assert refusal(least("participant", participantId=bad))[0] == "participantId"
        assert refusal(least("call", tags=["ok", bad]))[0] == "tags.1"
        assert "NUL" in refusal(least("event", payload={"deep": [bad]}))[1]
        assert "NUL" in refusal(least("event", payload={bad: 1}))[1]

    @pytest.mark.parametrize("bad", ["\ud800", "é\udfff", "\udc00\ud800"])
    def test_lone_surrogates_are_refused(self, bad):
        assert refusal(least("participant", displayName=bad))[0] == "displayName"
        assert "surrogates" in refusal(least("event", payload=[bad]))[1]

    def test_lists_have_limits(self):
        assert accept(least("call", tags=["t"] * 100))
        assert refusal(least("call", tags=["t"] * 101))[0] == "tags"
        assert refusal(least("participant", devices=[{"kind": "CAMERA"}] * 101))[0] == "devices"


class TestPayloads:
    @staticmethod
    def nested(levels):
        value = 1
        for level in range(levels):
            value = [value] if level % 2 else {"a": value}
        return value

    @pytest.mark.parametrize("payload", [1, "text", [], {}, False, [[1], {"a": None}]])
    def test_may_be_anything(self, payload):
        assert accept(least("event", payload=payload)).payload == payload

    def test_have_a_limit_of_depth(self):
        assert accept(least("event", payload=self.nested(MAX_PAYLOAD_DEPTH)))
        assert "deeper than 32 levels" in refusal(least("event", payload=self.nested(MAX_PAYLOAD_DEPTH + 1)))[1]
        assert "deeper than 32 levels" in refusal(least("event", payload=self.nested(10_000)))[1]

    @pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
    def test_hold_finite_numbers(self, number):
        assert "finite" in refusal(least("event", payload={"a": [number]}))[1]

    @pytest.mark.parametrize(
        ("told", "taken"),
        [
            (-0.0, "0.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "10000000000000000"),
            (-9.2e18, "-9200000000000000000"),
            (1.8e19, "18000000000000000000"),
            (2.0**64, "1.8446744073709552e+19"),
            (-1e19, "-1e+19"),
            (1e300, "1e+300"),
        ],
    )
    def test_hold_numbers_as_a_database_gives_them_back(self, told, taken):
        assert repr(accept(least("event", payload=[told])).payload) == f"[{taken}]"


class TestNumbers:
    @pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e100, -1e100, "1", True, None, [1], 10**4000])
    def test_are_finite_numbers_and_nothing_else(self, number):
        assert refusal(least("samples", values=[number]))[0] == "values.0"
        assert refusal(least("samples", times=[number]))[0] == "times.0"

    @pytest.mark.parametrize("number", [1e99, -1e99, 5e-324, 0, -0.0, 2**63])
    def test_may_be_great_and_small(self, number):
        assert accept(least("samples", values=[number])).values == [number]

    @pytest.mark.parametrize("field", ["packets", "packetsLost", "packetLossPercent", "concealedPercent", "freezeSeconds"])
    def test_there_is_one_zero(self, field):
        assert math.copysign(1, accept(least("totals", **{field: -0.0})).model_dump(by_alias=True)[field]) == 1

    @pytest.mark.parametrize("field", ["packets", "bytes", "framesDropped", "freezeSeconds", "roundTripTimeMs"])
    @pytest.mark.parametrize("number", [-1, 2**63, math.nan, "1", True])
    def test_counts_are_not_negative(self, field, number):
        assert refusal(least("totals", **{field: number}))[0] == field

    @pytest.mark.parametrize("field", ["code", "subcode"])
    @pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 1.5, "1", True, math.nan, 10**4000])
    def test_codes_are_whole_and_fit_an_integer(self, field, number):
        assert refusal(least("event", **{field: number}))[0] == field

    @pytest.mark.parametrize("number", [2**31 - 1, -(2**31), 0, 3.0])
    def test_codes_may_be_written_as_floats(self, number):
        assert accept(least("event", code=number)).code == number

    @pytest.mark.parametrize("number", [-1, 2**32, "5", True])
    def test_ssrcs_have_32_bits(self, number):
        assert refusal(least("totals", ssrc=number))[0] == "ssrc"

    @pytest.mark.parametrize("number", [-1, 2**31, "5", True, 1.5, None])
    def test_versions_count_from_0(self, number):
        assert refusal(least("call", version=number))[0] == "version"

    @pytest.mark.parametrize("value", ["yes", 1, 0.0, "true"])
    def test_truths_are_true_or_false(self, value):
        assert refusal(least("stream", hasAudio=value))[0] == "hasAudio"


class TestSamples:
    @pytest.mark.parametrize("id_", ["participantId", "connectionId", "streamId", "subscriberId"])
    def test_any_id_is_a_subject(self, id_):
        content = least("samples", **{id_: "x"})
        del content["connectionId"]
        assert accept({**content, id_: "x"})
        assert "should name a participantId, connectionId" in refusal(content | {id_: None})[1]

    def test_times_and_values_are_parallel(self):
        place, message = refusal(least("samples", times=[MILLISECONDS] * 2))
        assert (place, "times (2) and values (1) should have the same length" in message) == ("", True)

    def test_are_not_empty_and_not_endless(self):
        assert refusal(least("samples", times=[]))[0] == "times"
        assert refusal(least("samples", values=[]))[0] == "values"
        most = {"times": [MILLISECONDS] * 100_000, "values": [1.0] * 100_000}
        assert accept(least("samples", **most))
        assert refusal(least("samples", values=[1.0] * 100_001))[0] == "values"

    @pytest.mark.parametrize(
        "time", [0, -1, MILLISECONDS / 1000, 946_684_799_999.999, 4_102_444_799_999.9995, 4_102_444_800_000, 1e99]
    )
    def test_times_lie_in_the_years_2000_to_2099(self, time):
        both = {"times": [MILLISECONDS, time], "values": [1, 2]}
        assert "years 2000 to 2099, in milliseconds" in refusal(least("samples", **both))[1]


class TestTotals:
    @pytest.mark.parametrize("subject", [{"subscriberId": None}, {"streamId": "s"}])
    def test_are_of_a_stream_or_of_a_subscriber(self, subject):
        assert "either a streamId or a subscriberId" in refusal(least("totals", **subject))[1]


class TestRefusals:
    @pytest.mark.parametrize("type_", TYPES)
    def test_unknown_fields(self, type_):
        assert refusal(least(type_, colour="red"))[0] == "colour"
        assert refusal(least(type_, call_id="y"))[0] == "call_id"

    def test_unknown_fields_inside(self):
        assert refusal(least("participant", sdk={"title": "x"}))[0] == "sdk.title"

    @pytest.mark.parametrize("content", [None, 1, "text", [], [row("call")], {}])
    def test_what_is_no_record(self, content):
        with pytest.raises(ValidationError):
            accept(content)

    @pytest.mark.parametrize("type_", ["Call", "meeting", "", None, 5, ["call"]])
    def test_unknown_types(self, type_):
        with pytest.raises(ValidationError) as caught:
            accept({"type": type_, "callId": "x"})
        if isinstance(type_, str):
            assert all(f"'{known}'" in str(caught.value) for known in TYPES)


def fault(schema, value, root):
    """Why a value is not what a JSON Schema asks for, in as much of the language as ours uses; None where it is."""
    checks = {
        "$ref": lambda to: fault(root["$defs"][to.removeprefix("#/$defs/")], value, root),
        "anyOf": lambda kinds: all(fault(kind, value, root) for kind in kinds),
        "oneOf": lambda kinds: sum(fault(kind, value, root) is None for kind in kinds) != 1,
        "const": lambda only: value != only,
        "enum": lambda known: value not in known,
        "type": lambda kind: not KINDS[kind](value),
        "minLength": lambda least: len(value) < least,
        "maxLength": lambda most: len(value) > most,
        "minItems": lambda least: len(value) < least,
        "maxItems": lambda most: len(value) > most,
        "minimum": lambda least: value < least,
        "exclusiveMinimum": lambda least: value <= least,
        "exclusiveMaximum": lambda most: value >= most,
        "items": lambda each: any(fault(each, item, root) for item in value),
        "required": lambda names: set(names) - set(value),
        "properties": lambda known: [name for name, inner in known.items() if name in value and fault(inner, value[name], root)],
        "additionalProperties": lambda allowed: not allowed and set(value) - set(schema["properties"]),
    }
    assert schema.keys() - checks.keys() <= {"$schema", "$defs", "title", "description", "default", "discriminator"}
    for name in ("type", *schema):
        if name in checks and name in schema and (found := checks[name](schema[name])):
            return name, found
    return None


KINDS = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value == int(value),
    "null": lambda value: value is None,
}


class TestJsonSchema:
    SCHEMA = json_schema()

    @pytest.mark.parametrize("type_", TYPES)
    def test_takes_what_the_models_take(self, type_):
        assert fault(self.SCHEMA, complete(type_), self.SCHEMA) is None
        assert fault(self.SCHEMA, least(type_), self.SCHEMA) is None
        assert fault(self.SCHEMA, least(type_, version=1.0), self.SCHEMA) is None

    def test_takes_instants_as_numbers(self):
        assert fault(self.SCHEMA, least("event", at=MILLISECONDS), self.SCHEMA) is None

    @pytest.mark.parametrize(
        "content",
        [
            None,
            [],
            {"callId": "x"},
            {"type": "call"},
            {"type": "meeting", "callId": "x"},
            least("call", colour="red"),
            least("call", call_id="x"),
            least("call", platform="acs"),
            least("call", version="1"),
            least("call", version=-1),
            least("call", version=True),
            least("call", callId=""),
            least("call", callId="x" * 513),
            least("call", tags=["t"] * 101),
            least("participant", isRedacted="yes"),
            least("participant", sdk={"title": "x"}),
            least("event", at=None),
            least("event", code=2**31),
            least("event", code=1.5),
            least("samples", values=["1"]),
            least("samples", values=[1e100]),
            least("samples", times=[]),
            least("totals", packets=-1),
            least("totals", ssrc=2**32),
        ],
    )
    def test_refuses_what_the_models_refuse(self, content):
        with pytest.raises(ValidationError):
            accept(content)
        assert fault(self.SCHEMA, content, self.SCHEMA) is not None

    def test_describes_every_field_that_is_not_told_by_its_name(self):
        models = [name for name in self.SCHEMA["$defs"] if name.endswith("Record")]
        assert len(models) == len(TYPES)
        assert all("description" in self.SCHEMA["$defs"][name] for name in models)


def test_records_do_not_change():
    record = accept(least("call"))
    assert isinstance(record, BaseModel)
    with pytest.raises(ValidationError, match="frozen"):
        record.call_id = "y"
