"""Writing one object: in one request or in an upload session, conditional, verified, and never twice by accident."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import TYPE_CHECKING

from anystore_doe.errors import ChecksumError, PreconditionFailedError, StorageError
from anystore_doe.fsspec_storage.bridge import off_loop
from anystore_doe.fsspec_storage.object_writer import ObjectWriter
from anystore_doe_gcs.checksums import extend, written
from anystore_doe_gcs.client import FIELDS, Client
from anystore_doe_gcs.errors import is_bad_digest, is_lost_reply, is_precondition_failed, status_of
from anystore_doe_gcs.session import Session

if TYPE_CHECKING:
    import io

    from anystore_doe.fsspec_storage.conditions import Condition
    from anystore_doe.fsspec_storage.mover import Part
    from anystore_doe.fsspec_storage.uploads import OpenUpload, OpenUploads
    from anystore_doe.model import ObjectInfo
    from anystore_doe_gcs.private import Answer

_ABORT_S = 30
_FORGOTTEN = (200, 204, 404, 410, 499)
"""The store says 499 to who cancels a session, and one that is not there counts as cancelled."""


def query_of(condition: Condition, url: str) -> dict[str, str]:
    """Return the query parameters that stand for the condition.

    Raises:
        PreconditionFailedError: what is to be replaced is no generation, so no version that was ever here.
    """
    if condition.create_only:
        return {"ifGenerationMatch": "0"}
    if condition.replacing is None:
        return {}
    if not (condition.replacing.isdecimal() and condition.replacing.isascii()) or condition.replacing == "0":
        raise PreconditionFailedError("push", url)
    return {"ifGenerationMatch": condition.replacing}


class Writer(ObjectWriter):
    """Writes objects of one bucket."""

    lanes = 1
    """A session takes its parts in order."""

    def __init__(self, client: Client, uploads: OpenUploads) -> None:
        """Write through ``client``; open sessions are noted in ``uploads``."""
        super().__init__(client)
        self._client = client
        self._uploads = uploads

    def is_broken(self, error: StorageError) -> bool:
        """See the base."""
        return is_precondition_failed(error)

    def is_lost(self, error: StorageError) -> bool:
        """See the base."""
        return is_lost_reply(error)

    def _query(self, key: str, condition: Condition, kind: str) -> dict[str, str]:
        conditional = query_of(condition, self._client.url_of(key))
        return {"uploadType": kind, "fields": FIELDS, **conditional, **self._client.options.on_write()}

    async def put(self, key: str, part: Part, body: bytes, condition: Condition) -> ObjectInfo:
        """Write an object in one request, which carries its checksums: the store refuses what arrives otherwise."""
        crc = f"{await off_loop(extend, body, 0):08x}"
        boundary = secrets.token_hex(16)
        resource = {"name": key, "crc32c": written(crc), "md5Hash": written(part.md5)}
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
            f"--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        pieces = (head.encode(), body, f"\r\n--{boundary}--\r\n".encode())
        query = self._query(key, condition, "multipart")

        async def once() -> ObjectInfo:
            try:
                answer = await self._client.once(
                    "insert",
                    "push",
                    key,
                    "POST",
                    self._client.path_of(kind="/upload"),
                    query=query,
                    headers={"Content-Type": f"multipart/related; boundary={boundary}"},
                    body=pieces,
                )
            except StorageError as error:
                if is_bad_digest(error):
                    detail = "what arrived is not what was sent, says the store"
                    raise ChecksumError("push", self._client.url_of(key), detail, retryable=True) from error
                raise
            return await self.verified(key, answer, part.size, crc, again=not condition)

        return await self.until_known(key, once, lambda: self.ours(key, part.size, crc), condition)

    async def ours(self, key: str, size: int, crc: str) -> ObjectInfo | None:
        """Describe what is there now if it has this size and CRC-32C."""
        now = await self._client.head(key, doing="push")
        return now if (now.size, now.checksums.get("crc32c")) == (size, crc) else None

    async def verified(self, key: str, answer: Answer, size: int, crc: str, *, again: bool) -> ObjectInfo:
        """Check that the store has what was sent, by what it reports; an object that is wrong is removed again.

        Only who can not check what arrives gets that far: the store itself refuses it.
        """
        info = self._client.info("push", key, answer)
        found = info.checksums.get("crc32c")
        if (info.size, found) == (size, crc):
            return info
        await self._remove(key, info.pin)
        detail = f"the store has {info.size} bytes with crc32c {found}, {size} with {crc} were sent: removed again"
        raise ChecksumError("push", self._client.url_of(key), detail, retryable=again)

    async def _remove(self, key: str, pin: str | None) -> None:
        """Remove exactly the version that we wrote, if we may."""
        query = {"ifGenerationMatch": str(pin)}
        path = self._client.path_of(key)
        try:
            await self._client.send("delete", "push", key, "DELETE", path, query=query, good=(200, 204))
        except StorageError:
            pass  # that it is wrong is what the caller hears

    async def begin(self, key: str, size: int, condition: Condition) -> ResumableUpload:
        """Open a session, and note it."""
        query = self._query(key, condition, "resumable")
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "X-Upload-Content-Type": "application/octet-stream",
            "X-Upload-Content-Length": str(size),
        }
        path, body = self._client.path_of(kind="/upload"), (json.dumps({"name": key}).encode(),)
        try:
            answer = await self._client.send(
                "insert", "push", key, "POST", path, query=query, headers=headers, body=body, good=(200, 201)
            )
        except StorageError as error:
            if condition and is_precondition_failed(error):
                raise condition.broken(self._client.url_of(key)) from error
            raise
        location = answer.headers.get("location")
        if not location:
            raise StorageError("push", self._client.url_of(key), "the store opens no upload session")
        url = self._client.requests.session_url(location)
        try:
            noted = await off_loop(self._uploads.note, key, url)
        except BaseException:
            await asyncio.shield(self.cancelled(key, url))
            raise
        return ResumableUpload(self, Session(self._client, key, url, size), noted)

    async def cancelled(self, key: str, url: str) -> bool:
        """Make the store forget a session; return whether it did."""
        target = self._client.requests.session_url(url)
        try:
            async with asyncio.timeout(_ABORT_S):
                await self._client.send("upload", "push", key, "DELETE", target, good=_FORGOTTEN)
        except (StorageError, TimeoutError):
            return False
        return True

    def forget(self, upload: OpenUpload) -> None:
        """Remove the note of a session that is no longer open."""
        self._uploads.forget(upload)

    async def abort_orphans(self) -> None:
        """Cancel the sessions that killed processes left; one that can not be cancelled keeps its note."""
        for upload in await off_loop(self._uploads.orphans):
            if await self.cancelled(upload.key, upload.upload_id):
                await off_loop(self._uploads.forget, upload)


class ResumableUpload:
    """An open session that gets the parts of one object, in order; see the mover's ``Upload``.

    The last part makes the object: it is kept until the upload is to be completed.
    """

    def __init__(self, writer: Writer, session: Session, noted: OpenUpload) -> None:
        """Send parts through ``session``."""
        self._writer = writer
        self._session = session
        self._noted = noted
        self._number = 0
        self._begin = self._end = 0
        self._crc = 0
        self._last: bytes = b""

    async def send(self, part: Part, body: io.BytesIO) -> str:
        """See the contract."""
        data = body.getvalue()  # no copy: the stream was made of these bytes, and nobody writes to it
        if part.number != self._number:
            self._number, self._begin, self._end = part.number, self._end, self._end + part.size
            self._crc = await off_loop(extend, data, self._crc)
        if self._end == self._session.size:
            self._last = data
        else:
            await self._session.deliver(data, self._begin)
        return ""

    async def abort(self) -> None:
        """See the contract; the note stays when the store could not be reached."""
        self._last = b""
        if await self._writer.cancelled(self._noted.key, self._noted.upload_id):
            await off_loop(self._writer.forget, self._noted)

    async def complete(self, parts: list[Part], condition: Condition) -> ObjectInfo:  # noqa: ARG002  they have no receipts
        """Send the last part, with the checksum of the whole: the store makes the object, or refuses."""
        key, size, crc = self._noted.key, self._session.size, f"{self._crc:08x}"

        async def once() -> ObjectInfo:
            try:
                answer = await self._session.finish(self._last, self._begin, crc)
            except StorageError as error:
                if is_bad_digest(error):
                    detail = "what arrived is not what was sent, says the store"
                    raise ChecksumError("push", error.url, detail) from error
                ours = await self._writer.ours(key, size, crc) if status_of(error) in {404, 410} else None
                if ours is None:
                    raise
                return ours
            return await self._writer.verified(key, answer, size, crc, again=False)

        info = await self._writer.until_known(key, once, lambda: self._writer.ours(key, size, crc), condition)
        await off_loop(self._writer.forget, self._noted)
        return info
