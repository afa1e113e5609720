"""The public address of a client, by what dumps tell of it."""

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callscope.sources.addresses import in_text, of_candidate, of_reports, public

IPV4, RELAYED, IPV6, PRIVATE = "81.2.69.142", "81.2.70.7", "2a02:d5c0::7", "192.168.178.23"


@pytest.mark.parametrize("value", [None, 5, "", "x.x.x.x", "0.0.0.0", PRIVATE, "a.local", "::", "239.1.1.1", "1" * 60, "1.2.3"])
def test_only_public_addresses_count(value):
    assert public(value) is None
    assert of_candidate({"candidate": f"candidate:1 1 udp 1 {value} 9 typ srflx"}) is None


@pytest.mark.parametrize(
    ("candidate", "address"),
    [
        (f"candidate:8 1 udp 16 {IPV4} 46154 typ srflx raddr 0.0.0.0 rport 0", IPV4),
        (f"candidate:8 1 udp 16 {IPV6} 46154 typ host generation 0", IPV6),
        (f"candidate:8 1 udp 16 8.8.8.8 46154 typ relay raddr {RELAYED} rport 9", RELAYED),
        ("candidate:8 1 udp 16 8.8.8.8 46154 typ relay", None),
        (f"candidate:8 1 udp 16 {PRIVATE} 46154 typ host", None),
        (5, None),
    ],
)
def test_it_is_learned_from_candidates(candidate, address):
    expected = ip_address(address) if address else None
    assert of_candidate({"candidate": candidate}) == expected


@pytest.mark.parametrize(
    ("report", "address"),
    [
        ({"type": "local-candidate", "candidateType": "srflx", "address": IPV4}, IPV4),
        ({"type": "local-candidate", "candidateType": "prflx", "ip": IPV4}, IPV4),
        ({"type": "localcandidate", "candidateType": "serverreflexive", "ipAddress": IPV4}, IPV4),
        ({"type": "local-candidate", "candidateType": "relay", "address": "8.8.8.8", "relatedAddress": IPV6}, IPV6),
        ({"type": "local-candidate", "candidateType": "relay", "address": "8.8.8.8"}, None),
        ({"type": "remote-candidate", "candidateType": "srflx", "address": IPV4}, None),
        ({"type": []}, None),
        (5, None),
    ],
)
def test_it_is_learned_from_statistics(report, address):
    assert of_reports({"a": {"type": "codec"}, "b": report}) == (ip_address(address) if address else None)


@settings(deadline=None)
@given(st.ip_addresses().filter(lambda address: address.is_global and not address.is_multicast))
def test_it_is_found_in_words(address):
    assert in_text(f"name=Ada;ip={address};room=5 at 12:30") == address


@settings(deadline=None)
@given(st.text())
def test_any_words_hold_an_address_or_none(text):
    assert in_text(text) is None or public(str(in_text(text))) is not None
