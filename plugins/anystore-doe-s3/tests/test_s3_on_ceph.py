"""The kit on a Ceph RADOS gateway; ``tox -e rgw`` runs it, and everybody who has one installed."""

from __future__ import annotations

import logging
import os
import uuid
from typing import TYPE_CHECKING

import pytest
from anystore_doe_s3 import S3Options, open_s3

from anystore_doe.contract import Place, StorageContext
from anystore_doe.testing import ServerMissingError, require
from anystore_doe.testing.servers import CephServer, start_ceph
from anystore_doe.testing.storage_contract import StorageContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.contract import Storage

pytestmark = pytest.mark.skipif(
    os.environ.get("ANYSTORE_DOE_S3_SERVER") != "rgw", reason="starts a Ceph cluster: tox -e rgw"
)


@pytest.fixture(scope="module")
def ceph() -> Iterator[CephServer]:
    try:
        server = start_ceph()
    except ServerMissingError as error:
        require(str(error))
    with server:
        yield server


@pytest.fixture(scope="module")
def shared(ceph: CephServer) -> Iterator[Storage]:
    storage = opened(ceph, ceph.make_bucket(f"kit-{uuid.uuid4().hex}"))
    yield storage
    storage.close()


def opened(server: CephServer, bucket: str) -> Storage:
    context = StorageContext(logger=logging.getLogger("test"))
    return open_s3(f"s3://{bucket}", S3Options(endpoint_url=server.endpoint_url), context)


class TestS3OnCephContract(StorageContract):
    many = 120

    @pytest.fixture
    def place(self, ceph: CephServer, shared: Storage, monkeypatch) -> Place:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ceph.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ceph.secret_key)
        self.ceph = ceph
        return Place(storage=shared, key="kit")

    def leftovers(self, place: Place) -> list[str]:
        return self.ceph.open_uploads(place.storage.url.removeprefix("s3://"))

    def another(self, place: Place) -> Storage:
        return opened(self.ceph, place.storage.url.removeprefix("s3://"))
