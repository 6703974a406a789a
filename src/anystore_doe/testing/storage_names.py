"""Keys are literal: nasty names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anystore_doe.errors import ObjectNotFoundError, StorageError
from anystore_doe.testing.storage_box import StorageSuite
from anystore_doe.testing.suite import must_raise

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.testing.storage_box import Box

NAMES = {
    "space": "a b/c d",
    "nfc": "caf\u00e9",
    "nfd": "cafe\u0301",
    "unicode": "日本語/😀",
    "percent": "100%",
    "percent-escape": "a%20b%2Fc",
    "hash": "a#b",
    "question": "a?b=c",
    "version-id": "k?versionId=null",
    "brackets": "x[1].txt",
    "star": "a*b",
    "braces": "a{b,c}",
    "plus": "a+b",
    "ampersand": "a&b=c;d,e",
    "quotes": 'it\'s "so"',
    "colon": "a:b@c",
    "dollar": "$HOME/${x}",
    "tilde": "~root/~",
    "dash": "-rf",
    "leading-dot": ".hidden/..dots",
    "inner-dots": "a..b/c...",
    "leading-space": " a /b ",
    "long-part": "n" * 200,
    "long-key": "/".join(["p" * 100] * 6),
}
"""Names that every store must take as they are."""

ODD_NAMES = {
    "parent": "a/../b",
    "escape": "../escape",
    "dot": "a/./b",
    "double-slash": "a//b",
    "leading-slash": "/a",
    "trailing-slash": "a/",
    "backslash": "a\\b",
    "newline": "a\nb",
    "control": "a\x01b",
    "delete": "a\x7fb",
    "carriage-return": "a\rb",
    "nul": "a\x00b",
    "surrogate": "a\udc80b",
    "too-long-part": "n" * 256,
    "too-long-key": "/".join(["p" * 100] * 11),
}
"""Names that a store may refuse, but never takes for another."""


class NameTests(StorageSuite):
    """A key means itself, whatever is in it."""

    @pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
    def test_a_key_is_taken_literally(self, box: Box, folder: Path, name: str) -> None:
        info = box.put(name, name.encode())
        assert (info.key, info.size) == (box.key(name), len(name.encode()))
        assert box.content(name, folder) == name.encode()
        can = box.storage.capabilities
        if can.ranges:
            assert box.storage.read(box.key(name), 0, 3) == name.encode()[:3]
        if can.list:
            assert box.names() == [name]
        box.drop(name)
        assert box.storage.find(box.key(name)) is None

    @pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
    def test_an_odd_key_is_refused_or_taken_literally(self, box: Box, folder: Path, name: str) -> None:
        self.needs(box, "write", "list")
        try:
            info = box.push(name, b"odd")
        except StorageError:
            assert box.names() == []
        else:
            assert info.key == box.key(name)
            assert box.names() == [name]
            assert box.content(name, folder) == b"odd"
        around = [found.key for found in box.storage.walk(box.place.key.rpartition("/")[0])]
        assert [key for key in around if not key.startswith(box.key())] == [], "it went outside its prefix"

    @pytest.mark.parametrize(
        ("first", "second"),
        [("caf\u00e9", "cafe\u0301"), ("Case", "case"), ("a b", "a%20b"), ("a+b", "a b"), ("x", "x ")],
        ids=["normal-forms", "case", "escaped", "plus", "trailing-space"],
    )
    def test_names_that_look_alike_are_two_objects(self, box: Box, folder: Path, first: str, second: str) -> None:
        box.put(first, b"first")
        assert box.storage.find(box.key(second)) is None
        box.put(second, b"second")
        assert box.content(first, folder) == b"first"
        assert box.content(second, folder) == b"second"

    @pytest.mark.parametrize(
        ("there", "pattern"), [("x1.txt", "x[1].txt"), ("abc", "a*"), ("abc", "a?c"), ("ab", "a{b,c}")]
    )
    def test_a_key_is_never_a_pattern(self, box: Box, folder: Path, there: str, pattern: str) -> None:
        box.put(there, b"kept")
        assert box.storage.find(box.key(pattern)) is None
        with must_raise(ObjectNotFoundError, rule="a key is literal, and * ? [ { in it stand for themselves"):
            box.fetch(pattern, folder / "dest")
        if box.storage.capabilities.list:
            assert box.names(pattern) == []
        if box.storage.capabilities.delete:
            box.storage.delete([box.key(pattern)])
        assert box.content(there, folder) == b"kept"

    def test_an_object_beside_a_folder_of_its_name_is_refused_or_kept(self, box: Box, folder: Path) -> None:
        self.needs(box, "write")
        box.push("k", b"outer")
        try:
            box.push("k/x", b"inner")
        except StorageError:
            assert box.content("k", folder) == b"outer"
            return
        assert (box.content("k", folder), box.content("k/x", folder)) == (b"outer", b"inner")
        if box.storage.capabilities.list:
            assert box.names() == ["k", "k/x"]
            assert box.names("k") == ["k/x"]

    def test_a_folder_is_never_replaced_by_an_object(self, box: Box, folder: Path) -> None:
        self.needs(box, "write")
        box.push("k/x", b"inner")
        try:
            box.push("k", b"outer")
        except StorageError:
            pass  # a store with folders refuses
        assert box.content("k/x", folder) == b"inner"
