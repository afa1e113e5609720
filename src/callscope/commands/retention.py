"""``maintain``."""

import argparse
from dataclasses import asdict

import orjson

from callscope.commands import database, say
from callscope.maintenance import Removed, maintain
from callscope.settings import Settings


async def maintain_now(settings: Settings, given: argparse.Namespace) -> None:
    """Remove what has passed its time, once, and say what it was."""
    removed = Removed()
    async with database(settings) as (connection, _):
        is_done = await maintain(connection, removed=removed) is not None
    if given.json:
        say(orjson.dumps(asdict(removed) | {"isDone": is_done}).decode())
    elif is_done:
        say(f"removed {removed}")
    else:
        say("another process is at it: nothing was removed here")
