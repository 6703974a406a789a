"""The suite that holds a storage provider to its contract."""

from __future__ import annotations

from anystore_doe.testing.storage_box import Box, StorageSuite
from anystore_doe.testing.storage_names import HonestyTests, NameTests
from anystore_doe.testing.storage_reads import FetchTests, RangeTests, StatTests, WalkTests
from anystore_doe.testing.storage_writes import ConditionTests, DeleteTests, PushTests

__all__ = ["Box", "StorageContract", "StorageSuite"]


class StorageContract(
    StatTests, FetchTests, WalkTests, RangeTests, PushTests, ConditionTests, DeleteTests, NameTests, HonestyTests
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

    Override ``seed`` and ``remove`` where the storage itself can not write or delete, ``leftovers`` where unfinished
    uploads can be listed by other means, and ``another`` to open the same root a second time.
    """
