"""Google Cloud Storage for anystore-doe. Light to import: the SDK is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.contract import Storage, StorageContext, StorageEntry, hookimpl
from anystore_doe_gcs.options import GcsOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["GcsOptions", "anystore_doe_storages", "open_gcs"]


def open_gcs(url: str | None, options: GcsOptions, context: StorageContext) -> Storage:
    """Open the bucket ``gs://bucket``; touches no network.

    Credentials are looked up as every Google tool does it, or in ``options.credentials_file``; never taken from the
    URL.
    """
    from anystore_doe_gcs.storage import GcsStorage  # with the SDK about a second: paid only when gs:// is used

    return GcsStorage(url or "gs://unnamed", options, context)


def split_gcs(url: str) -> tuple[str, str]:
    """Split ``gs://bucket/key`` into ``gs://bucket`` and ``key``; ``gcs://`` is the same store."""
    _, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    return f"gs://{bucket}", key


@hookimpl
def anystore_doe_storages() -> Iterable[StorageEntry]:
    """Offer ``gs://`` and ``gcs://``."""
    yield StorageEntry(
        schemes=("gs", "gcs"),
        open=open_gcs,
        options=GcsOptions,
        summary="Google Cloud Storage",
        split=split_gcs,
        share=GcsOptions.for_google_tools,
        credential_env=(
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_CREDENTIALS",
            "GOOGLE_OAUTH_ACCESS_TOKEN",
            "GOOGLE_API_KEY",
            "GOOGLE_API_CERTIFICATE_CONFIG",
            "GOOGLE_EXTERNAL_ACCOUNT_*",
            "GCE_METADATA_*",
            "CLOUDSDK_*",
        ),
        blank_env=(
            ("CLOUDSDK_CONFIG", "/dev/null"),
            ("CLOUDSDK_CORE_CHECK_GCE_METADATA", "false"),
            ("NO_GCE_CHECK", "true"),
        ),
    )
