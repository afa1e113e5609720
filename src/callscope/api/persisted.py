"""Automatic persisted queries: a client sends the SHA-256 of a document it has sent before instead of the document.

Documents are remembered in memory and, so that processes share them, in Redis. Without Redis clients send them once to each.
"""

import hashlib
import re
from collections import OrderedDict
from contextlib import suppress
from typing import Any

from callscope.api.redis import Redis, RedisUnavailable
from callscope.query.errors import ErrorCode, RequestError

CAPACITY = 1_000
CAPACITY_CHARACTERS = 10_000_000
MAX_CHARACTERS = 100_000
KEPT_SECONDS = 7 * 24 * 3600
SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class PersistedDocuments:
    """Documents by their hash, bounded; only ones that are valid get in. They belong to no project: they hold no data."""

    def __init__(self, redis: Redis) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._characters = 0
        self._redis = redis

    async def document(self, query: Any, extensions: dict[str, Any]) -> str:
        """The text to run: the query, or the one that its hash names."""
        wish = extensions.get("persistedQuery")
        if wish is None:
            if not isinstance(query, str):
                raise RequestError(ErrorCode.BAD_REQUEST, "The parameter 'query' should be a text.")
            return query
        digest = _digest_of(wish)
        if query is None:
            return await self._find(digest)
        if not isinstance(query, str) or hashlib.sha256(query.encode()).hexdigest() != digest:
            raise RequestError(ErrorCode.BAD_REQUEST, "The parameter 'query' should be the text whose SHA-256 is sha256Hash.")
        return query

    async def keep(self, query: Any, extensions: dict[str, Any]) -> None:
        """Remember a document that was sent together with its hash and turned out to be valid."""
        if isinstance(query, str) and extensions.get("persistedQuery") is not None and len(query) <= MAX_CHARACTERS:
            digest = _digest_of(extensions["persistedQuery"])
            if digest not in self._texts:
                self._remember(digest, query)
                with suppress(RedisUnavailable):
                    await self._redis.ask(lambda client: client.set(_name(digest), query, ex=KEPT_SECONDS))

    async def _find(self, digest: str) -> str:
        text = self._texts.get(digest)
        if text is not None:
            self._texts.move_to_end(digest)
            return text
        text = await self._shared(digest)
        if text is None:
            raise RequestError(ErrorCode.PERSISTED_QUERY_NOT_FOUND, "PersistedQueryNotFound")
        self._remember(digest, text)
        return text

    async def _shared(self, digest: str) -> str | None:
        try:
            text = await self._redis.ask(lambda client: client.get(_name(digest)))
            # Whoever else writes to Redis must not decide what runs here.
            return text.decode() if isinstance(text, bytes) and hashlib.sha256(text).hexdigest() == digest else None
        except (RedisUnavailable, UnicodeDecodeError):
            return None

    def _remember(self, digest: str, text: str) -> None:
        self._texts[digest] = text
        self._characters += len(text)
        while len(self._texts) > CAPACITY or self._characters > CAPACITY_CHARACTERS:
            self._characters -= len(self._texts.popitem(last=False)[1])


def _name(digest: str) -> str:
    return f"callscope:document:{digest}"


def _digest_of(wish: Any) -> str:
    digest = wish.get("sha256Hash") if isinstance(wish, dict) and wish.get("version") == 1 else None
    if not isinstance(digest, str) or not SHA256.fullmatch(digest):
        raise RequestError(
            ErrorCode.BAD_REQUEST, "extensions.persistedQuery should be {version: 1, sha256Hash: the document's SHA-256}."
        )
    return digest.lower()
