"""Whatever valid operation is asked, the answer has exactly its shape."""

import pytest
from graphql import parse, validate
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from callscope.schema.root import CORE_SCHEMA, engine
from tests.inspector import Inspector
from tests.query.operations import Material, material, operations
from tests.query.oracle import assert_same, check_shape, renamed, values_of
from tests.query.statements import compiled, unnarrowed, unused

ENGINE = engine()


@pytest.fixture(scope="module")
async def stored(filled: Inspector) -> Material:
    return await material(filled)


@settings(
    max_examples=100,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
async def test_an_answer_has_the_shape_that_its_operation_asks_for(
    filled: Inspector, stored: Material, data: st.DataObject
) -> None:
    written = data.draw(operations(stored))
    note(f"{written.text}\n{written.variables}")
    assert validate(CORE_SCHEMA, parse(written.text)) == []
    response = await filled.post(written.text, **written.variables)
    answer = response.json()
    note(response.text[:2000])
    if "errors" in answer:
        assert written.wrong
        assert {error["extensions"]["code"] for error in answer["errors"]} <= {"BAD_USER_INPUT", "COST_LIMIT_EXCEEDED"}
        assert response.status_code == 400
        return
    assert response.status_code == 200
    for statement in compiled(ENGINE, written.text, written.variables):
        assert unnarrowed(statement.sql) == []
        assert unused(statement) == set()
    check_shape(written.text, written.variables, answer["data"])
    if "recentlyInspectedCalls" not in written.text:
        again = (await filled.post(renamed(written.text), **written.variables)).json()
        assert_same(values_of(again["data"]), values_of(answer["data"]))
