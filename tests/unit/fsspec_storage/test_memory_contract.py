"""What fsspec serves by the fallback passes the storage suite, on ``memory://``."""

import logging
import uuid

import pytest

from anystore_doe.builtin.any_fsspec import FsspecOptions, open_any
from anystore_doe.contract import Place, StorageContext
from anystore_doe.testing.storage_contract import StorageContract


class TestFsspecMemory(StorageContract):
    big_bytes = 20 * 2**20 + 1
    many = 120

    @pytest.fixture
    def place(self, tmp_path):
        context = StorageContext(logger=logging.getLogger(__name__), state_folder=tmp_path / "state")
        storage = open_any(f"memory://kit-{uuid.uuid4().hex[:8]}", FsspecOptions(), context)
        yield Place(storage=storage, key="kit")
        storage.close()
