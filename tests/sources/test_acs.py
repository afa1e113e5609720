import gzip
import io
import json
from dataclasses import asdict

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_acs_logs import (
    CALL,
    DIAGNOSTICS,
    LEG,
    LOGGED,
    OPERATION,
    RESOURCE,
    ROWS,
    STATISTIC,
    SUMMARY,
    SURVEY,
    envelope,
    every,
    flat,
    ndjson,
    one,
    only,
    read,
    refused,
    table,
)

from callscope.sources import Refusal, SourceError, acs
from callscope.sources.registry import SOURCES, recognise
from callscope.vocabulary import EventCategory, Platform

ALL = [envelope(category, columns) for category, columns in ROWS.items()]
FILES = {
    "ndjson": ndjson(*ALL),
    "array": json.dumps(ALL).encode(),
    "pretty": json.dumps(ALL, indent=2).encode(),
    "object": json.dumps(ALL[0], indent=2).encode(),
    "hub": json.dumps({"records": ALL}).encode(),
    "csv": table(*(flat(category, columns) for category, columns in ROWS.items())),
}


def fault(data: bytes) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(data)
    return caught.value


def told(records):
    return sorted(repr(record) for record in records)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", FILES)
def test_a_file_is_recognised(name, pack):
    assert recognise(pack(FILES[name])[:4096]) is SOURCES["acs"]


@pytest.mark.parametrize("name", ["array", "pretty", "hub"])
def test_json_holds_the_same_however_it_is_written(name):
    assert told(read(FILES[name])) == told(read(FILES["ndjson"]))


@pytest.mark.parametrize("category", ROWS)
def test_both_export_shapes_and_csv_give_the_same_records(category):
    columns = ROWS[category]
    expected = read([envelope(category, columns)])
    assert expected
    assert not any(isinstance(record, Refusal) for record in expected)
    assert read([flat(category, columns)]) == expected
    assert read(table(flat(category, columns))) == expected
    shouted = {name.upper(): value for name, value in flat(category, columns).items()}
    assert read(table(shouted, delimiter=";")) == read([shouted])


def test_a_row_may_be_known_by_its_columns_alone():
    for columns in (SUMMARY, DIAGNOSTICS):
        assert read([{"correlationId": CALL, "time": LOGGED, **columns}]) == read([envelope("", columns)])
    for columns in (OPERATION, STATISTIC, SURVEY):
        bare = {"TimeGenerated": LOGGED, **columns}
        assert acs.recognises(ndjson(bare))
        assert not any(isinstance(record, Refusal) for record in read([bare]))


def test_names_of_categories_are_accepted_as_the_documentation_writes_them():
    assert only(read([envelope("EndOfCallSurvey", SURVEY)]), "event").category is EventCategory.SURVEY
    assert only(read([envelope("CallDiagnosticUpdates", DIAGNOSTICS)]), "totals").version == 0
    survey = {"Category": "CallSurvey", "OperationName": "EndOfCallSurvey", "TimeGenerated": LOGGED, "properties": SURVEY}
    assert only(read([survey]), "event").name == "CallSurvey"


def test_properties_may_be_json_in_a_string_and_win_over_the_envelope():
    row = envelope("CallSummary", {}, correlationId="other") | {"properties": json.dumps(SUMMARY | {"correlationId": CALL})}
    assert only(read([row]), "connection").call_id == CALL
    kept = envelope("CallSummary", SUMMARY | {"correlationId": "null"})
    assert only(read([kept]), "connection").call_id == CALL


def test_a_given_call_stands_in_for_the_one_that_rows_name():
    records = read(FILES["ndjson"], call_id="mine")
    assert {record.call_id for record in records} == {"mine"}
    assert not any(isinstance(record, Refusal) for record in read(ndjson({"Type": "ACSCallSummary", **SUMMARY}), call_id="mine"))


def test_the_platform_is_told_once_for_each_call(monkeypatch):
    rows = [envelope("CallSurvey", SURVEY | {"CallId": call}) for call in ("a", "b", "a", "c")]
    assert [call.call_id for call in every(read(rows), "call", platform=Platform.ACS)] == ["a", "b", "c"]
    monkeypatch.setattr(acs, "MAX_TOLD", 1)
    assert [call.call_id for call in every(read(rows), "call")] == ["a", "b", "a", "c"]
    assert only(read([envelope("CallClientMediaStatsTimeSeries", STATISTIC)]), "call").platform is Platform.ACS


def test_an_undocumented_table_is_kept_as_raw_events():
    name = "CallClientServiceRequestAndOutcome"
    row = {"CallId": CALL, "ParticipantId": LEG, "Outcome": "ok", "Host": "at 10.1.2.3:443", "OperationName": "x"}
    event = only(read([flat(name, row, CallClientTimeStamp="2024-05-01T10:00:01Z")]), "event")
    assert (event.category, event.name, event.connection_id) == (EventCategory.OTHER, "x", LEG)
    assert event.payload == {"outcome": "ok", "host": "at [address]:443"}
    assert only(read([flat(name, {"CallId": CALL})]), "event").name == name
    assert refused(read([{"Type": f"ACS{name}", "CallId": CALL}])).code == "time_missing"


