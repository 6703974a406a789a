"""Amazon S3, and what speaks its protocol, for anystore-doe. Light to import: the SDK is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.contract import Storage, StorageContext, StorageEntry, hookimpl
from anystore_doe_s3.options import S3Options

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["S3Options", "anystore_doe_storages", "open_s3"]


def open_s3(url: str | None, options: S3Options, context: StorageContext) -> Storage:
    """Open the bucket ``s3://bucket``; touches no network.

    Credentials are looked up as every AWS tool does it, or in ``options.config_file``; never taken from the URL.
    """
    from anystore_doe_s3.storage import S3Storage  # with the SDK about a second: paid only when s3:// is used

    return S3Storage(url or "s3://unnamed", options, context)


def split_s3(url: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into ``s3://bucket`` and ``key``; ``s3a://`` is the same store."""
    _, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    return f"s3://{bucket}", key


@hookimpl
def anystore_doe_storages() -> Iterable[StorageEntry]:
    """Offer ``s3://`` and ``s3a://``."""
    yield StorageEntry(
        schemes=("s3", "s3a"),
        open=open_s3,
        options=S3Options,
        summary="Amazon S3 and what speaks its protocol",
        split=split_s3,
        share=S3Options.for_aws_tools,
        credential_env=(
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_SECURITY_TOKEN",
            "AWS_PROFILE",
            "AWS_DEFAULT_PROFILE",
            "AWS_CONFIG_FILE",
            "AWS_SHARED_CREDENTIALS_FILE",
            "AWS_ROLE_*",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_*",
            "AWS_CREDENTIAL_*",
            "AWS_BEARER_TOKEN_*",
        ),
        blank_env=(
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ),
    )
