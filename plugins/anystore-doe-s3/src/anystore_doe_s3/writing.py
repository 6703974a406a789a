"""Writing one object: in one request or in parts, conditional, verified, and never twice by accident."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import zlib
from typing import TYPE_CHECKING, Any

from anystore_doe.errors import ChecksumError, ObjectNotFoundError, StorageError
from anystore_doe.fsspec_storage.bridge import off_loop
from anystore_doe.fsspec_storage.checksums import joined_crc32
from anystore_doe.fsspec_storage.mover import MIB, PUSH_LANES, Part
from anystore_doe.fsspec_storage.object_writer import ObjectWriter
from anystore_doe.model import ObjectInfo
from anystore_doe_s3.client import Client, checksums_of, pin_of, quoted
from anystore_doe_s3.errors import answer_of, is_lost_reply, is_precondition_failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anystore_doe.fsspec_storage.conditions import Condition
    from anystore_doe.fsspec_storage.uploads import OpenUpload, OpenUploads

_READ_BACK = 64 * MIB
_ABORT_S = 30


def _base64(crc32: int) -> str:
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def _base64_md5(md5: str) -> str:
    return base64.b64encode(bytes.fromhex(md5)).decode()


def arguments_of(condition: Condition, *, bare: bool = False) -> dict[str, str]:
    """Return the request's arguments that stand for the condition; ``bare``: the ETag without its quotes."""
    if condition.create_only:
        return {"IfNoneMatch": "*"}
    if condition.replacing is None:
        return {}
    return {"IfMatch": condition.replacing if bare else quoted(condition.replacing)}


