"""Addresses and secrets are known by how they look and where they stand."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscope.privacy import (
    MAX_ID,
    PARTINGS,
    PIECE,
    hidden,
    hidden_in_agent,
    hidden_in_fields,
    hidden_in_id,
    hidden_in_version,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("203.0.113.9", "[address]"),
        ("at 10.1.2.3:443, then", "at [address]:443, then"),
        ("turn:203.0.113.9:3478", "turn:[address]:3478"),
        ("IP:203.0.113.9.", "IP:[address]."),
        ("https://203.0.113.9/a", "https://[address]/a"),
        ("connect to example.com/203.0.113.9:443", "connect to example.com/[address]:443"),
        ("c=IN IP4 203.0.113.9\r\n", "c=IN IP4 [address]\r\n"),
        ("081.002.069.142", "[address]"),
        ("n203.0.113.9_x", "n[address]_x"),
        ("IP 203.0.113.9.5000 > 10.0.0.1.443", "IP [address].5000 > [address].443"),
        ("from [2001:db8::7]:3478", "from [[address]]:3478"),
        ("ip:2001:db8::7, then", "ip:[address], then"),
        ("2001:db8:0:0:0:0:0:7:44300", "[address]:44300"),
        ("fe80::1%eth0", "[address]%eth0"),
        ("::ffff:203.0.113.9", "[address]"),
        ("::ffff:cb00:7109", "[address]"),
        ("2001:db8::7x", "[address]x"),
        ("aa:bb:cc:dd:ee:ff", "[address]"),
        ("name%3DAda%26ip%3D203.0.113.9", "name=Ada&ip=[address]"),
        ("ip=2001%3Adb8%3A%3A7", "ip=[address]"),
        (":".join(["1"] * 200), "[address]"),
    ],
)
def test_addresses(text, shown):
    assert hidden(text) == shown
    assert hidden(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "999.1.1.1",
        "1.38.1",
        "1.2.3.4.5",
        "1.19.2.2_beta",
        "Chrome/120.0.0.0 failed",
        "version 1.2.3.4, v1.2.3.4 and Edg 1.2.3.4",
        "15:07:56 on 2024-01-09T15:07:56.066Z",
        "8:acs:ab_cd",
        "std::cafe and foo::1",
        ":".join(["AB"] * 32),
        "100%",
        "100%25 and %zz",
        "user@example.com",
        "19:meeting_NzIzpwd==@thread.v2",
        "Invalid token: expired",
        "d08a3d05-db90-415f-88a7-87ae74edc1dd",
    ],
)
def test_what_only_looks_alike(text):
    assert hidden(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a=ice-ufrag:abcd\r\na=ice-pwd:xyz/12+3\r\n", "a=ice-ufrag:[secret]\r\na=ice-pwd:[secret]\r\n"),
        ("typ host generation 0 ufrag Ab/+ network-id 1", "typ host generation 0 ufrag [secret] network-id 1"),
        ("a=crypto:1 AES_CM_128 inline:WVNfX19zZW1|2^20", "a=crypto:1 AES_CM_128 inline:[secret]|2^20"),
        ("wss://x/?jwt=abc&room=a", "wss://x/?jwt=[secret]&room=a"),
        ("https://x/?sv=1&sig=abcdefgh%3D", "https://x/?sv=1&sig=[secret]"),
        ("endpoint=https://x/;accesskey=Zm9v==", "endpoint=https://x/;accesskey=[secret]"),
        ("Authorization: Bearer abc.def_ghi", "Authorization: Bearer [secret]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UifQ.dBjftJeZ4CVP", "[secret]"),
        ("https://ada:pa55@example.com/", "https://[secret]@example.com/"),
        ("turn:1700000000:ada@example.com", "turn:[secret]@example.com"),
        ('{"token": "abc", "a": 1}', '{"token": "[secret]", "a": 1}'),
        ('{\\"password\\":\\"pa55\\"}', '{\\"password\\":\\"[secret]\\"}'),
        ("failed with password=pa55 at", "failed with password=[secret] at"),
        ("TOKEN = 'abc'", "TOKEN = '[secret]'"),
    ],
)
def test_secrets(text, shown):
    assert hidden(text) == shown
    assert hidden(shown) == shown


def test_products_of_a_user_agent_have_versions():
    told = "MyApp/1.2.3.4 (X11; 203.0.113.9) Chrome/120.0.0.0"
    assert hidden_in_agent(told) == "MyApp/1.2.3.4 (X11; [address]) Chrome/120.0.0.0"
    assert hidden(told) == "MyApp/[address] (X11; [address]) Chrome/120.0.0.0"


def test_a_version_may_look_like_an_address():
    assert hidden_in_version("120.0.0.0") == "120.0.0.0"
    assert hidden_in_version("2001:db8::7") == "[address]"
    assert hidden_in_version("10.0 at 203.0.113.9") == "10.0 at [address]"


def test_names_stay_apart():
    told = ["c1", "at 203.0.113.9", "at 203.0.113.10", "x" * MAX_ID, "203.0.113.9" + "x" * MAX_ID]
    shown = [hidden_in_id(text) for text in told]
    assert shown[0] == "c1"
    assert re.fullmatch(r"at \[address\]-[0-9a-f]{16}", shown[1])
    assert all(one != other for one, other in pairwise(shown))
    assert [hidden_in_id(text) for text in shown] == shown
    assert max(map(len, shown)) == MAX_ID


def test_what_keys_say():
    told = {
        "ip": 3405803785,
        "clientIp": [203, 0, 113, 9],
        "IPAddress": 3405803785,
        "zip": 12345,
        "ips": [5],
        "appVersion": "1.0.0.1",
        "userAgent": "Chrome/1.0.0.1",
        "note": "1.0.0.1",
        "accessToken": "a",
        "Ice-Pwd": "a",
        "connectionString": {"a": 1},
        "usernameFragment": "a",
        "hasToken": True,
        "password": None,
        "tokenCount": 4,
        "authorizationStatus": "denied",
        "VoIP": 3,
        "resultSignature": "200",
        "username": "ada",
    }
    hiding = dict.fromkeys(("ip", "clientIp", "IPAddress", "note"), "[address]")
    hiding |= dict.fromkeys(("accessToken", "Ice-Pwd", "connectionString", "usernameFragment"), "[secret]")
    hiding["hasToken"] = True
    assert hidden_in_fields(told) == told | hiding


def test_the_user_name_of_a_turn_server_is_part_of_its_secret():
    told = {"urls": ["turn:example.com"], "username": "1700000000:ada", "credential": "pa55"}
    assert hidden_in_fields(told) == told | {"username": "[secret]", "credential": "[secret]"}


def test_keys_may_be_addresses():
    assert hidden_in_fields({"203.0.113.9": 1, "203.0.113.10": 2, "a": 3}) == {"[address]": 1, "[address] 1": 2, "a": 3}


@pytest.mark.parametrize("name", ["ip", "IP", "clientIp", "client_ip", "callerIpAddress", "IPv4", "ipAddr", "remoteIPAddress"])
def test_names_of_addresses(name):
    assert hidden_in_fields({name: 3405803785, f"{name}x": 3405803785}) == {name: "[address]", f"{name}x": 3405803785}


@pytest.mark.parametrize("name", ["zip", "ship", "tip", "ipsum", "participant", "address", "multipart"])
def test_other_names(name):
    assert hidden_in_fields({name: 3405803785}) == {name: 3405803785}


PIECES = [*"0123456789abf:.%3A[]@=/ \"'&;xt", "token", "::", "1.2.3.4", "ufrag ", "eyJ", "basic ", "://", "?sig="]
ODD = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@pytest.mark.parametrize("parting", PARTINGS)
@pytest.mark.parametrize("told", ["203.0.113.9", "2001:db8::7", "password=pa55"])
def test_long_texts_are_looked_at_in_parts(parting, told):
    for before in range(PIECE - len(told) - 2, PIECE + 2):
        text = f"{'x' * before}{parting}{told}{parting}{'y' * PIECE}"
        shown = hidden(text)
        assert told not in shown
        assert shown.startswith("x" * before)
        assert shown.endswith("y" * PIECE)
        assert hidden(shown) == shown
    plain = "".join(map(str, range(PIECE)))
    assert hidden(plain) == plain


@given(ODD)
def test_it_is_done_once(text):
    for hide in (hidden, hidden_in_agent, hidden_in_version, hidden_in_id):
        assert hide(hide(text)) == hide(text)


@given(
    ODD, st.sampled_from(["", *" =/,;([<>\"'|&?\n"]), st.sampled_from(["203.0.113.9", "2001:db8::7", "2001:db8:0:1:2:3:4:7"]), ODD
)
def test_whatever_stands_beside_an_address(before, parting, address, after):
    """But for digits and groups that would make another one of it."""
    assert address not in hidden(f"{before} {parting}{address}{parting} {after}")
