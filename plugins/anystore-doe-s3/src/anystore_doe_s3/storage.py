"""One bucket as a storage: the contract's verbs over the client, the writer and the mover."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from anystore_doe.contract import Capabilities, Storage
from anystore_doe.errors import AccessDeniedError, ObjectExistsError, PreconditionFailedError, StorageError
from anystore_doe.fsspec_storage import bridge, mover
from anystore_doe.fsspec_storage.uploads import OpenUploads
from anystore_doe.model import ObjectInfo
from anystore_doe_s3.client import DEFAULT_POLICY, Client, pin_of
from anystore_doe_s3.writing import Condition, Writer

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator
    from pathlib import Path
    from typing import TypeVar

    from anystore_doe.contract import StorageContext, Watch
    from anystore_doe.fsspec_storage.retrying import RetryPolicy
    from anystore_doe_s3.options import S3Options

    T = TypeVar("T")

_DELETE_BATCH = 1000


class S3Storage(Storage):
    """The bucket ``s3://name``; keys are S3 keys, literally."""

    capabilities = Capabilities(
        list=True,
        write=True,
        delete=True,
        ranges=True,
        create_only=True,
        compare_and_set=True,
        pinned_reads=True,
        checksums=True,
    )

    def __init__(
        self, url: str, options: S3Options, context: StorageContext, *, policy: RetryPolicy = DEFAULT_POLICY
    ) -> None:
        """Open the bucket; touches no network."""
        self.url = url
        self._context = context
        self._client = Client(url, options, connections=context.connections_per_host, policy=policy)
        uploads = OpenUploads(context.state_folder, f"{url} {options.endpoint_url or ''}".strip())
        self._writer = Writer(self._client, uploads)
        self._swept = False
        self._sweeping = threading.Lock()

    def _run(self, coroutine: Coroutine[Any, Any, T], key: str, watch: Watch | None = None) -> T:
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
            )
            await mover.fetch(remote, dest, lanes=lanes, policy=self._client.policy, watch=watch)
            return info

        watch.check(self.url_of(key))
        with self._context.budget.lease(mover.LANE_BUFFER, mover.LANES * mover.LANE_BUFFER, watch) as leased:
            return self._run(moved(max(1, leased // mover.LANE_BUFFER)), key, watch)

    def walk(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See the contract; one page of 1,000 at a time, and nothing outside the prefix is asked for."""
        inside = f"{prefix}/" if prefix else ""
        if prefix:
            self._client.check_key("list", prefix)
        token: str | None = None
        while True:
            more = {"ContinuationToken": token} if token else {}
            page = self._run(
                self._client.send("list_objects_v2", "list", prefix, Prefix=inside, **more),
                prefix,
            )
            for item in page.get("Contents", ()):
                key = str(item["Key"])
                if not key.startswith(inside):
                    raise StorageError("list", self.url_of(prefix), f"the store lists {key!r}, which is not below it")
                yield ObjectInfo(
                    key=key,
                    size=int(item["Size"]),
                    pin=pin_of(item.get("ETag")),
                    modified_at=item["LastModified"].timestamp() if item.get("LastModified") else None,
                )
            following = page.get("NextContinuationToken") if page.get("IsTruncated") else None
            if following is not None and following == token:
                raise StorageError("list", self.url_of(prefix), "the store gives the same page again")
            token = following
            if token is None:
                return

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
            upload = await self._writer.begin(key)
            return await mover.push_parts(
                source,
                upload,
                lanes=lanes,
                policy=self._client.policy,
                watch=watch,
                finish=lambda parts: upload.complete(parts, condition),
            )

        with self._context.budget.lease(step, mover.PUSH_LANES * step, watch) as leased:
            return self._run(moved(max(1, leased // step)), key, watch)

    def _refuse_early(self, key: str, condition: Condition) -> None:
        """Refuse before gigabytes are sent what the store would refuse after it (and some stores would not)."""
        if not condition.create_only and condition.replacing is None:
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
                self._run(self._writer.abort_orphans(), "")

    def delete(self, keys: Iterable[str]) -> None:
        """See the contract; 1,000 keys a request, every refusal in its answer is seen."""
        batch: list[str] = []
        for key in keys:
            batch.append(self._client.check_key("delete", key))
            if len(batch) == _DELETE_BATCH:
                self._run(self._delete(batch), "")
                batch = []
        if batch:
            self._run(self._delete(batch), "")

    async def _delete(self, keys: list[str]) -> None:
        listed = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = await self._client.send("delete_objects", "delete", keys[0], Delete=listed)
        errors = answer.get("Errors") or []
        if not errors:
            return
        first = errors[0]
        key, code = str(first.get("Key", "")), str(first.get("Code", ""))
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        if code in {"AccessDenied", "AllAccessDisabled"}:
            hint = f"allow s3:DeleteObject on arn:aws:s3:::{self._client.bucket}/{key}"
            raise AccessDeniedError("delete", self.url_of(key), f"access denied{more}", hint=hint)
        raise StorageError("delete", self.url_of(key), f"{first.get('Message') or 'refused'} ({code}){more}")

    def read(self, key: str, start: int = 0, end: int | None = None, *, pin: str | None = None) -> bytes:
        """See the contract."""
        self._client.check_key("read", key)
        return self._run(self._read(key, start, end, pin), key)

    async def _read(self, key: str, start: int, end: int | None, pin: str | None) -> bytes:
        if start < 0 and end is not None:
            info = await self._client.head(key, doing="read", pin=pin)
            start, pin = max(0, info.size + start), info.pin
        if end is None:
            return await self._client.read(key, f"bytes={start}" if start < 0 else f"bytes={start}-", pin=pin)
        if end <= start:
            return b""
        return await self._client.read(key, f"bytes={start}-{end - 1}", pin=pin)

    def close(self) -> None:
        """See the contract."""
        self._run(self._client.close(), "")
