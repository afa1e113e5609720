"""``schema``."""

import argparse

import orjson

from callscope.commands import say
from callscope.schema.root import SCHEMA
from callscope.settings import Settings
from callscope.telemetry import json_schema


def print_schema(settings: Settings, given: argparse.Namespace) -> None:
    say(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2).decode() if given.telemetry else SCHEMA.as_str())
