"""A webrtc-internals dump is one JSON object, of which the whole part is read where it is cut off."""

import gzip
import io
import json

import orjson
import pytest

from callscope.sources import SourceError
from callscope.sources.webrtc_internals_file import load

DUMP = {
    "getUserMedia": [{"rid": 1, "audio": 'a "quoted" \\ text, with [brackets] {and} more'}, {"rid": 2}],
    "PeerConnections": {"1-2": {"updateLog": [{"type": "create", "value": "[1,2"}], "stats": {"a-b": {"values": "[1, 2]"}}}},
    "UserAgent": "x\u00fc",
}


def loaded(data):
    return load(io.BytesIO(data))


def is_part(part, whole):
    """Whether all of one value is in another at the same place, and nothing out of order."""
    if isinstance(part, dict):
        return list(part) == list(whole)[: len(part)] and all(is_part(part[name], whole[name]) for name in part)
    if isinstance(part, list):
        return len(part) <= len(whole) and all(map(is_part, part, whole))
    return part == whole


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n "])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_whole(indent, start, pack):
    assert loaded(pack(start + json.dumps(DUMP, indent=indent).encode())) == (DUMP, False)


@pytest.mark.parametrize("indent", [None, 1])
def test_cut_anywhere(indent):
    data = json.dumps(DUMP, indent=indent, ensure_ascii=False).encode()
    sizes = []
    for end in range(data.index(b"[") + 1, len(data)):
        part, is_cut = loaded(data[:end])
        assert is_cut
        assert is_part(part, DUMP)
        sizes.append(len(orjson.dumps(part)))
    assert sizes == sorted(sizes)
    assert part == {name: DUMP[name] for name in ("getUserMedia", "PeerConnections")}


def test_what_follows_the_cut_may_be_filled_up():
    data = json.dumps(DUMP).encode()
    assert loaded(data[:-30] + bytes(4096)) == loaded(data[:-30])


@pytest.mark.parametrize("data", [b'{"getUserMedia":[}', b'{"getUserMedia":[],"a":b,"c":[', b'{"getUserMedia":[]]'])
def test_what_is_damaged_before_its_end_is_none(data):
    with pytest.raises(SourceError, match="damaged"):
        loaded(data)
