from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from callscope.web.examples import Example, examples

EXAMPLES, SEED = examples()


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """The schema that the repository commits, which another test holds equal to the code's."""
    return build_schema((Path(__file__).parents[2] / "schema.graphql").read_text("utf-8"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_examples_ask_what_the_schema_has(example: Example, schema: GraphQLSchema) -> None:
    assert validate(schema, parse(example.query)) == []


def test_the_seed_asks_what_the_schema_has(schema: GraphQLSchema) -> None:
    assert validate(schema, parse(SEED)) == []


def test_examples_are_named_and_explained() -> None:
    assert 8 <= len(EXAMPLES) <= 13
    assert len({example.title for example in EXAMPLES}) == len(EXAMPLES)
    assert all(example.title and example.description for example in EXAMPLES)
    assert all("`" not in example.description for example in EXAMPLES)


def test_examples_need_no_variables(schema: GraphQLSchema) -> None:
    for example in EXAMPLES:
        for definition in parse(example.query).definitions:
            for variable in definition.variable_definitions or ():
                assert variable.default_value is not None or variable.type.kind != "non_null_type", example.name


def test_variables_tell_lists_from_single_values() -> None:
    variables = {name: is_list for example in EXAMPLES for name, is_list in example.variables.items()}
    assert variables["ids"] is True
    assert variables["from"] is False
    assert variables["include"] is True


def test_the_seed_fills_variables_that_examples_have() -> None:
    used = {name for example in EXAMPLES for name in example.variables}
    assert {"ids", "from", "to", "after", "before"} <= used
    assert all(f"{name}: " in SEED for name in ("ids", "from", "to", "after", "before"))


def test_fragments_belong_to_the_seed(tmp_path: Path) -> None:
    path = tmp_path / "examples.graphql"
    path.write_text(
        """
        # One: the
        # first.
        query One { a }
        fragment F on Query { a }
        query Seed { ...F }
        # Two: the second.
        query Two { a }
        """
    )
    found, seed = examples(path)
    assert [(example.name, example.title, example.description) for example in found] == [
        ("One", "One", "the first."),
        ("Two", "Two", "the second."),
    ]
    assert seed == "query Seed { ...F }\n\nfragment F on Query { a }"
