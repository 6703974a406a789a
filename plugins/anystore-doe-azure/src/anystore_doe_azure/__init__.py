"""Azure Blob Storage for anystore-doe. Light to import: the SDK is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.contract import Storage, StorageContext, StorageEntry, hookimpl
from anystore_doe_azure.options import AzureOptions
from anystore_doe_azure.urls import HOSTS, SCHEMES, split_azure

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["AzureOptions", "anystore_doe_storages", "open_azure"]


def open_azure(url: str | None, options: AzureOptions, context: StorageContext) -> Storage:
    """Open the container that ``url``, a root as :func:`split_azure` makes it, names; touches no network.

    Credentials come from the options, else from where every Azure tool looks; never from the URL.
    """
    from anystore_doe_azure.storage import AzureStorage  # with the SDK half a second: paid only when Azure is used

    return AzureStorage(url or "az://unnamed", options, context)


@hookimpl
def anystore_doe_storages() -> Iterable[StorageEntry]:
    """Offer ``az://``, ``abfs://``, ``abfss://`` and the https URLs of Azure's public cloud."""
    yield StorageEntry(
        schemes=SCHEMES,
        hosts=HOSTS,
        open=open_azure,
        options=AzureOptions,
        summary="Azure Blob Storage, and Data Lake Storage through its blob endpoint",
        split=split_azure,
        share=AzureOptions.for_azure_tools,
        credential_env=(
            "AZURE_STORAGE_CONNECTION_STRING",
            "AZURE_STORAGE_ACCOUNT_KEY",
            "AZURE_STORAGE_KEY",
            "AZURE_STORAGE_SAS_TOKEN",
            "AZURE_STORAGE_CLIENT_*",
            "AZURE_STORAGE_TENANT_ID",
            "AZURE_CLIENT_*",
            "AZURE_TENANT_ID",
            "AZURE_USERNAME",
            "AZURE_PASSWORD",
            "AZURE_FEDERATED_TOKEN*",
            "AZURE_CONFIG_DIR",
            "AZCOPY_*",
            "IDENTITY_*",
            "MSI_*",
            "IMDS_ENDPOINT",
        ),
        blank_env=(
            ("AZURE_CONFIG_DIR", "/dev/null"),
            # no variable switches the instance metadata off, but this keeps the SDKs from asking it
            ("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential"),
        ),
    )
