"""Every read of the schema, whatever it grows by: all fields of all objects, and all pages of all lists in each order.

What differs between two projects of equal telemetry is left out by name.
"""

from collections.abc import Iterator
from typing import Any

from graphql import GraphQLField, GraphQLNamedType, get_named_type, is_leaf_type, is_required_argument

from callscope.schema.root import CORE_SCHEMA
from tests.inspector import Inspector
from tests.query.operations import TYPES, orders

# When telemetry arrived, when figures were derived of it, and whose it is.
UNALIKE = {("Call", "expiresAt"), ("Freshness", "derivedAt"), ("Project", "id"), ("Project", "name")}
# What the fields are asked for that need to be told something, or can be.
ARGUMENTS = {
    "samples": ["(maxPoints: 5000)", "(maxPoints: 7)"],
    "publisherQuality": [
        f"(metric: {metric}, media: {media}, maxPoints: 30)"
        for metric in ("BITRATE", "PACKET_LOSS")
        for media in ("AUDIO", "VIDEO")
    ],
    "metricBands": ["(metric: BITRATE, buckets: 7)", "(metric: PACKET_LOSS, media: AUDIO, percentiles: [0, 33.3, 100])"],
    "worstSeries": ["(metric: BITRATE)", "(metric: PACKET_LOSS, direction: SUBSCRIBE, first: 3)"],
    "meeting": ["(number: 1)", "(number: 2)"],
    "participant": ['(participantId: "a")'],
}
PAGE = 100
BATCH = 20

Order = tuple[str | None, str | None]


async def reads(found: Inspector) -> dict[str, Any]:
    """All answers: by ``field`` and order for each list of the root, by id for objects."""
    root = CORE_SCHEMA.query_type
    answers: dict[str, Any] = {}
    for name, definition in root.fields.items():
        if is_page(definition):
            for order in orders(definition.args):
                answers[f"{name} {order}"] = await _rest(found, f"page: {_page(name, order)}", {"page": None}, "page", root.name)
    project = selection(CORE_SCHEMA.get_type("Project"))
    answers["project"] = await found.query(f"{{ project {{ {project} }} recentlyInspectedCalls {{ id }} }}")
    return answers | await reached(found, {id_ for id_ in ids_in(answers) if not id_.startswith("project_")})


async def reached(found: Inspector, ids: set[str]) -> dict[str, Any]:
    """The objects with these ids, and all that they lead to, by id."""
    answers: dict[str, Any] = {}
    unread = set(ids)
    while unread:
        now = sorted(unread)[:BATCH]
        tag = now[0].partition("_")[0]
        now = [id_ for id_ in now if id_.partition("_")[0] == tag]
        answers |= await _objects(found, TYPES[tag], now)
        unread |= ids_in([answers[id_] for id_ in now])
        unread -= answers.keys()
    return answers


async def _objects(found: Inspector, type_name: str, ids: list[str]) -> dict[str, Any]:
    type_ = CORE_SCHEMA.get_type(type_name)
    lists = {
        f"{name}{number}": (name, order)
        for name, definition in type_.fields.items()
        if is_page(definition)
        for number, order in enumerate(orders(definition.args))
    }
    pages = " ".join(f"{alias}: {_page(*asked)}" for alias, asked in lists.items())
    query = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {type_name} {{ {selection(type_)} {pages} }} }} }}"
    objects = (await found.query(query, ids=ids))["nodes"]
    for object_ in objects:
        for alias, (name, order) in lists.items():
            await _rest(found, f"{alias}: {_page(name, order)}", object_, alias, type_name)
    return dict(zip(ids, objects, strict=True))


async def _rest(found: Inspector, asked: str, object_: dict[str, Any], alias: str, type_name: str) -> Any:
    """The pages of a list that follow the one that is there, added to it."""
    page = asked.replace("(", "(after: $after, ", 1)
    query = f"query ($after: String) {{ {page} }}"
    if type_name != "Query":
        query = f"query ($after: String, $id: ID!) {{ node(id: $id) {{ ... on {type_name} {{ {page} }} }} }}"
    while object_[alias] is None or object_[alias]["pageInfo"]["hasNextPage"]:
        known = object_[alias] or {"edges": [], "pageInfo": {"endCursor": None}}
        variables = {"after": known["pageInfo"]["endCursor"], "id": object_.get("id")}
        answer = await found.query(query, **variables)
        answer = (answer if type_name == "Query" else answer["node"])[alias]
        object_[alias] = answer | {"edges": [*known["edges"], *answer["edges"]]}
    return object_[alias]


def _page(name: str, order: Order) -> str:
    by = f", orderBy: {{field: {order[0]}, direction: {order[1]}}}" if order[0] else ""
    return f"{name}(first: {PAGE}{by}) {{ totalCount pageInfo {{ hasNextPage endCursor }} edges {{ cursor node {{ id }} }} }}"


def is_page(definition: GraphQLField) -> bool:
    return "after" in definition.args


def selection(type_: GraphQLNamedType) -> str:
    """All fields of a type but lists with pages, with what is embedded in it, and the ids of what it refers to."""
    return " ".join(_fields(type_))


def _fields(type_: Any) -> Iterator[str]:
    for name, definition in type_.fields.items():
        if is_page(definition) or (type_.name, name) in UNALIKE:
            continue
        inner: Any = get_named_type(definition.type)
        inside = "" if is_leaf_type(inner) else f" {{ {'id' if 'id' in inner.fields else selection(inner)} }}"
        needs = any(map(is_required_argument, definition.args.values()))
        if needs or (definition.args and name in ARGUMENTS):
            for number, arguments in enumerate(ARGUMENTS[name]):
                yield f"{name}{number}: {name}{arguments}{inside}"
        else:
            yield f"{name}{inside}"


def ids_in(answer: Any) -> set[str]:
    """The global ids that are anywhere in an answer."""
    if isinstance(answer, dict):
        own = {answer["id"]} if "id" in answer else set()
        return own.union(*(ids_in(value) for name, value in answer.items() if name != "payload"))
    return set().union(*map(ids_in, answer)) if isinstance(answer, list) else set()