# Refusals.


def test_good_rows_are_kept_beside_refused_ones():
    rows = [envelope("CallSummary", SUMMARY), envelope("ChatOperational", {}), 7, envelope("CallSurvey", SURVEY)]
    records = read(ndjson(*rows) + b"{broken\n")
    refusals = [record for record in records if isinstance(record, Refusal)]
    assert [(refusal.line, refusal.code) for refusal in refusals] == [
        (2, "category_unknown"),
        (3, "row_invalid"),
        (5, "json_invalid"),
    ]
    assert "CallClientMediaStatsTimeSeries" in refusals[0].reason
    assert len(every(records, "event")) == 2


def test_a_bad_row_may_come_first():
    first, *records = read(b"{broken}\n" + FILES["ndjson"])
    assert (first.line, first.code) == (1, "json_invalid")
    assert records == read(FILES["ndjson"])


def test_rows_of_one_line_are_told_by_their_number():
    refusals = read(json.dumps([envelope("CallSummary", SUMMARY), envelope("x", {}), envelope("y\ud800", {})]).encode())[-2:]
    assert [refusal.line for refusal in refusals] == [1, 1]
    assert refusals[0].reason.endswith("(row 2)")
    assert "y\\ud800" in refusals[1].reason


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        (envelope("CallingMetrics", {}), "category", "category_unsupported"),
        ({"MetricName": "reliability/api/Join", "TimestampBin": LOGGED}, "category", "category_unsupported"),
        (envelope("SMSOperational", {}), "category", "category_unknown"),
        ({"Type": "ACSChatOperational"}, "category", "category_unknown"),
        (envelope("CallSummary", SUMMARY, correlationId="null"), "correlationId", "call_missing"),
        (envelope("CallSummary", SUMMARY, correlationId="x" * 300), "correlationId", "id_invalid"),
        (envelope("CallClientOperations", OPERATION | {"CallId": ""}, correlationId=None), "callId", "call_missing"),
        (envelope("CallSummary", SUMMARY | {"callStartTime": "yesterday"}), "callStartTime", "time_invalid"),
        (envelope("CallSummary", SUMMARY | {"callStartTime": "2024-05-01"}), "callStartTime", "time_invalid"),
        (envelope("CallSummary", SUMMARY | {"callStartTime": "9999-12-31T23:59:59Z"}), "callStartTime", "time_invalid"),
        (envelope("CallSummary", SUMMARY | {"callStartTime": {}}), "callStartTime", "text_invalid"),
        (envelope("CallSummary", SUMMARY | {"callDuration": "long"}), "callDuration", "number_invalid"),
        (envelope("CallSummary", SUMMARY | {"callDuration": "9" * 5000}), "callDuration", "number_invalid"),
        (envelope("CallSummary", SUMMARY | {"callDuration": True}), "callDuration", "number_invalid"),
        (envelope("CallSummary", SUMMARY | {"callDuration": "1e30"}), "callDuration", "number_invalid"),
        (envelope("CallSummary", SUMMARY | {"callDuration": 3e9}), "callDuration", "time_invalid"),
        (envelope("CallSummary", SUMMARY | {"participantDuration": -1}), "participantDuration", "number_invalid"),
        (envelope("CallSummary", SUMMARY | {"participantEndReason": 0.5}), "participantEndReason", "number_invalid"),
        (envelope("CallSummary", SUMMARY | {"participantId": "a\x00"}), "participantId", "text_invalid"),
        (envelope("CallSummary", SUMMARY | {"participantId": True}), "participantId", "text_invalid"),
        (envelope("CallSummary", SUMMARY | {"CallUpdatesVersion": 10**9}), "CallUpdatesVersion", "number_invalid"),
        (envelope("CallSummary", SUMMARY | {"sdkVersion": "x" * 5000}), "sdkVersion", "text_invalid"),
        (envelope("CallSummary", SUMMARY | {"new": "a\x00"}), "payload", "value_error"),
        (envelope("CallSummary", SUMMARY | {"new": json.loads("[" * 50 + "]" * 50)}), "new", "payload_invalid"),
        (envelope("CallSurvey", SURVEY, time=None), "TimeGenerated", "time_missing"),
    ],
)
def test_a_refusal_names_column_and_reason(row, field, code):
    refusal = refused(read([row]))
    assert (refusal.line, refusal.field, refusal.code) == (1, field, code)


def test_a_row_that_names_no_table_is_refused_beside_others():
    assert read([envelope("CallSummary", SUMMARY), {"CallId": "x"}])[-1].code == "category_missing"


def test_hostile_text_is_refused_whatever_holds_it():
    lone = envelope("CallSummary", SUMMARY | {"participantId": "\ud800"})
    good = envelope("CallSummary", SUMMARY)
    assert refused([read([good, lone])[-1]]).code == "json_invalid"
    assert refused([read(json.dumps([good, lone]).encode())[-1]]).code == "text_invalid"
    broken = table(flat("CallSummary", SUMMARY)).replace(LEG.encode(), b"\xff\xfe")
    assert refused(read(broken)).code == "text_invalid"
    assert refused([read(b"[" + json.dumps(good).encode() + b',{"Type":"ACSx","a":NaN}]')[-1]]).code == "category_unknown"


