"""Requests about objects of one bucket: translated, tried again, and turned into our values."""

from __future__ import annotations

import base64
import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from anystore_doe.errors import AccessDeniedError, ObjectNotFoundError, StorageError
from anystore_doe.fsspec_storage.keys import Keys
from anystore_doe.fsspec_storage.retrying import RetryPolicy, retried
from anystore_doe.model import ObjectInfo
from anystore_doe_s3.errors import Translator, asked_pause_s, changed, is_invalid_range, is_precondition_failed
from anystore_doe_s3.private import Requests

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Mapping

    from anystore_doe_s3.options import S3Options

_PLAIN_MD5 = re.compile(r"[0-9a-f]{32}")
_CHECKSUMS = {"ChecksumCRC32": "crc32", "ChecksumCRC32C": "crc32c", "ChecksumSHA1": "sha1", "ChecksumSHA256": "sha256"}

DEFAULT_POLICY = RetryPolicy(asked_s=asked_pause_s)


def pin_of(etag: str | None) -> str | None:
    """Return an ETag without its quotes; they are part of the header, not of the version's name."""
    return etag.strip('"') or None if etag else None


def quoted(pin: str) -> str:
    """Return a pin as the value of ``If-Match``."""
    return f'"{pin}"'


def checksums_of(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the whole-object checksums in an answer, as lower-case hex.

    An ETag is the object's MD5 only when it was written in one piece and is not encrypted with a KMS or customer key
    (Amazon S3 API Reference, "Object"); a checksum of type COMPOSITE is not one of the whole object.
    """
    found = {}
    if answer.get("ChecksumType", "FULL_OBJECT") != "COMPOSITE":
        for name, ours in _CHECKSUMS.items():
            value = answer.get(name)
            if value and "-" not in value:
                found[ours] = base64.b64decode(value).hex()
    plain = answer.get("ServerSideEncryption", "AES256") == "AES256" and not answer.get("SSECustomerAlgorithm")
    etag = pin_of(answer.get("ETag"))
    if plain and etag and _PLAIN_MD5.fullmatch(etag):
        found["md5"] = etag
    return found


def serves_range(wanted: str, answer: Mapping[str, Any]) -> bool:
    """Whether an answer holds what the Range ``bytes=first-last``, ``bytes=first-`` or ``bytes=-suffix`` wants.

    A server that ignores ranges answers with the whole body and no Content-Range; that will do for a small object.
    """
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    content_range = answer.get("ContentRange")
    if content_range is not None:
        return not first or str(content_range).startswith(f"bytes {first}-")
    size = int(answer.get("ContentLength", -1))
    return size == 0 or (first == "0" and (not last or 0 <= size <= int(last) + 1))


class Client(Keys):
    """Sends requests for one bucket; everything it raises is a :class:`~anystore_doe.errors.StorageError`."""

    def __init__(self, url: str, options: S3Options, *, connections: int, policy: RetryPolicy = DEFAULT_POLICY) -> None:
        """Make the file system below; nothing is sent."""
        super().__init__(url)
        self.bucket = url.partition("://")[2]
        self.options = options
        self.policy = policy
        self._requests = Requests(options, connections=connections)
        self._translator = Translator(self.bucket, options)
        self._seen = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that all coroutines of this class run on."""
        return self._requests.loop

    @property
    def region(self) -> str:
        """Where the bucket is, as far as settings and answers told."""
        return self._requests.region

    async def close(self) -> None:
        """Close the connections."""
        await self._requests.close()

    async def once(self, operation: str, doing: str, key: str, **arguments: Any) -> dict[str, Any]:
        """Send one request, once."""
        try:
            answer = await self._requests.send(operation, Bucket=self.bucket, **arguments)
        except Exception as error:
            raise self._translator.translate(error, doing, self.url_of(key), operation=operation) from error
        self._seen = True
        return answer

    async def send(self, operation: str, doing: str, key: str, **arguments: Any) -> dict[str, Any]:
        """Send one request that may be repeated, and repeat it as the policy says."""
        return await retried(self.policy, lambda: self.once(operation, doing, key, **arguments))

    async def head(self, key: str, *, doing: str = "stat", pin: str | None = None) -> ObjectInfo:
        """Describe an object."""
        try:
            return await self._head(key, doing, pin)
        except AccessDeniedError as error:
            await self._or_missing(key, doing, error)
            raise

    async def _or_missing(self, key: str, doing: str, denied: AccessDeniedError) -> None:
        """Raise ``ObjectNotFoundError`` when a listing says that what we are denied is not there.

        For an object that is not there S3 says 404 only to who may list the bucket (Amazon S3 API Reference,
        "GetObject"); the right to list some prefixes, a condition on ``s3:prefix``, does not count for that.
        """
        try:
            page = await self.once("list_objects_v2", "list", key, Prefix=key, MaxKeys=1)
        except StorageError:
            return  # not even that: nobody can tell
        if all(item["Key"] != key for item in page.get("Contents", ())):
            raise ObjectNotFoundError(doing, self.url_of(key)) from denied

    async def _head(self, key: str, doing: str, pin: str | None) -> ObjectInfo:
        """Send a HEAD; its answer has no body, so the reason of a refusal is asked for by a GET."""
        match = {"IfMatch": quoted(pin)} if pin else {}
        mode = {"ChecksumMode": "ENABLED"} if self.options.request_checksums == "when_supported" else {}
        try:
            answer = await self.send("head_object", doing, key, Key=key, **match, **mode)
        except ObjectNotFoundError:
            if not self._seen:
                await self._reason(key, doing)
            raise
        except StorageError as error:
            if pin and is_precondition_failed(error):
                raise changed(doing, self.url_of(key), pin, await self.current_pin(key)) from error
            await self._reason(key, doing)
            raise
        modified = answer.get("LastModified")
        return ObjectInfo(
            key=key,
            size=int(answer["ContentLength"]),
            pin=pin_of(answer.get("ETag")),
            checksums=checksums_of(answer),
            modified_at=modified.timestamp() if modified else None,
        )

    async def _reason(self, key: str, doing: str) -> None:
        """Raise the error of a GET of one byte, if it is one; its answer says why in words."""
        answer = await self.once("get_object", doing, key, Key=key, Range="bytes=0-0")
        async with aclosing(self._requests.body(answer)) as chunks:
            async for _ in chunks:
                pass

    async def current_pin(self, key: str) -> str | None:
        """Return the ETag of what is there now, ``None`` when that can not be said."""
        try:
            return pin_of((await self.once("head_object", "stat", key, Key=key)).get("ETag"))
        except StorageError:
            return None

    async def range(
        self, key: str, start: int, end: int, *, pin: str | None, doing: str = "fetch"
    ) -> AsyncGenerator[bytes, None]:
        """Yield bytes ``start`` to ``end`` (not empty) of the version ``pin``; one request, not repeated here.

        Raises:
            InputChangedError: another version is there.
            StorageError: retryable when the body was cut.
        """
        async with aclosing(self._ranged(key, f"bytes={start}-{end - 1}", pin=pin, doing=doing)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _ranged(self, key: str, wanted: str, *, pin: str | None, doing: str) -> AsyncGenerator[bytes, None]:
        match = {"IfMatch": quoted(pin)} if pin else {}
        url = self.url_of(key)
        try:
            answer = await self.once("get_object", doing, key, Key=key, Range=wanted, **match)
        except StorageError as error:
            if pin and is_precondition_failed(error):
                raise changed(doing, url, pin, await self.current_pin(key)) from error
            raise
        async with aclosing(self._requests.body(answer)) as chunks:
            found = pin_of(answer.get("ETag"))
            if pin and found not in {pin, None}:
                raise changed(doing, url, pin, found)
            if not serves_range(wanted, answer):
                raise StorageError(doing, url, "the store does not serve ranges: it answered with another one")
            try:
                async for chunk in chunks:
                    yield chunk
            except Exception as error:
                raise self._translator.translate(error, doing, url, operation="get_object") from error

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
                async with aclosing(self._ranged(key, wanted, pin=pin, doing="read")) as chunks:
                    return b"".join([chunk async for chunk in chunks])
            except StorageError as error:
                if is_invalid_range(error):
                    return b""
                raise

        try:
            return await retried(self.policy, once)
        except AccessDeniedError as error:
            await self._or_missing(key, "read", error)
            raise
