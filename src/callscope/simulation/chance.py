"""Chance that comes out alike everywhere.

Of Python's generators only `Random.random` promises the same numbers in every version, and only + - * / // are the same on every
platform; so everything here is made of these.
"""

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")

SIZE = 8192
MARGIN = 512


def _draws(key: str) -> Callable[[], float]:
    return Random(key).random  # noqa: S311 - nothing here is secret


class Dice:
    """Draws for one thing, told apart by its key: what else was drawn before never matters."""

    def __init__(self, key: str) -> None:
        self._random = _draws(key)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self._random()

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int((high - low + 1) * self._random())

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def pick(self, options: Sequence[T]) -> T:
        return options[int(len(options) * self._random())]

    def hexadecimal(self, words: int = 1) -> str:
        """Eight digits a word."""
        return "".join(f"{int(self._random() * 2**32):08x}" for _ in range(words))

    def uuid(self) -> str:
        digits = self.hexadecimal(4)
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def texture(key: str, first: int, count: int) -> list[float]:
    """Smooth noise around 0, mostly within -1 to 1, from the `first`-th interval of the series `key`."""
    return _take(_texture(), key, first, count)


def bursts(key: str, first: int, count: int) -> list[float]:
    """0 most of the time, now and then up to 1: losses of a good network."""
    return _take(_bursts(), key, first, count)


def speech(key: str, first: int, count: int) -> list[float]:
    """Loudness of someone who talks and pauses, 0 to 1."""
    return _take(_speech(), key, first, count)


def _take(pool: Sequence[float], key: str, first: int, count: int) -> list[float]:
    # A pool drawn once and read from a place of the series' own is some ten times faster than drawing each sample.
    place = (crc32(key.encode()) + first) % SIZE
    return list(pool[place : place + count])


def _ring(values: list[float]) -> tuple[float, ...]:
    return (*values, *values[:MARGIN])


@cache
def _texture() -> tuple[float, ...]:
    draw = _draws("texture")
    values, slow = [], 0.0
    for _ in range(SIZE):
        slow = 0.9 * slow + 0.4 * (draw() + draw() - 1.0)
        values.append(0.75 * slow + 0.5 * (draw() - 0.5))
    return _ring(values)


@cache
def _bursts() -> tuple[float, ...]:
    draw = _draws("bursts")
    return _ring([draw() if draw() < 0.07 else 0.0 for _ in range(SIZE)])


@cache
def _speech() -> tuple[float, ...]:
    draw = _draws("speech")
    values: list[float] = []
    talking = False
    while len(values) < SIZE:
        talking = not talking
        loudness = 0.1 + 0.2 * draw() if talking else 0.006
        values += [(loudness * (0.7 + 0.6 * draw())) * 1e4 // 1.0 / 1e4 for _ in range(1 + int(6 * draw()))]
    return _ring(values[:SIZE])
