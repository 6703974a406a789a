"""One bucket as a storage: what Google's has for itself, listing and deleting; the rest is every object store's."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from anystore_doe.contract import Capabilities
from anystore_doe.errors import ObjectNotFoundError, StorageError, UnsupportedError
from anystore_doe.fsspec_storage.bridge import all_of
from anystore_doe.fsspec_storage.object_store import ObjectStorage
from anystore_doe.fsspec_storage.uploads import OpenUploads
from anystore_doe_gcs.checksums import CRC32C
from anystore_doe_gcs.client import DEFAULT_POLICY, FIELDS, Client, info_of
from anystore_doe_gcs.errors import is_missing_bucket
from anystore_doe_gcs.policy import bucket_bindings
from anystore_doe_gcs.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from anystore_doe.contract import Policy, StorageContext
    from anystore_doe.fsspec_storage.checksums import Crc
    from anystore_doe.fsspec_storage.retrying import RetryPolicy
    from anystore_doe.model import ObjectInfo
    from anystore_doe_gcs.options import GcsOptions

_PAGE = 1000
_DELETE_BATCH = 1000


class GcsStorage(ObjectStorage):
    """The bucket ``gs://name``; keys are object names, literally."""

    crc: ClassVar[Crc] = CRC32C
    cloud = "gcp"
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
        self, url: str, options: GcsOptions, context: StorageContext, *, policy: RetryPolicy = DEFAULT_POLICY
    ) -> None:
        """Open the bucket; touches no network."""
        self._gcs = Client(url, options, connections=context.connections_per_host, policy=policy)
        self._connections = context.connections_per_host
        uploads = OpenUploads(context.state_folder, f"{url} {self._gcs.requests.location}")
        super().__init__(url, self._gcs, Writer(self._gcs, uploads), context)

    def walk(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See the contract; one page of 1,000 at a time, and nothing outside the prefix is asked for."""
        inside = f"{prefix}/" if prefix else ""
        if prefix:
            self._gcs.check_key("list", prefix)
        token = ""
        while True:
            found, following = self._run(self._page(prefix, inside, token), prefix)
            yield from found
            if following and following == token:
                raise StorageError("list", self.url_of(prefix), "the store gives the same page again")
            token = following
            if not token:
                return

    async def _page(self, prefix: str, inside: str, token: str) -> tuple[list[ObjectInfo], str]:
        """Return what one page of a listing holds, and the token of the next."""
        query = {"prefix": inside, "maxResults": str(_PAGE), "fields": f"items({FIELDS}),nextPageToken"}
        if token:
            query["pageToken"] = token
        answer = await self._gcs.send("list", "list", prefix, "GET", self._gcs.path_of(), query=query)
        url = self.url_of(prefix)
        try:
            page = answer.resource
            found = [info_of(str(item["name"]), item) for item in page.get("items", ())]
            following = str(page.get("nextPageToken") or "")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StorageError("list", url, "the answer is no listing; is this a storage endpoint?") from error
        for info in found:
            if not info.key.startswith(inside):
                raise StorageError("list", url, f"the store lists {info.key!r}, which is not below it")
        return found, following

    def delete(self, keys: Iterable[str]) -> None:
        """See the contract; one request a key, several at once, and the first that is refused ends it."""
        left = iter(keys)
        while batch := [self._gcs.check_key("delete", key) for key in islice(left, _DELETE_BATCH)]:
            self._run(self._delete(batch))

    async def _delete(self, keys: list[str]) -> None:
        todo = iter(keys)

        async def lane() -> None:
            for key in todo:
                try:
                    await self._gcs.send("delete", "delete", key, "DELETE", self._gcs.path_of(key), good=(200, 204))
                except ObjectNotFoundError as error:
                    if is_missing_bucket(error):
                        raise

        await all_of([lane() for _ in range(min(self._connections, len(keys)))])

    def grants(
        self,
        reads: Sequence[str],
        writes: Sequence[str],
        *,
        delete: bool,
        form: str = "identity",
        principal: str = "",
    ) -> Policy:
        """See the contract; bindings of the bucket's IAM policy, for ``principal`` or a placeholder."""
        if form != "identity":
            detail = "on Google Cloud rights are bound to the bucket in any case: leave --form out"
            raise UnsupportedError("write a policy for", self.url, detail)
        return bucket_bindings(self._gcs.bucket, self._gcs.options, reads, writes, delete=delete, principal=principal)
