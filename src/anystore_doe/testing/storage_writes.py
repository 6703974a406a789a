"""What ``push`` promises."""

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
    LocalResourceError,
    StorageError,
)
from anystore_doe.testing.racing import meanwhile
from anystore_doe.testing.storage_box import StorageSuite, cancelled, cancelling, some_bytes, together
from anystore_doe.testing.suite import difference, must_raise

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.testing.storage_box import Box

CANCELLED = "call watch.check(url) first, and watch.advance(n) after each piece: both raise it"
WHOLE = "a push that fails leaves what was there: write elsewhere, and put it in place in one step at the end"
LEFT = "a push that fails removes its part file or upload"


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
        assert list(self.leftovers(box.place)) == [], "a push leaves its object and nothing else"

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
        assert sizes <= {3, self.big_bytes}, "others saw a part of a push, or nothing: put it in place in one step"

    def test_the_watch_sees_all_bytes_of_a_push(self, box: Box) -> None:
        self.needs(box, "write")
        seen: list[int] = []
        box.push("a", some_bytes(100_000), watch=Watch(seen.append))
        assert sum(seen) >= 100_000, "call watch.advance(n) for all bytes that were moved"

    def test_a_cancelled_push_leaves_what_was_there(self, box: Box, folder: Path) -> None:
        self.needs(box, "write")
        box.push("a", b"old")
        for name in ("a", "b"):
            with must_raise(CancelledTransferError, rule=CANCELLED):
                box.push(name, b"new", watch=cancelled())
        assert box.content("a", folder) == b"old", WHOLE
        assert box.storage.find(box.key("b")) is None, WHOLE

    def test_a_push_cancelled_on_its_way_leaves_what_was_there_and_nothing_else(
        self, box: Box, tmp_path: Path, folder: Path
    ) -> None:
        self.needs(box, "write")
        (tmp_path / "big").write_bytes(some_bytes(self.big_bytes))
        box.push("a", b"old")
        for name in ("a", "b"):
            with must_raise(CancelledTransferError, rule=CANCELLED):
                box.push(name, tmp_path / "big", watch=cancelling())
        assert not difference(box.content("a", folder), b"old"), WHOLE
        assert box.storage.find(box.key("b")) is None, WHOLE
        if box.storage.capabilities.list:
            assert box.names() == ["a"], LEFT
        assert list(self.leftovers(box.place)) == [], LEFT

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
                assert box.storage.find(box.key("a")) is None, WHOLE
                return
        stored = box.content("a", folder)
        mixed = not any(stored == version for version in (before, after[change]))
        assert not mixed, (
            "the file changed while it was read, and some of both was stored: compare size and mtime after"
        )

    def test_a_source_that_is_no_file_is_an_error_of_ours(self, box: Box, tmp_path: Path) -> None:
        self.needs(box, "write")
        for source in (tmp_path / "missing", tmp_path):
            with must_raise(StorageError, LocalResourceError, rule="trouble with a local file is an error of ours"):
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
            assert known == {name: CHECKSUMS[name](data) for name in known}, "checksums are hex, of the whole object"

    def test_threads_push_at_once_and_each_keeps_its_own(self, box: Box, folder: Path) -> None:
        self.needs(box, "write")
        data = [some_bytes(50_000 + number, number) for number in range(8)]
        together(*(partial(box.push, f"n{number}", body) for number, body in enumerate(data)))
        for number, body in enumerate(data):
            assert not difference(box.content(f"n{number}", folder), body)
