"""An object store as a storage: the contract's verbs over a cloud's client and writer, and the mover.

What the clouds have in common is here, in :mod:`~anystore_doe.fsspec_storage.keys` and in
:mod:`~anystore_doe.fsspec_storage.object_writer`; a cloud's plugin brings a :class:`Client` (requests about objects)
and a :class:`Writer` (one object, whole), and says how it lists and deletes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from anystore_doe.contract import Storage
from anystore_doe.errors import ObjectExistsError, PreconditionFailedError
from anystore_doe.fsspec_storage import bridge, mover
from anystore_doe.fsspec_storage.checksums import CRC32, Crc
from anystore_doe.fsspec_storage.conditions import Condition

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Coroutine
    from pathlib import Path
    from typing import TypeVar

    from anystore_doe.contract import StorageContext, Watch
    from anystore_doe.fsspec_storage.retrying import RetryPolicy
    from anystore_doe.model import ObjectInfo

    T = TypeVar("T")


class Client(Protocol):
    """Requests about the objects below one root; whatever they raise is a ``StorageError``.

    Attributes:
        policy: How often a request is tried again.
    """

    policy: RetryPolicy

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that all coroutines of client and writer run on; it runs in another thread."""

    def url_of(self, key: str) -> str:
        """Return the whole URL of ``key``."""

    def check_key(self, doing: str, key: str) -> str:
        """Return ``key`` as it is, or raise ``UnsupportedError`` when the store has no such keys."""

    async def head(self, key: str, *, doing: str = "stat", pin: str | None = None) -> ObjectInfo:
        """Describe an object; ``InputChangedError`` when it is not the version ``pin``."""

    def range(self, key: str, start: int, end: int, *, pin: str | None) -> AsyncGenerator[bytes, None]:
        """Yield bytes ``start`` to ``end`` (not empty) of the version ``pin``; one request, not repeated."""

    async def read(self, key: str, start: int, end: int | None, *, pin: str | None) -> bytes:
        """Return a range as :meth:`anystore_doe.contract.Storage.read` does."""

    async def close(self) -> None:
        """Close the connections; twice is no error."""


class OpenedUpload(mover.Upload, Protocol):
    """An upload in parts that can be made an object."""

    async def complete(self, parts: list[mover.Part], condition: Condition) -> ObjectInfo:
        """Make the object out of its parts, in their order, and check what the store says it has."""


class Writer(Protocol):
    """Writes one object at a time, whole or not at all.

    Attributes:
        lanes: Most parts of one object that are sent at once; 1 where the store wants them in order.
    """

    lanes: int

    async def put(self, key: str, part: mover.Part, body: bytes, condition: Condition) -> ObjectInfo:
        """Write an object in one request, and check what the store says it has."""

    async def begin(self, key: str, size: int, condition: Condition) -> OpenedUpload:
        """Open an upload of ``size`` bytes in parts, and note it where the store keeps it open."""

    async def abort_orphans(self) -> None:
        """Make the store forget the uploads that killed processes left open."""


class ObjectStorage(Storage):
    """One root of an object store. A provider adds ``walk``, ``delete`` and ``capabilities``.

    Attributes:
        crc: What is computed while an object is fetched, and compared with the store's checksum of that name.
    """

    crc: ClassVar[Crc] = CRC32

    def __init__(self, url: str, client: Client, writer: Writer, context: StorageContext) -> None:
        """Open the root; touches no network."""
        self.url = url
        self._client = client
        self._writer = writer
        self._context = context
        self._swept = False
        self._sweeping = threading.Lock()

    def _run(self, coroutine: Coroutine[Any, Any, T], key: str = "", watch: Watch | None = None) -> T:
        return bridge.run(self._client.loop, coroutine, url=self.url_of(key), watch=watch)

    def stat(self, key: str) -> ObjectInfo:
        """See the contract."""
        return self._run(self._client.head(self._client.check_key("stat", key)), key)

    def fetch(self, key: str, dest: Path, *, pin: str | None = None, watch: Watch) -> ObjectInfo:
        """See the contract."""
        self._client.check_key("fetch", key)

        async def moved(lanes: int) -> ObjectInfo:
            info = await self._client.head(key, doing="fetch", pin=pin)
            remote = mover.Remote(
                url=self.url_of(key),
                size=info.size,
                read_range=lambda start, end: self._client.range(key, start, end, pin=info.pin),
                checksums=info.checksums,
                crc=self.crc,
            )
            await mover.fetch(remote, dest, lanes=lanes, policy=self._client.policy, watch=watch)
            return info

        watch.check(self.url_of(key))
        with self._context.budget.lease(mover.LANE_BUFFER, mover.LANES * mover.LANE_BUFFER, watch) as leased:
            return self._run(moved(max(1, leased // mover.LANE_BUFFER)), key, watch)

    def read(self, key: str, start: int = 0, end: int | None = None, *, pin: str | None = None) -> bytes:
        """See the contract."""
        self._client.check_key("read", key)
        return self._run(self._client.read(key, start, end, pin=pin), key)

    def push(
        self,
        source: Path | bytes,
        key: str,
        *,
        create_only: bool = False,
        replacing: str | None = None,
        durable: bool = True,  # noqa: ARG002  an object store always is
        watch: Watch,
    ) -> ObjectInfo:
        """See the contract; above 16 MiB in parts."""
        self._client.check_key("push", key)
        condition = Condition(create_only=create_only, replacing=replacing)
        watch.check(self.url_of(key))
        if isinstance(source, bytes):
            return self._push_small(mover.BytesSource(source), key, condition, watch)
        opened = mover.Source(source, self.url_of(key))
        try:
            if opened.size <= mover.SMALL:
                return self._push_small(opened, key, condition, watch)
            return self._push_large(opened, key, condition, watch)
        finally:
            opened.close()

    def _push_small(
        self, source: mover.Source | mover.BytesSource, key: str, condition: Condition, watch: Watch
    ) -> ObjectInfo:
        twice = 2 * source.size  # aiohttp copies a body that somebody else holds too
        with self._context.budget.lease(twice, twice, watch):
            part, body = source.read(1, 0, source.size)
            info = self._run(self._writer.put(key, part, body, condition), key, watch)
        watch.advance(source.size)
        return info

    def _push_large(self, source: mover.Source, key: str, condition: Condition, watch: Watch) -> ObjectInfo:
        self._sweep_once()
        self._refuse_early(key, condition)
        step = mover.part_size(source.size)

        async def moved(lanes: int) -> ObjectInfo:
            upload = await self._writer.begin(key, source.size, condition)
            return await mover.push_parts(
                source,
                upload,
                lanes=lanes,
                policy=self._client.policy,
                watch=watch,
                finish=lambda parts: upload.complete(parts, condition),
            )

        with self._context.budget.lease(step, self._writer.lanes * step, watch) as leased:
            return self._run(moved(max(1, leased // step)), key, watch)

    def _refuse_early(self, key: str, condition: Condition) -> None:
        """Refuse before gigabytes are sent what the store would refuse after it (and some stores would not)."""
        if not condition:
            return
        now = self.find(key)
        if condition.create_only and now is not None:
            raise ObjectExistsError("push", self.url_of(key))
        if condition.replacing is not None and (now is None or now.pin != condition.replacing):
            raise PreconditionFailedError("push", self.url_of(key))

    def _sweep_once(self) -> None:
        """Abort what killed processes left open, before this one opens its first upload."""
        with self._sweeping:
            if not self._swept:
                self._swept = True
                self._run(self._writer.abort_orphans())

    def close(self) -> None:
        """See the contract."""
        self._run(self._client.close())
