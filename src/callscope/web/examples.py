"""The playground's example queries, read from `examples.graphql`."""

from dataclasses import dataclass
from pathlib import Path

from graphql import ListTypeNode, Node, NonNullTypeNode, OperationDefinitionNode, TypeNode, parse

EXAMPLES = Path(__file__).parent / "examples.graphql"
SEED = "Seed"


@dataclass(frozen=True, slots=True)
class Example:
    """A query with the comment above it, `# Title: description`."""

    name: str
    title: str
    description: str
    query: str
    variables: dict[str, bool]
    """The names of its variables, and whether each takes a list."""


def examples(path: Path = EXAMPLES) -> tuple[list[Example], str]:
    """The examples, and the query whose answer fills their variables: the operation `Seed` with all fragments."""
    source = path.read_text("utf-8")
    found: list[Example] = []
    seed: list[str] = []
    last_end = 0
    for definition in parse(source).definitions:
        start, end = _span(definition)
        comment, text = source[last_end:start].strip(), source[start:end]
        last_end = end
        match definition:
            case OperationDefinitionNode(name=name) if name and name.value != SEED:
                found.append(_example(definition, name.value, comment, text))
            case OperationDefinitionNode():
                seed.insert(0, text)
            case _:
                seed.append(text)
    return found, "\n\n".join(seed)


def _example(operation: OperationDefinitionNode, name: str, comment: str, text: str) -> Example:
    title, _, description = " ".join(line.lstrip("# ") for line in comment.splitlines()).partition(": ")
    variables = {variable.variable.name.value: _is_list(variable.type) for variable in operation.variable_definitions or ()}
    return Example(name, title, description, f"{comment}\n{text}\n", variables)


def _is_list(of: TypeNode) -> bool:
    return isinstance(of.type if isinstance(of, NonNullTypeNode) else of, ListTypeNode)


def _span(node: Node) -> tuple[int, int]:
    if node.loc is None:
        raise AssertionError("graphql-core notes locations unless told otherwise")
    return node.loc.start, node.loc.end
