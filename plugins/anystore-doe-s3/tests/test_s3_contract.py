"""The S3 storage goes through the kit's suite."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

import pytest
from anystore_doe_s3 import S3Options, open_s3

from anystore_doe.contract import Place, StorageContext
from anystore_doe.testing import HttpFaultsContract, s3_error
from anystore_doe.testing.storage_contract import StorageContract

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anystore_doe.contract import Storage
    from anystore_doe.testing import MotoServer

SECRET = "a-secret-that-is-shown-nowhere"


@pytest.fixture(scope="module")
def shared(moto: MotoServer) -> Iterator[Storage]:
    """One storage for the whole suite, which empties what it wrote: making a client costs more than most tests."""
    storage = opened(moto, moto.make_bucket(f"kit-{uuid.uuid4().hex}"))
    yield storage
    storage.close()


def opened(moto: MotoServer, bucket: str) -> Storage:
    context = StorageContext(logger=logging.getLogger("test"))
    return open_s3(f"s3://{bucket}", S3Options(endpoint_url=moto.endpoint_url), context)


class TestS3Contract(StorageContract):
    big_bytes = 33 * 2**20 + 1
    many = 120  # moto lists slowly; test_s3_storage walks over several pages of 1,000
    secrets = (SECRET,)

    @pytest.fixture
    def place(self, moto: MotoServer, shared: Storage, monkeypatch) -> Place:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        self.moto = moto
        return Place(storage=shared, key="kit")

    def leftovers(self, place: Place) -> Sequence[str]:
        return self.moto.open_uploads(place.storage.url.removeprefix("s3://"))

    def another(self, place: Place) -> Storage:
        return opened(self.moto, place.storage.url.removeprefix("s3://"))


class TestS3Faults(HttpFaultsContract):
    expired = s3_error(400, "ExpiredToken")
    denied = s3_error(403, "AccessDenied")

    @pytest.fixture
    def place(self, through_proxy: Storage, moto: MotoServer) -> Place:
        self.moto = moto
        return Place(storage=through_proxy, key="kit")

    def leftovers(self, place: Place) -> Sequence[str]:
        return self.moto.open_uploads(place.storage.url.removeprefix("s3://"))
