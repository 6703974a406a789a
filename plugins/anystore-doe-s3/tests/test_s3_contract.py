"""The S3 storage goes through the kit's suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Place
from anystore_doe.testing.storage_contract import StorageContract

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anystore_doe_s3.storage import S3Storage

    from anystore_doe.contract import Storage
    from anystore_doe.testing import MotoServer


class TestS3Contract(StorageContract):
    big_bytes = 33 * 2**20 + 1

    secrets = ("a-secret-that-is-shown-nowhere",)

    @pytest.fixture
    def place(self, moto: MotoServer, open_at: Callable[..., S3Storage], monkeypatch) -> Place:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-is-shown-nowhere")
        self.moto, self.open_at = moto, open_at
        return Place(storage=open_at(moto.endpoint_url), key="kit")

    def leftovers(self, place: Place) -> Sequence[str]:
        return self.moto.open_uploads(place.storage.url.removeprefix("s3://"))

    def another(self, place: Place) -> Storage:
        return self.open_at(self.moto.endpoint_url)
