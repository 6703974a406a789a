"""One container as a storage: what Azure has for itself, listing and deleting; the rest is every object store's."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from anystore_doe.contract import Capabilities
from anystore_doe.errors import ObjectNotFoundError, StorageError, UnsupportedError
from anystore_doe.fsspec_storage.bridge import all_of
from anystore_doe.fsspec_storage.object_store import ObjectStorage
from anystore_doe.fsspec_storage.retrying import RetryPolicy, retried
from anystore_doe_azure.account import resolve
from anystore_doe_azure.client import DEFAULT_POLICY, Client
from anystore_doe_azure.errors import answer_of
from anystore_doe_azure.listing import MOST, BadPageError, Page, parsed_page
from anystore_doe_azure.policy import role_assignment
from anystore_doe_azure.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from anystore_doe.contract import Policy, StorageContext
    from anystore_doe.model import ObjectInfo
    from anystore_doe_azure.options import AzureOptions

_DELETE_BATCH = 1000


class AzureStorage(ObjectStorage):
    """The container that a root names; keys are blob names, literally. Page and append blobs can be read too."""

    cloud = "azure"
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
        self, url: str, options: AzureOptions, context: StorageContext, *, policy: RetryPolicy = DEFAULT_POLICY
    ) -> None:
        """Open the container; touches no network."""
        self._azure = Client(url, options, connections=context.connections_per_host, policy=policy)
        super().__init__(url, self._azure, Writer(self._azure), context)

    def walk(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See the contract; one page at a time, and nothing outside the prefix is asked for."""
        inside = f"{prefix}/" if prefix else ""
        if prefix:
            self._azure.check_key("list", prefix)
        marker = ""
        while True:
            page = self._run(self._page(prefix, inside, marker), prefix)
            for info in page.objects:
                if not info.key.startswith(inside):
                    detail = f"the store lists {info.key!r}, which is not below it"
                    raise StorageError("list", self.url_of(prefix), detail)
                yield info
            if page.following and page.following == marker:
                raise StorageError("list", self.url_of(prefix), "the store gives the same page again")
            marker = page.following
            if not marker:
                return

    async def _page(self, prefix: str, inside: str, marker: str) -> Page:
        query = {"restype": "container", "comp": "list", "maxresults": str(MOST), "include": "metadata"}
        query |= {name: value for name, value in {"prefix": inside, "marker": marker}.items() if value}

        async def once() -> Page:
            try:
                answer = await self._azure.once("GET", "list", "", needs="list", query=query)
                return parsed_page(answer.body)
            except BadPageError as error:
                detail = "the store's listing can not be read"
                raise StorageError("list", self.url_of(prefix), detail, retryable=True) from error

        return await retried(self._azure.policy, once)

    def delete(self, keys: Iterable[str]) -> None:
        """See the contract; one request for each blob, several at once."""
        checked = (self._azure.check_key("delete", key) for key in keys)
        while batch := list(islice(checked, _DELETE_BATCH)):
            self._run(self._delete(batch))

    async def _delete(self, keys: list[str]) -> None:
        todo = iter(keys)

        async def lane() -> None:
            for key in todo:
                await self._delete_one(key)

        await all_of([lane() for _ in range(min(len(keys), self._context.connections_per_host))])

    async def _delete_one(self, key: str) -> None:
        try:
            await retried(self._azure.policy, lambda: self._azure.once("DELETE", "delete", key, needs="delete"))
        except ObjectNotFoundError as error:
            if answer_of(error)[0].startswith("Container"):
                raise
        except StorageError as error:
            if answer_of(error)[0] != "SnapshotsPresent":
                raise
            # deleting them too would destroy what somebody kept on purpose
            raise StorageError(
                "delete", self.url_of(key), "it has snapshots", hint="az storage blob delete --delete-snapshots include"
            ) from error

    def grants(
        self,
        reads: Sequence[str],
        writes: Sequence[str],
        *,
        delete: bool,
        form: str = "identity",
        principal: str = "",
    ) -> Policy:
        """See the contract; a role and its assignment to ``principal``, or a placeholder, on the container."""
        if form != "identity":
            detail = "on Azure rights are assigned on the container in any case: leave --form out"
            raise UnsupportedError("write a policy for", self.url, detail)
        account = resolve(self.url, self._azure.options)
        return role_assignment(self._azure.container, account, reads, writes, delete=delete, principal=principal)
