"""What never reaches a table, whatever source tells it: network addresses, and what opens a door.

Both are known by how they look and by the names that they stand under. A version may look like an address (``120.0.0.0``): it is
one where the name of a browser, a product of a user agent (RFC 9110, 10.1.5) or a word such as ``version`` stands before it, or
where a key or a field says so. What is hidden leaves a mark, and stays as it is when it is told again.
"""

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from string import ascii_letters
from typing import Any, NamedTuple
from urllib.parse import unquote

ADDRESS, SECRET = "[address]", "[secret]"
MAX_ID = 512
DIGEST = 17
"""Characters of the digest in a pseudonym, with the dash before it."""
MAX_ROUNDS = 8
PIECE = 32 * 2**10
PARTINGS = ("\n", ",", ";", " ")
"""Where a long text is parted best: least of all do these stand inside of what is to be hidden."""

_PSEUDONYM = re.compile(r"\[(?:address|secret)\].*-[0-9a-f]{16}$", re.DOTALL)
_CUT_MARK = re.compile(r"\[[a-z]*$")

# How addresses look.

# No part of a longer number; what follows a dot and is too great for a part is a port, as some tools write it.
_IPV4 = r"(?<![0-9])(?<![0-9]\.)[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9])(?!\.(?:1?[0-9]{1,2}|2[0-4][0-9]|25[0-5])(?![0-9]))"
# Groups parted by colons, as many as there are, and what an address that embeds one of IPv4 ends with.
_IPV6 = r"[0-9A-Fa-f]{0,5}(?::[0-9A-Fa-f]{0,5}){2,}(?:(?:\.[0-9]{1,3}){3})?"
_QUAD = re.compile(_IPV4)
_ADDRESSES = re.compile(f"{_IPV6}|{_IPV4}")
_VERSION = re.compile(rf"\s*{_IPV4}\s*")
MAX_GROUPS = 9
"""Parts between colons of an address of IPv6, one of them empty."""

_PRODUCT = re.compile(r"(?:^|[\s(;,])[A-Za-z][\w+-]{0,40}/$", re.ASCII)
_RELEASE = re.compile(r"[-_+.]?(?:alpha|beta|rc|pre|dev|build|release|snapshot|stable|canary|nightly)", re.IGNORECASE)
_BEFORE = 50
_VERSIONED = re.compile(
    "(?:headless)?chrome|chromium|crios|edg(?:e|a|ios)?|opr|opera|samsungbrowser|yabrowser|vivaldi|brave|electron|firefox|fxios"
    "|safari|webview|teams|ver(?:sion)?|sdk|build|release|rv|v"
)
"""Words before a version."""
MAX_RUN = 100
"""Groups of a run beyond which nobody meant anything by it."""

# How secrets look, each with what there is none without, in lower case.

