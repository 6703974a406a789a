"""Writing one blob: in one request or in blocks, conditional, verified, and never twice by accident."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import secrets
from typing import TYPE_CHECKING

from anystore_doe.errors import ChecksumError, ObjectNotFoundError, StorageError
from anystore_doe.fsspec_storage.bridge import off_loop
from anystore_doe.fsspec_storage.mover import MIB, PUSH_LANES, Part
from anystore_doe.fsspec_storage.object_writer import ObjectWriter
from anystore_doe.model import ObjectInfo
from anystore_doe_azure.client import Client, md5_of, pin_of, quoted
from anystore_doe_azure.errors import answer_of, is_condition_broken, is_lost_reply
from anystore_doe_azure.listing import block_id, block_list

if TYPE_CHECKING:
    from anystore_doe.fsspec_storage.conditions import Condition


def _base64_md5(md5: str) -> str:
    return base64.b64encode(bytes.fromhex(md5)).decode()


def headers_of(condition: Condition) -> dict[str, str]:
    """Return the request's headers that stand for the condition."""
    if condition.create_only:
        return {"If-None-Match": "*"}
    return {"If-Match": quoted(condition.replacing)} if condition.replacing is not None else {}


class Writer(ObjectWriter):
    """Writes blobs of one container."""

    lanes = PUSH_LANES

    def __init__(self, client: Client) -> None:
        """Write through ``client``."""
        super().__init__(client)
        self._client = client

    def is_broken(self, error: StorageError) -> bool:
        """See the base."""
        return is_condition_broken(error)

    def is_missing(self, error: StorageError) -> bool:
        """See the base."""
        return isinstance(error, ObjectNotFoundError) and not answer_of(error)[0].startswith("Container")

    def is_lost(self, error: StorageError) -> bool:
        """See the base."""
        return is_lost_reply(error)

    def on_write(self) -> dict[str, str]:
        """Return the headers that every request which brings content gets."""
        scope = self._client.options.encryption_scope
        return {"x-ms-encryption-scope": scope} if scope else {}

    async def put(self, key: str, part: Part, body: bytes, condition: Condition) -> ObjectInfo:
        """Write a blob in one request; the service compares it with its MD5, and keeps that with the blob."""

        async def once() -> ObjectInfo:
            answer = await self._client.once(
                "PUT",
                "push",
                key,
                headers={
                    "x-ms-blob-type": "BlockBlob",
                    "Content-MD5": _base64_md5(part.md5),
                    **self.on_write(),
                    **headers_of(condition),
                },
                body=io.BytesIO(body),
            )
            reported = md5_of(answer.headers.get("content-md5"))
            info = ObjectInfo(
                key=key, size=part.size, pin=pin_of(answer.headers.get("etag")), checksums={"md5": part.md5}
            )
            if reported.get("md5") != part.md5 and await self.content(key, info) != body:
                url, again = self._client.url_of(key), not condition
                raise ChecksumError("push", url, "what the store has is not what was sent", retryable=again)
            return info

        return await self.until_known(key, once, lambda: self.if_it_is(key, body), condition)

    async def begin(self, key: str, size: int, condition: Condition) -> StagedUpload:  # noqa: ARG002  asked for at the end
        """Begin an upload in blocks; the store is not told: an upload is no more than the names of its blocks."""
        return StagedUpload(self, self._client, key)

    async def abort_orphans(self) -> None:
        """Do nothing: the service drops the blocks of killed processes after a week, and can not be told to earlier."""


class StagedUpload:
    """Blocks of one blob that are not committed; see :class:`~anystore_doe.fsspec_storage.mover.Upload`."""

    def __init__(self, writer: Writer, client: Client, key: str) -> None:
        """Send blocks for ``key`` through ``client``."""
        self._writer = writer
        self._client = client
        self._key = key
        self._name = secrets.token_bytes(11)  # with four bytes of a number: base64 without padding
        self._whole = hashlib.md5(usedforsecurity=False)
        self._digested = 0
        self._turn = asyncio.Condition()

    async def _digest(self, part: Part, body: io.BytesIO) -> None:
        """Add a part to the MD5 of the whole when its turn has come, once.

        The mover hands parts out in order and every lane comes here before it sends: who is waited for is on its way.
        """

        def update() -> None:
            while piece := body.read(MIB):  # its buffer as a whole would be a copy
                self._whole.update(piece)
            body.seek(0)

        async with self._turn:
            await self._turn.wait_for(lambda: self._digested >= part.number - 1)
            if self._digested < part.number:
                await off_loop(update)
                self._digested = part.number
                self._turn.notify_all()

    async def send(self, part: Part, body: io.BytesIO) -> str:
        """See the contract; the service compares the block with its MD5."""
        await self._digest(part, body)
        identity = block_id(self._name, part.number)
        await self._client.once(
            "PUT",
            "push",
            self._key,
            query={"comp": "block", "blockid": identity},
            headers={"Content-MD5": _base64_md5(part.md5), **self._writer.on_write()},
            body=body,
        )
        return identity

    async def abort(self) -> None:
        """Do nothing: there is no call for it.

        Blocks that are not committed are in no listing and no blob, and the service drops them a week after the last
        one came, or as soon as anybody commits a blob under this key ("Put Block" in the REST reference).
        """

    async def complete(self, parts: list[Part], condition: Condition) -> ObjectInfo:
        """Make the blob out of its blocks, under the condition, and check what the store says it has."""
        md5, size = self._whole.hexdigest(), sum(part.size for part in parts)
        listed = block_list([part.receipt for part in parts])
        digest = hashlib.md5(listed, usedforsecurity=False).hexdigest()

        async def once() -> ObjectInfo:
            try:
                await self._client.once(
                    "PUT",
                    "push",
                    self._key,
                    query={"comp": "blocklist"},
                    headers={
                        "Content-MD5": _base64_md5(digest),
                        "x-ms-blob-content-md5": _base64_md5(md5),
                        "x-ms-blob-content-type": "application/octet-stream",
                        **self._writer.on_write(),
                        **headers_of(condition),
                    },
                    body=io.BytesIO(listed),
                )
            except StorageError as error:
                if answer_of(error)[0] != "InvalidBlockList":
                    raise
                raise await self._overtaken(condition) from error
            return await self._committed(size, md5)

        async def written() -> ObjectInfo | None:
            now = await self._client.head(self._key, doing="push")
            return now if (now.size, now.checksums.get("md5")) == (size, md5) else None

        return await self._writer.until_known(self._key, once, written, condition)

    async def _overtaken(self, condition: Condition) -> StorageError:
        """Return the error of a commit whose blocks are gone: somebody else wrote this blob, which drops them."""
        url = self._client.url_of(self._key)
        now = await self._client.current_pin(self._key)
        if (condition.create_only and now) or (condition.replacing is not None and now != condition.replacing):
            return condition.broken(url, missing=now is None)
        return StorageError(
            "push", url, "somebody else wrote it meanwhile, and the store dropped the blocks of this push"
        )

    async def _committed(self, size: int, md5: str) -> ObjectInfo:
        info = await self._client.head(self._key, doing="push")
        url = self._client.url_of(self._key)
        if info.size != size:
            raise ChecksumError("push", url, f"the store has {info.size} bytes, {size} were sent")
        if info.checksums.get("md5") != md5:
            raise ChecksumError("push", url, f"md5 is {md5}, the store says {info.checksums.get('md5', 'nothing')}")
        return info
