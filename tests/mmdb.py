"""Writes small databases of MaxMind's format (version 2.0 of its specification), for networks of IPv4 and IPv6."""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

RECORD_BYTES = 3
SEPARATOR = bytes(16)
MARK = b"\xab\xcd\xefMaxMind.com"


def write(path: Path, networks: Mapping[str, Any], *, version: int = 6) -> Path:
    """A database that says this of these networks."""
    nodes: list[list[Any]] = [[None, None]]
    data = b""
    for network, told in networks.items():
        at = len(data)
        data += encode(told)
        _place(nodes, _bits(network, version), at)
    path.write_bytes(
        b"".join(_node(node, len(nodes)) for node in nodes) + SEPARATOR + data + MARK + _metadata(len(nodes), version)
    )
    return path


def _bits(network: str, version: int) -> str:
    """The bits that addresses of a network begin with; in a tree of IPv6, IPv4 begins with 96 zeros."""
    found = ip_network(network)
    bits = f"{int(found.network_address):0{found.max_prefixlen}b}"[: found.prefixlen]
    return "0" * 96 + bits if version == 6 and found.version == 4 else bits


def _place(nodes: list[list[Any]], bits: str, at: int) -> None:
    node = 0
    for bit in map(int, bits[:-1]):
        if nodes[node][bit] is None:
            nodes[node][bit] = ("node", len(nodes))
            nodes.append([None, None])
        node = nodes[node][bit][1]
    nodes[node][int(bits[-1])] = ("data", at)


def _node(node: list[Any], count: int) -> bytes:
    def record(told: Any) -> int:
        kind, number = told or ("node", count)
        return number if kind == "node" else count + len(SEPARATOR) + number

    return b"".join(record(told).to_bytes(RECORD_BYTES, "big") for told in node)


def _metadata(count: int, version: int) -> bytes:
    told = {
        "database_type": encode("Test-City"),
        "languages": encode(["en"]),
        "description": encode({"en": "A test"}),
        "node_count": _number(6, count),
        "record_size": _number(5, 8 * RECORD_BYTES),
        "ip_version": _number(5, version),
        "binary_format_major_version": _number(5, 2),
        "binary_format_minor_version": _number(5, 0),
        "build_epoch": _number(9, 1),
    }
    return _control(7, len(told)) + b"".join(encode(name) + content for name, content in told.items())


def encode(value: Any) -> bytes:
    match value:
        case str():
            return _control(2, len(value.encode())) + value.encode()
        case int():
            return _number(6, value)
        case dict():
            return _control(7, len(value)) + b"".join(encode(part) for pair in value.items() for part in pair)
        case list():
            return _control(11, len(value)) + b"".join(map(encode, value))
    raise TypeError(value)


def _number(kind: int, value: int) -> bytes:
    content = value.to_bytes(8, "big").lstrip(b"\0")
    return _control(kind, len(content)) + content


def _control(kind: int, size: int) -> bytes:
    small = min(size, 29)
    head = bytes([kind << 5 | small]) if kind < 8 else bytes([small, kind - 7])
    return head + (bytes([size - 29]) if small == 29 else b"")
