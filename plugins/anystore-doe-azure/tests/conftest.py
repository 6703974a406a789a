from __future__ import annotations

import os
import uuid
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from anystore_doe_azure.errors import asked_pause_s
from anystore_doe_azure.options import AzureOptions
from anystore_doe_azure.storage import AzureStorage

from anystore_doe.testing import start_azurite
from anystore_doe.testing.fixtures import *  # noqa: F403  fixtures are found by name
from anystore_doe.testing.fixtures import quick, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anystore_doe.contract import StorageContext
    from anystore_doe.testing import AzuriteServer, FaultProxy

QUICK = quick(asked_pause_s)


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzuriteServer]:
    with running(start_azurite) as server:
        yield server


@pytest.fixture(scope="session")
def endpoint_url(azurite: AzuriteServer) -> str:
    return azurite.endpoint_url


@pytest.fixture(autouse=True)
def azure_environment(monkeypatch, azurite):
    """The server's account, and nothing of the machine's own configuration."""
    for name in list(os.environ):
        if name.startswith(("AZURE_", "FSSPEC_", "IDENTITY_", "MSI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")


@pytest.fixture
def container(azurite: AzuriteServer) -> str:
    return azurite.make_container(f"t-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def proxied_endpoint(proxy: FaultProxy, azurite: AzuriteServer) -> str:
    return f"{proxy.url}/{azurite.account_name}"


@pytest.fixture
def open_at(azurite: AzuriteServer, container: str, context: StorageContext) -> Iterator[Callable[..., AzureStorage]]:
    """Open the container (or ``root``) at an endpoint, with the account's key unless options say otherwise."""
    with ExitStack() as opened:

        def open_at(endpoint_url: str | None, *, root: str = f"az://{container}", **options) -> AzureStorage:
            if not options.keys() & {"connection_string", "account_key", "sas_token", "anonymous", "account_name"}:
                options |= {"account_name": azurite.account_name, "account_key": azurite.account_key}
            made = AzureStorage(root, AzureOptions(endpoint_url=endpoint_url, **options), context, policy=QUICK)
            return opened.enter_context(closing(made))

        yield open_at
