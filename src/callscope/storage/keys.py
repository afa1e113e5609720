"""Keys of rows: hashes of what identifies them, so that a write needs no look-up and arrives at the same row every time."""

from functools import lru_cache
from hashlib import blake2b


@lru_cache(maxsize=65_536)
def key_of(*parts: str) -> int:
    """A signed 64-bit integer. Parts are kept apart, so that ("ab", "c") and ("a", "bc") differ, whatever is in them."""
    return digest("".join(f"{len(part)}:{part}" for part in parts).encode())


def digest(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), signed=True)
