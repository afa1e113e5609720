"""The sources by name, and how a file says which one it is."""

import bz2
import gzip
import io
import json
import lzma
import zipfile

import pytest

from callscope.sources import Refusal, SourceError
from callscope.sources.registry import NATIVE, SOURCES, misnamed, recognise

SAMPLES_OF = {
    "callscope": b'{"type":"call","callId":"x"}\n',
    "rtcstats": b'["connectionInfo",null,{},1700000000000]\n["close","PC_0",null,1700000000000]\n',
}


def test_every_source_goes_by_its_name():
    assert all(name == source.name for name, source in SOURCES.items())
    assert NATIVE in SOURCES.values()


def test_the_native_source_is_asked_last():
    assert list(SOURCES.values())[-1] is NATIVE


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", SAMPLES_OF)
def test_a_file_is_recognised_by_its_first_bytes(name, pack):
    assert recognise(pack(SAMPLES_OF[name])) is SOURCES[name]


@pytest.mark.parametrize("head", [b"", b"text", b"\x00\x01", b"<xml/>", gzip.compress(b"", mtime=0), b"\x1f\x8b"])
def test_what_is_of_no_source_is_not_recognised(head):
    assert recognise(head) is None


@pytest.mark.parametrize("name", SAMPLES_OF)
def test_every_source_reads_its_own_and_takes_a_call(name):
    rows = list(SOURCES[name].read(io.BytesIO(SAMPLES_OF[name]), call_id="mine"))
    assert rows
    assert not any(isinstance(row, Refusal) for row in rows)
    assert {row.call_id for row in rows} == {"mine"}


def test_the_dump_of_a_server_component_is_recognised_to_be_refused_by_name():
    head = b'{"statsSessionId":"s","type":"stats-entry","data":"{}"}\n'
    assert recognise(head) is SOURCES["rtcstats"]


# A file that is not of the source that is named, or of several.

ROWS = {
    "callscope": b'{"type":"call","callId":"x"}\n',
    "vonage": b'{"sessionId":"s","projectId":"p","event":"sessionCreated","timestamp":1700000000000}\n',
    "acs": b'{"category":"CallSummary","time":"2024-01-09T15:07:56Z","properties":{"callId":"c","participantId":"p",'
    b'"endpointType":"VoIP","endpointId":"e","participantStartTime":"2024-01-09T15:00:00Z","participantDuration":"60"}}\n',
}
FILES = ROWS | {
    "rtcstats": SAMPLES_OF["rtcstats"],
    "webrtc-internals": b'{"getUserMedia":[{"rid":1,"pid":2,"origin":"https://a.example","timestamp":1700000000000,"audio":"","video":""}],'
    b'"PeerConnections":{},"UserAgent":"x"}\n',
}


def told(name, content):
    """What a source accepts of a file, and what it refuses; all of it where it breaks off."""
    try:
        rows = list(SOURCES[name].read(io.BytesIO(content)))
    except SourceError as error:
        return [], [error.refusal]
    return [row for row in rows if not isinstance(row, Refusal)], [row for row in rows if isinstance(row, Refusal)]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("of", FILES)
def test_a_file_of_another_source_is_refused_with_a_reason(name, of):
    accepted, refused = told(name, FILES[of])
    assert bool(accepted) == (name == of)
    assert bool(refused) == (name != of)
    assert all(row.reason and row.code for row in refused)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("of", FILES)
def test_a_file_under_a_wrong_name_seems_to_be_of_its_own_source(name, of):
    seeming = misnamed(SOURCES[name], FILES[of])
    assert seeming is (None if of in {name, "callscope"} else SOURCES[of])


def test_what_is_of_no_source_seems_to_be_of_none():
    assert {misnamed(source, b"nonsense") for source in SOURCES.values()} == {None}


@pytest.mark.parametrize("name", ROWS)
def test_of_a_file_that_mixes_sources_only_its_own_rows_are_taken(name):
    others = [row for of, row in ROWS.items() if of != name]
    accepted, refused = told(name, b"".join([ROWS[name], *others, ROWS[name]]))
    assert accepted
    assert [row.line for row in refused] == [2, 3]


@pytest.mark.parametrize("first", ROWS)
@pytest.mark.parametrize("other", FILES)
def test_the_first_row_says_of_what_source_a_file_is(first, other):
    assert recognise(ROWS[first] + FILES[other]).name == first


def test_what_stands_inside_of_a_row_says_nothing():
    row = {"type": "event", "callId": "c", "at": 1_700_000_000_000, "category": "OTHER", "name": "x"}
    for inside in ({"sessionId": 1, "event": 2, "timestamp": 3}, {"statsSessionId": "s"}, {"PeerConnections": {}}, {"\ud800": 1}):
        assert recognise(json.dumps(row | {"payload": inside}).encode()).name == "callscope"
        assert recognise(json.dumps({"\ud800": inside} | row).encode()).name == "callscope"


@pytest.mark.parametrize("name", FILES)
def test_packed_files_of_other_kinds_are_named(name):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b" " * 10**7)
    for content, word in ((packed.getvalue(), "zip"), (lzma.compress(b"x"), "xz"), (bz2.compress(b"x"), "bzip2")):
        accepted, (refusal,) = told(name, content)
        assert not accepted
        assert (refusal.line, refusal.code) == (0, "file_packed")
        assert word in refusal.reason
        assert "gzip" in refusal.reason
