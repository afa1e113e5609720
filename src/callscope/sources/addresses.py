"""The public address of a client, where a source tells one: it is passed on in memory only, to be made a location of (``geoip``).

Everywhere else, addresses are hidden (``privacy``).

A client learns its address from STUN servers, as a server-reflexive candidate; a relayed one names it as where it was asked from.
Browsers leave it out or write ``0.0.0.0`` where pages must not know it.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

Address = IPv4Address | IPv6Address

_CANDIDATE = re.compile(r"candidate:\S+ \d+ \S+ \d+ (?P<address>\S+) \d+ typ (?P<type>\w+)(?: raddr (?P<related>\S+))?")
_IN_TEXT = re.compile(
    r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9])|(?<![\w.:])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f.:]{1,40}(?![\w:])"
)
_LOCAL = ("local-candidate", "localcandidate")
_RELAYED = ("relay", "relayed")


def public(value: Any) -> Address | None:
    """An address of the public network; None for names, private and reserved addresses, and nonsense."""
    if not isinstance(value, str) or len(value) > 50:
        return None
    try:
        address = ip_address(value.strip("[]"))
    except ValueError:
        return None
    return address if address.is_global and not address.is_multicast else None


def of_candidate(data: Any) -> Address | None:
    """By a candidate of one's own, in the words of SDP: ``{"candidate": "candidate:…"}``."""
    told = data.get("candidate") if isinstance(data, Mapping) else None
    match = _CANDIDATE.match(told[:1000]) if isinstance(told, str) else None
    if match is None:
        return None
    return public(match["related"] if match["type"] in _RELAYED else match["address"])


def of_reports(reports: Mapping[str, Any]) -> Address | None:
    """By the local candidates among the reports of one getStats call."""
    for report in reports.values():
        if not isinstance(report, Mapping) or report.get("type") not in _LOCAL:
            continue
        is_relayed = report.get("candidateType") in _RELAYED
        names = ("relatedAddress",) if is_relayed else ("address", "ip", "ipAddress")
        if (found := next((found for name in names if (found := public(report.get(name)))), None)) is not None:
            return found
    return None


def in_text(text: str) -> Address | None:
    """The first public address in words of free form."""
    for match in _IN_TEXT.finditer(text):
        # A sentence may end behind an address, and an address of IPv6 with colons.
        if (found := public(match[0]) or public(match[0].rstrip(".:"))) is not None:
            return found
    return None
