"""Keys are literal: nasty names, and what a storage says about itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Watch
from anystore_doe.errors import ObjectNotFoundError, StorageError, UnsupportedError, UsageError
from anystore_doe.testing.storage_box import StorageSuite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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

CALLS: Mapping[str, Callable[[Box], object]] = {
    "list": lambda box: list(box.storage.walk(box.key())),
    "write": lambda box: box.push("a", b"x"),
    "delete": lambda box: box.storage.delete([box.key("a")]),
    "ranges": lambda box: box.storage.read(box.key("a"), 0, 1),
    "create_only": lambda box: box.push("a", b"x", create_only=True),
    "compare_and_set": lambda box: box.push("a", b"x", replacing="some pin"),
}


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
        with pytest.raises(ObjectNotFoundError):
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


class HonestyTests(StorageSuite):
    """What a storage says about itself is so."""

    @pytest.mark.parametrize("capability", CALLS)
    def test_what_is_off_is_refused_as_unsupported(self, box: Box, capability: str) -> None:
        if getattr(box.storage.capabilities, capability):
            pytest.skip(f"{box.storage.url} has {capability}")
        with pytest.raises(UnsupportedError):
            CALLS[capability](box)

    def test_conditions_need_writing_and_pins_need_pins(self, box: Box) -> None:
        can = box.storage.capabilities
        assert can.write or not (can.create_only or can.compare_and_set or can.checksums)
        if can.pinned_reads or can.compare_and_set:
            assert box.put("a").pin

    def test_the_url_is_a_root_and_the_repr_shows_it(self, box: Box) -> None:
        assert box.storage.url.endswith("://") or not box.storage.url.endswith("/")
        assert box.storage.url in repr(box.storage)

    def test_no_secret_is_ever_shown(self, box: Box, folder: Path) -> None:
        with pytest.raises(ObjectNotFoundError) as missing:
            box.fetch("no/such", folder / "dest")
        shown = [repr(box.storage), str(box.storage), box.storage.url, str(missing.value), repr(missing.value)]
        shown += [missing.value.hint, missing.value.url]
        assert [text for text in shown for secret in self.secrets if secret in text] == []

    def test_a_policy_names_its_prefixes_and_deletes_only_when_asked(self, box: Box) -> None:
        reads, writes = ["kit-in/a", "kit-in/tree/"], ["kit-out/b/"]
        try:
            policy = box.storage.grants(reads, writes, delete=False)
        except UnsupportedError:
            return
        document = json.dumps(policy.document)
        assert policy.kind
        assert [name for name in ("kit-in/a", "kit-in/tree", "kit-out/b") if name not in document] == []
        assert json.dumps(box.storage.grants(reads, writes, delete=True).document) != document
        with pytest.raises((UnsupportedError, UsageError)):
            box.storage.grants(reads, writes, delete=False, form="no such form")

    def test_another_client_sees_what_this_one_wrote(self, box: Box, folder: Path) -> None:
        other = self.another(box.place)
        if other is None:
            pytest.skip("this suite opens the store only once")
        box.put("a", b"here")
        other.fetch(box.key("a"), folder / "dest", watch=Watch())
        assert (folder / "dest").read_bytes() == b"here"
        box.drop("a")
        assert other.find(box.key("a")) is None
        other.close()
        other.close()
