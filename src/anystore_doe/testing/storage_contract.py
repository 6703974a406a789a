"""The suite that holds a storage provider to its contract."""

from __future__ import annotations

from anystore_doe.testing.storage_box import Box, StorageSuite
from anystore_doe.testing.storage_conditions import ConditionTests, DeleteTests
from anystore_doe.testing.storage_escapes import EscapeTests
from anystore_doe.testing.storage_honesty import HonestyTests
from anystore_doe.testing.storage_lists import RangeTests, WalkTests
from anystore_doe.testing.storage_names import NameTests
from anystore_doe.testing.storage_reads import FetchTests, StatTests
from anystore_doe.testing.storage_writes import PushTests

__all__ = ["Box", "StorageContract", "StorageSuite"]


class StorageContract(
    StatTests,
    FetchTests,
    WalkTests,
    RangeTests,
    PushTests,
    ConditionTests,
    DeleteTests,
    NameTests,
    EscapeTests,
    HonestyTests,
):
    """Subclass it, name it ``Test...``, and give a fixture ``place``::

        class TestMyStore(StorageContract):
            @pytest.fixture
            def place(self) -> Iterator[Place]:
                storage = open_my_store("my://bucket", MyOptions(), context)
                yield Place(storage=storage, key=f"kit/{uuid.uuid4()}")
                storage.close()

    The suite writes below that key only, and empties what it wrote where listing and deleting are to be had. A test
    of a capability that the storage does not claim is skipped, and another asserts that it is then refused.

    Attributes:
        deviations: Name of a test (or ``name[parameter]``) to the reason why it is known to fail. It still runs, and
            it is an error once it passes, so that the list can not rot.
        big_bytes: Size of a big object; choose it above the provider's size of one part.
        many: Number of objects in a long listing; choose it above the store's page.
        secrets: Texts that may be shown nowhere.

    Override these methods where they apply:

    * ``seed(self, place, key, data)`` and ``remove(self, place, key)``, where the storage itself can not write or
      delete: bring an object into the store, replacing what was there, and take one away, by the store's own means
    * ``leftovers(self, place)``: list what unfinished pushes left in the store and ``walk`` does not show
    * ``another(self, place)``: open the same root a second time; the suite closes it
    * ``break_store(self, place)``: return a context manager; while it lasts, the store can not be used
    """
