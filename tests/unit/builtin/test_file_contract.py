"""``file://`` passes the storage suite."""

import contextlib
from pathlib import Path

import pytest

from anystore_doe.builtin.file import FileOptions
from anystore_doe.builtin.file.storage import FileStorage
from anystore_doe.contract import Place
from anystore_doe.testing.storage_contract import StorageContract


class TestFileStorage(StorageContract):
    @pytest.fixture
    def place(self, tmp_path):
        storage = FileStorage()
        yield Place(storage=storage, key=str(tmp_path / "store").lstrip("/"))
        storage.close()

    def another(self, place):
        return FileStorage()

    def leftovers(self, place):
        root = Path("/" + place.key)
        known = {"/" + info.key for info in place.storage.walk(place.key)}
        return [str(path) for path in root.rglob("*") if path.is_file() and str(path) not in known]

    @contextlib.contextmanager
    def break_store(self, place):
        """Put a link that leads to itself where the store's folder was."""
        root = Path("/" + place.key)
        root.rename(root.with_name("away"))
        root.symlink_to(root)
        yield
        root.unlink()
        root.with_name("away").rename(root)


class TestFileStorageOnScratch(TestFileStorage):
    big_bytes = 20 * 2**20 + 1
    many = 50

    @pytest.fixture
    def place(self, tmp_path):
        return Place(storage=FileStorage(FileOptions(durability="none")), key=str(tmp_path / "store").lstrip("/"))
