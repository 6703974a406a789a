"""One bucket as a storage: what S3 has for itself, listing and deleting; the rest is every object store's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.contract import Capabilities
from anystore_doe.errors import AccessDeniedError, StorageError, UnsupportedError, UsageError, printable
from anystore_doe.fsspec_storage.object_store import ObjectStorage
from anystore_doe.fsspec_storage.translate import request_id_of
from anystore_doe.fsspec_storage.uploads import OpenUploads
from anystore_doe.model import ObjectInfo
from anystore_doe_s3.client import DEFAULT_POLICY, Client, pin_of
from anystore_doe_s3.policy import bucket_policy, identity_policy
from anystore_doe_s3.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from anystore_doe.contract import Policy, StorageContext
    from anystore_doe.fsspec_storage.retrying import RetryPolicy
    from anystore_doe_s3.options import S3Options

_DELETE_BATCH = 1000


class S3Storage(ObjectStorage):
    """The bucket ``s3://name``; keys are S3 keys, literally."""

    cloud = "aws"
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
        self._s3 = Client(url, options, connections=context.connections_per_host, policy=policy)
        uploads = OpenUploads(context.state_folder, f"{url} {options.endpoint_url or ''}".strip())
        super().__init__(url, self._s3, Writer(self._s3, uploads), context)

    @property
    def region(self) -> str:  # type: ignore[override]  # known after the first request
        """See the contract."""
        return self._s3.region

    def walk(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See the contract; one page of 1,000 at a time, and nothing outside the prefix is asked for."""
        inside = f"{prefix}/" if prefix else ""
        if prefix:
            self._s3.check_key("list", prefix)
        token: str | None = None
        while True:
            more = {"ContinuationToken": token} if token else {}
            page = self._run(
                self._s3.send("list_objects_v2", "list", prefix, Prefix=inside, **more),
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

    def delete(self, keys: Iterable[str]) -> None:
        """See the contract; 1,000 keys a request, every refusal in its answer is seen."""
        batch: list[str] = []
        for key in keys:
            batch.append(self._s3.check_key("delete", key))
            if len(batch) == _DELETE_BATCH:
                self._run(self._delete(batch))
                batch = []
        if batch:
            self._run(self._delete(batch))

    async def _delete(self, keys: list[str]) -> None:
        listed = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = await self._s3.send("delete_objects", "delete", keys[0], Delete=listed)
        errors = answer.get("Errors") or []
        if not errors:
            return
        first = errors[0]
        key, code = str(first.get("Key", "")), str(first.get("Code", ""))
        request_id = request_id_of(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        if code in {"AccessDenied", "AllAccessDisabled"}:
            hint = f"allow s3:DeleteObject on arn:aws:s3:::{self._s3.bucket}/{key}"
            denied = AccessDeniedError("delete", self.url_of(key), f"access denied{more}", hint=hint)
            raise denied.answered(code, request_id)
        said = printable(str(first.get("Message") or "refused"))
        raise StorageError("delete", self.url_of(key), f"{said}{more}").answered(code, request_id)

    def grants(
        self,
        reads: Sequence[str],
        writes: Sequence[str],
        *,
        delete: bool,
        form: str = "identity",
        principal: str = "",
    ) -> Policy:
        """See the contract; an IAM policy, or a bucket policy for ``principal``, an ARN."""
        options = self._s3.options
        if form == "bucket-policy":
            return bucket_policy(self.url, options, reads, writes, delete=delete, principal=principal)
        if form != "identity":
            raise UnsupportedError("write a policy for", self.url, f"S3 has no policies of the form {form}")
        if principal:
            raise UsageError(
                "whom it is for is said by attaching it: on AWS, --principal is for --form bucket-policy",
                hint="leave --principal out, or pick the cloud that it is for with --cloud",
            )
        return identity_policy(self.url, options, reads, writes, delete=delete)
