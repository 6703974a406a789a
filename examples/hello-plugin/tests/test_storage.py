"""hello:// keeps the contract of a storage."""

from contextlib import contextmanager

import pytest
from anystore_doe.contract import Place
from anystore_doe.testing import StorageContract

from anystore_doe_hello import HelloOptions, open_hello


class TestHelloStorage(StorageContract):
    many = 60  # objects in a long listing: more than one page of a store that lists in pages
    big_bytes = 5 * 2**20 + 1  # more than what is transferred at once

    @pytest.fixture
    def place(self, tmp_path):
        self.folder = tmp_path / "stores"
        self.options = HelloOptions(folder=str(self.folder))
        storage = open_hello("hello://kit", self.options)
        yield Place(storage=storage, key="kit")
        storage.close()

    def another(self, place):
        """Open the same store once more, as another process would."""
        return open_hello("hello://kit", self.options)

    def leftovers(self, place):
        """List what a push left in the store that is no object: here, files beside the database."""
        return [file.name for file in self.folder.glob("*") if file.name != "kit.db"]

    @contextmanager
    def break_store(self, place):
        """Make the store unusable for a while; whatever your library raises then, only our errors may get out."""
        database = self.folder / "kit.db"
        whole = database.read_bytes()
        database.write_bytes(b"this is no database")
        yield
        database.write_bytes(whole)

    # The kit brings objects into the store by `push`, and takes them out by `delete`. While `write` or `delete` is off
    # in `capabilities`, it can not: then say here how it is done with your store's own library.
    #
    # def seed(self, place, key, data):
    #     """Bring an object into the store, in place of the one that was there."""
    #
    # def remove(self, place, key):
    #     """Take an object out of the store."""
