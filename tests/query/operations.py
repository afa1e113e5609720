"""Random operations that are valid against the schema, and values for their arguments taken from what is stored."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)
from hypothesis import strategies as st

from callscope.query.bindings import MAX_PAGE, Many, binding_of
from callscope.query.compiler import node_types
from callscope.schema.root import CORE_SCHEMA
from callscope.schema.saved_session import SAVED_TABLES, SCOPE
from tests.inspector import Inspector
from tests.plans import STARTED_AT

NODES = {tag: type_.name for tag, (type_, _) in node_types(CORE_SCHEMA).items()}
TYPES = NODES | {
    f"{SCOPE}{tag}": type_.name for tag, (type_, table) in node_types(CORE_SCHEMA).items() if table.name in SAVED_TABLES
}
"""By the tags of all ids: of what is saved too."""
UNKNOWN_IDS = ["call_1", "meeting_1_1", "participant_1_1", "event_1_1_1", "project_1", "call_1_1", "nothing_1", "", "é", "\x00"]
# Names that SQL or the compiler might use itself, and keys that PostgreSQL would cut.
KEYS = [
    "o",
    "a",
    "x",
    "j",
    "c",
    "i",
    "t0",
    "t1",
    "n0",
    "l0",
    "more",
    "select",
    "project_id",
    "Value",
    "K" * 63,
    "K" * 64,
    "k" * 90,
]
MAX_DEPTH = 5


@dataclass(repr=False)
class Material:
    """What arguments can name: global ids by tag, cursors by type and order, and the platforms' ids by argument or field."""

    ids: dict[str, list[str]]
    cursors: dict[tuple[str, str | None, str | None], list[str]]
    texts: dict[str, list[str]]
    saved: list[str]


async def material(found: Inspector) -> Material:
    """Asks for ids and cursors of everything, in each order that there is."""
    ids: dict[str, list[str]] = {tag: [] for tag in NODES}
    cursors: dict[tuple[str, str | None, str | None], list[str]] = {}
    for text, name, order in _page_queries():
        answer = await found.query(text)
        pages = [node["page"] for node in answer["streams"]["nodes"]] if name == "Subscriber" else [answer["page"]]
        edges = [edge for page in pages for edge in page["edges"]]
        cursors[name, *order] = [edge["cursor"] for edge in edges]
        for edge in edges:
            ids[edge["node"]["id"].partition("_")[0]].append(edge["node"]["id"])
    call = "participants { nodes { id } } streams { nodes { id connection { id } } } events(first: 3) { nodes { id } }"
    kept = await found.query(f"{{ savedSessions {{ nodes {{ call {{ id {call} }} }} }} }}")
    ids["project"] = [(await found.query("{ project { id } }"))["project"]["id"]]
    told = await found.query("{ calls { nodes { callId } } participants { nodes { participantId displayName } } }")
    return Material(
        {tag: sorted(set(found)) for tag, found in ids.items()},
        cursors,
        {
            "callId": [call["callId"] for call in told["calls"]["nodes"]],
            "participantId": [person["participantId"] for person in told["participants"]["nodes"]],
            "text": [person["displayName"] for person in told["participants"]["nodes"] if person["displayName"]],
        },
        sorted(set(re.findall(rf'"({SCOPE}[a-z]+_[0-9a-f_]+)"', json.dumps(kept)))),
    )


def _page_queries() -> Iterator[tuple[str, str, tuple[str | None, str | None]]]:
    for name, definition in CORE_SCHEMA.query_type.fields.items():
        if "after" in definition.args:
            node = node_of(definition.type)
            for order in orders(definition.args):
                by = f", orderBy: {{field: {order[0]}, direction: {order[1]}}}" if order[0] else ""
                yield f"{{ page: {name}(first: 20{by}) {{ edges {{ cursor node {{ id }} }} }} }}", node.name, order
    yield "{ streams(first: 20) { nodes { page: subscribers { edges { cursor node { id } } } } } }", "Subscriber", (None, None)


def orders(arguments: dict[str, GraphQLArgument]) -> list[tuple[str | None, str | None]]:
    """Each order that a list takes, the one without ``orderBy`` first."""
    if "orderBy" not in arguments:
        return [(None, None)]
    fields = get_named_type(arguments["orderBy"].type).fields["field"].type.of_type.values
    return [(None, None), *((name, direction) for name in fields for direction in ("ASC", "DESC"))]


