from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, parse

from tests.clients.conftest import Api

DOCUMENT = "\n".join(path.read_text("utf-8") for path in sorted((Path(__file__).parent / "documents").glob("*.graphql")))
OPERATIONS = [node.name.value for node in parse(DOCUMENT).definitions if isinstance(node, OperationDefinitionNode) and node.name]


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_what_codegen_compiles_is_answered(operation: str, api: Api) -> None:
    room = (await api.ask('{ call(callId: "room") { id participants { nodes { id } } meetings { nodes { id } } } }'))["call"]
    ids = [node["id"] for node in (room, *room["meetings"]["nodes"], *room["participants"]["nodes"])]
    for id_ in ids:
        data = await api.ask(DOCUMENT, operation, id=id_, ids=ids, callId="room")
        assert None not in data.values()
