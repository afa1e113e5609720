"""Small files to import: one that is good, and all kinds that are not."""

import gzip
import json

LINES = [
    ["connectionInfo", None, {"userAgent": "Mozilla/5.0 Chrome/117.0", "clientProtocol": "3.1_STANDARD"}, 1767603600000],
    ["identity", None, {"confName": "Standup", "endpointId": "ada1ada1", "displayName": "Ada"}, 1767603600000],
    ["constraints", "PC_0", {"optional": [{"rtcStatsSFUP2P": False}]}, 1767603600100],
    ["onconnectionstatechange", "PC_0", "connected", 1767603601000],
    *(
        ["getstats", "PC_0", {"timestamp": at, "OT": sent | {"packetsSent": 200 * number}}, at]
        for number in range(1, 6)
        for at, sent in [(1767603600000 + 2000 * number, {"type": "outbound-rtp", "ssrc": 11, "kind": "video"})]
    ),
    ["onconnectionstatechange", "PC_0", "closed", 1767603611000],
]


def dump(**identity: str) -> bytes:
    """An rtcstats dump of a client that sent 200 packets in 2 seconds for 10; ``identity`` says whose it is."""
    lines = [[event, pc, data | identity if event == "identity" else data, at] for event, pc, data, at in LINES]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


GOOD = dump()
LAST = len(LINES)
BRIDGE = json.dumps({"statsSessionId": "b1", "type": "stats-entry", "data": json.dumps({"jvb": 1})}).encode() + b"\n"

# What is wrong -> (the file, the line to blame, a word of the reason).
BAD = {
    "not a dump": (b"Dear diary,\nno dump today.\n", 1, "format"),
    "binary": (bytes(range(256)) * 16, 1, "format"),
    "empty": (b"", 0, "empty"),
    "cut in its first line": (GOOD[:20], 1, "format"),
    "cut in the packed head": (gzip.compress(GOOD)[:100], 0, "gzip"),
    "cut in a line that is not the last": (GOOD[:-20] + b"\n" + GOOD, LAST, "JSON"),
    "NUL in a line": (GOOD + b'["a", null, "\x00", 1]\n', LAST + 1, "NUL"),
    "no UTF-8": (GOOD + b'["a", null, "\xff\xfe", 1]\n', LAST + 1, "JSON"),
    "another shape in the middle": (GOOD + b"{}\n" + GOOD, LAST + 1, "form"),
}