def node_of(page: Any) -> GraphQLObjectType:
    return get_named_type(get_named_type(page).fields["nodes"].type)


@dataclass
class Written:
    """An operation, with values for its variables. ``wrong`` says that some argument should be refused."""

    text: str
    variables: dict[str, Any]
    wrong: bool
    conditional: bool


class Scope(dict[str, tuple[Any, "Scope"]]):
    """What each key of one object of the answer stands for: its field, arguments and type; and what is inside."""


@dataclass
class Writer:
    """Writes one operation."""

    random: Random
    material: Material
    variables: dict[str, Any] = field(default_factory=dict)
    definitions: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)
    apart: list[tuple[Any, str]] = field(default_factory=list)
    wrong: bool = False
    conditional: bool = False
    budget: int = 0
    count: int = 0

    def operation(self) -> Written:
        self.budget = self.random.randint(1, 50)
        body = self.selection(CORE_SCHEMA.query_type, 0, Scope())
        if self.chance(1, 8):
            body += ' answer: __type(name: "Call") { kind name fields { name type { kind ofType { name } } } }'
        given = f"({', '.join(self.definitions)})" if self.definitions else ""
        head = f"query Everything{given}" if given or self.chance(1, 2) else "query"
        return Written(
            "\n".join([f"{head} {{ {body} }}", *self.fragments]), self.variables, wrong=self.wrong, conditional=self.conditional
        )

    def chance(self, of: int, among: int) -> bool:
        return self.random.randrange(among) < of

    def one(self, items: Any) -> Any:
        return self.random.choice(items)

    def name(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    # ------------------------------------------------------------------------------------------------ selections

    def selection(self, type_: Any, depth: int, scope: Scope, prefix: str = "") -> str:
        """Fields and fragments; with a ``prefix`` all keys are unlike any other, so that the selection fits anywhere."""
        parts = []
        for _ in range(self.random.randint(1, 4 if depth else 3)):
            kind = self.one(["field"] * 7 + ["fragment", "fragment", "again", "typename"])
            if kind == "fragment" and depth <= MAX_DEPTH:
                parts.append(self.fragment(type_, depth, scope, prefix))
            elif kind == "again" and (again := self.again(type_, depth, scope)):
                parts.append(again)
            elif kind == "typename" or not (fields := self.candidates(type_, depth)):
                parts.append("__typename")
            else:
                parts.append(self.field(type_, self.one(fields), depth, scope, prefix))
        return " ".join(parts)

    def candidates(self, type_: Any, depth: int) -> list[str]:
        narrow = depth >= MAX_DEPTH or self.budget <= 0
        return [name for name, made in type_.fields.items() if not (narrow and is_composite_type(get_named_type(made.type)))]

    def field(self, type_: Any, name: str, depth: int, scope: Scope, prefix: str) -> str:
        self.budget -= 1
        definition = type_.fields[name]
        arguments = self.arguments(definition, depth)
        key = self.key(type_, name, prefix)
        meaning = (name, arguments, _printed(definition))
        if key in scope and scope[key][0] != meaning:
            key = self.name("other")
        inside = scope.setdefault(key, (meaning, Scope()))[1]
        return self.written(key, definition, meaning, depth, inside)

    def again(self, type_: Any, depth: int, scope: Scope) -> str | None:
        """A field once more, with the same arguments, to be merged with the first."""
        known = [
            key
            for key, ((name, _, printed), _) in scope.items()
            if name in type_.fields and _printed(type_.fields[name]) == printed
        ]
        if not known:
            return None
        key = self.one(known)
        meaning, inside = scope[key]
        return self.written(key, type_.fields[meaning[0]], meaning, depth, inside)

    def written(self, key: str, definition: Any, meaning: tuple[str, str, str], depth: int, inside: Scope) -> str:
        name, arguments, _ = meaning
        text = f"{name if key == name else f'{key}: {name}'}{arguments}{self.directive()}"
        named = get_named_type(definition.type)
        return f"{text} {{ {self.selection(named, depth + 1, inside)} }}" if is_composite_type(named) else text

    def key(self, type_: Any, name: str, prefix: str) -> str:
        if prefix:
            return name if name == "id" else self.name(prefix)
        kind = self.random.randint(0, 5)
        if kind == 0:
            return self.one(KEYS)
        others = [other for other in type_.fields if other != "id"]
        return self.one(others) if kind == 1 and others else name

    def fragment(self, type_: Any, depth: int, scope: Scope, prefix: str) -> str:
        """An inline or a named fragment; a named one may be spread anywhere else too where its keys collide with nothing."""
        spreadable = [name for on, name in self.apart if on is type_]
        if spreadable and self.chance(1, 2):
            return f"...{self.one(spreadable)}{self.directive()}"
        on = self.one([type_, *_overlapping(type_)])
        inside = depth + (on is not type_)
        if self.chance(1, 3):
            condition = f" on {on.name}" if on is not type_ or self.chance(1, 2) else ""
            return f"...{condition}{self.directive()} {{ {self.selection(on, inside, scope, prefix)} }}"
        name = self.name("F")
        alone = self.chance(1, 2)
        body = self.selection(on, inside, Scope() if alone else scope, self.name("f") + "_" if alone else prefix)
        self.fragments.append(f"fragment {name} on {on.name} {{ {body} }}")
        if alone:
            self.apart.append((on, name))
        return f"...{name}{self.directive()}"

    def directive(self) -> str:
        if not self.chance(1, 10):
            return ""
        self.conditional = True
        value = self.chance(1, 2)
        return f" @{self.one(['skip', 'include'])}(if: {self.variable('Boolean!', value, str(value).lower())})"

    # ------------------------------------------------------------------------------------------------ arguments

    def arguments(self, definition: Any, depth: int) -> str:
        given: dict[str, Any] = {}
        order: tuple[str | None, str | None] = (None, None)
        binding = binding_of(definition)
        bounds = {argument.name: argument for argument in getattr(binding, "arguments", ())}
        for name, argument in definition.args.items():
            if not is_required_argument(argument) and not self.chance(1, 3):
                continue
            if name in ("first", "last") and isinstance(binding, Many) and binding.paged:
                continue
            if name in ("after", "before"):
                known = self.material.cursors.get((node_of(definition.type).name, *order), [])
                given[name] = self.cursor(known)
            elif name in bounds and bounds[name].minimum is not None:
                top = min(bounds[name].maximum, 20)
                given[name] = self.random.randint(int(bounds[name].minimum), int(top))
            else:
                given[name] = self.value(argument.type, name)
            if name == "orderBy" and given[name] is not None:
                order = (given[name]["field"], given[name]["direction"])
        if "first" in definition.args and "last" in definition.args:
            self.size(given, depth)
        if {"from", "to"} <= given.keys() and None not in (given["from"], given["to"]):
            given["from"], given["to"] = sorted((given["from"], given["to"]), key=datetime.fromisoformat)
        self.identify(definition, given)
        rendered = [f"{name}: {self.rendered(definition.args[name].type, value)}" for name, value in given.items()]
        return f"({', '.join(rendered)})" if rendered else ""

    def identify(self, definition: Any, given: dict[str, Any]) -> None:
        """What a root field refuses to do without."""
        roots = CORE_SCHEMA.query_type.fields
        if definition is roots["call"] and given.get("id") is None and given.get("callId") is None:
            given["callId"] = self.one(self.material.texts["callId"])
        if definition is roots["explainCode"] and given.get("code") is None and given.get("subcode") is None:
            given["subcode"] = self.one([0, 3100, 41048])
        if definition is roots["evaluateIssues"]:
            given["rules"] = self.one([[], [{"kind": "HIGH_PACKET_LOSS", "threshold": 0.5}], given["rules"]])
            self.wrong = True  # random thresholds contradict each other, and what is beneath may cost too much

    def size(self, given: dict[str, Any], depth: int) -> None:
        """How many rows: few, so that answers stay small."""
        kind = self.random.randint(0, 15)
        if kind == 0:
            given.update(self.one([{"first": 1, "last": 1}, {"first": -1}, {"last": MAX_PAGE + 1}]))
            self.wrong = True
        elif kind > 3 or depth:
            given["last" if kind % 3 == 0 else "first"] = self.random.randint(0, 3)

    def cursor(self, known: list[str]) -> str | None:
        if self.chance(1, 20):
            self.wrong = True
            return self.one(["", "~", "call", "\x00", "call.started_at.desc~x~1", "metric_series.asc~9" + "9" * 30 + "~1", "é~é"])
        return self.one(known) if known else None

    def value(self, type_: Any, name: str) -> Any:
        if isinstance(type_, GraphQLNonNull):
            return self.some(type_.of_type, name)
        return None if self.chance(1, 10) else self.some(type_, name)

    def some(self, type_: Any, name: str) -> Any:
        if isinstance(type_, GraphQLList):
            return [self.value(type_.of_type, name) for _ in range(self.random.randint(0, 3))]
        if isinstance(type_, GraphQLInputObjectType):
            return {
                name: self.value(part.type, name)
                for name, part in type_.fields.items()
                if is_required_input_field(part) or self.chance(1, 6)
            }
        if isinstance(type_, GraphQLEnumType):
            return self.one(list(type_.values))
        return {
            "Int": lambda: self.one([self.random.randint(0, 5), self.random.randint(-(2**31), 2**31 - 1)]),
            "Float": lambda: self.one([self.random.uniform(-1e6, 1e6), self.random.randint(0, 200)]),
            "Boolean": lambda: self.chance(1, 2),
            "String": lambda: self.text(name),
            "ID": self.id,
            "DateTime": self.instant,
        }[type_.name]()

    def text(self, name: str) -> str:
        if self.chance(1, 40):
            self.wrong = True
            return "a\x00b"
        known = self.material.texts.get(name.removesuffix("s")) or [
            text for texts in self.material.texts.values() for text in texts
        ]
        return self.one([*known, "", "'; --", "{row}", 'a"\\\n', "50%_é\U0001f600"])

    def id(self) -> str:
        return self.one(self.one([*self.material.ids.values(), self.material.saved, UNKNOWN_IDS]) or UNKNOWN_IDS)

    def instant(self) -> str:
        zone = self.one([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
        instant = self.one([datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)])
        if self.chance(9, 10):
            instant = STARTED_AT + timedelta(milliseconds=self.random.randint(-3_600_000, 12 * 3_600_000))
        return instant.astimezone(zone).isoformat()

    def rendered(self, type_: Any, value: Any) -> str:
        """As a literal, as a variable, or as a literal with variables inside."""
        if self.chance(1, 4):
            inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
            strict = isinstance(type_, GraphQLNonNull) or (value is not None and self.chance(1, 3))
            return self.variable(f"{inner}{'!' if strict else ''}", value, literal(type_, value))
        inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if isinstance(inner, GraphQLList) and value is not None:
            return "[" + ", ".join(self.rendered(inner.of_type, item) for item in value) + "]"
        if isinstance(inner, GraphQLInputObjectType) and value is not None:
            return (
                "{" + ", ".join(f"{name}: {self.rendered(inner.fields[name].type, item)}" for name, item in value.items()) + "}"
            )
        return literal(type_, value)

    def variable(self, type_: str, value: Any, text: str) -> str:
        """A variable that is given, or left out for its default or for null."""
        name = self.name("v")
        kind = self.random.randint(0, 2)
        if kind == 0 and not (value is None and type_.endswith("!")):
            self.definitions.append(f"${name}: {type_} = {text}")
        else:
            self.definitions.append(f"${name}: {type_}")
            if value is not None or kind == 1:
                self.variables[name] = value
        return f"${name}"


def literal(type_: Any, value: Any) -> str:
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if isinstance(inner, GraphQLList) and value is not None:
        return "[" + ", ".join(literal(inner.of_type, item) for item in value) + "]"
    if isinstance(inner, GraphQLInputObjectType) and value is not None:
        return "{" + ", ".join(f"{name}: {literal(inner.fields[name].type, item)}" for name, item in value.items()) + "}"
    if isinstance(inner, GraphQLEnumType) and value is not None:
        return value
    return json.dumps(value, ensure_ascii=False)


def _printed(definition: Any) -> str:
    return f"({', '.join(definition.args)}): {definition.type}"


def _overlapping(type_: Any) -> list[Any]:
    """The other types that a fragment inside of this one can be on."""
    possible = set(CORE_SCHEMA.get_possible_types(type_)) if isinstance(type_, GraphQLInterfaceType) else {type_}
    found = []
    for other in CORE_SCHEMA.type_map.values():
        if isinstance(other, GraphQLInterfaceType):
            overlaps = not possible.isdisjoint(CORE_SCHEMA.get_possible_types(other))
        else:
            overlaps = other in possible
        if overlaps and other is not type_:
            found.append(other)
    return found


def operations(stored: Material) -> st.SearchStrategy[Written]:
    """Drawn by a seed alone: operations that hypothesis makes by changing others would be much alike."""
    return st.randoms(use_true_random=True).map(lambda random: Writer(random, stored).operation())
