"""What ``stat``, ``fetch``, ``walk`` and ``read`` promise."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Watch
from anystore_doe.errors import (
    AnystoreDoeError,
    CancelledTransferError,
    InputChangedError,
    LocalResourceError,
    ObjectNotFoundError,
    StorageError,
    safe_url,
)
from anystore_doe.testing.storage_box import StorageSuite, cancelled, cancelling, meanwhile, some_bytes, together
from anystore_doe.testing.suite import difference

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.testing.storage_box import Box


class StatTests(StorageSuite):
    """``stat`` and ``find``."""

    def test_stat_tells_key_and_size_and_says_the_same_twice(self, box: Box) -> None:
        info = box.put("a/b.txt", b"12345")
        assert (info.key, info.size) == (box.key("a/b.txt"), 5)
        again = box.storage.stat(box.key("a/b.txt"))
        assert (again.size, again.pin, dict(again.checksums)) == (5, info.pin, dict(info.checksums))

    def test_stat_of_what_is_not_there_is_not_found_and_names_the_url(self, box: Box) -> None:
        with pytest.raises(ObjectNotFoundError) as missing:
            box.storage.stat(box.key("no/such"))
        assert missing.value.url == safe_url(box.url("no/such"))
        assert box.storage.find(box.key("no/such")) is None

    def test_a_folder_is_no_object(self, box: Box) -> None:
        box.put("folder/file")
        for name in ("folder", ""):
            with pytest.raises(ObjectNotFoundError):
                box.storage.stat(box.key(name))

    def test_stat_sees_a_replaced_object_at_once(self, box: Box) -> None:
        box.put("a", b"old")
        assert box.put("a", b"newer").size == 5

    def test_another_version_of_the_same_size_has_another_pin(self, box: Box) -> None:
        before = self.pinned(box.put("a", b"old"))
        assert box.put("a", b"new").pin != before

    def test_a_removed_object_is_gone_at_once(self, box: Box) -> None:
        box.put("a")
        box.drop("a")
        assert box.storage.find(box.key("a")) is None


class FetchTests(StorageSuite):
    """``fetch``: whole and verified, or not at all."""

    @pytest.mark.parametrize("size", [0, 1, 4096, 1_000_003])
    def test_fetch_brings_every_byte_and_leaves_one_file(self, box: Box, folder: Path, size: int) -> None:
        data = some_bytes(size)
        there = box.put("a", data)
        info = box.fetch("a", folder / "dest")
        assert not difference((folder / "dest").read_bytes(), data)
        assert (info.key, info.size, info.pin) == (box.key("a"), size, there.pin)
        assert [p.name for p in folder.iterdir()] == ["dest"]

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
        assert [len(p.name) for p in folder.iterdir()] == [255]

    def test_a_fetch_of_what_is_not_there_keeps_the_old_file(self, box: Box, folder: Path) -> None:
        (folder / "dest").write_bytes(b"old")
        with pytest.raises(ObjectNotFoundError) as missing:
            box.fetch("no/such", folder / "dest")
        assert missing.value.url == safe_url(box.url("no/such"))
        assert [(p.name, p.read_bytes()) for p in folder.iterdir()] == [("dest", b"old")]

    def test_a_folder_can_not_be_fetched(self, box: Box, folder: Path) -> None:
        box.put("folder/file")
        with pytest.raises(ObjectNotFoundError):
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
        with pytest.raises(InputChangedError) as changed:
            box.fetch("a", folder / "dest", pin=pin)
        assert changed.value.url == safe_url(box.url("a"))
        assert [(p.name, p.read_bytes()) for p in folder.iterdir()] == [("dest", b"kept")]

    def test_fetch_of_a_pinned_object_that_was_removed_fails(self, box: Box, folder: Path) -> None:
        pin = self.pinned(box.put("a", b"old"))
        box.drop("a")
        with pytest.raises((ObjectNotFoundError, InputChangedError)):
            box.fetch("a", folder / "dest", pin=pin)
        assert list(folder.iterdir()) == []

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
                assert list(folder.iterdir()) == []
                return
        assert (folder / "dest").read_bytes() in allowed

    def test_what_a_fetch_can_not_write_is_an_error_of_ours(self, box: Box, folder: Path) -> None:
        box.put("a")
        (folder / "dest").mkdir()
        (folder / "dest" / "inside").write_bytes(b"kept")
        with pytest.raises((StorageError, LocalResourceError)):
            box.fetch("a", folder / "dest")
        assert [p.name for p in folder.iterdir()] == ["dest"]
        assert (folder / "dest" / "inside").read_bytes() == b"kept"

    def test_the_watch_sees_all_bytes_of_a_fetch(self, box: Box, folder: Path) -> None:
        seen: list[int] = []
        box.put("a", some_bytes(100_000))
        box.fetch("a", folder / "dest", watch=Watch(seen.append))
        assert sum(seen) >= 100_000

    def test_a_cancelled_fetch_leaves_nothing(self, box: Box, folder: Path) -> None:
        box.put("a")
        with pytest.raises(CancelledTransferError):
            box.fetch("a", folder / "dest", watch=cancelled())
        assert list(folder.iterdir()) == []

    def test_a_fetch_cancelled_on_its_way_keeps_the_old_file(self, box: Box, folder: Path) -> None:
        box.put("big", some_bytes(self.big_bytes))
        (folder / "dest").write_bytes(b"old")
        with pytest.raises(CancelledTransferError):
            box.fetch("big", folder / "dest", watch=cancelling())
        assert [(p.name, p.read_bytes()) for p in folder.iterdir()] == [("dest", b"old")]

    def test_fetch_many_keeps_the_order(self, box: Box, folder: Path) -> None:
        infos = {name: box.put(name, name.encode() * 10) for name in ("c", "a", "b")}
        items = [(box.key(name), folder / name, info.pin) for name, info in infos.items()]
        fetched = box.storage.fetch_many(items, watch=Watch())
        assert [info.key for info in fetched] == [box.key(name) for name in infos]
        assert {p.name: p.read_bytes() for p in folder.iterdir()} == {name: name.encode() * 10 for name in infos}

    def test_fetch_many_ends_with_the_first_failure_and_no_part_of_a_file(self, box: Box, folder: Path) -> None:
        box.put("a", b"aa")
        items = [(box.key(name), folder / name, None) for name in ("missing", "a")]
        with pytest.raises(ObjectNotFoundError):
            box.storage.fetch_many(items, watch=Watch())
        assert [p.read_bytes() for p in folder.iterdir()] in ([], [b"aa"])

    def test_threads_fetch_at_once_and_each_gets_its_own(self, box: Box, folder: Path) -> None:
        names = [f"n{number}" for number in range(8)]
        for number, name in enumerate(names):
            box.put(name, some_bytes(50_000 + number, number))
        together(*(partial(box.fetch, name, folder / name) for name in names))
        for number, name in enumerate(names):
            assert not difference((folder / name).read_bytes(), some_bytes(50_000 + number, number))


class WalkTests(StorageSuite):
    """``walk``: flat, literal, never cached."""

    def test_walk_is_flat_and_tells_what_stat_tells(self, box: Box) -> None:
        self.needs(box, "list")
        stats = {info.key: info for info in (box.put(name, name.encode()) for name in ("a", "b/c", "b/d/e"))}
        walked = {info.key: info for info in box.storage.walk(box.key())}
        assert sorted(walked) == sorted(stats)
        assert {key: (i.size, i.pin) for key, i in walked.items()} == {k: (i.size, i.pin) for k, i in stats.items()}

    def test_walk_yields_only_what_lies_below_the_prefix(self, box: Box) -> None:
        self.needs(box, "list")
        for name in ("run/a", "run/b/c", "run1/a", "run.txt", "other"):
            box.put(name)
        assert box.names("run") == ["run/a", "run/b/c"]
        assert box.names("run.txt") == []

    def test_a_prefix_that_holds_nothing_yields_nothing(self, box: Box) -> None:
        self.needs(box, "list")
        assert box.names("no/such/prefix") == []

    def test_walk_sees_new_and_removed_objects_at_once(self, box: Box) -> None:
        self.needs(box, "list")
        box.put("a")
        assert box.names() == ["a"]
        box.put("b")
        assert box.names() == ["a", "b"]
        box.drop("a")
        assert box.names() == ["b"]
        box.drop("b")
        assert box.names() == []

    def test_walk_yields_a_console_marker_under_its_key(self, box: Box) -> None:
        self.needs(box, "list")
        box.put("run/a")
        try:
            box.seed(box.place, box.key("run/"), b"")
        except AnystoreDoeError:
            pytest.skip("this store has no object whose key ends in /")
        sizes = {info.key: info.size for info in box.storage.walk(box.key("run"))}
        assert sizes == {box.key("run/"): 0, box.key("run/a"): len(b"some bytes")}

    def test_walk_yields_each_of_many_objects_once(self, box: Box) -> None:
        self.needs(box, "list")
        names = sorted(f"m/{number:05}" for number in range(self.many))
        for start in range(0, len(names), 16):
            together(*(partial(box.seed, box.place, box.key(name), b"x") for name in names[start : start + 16]))
        assert box.names("m") == names

    def test_threads_walk_at_once(self, box: Box) -> None:
        self.needs(box, "list")
        for number in range(4):
            box.put(f"t{number}/a")
        walks = together(*(partial(box.names, f"t{number}") for number in range(4)))
        assert walks == [[f"t{number}/a"] for number in range(4)]


DATA = b"0123456789"


class RangeTests(StorageSuite):
    """``read``: the bytes asked for, of the version asked for."""

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            *[(0, None), (0, 4), (3, 7), (5, 5), (9, None), (-4, None), (-10, None), (2, 100)],
            *[(10, None), (15, 20), (-100, None), (-4, 8), (0, 0)],
        ],
    )
    def test_read_returns_exactly_the_range(self, box: Box, start: int, end: int | None) -> None:
        self.needs(box, "ranges")
        box.put("a", DATA)
        assert box.storage.read(box.key("a"), start, end) == DATA[start:end]

    def test_read_without_a_range_returns_all(self, box: Box) -> None:
        self.needs(box, "ranges")
        box.put("a", DATA)
        box.put("empty", b"")
        assert box.storage.read(box.key("a")) == DATA
        assert box.storage.read(box.key("empty")) == b""
        assert box.storage.read(box.key("empty"), -5) == b""

    def test_read_of_what_is_not_there_is_not_found(self, box: Box) -> None:
        self.needs(box, "ranges")
        for start, end in ((0, None), (-3, None), (2, 5)):
            with pytest.raises(ObjectNotFoundError):
                box.storage.read(box.key("no/such"), start, end)

    def test_read_refuses_another_version_than_the_pinned_one(self, box: Box) -> None:
        self.needs(box, "ranges", "pinned_reads")
        pin = self.pinned(box.put("a", DATA))
        assert box.storage.read(box.key("a"), 2, 4, pin=pin) == b"23"
        box.put("a", b"9876543210")
        for start, end in ((2, 4), (-4, None), (0, None)):
            with pytest.raises(InputChangedError):
                box.storage.read(box.key("a"), start, end, pin=pin)
