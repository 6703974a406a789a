"""``memory://`` through the fallback goes through the kit's suite."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

import pytest

from anystore_doe.builtin.any_fsspec import FsspecOptions, open_any
from anystore_doe.contract import Place, StorageContext
from anystore_doe.testing.storage_contract import StorageContract

if TYPE_CHECKING:
    from anystore_doe.contract import Storage


class TestMemoryContract(StorageContract):
    big_bytes = 3 * 2**20 + 1

    @pytest.fixture
    def place(self) -> Place:
        self.url = f"memory://{uuid.uuid4().hex}"
        return Place(storage=self.open(), key="kit")

    def open(self) -> Storage:
        return open_any(self.url, FsspecOptions(), StorageContext(logger=logging.getLogger("test")))

    def another(self, place: Place) -> Storage:
        return self.open()
