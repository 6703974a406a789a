"""The Azure storage goes through the kit's suite."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, ClassVar

import pytest
from anystore_doe_azure import AzureOptions, open_azure

from anystore_doe.contract import Place, StorageContext
from anystore_doe.testing import HttpFaultsContract, azure_error
from anystore_doe.testing.storage_contract import StorageContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.contract import Storage
    from anystore_doe.testing import AzuriteServer


@pytest.fixture(scope="module")
def shared(azurite: AzuriteServer) -> Iterator[Storage]:
    """One storage for the whole suite, which empties what it wrote: a new client costs more than most tests."""
    storage = opened(azurite, azurite.make_container(f"kit-{uuid.uuid4().hex}"))
    yield storage
    storage.close()


def opened(azurite: AzuriteServer, container: str) -> Storage:
    context = StorageContext(logger=logging.getLogger("test"))
    return open_azure(f"az://{container}", AzureOptions(connection_string=azurite.connection_string), context)


class TestAzureContract(StorageContract):
    big_bytes = 33 * 2**20 + 1
    many = 120  # a page has 5,000, of which azurite writes 90 a second; test_azure_storage walks over small pages
    deviations: ClassVar = {
        "test_a_key_is_taken_literally[inner-dots]": "Azure's naming rules advise against parts that end with '.', and "
        "the service has been seen to drop it: such a key is refused before it is taken for another",
    }

    @pytest.fixture
    def place(self, azurite: AzuriteServer, shared: Storage) -> Place:
        self.azurite = azurite
        self.secrets = (azurite.account_key,)
        return Place(storage=shared, key="kit")

    def another(self, place: Place) -> Storage:
        return opened(self.azurite, place.storage.url.removeprefix("az://"))


class TestAzureFaults(HttpFaultsContract):
    expired = azure_error(403, "AuthenticationFailed", detail="Signature not valid in the specified time frame")
    denied = azure_error(403, "AuthorizationPermissionMismatch")

    @pytest.fixture
    def place(self, through_proxy: Storage) -> Place:
        return Place(storage=through_proxy, key="kit")
