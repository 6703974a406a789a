"""Requests about objects of one bucket: translated, tried again, and turned into our values."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from anystore_doe.errors import AccessDeniedError, ObjectNotFoundError, StorageError
from anystore_doe.fsspec_storage.checksums import disagreement
from anystore_doe.fsspec_storage.keys import Keys
from anystore_doe.fsspec_storage.retrying import RetryPolicy, retried
from anystore_doe.model import ObjectInfo
from anystore_doe_gcs.checksums import CRC32C, checksums_in_header, checksums_of
from anystore_doe_gcs.errors import Translator, asked_pause_s, changed, is_missing_bucket, status_of
from anystore_doe_gcs.private import Answer, Requests

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping

    from anystore_doe_gcs.options import GcsOptions

FIELDS = "name,size,generation,crc32c,md5Hash,updated"
"""What is asked for of an object's resource; without it every answer lists who may do what."""


DEFAULT_POLICY = RetryPolicy(asked_s=asked_pause_s)


def info_of(key: str, resource: Mapping[str, Any]) -> ObjectInfo:
    """Return an object's resource as our value."""
    modified = None
    with contextlib.suppress(KeyError, ValueError):
        modified = datetime.fromisoformat(resource["updated"]).timestamp()
    return ObjectInfo(
        key=key,
        size=int(resource["size"]),
        pin=str(resource["generation"]),
        checksums=checksums_of(resource),
        modified_at=modified,
    )


def span_of(wanted: str, answer: Answer) -> tuple[int, int, int] | None:
    """Return first byte, bytes and the object's size in an answer to the Range ``wanted``; ``None``: not the range.

    A server that ignores ranges answers 200 with the whole body; that will do where the whole was asked for.
    """
    first, _, _ = wanted.removeprefix("bytes=").partition("-")
    unit, _, rest = answer.headers.get("content-range", "").partition(" ")
    try:
        if answer.status == 206 and unit == "bytes":
            span, _, total = rest.partition("/")
            begin, _, end = span.partition("-")
            found = int(begin), int(end) + 1 - int(begin), int(total)
            return found if not first or found[0] == int(first) else None
        size = int(answer.headers["content-length"])
    except (ValueError, KeyError):
        return None
    return (0, size, size) if wanted == "bytes=0-" else None


