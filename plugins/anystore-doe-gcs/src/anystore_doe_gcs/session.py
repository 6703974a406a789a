"""An upload session: bytes go in, in order, and after a lost reply the store is asked how far it came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.errors import StorageError
from anystore_doe_gcs.checksums import written

if TYPE_CHECKING:
    from anystore_doe_gcs.client import Client
    from anystore_doe_gcs.private import Answer

_MORE = 308
"""What the store answers to a part that is not the last, and to the question how far it came."""


class Session:
    """One session of the store ("Resumable uploads", Cloud Storage documentation); used by one coroutine at a time.

    Attributes:
        size: Bytes of the object.
    """

    def __init__(self, client: Client, key: str, url: str, size: int) -> None:
        """Send to ``url``, which is a secret: who knows it may write this object."""
        self._client = client
        self._key = key
        self._url = url
        self.size = size
        self._unsure = False

    async def deliver(self, data: bytes, begin: int) -> None:
        """Bring ``data``, which begins at byte ``begin`` and is not the object's end, into the store, once.

        When it fails, calling it again with the same data goes on where the store stands.

        Raises:
            StorageError: retryable when the store may take the rest.
        """
        answer = await self._bring(data, begin, {})
        if answer is not None and answer.status != _MORE:
            raise StorageError("push", self._client.url_of(self._key), "the store ended the upload before its end")

    async def finish(self, data: bytes, begin: int, crc: str) -> Answer:
        """Bring the end of the object, and return what the store says about the object that it made of it.

        Args:
            data: The object's last bytes.
            begin: Where they begin.
            crc: CRC-32C of the whole object as hex; the store makes no object that has another.
        """
        answer = await self._bring(data, begin, {"X-Goog-Hash": f"crc32c={written(crc)}"})
        if answer is None or answer.status == _MORE:
            what = "the store has every byte, and makes no object of them"
            raise StorageError("push", self._client.url_of(self._key), what, retryable=True)
        return answer

    async def _bring(self, data: bytes, begin: int, headers: dict[str, str]) -> Answer | None:
        """Send what the store lacks of ``data``; return its last answer, ``None`` when it lacked nothing."""
        at, end = begin, begin + len(data)
        answer: Answer | None = None
        if self._unsure:
            answer = await self._put(f"bytes */{self.size}", (), {})
            at = self._reached(answer, begin, end)
        while at < end and (answer is None or answer.status == _MORE):
            before = at
            view = memoryview(data)[at - begin :]
            answer = await self._put(f"bytes {at}-{end - 1}/{self.size}", (view,), headers)
            at = self._reached(answer, begin, end)
            if at == before and answer.status == _MORE:
                raise StorageError(
                    "push", self._client.url_of(self._key), "the store takes no more of it", retryable=True
                )
        return answer

    async def _put(self, content_range: str, body: tuple[memoryview, ...], headers: dict[str, str]) -> Answer:
        self._unsure = True
        answer = await self._client.once(
            "upload",
            "push",
            self._key,
            "PUT",
            self._url,
            headers={"Content-Range": content_range, **headers},
            body=body,
            good=(200, 201, _MORE),
        )
        self._unsure = False
        return answer

    def _reached(self, answer: Answer, begin: int, end: int) -> int:
        """Return how many bytes of the object the store has; its answer says ``Range: bytes=0-last``, or nothing.

        Raises:
            StorageError: fewer than it had, or more than it got.
        """
        if answer.status != _MORE:
            return self.size
        last = answer.headers.get("range", "").rpartition("-")[2]
        reached = int(last) + 1 if last.isdecimal() else 0
        if not begin <= reached <= end:
            what = f"the store has {reached} bytes of the upload, not {begin} to {end}"
            raise StorageError("push", self._client.url_of(self._key), what)
        return reached
