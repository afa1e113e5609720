"""Documents that ask for everything."""

import json
from collections.abc import Iterable
from typing import Any

from graphql import get_named_type, is_composite_type, is_required_argument

from callscope.query.bindings import Many, binding_of
from callscope.schema.root import CORE_SCHEMA
from tests.query.operations import NODES, Material

ROOTS = CORE_SCHEMA.query_type.fields
LISTS = [
    (type_name, name)
    for type_name in ["Query", *NODES.values()]
    for name, definition in CORE_SCHEMA.type_map[type_name].fields.items()
    if isinstance(binding := binding_of(definition), Many) and binding.paged
]
"""Every paged list of the schema: the type that it is on, and its name."""


GIVEN = {"number": "1", "participantId": '"nobody"', "metric": "BITRATE", "media": "AUDIO"}
"""Values for arguments that need one."""


def everything(type_: Any, depth: int, prefix: str = "") -> str:
    """The selection of all that a type has, to a depth; with a ``prefix`` to its keys it merges with that of another type."""
    parts = ["__typename"]
    for name, definition in type_.fields.items():
        named = get_named_type(definition.type)
        if is_composite_type(named) and depth == 0:
            continue
        arguments = [f"{argument}: {GIVEN[argument]}" for argument, made in definition.args.items() if is_required_argument(made)]
        if "last" in definition.args:
            arguments.append("first: 2")
        field = f"{prefix}{name}: {name}" if prefix else name
        called = f"{field}({', '.join(arguments)})" if arguments else field
        parts.append(f"{called} {{ {everything(named, depth - 1)} }}" if is_composite_type(named) else called)
    return " ".join(parts)


def everything_of(tags: Iterable[str], depth: int) -> str:
    """The selection of all that nodes with these tags have."""
    types = [CORE_SCHEMA.type_map[NODES[tag]] for tag in tags]
    return " ".join(f"... on {type_.name} {{ {everything(type_, depth, f'{type_.name}_')} }}" for type_ in types)


def asked(name: str, stored: Material) -> str:
    """A root field with everything beneath, for each type that it can find."""
    ids = {tag: found[0] for tag, found in stored.ids.items()}
    if name == "node":
        return f'node(id: "{ids["stream"]}") {{ {everything_of(["stream"], 2)} }}'
    if name == "nodes":
        return f"nodes(ids: {json.dumps(list(ids.values()))}) {{ {everything_of(ids, 1)} }}"
    given = {
        "savedSession": f'id: "{ids["session"]}"',
        "call": f'callId: "{stored.texts["callId"][0]}"',
        "explainCode": "platform: ACS, subcode: 41048",
    }
    given["evaluateIssues"] = f'callId: "{ids["call"]}", rules: [{{kind: HIGH_PACKET_LOSS, threshold: 1}}], first: 3'
    arguments = f"({given.get(name, 'first: 3')})" if ROOTS[name].args else ""
    return f"{name}{arguments} {{ {everything(get_named_type(ROOTS[name].type), 2)} }}"
