"""The schema as a whole: printed, described, and a superset of the contract."""

import os
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    is_introspection_type,
    is_specified_scalar_type,
    validate_schema,
)

from callscope.commands.schema import print_schema
from callscope.schema.root import CORE_SCHEMA, SCHEMA
from callscope.settings import Settings

ROOT = Path(__file__).parents[2]
CONTRACT = Path(os.environ.get("CALLSCOPE_TEST_CONTRACT", ROOT.parent / "shared" / "contract.graphql"))

NOT_YET = {"Subscription", "MetricSeriesUpdate"}
"""What the contract has and the schema has not, yet: types, else fields, else arguments."""


def elements(schema: GraphQLSchema) -> Iterator[tuple[str, Any]]:
    """Every type, field, argument, input field and enum value, by its coordinate."""
    for name, type_ in schema.type_map.items():
        if is_introspection_type(type_) or is_specified_scalar_type(type_):
            continue
        yield name, type_
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, definition in type_.fields.items():
                yield f"{name}.{field_name}", definition
                for argument_name, argument in definition.args.items():
                    yield f"{name}.{field_name}({argument_name})", argument
        elif isinstance(type_, GraphQLInputObjectType):
            for field_name, part in type_.fields.items():
                yield f"{name}.{field_name}", part
        elif isinstance(type_, GraphQLEnumType):
            for value_name, value in type_.values.items():
                yield f"{name}.{value_name}", value


ELEMENTS = dict(elements(CORE_SCHEMA))


def test_the_schema_is_valid() -> None:
    assert validate_schema(CORE_SCHEMA) == []
    assert build_schema(SCHEMA.as_str())


def test_the_schema_in_the_repository_is_the_one_that_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    print_schema(Settings.read({}), Namespace(telemetry=False))
    printed = capsys.readouterr().out
    assert printed == SCHEMA.as_str() + "\n"
    assert (ROOT / "schema.graphql").read_text() == printed, "write it anew: callscope schema > schema.graphql"


def test_every_element_says_what_it_is() -> None:
    silent = [coordinate for coordinate, element in ELEMENTS.items() if not (element.description or "").strip()]
    assert silent == []


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    if not CONTRACT.is_file():
        pytest.skip(f"no contract at {CONTRACT}")
    return dict(elements(build_schema(CONTRACT.read_text())))


def test_the_schema_has_all_of_the_contract_but_what_is_not_there_yet(contract: dict[str, Any]) -> None:
    missing = {coordinate for coordinate in contract if coordinate not in ELEMENTS}
    topmost = {one for one in missing if one.partition(".")[0] not in missing and one.partition("(")[0] not in missing - {one}}
    topmost |= {one for one in missing if "." not in one}
    assert topmost - NOT_YET == set(), "the contract has it, and the schema has not"
    assert NOT_YET - topmost == set(), "it is there now: take it off the list"


def test_what_the_contract_has_is_of_the_same_type(contract: dict[str, Any]) -> None:
    wrong = []
    for coordinate, element in contract.items():
        own = ELEMENTS.get(coordinate)
        if own is not None and not compatible(own, element):
            wrong.append(f"{coordinate}: {getattr(own, 'type', own)} instead of {getattr(element, 'type', element)}")
    assert wrong == []


def compatible(own: Any, element: Any) -> bool:
    """Alike, or an answer that is null less often."""
    if not hasattr(element, "type"):
        return isinstance(own, type(element)) and {str(one) for one in getattr(element, "interfaces", ())} <= {
            str(one) for one in getattr(own, "interfaces", ())
        }
    if str(own.type) == str(element.type):
        return True
    is_answer = hasattr(element, "args")
    return is_answer and isinstance(own.type, GraphQLNonNull) and str(own.type.of_type) == str(element.type)
