"""What every cloud's writer does alike: a write whose reply was lost or refused is looked into, not guessed at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.fsspec_storage.checksums import disagreement
from anystore_doe.fsspec_storage.conditions import until_known

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anystore_doe.errors import StorageError
    from anystore_doe.fsspec_storage.conditions import Condition
    from anystore_doe.fsspec_storage.object_store import Client
    from anystore_doe.model import ObjectInfo

_COMPUTED = {"md5", "crc32"}


class ObjectWriter:
    """The base of a :class:`~anystore_doe.fsspec_storage.object_store.Writer`.

    A cloud's own one adds ``put`` and ``begin``, and says in :meth:`is_broken`, :meth:`is_missing` and :meth:`is_lost`
    how to read its store's answers.
    """

    def __init__(self, client: Client) -> None:
        """Look at objects through ``client``."""
        self._objects = client

    def is_broken(self, error: StorageError) -> bool:
        """Whether the store said that a condition of the request does not hold."""
        raise NotImplementedError

    def is_missing(self, error: StorageError) -> bool:  # noqa: ARG002  for those who override it
        """Whether the store said so in another way: there is no object (in a bucket that is there) to be replaced."""
        return False

    def is_lost(self, error: StorageError) -> bool:
        """Whether the request may have been carried out although it failed here."""
        raise NotImplementedError

    def refusal(self, error: StorageError, condition: Condition, url: str) -> StorageError | None:
        """Return what to raise when the store says that ``condition`` does not hold, else ``None``."""
        missing = condition.replacing is not None and self.is_missing(error)
        return condition.broken(url, missing=missing) if missing or (condition and self.is_broken(error)) else None

    async def until_known(
        self,
        key: str,
        once: Callable[[], Awaitable[ObjectInfo]],
        written: Callable[[], Awaitable[ObjectInfo | None]],
        condition: Condition,
    ) -> ObjectInfo:
        """Repeat a write as the policy says; see :func:`~anystore_doe.fsspec_storage.conditions.until_known`."""
        url = self._objects.url_of(key)
        return await until_known(
            self._objects.policy,
            once,
            written=written,
            refusal=lambda error: self.refusal(error, condition, url),
            is_lost=self.is_lost,
        )

    async def content(self, key: str, info: ObjectInfo) -> bytes:
        """Return the whole content of the version that ``info`` describes, which is small."""
        if not info.size:
            return b""
        return b"".join([chunk async for chunk in self._objects.range(key, 0, info.size, pin=info.pin)])

    async def if_it_is(self, key: str, body: bytes) -> ObjectInfo | None:
        """Describe what is there now if its content is ``body``; where no checksum says so it is read."""
        now = await self._objects.head(key, doing="push")
        known = {name: value for name, value in now.checksums.items() if name in _COMPUTED}
        if now.size != len(body):
            return None
        if known:
            return None if disagreement(body, known) else now
        return now if await self.content(key, now) == body else None