class Writer(ObjectWriter):
    """Writes objects of one bucket."""

    lanes = PUSH_LANES

    def __init__(self, client: Client, uploads: OpenUploads) -> None:
        """Write through ``client``; open uploads are noted in ``uploads``."""
        super().__init__(client)
        self._client = client
        self._uploads = uploads
        self._bare_etags = False

    def is_broken(self, error: StorageError) -> bool:
        """See the base."""
        return is_precondition_failed(error)

    def is_missing(self, error: StorageError) -> bool:
        """See the base."""
        return isinstance(error, ObjectNotFoundError) and answer_of(error.__cause__)[0] != "NoSuchBucket"

    def is_lost(self, error: StorageError) -> bool:
        """See the base."""
        return is_lost_reply(error)

    def _crc32(self, crc32: int) -> dict[str, str]:
        if self._client.options.request_checksums != "when_supported":
            return {}
        return {"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": _base64(crc32)}

    async def put(self, key: str, part: Part, body: bytes, condition: Condition) -> ObjectInfo:
        """Write an object in one request."""

        async def sent(match: dict[str, str]) -> dict[str, Any]:
            return await self._client.once(
                "put_object",
                "push",
                key,
                Key=key,
                Body=io.BytesIO(body),
                ContentLength=len(body),
                ContentMD5=_base64_md5(part.md5),
                **self._crc32(part.crc32),
                **self._client.options.on_write(),
                **match,
            )

        async def once() -> ObjectInfo:
            answer = await self._matched(key, sent, condition)
            return await self._verified(key, part, body, answer, condition)

        return await self.until_known(key, once, lambda: self.if_it_is(key, body), condition)

    async def _matched(
        self, key: str, sent: Callable[[dict[str, str]], Awaitable[dict[str, Any]]], condition: Condition
    ) -> dict[str, Any]:
        """Send a conditional write; to stores that know ETags only without their quotes, in that form.

        Ceph 16 refuses every ``If-Match: "abc"`` of a write, and honours ``If-Match: abc``. A store is taken for one
        of these when it refuses although the very version is there; the other form is a condition too.
        """
        try:
            return await sent(arguments_of(condition, bare=self._bare_etags))
        except StorageError as error:
            if condition.replacing is None or self._bare_etags or not is_precondition_failed(error):
                raise
            if (await self._client.head(key, doing="push")).pin != condition.replacing:
                raise
        answer = await sent(arguments_of(condition, bare=True))
        self._bare_etags = True
        return answer

    async def _verified(
        self, key: str, part: Part, body: bytes, answer: dict[str, Any], condition: Condition
    ) -> ObjectInfo:
        """Check that the store has what was sent, by what it reports, or by reading it back.

        A checksum in the answer may be no more than our own header sent back, and an ETag need not be an MD5: what
        is there is read where one of the two is missing or differs. An object that is wrong is written again, unless
        a condition stands against it.
        """
        reported = checksums_of(answer)
        ours = {"crc32": f"{part.crc32:08x}", "md5": part.md5}
        agreed = {name: value for name, value in ours.items() if reported.get(name) == value}
        info = ObjectInfo(key=key, size=part.size, pin=pin_of(answer.get("ETag")), checksums=agreed)
        differs = any(reported.get(name, value) != value for name, value in ours.items())
        if (differs or not agreed) and await self.content(key, info) != body:
            raise ChecksumError(
                "push",
                self._client.url_of(key),
                "what the store has is not what was sent",
                retryable=not condition,
            )
        return info

    async def begin(self, key: str, size: int, condition: Condition) -> PartedUpload:  # noqa: ARG002  asked for at the end
        """Open an upload in parts, and note it."""
        algorithm = (
            {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
            if self._client.options.request_checksums == "when_supported"
            else {}
        )
        answer = await self._client.send(
            "create_multipart_upload", "push", key, Key=key, **algorithm, **self._client.options.on_write()
        )
        upload_id = str(answer["UploadId"])
        try:
            noted = await off_loop(self._uploads.note, key, upload_id)
        except BaseException:
            await asyncio.shield(self.abort_quietly(key, upload_id))
            raise
        return PartedUpload(self, self._client, noted)

    async def abort_quietly(self, key: str, upload_id: str) -> bool:
        """Make the store forget an upload; return whether it did (one that is not there counts as forgotten)."""
        try:
            async with asyncio.timeout(_ABORT_S):
                await self._client.send("abort_multipart_upload", "push", key, Key=key, UploadId=upload_id)
        except (StorageError, TimeoutError) as error:
            return answer_of(error.__cause__)[0] == "NoSuchUpload"
        return True

    def forget(self, upload: OpenUpload) -> None:
        """Remove the note of an upload that is no longer open."""
        self._uploads.forget(upload)

    async def abort_orphans(self) -> None:
        """Abort the uploads that killed processes left; one that can not be aborted keeps its note."""
        for upload in await off_loop(self._uploads.orphans):
            if await self.abort_quietly(upload.key, upload.upload_id):
                await off_loop(self._uploads.forget, upload)

    async def complete(self, upload: OpenUpload, parts: list[Part], condition: Condition) -> ObjectInfo:
        """Make the object out of its parts, and check what the store says it has."""
        key = upload.key
        whole = joined_crc32((part.crc32, part.size) for part in parts)
        digest = hashlib.md5(b"".join(bytes.fromhex(part.md5) for part in parts), usedforsecurity=False)
        etag, size = f"{digest.hexdigest()}-{len(parts)}", sum(part.size for part in parts)
        supported = self._client.options.request_checksums == "when_supported"
        whole_crc = {"ChecksumCRC32": _base64(whole), "ChecksumType": "FULL_OBJECT"} if supported else {}
        listed = [
            {"PartNumber": part.number, "ETag": part.receipt}
            | ({"ChecksumCRC32": _base64(part.crc32)} if supported else {})
            for part in parts
        ]

        async def written() -> ObjectInfo | None:
            now = await self._client.head(key, doing="push")
            agrees = now.checksums.get("crc32") == f"{whole:08x}" or now.pin == etag
            return now if agrees and now.size == size else None

        async def once() -> ObjectInfo:
            try:
                await self._client.once(
                    "complete_multipart_upload",
                    "push",
                    key,
                    Key=key,
                    UploadId=upload.upload_id,
                    MultipartUpload={"Parts": listed},
                    **whole_crc,
                    **arguments_of(condition),
                )
            except StorageError as error:
                if answer_of(error.__cause__)[0] != "NoSuchUpload":
                    raise
                ours = await written()
                if ours is None:
                    raise
                return ours
            return await self._completed(key, size, etag, whole)

        return await self.until_known(key, once, written, condition)

    async def _completed(self, key: str, size: int, etag: str, crc32: int) -> ObjectInfo:
        info = await self._client.head(key, doing="push")
        url = self._client.url_of(key)
        if info.size != size:
            raise ChecksumError("push", url, f"the store has {info.size} bytes, {size} were sent")
        reported = info.checksums.get("crc32")
        if reported is not None and reported != f"{crc32:08x}":
            raise ChecksumError("push", url, f"crc32 is {crc32:08x}, the store says {reported}")
        if reported is None and info.pin != etag and size <= _READ_BACK:
            found = zlib.crc32(await self.content(key, info))
            if found != crc32:
                raise ChecksumError("push", url, f"what the store has is not what was sent (crc32 {found:08x})")
        return info


class PartedUpload:
    """An open upload of one object; see :class:`~anystore_doe.fsspec_storage.mover.Upload`."""

    def __init__(self, writer: Writer, client: Client, upload: OpenUpload) -> None:
        """Send parts of ``upload`` through ``client``."""
        self._writer = writer
        self._client = client
        self.upload = upload

    async def send(self, part: Part, body: io.BytesIO) -> str:
        """See the contract."""
        supported = self._client.options.request_checksums == "when_supported"
        crc32 = {"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": _base64(part.crc32)} if supported else {}
        answer = await self._client.once(
            "upload_part",
            "push",
            self.upload.key,
            Key=self.upload.key,
            UploadId=self.upload.upload_id,
            PartNumber=part.number,
            Body=body,
            ContentLength=part.size,
            ContentMD5=_base64_md5(part.md5),
            **crc32,
        )
        found = checksums_of(answer).get("md5", part.md5)
        if found != part.md5:
            detail = f"part {part.number} has md5 {found} in the store, {part.md5} was sent"
            raise ChecksumError("push", self._client.url_of(self.upload.key), detail, retryable=True)
        return str(answer["ETag"])

    async def abort(self) -> None:
        """See the contract; the note stays when the store could not be reached."""
        if await self._writer.abort_quietly(self.upload.key, self.upload.upload_id):
            await off_loop(self._writer.forget, self.upload)

    async def complete(self, parts: list[Part], condition: Condition) -> ObjectInfo:
        """Make the object; then the upload is no longer open."""
        info = await self._writer.complete(self.upload, parts, condition)
        await off_loop(self._writer.forget, self.upload)
        return info