# Files of something else.


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\n\x00",
        b"plain text\nof two lines",
        b"name,age\nAda,36\n",
        b'{"type":"call","callId":"x"}\n',
        b'{"type":"event","callId":"x","category":"MEDIA","at":1700000000000,"name":"CallSummary","payload":{"jitterAvg":1}}',
        b'["connectionInfo",null,{},1700000000000]\n',
        b"[1, 2, 3]",
        b'{"a": 1}\n{"a": 2}\n',
        b"\n".join([b'{"a": 1}'] * 200),
    ],
)
def test_a_file_of_something_else_is_named_so(data):
    assert not acs.recognises(data)
    error = fault(data)
    assert "expected are logs of Azure Communication Services" in error.reason
    assert error.line in {1, 2}


@pytest.mark.parametrize("data", [b"", b"  \n", b"[]", b"plain text", b"\x00\x01", b"Type,CorrelationId,ParticipantStartTime\n"])
def test_a_file_without_rows_is_an_error(data):
    assert "holds no rows" in fault(data).reason


def test_rows_of_another_service_are_known_by_their_resource():
    assert acs.recognises(ndjson({"category": "Unknown", "resourceId": RESOURCE}))
    assert not acs.recognises(ndjson({"category": "Unknown", "resourceId": "/PROVIDERS/MICROSOFT.SQL"}))


def test_a_long_first_row_is_recognised_by_its_beginning():
    long = envelope("CallSummary", SUMMARY | {"callDebuggingInfo": "x" * 9000})
    assert acs.recognises(ndjson(long)[:4096])
    assert acs.recognises(json.dumps([long]).encode()[:4096])
    assert not acs.recognises(ndjson({"type": "event", "payload": {"type": "CallSummary", "x": "x" * 9000}})[:4096])
    assert not acs.recognises(ndjson({"other": "x" * 9000})[:4096])
    assert not acs.recognises(b"[" * 9000)


# Whatever comes.


def survives(data: bytes) -> None:
    acs.recognises(data[:4096])
    try:
        rows = read(data)
    except SourceError as error:
        orjson.dumps([error.reason, error.line])
        return
    for row in rows:
        orjson.dumps(asdict(row) if isinstance(row, Refusal) else row.model_dump(mode="json", by_alias=True))


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"[", b"{", b'[{"Type":"ACSCallSummary",', b"Type,CorrelationId,CallStartTime\n"]),
)
def test_random_bytes_give_errors_of_the_source_or_refusals(data, start):
    survives(start + data)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.floats(0, 1), st.binary(max_size=3), st.booleans())
def test_truncated_and_damaged_files_give_errors_of_the_source_or_refusals(name, share, damage, packed):
    data = FILES[name]
    at = int(share * len(data))
    data = data[:at] + damage + (data[at + len(damage) :] if damage else b"")
    survives(gzip.compress(data) if packed else data)


hostile = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["null", "Redacted", "1e999", "9" * 400, "\x00", "\ud800", "0001-01-01T00:00:00Z", "1/1/2024, 13:00:00 AM", "{", "[[1"]
    ),
    st.recursive(
        st.integers(), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_hostile_values_give_refusals(data):
    category = data.draw(st.sampled_from(sorted(ROWS)))
    columns = ROWS[category]
    changes = data.draw(
        st.dictionaries(st.sampled_from([*sorted(columns), "callUpdatesVersion", "OperationPayload", "new"]), hostile, max_size=3)
    )
    row = envelope(category, columns | changes)
    survives(json.dumps([row]).encode())
    survives(ndjson(row))


@settings(max_examples=30, deadline=None)
@given(
    st.permutations(
        ALL
        + [
            envelope("CallClientMediaStatsTimeSeries", STATISTIC | {"CallClientTimeStamp": f"2024-05-01T10:02:{n}0Z"})
            for n in range(3)
        ]
    )
)
def test_the_order_of_rows_decides_nothing(rows):
    def of(rows):
        # That a call is of ACS is told where no other row has told it yet.
        kept = [record for record in read(rows) if record.type != "samples" and record not in every([record], "call", version=0)]
        points = sorted(
            (record.metric, record.connection_id, at, value)
            for record in every(read(rows), "samples")
            for at, value in zip(record.times, record.values, strict=True)
        )
        return {repr(record) for record in kept}, points

    assert of(rows) == of(sorted(rows, key=repr))


def test_a_file_is_read_in_constant_memory():
    class Endless(io.RawIOBase):
        """Rows without end; counts what is taken of it."""

        given = 0
        row = ndjson(envelope("CallClientOperations", OPERATION))

        def read(self, size=-1):
            self.given += 1
            return self.row * (65536 // len(self.row))

    file = Endless()
    rows = acs.read(file)
    for _ in range(1000):
        next(rows)
    assert file.given < 30


def test_one_row_of_each_table():
    for category, columns in ROWS.items():
        assert one(category, columns)
