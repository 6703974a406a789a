"""hello:// keeps the contract of a storage."""

import pytest
from anystore_doe.contract import Place
from anystore_doe.testing import StorageContract

from anystore_doe_hello import HelloOptions, open_hello


class TestHelloStorage(StorageContract):
    many = 60  # objects in a long listing: more than one page of a store that lists in pages
    big_bytes = 5 * 2**20 + 1  # more than what is transferred at once

    @pytest.fixture
    def place(self, tmp_path):
        storage = open_hello("hello://kit", HelloOptions(folder=str(tmp_path / "stores")))
        yield Place(storage=storage, key="kit")
        storage.close()

    def another(self, place):
        return open_hello("hello://kit", HelloOptions(folder=str(place.storage._file.parent)))
