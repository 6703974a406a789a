"""Requests about blobs of one container: translated, tried again, and turned into our values."""

from __future__ import annotations

import base64
import binascii
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from anystore_doe.errors import CredentialsError, ObjectNotFoundError, StorageError
from anystore_doe.fsspec_storage.keys import Keys
from anystore_doe.fsspec_storage.retrying import RetryPolicy, retried
from anystore_doe.model import ObjectInfo
from anystore_doe_azure.account import resolve
from anystore_doe_azure.errors import (
    RefusedError,
    Translator,
    asked_pause_s,
    changed,
    is_condition_broken,
    is_invalid_range,
)
from anystore_doe_azure.private import Answer, Requests
from anystore_doe_azure.urls import container_of

if TYPE_CHECKING:
    import asyncio
    import io
    from collections.abc import AsyncGenerator, Mapping

    from anystore_doe_azure.options import AzureOptions

_MAX_KEY_CHARACTERS = 1024
_MAX_KEY_PARTS = 254

DEFAULT_POLICY = RetryPolicy(asked_s=asked_pause_s)


def pin_of(etag: str | None) -> str | None:
    """Return an ETag without its quotes; they are part of the header, not of the version's name."""
    return etag.strip('"') or None if etag else None


def quoted(pin: str) -> str:
    """Return a pin as the value of ``If-Match``."""
    return f'"{pin}"'


def md5_of(content_md5: str | None) -> dict[str, str]:
    """Return the value of a ``Content-MD5`` as checksums; nothing where it is none."""
    try:
        digest = base64.b64decode(content_md5 or "", validate=True)
    except (binascii.Error, ValueError):
        return {}
    return {"md5": digest.hex()} if len(digest) == 16 else {}


def seconds_of(date: str | None) -> float | None:
    """Return an HTTP date as seconds since 1970, ``None`` where it is none."""
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def is_folder(fields: Mapping[str, str]) -> bool:
    """Whether headers tell of a directory of a hierarchical namespace, which the blob endpoint shows as a blob."""
    return fields.get("x-ms-meta-hdi_isfolder") == "true" or fields.get("x-ms-resource-type") == "directory"


