"""What a test can say of compiled SQL, and of what a request runs."""

import re
from collections.abc import Iterator
from typing import Any

from callscope.query.compiler import Statement
from callscope.query.operation import Engine
from callscope.schema.code_explanation import REFERENCE_TABLES

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")
_TABLE = re.compile(r"(?<![\w.])(?:live|saved|callscope)\.\w+")
_PARAMETER = re.compile(r"\$(\d+)")


def compiled(engine: Engine, text: str, variables: dict[str, Any]) -> Iterator[Statement]:
    """The statements of an operation's only operation."""
    operation = engine.operation(text, None)
    for _, part in engine.plan(operation, operation.variables(variables)).fields:
        if isinstance(part, Statement):
            yield part


def tables(sql: str) -> list[str]:
    return [table.split(".")[1] for table in _TABLE.findall(_blank(sql))]


def unnarrowed(sql: str) -> list[str]:
    """The tables that a statement reads without narrowing them to the project, with the text around them.

    Reference tables hold nothing of any project; another test sees that none of them could.
    """
    text = _blank(sql)
    found = []
    for match in _TABLE.finditer(text):
        after = text[match.end() :]
        if match[0] in REFERENCE_TABLES.values():
            continue
        before, where = text[: match.start()], " where project_id = $1"
        alone = before.endswith("(select * from ") and after.startswith((f"{where})", f"{where} and ("))
        if not alone and not _narrowed(after):
            found.append(text[max(match.start() - 60, 0) : match.end() + 120])
    return found


def _narrowed(after: str) -> bool:
    """Whether the select that a table stands in names its alias's project among conditions that must all hold."""
    alias = re.match(r" (t\d+)\b", after)
    own = _level(after)
    return (
        alias is not None and " or " not in own and bool(re.search(rf"\b(where|on|and) {alias[1]}\.project_id = \$1(?!\d)", own))
    )


def _level(text: str) -> str:
    """The rest of the select that a text starts in: what is inside further parentheses left out."""
    depth, own = 0, []
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            break
        if depth == 0:
            own.append(character)
    return "".join(own).partition(" union all ")[0]


def _blank(sql: str) -> str:
    return _QUOTED.sub("''", sql)


def unused(statement: Statement) -> set[int]:
    """The parameters that a statement does not use: PostgreSQL refuses them."""
    return set(range(1, len(statement.parameters.getters) + 2)) - {int(number) for number in _PARAMETER.findall(statement.sql)}
