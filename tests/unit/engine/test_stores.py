"""What a plan says about stores: sums per store, and once what a store can not do and the sweep would miss."""

from __future__ import annotations

import pytest

from anystore_doe.contract import Capabilities, Place, Storage
from anystore_doe.engine.stores import StoreTotal, shortcomings, totals
from anystore_doe.model import PinnedInput, PinnedObject
from anystore_doe.testing.memory import MemoryStorage

ALL = MemoryStorage.capabilities
CAN = {
    "all": ALL,
    "sftp": Capabilities(list=True, write=True, delete=True, ranges=True),
    "http": Capabilities(ranges=True),
    "sums": Capabilities(list=True, write=True, pinned_reads=True, checksums=True),
}


@pytest.fixture
def open_storage():
    storages: dict[str, Storage] = {}

    def open_storage(url: str) -> Place:
        scheme, _, rest = url.partition("://")
        host, _, key = rest.partition("/")
        root = f"{scheme}://{host}"
        if root not in storages:
            storage = MemoryStorage()
            storage.url, storage.capabilities = root, CAN[scheme]
            storage.region = "eu-west-1" if host == "near" else ""
            storages[root] = storage
        return Place(storage=storages[root], key=key)

    return open_storage


def tree(url: str, *sizes: int) -> PinnedInput:
    objects = tuple(PinnedObject(path=str(n), url=f"{url}{n}", size=size, pin=None) for n, size in enumerate(sizes))
    return PinnedInput(url=url, kind="tree", objects=objects)


def test_bytes_are_summed_per_store_with_its_region(open_storage):
    inputs = [tree("all://near/a/", 1, 2), tree("http://site/b/", 10), tree("all://near/c/", 100)]
    outputs = [("all://near/out/1", 1000), ("sftp://host/out/2", 0)]
    assert totals(inputs, outputs, open_storage) == (
        StoreTotal(url="all://near", region="eu-west-1", bytes_in=103, bytes_out=1000),
        StoreTotal(url="http://site", bytes_in=10),
        StoreTotal(url="sftp://host"),
    )


def test_a_store_that_can_all_is_not_mentioned(open_storage):
    assert shortcomings(["all://a/in"], ["all://a/out"], open_storage) == ()


def test_what_a_store_can_not_do_is_said_once_for_it(open_storage):
    inputs = ["http://site/1", "http://site/2", "sftp://host/in"]
    outputs = ["sftp://host/1", "sftp://host/2", "sums://host/3"]
    sftp, sums, http = shortcomings(inputs, outputs, open_storage)
    assert sftp.startswith("sftp://host has no create-only writes: run this sweep from one machine at a time; ")
    assert "no checksums" in sftp
    assert "no pinned reads" in sftp
    assert sums == "sums://host has no create-only writes: run this sweep from one machine at a time"
    assert http.startswith("http://site has no pinned reads")


def test_what_is_only_read_needs_no_create_only_writes(open_storage):
    (said,) = shortcomings(["sftp://host/in"], ["all://a/out"], open_storage)
    assert "create-only" not in said
