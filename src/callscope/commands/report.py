"""``report``."""

import argparse
import sys

import orjson

from callscope.commands import database
from callscope.commands.calls import call_named
from callscope.commands.data import settle_all
from callscope.query.ids import encode_id
from callscope.query.parameters import Reader
from callscope.schema.root import engine
from callscope.settings import Settings

REPORT = "query ($id: ID!, $format: ReportFormat!) { call(id: $id) { report(format: $format) } }"


async def report(settings: Settings, given: argparse.Namespace) -> None:
    """Print what the API answers, of all that was told of the call so far."""
    async with database(settings) as (connection, _):
        project_id, call_key = await call_named(connection, given.project, given.call)
        await settle_all(connection, project_id, [call_key])
        reads = engine()
        operation = reads.operation(REPORT, None)
        variables = operation.variables({"id": encode_id("call", [call_key]), "format": given.format.upper()})
        reader = Reader(project_id)
        answer = await reads.plan(operation, variables, aging=reader.aging).bound(reader, variables).run(connection)
    sys.stdout.write(orjson.loads(answer.data)["call"]["report"])