class Client(Keys):
    """Sends requests for one bucket; everything it raises is a :class:`~anystore_doe.errors.StorageError`."""

    def __init__(
        self, url: str, options: GcsOptions, *, connections: int, policy: RetryPolicy = DEFAULT_POLICY
    ) -> None:
        """Make the file system below; nothing is sent."""
        super().__init__(url)
        self.bucket = url.partition("://")[2]
        self.options = options
        self.policy = policy
        self.requests = Requests(options, connections=connections)
        self._translator = Translator(
            self.bucket, options, anonymous=self.requests.anonymous, location=self.requests.location
        )
        self._objects = f"/b/{quote(self.bucket, safe='')}/o"

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that all coroutines of this class run on."""
        return self.requests.loop

    async def close(self) -> None:
        """Close the connections."""
        await self.requests.close()

    def path_of(self, key: str | None = None, *, kind: str = "") -> str:
        """Return the path of an object, or without ``key`` of all; ``kind``: ``/upload``, ``/download``."""
        path = f"{kind}/storage/v1{self._objects}"
        return path if key is None else f"{path}/{quote(key, safe='')}"

    @contextlib.contextmanager
    def translated(self, operation: str, doing: str, key: str) -> Iterator[None]:
        """Let nothing but our errors out of the block."""
        try:
            yield
        except Exception as error:
            ours = self._translator.translate(error, doing, self.url_of(key), operation=operation)
            if ours is error:
                raise
            raise ours from error

    async def once(self, operation: str, doing: str, key: str, method: str, target: str, **request: Any) -> Answer:
        """Send one request, once; ``request`` is as in :meth:`Requests.send`."""
        with self.translated(operation, doing, key):
            return await self.requests.send(method, target, **request)

    async def send(self, operation: str, doing: str, key: str, method: str, target: str, **request: Any) -> Answer:
        """Send one request that may be repeated, and repeat it as the policy says."""
        return await retried(self.policy, lambda: self.once(operation, doing, key, method, target, **request))

    def info(self, doing: str, key: str, answer: Answer) -> ObjectInfo:
        """Return the object's resource that an answer holds as our value."""
        try:
            return info_of(key, answer.resource)
        except (ValueError, KeyError, TypeError) as error:
            detail = "the answer describes no object; is this a storage endpoint?"
            raise StorageError(doing, self.url_of(key), detail) from error

    async def head(self, key: str, *, doing: str = "stat", pin: str | None = None) -> ObjectInfo:
        """Describe an object."""
        query = {"fields": FIELDS}
        if pin is not None:
            query["ifGenerationMatch"] = await self._known(pin, key, doing)
        try:
            answer = await self.send("get", doing, key, "GET", self.path_of(key), query=query)
        except AccessDeniedError as error:
            await self._or_missing(key, doing, error)
            raise
        except StorageError as error:
            await self._or_changed(key, doing, pin, error)
            raise
        info = self.info(doing, key, answer)
        if pin is not None and info.pin != pin:  # some emulators take no notice of the condition
            raise changed(doing, self.url_of(key), pin, info.pin)
        return info

    async def _known(self, pin: str, key: str, doing: str) -> str:
        """Return ``pin``, unless it is no generation: then it is of no version that was ever here."""
        if pin.isdecimal() and pin.isascii():
            return pin
        raise changed(doing, self.url_of(key), pin, await self.current_pin(key))

    async def _or_changed(self, key: str, doing: str, pin: str | None, error: StorageError) -> None:
        """Raise ``InputChangedError`` when an error says that the version ``pin`` is gone."""
        if pin is not None and status_of(error) in {404, 412} and not is_missing_bucket(error):
            raise changed(doing, self.url_of(key), pin, await self.current_pin(key)) from error

    async def _or_missing(self, key: str, doing: str, denied: AccessDeniedError) -> None:
        """Raise ``ObjectNotFoundError`` when a listing says that what we are denied is not there.

        For an object that is not there the store says 404 only to who may list (Cloud Storage JSON API, "Status and
        error codes").
        """
        query = {"prefix": key, "maxResults": "1", "fields": "items(name)"}
        try:
            page = (await self.once("list", "list", key, "GET", self.path_of(), query=query)).resource
        except (StorageError, ValueError):
            return  # not even that: nobody can tell
        if all(item.get("name") != key for item in page.get("items", ())):
            raise ObjectNotFoundError(doing, self.url_of(key)) from denied

    async def current_pin(self, key: str) -> str | None:
        """Return the generation of what is there now, ``None`` when there is nothing or that can not be said."""
        try:
            answer = await self.once("get", "stat", key, "GET", self.path_of(key), query={"fields": FIELDS})
            return self.info("stat", key, answer).pin
        except StorageError:
            return None

    async def range(self, key: str, start: int, end: int, *, pin: str | None) -> AsyncGenerator[bytes, None]:
        """Yield bytes ``start`` to ``end`` (not empty) of the version ``pin``; one request, not repeated here.

        Raises:
            InputChangedError: the version is gone.
            StorageError: retryable when the body was cut.
        """
        async with self._ranged(key, f"bytes={start}-{end - 1}", pin=pin, doing="fetch") as (_, chunks):
            async for chunk in chunks:
                yield chunk

    @contextlib.asynccontextmanager
    async def _ranged(
        self, key: str, wanted: str, *, pin: str | None, doing: str
    ) -> AsyncIterator[tuple[Answer, AsyncGenerator[bytes, None]]]:
        """Yield the answer that holds the range, and its body."""
        query = {"alt": "media"}
        if pin is not None:
            query["generation"] = await self._known(pin, key, doing)
        headers = {"Range": wanted, "Accept-Encoding": "gzip"}  # as it is stored, also what is stored compressed
        try:
            with self.translated("get", doing, key):
                async with self.requests.opened(
                    "GET", self.path_of(key, kind="/download"), query=query, headers=headers, good=(200, 206)
                ) as (answer, chunks):
                    found = answer.headers.get("x-goog-generation")
                    if pin is not None and found not in {pin, None}:
                        raise changed(doing, self.url_of(key), pin, found)
                    if span_of(wanted, answer) is None:
                        what = "the store does not serve ranges: it answered with another one"
                        raise StorageError(doing, self.url_of(key), what)
                    yield answer, chunks
        except StorageError as error:
            await self._or_changed(key, doing, pin, error)
            raise

    async def read(self, key: str, start: int, end: int | None, *, pin: str | None) -> bytes:
        """Return a range as the contract's ``read`` does."""
        if start < 0 and end is not None:
            info = await self.head(key, doing="read", pin=pin)
            start, pin = max(0, info.size + start), info.pin
        if end is None:
            return await self._read(key, f"bytes={start}" if start < 0 else f"bytes={start}-", pin=pin)
        return await self._read(key, f"bytes={start}-{end - 1}", pin=pin) if end > start else b""

    async def _read(self, key: str, wanted: str, *, pin: str | None) -> bytes:
        """Return the bytes that the value ``wanted`` of a Range header asks for; none when they lie beyond the end."""

        async def once() -> bytes:
            try:
                async with self._ranged(key, wanted, pin=pin, doing="read") as (answer, chunks):
                    return self._checked(key, wanted, answer, b"".join([chunk async for chunk in chunks]))
            except StorageError as error:
                if status_of(error) == 416:
                    return b""
                raise

        try:
            return await retried(self.policy, once)
        except AccessDeniedError as error:
            await self._or_missing(key, "read", error)
            raise

    def _checked(self, key: str, wanted: str, answer: Answer, data: bytes) -> bytes:
        """Return ``data`` if it is as long as the answer says, and, where it is the whole object, has its checksum."""
        _, size, total = span_of(wanted, answer) or (0, 0, 0)
        wrong = "" if len(data) == size else f"{len(data)} bytes arrived, the store says {size}"
        if size == total:
            wrong = wrong or disagreement(data, checksums_in_header(answer.headers.get("x-goog-hash", "")), CRC32C)
        if wrong:
            raise StorageError("read", self.url_of(key), wrong, retryable=True)
        return data
