"""The reference storage passes the suite, with and without each ability."""

from dataclasses import replace

import pytest

from anystore_doe.contract import Place, Watch
from anystore_doe.errors import UnsupportedError
from anystore_doe.testing.memory import MemoryStorage
from anystore_doe.testing.storage_contract import StorageContract


class TestMemoryStorage(StorageContract):
    big_bytes = 300_000
    many = 40

    @pytest.fixture
    def place(self):
        return Place(storage=MemoryStorage(), key="kit")

    def another(self, place):
        other = MemoryStorage()
        other._objects = place.storage._objects
        return other


class TestMemoryStorageAtItsRoot(StorageContract):
    big_bytes = 300_000
    many = 40

    @pytest.fixture
    def place(self):
        return Place(storage=MemoryStorage(), key="")


class ReadOnly(MemoryStorage):
    """Serves what it is given and can do nothing else."""

    capabilities = replace(
        MemoryStorage.capabilities,
        **dict.fromkeys(("list", "write", "delete", "ranges", "create_only", "compare_and_set", "checksums"), False),
    )

    def walk(self, prefix=""):
        raise UnsupportedError("list", self.url_of(prefix))

    def read(self, key, start=0, end=None, *, pin=None):
        raise UnsupportedError("read", self.url_of(key))

    def push(self, source, key, **_):
        raise UnsupportedError("push", self.url_of(key))

    def delete(self, keys):
        raise UnsupportedError("delete", self.url)

    def grants(self, reads, writes, *, delete, form="identity", principal=""):
        raise UnsupportedError("write a policy for", self.url, "there are no policies here")


class TestReadOnlyStorage(StorageContract):
    big_bytes = 300_000

    @pytest.fixture
    def place(self):
        return Place(storage=ReadOnly(), key="kit")

    def seed(self, place, key, data):
        MemoryStorage.push(place.storage, data, key, watch=Watch())

    def remove(self, place, key):
        MemoryStorage.delete(place.storage, [key])


def test_a_deviation_from_a_test_that_is_not_there_is_refused():
    with pytest.raises(TypeError, match="test_no_such"):
        type("TestX", (StorageContract,), {"deviations": {"test_no_such": "why"}})
