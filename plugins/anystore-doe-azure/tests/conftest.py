from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

import pytest
from anystore_doe_azure.errors import asked_pause_s
from anystore_doe_azure.options import AzureOptions
from anystore_doe_azure.storage import AzureStorage

from anystore_doe.contract import StorageContext, Watch
from anystore_doe.fsspec_storage.retrying import RetryPolicy
from anystore_doe.testing import FaultProxy, ServerMissingError, require, start_azurite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anystore_doe.testing import AzuriteServer

QUICK = RetryPolicy(attempts=4, base_s=0.01, cap_s=0.05, deadline_s=20, asked_s=asked_pause_s)


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzuriteServer]:
    try:
        server = start_azurite()
    except ServerMissingError as error:
        require(str(error))
    with server:
        yield server


@pytest.fixture(autouse=True)
def azure_environment(monkeypatch, azurite):
    """The server's account, and nothing of the machine's own configuration."""
    import os

    for name in list(os.environ):
        if name.startswith(("AZURE_", "FSSPEC_", "IDENTITY_", "MSI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")


@pytest.fixture
def container(azurite: AzuriteServer) -> str:
    return azurite.make_container(f"t-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def proxy(azurite: AzuriteServer) -> Iterator[FaultProxy]:
    with FaultProxy(azurite.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def context(tmp_path: Path) -> StorageContext:
    return StorageContext(logger=logging.getLogger("test"), state_folder=tmp_path / "state")


@pytest.fixture
def open_at(azurite: AzuriteServer, container: str, context: StorageContext) -> Iterator[Callable[..., AzureStorage]]:
    """Open the container (or ``root``) at an endpoint, with the account's key unless options say otherwise."""
    opened = []

    def open_at(endpoint_url: str | None, *, root: str = f"az://{container}", **options) -> AzureStorage:
        if not options.keys() & {"connection_string", "account_key", "sas_token", "anonymous", "account_name"}:
            options |= {"account_name": azurite.account_name, "account_key": azurite.account_key}
        storage = AzureStorage(root, AzureOptions(endpoint_url=endpoint_url, **options), context, policy=QUICK)
        opened.append(storage)
        return storage

    yield open_at
    for storage in opened:
        storage.close()


@pytest.fixture
def storage(azurite: AzuriteServer, open_at: Callable[..., AzureStorage]) -> AzureStorage:
    return open_at(azurite.endpoint_url)


@pytest.fixture
def proxied_endpoint(proxy: FaultProxy, azurite: AzuriteServer) -> str:
    return f"{proxy.url}/{azurite.account_name}"


@pytest.fixture
def through_proxy(proxied_endpoint: str, open_at: Callable[..., AzureStorage]) -> AzureStorage:
    return open_at(proxied_endpoint)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="session")
def large() -> bytes:
    """40 MiB + 5 that differ in every place: three parts, the last one short."""
    import random

    return random.Random(7).randbytes(40 * 2**20 + 5)


@pytest.fixture
def large_file(large: bytes, tmp_path: Path) -> Path:
    file = tmp_path / "large.bin"
    file.write_bytes(large)
    return file
