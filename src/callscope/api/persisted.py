"""Automatic persisted queries: a client sends the SHA-256 of a document it has sent before instead of the document.

Documents are remembered in memory and, so that processes share them, in Redis. Without Redis clients send them once to each.
"""

import hashlib
import logging
import re
from collections import OrderedDict
from typing import Any

import redis.asyncio as redis
from redis.exceptions import RedisError

from callscope.query.errors import ErrorCode, RequestError

log = logging.getLogger(__name__)

CAPACITY = 1_000
CAPACITY_CHARACTERS = 10_000_000
MAX_CHARACTERS = 100_000
KEPT_SECONDS = 7 * 24 * 3600
PATIENCE_SECONDS = 0.1
SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# What does not speak Redis's protocol makes its client raise the last two.
FAILURES = (RedisError, OSError, ValueError, RecursionError)


class PersistedDocuments:
    """Documents by their hash, bounded; only ones that are valid get in. They belong to no project: they hold no data."""

    def __init__(self, redis_url: str | None) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._characters = 0
        self._redis: Any = None
        if redis_url is not None:
            self._redis = redis.Redis.from_url(
                redis_url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS, decode_responses=True
            )

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
                if self._redis is not None:
                    try:
                        await self._redis.set(_name(digest), query, ex=KEPT_SECONDS)
                    except FAILURES as error:
                        log.warning("a persisted query is kept in this process alone: %r", error)

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()

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
        if self._redis is None:
            return None
        try:
            text = await self._redis.get(_name(digest))
        except FAILURES as error:
            log.warning("Redis does not answer: %r", error)
            return None
        # Whoever else writes to Redis must not decide what runs here.
        return text if isinstance(text, str) and hashlib.sha256(text.encode()).hexdigest() == digest else None

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
