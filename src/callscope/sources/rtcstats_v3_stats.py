"""Statistics of rtcstats.com's version 3: differences in which what has not changed is absent, and what is gone is null.

Rules by rtcstats/rtcstats, rtcstats-shared/compression.js. Times are milliseconds since the Unix epoch.
"""

from collections.abc import Mapping
from typing import Any

from callscope.sources.rtcstats_v3_names import PROPERTIES, TYPES
from callscope.sources.webrtc_counters import clock_time

State = dict[str, dict[str, Any]]


def apply(state: State, delta: Mapping[str, Any]) -> float | None:
    """Bring the reports of one peer connection up to date. Returns the time that they have in common, if told."""
    at = told_time(delta)
    for key, fields in delta.items():
        if fields is None:
            state.pop(key, None)
        elif isinstance(fields, dict):
            state[key] = _changed(state.get(key, {}), fields, at)
    for key, report in state.items():
        # What comes by RTCP has a time of its own: absent means that nothing came.
        if key not in delta and at is not None and not str(report.get("type")).startswith("remote-"):
            report["timestamp"] = at
    return at


def told_time(delta: Mapping[str, Any]) -> float | None:
    """The time that the reports of a difference have in common, if told."""
    return clock_time(delta.get("t")) or clock_time(delta.get("timestamp"))


def _changed(old: dict[str, Any], new: dict[str, Any], at: float | None) -> dict[str, Any]:
    """A report with its changes; objects inside merge by key, lists are replaced."""
    report = dict(old) if at is None else {**old, "timestamp": at}
    for key, value in new.items():
        name = PROPERTIES.get(key, key)
        before = old.get(name)
        if name == "type":
            report[name] = TYPES.get(str(value), value)
        elif name == "timestamp":
            report[name] = clock_time(value) or at
        else:
            report[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return report