_WORDS = "passw|passphrase|pwd|secret|credential|token|jwt|ufrag|authorization|key"
_NAME = (
    "passw(?:or)?d|passphrase|pwd|secret|credentials?|token|jwt|ufrag|usernamefragment|authorization"
    "|(?:api|access|account|shared|private|subscription|client|master)[_-]?key"
)
_SECRETS = [
    (re.compile(needed), re.compile(pattern, re.IGNORECASE | re.ASCII), mark)
    for needed, pattern, mark in (
        # A JSON Web Token (RFC 7519), of which the first part is that of '{"'.
        ("eyj", r"(?<![\w-])eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?", SECRET),
        ("bearer|basic", r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", rf"\1 {SECRET}"),
        # In SDP (RFC 8839, RFC 4568) and in candidates.
        ("ice-|inline:", r"\b(ice-ufrag|ice-pwd|inline):[^\s|;,\"'\\]+", rf"\1:{SECRET}"),
        ("ufrag", r"\b(ufrag)\s+[\w+/]+", rf"\1 {SECRET}"),
        # As "name": "value" and name=value.
        (_WORDS, rf"((?:{_NAME})\\?[\"']\s?:\s?\\?[\"'])[^\"'\\]+", rf"\1{SECRET}"),
        (_WORDS, rf"((?:{_NAME})\s?=\s?[\"']?)(?!\[secret\]|=)[^\s\"'&;,<>\\]+", rf"\1{SECRET}"),
        ("=", r"([?&#;](?:sig|key|code|auth|sid|session)=)[^\s\"'&;,<>\\\[]{8,}", rf"\1{SECRET}"),
        # Who asks, in an address (RFC 3986, 3.2.1); those of TURN have none, and are seen with one all the same.
        ("@", r"(://)[^\s/@?#:]{1,200}:[^\s/@?#]{0,200}@", rf"\1{SECRET}@"),
        ("@", r"\b(turns?:|stuns?:)[^\s@,;\[]{1,200}@", rf"\1{SECRET}@"),
    )
]
_ANY_SECRET = re.compile("eyj|bearer|basic|ice-|inline:|ufrag|[=\"'@]")
_HARMLESS = re.compile(r"[\w/+,#~-]*")
"""What hides nothing, as most ids: no part of an address or of a secret is parted from another by these."""

# What keys say of their values.

_SECRET_KEY = re.compile(
    "passw(?:or)?d|passphrase|pwd$|secret|credentials?$|tokens?$|jwt|ufrag|usernamefragment|authorization$|cookies?$"
    "|connectionstring"
    "|(?:api|access|account|shared|private|subscription|client|master)key|^sig$"
)
_ADDRESS_KEY = re.compile(r"(?:(?:^|_)[iI][pP]|(?<=[a-z0-9])(?<!Vo)I[pP]|^IP)(?:[vV]?[46])?(?:_?[aA](?:ddr|DDR)(?:ess|ESS)?)?$")
_VERSION_KEY = re.compile(r"version|build|agent|sdk", re.IGNORECASE)
_SERVER_KEYS = frozenset({"credential", "urls"})
MAX_KNOWN_KEY = 100


def hidden(text: str) -> str:
    """Text of any kind."""
    return _hidden(text, is_agent=False)


def hidden_in_agent(text: str) -> str:
    """A user agent, whose products have versions."""
    return _hidden(text, is_agent=True)


def hidden_in_version(text: str) -> str:
    """A version, which may look like an address of IPv4 as a whole."""
    return text if _VERSION.fullmatch(text) else hidden_in_agent(text)


def hidden_in_id(text: str) -> str:
    """A name for something: the same for the same, and another for another."""
    head = text[:-DIGEST] if _PSEUDONYM.search(text) else text
    shown = hidden(head)
    return text if shown == head else pseudonym(shown, text)


def pseudonym(shown: str, text: str) -> str:
    """What may be shown of a name, told apart from others by a digest of the whole."""
    cut = _CUT_MARK.sub("", shown[: MAX_ID - DIGEST])
    return f"{cut}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def hidden_in_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """One object, not what is inside of its values: keys may tell something too, and what to think of their values."""
    is_server = not _SERVER_KEYS.isdisjoint(fields)
    found: dict[str, Any] = {}
    for key, value in fields.items():
        told = _known_key(key) if len(key) <= MAX_KNOWN_KEY else Key.of(key)
        shown = told.shown
        while shown in found:
            shown = f"{told.shown} {len(found)}"
        found[shown] = SECRET if is_server and told.is_user and value else _hidden_under(told, value)
    return found


class Key(NamedTuple):
    """What a key says of its value."""

    shown: str
    is_secret: bool
    is_version: bool
    is_address: bool
    is_user: bool

    @classmethod
    def of(cls, key: str) -> "Key":
        bare = re.sub(r"[\W_]", "", key).lower()
        return cls(
            shown=hidden(key),
            is_secret=_SECRET_KEY.search(bare) is not None,
            is_version=_VERSION_KEY.search(key) is not None,
            is_address=_ADDRESS_KEY.search(key) is not None,
            is_user=bare == "username",
        )


@lru_cache(4096)
def _known_key(key: str) -> Key:
    """The same few come again and again."""
    return Key.of(key)


def _hidden_under(key: Key, value: Any) -> Any:
    if isinstance(value, bool) or value is None or value == "":
        return value
    if key.is_secret:
        return SECRET
    if isinstance(value, str):
        return hidden_in_version(value) if key.is_version else hidden(value)
    # As a number, or as a list of its bytes.
    is_plain = isinstance(value, int | float) or (isinstance(value, list) and all(isinstance(item, int) for item in value))
    return ADDRESS if key.is_address and is_plain else value


def _hidden(text: str, *, is_agent: bool) -> str:
    if len(text) > PIECE:
        return "".join(_hidden(piece, is_agent=is_agent) for piece in _pieces(text))
    if _HARMLESS.fullmatch(text):
        return text
    if not _may_tell_address(text) and "%" not in text and not _ANY_SECRET.search(text.lower()):
        return text
    # What is hidden may leave something that looks otherwise without it.
    for _ in range(MAX_ROUNDS):
        before = text
        if "%" in text and (plain := unquote(text)) != text and (shown := _without(plain, is_agent=is_agent)) != plain:
            text = shown
        text = _without(text, is_agent=is_agent)
        if text == before:
            break
    return text


def _pieces(text: str) -> Iterator[str]:
    """A long text in parts: one search through megabytes would keep all others of the process waiting."""
    at = 0
    while at < len(text):
        end = at + PIECE
        if end < len(text):
            found = (text.rfind(parting, at, end) for parting in PARTINGS)
            end = next((cut + 1 for cut in found if cut > at), end)
        yield text[at:end]
        at = end


def _without(text: str, *, is_agent: bool) -> str:
    lower = text.lower()
    for needed, pattern, mark in _SECRETS if _ANY_SECRET.search(lower) else ():
        if needed.search(lower):
            text = pattern.sub(mark, text)
    if not _may_tell_address(text):
        return text
    return _ADDRESSES.sub(lambda match: _of_ipv6(match) if ":" in match[0] else _of_ipv4(match, is_agent=is_agent), text)


def _may_tell_address(text: str) -> bool:
    return text.count(".") >= 3 or text.count(":") >= 2


def _of_ipv4(match: "re.Match[str]", *, is_agent: bool) -> str:
    if any(int(part) > 255 for part in match[0].split(".")):
        return match[0]
    before = match.string[max(match.start() - _BEFORE, 0) : match.start()]
    named = before.rstrip("/ :=")
    word = named[len(named.rstrip(ascii_letters)) :].lower()
    is_version = (_VERSIONED.fullmatch(word) and len(before) - len(named) <= 2) or (is_agent and _PRODUCT.search(before))
    return match[0] if is_version or _RELEASE.match(match.string, match.end()) else ADDRESS


def _of_ipv6(match: "re.Match[str]") -> str:
    """The run of groups without the address in it, beside which there may be a word before and a port behind."""
    parts = match[0].split(":")
    if len(parts) > MAX_RUN:
        return ADDRESS
    if all(len(part) == 2 for part in parts):
        # A fingerprint of a certificate is as long as its digest; what has six groups is an address of hardware.
        return ADDRESS if len(parts) in {6, 8} else match[0]
    before, after = match.string[max(match.start() - 1, 0) : match.start()], match.string[match.end() : match.end() + 1]
    for length in range(min(len(parts), MAX_GROUPS), 2, -1):
        for start in range(len(parts) - length + 1):
            told = parts[start : start + length]
            is_glued = (start == 0 and _is_word(before) and told[0] != "") or (
                start + length == len(parts) and _is_word(after) and len(told) - told.count("") < 3
            )
            is_scope = start == 0 and _is_word(before) and told[:2] == ["", ""]
            if not is_glued and not is_scope and _is_ipv6(told):
                return ":".join([*parts[:start], ADDRESS, *parts[start + length :]])
    return _QUAD.sub(lambda found: ADDRESS, match[0])


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _is_ipv6(parts: list[str]) -> bool:
    groups = len(parts) + ("." in parts[-1])
    if not any(parts) or ("" not in parts and groups != 8):
        return False
    try:
        IPv6Address(":".join(parts))
    except AddressValueError:
        return False
    return True
