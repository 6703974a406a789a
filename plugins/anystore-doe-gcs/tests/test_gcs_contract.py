"""The Google Cloud Storage goes through the kit's suite."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

import pytest
from anystore_doe_gcs import GcsOptions, open_gcs

from anystore_doe.contract import Place, StorageContext
from anystore_doe.testing import HttpFaultsContract, gcs_error
from anystore_doe.testing.storage_contract import StorageContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.contract import Storage
    from anystore_doe.testing import FakeGcsServer


@pytest.fixture(scope="module")
def shared(server: FakeGcsServer) -> Iterator[Storage]:
    """One storage for the whole suite, which empties what it wrote: making a client costs more than most tests."""
    storage = opened(server, server.make_bucket(f"kit-{uuid.uuid4().hex}"))
    yield storage
    storage.close()


def opened(server: FakeGcsServer, bucket: str) -> Storage:
    context = StorageContext(logger=logging.getLogger("test"))
    return open_gcs(f"gs://{bucket}", GcsOptions(endpoint_url=server.endpoint_url), context)


class TestGcsContract(StorageContract):
    big_bytes = 33 * 2**20 + 1

    @pytest.fixture
    def place(self, server: FakeGcsServer, shared: Storage) -> Place:
        self.server = server
        return Place(storage=shared, key="kit")

    def another(self, place: Place) -> Storage:
        return opened(self.server, place.storage.url.removeprefix("gs://"))


class TestGcsFaults(HttpFaultsContract):
    expired = gcs_error(401, "authError", message="token expired")
    denied = gcs_error(403, "forbidden")

    @pytest.fixture
    def place(self, through_proxy: Storage) -> Place:
        return Place(storage=through_proxy, key="kit")

    def requests(self, doing: str, key: str) -> dict[str, str]:
        """A small object goes out with its name in the body."""
        if doing == "push":
            return {"method": "POST", "path": "/upload/*"}
        return {"method": "GET", "query": "*alt=media*"}
