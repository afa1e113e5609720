"""The sources by name, and how a file says which one it is."""

import gzip
import io

import pytest

from callscope.sources import Refusal
from callscope.sources.registry import NATIVE, SOURCES, recognise

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


@pytest.mark.parametrize("head", [b"", b"text", b"\x00\x01", b"<xml/>", gzip.compress(b""), b"\x1f\x8b"])
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