class Client(Keys):
    """Sends requests for one container; everything it raises is a :class:`~anystore_doe.errors.StorageError`."""

    def __init__(
        self, root: str, options: AzureOptions, *, connections: int, policy: RetryPolicy = DEFAULT_POLICY
    ) -> None:
        """Find out which account is meant; nothing is sent."""
        super().__init__(root)
        self.options = options
        self.policy = policy
        self.container = container_of(root)
        self._account = resolve(root, options)
        self._translator = Translator(root, self._account)
        self._requests = Requests(self._account, connections=connections)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that all coroutines of this class run on."""
        return self._requests.loop

    async def close(self) -> None:
        """Close the connections."""
        await self._requests.close()

    def flaw_in(self, key: str) -> str:
        """Say why Azure does not take ``key``, or might take it for another.

        A backslash for ``/``, a part without the ``.`` at its end, and HTTP software resolves ``.`` and ``..``
        ("Naming and referencing containers, blobs, and metadata" warns of all of them).
        """
        parts = key.split("/")
        if not 0 < len(key) <= _MAX_KEY_CHARACTERS:
            return f"has {len(key)} characters; Azure takes 1 to {_MAX_KEY_CHARACTERS}"
        if len(parts) > _MAX_KEY_PARTS:
            return f"has {len(parts)} parts; Azure takes {_MAX_KEY_PARTS}"
        if "\\" in key:
            return "has a backslash, which Azure may take for /"
        return "has a part that ends with '.', which Azure may leave out" if any(p.endswith(".") for p in parts) else ""

    def _refuse(self, answer: Answer, doing: str, key: str, needs: str) -> None:
        """Raise what an answer means, unless it is a success."""
        if answer.status >= 300:
            refused = RefusedError(answer.status, answer.headers, answer.body)
            raise self._translator.refused(refused, doing, self.url_of(key), needs=needs) from refused

    async def once(
        self,
        method: str,
        doing: str,
        key: str,
        *,
        needs: str = "push",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: io.BytesIO | None = None,
    ) -> Answer:
        """Send one request about the blob ``key`` (``""``: the container), once."""
        url = self.url_of(key)
        if not self._account.endpoint:
            raise self._translator.unknown_account(doing, url)
        path = f"{self.container}/{key}" if key else self.container
        try:
            answer = await self._requests.send(method, path, query=query, headers=headers, body=body)
        except Exception as error:
            raise self._translator.failed(error, doing, url) from error
        self._refuse(answer, doing, key, needs)
        return answer

    async def head(self, key: str, *, doing: str = "stat", pin: str | None = None) -> ObjectInfo:
        """Describe a blob; ``InputChangedError`` when it is not the version ``pin``."""
        match = {"If-Match": quoted(pin)} if pin else {}
        try:
            answer = await retried(self.policy, lambda: self.once("HEAD", doing, key, needs="read", headers=match))
        except StorageError as error:
            if pin and is_condition_broken(error):
                raise changed(doing, self.url_of(key), pin, await self.current_pin(key)) from error
            if isinstance(error, CredentialsError) and error.code:
                await self._reason(key, doing)
            raise
        headers = answer.headers
        if is_folder(headers):
            raise ObjectNotFoundError(doing, self.url_of(key))
        return ObjectInfo(
            key=key,
            size=int(headers.get("content-length", -1)),
            pin=pin_of(headers.get("etag")),
            checksums=md5_of(headers.get("content-md5")),
            modified_at=seconds_of(headers.get("last-modified")),
        )

    async def _reason(self, key: str, doing: str) -> None:
        """Raise the error of a GET of one byte, if it is one: its body says why, and a HEAD's answer has none."""
        async with aclosing(self.range(key, 0, 1, pin=None, doing=doing)) as chunks:
            async for _ in chunks:
                pass

    async def current_pin(self, key: str) -> str | None:
        """Return the ETag of what is there now, ``None`` when that can not be said."""
        try:
            return pin_of((await self.once("HEAD", "stat", key, needs="read")).headers.get("etag"))
        except StorageError:
            return None

    async def range(
        self, key: str, start: int, end: int | None, *, pin: str | None, doing: str = "fetch"
    ) -> AsyncGenerator[bytes, None]:
        """Yield bytes ``start`` to ``end`` (``None``: all that follow) of the version ``pin``; sent once.

        Raises:
            InputChangedError: another version is there.
            StorageError: retryable when the body was cut.
        """
        url = self.url_of(key)
        # x-ms-range, not Range: the SDK's signature leaves out what a Range header says
        headers = {"x-ms-range": f"bytes={start}-{'' if end is None else end - 1}"}
        if pin:
            headers["If-Match"] = quoted(pin)
        if not self._account.endpoint:
            raise self._translator.unknown_account(doing, url)
        try:
            answer, body = await self._requests.stream(f"{self.container}/{key}", headers)
        except Exception as error:
            raise self._translator.failed(error, doing, url) from error
        async with aclosing(body) as chunks:
            try:
                if answer.status >= 300:
                    answer = Answer(
                        status=answer.status, headers=answer.headers, body=b"".join([chunk async for chunk in chunks])
                    )
                else:
                    self._check_range(answer, start, pin, doing, url)
                    async for chunk in chunks:
                        yield chunk
            except Exception as error:
                raise self._translator.failed(error, doing, url) from error
        try:
            self._refuse(answer, doing, key, "read")
        except StorageError as error:
            if pin and is_condition_broken(error):
                raise changed(doing, url, pin, await self.current_pin(key)) from error
            raise

    def _check_range(self, answer: Answer, start: int, pin: str | None, doing: str, url: str) -> None:
        """Check that the answer holds what was asked for: the version, and bytes from ``start`` on."""
        found = pin_of(answer.headers.get("etag"))
        if pin and found not in {pin, None}:
            raise changed(doing, url, pin, found)
        served = answer.headers.get("content-range", "")
        if answer.status == 206 and not served.startswith(f"bytes {start}-"):
            raise StorageError(doing, url, f"the store answered with another range: {served[:100]!r}")
        if answer.status != 206 and start:
            raise StorageError(doing, url, "the store does not serve ranges")

    async def read(self, key: str, start: int, end: int | None, *, pin: str | None) -> bytes:
        """Return a range as the contract's ``read`` does; Azure counts none from the end, so the size is asked for."""
        if start < 0:
            info = await self.head(key, doing="read", pin=pin)
            start, pin = max(0, info.size + start), info.pin
        if end is not None and end <= start:
            return b""

        async def once() -> bytes:
            try:
                async with aclosing(self.range(key, start, end, pin=pin, doing="read")) as chunks:
                    return b"".join([chunk async for chunk in chunks])
            except StorageError as error:
                if is_invalid_range(error):
                    return b""
                raise

        return await retried(self.policy, once)
