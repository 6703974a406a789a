"""What ``stat`` and ``fetch`` promise."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Watch
from anystore_doe.errors import (
    CancelledTransferError,
    InputChangedError,
    LocalResourceError,
    ObjectNotFoundError,
    StorageError,
    safe_url,
)
from anystore_doe.testing.racing import meanwhile
from anystore_doe.testing.storage_box import StorageSuite, cancelled, cancelling, some_bytes, together
from anystore_doe.testing.suite import difference, must_raise

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.testing.storage_box import Box


NOT_THERE = "what is not there is an ObjectNotFoundError with the URL of its key"
NO_OBJECT = "a folder is no object, with or without objects in it"
CANCELLED = "call watch.check(url) first, and watch.advance(n) after each piece: both raise it"
PINNED = "with a pin, give exactly that version or this error; else say pinned_reads=False"
WHOLE = "write beside dest and rename, so that a fetch that fails keeps the file that was there and leaves no other"


class StatTests(StorageSuite):
    """``stat`` and ``find``."""

    def test_stat_tells_key_and_size_and_says_the_same_twice(self, box: Box) -> None:
        info = box.put("a/b.txt", b"12345")
        assert (info.key, info.size) == (box.key("a/b.txt"), 5)
        again = box.storage.stat(box.key("a/b.txt"))
        assert (again.size, again.pin, dict(again.checksums)) == (5, info.pin, dict(info.checksums))

    def test_stat_of_what_is_not_there_is_not_found_and_names_the_url(self, box: Box) -> None:
        with must_raise(ObjectNotFoundError, rule=NOT_THERE) as missing:
            box.storage.stat(box.key("no/such"))
        assert missing.value.url == safe_url(box.url("no/such"))
        assert box.storage.find(box.key("no/such")) is None

    def test_a_folder_is_no_object(self, box: Box) -> None:
        box.put("folder/file")
        for name in ("folder", ""):
            with must_raise(ObjectNotFoundError, rule=NO_OBJECT):
                box.storage.stat(box.key(name))

    def test_stat_sees_a_replaced_object_at_once(self, box: Box) -> None:
        box.put("a", b"old")
        assert box.put("a", b"newer").size == 5, "stat told of the object that was replaced: cache nothing"

    def test_another_version_of_the_same_size_has_another_pin(self, box: Box) -> None:
        before = self.pinned(box.put("a", b"old"))
        assert box.put("a", b"new").pin != before, "two versions have one pin: use what differs, or no pin at all"

    def test_a_removed_object_is_gone_at_once(self, box: Box) -> None:
        box.put("a")
        box.drop("a")
        assert box.storage.find(box.key("a")) is None, "stat told of an object that was removed: cache nothing"


class FetchTests(StorageSuite):
    """``fetch``: whole and verified, or not at all."""

    @pytest.mark.parametrize("size", [0, 1, 4096, 1_000_003])
    def test_fetch_brings_every_byte_and_leaves_one_file(self, box: Box, folder: Path, size: int) -> None:
        data = some_bytes(size)
        there = box.put("a", data)
        info = box.fetch("a", folder / "dest")
        assert not difference((folder / "dest").read_bytes(), data)
        assert (info.key, info.size, info.pin) == (box.key("a"), size, there.pin)
        assert [p.name for p in folder.iterdir()] == ["dest"], "a fetch leaves its file and nothing else"

    def test_fetch_brings_every_byte_of_a_big_object(self, box: Box, folder: Path) -> None:
        data = some_bytes(self.big_bytes)
        box.put("big", data)
        assert box.fetch("big", folder / "dest").size == len(data)
        assert not difference((folder / "dest").read_bytes(), data)

    def test_fetch_replaces_the_file_that_was_there(self, box: Box, folder: Path) -> None:
        (folder / "dest").write_bytes(b"a longer one that was there before")
        box.put("a", b"new")
        box.fetch("a", folder / "dest")
        assert (folder / "dest").read_bytes() == b"new"

    def test_fetch_works_for_the_longest_local_name(self, box: Box, folder: Path) -> None:
        box.put("a", b"x")
        box.fetch("a", folder / ("n" * 255))
        names = [len(p.name) for p in folder.iterdir()]
        assert names == [255], "the part file needs a short name of its own, not dest's and more"

    def test_a_fetch_of_what_is_not_there_keeps_the_old_file(self, box: Box, folder: Path) -> None:
        (folder / "dest").write_bytes(b"old")
        with must_raise(ObjectNotFoundError, rule=NOT_THERE) as missing:
            box.fetch("no/such", folder / "dest")
        assert missing.value.url == safe_url(box.url("no/such"))
        assert [(p.name, p.read_bytes()) for p in folder.iterdir()] == [("dest", b"old")], WHOLE

    def test_a_folder_can_not_be_fetched(self, box: Box, folder: Path) -> None:
        box.put("folder/file")
        with must_raise(ObjectNotFoundError, rule=NO_OBJECT):
            box.fetch("folder", folder / "dest")
        assert list(folder.iterdir()) == []

    def test_fetch_with_the_right_pin_brings_that_version(self, box: Box, folder: Path) -> None:
        pin = self.pinned(box.put("a", b"this"))
        assert box.fetch("a", folder / "dest", pin=pin).pin == pin
        assert (folder / "dest").read_bytes() == b"this"

    def test_fetch_refuses_another_version_than_the_pinned_one(self, box: Box, folder: Path) -> None:
        self.needs(box, "pinned_reads")
        pin = self.pinned(box.put("a", b"old"))
        box.put("a", b"new")
        (folder / "dest").write_bytes(b"kept")
        with must_raise(InputChangedError, rule=PINNED) as changed:
            box.fetch("a", folder / "dest", pin=pin)
        assert changed.value.url == safe_url(box.url("a"))
        assert [(p.name, p.read_bytes()) for p in folder.iterdir()] == [("dest", b"kept")], WHOLE

    def test_fetch_of_a_pinned_object_that_was_removed_fails(self, box: Box, folder: Path) -> None:
        pin = self.pinned(box.put("a", b"old"))
        box.drop("a")
        with must_raise(ObjectNotFoundError, InputChangedError, rule=PINNED):
            box.fetch("a", folder / "dest", pin=pin)
        assert list(folder.iterdir()) == [], WHOLE

    @pytest.mark.parametrize("pin", [False, True], ids=["unpinned", "pinned"])
    def test_a_fetch_never_mixes_two_versions(self, box: Box, folder: Path, pin: bool) -> None:
        old, new = some_bytes(self.big_bytes, 1), some_bytes(self.big_bytes, 2)
        if pin:
            self.needs(box, "pinned_reads")
        there = box.put("big", old)
        version = self.pinned(there) if pin else None
        allowed = [old] if pin else [old, new]
        with meanwhile(lambda: box.put("big", new)) as watch:
            try:
                box.fetch("big", folder / "dest", pin=version, watch=watch)
            except InputChangedError:
                assert list(folder.iterdir()) == [], WHOLE
                return
        brought = (folder / "dest").read_bytes()
        mixed = not any(brought == version for version in allowed)
        assert not mixed, (
            "a fetch brought bytes of two versions, or not the pinned one: look at the version for each part"
        )

    def test_what_a_fetch_can_not_write_is_an_error_of_ours(self, box: Box, folder: Path) -> None:
        box.put("a")
        (folder / "dest").mkdir()
        (folder / "dest" / "inside").write_bytes(b"kept")
        with must_raise(StorageError, LocalResourceError, rule="trouble with a local file is a LocalResourceError"):
            box.fetch("a", folder / "dest")
        assert [p.name for p in folder.iterdir()] == ["dest"]
        assert (folder / "dest" / "inside").read_bytes() == b"kept"

    def test_the_watch_sees_all_bytes_of_a_fetch(self, box: Box, folder: Path) -> None:
        seen: list[int] = []
        box.put("a", some_bytes(100_000))
        box.fetch("a", folder / "dest", watch=Watch(seen.append))
        assert sum(seen) >= 100_000, "call watch.advance(n) for all bytes that were moved"

    def test_a_cancelled_fetch_leaves_nothing(self, box: Box, folder: Path) -> None:
        box.put("a")
        with must_raise(CancelledTransferError, rule=CANCELLED):
            box.fetch("a", folder / "dest", watch=cancelled())
        assert list(folder.iterdir()) == [], WHOLE

    def test_a_fetch_cancelled_on_its_way_keeps_the_old_file(self, box: Box, folder: Path) -> None:
        box.put("big", some_bytes(self.big_bytes))
        (folder / "dest").write_bytes(b"old")
        with must_raise(CancelledTransferError, rule=CANCELLED):
            box.fetch("big", folder / "dest", watch=cancelling())
        assert [(p.name, p.read_bytes()) for p in folder.iterdir()] == [("dest", b"old")], WHOLE

    def test_fetch_many_keeps_the_order(self, box: Box, folder: Path) -> None:
        infos = {name: box.put(name, name.encode() * 10) for name in ("c", "a", "b")}
        items = [(box.key(name), folder / name, info.pin) for name, info in infos.items()]
        fetched = box.storage.fetch_many(items, watch=Watch())
        assert [info.key for info in fetched] == [box.key(name) for name in infos]
        assert {p.name: p.read_bytes() for p in folder.iterdir()} == {name: name.encode() * 10 for name in infos}

    def test_fetch_many_ends_with_the_first_failure_and_no_part_of_a_file(self, box: Box, folder: Path) -> None:
        box.put("a", b"aa")
        items = [(box.key(name), folder / name, None) for name in ("missing", "a")]
        with must_raise(ObjectNotFoundError, rule=NOT_THERE):
            box.storage.fetch_many(items, watch=Watch())
        assert [p.read_bytes() for p in folder.iterdir()] in ([], [b"aa"])

    def test_threads_fetch_at_once_and_each_gets_its_own(self, box: Box, folder: Path) -> None:
        names = [f"n{number}" for number in range(8)]
        for number, name in enumerate(names):
            box.put(name, some_bytes(50_000 + number, number))
        together(*(partial(box.fetch, name, folder / name) for name in names))
        for number, name in enumerate(names):
            assert not difference((folder / name).read_bytes(), some_bytes(50_000 + number, number))
