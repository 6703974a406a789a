"""What ``push`` and ``delete`` promise."""

from __future__ import annotations

import hashlib
import threading
import zlib
from functools import partial
from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Watch
from anystore_doe.errors import (
    AnystoreDoeError,
    CancelledTransferError,
    InputChangedError,
    LocalResourceError,
    ObjectExistsError,
    PreconditionFailedError,
    StorageError,
    safe_url,
)
from anystore_doe.testing.storage_box import StorageSuite, cancelled, cancelling, meanwhile, some_bytes, together
from anystore_doe.testing.suite import difference

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.testing.storage_box import Box

RACERS = 20
ADDERS = 5
ADDITIONS = 10


def crc32c(data: bytes) -> str:
    """Return the CRC-32C (RFC 3720, appendix B.4) of ``data`` as hex; slow, for test data."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return f"{crc ^ 0xFFFFFFFF:08x}"


CHECKSUMS = {
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).hexdigest(),
    "sha256": lambda data: hashlib.sha256(data).hexdigest(),
    "crc32": lambda data: f"{zlib.crc32(data):08x}",
    "crc32c": crc32c,
}


class PushTests(StorageSuite):
    """``push``: whole or not at all."""

    @pytest.mark.parametrize("kind", ["bytes", "file"])
    @pytest.mark.parametrize("size", [0, 1, 1_000_003])
    def test_push_writes_every_byte(self, box: Box, tmp_path: Path, folder: Path, kind: str, size: int) -> None:
        self.needs(box, "write")
        data = some_bytes(size)
        source = tmp_path / "source"
        source.write_bytes(data)
        info = box.push("deep/er/name", data if kind == "bytes" else source)
        assert (info.key, info.size) == (box.key("deep/er/name"), size)
        assert info.pin == box.storage.stat(box.key("deep/er/name")).pin
        assert not difference(box.content("deep/er/name", folder), data)

    def test_push_writes_every_byte_of_a_big_file(self, box: Box, tmp_path: Path, folder: Path) -> None:
        self.needs(box, "write")
        data = some_bytes(self.big_bytes)
        (tmp_path / "big").write_bytes(data)
        assert box.push("big", tmp_path / "big").size == len(data)
        assert not difference(box.content("big", folder), data)
        assert list(self.leftovers(box.place)) == []

    @pytest.mark.parametrize("durable", [True, False])
    def test_push_replaces_the_whole_object(self, box: Box, folder: Path, durable: bool) -> None:
        self.needs(box, "write")
        box.push("a", b"a long one that was there before", durable=durable)
        box.push("a", b"new", durable=durable)
        assert box.content("a", folder) == b"new"

    def test_nobody_ever_sees_a_part_of_a_push(self, box: Box) -> None:
        self.needs(box, "write")
        box.push("a", b"old")
        sizes: set[int | None] = set()
        ended = threading.Event()

        def look() -> None:
            while not ended.is_set():
                info = box.storage.find(box.key("a"))
                sizes.add(info.size if info else None)

        def push() -> None:
            try:
                box.push("a", some_bytes(self.big_bytes))
            finally:
                ended.set()

        together(look, push)
        assert sizes <= {3, self.big_bytes}

    def test_the_watch_sees_all_bytes_of_a_push(self, box: Box) -> None:
        self.needs(box, "write")
        seen: list[int] = []
        box.push("a", some_bytes(100_000), watch=Watch(seen.append))
        assert sum(seen) >= 100_000

    def test_a_cancelled_push_leaves_what_was_there(self, box: Box, folder: Path) -> None:
        self.needs(box, "write")
        box.push("a", b"old")
        for name in ("a", "b"):
            with pytest.raises(CancelledTransferError):
                box.push(name, b"new", watch=cancelled())
        assert box.content("a", folder) == b"old"
        assert box.storage.find(box.key("b")) is None

    def test_a_push_cancelled_on_its_way_leaves_what_was_there_and_nothing_else(
        self, box: Box, tmp_path: Path, folder: Path
    ) -> None:
        self.needs(box, "write")
        (tmp_path / "big").write_bytes(some_bytes(self.big_bytes))
        box.push("a", b"old")
        for name in ("a", "b"):
            with pytest.raises(CancelledTransferError):
                box.push(name, tmp_path / "big", watch=cancelling())
        assert box.content("a", folder) == b"old"
        assert box.storage.find(box.key("b")) is None
        if box.storage.capabilities.list:
            assert box.names() == ["a"]
        assert list(self.leftovers(box.place)) == []

    @pytest.mark.parametrize("change", ["shorter", "longer", "other"])
    def test_a_source_that_changes_is_never_half_stored(
        self, box: Box, tmp_path: Path, folder: Path, change: str
    ) -> None:
        self.needs(box, "write")
        source, before = tmp_path / "source", some_bytes(self.big_bytes, 1)
        after = {"shorter": before[: len(before) // 2], "longer": before * 2, "other": some_bytes(len(before), 2)}
        source.write_bytes(before)
        with meanwhile(lambda: source.write_bytes(after[change])) as watch:
            try:
                box.push("a", source, watch=watch)
            except AnystoreDoeError:
                assert box.storage.find(box.key("a")) is None
                return
        assert box.content("a", folder) in (before, after[change])

    def test_a_source_that_is_no_file_is_an_error_of_ours(self, box: Box, tmp_path: Path) -> None:
        self.needs(box, "write")
        for source in (tmp_path / "missing", tmp_path):
            with pytest.raises((StorageError, LocalResourceError)):
                box.push("a", source)
        assert box.storage.find(box.key("a")) is None

    def test_push_many_keeps_the_order(self, box: Box, tmp_path: Path, folder: Path) -> None:
        self.needs(box, "write")
        items = []
        for name in ("c", "a", "b"):
            (tmp_path / name).write_bytes(name.encode() * 10)
            items.append((tmp_path / name, box.key(name)))
        infos = box.storage.push_many(items, watch=Watch())
        assert [info.key for info in infos] == [box.key(name) for name in ("c", "a", "b")]
        assert [box.content(name, folder) for name in ("a", "b", "c")] == [b"a" * 10, b"b" * 10, b"c" * 10]

    def test_checksums_are_those_of_the_bytes(self, box: Box) -> None:
        self.needs(box, "write")
        data = some_bytes(10_000)
        pushed = box.push("a", data)
        told = box.storage.stat(box.key("a"))
        if box.storage.capabilities.checksums:
            assert told.checksums, "capabilities say that checksums are filled"
        for info in (pushed, told):
            known = {name: value for name, value in info.checksums.items() if name in CHECKSUMS}
            assert known == {name: CHECKSUMS[name](data) for name in known}

    def test_threads_push_at_once_and_each_keeps_its_own(self, box: Box, folder: Path) -> None:
        self.needs(box, "write")
        data = [some_bytes(50_000 + number, number) for number in range(8)]
        together(*(partial(box.push, f"n{number}", body) for number, body in enumerate(data)))
        for number, body in enumerate(data):
            assert not difference(box.content(f"n{number}", folder), body)


class ConditionTests(StorageSuite):
    """``create_only`` and ``replacing``: the store decides, atomically."""

    @pytest.mark.parametrize("body", [b"", b"second"], ids=["empty", "small"])
    def test_create_only_never_replaces(self, box: Box, folder: Path, body: bytes) -> None:
        self.needs(box, "create_only")
        assert box.push("a", b"first", create_only=True).size == 5
        with pytest.raises(ObjectExistsError) as exists:
            box.push("a", body, create_only=True)
        assert exists.value.url == safe_url(box.url("a"))
        assert box.content("a", folder) == b"first"

    def test_create_only_respects_an_empty_object(self, box: Box) -> None:
        self.needs(box, "create_only")
        box.push("a", b"", create_only=True)
        with pytest.raises(ObjectExistsError):
            box.push("a", b"second", create_only=True)
        assert box.storage.stat(box.key("a")).size == 0

    def test_create_only_holds_for_a_big_file(self, box: Box, tmp_path: Path, folder: Path) -> None:
        self.needs(box, "create_only")
        (tmp_path / "big").write_bytes(some_bytes(self.big_bytes))
        box.push("a", b"first")
        with pytest.raises(ObjectExistsError):
            box.push("a", tmp_path / "big", create_only=True)
        assert box.content("a", folder) == b"first"
        assert list(self.leftovers(box.place)) == []

    def test_create_only_has_one_winner(self, box: Box, folder: Path) -> None:
        self.needs(box, "create_only")

        def race(number: int) -> int | None:
            try:
                box.push("a", b"%05d" % number, create_only=True)
            except ObjectExistsError:
                return None
            return number

        winners = [n for n in together(*(partial(race, number) for number in range(RACERS))) if n is not None]
        assert len(winners) == 1
        assert box.content("a", folder) == b"%05d" % winners[0]

    def test_push_many_create_only_stops_at_what_is_there(self, box: Box, tmp_path: Path, folder: Path) -> None:
        self.needs(box, "create_only")
        (tmp_path / "new").write_bytes(b"new")
        box.push("b", b"old")
        items = [(tmp_path / "new", box.key(name)) for name in ("a", "b")]
        with pytest.raises(ObjectExistsError):
            box.storage.push_many(items, create_only=True, watch=Watch())
        assert box.content("b", folder) == b"old"

    def test_replacing_the_version_that_is_there_works(self, box: Box, folder: Path) -> None:
        self.needs(box, "compare_and_set")
        first = self.pinned(box.push("a", b"first"))
        second = self.pinned(box.push("a", b"other", replacing=first))
        assert second != first
        assert box.content("a", folder) == b"other"

    def test_replacing_another_version_is_refused(self, box: Box, folder: Path) -> None:
        self.needs(box, "compare_and_set")
        first = self.pinned(box.push("a", b"first"))
        box.push("a", b"other")
        with pytest.raises(PreconditionFailedError) as failed:
            box.push("a", b"third", replacing=first)
        assert failed.value.url == safe_url(box.url("a"))
        assert box.content("a", folder) == b"other"

    def test_replacing_what_is_no_longer_there_creates_nothing(self, box: Box) -> None:
        self.needs(box, "compare_and_set")
        first = self.pinned(box.push("a", b"first"))
        box.drop("a")
        with pytest.raises(PreconditionFailedError):
            box.push("a", b"second", replacing=first)
        assert box.storage.find(box.key("a")) is None

    def test_no_increment_is_lost(self, box: Box, tmp_path: Path, folder: Path) -> None:
        self.needs(box, "compare_and_set")
        box.push("n", b"0")

        def add(adder: int) -> None:
            dest = folder / str(adder)
            for _ in range(ADDITIONS):
                while True:
                    try:
                        pin = box.fetch("n", dest).pin
                        box.push("n", b"%d" % (int(dest.read_bytes()) + 1), replacing=pin)
                    except (InputChangedError, PreconditionFailedError):
                        continue
                    break

        together(*(partial(add, adder) for adder in range(ADDERS)))
        assert box.content("n", tmp_path) == b"%d" % (ADDERS * ADDITIONS)


class DeleteTests(StorageSuite):
    """``delete``: really gone, and nothing else."""

    def test_deleted_objects_are_gone_and_their_neighbours_stay(self, box: Box) -> None:
        self.needs(box, "write", "delete", "list")
        for name in ("a", "ab", "b/c", "b/d", "e"):
            box.push(name, b"x")
        box.storage.delete(box.key(name) for name in ("a", "b/c"))
        assert box.names() == ["ab", "b/d", "e"]
        assert box.storage.find(box.key("a")) is None

    def test_delete_of_what_is_not_there_is_no_error(self, box: Box) -> None:
        self.needs(box, "write", "delete")
        box.push("a", b"x")
        box.storage.delete([box.key("no/such"), box.key("a"), box.key("a")])
        box.storage.delete([box.key("a")])
        box.storage.delete([])
        assert box.storage.find(box.key("a")) is None

    def test_delete_of_a_folder_leaves_what_is_in_it(self, box: Box, folder: Path) -> None:
        self.needs(box, "write", "delete")
        box.push("folder/a", b"x")
        try:
            box.storage.delete([box.key("folder")])
        except StorageError:
            pass  # a store with folders may refuse; what counts is that nothing in it is lost
        assert box.content("folder/a", folder) == b"x"

    def test_a_deleted_key_can_be_created_again(self, box: Box, folder: Path) -> None:
        self.needs(box, "delete", "create_only")
        box.push("a", b"first", create_only=True)
        box.storage.delete([box.key("a")])
        box.push("a", b"second", create_only=True)
        assert box.content("a", folder) == b"second"

    def test_many_objects_are_deleted_in_one_call(self, box: Box) -> None:
        self.needs(box, "write", "delete", "list")
        names = [f"m/{number:05}" for number in range(self.many)]
        for start in range(0, len(names), 16):
            together(*(partial(box.push, name, b"x", durable=False) for name in names[start : start + 16]))
        box.storage.delete([box.key(name) for name in names])
        assert box.names() == []
