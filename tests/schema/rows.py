"""All rows of each type with what filters and orders look at, and what each field of a filter looks at."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from graphql import GraphQLList, get_named_type

from callscope.schema.root import CORE_SCHEMA
from tests.inspector import Inspector

Row = dict[str, Any]

SELECTIONS = {
    "calls": """callId platform state meanOpinionScore startedAt lastActiveAt durationSeconds isLarge tags savedSession { id }
        statistics { callType participantCount issueCount issueSeconds errorCount } issues(first: 50) { nodes { kind severity } }
        meanOpinionScore ratings { lowest } worstIssue { severity }
        participants(first: 50) { nodes { participantId displayName userAgent sdk { name } location { country } } }""",
    "meetings": """startedAt endedAt durationSeconds isLarge meanOpinionScore
        statistics { callType participantCount issueCount issueSeconds }
        worstIssue { severity } call { id }""",
    "participants": """participantId kind displayName userAgent errorCount issueCount location { country } sdk { name }
        system { browser } call { id } connections(first: 50) { nodes { meeting { id } } }""",
    "connections": "connectionId outcome attemptedAt participant { id } meeting { id call { id } }",
    "streams": """streamId source outcome hasAudio hasVideo publisher { id call { id } } connection { id } meeting { id }
        subscribers(first: 50) { nodes { id outcome participant { id } stream { id } } }""",
    "events": """at category name severity outcome code subcode message payload
        call { id } participant { id } connection { id } stream { id }""",
    "issues": """kind severity startedAt endedAt isRecovered attribution call { id } meeting { id } participant { id }
        stream { id }""",
    "metricSeries": """metric media direction startedAt endedAt participant { id kind call { id } }
        connection { id } stream { id }""",
    "savedSessions": "name tags savedAt expiresAt call { callId }",
}


async def all_rows(found: Inspector) -> dict[str, dict[str, Row]]:
    """By the name of the type and the id; each list in the order of its rows."""
    rows: dict[str, dict[str, Row]] = {"Subscriber": {}}
    for name, selection in SELECTIONS.items():
        size = 1000 if name in ("events", "metricSeries") else 100
        page = (await found.query(f"{{ {name}(first: {size}) {{ totalCount nodes {{ __typename id {selection} }} }} }}"))[name]
        assert page["totalCount"] == len(page["nodes"])
        rows[page["nodes"][0]["__typename"]] = {node["id"]: node for node in page["nodes"]}
    for stream in rows["Stream"].values():
        rows["Subscriber"] |= {node["id"]: node for node in stream["subscribers"]["nodes"]}
    for event in rows["Event"].values():
        event["meetings"] = _meetings(rows, event["call"]["id"], event["at"], event["at"])
    for series in rows["MetricSeries"].values():
        series["meetings"] = _meetings(rows, series["participant"]["call"]["id"], series["startedAt"], series["endedAt"])
    return rows


def _meetings(rows: dict[str, dict[str, Row]], call: str, start: str, end: str) -> list[str]:
    """The meetings of a call that lasted at some time from start to end."""
    return [
        row["id"]
        for row in rows["Meeting"].values()
        if row["call"]["id"] == call
        and row["endedAt"] is not None
        and instant(row["startedAt"]) <= instant(end)
        and instant(row["endedAt"]) >= instant(start)
    ]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def path(*names: str) -> Callable[[Row], Any]:
    def found(row: Row) -> Any:
        value: Any = row
        for name in names:
            value = value and value[name]
        return value

    return found


def one(*names: str) -> Callable[[Row], list[Any]]:
    return lambda row: [path(*names)(row)]


def some(name: str, *names: str) -> Callable[[Row], list[Any]]:
    return lambda row: [path(*names)(node) for node in row[name]["nodes"]]


def _person(row: Row) -> str:
    return " ".join(row[name] for name in ("participantId", "displayName", "userAgent") if row[name] is not None)


def _event_text(row: Row) -> str:
    payload = None if row["payload"] is None else json.dumps(row["payload"], ensure_ascii=False)
    return " ".join(text for text in (row["name"], row["message"], payload) if text is not None)


ISSUES: dict[str, Callable[[Row], Any]] = {
    "hasIssues": lambda row: path("statistics", "issueCount")(row) > 0,
    "isLarge": path("isLarge"),
    "minParticipants": path("statistics", "participantCount"),
    "callTypes": one("statistics", "callType"),
    "startedFrom": path("startedAt"),
    "startedTo": path("startedAt"),
}
TOLD: dict[str, dict[str, Callable[[Row], Any]]] = {
    "CallFilter": {
        **ISSUES,
        "callIds": one("callId"),
        "platforms": one("platform"),
        "states": one("state"),
        "minDurationSeconds": path("durationSeconds"),
        "hasErrors": lambda row: row["statistics"]["errorCount"] > 0,
        "isSaved": lambda row: row["savedSession"] is not None,
        "issueKinds": some("issues", "kind"),
        "issueSeverities": some("issues", "severity"),
        "minMeanOpinionScore": path("meanOpinionScore"),
        "maxMeanOpinionScore": path("meanOpinionScore"),
        "minRating": path("ratings", "lowest"),
        "maxRating": path("ratings", "lowest"),
        "tags": path("tags"),
        "participant": lambda row: [_person(person) for person in row["participants"]["nodes"]],
        "sdkNames": some("participants", "sdk", "name"),
        "countries": some("participants", "location", "country"),
    },
    "MeetingFilter": {**ISSUES, "calls": one("call", "id")},
    "ParticipantFilter": {
        "calls": one("call", "id"),
        "meetings": some("connections", "meeting", "id"),
        "participantIds": one("participantId"),
        "kinds": one("kind"),
        "text": lambda row: [_person(row)],
        "hasErrors": lambda row: row["errorCount"] > 0,
        "hasIssues": lambda row: row["issueCount"] > 0,
        "countries": one("location", "country"),
        "sdkNames": one("sdk", "name"),
        "browsers": one("system", "browser"),
    },
    "ConnectionFilter": {
        "calls": one("meeting", "call", "id"),
        "meetings": one("meeting", "id"),
        "participants": one("participant", "id"),
        "connectionIds": one("connectionId"),
        "outcomes": one("outcome"),
        "from": path("attemptedAt"),
        "to": path("attemptedAt"),
    },
    "StreamFilter": {
        "calls": one("publisher", "call", "id"),
        "meetings": one("meeting", "id"),
        "participants": one("publisher", "id"),
        "connections": one("connection", "id"),
        "streamIds": one("streamId"),
        "sources": one("source"),
        "outcomes": one("outcome"),
        "hasAudio": path("hasAudio"),
        "hasVideo": path("hasVideo"),
    },
    "SubscriberFilter": {"participants": one("participant", "id"), "streams": one("stream", "id"), "outcomes": one("outcome")},
    "EventFilter": {
        "from": path("at"),
        "to": path("at"),
        "categories": one("category"),
        "names": one("name"),
        "severities": one("severity"),
        "outcomes": one("outcome"),
        "codes": one("code"),
        "subcodes": one("subcode"),
        "calls": one("call", "id"),
        "meetings": path("meetings"),
        "participants": one("participant", "id"),
        "connections": one("connection", "id"),
        "streams": one("stream", "id"),
        "include": _event_text,
        "exclude": _event_text,
    },
    "IssueFilter": {
        "kinds": one("kind"),
        "severities": one("severity"),
        "calls": one("call", "id"),
        "meetings": one("meeting", "id"),
        "participants": one("participant", "id"),
        "streams": one("stream", "id"),
        "from": path("endedAt"),
        "to": path("startedAt"),
        "isRecovered": path("isRecovered"),
        "attributions": one("attribution"),
    },
    "MetricSeriesFilter": {
        "metrics": one("metric"),
        "media": one("media"),
        "directions": one("direction"),
        "calls": one("participant", "call", "id"),
        "meetings": path("meetings"),
        "participants": one("participant", "id"),
        "connections": one("connection", "id"),
        "streams": one("stream", "id"),
        "endpointKinds": one("participant", "kind"),
    },
    "SavedSessionFilter": {
        "text": lambda row: [row["name"], row["call"]["callId"], *row["tags"]],
        "tags": path("tags"),
        "savedFrom": path("savedAt"),
        "savedTo": path("savedAt"),
    },
}
"""What each field of a filter looks at: the values that a row carries for a list or a text, else the row's value."""


def filter_fields(filter_type: str) -> dict[str, Any]:
    return CORE_SCHEMA.type_map[filter_type].fields


def keeps(filter_type: str, field: str, row: Row, value: Any) -> bool:
    """What the schema's descriptions promise of a filter."""
    told = TOLD[filter_type][field](row)
    type_ = filter_fields(filter_type)[field].type
    if value is None:
        return True
    if field == "include":
        return all(word.lower() in told.lower() for word in value)
    if field == "exclude":
        return not any(word.lower() in told.lower() for word in value)
    if isinstance(type_, GraphQLList):
        return any(item in value for item in told)
    if type_.name == "String":
        return any(value.lower() in text.lower() for text in told)
    if type_.name == "Boolean":
        return told is value
    if told is None:
        return (filter_type, field) == ("IssueFilter", "from")  # lasts
    told, value = (instant(told), instant(value)) if type_.name == "DateTime" else (told, value)
    return told <= value if field.lower().endswith("to") or field.startswith("max") else told >= value


def nodes_of(definition: Any) -> str:
    return get_named_type(get_named_type(definition.type).fields["nodes"].type).name
