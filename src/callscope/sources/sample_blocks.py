"""Samples on their way out, as plain numbers until a block of a series is full."""

from array import array
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from callscope.vocabulary import Direction, Media, Metric

BLOCK_SIZE = 1000
"""Points of one series that make a record."""

Subject = TypeVar("Subject")


class Block(NamedTuple, Generic[Subject]):
    subject: Subject
    metric: Metric
    media: Media
    direction: Direction
    times: "array[float]"
    """Milliseconds since the Unix epoch."""
    values: "array[float]"


class SampleBlocks(Generic[Subject]):
    """Collects points by series. A subject is anything that can be a key."""

    def __init__(self) -> None:
        self._open: dict[tuple[Subject, Metric, Media, Direction], Block[Subject]] = {}
        self._full: list[Block[Subject]] = []
        self.held = 0

    def add(self, key: tuple[Subject, Metric, Media, Direction], at: float, value: float) -> None:
        block = self._open.get(key)
        if block is None:
            block = self._open[key] = Block(*key, array("d"), array("d"))
        block.times.append(at)
        block.values.append(value)
        self.held += 1
        if len(block.times) >= BLOCK_SIZE:
            self._full.append(self._open.pop(key))

    @property
    def has_full(self) -> bool:
        return bool(self._full)

    def take_full(self) -> Iterator[Block[Subject]]:
        full, self._full = self._full, []
        for block in full:
            self.held -= len(block.times)
            yield block

    def take_all(self) -> Iterator[Block[Subject]]:
        yield from self.take_full()
        blocks, self._open, self.held = list(self._open.values()), {}, 0
        yield from blocks
