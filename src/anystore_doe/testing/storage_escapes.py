"""A key reaches the object of that very name and nothing else: no other spelling works, and no way leads out."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Watch
from anystore_doe.errors import StorageError
from anystore_doe.testing.storage_box import StorageSuite
from anystore_doe.testing.suite import must_raise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from anystore_doe.testing.storage_box import Box

SPELLINGS: Mapping[str, Callable[[Box], str]] = {
    "parent": lambda box: box.key("a/../b"),
    "parent-first": lambda box: box.key(f"../{box.key().rpartition('/')[2]}/b"),
    "dot": lambda box: box.key("./b"),
    "double-slash": lambda box: box.key("a//x"),
    "leading-slash": lambda box: "/" + box.key("b"),
    "trailing-slash": lambda box: box.key("b/"),
    "nul": lambda box: box.key("b\0"),
    "nul-and-more": lambda box: box.key("b\0.txt"),
}
"""Keys that name no object, and which a path on a disk would take for that of ``b`` or ``a/x``."""

UP = "../" * 40

WAYS_OUT: Mapping[str, Callable[[Box, str], str]] = {
    "parent": lambda box, path: box.key(UP + path.lstrip("/")),
    "parent-of-the-root": lambda _, path: UP + path.lstrip("/"),
    "leading-slash": lambda _, path: path,
    "leading-slashes": lambda _, path: "/" + path,
}
"""Keys that would reach ``path`` of this machine, if they were joined to the path of a folder."""


class EscapeTests(StorageSuite):
    """Refused or not found: a key that a careless provider takes for another, or for a file elsewhere."""

    @pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
    def test_an_object_has_one_key_only(self, box: Box, folder: Path, spelled: Callable[[Box], str]) -> None:
        box.put("a/x", b"ax")
        box.put("b", b"b")
        self._nothing_is_read(box, spelled(box), folder / "dest")

    @pytest.mark.parametrize("way", WAYS_OUT.values(), ids=WAYS_OUT)
    def test_no_key_leads_out_of_the_store(
        self, box: Box, folder: Path, tmp_path: Path, way: Callable[[Box, str], str]
    ) -> None:
        box.put("b", b"b")
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret").write_bytes(b"secret")
        self._nothing_is_read(box, way(box, str(outside / "secret")), folder / "dest")
        with contextlib.suppress(StorageError):  # to refuse is as good as to find nothing
            found = [info.key for info in box.storage.walk(way(box, str(outside)))]
            assert found == [], "walk listed a folder outside of the store: refuse such a prefix"
        with contextlib.suppress(StorageError):
            box.storage.delete([way(box, str(outside / "secret"))])
        key = way(box, str(outside / "new"))
        if key.startswith(box.key()):  # the suite writes below its prefix only
            with contextlib.suppress(StorageError):
                box.storage.push(b"new", key, watch=Watch())
        there = {path.name: path.read_bytes() for path in outside.iterdir()}
        assert there == {"secret": b"secret"}, f"a key changed files outside of the store: refuse {key!r}"

    @staticmethod
    def _nothing_is_read(box: Box, key: str, dest: Path) -> None:
        rule = f"{key!r} is the key of no object: refuse it, or look for that very name"
        with must_raise(StorageError, rule=rule):
            box.storage.stat(key)
        with must_raise(StorageError, rule=rule):
            box.storage.fetch(key, dest, watch=Watch())
        with must_raise(StorageError, rule=rule):
            box.storage.read(key, 0, 1)
        assert not dest.exists(), "a fetch that fails leaves no file"
